"""Accurate ECN on the wire (RFC 9768): negotiated when asked for, every mark counted, every report obeyed once."""

import pytest

from tests.tcp.scripted_peer import OUR_PORT, PEER_PORT, SECOND, Peer
from tests.tcp.segments import VnetHeader, wanted

pytestmark = pytest.mark.requirement("REC-9")

MSS = 1460
NOT_ECT, ECT_1, ECT_0, CE = range(4)
# table 3: how a codepoint is told in the handshake, as AE, CWR, ECE
CODES = {NOT_ECT: 0b010, ECT_1: 0b011, ECT_0: 0b100, CE: 0b110}
FIRST_COUNT = 5


def names(ace: int) -> str:
    """The three flags as scapy writes them, in its order."""
    return "E" * (ace & 1) + "C" * (ace >> 1 & 1) + "N" * (ace >> 2 & 1)


def ace_of(segment) -> int:
    return sum(bit for name, bit in zip("ECN", (1, 2, 4), strict=True) if name in segment.flags)


def codepoint(segment) -> int:
    return segment.packet.tos & 3


def packet(peer, flags, codepoint=NOT_ECT, **fields):
    """A segment of the peer's with that ECN field."""
    found = peer.segment(flags, **fields)
    found.tos = codepoint
    return found


def deliver(peer, flags, codepoint=NOT_ECT, text=b"", **fields):
    peer.host.inject(packet(peer, flags, codepoint, text=text, **fields))
    peer.seq += len(text)


def asking(make_host, **arguments):
    """A host that asks; its SYN has been taken and the peer has not answered yet."""
    host = make_host(ecn=3, **arguments)
    peer = Peer(host)
    endpoint = host.connect(OUR_PORT, PEER_PORT)
    (syn,) = peer.expect(wanted("SECN", seq=0))
    assert codepoint(syn) == NOT_ECT
    return peer, endpoint


def opened(make_host, code=CODES[NOT_ECT], received=NOT_ECT, **arguments):
    """An active open that the peer agrees to; the last ACK of the handshake."""
    peer, endpoint = asking(make_host, **arguments)
    deliver(peer, "SA" + names(code), received)
    peer.seq = 1
    (ack,) = peer.take()
    return peer, endpoint, ack


def accepted(make_host, syn=NOT_ECT, last=CODES[NOT_ECT], **arguments):
    """A passive open; the SYN,ACK."""
    host = make_host(ecn=3, **arguments)
    peer = Peer(host)
    listener = host.listen()
    deliver(peer, "SECN", syn)
    (answer,) = peer.take()
    peer.seq = 1
    deliver(peer, "A" + names(last))
    return peer, host.accept(listener), answer


# ---- the handshake (3.1)


@pytest.mark.parametrize("received", CODES)
def test_ack_of_the_handshake_tells_what_the_syn_ack_came_with(make_host, received):
    _, endpoint, ack = opened(make_host, received=received)
    assert ace_of(ack) == CODES[received]
    assert endpoint.info()["ecn_accurate"]


@pytest.mark.parametrize("received", CODES)
def test_syn_ack_tells_what_the_syn_came_with(make_host, received):
    _, endpoint, answer = accepted(make_host, syn=received)
    assert ace_of(answer) == CODES[received]
    assert endpoint.info()["ecn_accurate"]


@pytest.mark.parametrize(("flags", "accurate", "classic"), [
    ("SA", False, False), ("SAE", False, True), ("SAEN", False, True), ("SAECN", False, False), ("SAC", True, False),
])  # fmt: skip
def test_answer_of_the_peer_settles_the_form(make_host, flags, accurate, classic):
    peer, endpoint = asking(make_host)
    peer.send(flags)
    peer.take()
    info = endpoint.info()
    assert (info["ecn_accurate"], info["ecn"]) == (accurate, accurate or classic)


def test_answer_that_tells_of_a_mark_we_did_not_make_forbids_us_to_send_any(make_host):
    # 3.2.2.4: the path changes the field
    peer, endpoint, _ = opened(make_host, code=CODES[ECT_0])
    endpoint.send(b"x")
    (segment,) = peer.take()
    assert codepoint(segment) == NOT_ECT
    assert ace_of(segment) == FIRST_COUNT


def test_peer_that_asks_only_for_the_old_form_gets_that(make_host):
    host = make_host(ecn=3)
    peer = Peer(host)
    host.listen()
    peer.send("SEC")
    peer.expect(wanted("SAE", seq=0, ack=1))


@pytest.mark.parametrize("ecn", [1, 2])
def test_host_that_was_not_asked_to_answers_in_the_old_form(make_host, ecn):
    host = make_host(ecn=ecn)
    peer = Peer(host)
    host.listen()
    peer.send("SECN")
    peer.expect(wanted("SAE", seq=0, ack=1))


def test_syn_that_is_not_answered_goes_again_without_asking(make_host):
    peer, _ = asking(make_host)
    peer.host.advance(SECOND)
    peer.expect(wanted("S", seq=0))


def test_handshake_with_a_marked_syn_ack_begins_one_further(make_host):
    peer, endpoint, _ = opened(make_host, received=CE)
    endpoint.send(b"x")
    (segment,) = peer.take()
    assert ace_of(segment) == FIRST_COUNT + 1


