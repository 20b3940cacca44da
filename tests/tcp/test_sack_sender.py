"""What SACK blocks tell a sender, honest ones and others (RFC 2018, RFC 6675, RFC 2883)."""

import pytest

from tests.tcp.flights import (
    MSS,
    RTT,
    acknowledge,
    at,
    board,
    established,
    lost_bytes,
    running,
    sent,
    start_before_wrap,
)
from tests.tcp.scripted_peer import MILLISECOND, Peer
from tests.tcp.segments import VnetHeader, wanted

pytestmark = pytest.mark.requirement("REC-1")
HOSTS = {"congestion": "newreno"}


def finish(peer, endpoint, segments=10):
    """The connection still works: all is acknowledged, and what follows goes and arrives."""
    acknowledge(peer, segments)
    peer.take()
    assert endpoint.buffered_bytes == 0
    assert board(endpoint) == (0, 0, 0)
    assert endpoint.info()["stretches"] == 0
    endpoint.send(bytes(MSS))
    assert sent(peer) == [segments]
    acknowledge(peer, segments + 1)
    assert endpoint.buffered_bytes == 0


# ---- marking


def test_block_takes_its_segments_out_of_flight(host):
    peer, endpoint = running(host)
    assert board(endpoint) == (10, 0, 0)
    host.advance(RTT)
    acknowledge(peer, 0, (3, 5))
    assert board(endpoint) == (8, 2, 0)
    assert endpoint.info()["delivered"] == 2 * MSS
    finish(peer, endpoint)


def test_what_counts_as_lost_is_counted_once_and_again_when_it_is_lost_again(host):
    peer, endpoint = running(host)
    host.advance(RTT)
    acknowledge(peer, 0, (2, 8))
    assert sent(peer) == [0, 1]
    assert endpoint.info()["lost"] == 2 * MSS
    acknowledge(peer, 0, (2, 9))
    assert endpoint.info()["lost"] == 2 * MSS
    # what went after the copies arrives, the copies do not
    endpoint.send(bytes(3 * MSS))
    host.advance(RTT)
    acknowledge(peer, 0, (2, 10))
    assert sent(peer) == [10, 11, 12]
    host.advance(RTT)
    acknowledge(peer, 0, (2, 13))
    assert sent(peer) == [0, 1]
    assert endpoint.info()["lost"] == 4 * MSS


def test_sacked_segments_let_new_ones_go(host):
    # RFC 6675 4: what is known to have left the network makes room
    peer, endpoint = running(host, more=50)
    host.advance(RTT)
    acknowledge(peer, 0, (3, 4))
    assert sent(peer)[0] == 10
    assert endpoint.info()["in_flight"] <= endpoint.info()["cwnd"]


def test_block_reported_again_changes_nothing(host):
    peer, endpoint = running(host)
    host.advance(RTT)
    for _ in range(3):
        acknowledge(peer, 0, (3, 5))
        assert board(endpoint) == (8, 2, 0)
    assert endpoint.info()["delivered"] == 2 * MSS


def test_all_blocks_of_an_ack_count(host):
    peer, endpoint = running(host)
    host.advance(RTT)
    acknowledge(peer, 0, (8, 9), (6, 7), (4, 5), (2, 3))
    assert endpoint.info()["sacked"] == 4 * MSS


def test_blocks_that_touch_and_overlap_count_once(host):
    peer, endpoint = running(host)
    host.advance(RTT)
    acknowledge(peer, 0, (3, 5))
    acknowledge(peer, 0, (5, 6), (4, 7))
    acknowledge(peer, 0, (2, 8), (3, 5))
    assert endpoint.info()["sacked"] == 6 * MSS
    # and are remembered as one stretch: two before, two behind
    assert endpoint.info()["stretches"] == 5
    assert endpoint.info()["delivered"] == 6 * MSS


def test_block_before_or_behind_another_joins_it(host):
    peer, endpoint = running(host)
    host.advance(RTT)
    acknowledge(peer, 0, (7, 8))
    acknowledge(peer, 0, (3, 4))
    assert endpoint.info()["stretches"] == 10
    acknowledge(peer, 0, (6, 8))
    acknowledge(peer, 0, (3, 5))
    assert endpoint.info()["stretches"] == 8
    acknowledge(peer, 0, (3, 8))
    assert endpoint.info()["stretches"] == 6
    assert endpoint.info()["sacked"] == 5 * MSS


def test_ack_of_sacked_segments_forgets_them(host):
    peer, endpoint = running(host)
    host.advance(RTT)
    acknowledge(peer, 0, (3, 5), (7, 8))
    acknowledge(peer, 5, (7, 8))
    assert board(endpoint) == (4, 1, 0)
    acknowledge(peer, 8)
    assert board(endpoint) == (2, 0, 0)
    # each byte was delivered once
    assert endpoint.info()["delivered"] == 8 * MSS
    finish(peer, endpoint)


