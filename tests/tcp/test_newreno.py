"""Slow start, congestion avoidance, fast retransmit and recovery (RFC 5681, RFC 6582, RFC 3042)."""

import pytest

from tests.tcp.scripted_peer import MILLISECOND, MINUTE, SECOND, Peer
from tests.tcp.segments import wanted

MSS = 1000
HOSTS = {"congestion": "newreno"}


def running(host, segments=10, more=200):
    """A connection with `segments` segments of 1000 bytes in flight, a large window and more to send."""
    peer = Peer(host, mss=MSS, scale=4)
    endpoint = peer.open_passively()
    endpoint.send(b"x" * ((segments + more) * MSS))
    assert starts(peer) == [at * MSS + 1 for at in range(segments)]
    return peer, endpoint


def starts(peer):
    """Sequence numbers of the segments with text that were sent; each is a full one."""
    found = peer.take()
    assert all(len(segment.text) == MSS for segment in found)
    return [segment.seq for segment in found]


def at(number):
    """Sequence number of a segment counted from 0."""
    return number * MSS + 1


@pytest.mark.parametrize("segments", [1, 3, 10])
def test_initial_window_is_as_configured(make_host, segments):
    host = make_host() if segments == 10 else make_host(initial_window=segments)
    _, endpoint = running(host, segments)
    assert endpoint.info()["cwnd"] == segments * MSS


@pytest.mark.requirement("REC-5")
def test_slow_start_doubles_in_a_round_trip(host):
    peer, endpoint = running(host)
    for number in range(10):
        peer.send("A", ack=at(number + 1))
        assert starts(peer) == [at(10 + 2 * number), at(11 + 2 * number)]
    assert endpoint.info()["cwnd"] == 20 * MSS


@pytest.mark.requirement("REC-5")
def test_congestion_avoidance_adds_a_segment_in_a_round_trip(host):
    peer, endpoint = running(host)
    lose_first(peer)
    while endpoint.info()["cwnd"] < endpoint.info()["ssthresh"]:
        peer.send("A", ack=(endpoint.info()["snd_una"] - endpoint.info()["iss"]) % (1 << 32) + MSS)
        peer.take()
    window = endpoint.info()["cwnd"]
    assert window == endpoint.info()["ssthresh"] == 5 * MSS
    for segments in (5, 6, 7):
        for number in range(segments):
            assert endpoint.info()["cwnd"] == segments * MSS, number
            peer.send("A", ack=(endpoint.info()["snd_una"] - endpoint.info()["iss"]) % (1 << 32) + MSS)
            peer.take()
    assert endpoint.info()["cwnd"] == 8 * MSS


@pytest.mark.requirement("REC-5", "REC-8")
def test_part_of_a_segment_in_the_window_does_not_slow_its_growth(make_host):
    # half of eleven segments: five go in a round trip, and their ACKs are a window
    peer, endpoint = running(make_host(initial_window=11), segments=11)
    lose_first(peer)
    while endpoint.info()["cwnd"] < endpoint.info()["ssthresh"]:
        peer.send("A", ack=(endpoint.info()["snd_una"] - endpoint.info()["iss"]) % (1 << 32) + MSS)
        peer.take()
    assert endpoint.info()["cwnd"] == 5 * MSS + MSS // 2
    for segments in (5, 6, 7):
        for number in range(segments):
            assert endpoint.info()["cwnd"] == segments * MSS + MSS // 2, number
            peer.send("A", ack=(endpoint.info()["snd_una"] - endpoint.info()["iss"]) % (1 << 32) + MSS)
            peer.take()
    assert endpoint.info()["cwnd"] == 8 * MSS + MSS // 2


@pytest.mark.requirement("REC-5")
def test_window_that_was_not_used_does_not_grow(host):
    peer = Peer(host, mss=MSS)
    endpoint = peer.open_passively()
    for _ in range(20):
        endpoint.send(b"x" * 10)
        peer.take()
        peer.send("A")
    assert endpoint.info()["cwnd"] == 10 * MSS


