"""Loss found by time: a segment is lost when one sent after it was delivered and the window for reordering has passed.

RFC 8985 6. The round trip is 100 ms, a quarter of it the reordering window.
"""

import pytest

from tests.tcp.flights import (
    MSS,
    OPEN,
    RECOVERY,
    RTT,
    acknowledge,
    board,
    established,
    lost_bytes,
    running,
    sent,
)
from tests.tcp.scripted_peer import MILLISECOND

pytestmark = pytest.mark.requirement("REC-2")

WINDOW = RTT // 4
HOSTS = {"congestion": "newreno"}


# ---- lost by time (6.2 step 5)


def test_segment_sent_before_a_delivered_one_is_lost_when_the_window_has_passed(host):
    peer, endpoint = running(host)
    host.advance(RTT)
    acknowledge(peer, 1, (2, 3))
    assert host.until_deadline() == WINDOW
    host.advance(WINDOW - 1)
    peer.expect_nothing()
    assert endpoint.info()["phase"] == OPEN
    host.advance(1)
    assert sent(peer) == [1]
    assert endpoint.info()["phase"] == RECOVERY
    assert board(endpoint) == (8, 1, 0)
    assert host.counter("TCPSackRecovery") == 1


def test_segment_sent_after_the_delivered_one_is_not_lost(host):
    peer, endpoint = running(host)
    host.advance(RTT)
    acknowledge(peer, 0, (5, 6))
    host.advance(WINDOW)
    # 0 to 4 are, 6 to 9 are not
    in_flight, sacked, lost = board(endpoint)
    assert (sacked, in_flight + lost) == (1, 9)
    assert sent(peer) == [0]
    assert in_flight == 5
    assert lost == 4


def test_ack_that_comes_later_than_the_window_finds_the_loss_at_once(host):
    peer, endpoint = running(host)
    host.advance(RTT + WINDOW)
    acknowledge(peer, 0, (1, 2))
    # the delivered one took as long as the lost one would have been waited for, so the window begins anew
    assert endpoint.info()["phase"] == OPEN
    host.advance(WINDOW)
    assert sent(peer) == [0]


def test_each_segment_is_lost_at_its_own_time(host):
    # reordering was seen, so the window holds in recovery too
    peer, endpoint = established(host)
    reordered(peer, endpoint, 0)
    for _ in range(5):
        endpoint.send(bytes(MSS))
        host.advance(10 * MILLISECOND)
    assert sent(peer) == [10, 11, 12, 13, 14]
    host.advance(RTT - 10 * MILLISECOND)
    acknowledge(peer, 10, (14, 15))
    # segment 14 took 100 ms: segment 10 had until 25 ms behind that, 15 ms ago
    assert sent(peer) == [10]
    assert lost_bytes(endpoint) == MSS
    again = 0
    for wait, left in ((5, (2, 1, 2)), (10, (1, 1, 3))):
        assert host.until_deadline() == wait * MILLISECOND
        host.advance(wait * MILLISECOND)
        again += len(sent(peer))
        in_flight, sacked, lost = board(endpoint)
        assert (in_flight - again, sacked, lost + again) == left


def test_duplicates_without_blocks_lose_nothing(host):
    # with SACK their number does not count (8985 3)
    peer, endpoint = running(host)
    host.advance(RTT)
    for _ in range(5):
        acknowledge(peer, 0)
    host.advance(WINDOW)
    peer.expect_nothing()
    assert endpoint.info()["phase"] == OPEN


def test_losses_go_again_in_their_order_without_those_that_arrived(host):
    peer, _ = running(host)
    host.advance(RTT)
    acknowledge(peer, 0, (1, 3))
    again = []
    for number in range(5, 10):
        acknowledge(peer, 0, (1, 3), (5, number + 1))
        again += sent(peer)
    assert again[:3] == [0, 3, 4]
    assert set(again) == {0, 3, 4}


def test_window_comes_down_once_for_all_losses_of_a_flight(host):
    peer, endpoint = running(host)
    host.advance(RTT)
    acknowledge(peer, 0, (1, 2), (3, 4), (5, 6))
    assert endpoint.info()["ssthresh"] == 5 * MSS
    acknowledge(peer, 0, (1, 2), (3, 4), (5, 6), (7, 8))
    acknowledge(peer, 0, (9, 10), (1, 2), (3, 4), (5, 6))
    assert endpoint.info()["ssthresh"] == 5 * MSS
    assert host.counter("TCPSackRecovery") == 1


