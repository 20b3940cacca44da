"""Losses that were none: found by timestamps and by duplicate reports, and taken back (REC-4).

RFC 3522 and 4015, RFC 2883 and 3708. The round trip is 100 ms, the first time-out 300 ms.
"""

import pytest

from tests.tcp.flights import (
    MSS,
    OPEN,
    RECOVERY,
    RTT,
    acknowledge,
    at,
    board,
    is_undone,
    running,
    sent,
    time_out,
    timed_out,
)
from tests.tcp.scripted_peer import MILLISECOND

pytestmark = pytest.mark.requirement("REC-4")
HOSTS = {"congestion": "newreno"}


# ---- by timestamps (RFC 3522, RFC 4015)


@pytest.mark.parametrize("sack", [False, True])
def test_echo_from_before_the_time_out_shows_at_once_that_it_was_spurious(make_host, sack):
    host = make_host(frto=0)
    peer, endpoint = running(host, 10, 50, timestamps=True, sack=sack)
    before, echo = endpoint.info(), peer.tsecr
    assert time_out(peer) == [0]
    host.advance(10 * MILLISECOND)
    peer.tsecr = echo
    acknowledge(peer, 1)
    assert is_undone(host, endpoint, before)
    assert host.counter("RetransSegs") == 1
    assert all(number >= 10 for number in sent(peer))


def test_echo_of_the_retransmission_shows_a_real_loss(make_host):
    host = make_host(frto=0)
    peer, endpoint = running(host, 10, 50, timestamps=True, sack=False)
    before = endpoint.info()
    assert time_out(peer) == [0]
    host.advance(RTT)
    acknowledge(peer, 1)
    assert host.counter("TCPSpuriousRTOs") == 0
    assert endpoint.info()["ssthresh"] == before["cwnd"] // 2
    assert sent(peer) == [1, 2]


def test_only_the_first_ack_of_what_went_again_is_judged(make_host):
    # RFC 3522 3.2 step 4
    host = make_host(frto=0)
    peer, _ = running(host, 10, 50, timestamps=True, sack=False)
    echo = peer.tsecr
    assert time_out(peer) == [0]
    host.advance(RTT)
    acknowledge(peer, 1)
    peer.take()
    # a late ACK of the originals
    peer.tsecr = echo
    acknowledge(peer, 2)
    assert host.counter("TCPSpuriousRTOs") == 0


@pytest.mark.requirement("REC-2")
def test_echo_from_before_a_fast_retransmission_undoes_it(host):
    # segment 0 comes more than the reordering window late
    peer, endpoint = running(host, 10, 50, timestamps=True)
    before, echo = endpoint.info(), peer.tsecr
    host.advance(RTT)
    acknowledge(peer, 0, (1, 4))
    assert endpoint.info()["phase"] == RECOVERY
    assert sent(peer)[0] == 0
    host.advance(10 * MILLISECOND)
    peer.tsecr = echo
    acknowledge(peer, 4)
    info = endpoint.info()
    assert info["phase"] == OPEN
    assert info["ssthresh"] >= before["cwnd"]
    assert info["cwnd"] >= before["cwnd"] - MSS
    # and three SACKed segments no longer suffice
    assert info["reordering_seen"]
    assert host.counter("TCPFullUndo") == 1
    assert board(endpoint)[2] == 0


def test_echo_of_a_fast_retransmission_undoes_nothing(host):
    peer, endpoint = running(host, 10, 50, timestamps=True)
    host.advance(RTT)
    acknowledge(peer, 0, (1, 4))
    assert sent(peer)[0] == 0
    host.advance(RTT)
    acknowledge(peer, 4)
    assert endpoint.info()["phase"] == RECOVERY
    assert host.counter("TCPFullUndo") == 0
    assert endpoint.info()["ssthresh"] == 5 * MSS


