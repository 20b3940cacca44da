"""TCP-MD5 (RFC 2385, TCPX-7) on the wire, each digest computed beside the core."""

from collections.abc import Callable

import pytest
from scapy.layers.inet import IP, TCP

from netcore.endpoint import Endpoint
from netcore.keyring import Keyring
from tests.tcp.scripted_peer import OUR_PORT, SECOND, Host, Peer, read_all, state_of
from tests.tcp.segments import wanted
from tests.tcp.signing import SignedPeer
from tests.tcp.strangers import AGE, half_open

pytestmark = pytest.mark.requirement("TCPX-7")

SECRET = b"a secret of two routers"
MSS = 1460


@pytest.fixture
def keyring(host: Host) -> Keyring:
    """The host's keys: one, of the peer."""
    keys = Keyring(host.engine)
    keys.add_md5("10.0.0.2", SECRET)
    return keys


def counters(host: Host) -> tuple[int, int, int]:
    """TCPMD5NotFound, TCPMD5Unexpected, TCPMD5Failure."""
    return host.counter("TCPMD5NotFound"), host.counter("TCPMD5Unexpected"), host.counter("TCPMD5Failure")


@pytest.mark.usefixtures("keyring")
def test_signed_handshake_and_text_pass_both_ways(host: Host) -> None:
    peer = SignedPeer(host, secret=SECRET)
    endpoint = peer.open_passively()
    peer.send("A", text=b"hello")
    peer.expect(wanted("A", ack=6))
    assert read_all(endpoint) == b"hello"
    endpoint.send(b"answer")
    peer.expect(wanted("PA", text=b"answer"))
    assert counters(host) == (0, 0, 0)


@pytest.mark.usefixtures("keyring")
@pytest.mark.parametrize("timestamps", [False, True])
def test_active_open_signs_from_the_syn_on(host: Host, timestamps: bool) -> None:
    peer = SignedPeer(host, secret=SECRET, scale=7, sack=True, timestamps=timestamps)
    endpoint = peer.open_actively()
    endpoint.send(b"x")
    peer.expect(wanted("PA", text=b"x"))
    assert state_of(endpoint) == "ESTABLISHED"


@pytest.mark.usefixtures("keyring")
def test_syn_carries_every_option_beside_the_digest(host: Host) -> None:
    peer = SignedPeer(host, secret=SECRET)
    host.connect(OUR_PORT, peer.port)
    syn = peer.take()[0]
    assert set(syn.options) == {"MSS", "WScale", "SAckOK", "Timestamp", "MD5"}
    assert syn.options["MSS"] == MSS
    assert syn.packet[TCP].dataofs == 15


@pytest.mark.usefixtures("keyring")
@pytest.mark.parametrize("flags", ["S", "A", "R", "F", "SA", ""])
def test_unsigned_segment_to_a_signed_listener_is_dropped_silently_and_counted(host: Host, flags: str) -> None:
    host.listen()
    peer = Peer(host)
    peer.send(flags)
    peer.expect_nothing()
    assert counters(host) == (1, 0, 0)
    assert host.engine.usage()["connections"] == 0


@pytest.mark.usefixtures("keyring")
@pytest.mark.parametrize("bit", [0, 64, 127])
def test_syn_with_a_wrong_digest_is_dropped_silently_and_counted(host: Host, bit: int) -> None:
    host.listen()
    peer = SignedPeer(host, secret=SECRET)
    peer.corrupt = bit
    peer.send("S")
    peer.expect_nothing()
    assert counters(host) == (0, 0, 1)


@pytest.mark.usefixtures("keyring")
def test_syn_signed_with_another_secret_is_dropped(host: Host) -> None:
    host.listen()
    peer = SignedPeer(host, secret=SECRET + b"!")
    peer.send("S")
    peer.expect_nothing()
    assert counters(host) == (0, 0, 1)


def test_signed_syn_of_a_peer_without_key_is_dropped_and_counted(host: Host) -> None:
    host.listen()
    peer = SignedPeer(host, secret=SECRET)
    peer.send("S")
    peer.expect_nothing()
    assert counters(host) == (0, 1, 0)


@pytest.mark.usefixtures("keyring")
def test_peer_outside_the_prefix_needs_no_signature(host: Host) -> None:
    peer = Peer(host, address="10.0.0.3")
    peer.open_passively()
    assert counters(host) == (0, 0, 0)


