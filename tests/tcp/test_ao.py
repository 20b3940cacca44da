"""TCP-AO (RFC 5925, RFC 5926, TCPX-7) on the wire, each code computed beside the core."""

from collections.abc import Callable

import pytest
from scapy.layers.inet import IP, TCP

from netcore.keyring import Keyring
from tests.tcp.scripted_peer import OUR_PORT, PEER_ADDRESS, SECOND, Host, Peer, read_all, state_of
from tests.tcp.segments import wanted
from tests.tcp.signing import CMAC_96, AoKey, SignedPeer
from tests.tcp.strangers import AGE, half_open

pytestmark = pytest.mark.requirement("TCPX-7")

MSS = 1460
BEFORE_WRAP = 50_000  # sequence numbers left
KEYS = [
    AoKey(),
    AoKey(cover_options=False),
    AoKey(algorithm=CMAC_96),
    AoKey(algorithm=CMAC_96, secret=b"sixteen octets!!", cover_options=False),
    AoKey(secret=bytes(range(80)), send_id=0, receive_id=255),
]
KEY = KEYS[0]
SECOND_KEY = AoKey(secret=b"the next secret", send_id=62, receive_id=85)


def keyring_with(host: Host, *keys: AoKey) -> Keyring:
    """The host's keys, all of the peer."""
    keyring = Keyring(host.engine)
    for key in keys:
        key.give_to(keyring)
    return keyring


def counters(host: Host) -> tuple[int, int, int]:
    """TCPAORequired, TCPAOKeyNotFound, TCPAOBad."""
    return host.counter("TCPAORequired"), host.counter("TCPAOKeyNotFound"), host.counter("TCPAOBad")


@pytest.fixture(params=KEYS, ids=lambda key: f"{key.algorithm}-{len(key.secret)}-{key.cover_options}")
def key(request: pytest.FixtureRequest) -> AoKey:
    """Every algorithm, with and without options, secrets of several lengths."""
    key: AoKey = request.param
    return key


@pytest.mark.parametrize("timestamps", [False, True])
def test_signed_handshake_and_text_pass_both_ways(host: Host, key: AoKey, timestamps: bool) -> None:
    keyring_with(host, key)
    peer = SignedPeer(host, key=key, timestamps=timestamps, sack=True, scale=3)
    endpoint = peer.open_passively()
    peer.send("A", text=b"hello")
    peer.expect(wanted("A", ack=6))
    assert read_all(endpoint) == b"hello"
    endpoint.send(b"answer")
    peer.expect(wanted("PA", text=b"answer"))
    assert counters(host) == (0, 0, 0)
    assert host.counter("TCPAOGood") == 3


def test_active_open_signs_from_the_syn_on(host: Host, key: AoKey) -> None:
    keyring_with(host, key)
    peer = SignedPeer(host, key=key, timestamps=True, sack=True, scale=3)
    endpoint = peer.open_actively()
    endpoint.send(b"x")
    peer.expect(wanted("PA", text=b"x"))
    endpoint.abort()
    peer.expect(wanted("RA"))


def test_simultaneous_open_is_signed(host: Host) -> None:
    keyring_with(host, KEY)
    peer = SignedPeer(host, key=KEY)
    endpoint = host.connect(OUR_PORT, peer.port)
    peer.expect(wanted("S", seq=0))
    peer.send("S")
    peer.expect(wanted("SA", seq=0, ack=1))
    peer.send("SA", seq=0)
    assert state_of(endpoint) == "ESTABLISHED"
    assert counters(host) == (0, 0, 0)


@pytest.mark.parametrize("flags", ["S", "A", "R", "SA", ""])
def test_unsigned_segment_to_a_signed_listener_is_dropped_silently_and_counted(host: Host, flags: str) -> None:
    keyring_with(host, KEY)
    host.listen()
    peer = Peer(host)
    peer.send(flags)
    peer.expect_nothing()
    assert counters(host) == (1, 0, 0)
    assert host.engine.usage()["connections"] == 0


@pytest.mark.parametrize("flags", ["A", "PA", "RA", "R", "FA", "S", "SA"])
@pytest.mark.parametrize("fault", ["unsigned", "corrupt", "unknown key"])
def test_forged_segment_on_a_signed_connection_changes_nothing(host: Host, flags: str, fault: str) -> None:
    keyring_with(host, KEY)
    peer = SignedPeer(host, key=KEY)
    endpoint = peer.open_passively()
    before = endpoint.info()
    seq = peer.seq
    if fault == "unsigned":
        peer.signed = False
    elif fault == "corrupt":
        peer.corrupt = 95
    else:
        peer.key = AoKey(secret=KEY.secret, send_id=99, receive_id=84)
    peer.send(flags, text=b"forged" if "P" in flags else b"")
    peer.expect_nothing()
    assert endpoint.info() == before
    assert counters(host) == {"unsigned": (1, 0, 0), "corrupt": (0, 0, 1), "unknown key": (0, 1, 0)}[fault]
    peer.signed, peer.seq, peer.key = True, seq, KEY
    peer.send("A", text=b"true")
    peer.take()
    assert read_all(endpoint) == b"true"