@pytest.mark.requirement("SND-6")
def test_path_that_became_slow_is_waited_for_longer(make_host):
    # RFC 4015 3.2: the estimate follows what the late ACKs tell, or the next time-out would be spurious as well
    host = make_host()
    peer, endpoint = running(host, 10, 50, timestamps=True)
    rto = endpoint.info()["rto"]
    echo = peer.tsecr
    time_out(peer)
    host.advance(200 * MILLISECOND)
    peer.tsecr = echo
    # segment 1 went once, half a second ago
    acknowledge(peer, 2)
    info = endpoint.info()
    assert host.counter("TCPSpuriousRTOs") == 1
    assert info["rto"] > 2 * rto
    assert info["backoff"] == 0


# ---- what comes back (RFC 4015 3.2)


def test_windows_come_back_without_a_burst(host):
    # the window is the flight and min(bytes acknowledged, the initial window), and grows from there
    peer, endpoint = running(host, 10, 200, sack=False)
    for number in range(1, 41):
        acknowledge(peer, number)
        peer.take()
    before = endpoint.info()
    assert before["cwnd"] == 50 * MSS
    assert before["in_flight"] == 50 * MSS
    assert time_out(peer) == [40]
    acknowledge(peer, 41)
    assert sent(peer) == [90, 91]
    # one ACK for forty segments
    acknowledge(peer, 81)
    info = endpoint.info()
    assert info["phase"] == OPEN
    assert info["ssthresh"] >= before["cwnd"]
    # and a segment for the ACK itself, as in any slow start
    assert len(sent(peer)) == 10 + 1
    assert info["cwnd"] == (11 + 10 + 1) * MSS
    acknowledge(peer, 92)
    assert len(sent(peer)) > 11


def test_threshold_of_before_comes_back_and_the_window_grows_on_from_there(host):
    peer, endpoint, before = timed_out(host, sack=False)
    acknowledge(peer, 1)
    peer.take()
    acknowledge(peer, 2)
    window = endpoint.info()["cwnd"]
    for number in range(3, 13):
        acknowledge(peer, number)
        peer.take()
    # slow start, as before the time-out
    assert endpoint.info()["cwnd"] >= window + 8 * MSS
    assert endpoint.info()["ssthresh"] >= before["ssthresh"]


def test_time_out_after_an_undone_one_is_judged_anew(host):
    peer, endpoint, before = timed_out(host, sack=False)
    acknowledge(peer, 1)
    peer.take()
    acknowledge(peer, 2)
    assert is_undone(host, endpoint, before)
    out = max(sent(peer))
    assert time_out(peer) == [2]
    acknowledge(peer, 3)
    assert sent(peer) == [out + 1, out + 2]
    acknowledge(peer, 4)
    assert host.counter("TCPSpuriousRTOs") == 2


# ---- by what arrives before anything has gone again


def together(peer, *acknowledgements):
    """ACKs of everything before a segment, each with a SACK block or none, that the device had all at once."""
    segments = [
        peer.segment("A", ack=at(number), blocks=[(at(first), at(behind)) for first, behind in blocks])
        for number, *blocks in acknowledgements
    ]
    peer.host.inject_together(*segments)


@pytest.mark.requirement("REC-2", "REC-8")
@pytest.mark.parametrize("timestamps", [False, True])
def test_what_was_overtaken_and_came_before_it_went_again_was_not_lost(make_host, timestamps):
    host = make_host()
    peer, endpoint = running(host, 10, 50, timestamps=timestamps)
    before = endpoint.info()
    host.advance(RTT)
    together(peer, (0, (1, 4)), (4,))
    assert host.counter("TCPSackRecovery") == 1
    assert host.counter("TCPFullUndo") == 1
    assert host.counter("RetransSegs") == 0
    info = endpoint.info()
    assert (info["phase"], info["ssthresh"]) == (OPEN, before["ssthresh"])
    # as much goes as has arrived, and slow start goes on
    assert sent(peer) == list(range(10, 15))
    acknowledge(peer, 10)
    assert endpoint.info()["cwnd"] > before["cwnd"]