def test_ack_into_a_sacked_block_leaves_its_rest(host):
    peer, endpoint = running(host)
    host.advance(RTT)
    acknowledge(peer, 0, (1, 5))
    acknowledge(peer, 3, (3, 5))
    assert board(endpoint) == (5, 2, 0)
    assert endpoint.info()["delivered"] == 5 * MSS
    finish(peer, endpoint)


def test_ack_and_blocks_within_segments_count_bytes(host):
    peer, endpoint = running(host)
    host.advance(RTT)
    peer.send("A", ack=at(0) + 300, blocks=[(at(3) + 1, at(3) + 2), (at(5) + 999, at(6) + 1)])
    info = endpoint.info()
    assert info["sacked"] == 3
    assert info["in_flight"] + lost_bytes(endpoint) == 10 * MSS - 303
    assert info["delivered"] == 303
    peer.send("A", ack=at(3) + 1, blocks=[(at(3) + 1, at(3) + 2)])
    assert endpoint.info()["sacked"] == 3
    assert endpoint.info()["in_flight"] + lost_bytes(endpoint) == 7 * MSS - 4
    finish(peer, endpoint)


def test_blocks_of_an_ack_that_comes_late_are_news(host):
    # reordered on the way: an older ACK number with a block that was not known yet
    peer, endpoint = running(host)
    host.advance(RTT)
    acknowledge(peer, 2, (6, 7))
    acknowledge(peer, 1, (4, 5))
    assert board(endpoint) == (6, 2, 0)
    assert endpoint.info()["snd_una"] == (peer.base + at(2)) % (1 << 32)


def test_blocks_without_agreement_are_ignored(host):
    peer, endpoint = running(host, sack=False)
    host.advance(RTT)
    acknowledge(peer, 0, (3, 5))
    assert board(endpoint) == (10, 0, 0)


def test_blocks_in_the_ack_that_ends_the_handshake_are_harmless(host):
    peer = Peer(host, mss=MSS, sack=True)
    listener = host.listen()
    peer.send("S")
    peer.take()
    peer.send("A", blocks=[(1, 500), (0, 1), (2, 3)])
    endpoint = host.accept(listener)
    endpoint.send(bytes(10 * MSS))
    assert sent(peer) == list(range(10))
    finish(peer, endpoint)


@pytest.mark.requirement("TCPX-1")
def test_block_beside_text_of_the_peer_counts(host):
    peer, endpoint = running(host, timestamps=True)
    host.advance(RTT)
    acknowledge(peer, 0, (3, 5), text=b"hello")
    assert board(endpoint) == (8, 2, 0)


def test_block_may_cover_the_fin(host):
    peer, endpoint = running(host)
    endpoint.shutdown_send()
    peer.expect(wanted("FA", seq=at(10)))
    host.advance(RTT)
    peer.send("A", ack=at(1), blocks=[(at(3), at(10) + 1)])
    assert lost_bytes(endpoint) + endpoint.info()["in_flight"] == 2 * MSS
    peer.send("A", ack=at(10) + 1)
    assert endpoint.buffered_bytes == 0


def test_lost_fin_goes_again_with_the_text_before_it(host):
    peer, endpoint = established(host)
    endpoint.send(bytes(4 * MSS - 300))
    endpoint.shutdown_send()
    peer.take()
    host.advance(RTT)
    acknowledge(peer, 0, (1, 3))
    host.advance(RTT)
    found = peer.take()
    assert (found[0].seq, found[0].flags) == (at(0), "A")
    acknowledge(peer, 3)
    host.advance(10 * RTT)
    again = peer.take()
    assert {(segment.seq, len(segment.text), segment.flags) for segment in again} == {(at(3), MSS - 300, "FPA")}
    peer.send("A", ack=at(4) - 300 + 1)
    assert endpoint.buffered_bytes == 0


# ---- stretches that went as one


def superframe(make_host, segments=10, **arguments):
    """All segments went as one frame that the device cuts."""
    host = make_host(vnet_header=True, offloads=True)
    peer, endpoint = established(host, **arguments)
    endpoint.send(bytes(segments * MSS))
    (frame,) = peer.take()
    assert len(frame.text) == segments * MSS
    assert frame.vnet.gso_size == MSS
    assert endpoint.info()["stretches"] == 1
    return host, peer, endpoint