@pytest.mark.usefixtures("keyring")
@pytest.mark.parametrize("flags", ["A", "PA", "RA", "R", "FA", "S"])
@pytest.mark.parametrize("fault", ["unsigned", "corrupt"])
def test_forged_segment_on_a_signed_connection_changes_nothing(host: Host, flags: str, fault: str) -> None:
    peer = SignedPeer(host, secret=SECRET)
    endpoint = peer.open_passively()
    before = endpoint.info()
    seq = peer.seq
    if fault == "unsigned":
        peer.signed = False
    else:
        peer.corrupt = 7
    peer.send(flags, text=b"forged" if "P" in flags else b"")
    peer.expect_nothing()
    assert endpoint.info() == before
    assert counters(host) == ((1, 0, 0) if fault == "unsigned" else (0, 0, 1))
    peer.signed, peer.seq = True, seq
    peer.send("A", text=b"true")
    peer.take()
    assert read_all(endpoint) == b"true"


@pytest.mark.usefixtures("keyring")
def test_text_that_was_changed_on_the_way_is_dropped(host: Host) -> None:
    peer = SignedPeer(host, secret=SECRET)
    endpoint = peer.open_passively()
    packet = peer.segment("A", text=b"pay 100")
    octets = bytes(packet).replace(b"pay 100", b"pay 900")
    forged = IP(octets)
    del forged[TCP].chksum
    host.inject(forged)
    peer.expect_nothing()
    assert read_all(endpoint) == b""
    assert counters(host) == (0, 0, 1)


@pytest.mark.usefixtures("keyring")
@pytest.mark.parametrize("options", [
    [(19, bytes(15))],
    [(19, bytes(16)), (19, bytes(16))],
    [(19, b"")],
])  # fmt: skip
def test_malformed_signature_is_dropped(host: Host, options: list[tuple[int, bytes]]) -> None:
    host.listen()
    peer = Peer(host)
    peer.send("S", options=options)
    peer.expect_nothing()
    assert counters(host) == (0, 0, 1)


def test_digest_beside_a_tcp_ao_option_is_dropped(host: Host) -> None:
    Keyring(host.engine).add_md5("10.0.0.2", SECRET)
    host.listen()
    peer = Peer(host)
    peer.send("S", options=[(29, bytes(14)), (19, bytes(16))])
    peer.expect_nothing()
    assert counters(host) == (0, 0, 1)


# ---- what fits


@pytest.mark.usefixtures("keyring")
@pytest.mark.parametrize(("timestamps", "room"), [(False, 20), (True, 32)])
def test_full_segment_leaves_room_for_the_options(host: Host, timestamps: bool, room: int) -> None:
    peer = SignedPeer(host, secret=SECRET, timestamps=timestamps)
    endpoint = peer.open_passively()
    endpoint.send(bytes(3 * MSS))
    segments = peer.take()
    assert [len(segment.text) for segment in segments[:3]] == [MSS - room] * 3
    assert all(len(bytes(segment.packet)) == 1500 for segment in segments[:3])


def test_superframes_are_cut_into_segments_each_with_its_digest(make_host: Callable[..., Host]) -> None:
    host = make_host(ethernet=True, vnet_header=True, offloads=True)
    Keyring(host.engine).add_md5("10.0.0.2", SECRET)
    text = bytes(range(256)) * 60
    peer = SignedPeer(host, secret=SECRET)
    endpoint = peer.open_passively()
    endpoint.send(text)
    segments = peer.take()
    assert len(segments) >= 10
    assert all(segment.vnet is not None and segment.vnet.gso_type == 0 for segment in segments)
    assert b"".join(segment.text for segment in segments) == text[: sum(len(segment.text) for segment in segments)]


@pytest.mark.usefixtures("keyring")
@pytest.mark.parametrize(("timestamps", "most"), [(False, 2), (True, 1)])
def test_sack_blocks_that_fit_are_sent_and_others_left_out(host: Host, timestamps: bool, most: int) -> None:
    peer = SignedPeer(host, secret=SECRET, sack=True, timestamps=timestamps)
    peer.open_passively()
    reported = []
    for number in range(4):
        start = 101 + 200 * number
        peer.send("A", seq=start, text=bytes(100))
        for segment in peer.take():
            assert len(segment.blocks) <= most
            assert segment.packet[TCP].dataofs <= 15
            reported.append(segment.blocks)
    assert [blocks[0] for blocks in reported] == [(101 + 200 * n, 201 + 200 * n) for n in range(4)]
    assert max(len(blocks) for blocks in reported) == most


