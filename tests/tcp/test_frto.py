"""Spurious time-outs found by what the next ACKs acknowledge (F-RTO), with and without SACK (REC-4).

RFC 5682. The round trip is 100 ms, the first time-out 300 ms.
"""

import pytest

from tests.tcp.flights import LOSS, MSS, OPEN, RECOVERY, RTT, acknowledge, is_undone, running, sent, time_out, timed_out
from tests.tcp.scripted_peer import MILLISECOND

pytestmark = pytest.mark.requirement("REC-4")
HOSTS = {"congestion": "newreno"}


# ---- F-RTO without SACK (RFC 5682 2.1)


def test_two_acks_that_advance_show_a_spurious_time_out(host):
    peer, endpoint, before = timed_out(host, sack=False)
    host.advance(10 * MILLISECOND)
    acknowledge(peer, 1)
    # step 2b: two segments of new text in place of retransmissions
    assert sent(peer) == [10, 11]
    assert endpoint.info()["phase"] == LOSS
    acknowledge(peer, 2)
    assert is_undone(host, endpoint, before)
    assert host.counter("TCPLossUndo") == 1
    # what was taken for lost is in flight again, and only new text goes
    found = sent(peer)
    assert all(number >= 12 for number in found)
    for number in range(3, 12):
        acknowledge(peer, number)
        found += sent(peer)
    assert all(number >= 12 for number in found)
    assert host.counter("RetransSegs") == 1


def test_first_ack_may_cover_several_segments(host):
    peer, endpoint, before = timed_out(host, sack=False)
    acknowledge(peer, 4)
    assert sent(peer) == [10, 11]
    acknowledge(peer, 5)
    assert is_undone(host, endpoint, before)


def test_duplicate_as_the_second_ack_shows_a_real_loss(host):
    # step 3a
    peer, endpoint, before = timed_out(host, sack=False)
    host.advance(RTT)
    acknowledge(peer, 1)
    assert sent(peer) == [10, 11]
    host.advance(RTT)
    acknowledge(peer, 1)
    assert endpoint.info()["cwnd"] <= 3 * MSS
    # conventional recovery: the rest goes again
    assert sent(peer)[:1] == [1]
    acknowledge(peer, 2)
    assert set(sent(peer)) <= {2, 3, 4}
    assert endpoint.info()["ssthresh"] == before["cwnd"] // 2
    assert host.counter("TCPSpuriousRTOs") == 0


def test_duplicate_as_the_first_ack_shows_a_real_loss(host):
    # step 2a
    peer, _, _ = timed_out(host, sack=False)
    acknowledge(peer, 0)
    acknowledge(peer, 1)
    found = sent(peer)
    assert found
    assert all(number < 10 for number in found)
    acknowledge(peer, 2)
    acknowledge(peer, 3)
    assert host.counter("TCPSpuriousRTOs") == 0


def test_ack_of_everything_says_nothing(host):
    # step 2a: it may be that only the first was lost
    peer, endpoint, before = timed_out(host, sack=False)
    host.advance(RTT)
    acknowledge(peer, 10)
    assert endpoint.info()["ssthresh"] == before["cwnd"] // 2
    sent(peer)
    acknowledge(peer, 12)
    assert host.counter("TCPSpuriousRTOs") == 0
    assert endpoint.info()["ssthresh"] == before["cwnd"] // 2


def test_without_new_text_what_is_lost_goes_again(host):
    # step 2b: nothing new can be sent, so conventional recovery goes on
    peer, _, _ = timed_out(host, more=0, sack=False)
    acknowledge(peer, 1)
    assert sent(peer) == [1, 2]
    acknowledge(peer, 3)
    assert host.counter("TCPSpuriousRTOs") == 0


def test_without_room_in_the_peers_window_what_is_lost_goes_again(host):
    peer, _, _ = timed_out(host, sack=False, scale=0, window=10 * MSS)
    acknowledge(peer, 1, window=9 * MSS)
    assert sent(peer) == [1, 2]


def test_second_time_out_is_not_judged(host):
    peer, endpoint, before = timed_out(host, sack=False)
    assert time_out(peer) == [0]
    acknowledge(peer, 1)
    assert sent(peer) == [1, 2]
    acknowledge(peer, 2)
    acknowledge(peer, 3)
    assert host.counter("TCPSpuriousRTOs") == 0
    assert endpoint.info()["ssthresh"] == before["cwnd"] // 2


def test_time_out_while_the_first_is_judged_ends_the_judgement(host):
    peer, endpoint, _ = timed_out(host, sack=False)
    acknowledge(peer, 1)
    assert sent(peer) == [10, 11]
    assert time_out(peer) == [1]
    acknowledge(peer, 2)
    assert endpoint.info()["phase"] == LOSS
    assert 12 not in sent(peer)
    assert host.counter("TCPSpuriousRTOs") == 0


