"""Losses of what was sent again, and RACK beside the retransmission time-out (RFC 8985 6.2 step 2, 6.3)."""

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
from tests.tcp.scripted_peer import MILLISECOND

pytestmark = pytest.mark.requirement("REC-2")

WINDOW = RTT // 4
HOSTS = {"congestion": "newreno"}


# ---- retransmissions (6.2 step 2)


@pytest.mark.parametrize("timestamps", [False, True])
def test_lost_retransmission_goes_again_when_newer_text_arrives(host, timestamps):
    peer, endpoint = running(host, more=20, timestamps=timestamps)
    host.advance(RTT)
    acknowledge(peer, 0, (1, 4))
    assert sent(peer)[0] == 0
    for number in range(4, 10):
        acknowledge(peer, 0, (1, number + 1))
    new = sent(peer)
    assert new
    assert 0 not in new
    # a round trip later the new text is SACKed, and still not the retransmission, which went before it
    host.advance(RTT)
    acknowledge(peer, 0, (1, max(new) + 1))
    assert 0 in sent(peer)
    assert endpoint.info()["phase"] == RECOVERY
    assert host.counter("TCPTimeouts") == 0


@pytest.mark.parametrize("timestamps", [False, True])
def test_lost_retransmission_goes_again_when_a_later_retransmission_arrives(host, timestamps):
    peer, _ = running(host, timestamps=timestamps)
    # only an ACK that advances brings the echo of the segment which made it: RFC 7323 4.3
    echo = peer.tsecr
    host.advance(RTT)
    acknowledge(peer, 0, (1, 4), (5, 6))
    assert sent(peer) == [0]
    host.advance(10 * MILLISECOND)
    peer.tsecr = echo
    acknowledge(peer, 0, (5, 10), (1, 4))
    assert sent(peer) == [4]
    # segment 4 was sent again 10 ms after segment 0, and arrives alone
    host.advance(RTT)
    peer.tsecr = echo
    acknowledge(peer, 0, (1, 10))
    host.advance(WINDOW)
    assert sent(peer) == [0]
    assert host.counter("TCPTimeouts") == 0


def test_early_ack_of_a_retransmission_is_one_of_the_original(host):
    peer, endpoint = running(host)
    host.advance(RTT)
    acknowledge(peer, 0, (1, 4))
    assert sent(peer) == [0]
    # less than any round trip after it went again: it does not show that 4 to 9, which went before, are lost
    host.advance(10 * MILLISECOND)
    acknowledge(peer, 4)
    host.advance(WINDOW)
    peer.expect_nothing()
    assert board(endpoint) == (6, 0, 0)


def test_echo_of_an_earlier_time_is_one_of_the_original(host):
    peer, endpoint = running(host, timestamps=True)
    echo = peer.tsecr
    host.advance(RTT)
    acknowledge(peer, 0, (1, 4))
    assert sent(peer) == [0]
    # late enough, but the timestamp tells
    host.advance(RTT + 10 * MILLISECOND)
    peer.tsecr = echo
    acknowledge(peer, 4)
    host.advance(WINDOW)
    peer.expect_nothing()
    assert board(endpoint)[2] == 0


@pytest.mark.requirement("SND-6")
def test_retransmission_gives_no_round_trip_sample(host):
    peer, endpoint = running(host)
    host.advance(RTT)
    acknowledge(peer, 0, (1, 4))
    before = endpoint.info()
    host.advance(3 * RTT // 2)
    acknowledge(peer, 1, (1, 4))
    after = endpoint.info()
    assert (before["srtt"], before["min_rtt"]) == (after["srtt"], after["min_rtt"])


def test_tail_sent_again_and_delivered_counts_as_the_highest(host):
    # 6.2 step 3 draws RACK.fack along for retransmissions too: what arrives below it later was reordered
    peer, endpoint = running(host)
    host.advance(RTT)
    acknowledge(peer, 6)
    host.advance(2 * RTT)
    assert sent(peer) == [9]  # the tail loss probe
    host.advance(MILLISECOND)
    acknowledge(peer, 6, (9, 10))  # of the original, too early for the probe
    acknowledge(peer, 6, (9, 10), (7, 8))
    assert endpoint.info()["reordering_seen"]


# ---- together with the retransmission time-out (6.3)


def time_out(peer):
    """Runs time-outs until the retransmission timer has expired; what was sent since."""
    before = peer.host.counter("TCPTimeouts")
    for _ in range(4):
        peer.host.advance(peer.host.until_deadline())
        if peer.host.counter("TCPTimeouts") > before:
            return sent(peer)
        peer.take()
    raise AssertionError("no time-out")


def test_time_out_spares_what_went_a_moment_ago(host):
    peer, endpoint = established(host)
    endpoint.send(bytes(MSS))
    peer.take()
    host.advance(RTT)
    acknowledge(peer, 1)
    endpoint.send(bytes(5 * MSS))
    peer.take()
    host.advance(2 * RTT)
    peer.take()  # the probe
    host.advance(endpoint.info()["rto"] - 50 * MILLISECOND)
    endpoint.send(bytes(3 * MSS))
    assert sent(peer) == [6, 7, 8]
    host.advance(50 * MILLISECOND)
    assert host.counter("TCPTimeouts") == 1
    assert endpoint.info()["phase"] == LOSS
    # segment 1 goes again; 2 to 5 are lost, 6 to 8 are on their way
    assert sent(peer) == [1]
    assert board(endpoint) == (4, 0, 4)


def test_after_a_time_out_all_that_is_lost_goes_again_in_slow_start(make_host):
    host = make_host(frto=0)
    peer, endpoint = running(host)
    host.advance(RTT)
    acknowledge(peer, 0, (2, 4))
    # the retransmission of segment 0 is lost, and all others
    time_out(peer)
    seen = []
    have = {0, 2, 3}
    for _ in range(20):
        host.advance(RTT)
        first = next(number for number in range(11) if number not in have)
        acknowledge(peer, first, *[(number, number + 1) for number in sorted(have) if number > first][-3:])
        found = sent(peer)
        seen += found
        have.update(found)
        if len(have) == 10:
            break
    assert sorted(seen) == [1, 4, 5, 6, 7, 8, 9]
    acknowledge(peer, 10)
    assert endpoint.info()["phase"] == OPEN


def test_loss_of_what_a_time_out_sent_again_is_found(make_host):
    host = make_host(frto=0)
    peer, _ = running(host)
    time_out(peer)
    host.advance(RTT)
    acknowledge(peer, 1)
    assert sent(peer) == [1, 2]
    # segment 1 is lost again, 2 arrives: what all else waits for goes first
    host.advance(RTT)
    acknowledge(peer, 1, (2, 3))
    assert sent(peer) == [1, 3]
    assert host.counter("TCPTimeouts") == 1


def test_number_of_stretches_stays_that_of_the_frames(make_host):
    host = make_host(initial_window=40)
    peer, endpoint = running(host, 40)
    host.advance(RTT)
    for number in range(1, 40, 2):
        acknowledge(peer, 0, (number, number + 1))
    assert endpoint.info()["stretches"] <= 40
    host.advance(RTT)
    for number in range(40):
        acknowledge(peer, number)
    peer.take()
    acknowledge(peer, 40)
    assert endpoint.info()["stretches"] == 0
    assert endpoint.info()["snd_una"] == (peer.base + at(40)) % (1 << 32)