def test_block_within_a_superframe_splits_it(make_host):
    host, peer, endpoint = superframe(make_host)
    host.advance(RTT)
    acknowledge(peer, 0, (3, 4))
    assert board(endpoint) == (9, 1, 0)
    assert endpoint.info()["stretches"] == 3
    acknowledge(peer, 0, (9, 10), (3, 4))
    assert board(endpoint) == (8, 2, 0)
    assert endpoint.info()["stretches"] == 4
    finish(peer, endpoint)


def test_holes_of_a_superframe_alone_go_again(make_host):
    host, peer, _ = superframe(make_host)
    host.advance(RTT)
    acknowledge(peer, 0, (8, 9), (4, 5), (1, 3))
    host.advance(RTT // 2)
    acknowledge(peer, 0, (9, 10), (4, 5), (1, 3))
    lost = sent(peer)
    for _ in range(8):
        acknowledge(peer, 0, (4, 5), (1, 3), (8, 10))
        host.advance(RTT // 2)
        lost += sent(peer)
    assert sorted(set(lost)) == [0, 3, 5, 6, 7]


def test_superframe_counts_as_its_segments(make_host):
    # three of them SACKed show that there was no reordering (RFC 8985 6.2 step 4)
    host, peer, _ = superframe(make_host)
    host.advance(RTT)
    acknowledge(peer, 0, (5, 7))
    assert sent(peer) == []
    acknowledge(peer, 0, (5, 8))
    assert sent(peer) != []


def test_ack_within_a_superframe_keeps_its_rest(make_host):
    host, peer, endpoint = superframe(make_host)
    host.advance(RTT)
    acknowledge(peer, 4)
    assert board(endpoint) == (6, 0, 0)
    assert endpoint.info()["stretches"] == 1
    acknowledge(peer, 6, (8, 9))
    assert board(endpoint) == (3, 1, 0)
    finish(peer, endpoint)


# ---- nonsense

NONSENSE = {
    "reversed": [(at(5), at(3))],
    "empty": [(at(3), at(3))],
    "beyond what was sent": [(at(10), at(12))],
    "partly beyond what was sent": [(at(8), at(11))],
    "far beyond": [(at(3) + (1 << 31), at(5) + (1 << 31))],
    "below the oldest": [(at(0) - 500, at(0))],
    "the SYN": [(0, 1)],
    "from below the oldest": [(at(0) - 10, at(2))],
    "around the whole circle": [(at(3), at(2))],
    "from the oldest": [(at(0), at(1))],
    "all numbers there are": [(at(5), at(5) - 1)],
    "half the circle": [(at(0) - (1 << 31), at(5))],
    "four times reversed": [(at(5), at(3)), (at(6), at(4)), (at(9), at(1)), (at(2), at(1))],
}


@pytest.mark.requirement("LIM-4")
@pytest.mark.parametrize("kind", NONSENSE)
@pytest.mark.parametrize("wrap", [False, True])
def test_nonsense_blocks_change_nothing(make_host, kind, wrap):
    host = start_before_wrap(make_host, 4 * MSS) if wrap else make_host()
    peer, endpoint = running(host)
    if wrap:
        assert (peer.base + at(10)) % (1 << 32) < peer.base
    host.advance(RTT)
    for _ in range(4):
        peer.send("A", ack=1, blocks=NONSENSE[kind])
        assert board(endpoint) == (10, 0, 0)
    # nor do they keep the rest from being taken
    acknowledge(peer, 0, (3, 4))
    peer.send("A", ack=1, blocks=[*NONSENSE[kind][:3], (at(6), at(7))])
    assert board(endpoint) == (8, 2, 0)
    assert sent(peer) == []
    finish(peer, endpoint)


@pytest.mark.requirement("LIM-4")
def test_overlapping_blocks_in_any_order_count_once(host):
    peer, endpoint = running(host)
    host.advance(RTT)
    peer.send("A", ack=1, blocks=[(at(6), at(8)), (at(5), at(7)), (at(3) + 5, at(6) + 5), (at(3), at(4))])
    info = endpoint.info()
    assert info["sacked"] == 5 * MSS
    assert info["in_flight"] + lost_bytes(endpoint) == 5 * MSS


def test_blocks_and_acks_across_the_wrap_of_numbers(make_host):
    host = start_before_wrap(make_host, 4 * MSS + 500)
    peer, endpoint = running(host)
    host.advance(RTT)
    acknowledge(peer, 0, (3, 6))
    assert endpoint.info()["sacked"] == 3 * MSS
    host.advance(RTT)
    assert sent(peer)[0] == 0
    acknowledge(peer, 2, (7, 8), (3, 6))
    assert endpoint.info()["sacked"] == 4 * MSS
    acknowledge(peer, 6, (7, 8))
    assert endpoint.info()["sacked"] == MSS
    peer.take()
    finish(peer, endpoint)


# ---- reneging (RFC 2018 8)


def everything_arrives(peer, endpoint, count=10, have=()):
    """The peer takes what comes from now on, and reports blocks of it; what was sent meanwhile."""
    have = set(have)
    seen = []
    for _ in range(100):
        if endpoint.buffered_bytes == 0:
            return seen
        found = sent(peer)
        if not found:
            peer.host.advance(peer.host.until_deadline())
            continue
        seen += found
        have.update(found)
        first = next((number for number in range(count) if number not in have), count)
        above = sorted(number for number in have if number > first)
        peer.host.advance(RTT)
        acknowledge(peer, first, *[(number, number + 1) for number in above[-3:]])
    raise AssertionError("the connection stands still")


@pytest.mark.parametrize("timestamps", [False, True])
def test_sacked_text_that_the_peer_threw_away_goes_again(host, timestamps):
    peer, endpoint = running(host, timestamps=timestamps)
    host.advance(RTT)
    acknowledge(peer, 0, (1, 10))
    assert sent(peer) == [0]
    host.advance(RTT)
    # an honest peer would acknowledge all: it has thrown 1 to 9 away
    acknowledge(peer, 1)
    seen = everything_arrives(peer, endpoint, have=[0])
    assert set(seen) == set(range(1, 10))
    assert host.counter("TCPSACKReneging") == 1


def test_sacked_text_that_was_thrown_away_above_a_hole_goes_again(host):
    peer, endpoint = running(host)
    host.advance(RTT)
    acknowledge(peer, 0, (4, 10))
    host.advance(RTT)
    everything_arrives(peer, endpoint)
    assert endpoint.buffered_bytes == 0


def test_part_of_the_blocks_thrown_away_goes_again(host):
    peer, endpoint = running(host)
    host.advance(RTT)
    acknowledge(peer, 0, (6, 10), (1, 5))
    host.advance(RTT)
    acknowledge(peer, 1, (6, 10))
    peer.take()
    seen = everything_arrives(peer, endpoint, have=[0, 6, 7, 8, 9])
    assert set(range(1, 6)) <= set(seen)


def test_what_was_sacked_before_a_time_out_does_not_go_again(host):
    # RFC 2018 8 forgets it, RFC 8985 6.3 does not: only what is not acknowledged counts as lost
    peer, endpoint = running(host, more=0)
    host.advance(RTT)
    acknowledge(peer, 0, (2, 4))
    peer.take()
    for _ in range(3):
        host.advance(host.until_deadline())
        if host.counter("TCPTimeouts"):
            break
    assert host.counter("TCPTimeouts") == 1
    seen = everything_arrives(peer, endpoint, have=[2, 3])
    assert not {2, 3} & set(seen)


def test_reneging_does_not_confuse_the_round_trip(host):
    peer, endpoint = running(host)
    host.advance(RTT)
    acknowledge(peer, 0, (1, 10))
    host.advance(RTT)
    acknowledge(peer, 1)
    peer.take()
    host.advance(host.until_deadline())
    assert host.counter("TCPSACKReneging") == 1
    # what was taken for thrown away had arrived long ago: its ACK measures nothing
    before = endpoint.info()["srtt"]
    acknowledge(peer, 10)
    assert endpoint.info()["srtt"] == before
    assert not endpoint.info()["reordering_seen"]


# ---- a superframe that goes again may be cut by less window than its length


def test_lost_stretch_goes_again_as_far_as_the_window_reaches(make_host):
    host, peer, endpoint = superframe(make_host, scale=0, window=65535)
    host.advance(RTT)
    # the window is taken back to four segments (RFC 9293 3.8.6: must be survived)
    acknowledge(peer, 0, (8, 10), window=4 * MSS)
    host.advance(RTT)
    host.advance(400 * MILLISECOND)
    assert max(sent(peer)) < 4
    acknowledge(peer, 4, (8, 10), window=65535)
    for _ in range(6):
        host.advance(RTT)
    acknowledge(peer, 10)
    assert endpoint.buffered_bytes == 0


def test_frame_of_the_device_carries_the_hole_only(make_host):
    host, peer, _ = superframe(make_host)
    host.advance(RTT)
    acknowledge(peer, 0, (3, 10))
    frames = peer.take()
    assert frames[0].seq == at(0)
    host.advance(RTT)
    acknowledge(peer, 1, (3, 10))
    frames += peer.take()
    assert max(frame.seq + len(frame.text) for frame in frames) <= at(3)
    assert all(isinstance(frame.vnet, VnetHeader) for frame in frames)
