"""Explicit congestion notification on the wire (RFC 3168) and what the windows make of it (RFC 8511)."""

import pytest

from tests.tcp.scripted_peer import MILLISECOND, OUR_PORT, PEER_PORT, SECOND, Peer
from tests.tcp.segments import Segment, VnetHeader, wanted
from tests.tcp.strangers import cookie_for, listener_under_attack

pytestmark = pytest.mark.requirement("REC-7")

MSS = 1460
NOT_ECT, ECT_1, ECT_0, CE = range(4)
TIME_OUT = SECOND


def codepoint(segment: Segment) -> int:
    """The ECN field of the packet that carried the segment."""
    return segment.packet.tos & 3


def marks(segments: list[Segment]) -> list[int]:
    return [codepoint(segment) for segment in segments]


def accepted(host, **arguments):
    """A peer that asks for ECN and gets it; the connection."""
    peer = Peer(host, **arguments)
    listener = host.listen()
    peer.send("SEC")
    (answer,) = peer.expect(wanted("SAE", seq=0, ack=1))
    assert codepoint(answer) == NOT_ECT
    peer.send("A")
    peer.expect_nothing()
    return peer, host.accept(listener)


def asking(make_host, **arguments):
    """A host that asks for ECN; its SYN, taken; a peer that has not answered yet."""
    host = make_host(ecn=1, **arguments)
    peer = Peer(host)
    endpoint = host.connect(OUR_PORT, PEER_PORT)
    (syn,) = peer.expect(wanted("SEC", seq=0))
    assert codepoint(syn) == NOT_ECT
    return peer, endpoint


def is_capable(peer, endpoint) -> bool:
    """Whether new text leaves as ECN-capable."""
    endpoint.send(b"new")
    (segment,) = peer.expect(wanted("PA", text=b"new"))
    assert codepoint(segment) in (NOT_ECT, ECT_0)
    assert endpoint.info()["ecn"] == (codepoint(segment) == ECT_0)
    return codepoint(segment) == ECT_0


# ---- negotiation (6.1.1)


def test_connection_is_capable_when_we_ask_and_the_peer_agrees(make_host):
    peer, endpoint = asking(make_host)
    peer.send("SAE")
    (ack,) = peer.expect(wanted("A", ack=1))
    assert codepoint(ack) == NOT_ECT
    assert is_capable(peer, endpoint)


@pytest.mark.parametrize("flags", ["SA", "SAC", "SAEC"])
def test_connection_is_not_capable_when_the_peer_does_not_agree_or_reflects_our_flags(make_host, flags):
    peer, endpoint = asking(make_host)
    peer.send(flags)
    peer.expect(wanted("A", ack=1))
    assert not is_capable(peer, endpoint)


def test_connection_is_capable_when_the_peer_asks(host):
    assert is_capable(*accepted(host))


@pytest.mark.parametrize("flags", ["S", "SE", "SC"])
def test_peer_that_does_not_ask_is_not_answered_so(host, flags):
    peer = Peer(host)
    listener = host.listen()
    peer.send(flags)
    peer.expect(wanted("SA", seq=0, ack=1))
    peer.send("A")
    assert not is_capable(peer, host.accept(listener))


def test_host_that_only_accepts_does_not_ask(host):
    peer = Peer(host)
    endpoint = host.connect(OUR_PORT, PEER_PORT)
    peer.expect(wanted("S", seq=0))
    peer.send("SAE")
    peer.expect(wanted("A", ack=1))
    assert not is_capable(peer, endpoint)


def test_host_without_ecn_does_not_agree(make_host):
    host = make_host(ecn=0)
    peer = Peer(host)
    listener = host.listen()
    peer.send("SEC")
    peer.expect(wanted("SA", seq=0, ack=1))
    peer.send("A")
    assert not is_capable(peer, host.accept(listener))


@pytest.mark.parametrize("ecn", [4, 1 << 40])
def test_value_that_ecn_does_not_know_is_refused(make_host, ecn):
    with pytest.raises(ValueError, match=f"ecn is {ecn}"):
        make_host(ecn=ecn)


def test_syn_that_is_not_answered_goes_again_without_asking(make_host):
    peer, endpoint = asking(make_host)
    peer.host.advance(TIME_OUT)
    peer.expect(wanted("S", seq=0))
    peer.host.advance(2 * TIME_OUT)
    peer.expect(wanted("S", seq=0))
    assert peer.host.counter("TCPECNFallbacks") == 1
    peer.send("SA")
    peer.expect(wanted("A", ack=1))
    assert not is_capable(peer, endpoint)