@pytest.mark.usefixtures("keyring")
@pytest.mark.parametrize("timestamps", [False, True])
def test_duplicates_beyond_a_hole_bring_no_ack_without_end(host: Host, timestamps: bool) -> None:
    """RFC 2883 4.2.3 tells of them in two blocks, for which there may be no room in any segment."""
    peer = SignedPeer(host, secret=SECRET, sack=True, timestamps=timestamps)
    peer.open_passively()
    late = peer.segment("A", seq=101, text=bytes(100))
    host.inject_together(*[late] * 5)
    segments = peer.take()
    assert 1 <= len(segments) <= 5
    assert (101, 201) in segments[-1].blocks


@pytest.mark.usefixtures("keyring")
def test_text_is_sent_again_signed_whatever_its_timestamp(host: Host) -> None:
    peer = SignedPeer(host, secret=SECRET, timestamps=True)
    endpoint = peer.open_passively()
    endpoint.send(b"lost")
    first = peer.take()
    host.advance(2 * SECOND)
    again = peer.take()
    assert [segment.text for segment in first + again][:2] == [b"lost", b"lost"]
    # RFC 2385 2.0: options are not covered
    assert first[0].options["MD5"] == again[0].options["MD5"]
    assert first[0].options["Timestamp"] != again[0].options["Timestamp"]


# ---- answers without a connection


@pytest.mark.usefixtures("keyring")
def test_stray_signed_segment_is_answered_by_a_signed_reset(host: Host) -> None:
    peer = SignedPeer(host, secret=SECRET)
    peer.base = 1000
    peer.send("A", ack=500)
    peer.expect(wanted("R", seq=500))


@pytest.mark.usefixtures("keyring")
def test_signed_syn_to_a_closed_port_is_answered_by_a_signed_reset(host: Host) -> None:
    peer = SignedPeer(host, secret=SECRET)
    peer.send("S")
    peer.expect(wanted("RA"))


@pytest.mark.usefixtures("keyring")
def test_signed_syn_beyond_the_backlog_is_refused_by_a_signed_reset(host: Host) -> None:
    host.listen(backlog=1)
    half_open(host, 1, 50_000, address="10.0.0.3")
    peer = SignedPeer(host, secret=SECRET)
    peer.send("S")
    peer.expect(wanted("RA"))


@pytest.mark.usefixtures("keyring")
def test_abort_sends_a_signed_reset(host: Host) -> None:
    peer = SignedPeer(host, secret=SECRET)
    endpoint = peer.open_passively()
    endpoint.abort()
    peer.expect(wanted("RA", seq=1, ack=1))


def close_first(peer: SignedPeer, endpoint: Endpoint) -> None:
    """The engine's end goes into TIME-WAIT."""
    endpoint.shutdown_send()
    peer.expect(wanted("FA"))
    peer.send("FA", ack=2)
    peer.expect(wanted("A", seq=2, ack=2))


@pytest.mark.usefixtures("keyring")
def test_time_wait_signs_its_answers_and_drops_what_is_not_signed(host: Host) -> None:
    peer = SignedPeer(host, secret=SECRET, timestamps=True)
    endpoint = peer.open_passively()
    close_first(peer, endpoint)
    assert host.engine.usage()["time_wait"] == 1
    peer.send("FA", seq=1, ack=2)
    peer.expect(wanted("A", seq=2, ack=2))
    peer.signed = False
    peer.send("FA", seq=1, ack=2)
    peer.expect_nothing()
    assert counters(host) == (1, 0, 0)


@pytest.mark.usefixtures("keyring")
def test_signed_syn_takes_a_signed_time_wait_over(host: Host) -> None:
    listener = host.listen()
    first = SignedPeer(host, secret=SECRET)
    endpoint = first.open_passively(listener)
    close_first(first, endpoint)
    second = SignedPeer(host, secret=SECRET, iss=first.iss + 100_000)
    second.open_passively(listener)
    assert host.counter("TWRecycled") == 1