@pytest.mark.requirement("REC-5")
def test_window_that_was_just_filled_grows(host):
    """RFC 7661 4.3: it was validated, though nothing waits behind it; but a loss takes its part of the flight."""
    peer, endpoint = running(host, segments=10, more=0)
    peer.send("A", ack=at(2))
    assert endpoint.info()["cwnd"] == 12 * MSS
    peer.send("A", ack=at(8))
    assert endpoint.info()["cwnd"] == 18 * MSS
    time_out(peer)
    assert endpoint.info()["ssthresh"] == 2 * MSS


@pytest.mark.requirement("REC-5")
def test_slow_start_does_not_run_past_ssthresh(make_host):
    peer, endpoint = running(make_host(frto=0))
    time_out(peer)
    assert endpoint.info()["ssthresh"] == 5 * MSS
    peer.send("A", ack=at(1))
    peer.take()
    peer.send("A", ack=at(3))
    peer.take()
    assert endpoint.info()["cwnd"] <= 5 * MSS
    peer.send("A", ack=at(10))
    assert endpoint.info()["cwnd"] <= 6 * MSS


@pytest.mark.requirement("REC-2")
def test_first_two_duplicates_send_new_segments(host):
    # RFC 3042
    peer, endpoint = running(host)
    peer.send("A", ack=1)
    assert starts(peer) == [at(10)]
    peer.send("A", ack=1)
    assert starts(peer) == [at(11)]
    assert endpoint.info()["cwnd"] == 10 * MSS


@pytest.mark.requirement("REC-2")
def test_third_duplicate_retransmits_the_first_segment(host):
    peer, endpoint = running(host)
    for _ in range(2):
        peer.send("A", ack=1)
    peer.take()
    peer.send("A", ack=1)
    assert starts(peer) == [at(0)]
    info = endpoint.info()
    # half the flight, without what limited transmit had added (RFC 5681 3.2 step 2)
    assert info["in_recovery"]
    assert info["ssthresh"] == 5 * MSS
    assert info["cwnd"] == info["ssthresh"] + 3 * MSS
    assert host.counter("TCPFastRetrans") == 1


@pytest.mark.requirement("REC-2")
def test_two_duplicates_do_not_retransmit(host):
    peer, _ = running(host)
    for _ in range(2):
        peer.send("A", ack=1)
    peer.take()
    peer.send("A", ack=at(12))
    assert at(0) not in starts(peer)
    assert host.counter("TCPFastRetrans") == 0


@pytest.mark.requirement("REC-2")
@pytest.mark.parametrize("kind", ["text", "window", "fin", "nothing outstanding"])
def test_ack_that_is_no_duplicate_does_not_count(host, kind):
    if kind == "nothing outstanding":
        peer = Peer(host, mss=MSS)
        endpoint = peer.open_passively()
        for _ in range(5):
            peer.send("A")
        assert endpoint.info()["dupacks"] == 0
        return
    peer, endpoint = running(host)
    for number in range(4):
        if kind == "text":
            peer.send("A", ack=1, text=b"t")
        elif kind == "window":
            peer.send("A", ack=1, window=60000 - number)
        elif number == 0:
            peer.send("FA", ack=1)
    assert endpoint.info()["dupacks"] == 0
    assert host.counter("TCPFastRetrans") == 0


def lose_first(peer):
    """Segment 0 of ten is lost; the duplicates, the retransmission, the full ACK."""
    for _ in range(9):
        peer.send("A", ack=1)
    peer.take()
    peer.send("A", ack=peer.ack)
    return peer.ack


@pytest.mark.requirement("REC-2")
def test_each_further_duplicate_inflates_the_window_by_a_segment(host):
    peer, endpoint = running(host)
    for _ in range(3):
        peer.send("A", ack=1)
    peer.take()
    before = endpoint.info()["cwnd"]
    for number in range(1, 7):
        peer.send("A", ack=1)
        assert endpoint.info()["cwnd"] == before + number * MSS
    # and what it lets out is new
    assert all(start >= at(12) for start in starts(peer))


@pytest.mark.requirement("REC-2", "LIM-4")
def test_duplicates_without_end_inflate_the_window_by_no_more_than_was_outstanding(host):
    peer, endpoint = running(host)
    for _ in range(500):
        peer.send("A", ack=1)
    info = endpoint.info()
    assert info["in_recovery"]
    assert info["cwnd"] <= info["ssthresh"] + 12 * MSS
    # a partial ACK lets what is outstanding now leave the network once
    peer.take()
    peer.send("A", ack=at(1))
    before, outstanding = endpoint.info()["cwnd"], endpoint.info()["flight"]
    for _ in range(500):
        peer.send("A", ack=at(1))
    assert before < endpoint.info()["cwnd"] <= before + outstanding