@pytest.mark.requirement("REC-2")
def test_what_is_still_missing_when_the_overtaken_has_come_was_lost(host):
    peer, endpoint = running(host, 10, 50)
    host.advance(RTT)
    together(peer, (0, (1, 2), (3, 7)), (2, (3, 8)))
    assert sent(peer)[0] == 2
    assert endpoint.info()["phase"] == RECOVERY
    assert host.counter("TCPFullUndo") == 0


# ---- by duplicate reports (RFC 2883, RFC 3708)


def spuriously_recovering(host, late=1, **arguments):
    """The first `late` of ten segments come late; they have been sent again in a recovery of which nothing is lost."""
    peer, endpoint = running(host, 10, 50, **arguments)
    before = endpoint.info()
    host.advance(RTT)
    arrived = []
    found = []
    for number in range(late, 10):
        arrived.append(number)
        acknowledge(peer, 0, (late, number + 1))
        found += sent(peer)
    assert endpoint.info()["phase"] == RECOVERY
    assert set(range(late)) <= set(found)
    return peer, endpoint, before, max(found)


def test_report_that_the_retransmission_came_twice_undoes_the_recovery(host):
    peer, endpoint, before, _ = spuriously_recovering(host)
    host.advance(10 * MILLISECOND)
    acknowledge(peer, 10)
    assert endpoint.info()["ssthresh"] == 5 * MSS
    host.advance(RTT)
    acknowledge(peer, 10, (0, 1))
    info = endpoint.info()
    assert info["phase"] == OPEN
    assert info["ssthresh"] >= before["cwnd"]
    assert host.counter("TCPDSACKUndo") == 1
    assert info["reordering_seen"]


def test_report_in_recovery_undoes_it(host):
    peer, endpoint, before, out = spuriously_recovering(host)
    host.advance(10 * MILLISECOND)
    if out > 9:
        # what is new is still out: the recovery goes on to its end
        acknowledge(peer, 5, (6, 10))
    acknowledge(peer, 10, (0, 1))
    assert endpoint.info()["phase"] == OPEN
    assert endpoint.info()["ssthresh"] >= before["cwnd"]


def test_all_retransmissions_must_have_come_twice(host):
    peer, endpoint, _, _ = spuriously_recovering(host, 3)
    host.advance(10 * MILLISECOND)
    acknowledge(peer, 10)
    host.advance(RTT)
    acknowledge(peer, 10, (0, 1))
    acknowledge(peer, 10, (1, 2))
    assert host.counter("TCPDSACKUndo") == 0
    assert endpoint.info()["ssthresh"] == 5 * MSS
    acknowledge(peer, 10, (2, 3))
    assert host.counter("TCPDSACKUndo") == 1
    assert host.counter("TCPDSACKRecv") == 3
    assert endpoint.info()["ssthresh"] >= 10 * MSS


def test_one_report_may_cover_all_retransmissions(host):
    peer, endpoint, before, _ = spuriously_recovering(host, 3)
    host.advance(10 * MILLISECOND)
    acknowledge(peer, 10)
    host.advance(RTT)
    acknowledge(peer, 10, (0, 3))
    assert endpoint.info()["ssthresh"] >= before["cwnd"]


def test_time_out_is_undone_by_duplicate_reports(make_host):
    host = make_host(frto=0)
    peer, endpoint = running(host, 1, 0)
    host.advance(host.until_deadline())  # the probe
    assert sent(peer) == [0]
    host.advance(host.until_deadline())
    assert sent(peer) == [0]
    reduced = endpoint.info()["ssthresh"]
    assert host.counter("TCPTimeouts") == 1
    acknowledge(peer, 1)
    acknowledge(peer, 1, (0, 1))
    acknowledge(peer, 1, (0, 1))
    assert endpoint.info()["ssthresh"] > reduced
    assert host.counter("TCPSpuriousRTOs") + host.counter("TCPDSACKUndo") >= 1


# ---- never on a real loss