def test_syn_that_is_refused_goes_again_without_asking(make_host):
    peer, endpoint = asking(make_host)
    peer.send("RA", ack=1)
    peer.host.advance(500 * MILLISECOND)
    peer.expect(wanted("S", seq=0))
    peer.send("SA", seq=0)
    peer.expect(wanted("A", ack=1))
    assert not is_capable(peer, endpoint)


def test_late_answer_to_the_asking_syn_makes_no_sender_but_an_echo(make_host):
    # 6.1.1: who has sent a SYN that does not ask must not set ECT, but the peer may
    peer, endpoint = asking(make_host)
    peer.host.advance(TIME_OUT)
    peer.expect(wanted("S", seq=0))
    peer.send("SAE")
    peer.expect(wanted("A", ack=1))
    peer.send("PA", text=b"x", tos=CE)
    peer.expect(wanted("AE", ack=2))
    assert not endpoint.info()["ecn"]
    endpoint.send(b"new")
    (segment,) = peer.expect(wanted("PAE", text=b"new"))
    assert codepoint(segment) == NOT_ECT


def test_peer_whose_syn_comes_again_without_asking_gets_a_plain_answer(host):
    peer = Peer(host)
    listener = host.listen()
    peer.send("SEC")
    peer.expect(wanted("SAE", seq=0, ack=1))
    peer.send("S", seq=0)
    peer.expect(wanted("SA", seq=0, ack=1))
    peer.send("A")
    assert not is_capable(peer, host.accept(listener))


@pytest.mark.requirement("SEG-5")
def test_answer_that_was_lost_agrees_again(host):
    peer = Peer(host)
    listener = host.listen()
    peer.send("SEC")
    peer.expect(wanted("SAE", seq=0, ack=1))
    peer.send("SEC", seq=0)
    peer.expect(wanted("SAE", seq=0, ack=1))
    host.advance(TIME_OUT)
    peer.expect(wanted("SAE", seq=0, ack=1))
    peer.send("A")
    assert is_capable(peer, host.accept(listener))


@pytest.mark.parametrize("theirs", ["SEC", "S"])
def test_simultaneous_open_is_capable_when_both_asked(make_host, theirs):
    peer, endpoint = asking(make_host)
    peer.send(theirs)
    both = theirs == "SEC"
    peer.expect(wanted("SAE" if both else "SA", seq=0, ack=1))
    peer.send("SAE" if both else "SA", seq=0, ack=1)
    peer.take()
    assert is_capable(peer, endpoint) == both


# ---- the receiver (6.1.3)


def test_mark_is_echoed_by_every_ack_until_the_peer_has_reacted(make_host):
    peer, endpoint = accepted(make_host(quick_acks=0))
    peer.send("PA", text=b"a", tos=ECT_0)
    peer.expect_nothing()
    # SND-4: at once
    peer.send("PA", text=b"b", tos=CE)
    peer.expect(wanted("AE", ack=3))
    peer.send("PA", text=b"c", tos=ECT_0)
    peer.host.advance(40 * MILLISECOND)
    peer.expect(wanted("AE", ack=4))
    endpoint.send(b"answer")
    peer.expect(wanted("PAE", ack=4, text=b"answer"))
    peer.send("PAC", text=b"d", tos=ECT_0)
    peer.host.advance(40 * MILLISECOND)
    peer.expect(wanted("A", ack=5))


@pytest.mark.requirement("SND-4")
def test_mark_is_acknowledged_at_once(make_host):
    peer, _ = accepted(make_host(quick_acks=0))
    peer.send("PA", text=b"x" * 100, tos=CE)
    peer.expect(wanted("AE", ack=101))


def test_segment_that_reacts_and_is_marked_itself_is_echoed(make_host):
    peer, _ = accepted(make_host(quick_acks=0))
    peer.send("PA", text=b"a", tos=CE)
    peer.expect(wanted("AE", ack=2))
    peer.send("PAC", text=b"b", tos=CE)
    peer.expect(wanted("AE", ack=3))


