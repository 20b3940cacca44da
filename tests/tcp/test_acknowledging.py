"""When the receiver acknowledges (RFC 9293 3.8.6.3, RFC 5681 4.2)."""

import pytest

from tests.tcp.scripted_peer import MILLISECOND, Peer, read_all
from tests.tcp.segments import VnetHeader, wanted

pytestmark = pytest.mark.requirement("SND-4")

MSS = 1460


@pytest.fixture
def peer(make_host):
    """A peer past the first 16 segments."""
    return Peer(make_host(quick_acks=0))


def test_first_full_segment_waits_and_the_second_is_acknowledged(peer):
    peer.open_passively()
    for number in range(4):
        peer.send("A", text=b"x" * MSS)
        peer.expect_nothing()
        peer.send("A", text=b"x" * MSS)
        peer.expect(wanted("A", seq=1, ack=1 + 2 * MSS * (number + 1)))


def test_delayed_ack_goes_after_at_most_40_ms(peer):
    peer.open_passively()
    peer.send("A", text=b"x" * 100)
    peer.host.advance(40 * MILLISECOND - 1)
    peer.expect_nothing()
    peer.host.advance(1)
    peer.expect(wanted("A", seq=1, ack=101))
    peer.host.advance(1000 * MILLISECOND)
    peer.expect_nothing()
    assert peer.host.counter("DelayedACKs") == 1


def test_delay_counts_from_the_first_segment(peer):
    peer.open_passively()
    peer.send("A", text=b"x" * 10)
    peer.host.advance(30 * MILLISECOND)
    peer.send("A", text=b"x" * 10)
    peer.expect_nothing()
    peer.host.advance(10 * MILLISECOND)
    peer.expect(wanted("A", ack=21))


def test_delayed_ack_rides_on_text_and_is_not_sent_again(peer):
    endpoint = peer.open_passively()
    peer.send("A", text=b"ask")
    peer.expect_nothing()
    endpoint.send(b"answer")
    peer.expect(wanted("PA", seq=1, ack=4, text=b"answer"))
    peer.send("A")
    peer.host.advance(1000 * MILLISECOND)
    peer.expect_nothing()


@pytest.mark.parametrize("quick", [16, 3])
def test_first_segments_are_acknowledged_at_once(make_host, quick):
    peer = Peer(make_host() if quick == 16 else make_host(quick_acks=quick))
    peer.open_passively()
    for number in range(quick):
        peer.send("A", text=b"x")
        peer.expect(wanted("A", ack=2 + number))
    peer.send("A", text=b"x")
    peer.expect_nothing()
    peer.host.advance(40 * MILLISECOND)
    peer.expect(wanted("A", ack=2 + quick))


def test_segments_of_a_superframe_count_one_by_one_among_the_first(make_host):
    peer = Peer(make_host(vnet_header=True))
    peer.open_passively()
    vnet = VnetHeader(flags=1, gso_type=1, hdr_len=40, gso_size=MSS, csum_start=20, csum_offset=16)
    peer.send("A", text=b"x" * (15 * MSS), vnet=vnet)
    peer.expect(wanted("A", ack=1 + 15 * MSS))
    peer.send("A", text=b"x")
    peer.expect(wanted("A", ack=2 + 15 * MSS))
    peer.send("A", text=b"x")
    peer.expect_nothing()


@pytest.mark.parametrize("segments", [2, 3, 10, 44])
def test_superframe_of_two_or_more_full_segments_is_acknowledged_at_once_and_once(make_host, segments):
    peer = Peer(make_host(vnet_header=True, quick_acks=0))
    peer.open_passively()
    vnet = VnetHeader(flags=1, gso_type=1, hdr_len=40, gso_size=MSS, csum_start=20, csum_offset=16)
    peer.send("A", text=b"x" * (segments * MSS), vnet=vnet)
    peer.expect(wanted("A", ack=1 + segments * MSS))


def test_full_segment_is_what_the_peer_sends_not_what_we_announced(make_host):
    # a peer behind a smaller MTU sends 536 bytes: its second full segment is due an ACK as well
    peer = Peer(make_host(quick_acks=0))
    peer.open_passively()
    peer.send("A", text=b"x" * 536)
    peer.expect_nothing()
    peer.send("A", text=b"x" * 536)
    peer.expect(wanted("A", ack=1073))


def test_frame_merged_by_the_device_without_a_word_does_not_slow_the_acks_down(make_host):
    peer = Peer(make_host(quick_acks=0))
    peer.open_passively()
    peer.send("A", text=b"x" * 20000)
    peer.expect(wanted("A", ack=20001))
    peer.send("A", text=b"x" * MSS)
    peer.send("A", text=b"x" * MSS)
    peer.expect(wanted("A", ack=20001 + 2 * MSS))


def test_out_of_order_segment_is_acknowledged_at_once_each(peer):
    peer.open_passively()
    for number in range(1, 6):
        peer.send("A", seq=1 + number * 100, text=b"x" * 100)
        peer.expect(wanted("A", seq=1, ack=1))