@pytest.mark.requirement("REC-2")
def test_full_ack_ends_recovery_and_deflates(host):
    peer, endpoint = running(host)
    for _ in range(9):
        peer.send("A", ack=1)
    peer.take()
    ssthresh = endpoint.info()["ssthresh"]
    peer.send("A", ack=peer.ack)
    info = endpoint.info()
    assert not info["in_recovery"]
    # RFC 6582 3.2 step 3: min(ssthresh, max(FlightSize, SMSS) + SMSS) or ssthresh
    assert info["cwnd"] <= ssthresh
    assert info["cwnd"] >= MSS


@pytest.mark.requirement("REC-2")
def test_partial_ack_retransmits_the_next_hole_and_stays_in_recovery(host):
    peer, endpoint = running(host)
    for _ in range(5):
        peer.send("A", ack=1)
    peer.take()
    cwnd = endpoint.info()["cwnd"]
    # segments 0 and 4 were lost
    peer.send("A", ack=at(4))
    assert starts(peer)[0] == at(4)
    info = endpoint.info()
    assert info["in_recovery"]
    # deflated by what was acknowledged, one segment added back
    assert info["cwnd"] == max(cwnd - 4 * MSS + MSS, MSS + MSS)
    assert host.counter("TCPRenoRecovery") == 1


@pytest.mark.requirement("REC-2")
def test_partial_ack_restarts_the_timer(host):
    peer, endpoint = running(host)
    for _ in range(5):
        peer.send("A", ack=1)
    peer.take()
    host.advance(100 * MILLISECOND)
    peer.send("A", ack=at(4))
    assert host.until_deadline() == endpoint.info()["rto"]


@pytest.mark.requirement("REC-2")
def test_several_losses_in_one_window_are_repaired_one_in_a_round_trip_without_a_time_out(host):
    peer, endpoint = running(host, more=0)
    lost = [0, 2, 5, 9]
    for _ in range(10 - len(lost)):
        peer.send("A", ack=1)
    for position, number in enumerate(lost):
        assert starts(peer) == [at(number)]
        following = lost[position + 1] if position + 1 < len(lost) else 10
        peer.send("A", ack=at(following))
    assert endpoint.buffered_bytes == 0
    assert host.counter("TCPTimeouts") == 0


@pytest.mark.requirement("REC-2")
def test_recovery_is_not_entered_again_for_the_same_window(host):
    peer, endpoint = running(host)
    time_out(peer)
    # the answers to what is sent again needlessly are duplicates, and no new loss (RFC 6582 3.2 step 2)
    for _ in range(5):
        peer.send("A", ack=1)
    assert host.counter("TCPFastRetrans") == 0
    assert not endpoint.info()["in_recovery"]


def time_out(peer):
    """The retransmission timer expires; what it sends."""
    peer.host.advance(peer.host.until_deadline())
    return starts(peer)


@pytest.mark.requirement("REC-5", "SND-6")
def test_time_out_sends_one_segment_and_starts_slowly(make_host):
    peer, endpoint = running(make_host(frto=0))
    assert time_out(peer) == [at(0)]
    info = endpoint.info()
    assert (info["cwnd"], info["ssthresh"]) == (MSS, 5 * MSS)
    # everything outstanding goes again, as the window opens
    peer.send("A", ack=at(1))
    assert starts(peer) == [at(1), at(2)]
    peer.send("A", ack=at(2))
    assert starts(peer) == [at(3), at(4)]


@pytest.mark.requirement("REC-5")
def test_repeated_time_out_leaves_ssthresh_alone(host):
    peer, endpoint = running(host)
    time_out(peer)
    time_out(peer)
    time_out(peer)
    assert endpoint.info()["ssthresh"] == 5 * MSS


@pytest.mark.requirement("REC-5")
def test_ack_that_covers_more_than_was_sent_again_moves_on(host):
    peer, endpoint = running(host)
    time_out(peer)
    # only segment 0 had been lost: the answer covers all ten
    peer.send("A", ack=at(10))
    found = starts(peer)
    assert found[0] == at(10)
    # RFC 3465 2.3: that ACK opens the window by one segment, not by ten
    assert len(found) == 2
    assert endpoint.info()["cwnd"] == 2 * MSS