@pytest.mark.parametrize("covered", [True, False])
def test_option_changed_on_the_way_is_noticed_only_where_options_are_covered(host: Host, covered: bool) -> None:
    key = AoKey(cover_options=covered)
    keyring_with(host, key)
    peer = SignedPeer(host, key=key, timestamps=True)
    endpoint = peer.open_passively()
    packet = peer.segment("A", text=b"text")
    options = packet[TCP].options
    packet[TCP].options = [(name, (value[0] + 1, value[1])) if name == "Timestamp" else (name, value)
                           for name, value in options]  # fmt: skip
    host.inject(packet)
    assert read_all(endpoint) == (b"" if covered else b"text")
    assert counters(host) == (0, 0, int(covered))


@pytest.mark.parametrize("length", [2, 3, 4, 15, 17, 20])
def test_option_of_another_length_is_dropped(host: Host, length: int) -> None:
    keyring_with(host, KEY)
    host.listen()
    peer = Peer(host)
    peer.send("S", options=[(29, (bytes((KEY.send_id, KEY.receive_id)) + bytes(30))[: length - 2])])
    peer.expect_nothing()
    assert counters(host) == (0, 0, 1)


def test_segment_of_another_connection_with_the_same_ports_is_dropped(host: Host) -> None:
    """RFC 5925 5.2: the initial sequence numbers are in the key, so nothing can be replayed into a later connection."""
    keyring_with(host, KEY)
    listener = host.listen()
    first = SignedPeer(host, key=KEY, iss=1000)
    endpoint = first.open_passively(listener)
    old = first.segment("A", text=b"old")
    endpoint.abort()
    first.take()
    host.advance(SECOND)
    second = SignedPeer(host, key=KEY, iss=1000)
    later = second.open_passively(listener)
    replayed = IP(bytes(old))
    replayed[TCP].ack = (second.base or 0) + 1
    del replayed[TCP].chksum
    host.inject(replayed)
    second.expect_nothing()
    assert read_all(later) == b""
    assert counters(host) == (0, 0, 1)


# ---- a peer without key


@pytest.mark.parametrize("strict", [False, True])
def test_tcp_ao_of_a_peer_without_key_passes_unless_it_may_not(make_host: Callable[..., Host], strict: bool) -> None:
    host = make_host(unknown_ao=0) if strict else make_host()
    host.listen()
    peer = SignedPeer(host, key=KEY)
    packet = peer.segment("S")
    host.inject(packet)
    sent = [IP(octets)[TCP] for octets, _ in host.take_packets()]
    assert [str(tcp.flags) for tcp in sent] == ([] if strict else ["SA"])
    assert all("AO" not in dict(tcp.options) for tcp in sent)
    assert host.counter("TCPAOKeyNotFound") == strict


# ---- what fits


@pytest.mark.parametrize(("timestamps", "room"), [(False, 16), (True, 28)])
def test_full_segment_leaves_room_for_the_options(host: Host, timestamps: bool, room: int) -> None:
    keyring_with(host, KEY)
    peer = SignedPeer(host, key=KEY, timestamps=timestamps)
    endpoint = peer.open_passively()
    endpoint.send(bytes(3 * MSS))
    segments = peer.take()
    assert [len(segment.text) for segment in segments[:3]] == [MSS - room] * 3
    assert all(len(bytes(segment.packet)) == 1500 for segment in segments[:3])


@pytest.mark.parametrize(("timestamps", "most"), [(False, 2), (True, 1)])
def test_sack_blocks_that_fit_are_sent_and_others_left_out(host: Host, timestamps: bool, most: int) -> None:
    keyring_with(host, KEY)
    peer = SignedPeer(host, key=KEY, sack=True, timestamps=timestamps)
    peer.open_passively()
    reported = []
    for number in range(4):
        peer.send("A", seq=101 + 200 * number, text=bytes(100))
        reported += [segment.blocks for segment in peer.take()]
    assert [blocks[0] for blocks in reported] == [(101 + 200 * n, 201 + 200 * n) for n in range(4)]
    assert max(len(blocks) for blocks in reported) == most


# ---- the sequence number extension (RFC 5925 6.2)