@pytest.mark.parametrize("options", [{}, {"sack": True, "scale": 7, "timestamps": True}])
def test_cookies_are_signed_and_their_answers_checked(host: Host, options: dict[str, object]) -> None:
    Keyring(host.engine).add_md5("10.0.0.2", SECRET)
    listener = host.listen(backlog=4)
    half_open(host, 4, 50_000, address="10.0.0.3")
    host.advance(AGE + 1)
    host.take_packets()
    peer = SignedPeer(host, secret=SECRET, **options)
    peer.send("S")
    peer.expect(wanted("SA", ack=1))
    assert host.counter("SyncookiesSent") == 1
    peer.signed = False
    peer.send("A")
    peer.expect_nothing()
    assert host.counter("SyncookiesRecv") == 0
    peer.signed = True
    peer.send("A")
    assert host.counter("SyncookiesRecv") == 1
    endpoint = host.accept(listener)
    endpoint.send(b"signed")
    peer.expect(wanted("PA", text=b"signed"))


# ---- keys


def test_key_of_the_longest_prefix_counts(host: Host) -> None:
    keys = Keyring(host.engine)
    keys.add_md5("0.0.0.0/0", b"all")
    keys.add_md5("10.0.0.2", b"one")
    keys.add_md5("10.0.0.0/24", b"some")
    SignedPeer(host, secret=b"one").open_passively()
    SignedPeer(host, secret=b"some", address="10.0.0.77").open_passively()
    SignedPeer(host, secret=b"all", address="192.0.2.1", our_port=OUR_PORT).send("S")
    assert counters(host) == (0, 0, 0)


def test_key_of_one_port_leaves_others_unsigned(host: Host) -> None:
    Keyring(host.engine).add_md5("10.0.0.0/24", SECRET, local_port=179)
    Peer(host).open_passively(host.listen(OUR_PORT))
    bgp = host.listen(179)
    SignedPeer(host, secret=SECRET, our_port=179, port=50_000).open_passively(bgp)
    stranger = Peer(host, our_port=179, port=50_001)
    stranger.send("S")
    stranger.expect_nothing()


def test_removed_key_serves_its_connection_and_no_other(host: Host) -> None:
    keys = Keyring(host.engine)
    number = keys.add_md5("10.0.0.2", SECRET)
    listener = host.listen()
    peer = SignedPeer(host, secret=SECRET)
    endpoint = peer.open_passively(listener)
    keys.remove(number)
    assert keys.list() == []
    endpoint.send(b"still signed")
    peer.expect(wanted("PA", text=b"still signed"))
    peer.signed = False
    peer.send("A", ack=13)
    peer.expect_nothing()
    assert counters(host) == (1, 0, 0)
    Peer(host, port=50_000).open_passively(listener)


def test_connection_from_before_the_key_stays_unsigned(host: Host) -> None:
    peer = Peer(host)
    endpoint = peer.open_passively()
    Keyring(host.engine).add_md5("10.0.0.2", SECRET)
    endpoint.send(b"plain")
    segment = peer.expect(wanted("PA", text=b"plain"))[0]
    assert "MD5" not in segment.options


def test_secret_is_in_nothing_that_can_be_printed(host: Host) -> None:
    keys = Keyring(host.engine)
    keys.add_md5("10.0.0.0/24", SECRET)
    told = f"{keys!r} {keys.list()} {vars(type(keys))}"
    assert SECRET.decode() not in told
    assert SECRET.hex() not in told
    with pytest.raises(ValueError, match="cannot be told from this one") as refusal:
        keys.add_md5("10.0.0.0/24", SECRET)
    assert SECRET.decode() not in str(refusal.value)


@pytest.mark.parametrize(("arguments", "message"), [
    ({"peer": "10.0.0.1/24"}, "peer is '10.0.0.1/24'"),
    ({"peer": "nobody"}, "peer is 'nobody'"),
    ({"secret": b""}, "0 bytes"),
    ({"secret": bytes(81)}, "81 bytes"),
    ({"local_port": 65536}, "local_port is 65536"),
    ({"remote_port": -1}, "remote_port is -1"),
])  # fmt: skip
def test_argument_out_of_range_is_refused_by_name(host: Host, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Keyring(host.engine).add_md5(**{"peer": "10.0.0.2", "secret": SECRET, **arguments})  # type: ignore[arg-type]


def test_more_keys_than_a_host_takes_are_refused(host: Host) -> None:
    keys = Keyring(host.engine)
    for port in range(1, 1025):
        keys.add_md5("10.0.0.2", SECRET, local_port=port)
    with pytest.raises(ValueError, match="1024 keys"):
        keys.add_md5("10.0.0.2", SECRET, local_port=1025)
