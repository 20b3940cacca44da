"""The tail loss probe: what makes a lost tail known before the retransmission time-out (RFC 8985 7)."""

import pytest

from tests.tcp.flights import (
    LOSS,
    MSS,
    OPEN,
    RECOVERY,
    RTT,
    acknowledge,
    at,
    board,
    established,
    running,
    sent,
)
from tests.tcp.scripted_peer import MILLISECOND, SECOND, Peer
from tests.tcp.segments import wanted

pytestmark = pytest.mark.requirement("REC-2")

PROBE_TIME = 2 * RTT
WORST_DELAYED_ACK = 200 * MILLISECOND
HOSTS = {"congestion": "newreno"}


# ---- when (7.2)


def test_probe_goes_after_two_round_trips(host):
    peer, endpoint = running(host)
    assert endpoint.info()["srtt"] == RTT
    assert host.until_deadline() == PROBE_TIME
    host.advance(PROBE_TIME - 1)
    peer.expect_nothing()
    host.advance(1)
    assert sent(peer) == [9]
    assert host.counter("TCPLossProbes") == 1
    assert host.counter("TCPTimeouts") == 0
    assert endpoint.info()["phase"] == OPEN


@pytest.mark.parametrize("round_trip", [MILLISECOND // 10, MILLISECOND, 5 * MILLISECOND])
def test_probe_of_a_short_path_waits_for_what_a_scheduler_may_take(host, round_trip):
    peer, _ = running(host, round_trip=round_trip)
    assert peer.host.until_deadline() == 10 * MILLISECOND


def test_single_segment_is_given_the_time_of_a_delayed_ack(make_host):
    peer, _ = running(make_host(rto_minimum=SECOND), 1)
    assert peer.host.until_deadline() == PROBE_TIME + WORST_DELAYED_ACK


def test_two_segments_are_not_given_the_time_of_a_delayed_ack(make_host):
    peer, _ = running(make_host(rto_minimum=SECOND), 2)
    assert peer.host.until_deadline() == PROBE_TIME


def test_probe_goes_no_later_than_the_time_out(host):
    # a single segment: 2 * 100 + 200 ms, but the time-out is due after 300
    peer, endpoint = running(host, 1)
    assert endpoint.info()["rto"] == 300 * MILLISECOND
    host.advance(300 * MILLISECOND)
    assert sent(peer) == [0]
    # the probe took the place of the time-out (7.3)
    assert host.counter("TCPLossProbes") == 1
    assert host.counter("TCPTimeouts") == 0


def test_without_a_round_trip_sample_it_is_a_second(host):
    peer = Peer(host, mss=MSS, sack=True)
    host.listen()
    peer.send("S")
    peer.take()
    host.advance(SECOND)
    peer.expect(wanted("SA"))
    host.advance(RTT)
    peer.send("A")  # whose round trip is not known (Karn)
    endpoint = host.accept(host.listeners[0])
    assert endpoint.info()["srtt"] == 0
    endpoint.send(bytes(MSS))
    peer.take()
    assert host.until_deadline() == SECOND


def test_ack_that_advances_starts_the_time_anew(host):
    peer, endpoint = running(host)
    host.advance(RTT)
    acknowledge(peer, 4)
    assert host.until_deadline() == 2 * endpoint.info()["srtt"]


def test_new_text_starts_the_time_anew(host):
    peer, endpoint = running(host, 5)
    host.advance(RTT)
    endpoint.send(bytes(MSS))
    assert sent(peer) == [5]
    assert host.until_deadline() == PROBE_TIME


def test_no_probe_without_sack(host):
    _, endpoint = running(host, sack=False)
    assert host.until_deadline() == endpoint.info()["rto"]


def test_no_probe_while_segments_are_sacked(host):
    # the loss is RACK's then
    peer, endpoint = running(host)
    host.advance(RTT)
    acknowledge(peer, 0, (9, 10))
    host.advance(RTT // 4)
    assert sent(peer) == [0]
    host.advance(endpoint.info()["rto"] - 1)
    assert host.counter("TCPLossProbes") == 0


def test_no_probe_in_recovery(host):
    peer, endpoint = running(host)
    host.advance(RTT)
    acknowledge(peer, 0, (1, 4))
    assert endpoint.info()["phase"] == RECOVERY
    peer.take()
    host.advance(RTT)
    # no SACKed segment is left, but the recovery goes on
    acknowledge(peer, 4)
    assert endpoint.info()["phase"] == RECOVERY
    assert host.until_deadline() >= endpoint.info()["rto"] - MILLISECOND
    host.advance(host.until_deadline())
    assert host.counter("TCPLossProbes") == 0


def test_no_probe_after_a_time_out(make_host):
    host = make_host(frto=0)
    peer, endpoint = running(host)
    while not host.counter("TCPTimeouts"):
        host.advance(host.until_deadline())
    peer.take()
    probes = host.counter("TCPLossProbes")
    host.advance(RTT)
    acknowledge(peer, 1)
    assert endpoint.info()["phase"] == LOSS
    host.advance(host.until_deadline())
    assert host.counter("TCPLossProbes") == probes


def test_no_probe_when_all_is_acknowledged(host):
    peer, _ = running(host)
    host.advance(RTT)
    acknowledge(peer, 10)
    assert host.engine.next_deadline() is None


def test_no_probe_through_a_closed_window(host):
    peer, _ = running(host, more=5)
    host.advance(RTT)
    acknowledge(peer, 10, window=0)
    host.advance(10 * SECOND)
    assert all(len(segment.text) <= 1 for segment in peer.take())
    assert host.counter("TCPLossProbes") == 0


# ---- what (7.3)


def test_probe_is_new_text_where_some_waits(host):
    peer, endpoint = running(host, more=5)
    host.advance(PROBE_TIME)
    # beyond the congestion window, by this one
    assert sent(peer) == [10]
    assert endpoint.info()["cwnd"] == 10 * MSS
    assert host.counter("RetransSegs") == 0


def test_short_new_text_that_nagle_holds_back_is_a_probe(host):
    peer, endpoint = running(host, 2)
    endpoint.send(b"tail")
    peer.expect_nothing()
    host.advance(PROBE_TIME)
    peer.expect(wanted("PA", seq=at(2), text=b"tail"))


def test_new_text_beyond_the_peers_window_is_no_probe(host):
    peer, _ = running(host, more=5, scale=0, window=10 * MSS)
    host.advance(PROBE_TIME)
    assert sent(peer) == [9]


def test_short_new_text_needs_no_more_window_than_its_length(host):
    peer, endpoint = running(host, 2, scale=0, window=2 * MSS + 4)
    endpoint.send(b"tail")
    peer.expect_nothing()
    host.advance(PROBE_TIME)
    peer.expect(wanted("PA", seq=at(2), text=b"tail"))


def test_fin_goes_with_the_probe_that_repeats_its_segment(host):
    peer, endpoint = established(host)
    endpoint.send(bytes(2 * MSS - 10))
    endpoint.shutdown_send()
    peer.take()
    host.advance(PROBE_TIME)
    peer.expect(wanted("FPA", seq=at(1), length=MSS - 10))


def test_only_the_last_segment_of_a_superframe_is_the_probe(make_host):
    host = make_host(vnet_header=True, offloads=True)
    peer, endpoint = established(host)
    endpoint.send(bytes(10 * MSS))
    (frame,) = peer.take()
    assert len(frame.text) == 10 * MSS
    host.advance(PROBE_TIME)
    assert sent(peer) == [9]


# ---- one probe only


@pytest.mark.parametrize("more", [0, 5])
def test_second_probe_does_not_go_while_the_first_is_unanswered(host, more):
    peer, endpoint = running(host, more=more)
    host.advance(PROBE_TIME)
    assert len(sent(peer)) == 1
    rto = endpoint.info()["rto"]
    assert host.until_deadline() == rto
    host.advance(rto - 1)
    peer.expect_nothing()
    host.advance(1)
    assert host.counter("TCPTimeouts") == 1
    assert host.counter("TCPLossProbes") == 1
    assert endpoint.info()["phase"] == LOSS
    assert sent(peer)[0] == 0


@pytest.mark.requirement("SND-6")
def test_time_out_behind_a_probe_has_not_been_doubled(host):
    peer, endpoint = running(host)
    host.advance(PROBE_TIME)
    assert endpoint.info()["backoff"] == 0
    peer.take()
    host.advance(host.until_deadline())
    assert endpoint.info()["backoff"] == 1


def test_probe_answered_lets_the_next_flight_have_its_own(host):
    peer, endpoint = running(host, more=1)
    host.advance(PROBE_TIME)
    assert sent(peer) == [10]
    host.advance(RTT)
    acknowledge(peer, 11)
    endpoint.send(bytes(3 * MSS))
    assert sent(peer) == [11, 12, 13]
    host.advance(2 * endpoint.info()["srtt"])
    assert sent(peer) == [13]
    assert host.counter("TCPLossProbes") == 2


# ---- its answer (7.4)


def probed(host, number=9):
    """All but the last of ten segments arrive; the last goes again as a probe."""
    peer, endpoint = running(host)
    host.advance(RTT)
    acknowledge(peer, number)
    host.advance(host.until_deadline())
    assert sent(peer) == [9]
    assert host.counter("TCPLossProbes") == 1
    return peer, endpoint


def goes_on(peer, endpoint):
    """Two further segments go and arrive; cwnd and ssthresh before and after."""
    before = endpoint.info()
    endpoint.send(bytes(2 * MSS))
    assert sent(peer) == [10, 11]
    peer.host.advance(RTT)
    acknowledge(peer, 12)
    after = endpoint.info()
    assert after["phase"] == OPEN
    return before, after


def test_loss_that_the_probe_repaired_halves_the_window(host):
    peer, endpoint = probed(host)
    host.advance(RTT)
    acknowledge(peer, 10)  # of one of the two copies: not known yet of which
    assert host.counter("TCPLossProbeRecovery") == 0
    before, after = goes_on(peer, endpoint)
    # nothing has told of a second copy: the first was lost
    assert host.counter("TCPLossProbeRecovery") == 1
    assert after["ssthresh"] < before["ssthresh"]
    assert after["cwnd"] <= after["ssthresh"]
    assert host.counter("RetransSegs") == 1


@pytest.mark.requirement("REC-4")
def test_reduction_for_what_the_probe_repaired_is_not_undone_by_a_report_of_before(host):
    """A recovery that was spurious, then a loss at the tail: the late DSACK is about the recovery alone."""
    peer, endpoint = running(host, 10)
    host.advance(RTT)
    acknowledge(peer, 0, (1, 4))
    assert sent(peer) == [0]
    host.advance(RTT)
    acknowledge(peer, 10)
    endpoint.send(bytes(2 * MSS))
    assert sent(peer) == [10, 11]
    host.advance(RTT)
    acknowledge(peer, 11)
    host.advance(host.until_deadline())
    assert sent(peer) == [11]
    host.advance(RTT)
    acknowledge(peer, 12)
    before = endpoint.info()["ssthresh"]
    endpoint.send(bytes(2 * MSS))
    assert sent(peer) == [12, 13]
    host.advance(RTT)
    acknowledge(peer, 14)
    assert host.counter("TCPLossProbeRecovery") == 1
    after = endpoint.info()["ssthresh"]
    assert after < before
    peer.send("A", ack=at(14), blocks=[(at(0), at(1))])
    assert host.counter("TCPDSACKRecv") == 1
    assert host.counter("TCPDSACKUndo") == 0
    assert endpoint.info()["ssthresh"] == after


def test_loss_that_the_probe_repaired_counts_once(host):
    peer, endpoint = probed(host)
    host.advance(RTT)
    acknowledge(peer, 10)
    _, first = goes_on(peer, endpoint)
    endpoint.send(bytes(2 * MSS))
    peer.take()
    host.advance(RTT)
    acknowledge(peer, 14)
    assert endpoint.info()["ssthresh"] == first["ssthresh"]
    assert host.counter("TCPLossProbeRecovery") == 1


@pytest.mark.parametrize("at_once", [True, False])
def test_duplicate_report_of_the_probe_tells_that_nothing_was_lost(host, at_once):
    peer, endpoint = probed(host)
    host.advance(RTT)
    if not at_once:
        acknowledge(peer, 10)
    acknowledge(peer, 10, (9, 10))
    before, after = goes_on(peer, endpoint)
    assert host.counter("TCPLossProbeRecovery") == 0
    assert after["ssthresh"] == before["ssthresh"]
    assert after["cwnd"] >= before["cwnd"]


def test_second_ack_of_the_same_number_tells_that_both_copies_arrived(host):
    # from a peer that does not report duplicates
    peer, endpoint = probed(host)
    host.advance(RTT)
    endpoint.send(bytes(2 * MSS))
    acknowledge(peer, 10)
    acknowledge(peer, 10)
    peer.take()
    host.advance(RTT)
    acknowledge(peer, 12)
    assert host.counter("TCPLossProbeRecovery") == 0


def test_duplicate_with_blocks_does_not_tell_that_both_copies_arrived(host):
    # 7.4.2 asks for one without a SACK option: this one tells of newer text
    peer, endpoint = probed(host)
    endpoint.send(bytes(2 * MSS))
    assert sent(peer) == [10, 11]
    host.advance(RTT)
    acknowledge(peer, 10)
    acknowledge(peer, 10, (11, 12))
    acknowledge(peer, 12)
    assert host.counter("TCPLossProbeRecovery") == 1


def test_report_of_another_duplicate_does_not_end_the_wait(host):
    peer, endpoint = probed(host)
    host.advance(RTT)
    acknowledge(peer, 10, (4, 5))
    goes_on(peer, endpoint)
    assert host.counter("TCPLossProbeRecovery") == 1


def test_probe_of_new_text_costs_nothing(host):
    peer, endpoint = running(host, more=1)
    host.advance(PROBE_TIME)
    assert sent(peer) == [10]
    acknowledge(peer, 11)
    endpoint.send(bytes(MSS))
    peer.take()
    host.advance(RTT)
    acknowledge(peer, 12)
    assert host.counter("TCPLossProbeRecovery") == 0
    assert endpoint.info()["cwnd"] >= 10 * MSS


def test_answer_to_the_probe_shows_further_losses(host):
    peer, endpoint = probed(host, 7)
    host.advance(RTT)
    acknowledge(peer, 7, (9, 10))
    # 7 and 8 went long before the probe, which has arrived
    assert endpoint.info()["phase"] == RECOVERY
    assert sent(peer) == [7]
    assert board(endpoint)[1] == 1
    assert host.counter("TCPTimeouts") == 0


def test_losses_that_the_probe_showed_cost_one_reduction(host):
    peer, endpoint = probed(host, 7)
    window = endpoint.info()["cwnd"]
    host.advance(RTT)
    acknowledge(peer, 7, (9, 10))
    assert sent(peer) == [7]
    host.advance(RTT)
    acknowledge(peer, 8, (9, 10))
    assert sent(peer) == [8]
    host.advance(RTT)
    acknowledge(peer, 10)
    reduced = endpoint.info()["ssthresh"]
    assert endpoint.info()["phase"] == OPEN
    assert 2 * MSS <= reduced < window
    for number in range(10, 20):
        endpoint.send(bytes(MSS))
        assert sent(peer) == [number]
        host.advance(RTT)
        acknowledge(peer, number + 1)
    assert endpoint.info()["ssthresh"] == reduced
    assert host.counter("TCPLossProbeRecovery") == 0


def test_probe_of_new_text_shows_losses(host):
    peer, endpoint = running(host, more=1)
    host.advance(PROBE_TIME)
    assert sent(peer) == [10]
    host.advance(RTT)
    acknowledge(peer, 5, (10, 11))
    assert endpoint.info()["phase"] == RECOVERY
    assert sent(peer)[0] == 5


@pytest.mark.requirement("REC-2", "SND-6")
def test_probe_gives_no_round_trip_sample(host):
    peer, endpoint = probed(host)
    before = endpoint.info()["srtt"]
    host.advance(RTT)
    acknowledge(peer, 10)
    assert endpoint.info()["srtt"] == before