def test_judgement_can_be_switched_off(make_host):
    host = make_host(frto=0)
    peer, _, _ = timed_out(host, sack=False)
    acknowledge(peer, 1)
    assert sent(peer) == [1, 2]
    acknowledge(peer, 2)
    assert host.counter("TCPSpuriousRTOs") == 0


def test_time_out_in_recovery_is_not_judged(host):
    # RFC 5682 3.1 step 1: the loss that recovery repairs is a real one, the window must not come back
    peer, endpoint = running(host, more=50)
    window = endpoint.info()["cwnd"]
    host.advance(RTT)
    acknowledge(peer, 0, (1, 4))
    assert endpoint.info()["phase"] == RECOVERY
    assert time_out(peer)[0] == 0
    for number in (4, 5, 6, 7):
        host.advance(MILLISECOND)
        acknowledge(peer, number)
        peer.take()
    assert host.counter("TCPSpuriousRTOs") == 0
    assert endpoint.info()["ssthresh"] <= window // 2


# ---- F-RTO with SACK (RFC 5682 3.1)


def probed_out(host, more=50, **arguments):
    """As timed_out, with SACK: the tail loss probe has taken segment 10 of the new text along before."""
    peer, endpoint = running(host, 10, more, **arguments)
    before = endpoint.info()
    found = []
    while not host.counter("TCPTimeouts"):
        host.advance(host.until_deadline())
        found += sent(peer)
    assert found == ([10, 0] if more else [9, 0])
    assert endpoint.info()["phase"] == LOSS
    return peer, endpoint, before


def test_spurious_time_out_is_found_with_sack(host):
    peer, endpoint, before = probed_out(host)
    host.advance(10 * MILLISECOND)
    acknowledge(peer, 1)
    assert sent(peer) == [11, 12]
    acknowledge(peer, 2)
    assert is_undone(host, endpoint, before)
    assert all(number > 12 for number in sent(peer))
    assert host.counter("RetransSegs") == 1


@pytest.mark.requirement("REC-2")
@pytest.mark.parametrize("timestamps", [False, True])
def test_what_was_late_by_more_than_a_round_trip_is_not_lost_after_all(make_host, timestamps):
    # the ACK of the original, a long round trip after the time-out, looks like one of the copy: RACK must not take
    # all that went before the copy for lost again
    host = make_host()
    peer, endpoint, before = probed_out(host, timestamps=timestamps)
    host.advance(2 * RTT)
    acknowledge(peer, 1)
    assert sent(peer) == [11, 12]
    host.advance(MILLISECOND)
    acknowledge(peer, 2)
    assert is_undone(host, endpoint, before)
    for number in range(3, 12):
        host.advance(RTT // 2)
        assert all(each > 12 for each in sent(peer))
        acknowledge(peer, number)
        assert all(each > 12 for each in sent(peer))
    assert endpoint.info()["phase"] == OPEN
    assert host.counter("RetransSegs") == 1


def test_block_of_old_text_that_went_once_shows_a_spurious_time_out(host):
    # step 3b: what was out at the time-out and did not go again arrives
    peer, endpoint, before = probed_out(host)
    acknowledge(peer, 1)
    assert sent(peer) == [11, 12]
    acknowledge(peer, 1, (4, 5))
    assert is_undone(host, endpoint, before)


def test_block_of_the_new_text_shows_a_real_loss(host):
    # step 3a
    peer, endpoint, before = probed_out(host)
    host.advance(RTT)
    acknowledge(peer, 1)
    assert sent(peer) == [11, 12]
    host.advance(RTT)
    acknowledge(peer, 1, (11, 12))
    assert endpoint.info()["phase"] == LOSS
    assert endpoint.info()["cwnd"] <= 3 * MSS
    assert sent(peer)[0] == 1
    assert endpoint.info()["ssthresh"] == before["cwnd"] // 2
    assert host.counter("TCPSpuriousRTOs") == 0


def test_duplicates_before_the_first_ack_that_advances_are_waited_out(host):
    # 3.1 step 2: "stay in step 2 and wait for the next new acknowledgment"
    peer, endpoint, before = probed_out(host)
    acknowledge(peer, 0)
    acknowledge(peer, 0, (10, 11))
    acknowledge(peer, 0, (10, 11))
    peer.take()
    acknowledge(peer, 1, (10, 11))
    assert sent(peer) == [11, 12]
    acknowledge(peer, 2, (10, 11))
    assert is_undone(host, endpoint, before)


def test_real_time_out_sends_all_again(host):
    peer, endpoint, before = probed_out(host, more=0)
    have = {0}
    for _ in range(12):
        host.advance(RTT)
        first = next(number for number in range(11) if number not in have)
        acknowledge(peer, first, *[(number, number + 1) for number in sorted(have) if number > first][-3:])
        have.update(sent(peer))
        if endpoint.buffered_bytes == 0:
            break
    assert endpoint.buffered_bytes == 0
    assert host.counter("TCPSpuriousRTOs") == 0
    assert endpoint.info()["ssthresh"] == before["cwnd"] // 2
