"""Pacing: a window goes evenly over a round trip when it is asked for, in bursts of one frame (REC-6)."""

import pytest

from tests.tcp.flights import MSS, RTT, acknowledge, established, sent
from tests.tcp.scripted_peer import MILLISECOND, SECOND

pytestmark = pytest.mark.requirement("REC-6")


def departures(peer, duration):
    """When frames leave within that time, and of how many segments each instant's burst is."""
    host = peer.host
    end = host.now + duration
    bursts = []
    while True:
        count = len(sent(peer))
        if count:
            bursts.append((host.now, count))
        due = host.engine.next_deadline()
        if due is None or due > end:
            host.advance(end - host.now)
            return bursts
        host.advance(due - host.now)


@pytest.mark.parametrize("congestion", ["newreno", "cubic"])
def test_window_goes_at_once_where_pacing_is_not_asked_for(make_host, congestion):
    peer, endpoint = established(make_host(congestion=congestion))
    endpoint.send(bytes(10 * MSS))
    assert len(sent(peer)) == 10
    assert endpoint.info()["pacing_rate"] == 0


@pytest.mark.parametrize("congestion", ["newreno", "cubic"])
def test_first_window_is_paced(make_host, congestion):
    # the handshake has measured the round trip
    peer, endpoint = established(make_host(congestion=congestion, pacing=1))
    endpoint.send(bytes(10 * MSS))
    bursts = departures(peer, RTT)
    assert sum(count for _, count in bursts) == 10
    assert max(count for _, count in bursts) <= 2
    # in slow start at twice the window in a round trip, so that it can double
    assert RTT // 3 <= bursts[-1][0] - bursts[0][0] <= RTT


@pytest.mark.parametrize("congestion", ["newreno", "cubic"])
def test_pace_is_a_window_in_a_round_trip(make_host, congestion):
    peer, endpoint = established(make_host(congestion=congestion, pacing=1))
    endpoint.send(bytes(400 * MSS))
    went = []
    done = 0
    for _ in range(4):
        went += departures(peer, RTT)
        arrived = sum(count for _, count in went)
        while done < arrived:
            done = min(done + 2, arrived)
            acknowledge(peer, done)
    info = endpoint.info()
    assert info["cwnd"] > 20 * MSS
    window_rate = info["cwnd"] * SECOND // info["srtt"]
    assert window_rate <= info["pacing_rate"] <= 2 * window_rate
    bursts = departures(peer, RTT)
    assert max(count for _, count in bursts) <= 2
    total = sum(count for _, count in bursts)
    assert total <= info["cwnd"] // MSS + 1
    # a whole window, spread over half a round trip at least
    assert total >= info["cwnd"] // MSS - 2
    assert bursts[-1][0] - bursts[0][0] >= RTT // 3


def test_paced_frames_are_no_longer_than_a_millisecond_of_the_pace(make_host):
    host = make_host(congestion="newreno", pacing=1, initial_window=64, vnet_header=True, offloads=True)
    peer, endpoint = established(host, round_trip=10 * MILLISECOND)
    endpoint.send(bytes(64 * MSS))
    bursts = departures(peer, 10 * MILLISECOND)
    quantum = max(2, endpoint.info()["pacing_rate"] // 1000 // MSS)
    assert max(count for _, count in bursts[1:]) <= quantum
    # a quantum for the time that passed unused, and in all no more than one superframe
    assert bursts[0][1] <= min(2 * quantum, 65)
    assert sum(count for _, count in bursts) == 64


def test_fast_path_sends_whole_superframes(make_host):
    # a round trip of 100 microseconds: a millisecond's worth is more than a frame carries
    host = make_host(congestion="newreno", pacing=1, initial_window=128, vnet_header=True, offloads=True)
    peer, endpoint = established(host, round_trip=MILLISECOND // 10)
    endpoint.send(bytes(128 * MSS))
    first = peer.take()
    assert len(first[0].text) == 65 * MSS


def test_time_that_passed_unused_brings_no_burst(make_host):
    peer, endpoint = established(make_host(congestion="newreno", pacing=1))
    endpoint.send(bytes(10 * MSS))
    departures(peer, RTT)
    acknowledge(peer, 10)
    host = peer.host
    host.advance(150 * MILLISECOND)
    endpoint.send(bytes(10 * MSS))
    bursts = departures(peer, RTT)
    assert sum(count for _, count in bursts) == 10
    assert max(count for _, count in bursts) <= 2


@pytest.mark.requirement("REC-2")
def test_first_retransmission_does_not_wait_for_the_pace(make_host):
    peer, endpoint = established(make_host(congestion="newreno", pacing=1))
    endpoint.send(bytes(30 * MSS))
    departures(peer, RTT)
    acknowledge(peer, 0, (1, 2))
    acknowledge(peer, 0, (1, 4))
    # new text may have used the pace up, the repair goes all the same
    assert 0 in sent(peer)


def test_paced_transfer_ends(make_host):
    peer, endpoint = established(make_host(congestion="cubic", pacing=1), round_trip=20 * MILLISECOND)
    endpoint.send(bytes(200 * MSS))
    done = 0
    for _ in range(60):
        bursts = departures(peer, 10 * MILLISECOND)
        done += sum(count for _, count in bursts)
        acknowledge(peer, done)
        if endpoint.buffered_bytes == 0:
            break
    assert endpoint.buffered_bytes == 0
    assert peer.host.counter("RetransSegs") == 0


def test_pace_of_a_path_that_was_slow_puts_nothing_off_for_longer_than_a_second(make_host):
    host = make_host(congestion="newreno", pacing=1, initial_window=1, rto_minimum=60 * SECOND)
    peer, endpoint = established(host, sack=False)
    for number in range(5):
        endpoint.send(bytes(MSS))
        assert departures(peer, 12 * SECOND)[0][1] == 1
        acknowledge(peer, number + 1)
    assert endpoint.info()["pacing_rate"] < MSS
    host.advance(8 * SECOND)
    endpoint.send(bytes(2 * MSS))
    assert sent(peer) == [5]
    host.advance(MILLISECOND)
    acknowledge(peer, 6)
    assert departures(peer, 2 * SECOND) == [(host.now - SECOND - MILLISECOND, 1)]