def test_mark_on_what_lies_outside_the_window_is_not_echoed(make_host):
    # 6.1.5: somebody else could have sent it
    peer, _ = accepted(make_host(quick_acks=255))
    peer.send("PA", text=b"old")
    peer.expect(wanted("A", ack=4))
    peer.send("PA", seq=1, text=b"old", tos=CE)
    peer.expect(wanted("A", ack=4))
    peer.send("PA", seq=1 << 30, text=b"far", tos=CE)
    peer.expect(wanted("A", ack=4))


def test_mark_beyond_a_hole_is_echoed(make_host):
    peer, _ = accepted(make_host(quick_acks=0))
    peer.send("A", seq=101, text=b"x" * 100, tos=CE)
    peer.expect(wanted("AE", ack=1))


def test_mark_on_a_connection_without_ecn_is_ignored(make_host):
    peer = Peer(make_host(quick_acks=0))
    peer.open_passively()
    peer.send("PA", text=b"a", tos=CE)
    peer.expect_nothing()
    peer.host.advance(40 * MILLISECOND)
    peer.expect(wanted("A", ack=2))


def test_packets_are_counted_by_their_marks(make_host):
    host = make_host(vnet_header=True)
    peer, _ = accepted(host)
    vnet = VnetHeader(flags=1, gso_type=1, hdr_len=40, gso_size=MSS, csum_start=20, csum_offset=16)
    peer.send("A", text=b"x" * (4 * MSS), vnet=vnet, tos=ECT_0)
    peer.send("A", text=b"x", tos=CE)
    peer.send("A", text=b"x", tos=ECT_1)
    names = ("InNoECTPkts", "InECT0Pkts", "InECT1Pkts", "InCEPkts")
    assert [host.counter(name) for name in names] == [2, 4, 1, 1]


# ---- the sender (6.1.2)


def flying(host, segments: int = 10, **arguments):
    """A capable connection with that many segments on their way, in slow start, and more waiting."""
    peer, endpoint = accepted(host, **arguments)
    endpoint.send(b"x" * (MSS * 200))
    sent = peer.take()
    assert marks(sent) == [ECT_0] * segments
    return peer, endpoint


def test_echo_brings_the_window_down_once_in_a_round_trip(make_host):
    peer, endpoint = flying(make_host(congestion="newreno"))
    for number in range(1, 11):
        peer.send("AE", ack=1 + number * MSS)
    # slow start: half of what was in flight before
    assert endpoint.info()["ssthresh"] == 5 * MSS
    assert endpoint.info()["cwnd"] == 5 * MSS
    # the peer has not heard of it yet; the next echo that answers new text counts
    sent = peer.take()
    assert [segment.flags for segment in sent].count("AC") == 1


def test_first_new_segment_says_so(make_host):
    peer, endpoint = flying(make_host(congestion="newreno"))
    peer.send("AE", ack=1 + MSS)
    assert peer.take() == []
    peer.send("AE", ack=1 + 3 * MSS)
    sent = peer.take()
    assert [segment.flags for segment in sent] == ["AC"]
    assert sent[0].seq == 1 + 10 * MSS
    assert codepoint(sent[0]) == ECT_0
    peer.send("A", ack=1 + 5 * MSS)
    assert "C" not in "".join(segment.flags for segment in peer.take())
    assert peer.host.counter("TCPCWRSent") == 1
    assert endpoint.info()["ssthresh"] == 5 * MSS


def test_window_does_not_come_down_without_ecn(make_host):
    host = make_host(congestion="newreno")
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.send(b"x" * (MSS * 200))
    assert marks(peer.take()) == [NOT_ECT] * 10
    peer.send("AE", ack=1 + 2 * MSS)
    assert endpoint.info()["cwnd"] > 10 * MSS
    assert "C" not in "".join(segment.flags for segment in peer.take())


def answer_all(peer) -> int:
    """Acknowledges all that was sent, one segment after the other, without an echo."""
    for segment in peer.take():
        peer.send("A", ack=segment.seq + len(segment.text))
    return peer.ack


@pytest.mark.parametrize(("algorithm", "percent"), [("cubic", 85), ("newreno", 80)])
def test_echo_in_congestion_avoidance_costs_less_than_a_loss(make_host, algorithm, percent):
    # RFC 8511
    peer, endpoint = flying(make_host(congestion=algorithm, send_buffer=1 << 20), window=65535, scale=7)
    peer.send("AE", ack=1 + 10 * MSS)
    # on until the reduction is over and the window grows again
    for _ in range(4):
        endpoint.send(b"x" * (MSS * 50))
        answer_all(peer)
        peer.host.advance(20 * MILLISECOND)
    sent = peer.take()
    before = endpoint.info()
    assert before["phase"] == 0
    assert before["cwnd"] >= before["ssthresh"]
    assert before["cwnd"] - before["flight"] < MSS
    peer.send("AE", ack=sent[0].seq + len(sent[0].text))
    assert endpoint.info()["ssthresh"] == before["cwnd"] * percent // 100