def test_numbers_that_wrap_on_the_way_in_are_extended(host: Host) -> None:
    keyring_with(host, KEY)
    peer = SignedPeer(host, key=KEY, iss=0xFFFFFFF0)
    endpoint = peer.open_passively()
    peer.send("A", text=bytes(20))  # begins before the wrap, ends behind it
    peer.expect(wanted("A", ack=21))
    peer.extension = 1
    peer.send("A", text=b"behind")
    peer.take()
    assert read_all(endpoint) == bytes(20) + b"behind"
    peer.extension = 0
    peer.send("A", seq=1, text=bytes(10))  # sent again from before the wrap: it has the old half
    peer.expect(wanted("A", ack=27))
    assert counters(host) == (0, 0, 0)
    peer.send("A", seq=27, text=b"wrong half")
    peer.expect_nothing()
    assert counters(host) == (0, 0, 1)


def test_iss_of_all_ones_is_extended_from_the_handshake_on(host: Host) -> None:
    keyring_with(host, KEY)
    listener = host.listen()
    peer = SignedPeer(host, key=KEY, iss=0xFFFFFFFF)
    peer.send("S")
    peer.expect(wanted("SA"))
    peer.extension = 1
    peer.send("A")
    endpoint = host.accept(listener)
    peer.send("A", text=b"text")
    assert read_all(endpoint) == b"text"
    assert counters(host) == (0, 0, 0)


def test_numbers_that_wrap_on_the_way_out_are_extended(host: Host) -> None:
    keyring_with(host, KEY)
    probe = SignedPeer(host, key=KEY)
    probe.open_passively().abort()
    probe.take()
    assert probe.base is not None
    # the clock of the initial sequence numbers (RFC 6528, 4 us) comes close to its end
    host.advance(((1 << 32) - probe.base - BEFORE_WRAP) * 4_000)
    peer = SignedPeer(host, key=KEY)
    endpoint = peer.open_passively()
    assert peer.base is not None
    assert (1 << 32) - peer.base <= BEFORE_WRAP
    text = bytes(range(250)) * 400
    received = b""
    endpoint.send(text)
    while len(received) < len(text):
        host.collect()
        waiting, host.waiting = host.waiting, []
        assert waiting
        for packet in waiting:
            host.waiting.append(packet)
            peer.their_extension = int(IP(packet[0])[TCP].seq < peer.base)
            received += b"".join(segment.text for segment in peer.take())
        peer.ack = 1 + len(received)
        peer.send("A")
    assert peer.their_extension == 1
    assert received == text
    assert counters(host) == (0, 0, 0)


# ---- keys that roll over (RFC 5925 7.3)


def test_peer_that_wants_another_key_gets_it(host: Host) -> None:
    keyring = keyring_with(host, KEY, SECOND_KEY)
    peer = SignedPeer(host, key=KEY)
    peer.known.append(SECOND_KEY)
    endpoint = peer.open_passively()
    peer.wanted_key = SECOND_KEY
    peer.send("A", text=b"change")
    peer.expect(wanted("A", ack=7))
    keys = keyring.in_use(endpoint)
    assert keys is not None
    assert keys["current"]["send_id"] == SECOND_KEY.receive_id
    assert keys["next"]["receive_id"] == KEY.send_id
    peer.key = SECOND_KEY
    peer.send("A", text=b"changed")
    peer.take()
    assert read_all(endpoint) == b"changechanged"
    assert counters(host) == (0, 0, 0)


def test_key_that_we_ask_for_is_named_in_what_we_send(host: Host) -> None:
    keyring = keyring_with(host, KEY, SECOND_KEY)
    peer = SignedPeer(host, key=KEY)
    peer.known.append(SECOND_KEY)
    endpoint = peer.open_passively()
    keyring.request(endpoint, SECOND_KEY.send_id)
    endpoint.send(b"x")
    peer.expect(wanted("PA", text=b"x"))
    assert peer.asked[-1] == SECOND_KEY.send_id
    peer.key = SECOND_KEY
    peer.send("A", text=b"y")
    assert read_all(endpoint) == b"y"
    with pytest.raises(ValueError, match="no key of receive_id 7"):
        keyring.request(endpoint, 7)


def test_key_that_is_added_later_serves_a_connection_that_is_there(host: Host) -> None:
    keyring = keyring_with(host, KEY)
    peer = SignedPeer(host, key=KEY)
    endpoint = peer.open_passively()
    peer.wanted_key = SECOND_KEY
    peer.send("A", text=b"1")
    peer.expect(wanted("A"))  # we have none such: the old one goes on
    SECOND_KEY.give_to(keyring)
    peer.known.append(SECOND_KEY)
    peer.key = SECOND_KEY
    peer.send("A", text=b"2")
    peer.expect(wanted("A"))
    keys = keyring.in_use(endpoint)
    assert keys is not None
    assert keys["current"]["send_id"] == SECOND_KEY.receive_id