def test_recovery_ends_when_all_that_was_out_is_acknowledged(host):
    peer, endpoint = running(host, more=30)
    host.advance(RTT)
    acknowledge(peer, 0, (1, 4))
    assert endpoint.info()["phase"] == RECOVERY
    assert sent(peer) == [0]
    host.advance(RTT)
    acknowledge(peer, 9)
    assert endpoint.info()["phase"] == RECOVERY
    acknowledge(peer, 10)
    assert endpoint.info()["phase"] == OPEN


def test_new_losses_after_a_recovery_begin_another(host):
    peer, endpoint = running(host)
    host.advance(RTT)
    acknowledge(peer, 0, (1, 4))
    host.advance(RTT)
    acknowledge(peer, 10)
    peer.take()
    endpoint.send(bytes(5 * MSS))
    assert sent(peer) == list(range(10, 15))
    host.advance(RTT)
    acknowledge(peer, 10, (11, 14))
    assert endpoint.info()["phase"] == RECOVERY
    assert sent(peer) == [10]
    assert host.counter("TCPSackRecovery") == 2


# ---- the reordering window (6.2 steps 3 and 4)


def test_three_sacked_segments_need_no_window_where_nothing_was_reordered(host):
    peer, endpoint = running(host)
    host.advance(RTT)
    acknowledge(peer, 0, (1, 3))
    peer.expect_nothing()
    acknowledge(peer, 0, (1, 4))
    assert sent(peer) == [0]
    assert endpoint.info()["phase"] == RECOVERY


def reordered(peer, endpoint, first):
    """Ten segments from `first` go, the first of them arrives behind the second."""
    endpoint.send(bytes(10 * MSS))
    assert len(sent(peer)) == 10
    peer.host.advance(RTT)
    acknowledge(peer, first, (first + 1, first + 2))
    peer.host.advance(5 * MILLISECOND)
    acknowledge(peer, first + 2)
    acknowledge(peer, first + 10)
    peer.expect_nothing()


def test_reordering_within_the_window_costs_nothing(host):
    peer, endpoint = established(host)
    for number in range(5):
        reordered(peer, endpoint, 10 * number)
    assert host.counter("RetransSegs") == 0
    assert host.counter("TCPSackRecovery") == 0
    assert endpoint.info()["cwnd"] >= 10 * MSS
    assert endpoint.info()["reordering_seen"]


def test_late_arrival_of_what_went_once_is_reordering(host):
    peer, endpoint = running(host)
    host.advance(RTT)
    acknowledge(peer, 0, (5, 6))
    assert not endpoint.info()["reordering_seen"]
    acknowledge(peer, 0, (5, 6), (2, 3))
    assert endpoint.info()["reordering_seen"]


def test_blocks_of_one_ack_are_in_no_order(host):
    peer, endpoint = running(host)
    host.advance(RTT)
    acknowledge(peer, 0, (7, 8), (5, 6))
    assert not endpoint.info()["reordering_seen"]
    acknowledge(peer, 1, (7, 8), (5, 6))
    assert endpoint.info()["reordering_seen"]


def test_hole_filled_by_a_retransmission_is_no_reordering(host):
    peer, endpoint = running(host)
    host.advance(RTT)
    acknowledge(peer, 0, (1, 10))
    assert sent(peer) == [0]
    host.advance(RTT)
    acknowledge(peer, 10)
    assert not endpoint.info()["reordering_seen"]


def test_once_reordering_was_seen_three_sacked_segments_wait_for_the_window(host):
    peer, endpoint = established(host)
    reordered(peer, endpoint, 0)
    endpoint.send(bytes(10 * MSS))
    peer.take()
    host.advance(RTT)
    acknowledge(peer, 10, (11, 20))
    peer.expect_nothing()
    assert host.until_deadline() == WINDOW
    host.advance(WINDOW)
    assert sent(peer) == [10]