@pytest.mark.requirement("REC-5")
def test_ssthresh_is_at_least_two_segments(host):
    peer, endpoint = running(host, segments=10, more=0)
    peer.send("A", ack=at(9))
    peer.take()
    time_out(peer)
    assert endpoint.info()["ssthresh"] == 2 * MSS


def fill_and_finish(host):
    """A connection that has opened its window over round trips of 50 ms and has nothing more to send."""
    peer, endpoint = running(host, more=30)
    for number in range(1, 41, 5):
        host.advance(50 * MILLISECOND)
        peer.send("A", ack=at(min(number + 4, 40)))
        peer.take()
    assert endpoint.buffered_bytes == 0
    assert endpoint.info()["cwnd"] > 20 * MSS
    return peer, endpoint


@pytest.mark.requirement("REC-5")
@pytest.mark.parametrize("pause", [2 * SECOND, 4 * MINUTE])
def test_idle_longer_than_the_rto_keeps_the_window_and_spreads_it_over_a_round_trip(host, pause):
    """RFC 7661 4.4, in place of the restart from the initial window of RFC 5681 4.1."""
    peer, endpoint = fill_and_finish(host)
    window = endpoint.info()["cwnd"] // MSS
    host.advance(pause)
    endpoint.send(b"y" * (90 * MSS))
    sent = len(starts(peer))
    assert 1 <= sent <= window // 4
    for _ in range(5):
        host.advance(endpoint.info()["srtt"] // 5)
        found = len(starts(peer))
        assert found <= window // 4
        sent += found
    assert window - 2 <= sent <= window
    # with the first ACK the pace is over
    peer.send("A", ack=at(41))
    peer.take()
    peer.send("A", ack=at(51))
    assert len(starts(peer)) >= 10


@pytest.mark.requirement("REC-5")
def test_idle_longer_than_five_minutes_halves_the_window(host):
    """RFC 7661 4.4.3"""
    peer, endpoint = fill_and_finish(host)
    window = endpoint.info()["cwnd"]
    host.advance(6 * MINUTE)
    endpoint.send(b"y" * (60 * MSS))
    peer.take()
    assert endpoint.info()["cwnd"] == max(window // 2, 10 * MSS)


@pytest.mark.requirement("REC-5")
def test_short_pause_does_not_restart(host):
    peer, endpoint = running(host, more=30)
    for number in range(1, 41):
        peer.send("A", ack=at(number))
        peer.take()
    window = endpoint.info()["cwnd"]
    host.advance(100 * MILLISECOND)
    endpoint.send(b"y" * (60 * MSS))
    assert len(starts(peer)) == window // MSS


@pytest.mark.requirement("REC-5")
def test_lost_syn_starts_from_one_segment(host):
    # RFC 5681 3.1
    peer = Peer(host, mss=MSS)
    endpoint = host.connect(peer.our_port, peer.port)
    host.advance(SECOND)
    peer.take()
    peer.send("SA")
    peer.expect(wanted("A", seq=1, ack=1))
    endpoint.send(b"x" * (5 * MSS))
    assert starts(peer) == [at(0)]


@pytest.mark.requirement("REC-2")
@pytest.mark.parametrize("lost", [[0], [9], [0, 9], [3, 4, 5], [0, 1, 2, 3, 4, 5, 6, 7, 8], list(range(10))])
def test_any_losses_of_a_window_are_repaired(host, lost):
    peer, endpoint = running(host, more=0)
    have = set(range(10)) - set(lost)
    for _ in sorted(have):
        peer.send("A", ack=at(first_missing(have)))
    for _ in range(200):
        if not endpoint.buffered_bytes:
            break
        found = starts(peer)
        if not found:
            host.advance(host.until_deadline())
        for start in found:
            have.add((start - 1) // MSS)
            peer.send("A", ack=at(first_missing(have)))
    assert endpoint.buffered_bytes == 0


def first_missing(have):
    """The lowest segment that has not arrived."""
    number = 0
    while number in have:
        number += 1
    return number