# ---- telling


def test_every_mark_is_counted_and_acknowledged_at_once(make_host):
    peer, _, _ = opened(make_host)
    for number in range(1, 20):
        deliver(peer, "PA" + names(FIRST_COUNT), CE, text=b"y")
        (ack,) = peer.take()
        assert ace_of(ack) == (FIRST_COUNT + number) % 8


def test_packets_without_a_mark_do_not_count(make_host):
    peer, endpoint, _ = opened(make_host)
    for received in (NOT_ECT, ECT_0, ECT_1):
        deliver(peer, "PA" + names(FIRST_COUNT), received, text=b"y")
    peer.take()
    endpoint.send(b"x")
    (segment,) = peer.take()
    assert ace_of(segment) == FIRST_COUNT


def test_superframe_counts_as_many_marks_as_it_has_segments(make_host):
    host = make_host(ecn=3, vnet_header=True, offloads=True)
    peer = Peer(host)
    endpoint = host.connect(OUR_PORT, PEER_PORT)
    peer.take()
    deliver(peer, "SA" + names(CODES[NOT_ECT]))
    peer.seq = 1
    peer.take()
    vnet = VnetHeader(flags=1, gso_type=1, hdr_len=40, gso_size=1000, csum_start=20, csum_offset=16)
    host.inject(packet(peer, "PA" + names(FIRST_COUNT), CE, text=b"z" * 3000), vnet)
    peer.seq += 3000
    (ack,) = peer.take()
    assert ace_of(ack) == (FIRST_COUNT + 3) % 8
    assert endpoint.info()["ecn_accurate"]


# ---- obeying


def in_flight(make_host, segments=10):
    peer, endpoint, _ = opened(make_host, congestion="newreno", initial_window=segments)
    endpoint.send(b"x" * (segments * MSS))
    sent = peer.take()
    assert len(sent) == segments
    assert {codepoint(segment) for segment in sent} == {ECT_0}
    return peer, endpoint


def test_count_that_moves_brings_the_window_down_once_in_a_round_trip(make_host):
    peer, endpoint = in_flight(make_host)
    before = endpoint.info()["ssthresh"]
    peer.send("A" + names(FIRST_COUNT + 1), ack=MSS + 1)
    first = endpoint.info()["ssthresh"]
    assert first < before
    peer.send("A" + names(FIRST_COUNT + 2), ack=2 * MSS + 1)
    peer.send("A" + names((FIRST_COUNT + 5) % 8), ack=3 * MSS + 1)
    assert endpoint.info()["ssthresh"] == first
    # no CWR: the peer counts and needs no answer
    endpoint.send(b"y" * MSS)
    assert {ace_of(segment) for segment in peer.take()} <= {FIRST_COUNT}


def test_count_that_stands_still_changes_nothing(make_host):
    peer, endpoint = in_flight(make_host)
    before = endpoint.info()["ssthresh"]
    for number in range(1, 6):
        peer.send("A" + names(FIRST_COUNT), ack=number * MSS + 1)
    assert endpoint.info()["ssthresh"] == before


def test_older_count_that_comes_late_is_no_mark(make_host):
    peer, endpoint = in_flight(make_host)
    peer.send("A" + names(FIRST_COUNT + 1), ack=5 * MSS + 1)
    once = endpoint.info()["ssthresh"]
    # everything is acknowledged, the reduction is over
    peer.send("A" + names(FIRST_COUNT + 1), ack=10 * MSS + 1)
    peer.send("A" + names(FIRST_COUNT), ack=MSS + 1)
    assert endpoint.info()["ssthresh"] == once


def test_ack_of_the_handshake_with_a_marked_syn_ack_sets_the_count(make_host):
    # 110: the peer's count begins at 6, which is no new mark
    peer, endpoint, _ = accepted(make_host, last=CODES[CE], initial_window=4)
    before = endpoint.info()["ssthresh"]
    endpoint.send(b"x" * MSS)
    peer.take()
    peer.send("A" + names(FIRST_COUNT + 1), ack=MSS + 1)
    assert endpoint.info()["ssthresh"] == before


@pytest.mark.parametrize("last", [CODES[NOT_ECT], CODES[ECT_0], 0, FIRST_COUNT])
def test_code_in_the_last_ack_of_a_handshake_is_no_congestion(make_host, last):
    peer, endpoint, _ = accepted(make_host, last=last)
    info = endpoint.info()
    assert (info["phase"], info["ssthresh"] > 1 << 20) == (0, True)
    endpoint.send(bytes(10 * MSS))
    assert len(peer.take()) == 10


def test_tcp_info_tells_how_many_segments_were_marked_and_not_how_many_an_ack_delivers(make_host):
    peer, endpoint = accepted(make_host, connection_statistics=1)[:2]
    for marks, delivered in ((3, 4), (3, 5), (9, 6), (10, 7)):
        endpoint.send(bytes((delivered - endpoint.tcp_info()["tcpi_delivered"]) * MSS))
        peer.take()
        deliver(peer, "A" + names((FIRST_COUNT + marks) % 8), ack=1 + delivered * MSS)
        assert endpoint.tcp_info()["tcpi_delivered_ce"] == marks