def test_window_is_part_of_the_least_round_trip(host):
    peer, endpoint = running(host)
    # the path has become slower: the window has not
    host.advance(2 * RTT - 1)
    acknowledge(peer, 1)
    acknowledge(peer, 1, (2, 3))
    assert endpoint.info()["min_rtt"] == RTT
    assert host.until_deadline() == WINDOW


def window_now(peer, endpoint, first, reports=0):
    """Ten segments from `first` go, the second of them is missing at first: for how long is waited for it?

    reports: how many ACKs say before that the segment before `first` came twice.
    """
    endpoint.send(bytes(10 * MSS))
    assert len(sent(peer)) == 10
    for _ in range(reports):
        acknowledge(peer, first, (first - 1, first))
    peer.host.advance(RTT)
    acknowledge(peer, first, (first + 1, first + 2))
    waited = peer.host.until_deadline()
    acknowledge(peer, first + 10)
    peer.expect_nothing()
    return waited


def test_duplicate_report_widens_the_window_once_in_a_round_trip(host):
    peer, endpoint = established(host)
    reordered(peer, endpoint, 0)
    assert window_now(peer, endpoint, 10) == WINDOW
    assert window_now(peer, endpoint, 20, reports=3) == 2 * WINDOW
    # the round has ended when what was out at the first report is acknowledged
    assert window_now(peer, endpoint, 30) == 2 * WINDOW
    assert window_now(peer, endpoint, 40, reports=2) == 3 * WINDOW


def test_window_is_never_wider_than_a_round_trip(host):
    peer, endpoint = established(host)
    reordered(peer, endpoint, 0)
    waits = []
    for number in range(1, 8):
        srtt = endpoint.info()["srtt"]
        waits.append(window_now(peer, endpoint, 10 * number, reports=1))
        assert waits[-1] <= srtt
    assert waits[:2] == [2 * WINDOW, 3 * WINDOW]
    assert waits[-1] == srtt


def recover_once(peer, endpoint, first):
    """Two segments from `first` go, and the first of them again."""
    endpoint.send(bytes(2 * MSS))
    assert sent(peer) == [first, first + 1]
    peer.host.advance(RTT)
    acknowledge(peer, first, (first + 1, first + 2))
    peer.host.advance(RTT)
    assert sent(peer) == [first]
    peer.host.advance(RTT)
    acknowledge(peer, first + 2)
    assert endpoint.info()["phase"] == OPEN


def test_widened_window_lasts_for_sixteen_recoveries(host):
    peer, endpoint = established(host)
    assert window_now(peer, endpoint, 0, reports=0) == WINDOW
    acknowledge(peer, 10, (9, 10))
    for number in range(16):
        assert endpoint.info()["reordering_steps"] == 2, number
        recover_once(peer, endpoint, 10 + 2 * number)
    assert endpoint.info()["reordering_steps"] == 1
    assert host.counter("TCPSackRecovery") == 16


def test_duplicate_report_starts_the_sixteen_anew(host):
    peer, endpoint = established(host)
    assert window_now(peer, endpoint, 0) == WINDOW
    acknowledge(peer, 10, (9, 10))
    for number in range(18):
        if number == 10:
            acknowledge(peer, 30, (29, 30))
        recover_once(peer, endpoint, 10 + 2 * number)
    assert endpoint.info()["reordering_steps"] == 3


@pytest.mark.requirement("SND-6")
def test_time_out_counts_from_the_fast_retransmission_of_the_first_segment(host):
    # else it would expire when the answer to that is due (RTO 300 ms, RTT 100 ms)
    peer, endpoint = running(host)
    host.advance(RTT)
    acknowledge(peer, 0, (1, 2))
    host.advance(WINDOW)
    assert sent(peer) == [0]
    rto = endpoint.info()["rto"]
    assert host.until_deadline() == rto
    host.advance(rto - 1)
    peer.expect_nothing()
    host.advance(1)
    assert host.counter("TCPTimeouts") == 1


def test_timer_is_off_when_the_late_segment_has_come(host):
    peer, endpoint = running(host)
    host.advance(RTT)
    acknowledge(peer, 0, (1, 2))
    host.advance(WINDOW // 2)
    acknowledge(peer, 2)
    host.advance(WINDOW)
    peer.expect_nothing()
    acknowledge(peer, 10)
    assert endpoint.info()["phase"] == OPEN
    assert host.engine.next_deadline() is None