def lossy_recovery(host, **arguments):
    """Segment 0 of ten is lost, sent again and acknowledged."""
    peer, endpoint = running(host, 10, 0, **arguments)
    host.advance(RTT)
    acknowledge(peer, 0, (1, 10))
    assert sent(peer) == [0]
    host.advance(RTT)
    return peer, endpoint


@pytest.mark.parametrize("number", [3, 9])
def test_duplicate_that_the_network_made_undoes_nothing(host, number):
    # it was not sent again, so its second copy says nothing of what was
    peer, endpoint = lossy_recovery(host)
    acknowledge(peer, 0, (number, number + 1), (1, 10))
    acknowledge(peer, 10, (number, number + 1))
    assert host.counter("TCPDSACKUndo") == 0
    assert endpoint.info()["ssthresh"] == 5 * MSS


def test_duplicate_of_later_text_undoes_nothing(host):
    peer, endpoint = lossy_recovery(host)
    acknowledge(peer, 10)
    endpoint.send(bytes(2 * MSS))
    peer.take()
    host.advance(RTT)
    acknowledge(peer, 12, (10, 11))
    assert host.counter("TCPDSACKUndo") == 0
    assert endpoint.info()["ssthresh"] == 5 * MSS


def test_probe_that_came_twice_undoes_no_earlier_recovery(host):
    peer, endpoint = lossy_recovery(host)
    acknowledge(peer, 10)
    endpoint.send(bytes(2 * MSS))
    assert sent(peer) == [10, 11]
    host.advance(host.until_deadline())
    assert sent(peer) == [11]
    acknowledge(peer, 12)
    acknowledge(peer, 12, (11, 12))
    assert host.counter("TCPDSACKUndo") == 0
    assert endpoint.info()["ssthresh"] == 5 * MSS


def test_report_of_what_lies_far_back_undoes_nothing(host):
    peer, _ = lossy_recovery(host)
    acknowledge(peer, 10)
    peer.send("A", ack=10 * MSS + 1, blocks=[(1 - 5 * MSS, 1 - 4 * MSS)])
    assert host.counter("TCPDSACKUndo") == 0


def test_report_of_half_a_retransmission_undoes_nothing_yet(host):
    peer, _, _, _ = spuriously_recovering(host, 2)
    host.advance(10 * MILLISECOND)
    acknowledge(peer, 10)
    peer.send("A", ack=10 * MSS + 1, blocks=[(1, 1 + MSS)])
    assert host.counter("TCPDSACKUndo") == 0


@pytest.mark.parametrize("sack", [False, True])
@pytest.mark.parametrize("timestamps", [False, True])
@pytest.mark.parametrize("lost", [[0], [0, 1, 2], [0, 5], [9], [8, 9], list(range(10))])
def test_honest_peer_behind_a_lossy_link_makes_no_undo(host, sack, timestamps, lost):
    """Losses that were real stay counted, whatever found them."""
    peer, endpoint = running(host, 10, 5, sack=sack, timestamps=timestamps)
    way = [number for number in range(10) if number not in lost]
    arrived = set()
    twice = []
    recent = peer.tsecr
    for _ in range(60):
        host.advance(RTT)
        for number in way:
            if number in arrived:
                twice.append(number)
            arrived.add(number)
            first = next(each for each in range(20) if each not in arrived)
            above = sorted(each for each in arrived if each > first)
            blocks = [(each, each + 1) for each in above[-2:]]
            if twice:
                blocks.insert(0, (twice.pop(), number + 1))
            peer.tsecr = recent
            acknowledge(peer, first, *(blocks if sack else []))
        found = sent(peer)
        recent = peer.tsecr
        if endpoint.buffered_bytes == 0:
            break
        if not found:
            host.advance(host.until_deadline())
            found = sent(peer)
            recent = peer.tsecr
        way = found
    assert endpoint.buffered_bytes == 0
    assert host.counter("TCPSpuriousRTOs") == 0
    assert host.counter("TCPFullUndo") + host.counter("TCPDSACKUndo") + host.counter("TCPLossUndo") == 0