def test_key_that_is_removed_after_the_rollover_is_gone(host: Host) -> None:
    keyring = Keyring(host.engine)
    number = KEY.give_to(keyring)
    SECOND_KEY.give_to(keyring)
    peer = SignedPeer(host, key=KEY)
    peer.known.append(SECOND_KEY)
    endpoint = peer.open_passively()
    keyring.request(endpoint, SECOND_KEY.send_id)
    peer.key = peer.wanted_key = SECOND_KEY
    peer.send("A", text=b"1")
    peer.expect(wanted("A"))
    keyring.remove(number)
    peer.key = KEY
    peer.send("A", text=b"2")
    peer.expect_nothing()
    assert counters(host) == (0, 1, 0)


def test_passive_open_answers_with_the_key_that_the_syn_asks_for(host: Host) -> None:
    keyring_with(host, KEY, SECOND_KEY)
    peer = SignedPeer(host, key=SECOND_KEY)
    peer.wanted_key = KEY
    peer.known = [KEY]  # nothing else is signed with
    peer.open_passively()
    assert peer.asked == [SECOND_KEY.send_id]


@pytest.mark.parametrize("other", [AoKey(send_id=61, receive_id=9), AoKey(send_id=9, receive_id=84)])
def test_identifier_that_another_key_of_the_peer_has_is_refused(host: Host, other: AoKey) -> None:
    keyring = keyring_with(host, KEY)
    with pytest.raises(ValueError, match="cannot be told from this one"):
        other.give_to(keyring)


def test_md5_beside_tcp_ao_for_one_peer_is_refused(host: Host) -> None:
    keyring = keyring_with(host, KEY)
    with pytest.raises(ValueError, match="cannot be told from this one"):
        keyring.add_md5(PEER_ADDRESS, b"secret")


def test_algorithm_without_a_name_of_its_own_is_refused(host: Host) -> None:
    with pytest.raises(ValueError, match="algorithm is 'md4', but must be one of hmac-sha-1-96, aes-128-cmac-96"):
        AoKey(algorithm="md4").give_to(Keyring(host.engine))


# ---- answers without a connection


def test_signed_syn_to_a_closed_port_is_answered_by_a_signed_reset(host: Host, key: AoKey) -> None:
    keyring_with(host, key)
    peer = SignedPeer(host, key=key)
    peer.send("S")
    peer.expect(wanted("RA"))


def test_reset_of_a_host_that_refuses_ends_an_active_open(make_host: Callable[..., Host]) -> None:
    host = make_host(syn_retries=0)
    keyring_with(host, KEY)
    peer = SignedPeer(host, key=KEY)
    endpoint = host.connect(OUR_PORT, peer.port)
    syn = peer.take()[0]
    base, peer.base, peer.iss = syn.packet[TCP].seq, syn.packet[TCP].seq, 0
    peer.send("RA", seq=0, ack=1)
    assert peer.base == base
    assert state_of(endpoint) == "CLOSED"
    assert counters(host) == (0, 0, 0)


def test_stray_segment_gets_no_answer_that_could_not_be_signed(host: Host) -> None:
    keyring_with(host, KEY)
    peer = SignedPeer(host, key=KEY)
    peer.base = 1000
    peer.send("A", ack=500)
    peer.expect_nothing()


def test_time_wait_signs_its_answers(host: Host) -> None:
    keyring_with(host, KEY)
    peer = SignedPeer(host, key=KEY, timestamps=True)
    endpoint = peer.open_passively()
    endpoint.shutdown_send()
    peer.expect(wanted("FA"))
    peer.send("FA", ack=2)
    peer.expect(wanted("A", seq=2, ack=2))
    assert host.engine.usage()["time_wait"] == 1
    peer.send("FA", seq=1, ack=2)
    peer.expect(wanted("A", seq=2, ack=2))
    peer.signed = False
    peer.send("FA", seq=1, ack=2)
    peer.expect_nothing()


@pytest.mark.parametrize("iss", [0x12345678, 0xFFFFFFFF])
def test_cookies_are_signed_and_their_answers_checked(host: Host, iss: int) -> None:
    keyring_with(host, KEY)
    listener = host.listen(backlog=4)
    half_open(host, 4, 50_000, address="10.0.0.3")
    host.advance(AGE + 1)
    host.take_packets()
    peer = SignedPeer(host, key=KEY, iss=iss, sack=True, scale=7, timestamps=True)
    peer.send("S")
    peer.expect(wanted("SA", ack=1))
    assert host.counter("SyncookiesSent") == 1
    peer.signed = False
    peer.send("A")
    peer.expect_nothing()
    assert host.counter("SyncookiesRecv") == 0
    peer.signed = True
    peer.extension = int(iss == 0xFFFFFFFF)
    peer.send("A")
    assert host.counter("SyncookiesRecv") == 1
    endpoint = host.accept(listener)
    endpoint.send(b"signed")
    peer.expect(wanted("PA", text=b"signed"))
    peer.send("A", text=b"back")
    assert read_all(endpoint) == b"back"