def test_segment_that_fills_a_hole_is_acknowledged_at_once(peer):
    peer.open_passively()
    peer.send("A", seq=101, text=b"x" * 100)
    peer.send("A", seq=301, text=b"x" * 100)
    peer.take()
    # in part: another hole stays
    peer.send("A", seq=1, text=b"x" * 100)
    peer.expect(wanted("A", ack=201))
    peer.send("A", seq=201, text=b"x" * 100)
    peer.expect(wanted("A", ack=401))
    peer.send("A", seq=401, text=b"x" * 100)
    peer.expect_nothing()


def test_segment_in_order_is_acknowledged_at_once_while_a_hole_is_open(peer):
    peer.open_passively()
    peer.send("A", seq=1001, text=b"x")
    peer.take()
    peer.send("A", seq=1, text=b"x")
    peer.expect(wanted("A", ack=2))


def test_fin_is_acknowledged_at_once(peer):
    peer.open_passively()
    peer.send("FA")
    peer.expect(wanted("A", ack=2))


def test_pure_acks_are_not_acknowledged(peer):
    endpoint = peer.open_passively()
    endpoint.send(b"x")
    peer.take()
    for _ in range(5):
        peer.send("A")
    peer.host.advance(1000 * MILLISECOND)
    peer.expect_nothing()


def test_window_that_opens_by_two_segments_is_announced_at_once(make_host):
    peer = Peer(make_host(receive_buffer=20 * MSS, quick_acks=0))
    endpoint = peer.open_passively()
    for _ in range(20):
        peer.send("A", text=b"x" * MSS)
    assert peer.take()[-1].window == 0
    endpoint.receive_into(bytearray(2 * MSS - 1))
    peer.expect_nothing()
    endpoint.receive_into(bytearray(1))
    peer.expect(wanted("A", seq=1, ack=1 + 20 * MSS, window=2 * MSS))
    # and again, not for every byte
    endpoint.receive_into(bytearray(MSS))
    peer.expect_nothing()
    endpoint.receive_into(bytearray(MSS))
    peer.expect(wanted("A", window=4 * MSS))


def test_window_that_opens_by_two_segments_is_announced_though_the_peer_has_plenty(make_host):
    peer = Peer(make_host(receive_buffer=44 * MSS, quick_acks=0))
    endpoint = peer.open_passively()
    for _ in range(4):
        peer.send("A", text=bytes(MSS))
    peer.take()
    assert read_all(endpoint, MSS) == bytes(MSS)
    peer.expect_nothing()
    assert read_all(endpoint, MSS) == bytes(MSS)
    peer.expect(wanted("A", ack=1 + 4 * MSS))


def test_window_that_opens_by_half_the_buffer_is_announced_at_once(make_host):
    peer = Peer(make_host(receive_buffer=2000, quick_acks=0))
    endpoint = peer.open_passively()
    peer.send("A", text=b"x" * 2000)
    peer.take()
    endpoint.receive_into(bytearray(999))
    peer.expect_nothing()
    endpoint.receive_into(bytearray(1))
    peer.expect(wanted("A", ack=2001, window=1000))


@pytest.mark.requirement("SND-3")
@pytest.mark.parametrize(("buffer", "step"), [(20 * MSS, MSS), (2000, 1000)])
def test_window_opens_in_whole_segments_or_halves_of_the_buffer_whatever_asks_for_it(make_host, buffer, step):
    # RFC 9293 3.8.6.2.2: a probe is answered, but does not bring a small window about
    peer = Peer(make_host(receive_buffer=buffer, quick_acks=0))
    endpoint = peer.open_passively()
    while peer.seq <= buffer:
        peer.send("A", text=bytes(min(MSS, buffer + 1 - peer.seq)))
    peer.host.advance(40 * MILLISECOND)
    assert peer.take()[-1].window == 0
    for count, window in ((1, 0), (step - 2, 0), (1, step)):
        assert len(read_all(endpoint, count)) == count
        peer.take()
        # a window probe
        peer.send("A", seq=buffer, text=b"x")
        peer.expect(wanted("A", seq=1, ack=1 + buffer, window=window))


def test_reading_without_an_opening_sends_nothing(peer):
    endpoint = peer.open_passively()
    peer.send("A", text=b"x" * 10)
    read_all(endpoint)
    peer.expect_nothing()


def test_right_edge_of_the_window_never_moves_left(make_host):
    peer = Peer(make_host(receive_buffer=30000, quick_acks=255))
    endpoint = peer.open_passively()
    edge = 0
    for number in range(60):
        peer.send("A", text=b"x" * (number * 37 % 1400 + 1))
        if number % 7 == 0:
            endpoint.receive_into(bytearray(3000))
        for segment in peer.take():
            assert segment.ack + segment.window >= edge
            edge = segment.ack + segment.window