def test_echo_with_an_ack_of_everything_costs_no_more_than_another(make_host):
    peer, endpoint = flying(make_host(congestion="newreno"))
    peer.send("AE", ack=1 + 10 * MSS)
    assert endpoint.info()["ssthresh"] == 5 * MSS


def test_what_is_sent_again_is_not_capable(make_host):
    peer, _ = flying(make_host())
    for _ in range(3):
        peer.send("A", ack=1)
    sent = peer.take()
    again = [segment for segment in sent if segment.seq == 1]
    assert marks(again) == [NOT_ECT]
    assert set(marks([segment for segment in sent if segment.seq != 1])) == {ECT_0}


@pytest.mark.parametrize("loss", ["fast", "time-out"])
def test_window_that_came_down_for_a_loss_is_said_as_well(make_host, loss):
    # 6.1.2: so that the echo of a mark met in the same round trip ends
    peer, endpoint = flying(make_host(frto=0))
    if loss == "fast":
        for _ in range(3):
            peer.send("A", ack=1)
    else:
        peer.host.advance(peer.host.until_deadline())
        while not any(segment.seq == 1 for segment in peer.take()):
            peer.host.advance(peer.host.until_deadline())
    peer.take()
    peer.send("A", ack=1 + 10 * MSS + (2 * MSS if loss == "fast" else 0))
    sent = peer.take()
    assert [segment.flags for segment in sent].count("AC") == 1
    assert sent[0].flags == "AC"
    assert endpoint.info()["phase"] == 0


def test_time_out_of_the_probe_of_a_closed_window_is_not_capable(make_host):
    peer, endpoint = accepted(make_host())
    peer.send("A", window=0)
    endpoint.send(b"x" * 10)
    peer.expect_nothing()
    peer.host.advance(peer.host.until_deadline())
    sent = peer.take()
    assert marks(sent) == [NOT_ECT] * len(sent)
    assert sent[0].text == b"x"


def test_fin_without_text_is_not_capable(host):
    peer, endpoint = accepted(host)
    endpoint.shutdown_send()
    (fin,) = peer.expect(wanted("FA"))
    assert codepoint(fin) == NOT_ECT


def test_superframe_is_capable_but_only_a_single_segment_says_the_window_came_down(make_host):
    host = make_host(vnet_header=True, offloads=True, congestion="newreno")
    peer, endpoint = accepted(host)
    endpoint.send(b"x" * (MSS * 200))
    assert marks(peer.take()) == [ECT_0]
    peer.send("AE", ack=1 + 10 * MSS)
    sent = peer.take()
    assert [(segment.flags, len(segment.text)) for segment in sent][:2] == [("AC", MSS), ("PA", 4 * MSS)]


# ---- cookies


@pytest.mark.requirement("TCPX-3")
@pytest.mark.parametrize("timestamps", [True, False])
def test_cookie_remembers_what_was_agreed_in_its_timestamp(host, timestamps):
    listener, _ = listener_under_attack(host)
    peer = Peer(host, timestamps=timestamps, scale=7)
    peer.send("SEC")
    peer.expect(wanted("SAE" if timestamps else "SA", seq=0, ack=1))
    assert host.counter("SyncookiesSent") == 2
    peer.send("A")
    assert is_capable(peer, host.accept(listener)) == timestamps


@pytest.mark.requirement("TCPX-3")
def test_cookie_for_a_peer_that_does_not_ask_agrees_to_nothing(host):
    listener, _ = listener_under_attack(host)
    peer = Peer(host, timestamps=True, scale=7)
    cookie_for(peer)
    peer.send("A")
    assert not is_capable(peer, host.accept(listener))


@pytest.mark.requirement("TCPX-3")
def test_cookie_of_a_host_without_ecn_agrees_to_nothing(make_host):
    host = make_host(ecn=0)
    listener, _ = listener_under_attack(host)
    peer = Peer(host, timestamps=True)
    peer.send("SEC")
    peer.expect(wanted("SA", seq=0, ack=1))
    peer.send("A")
    assert not is_capable(peer, host.accept(listener))
