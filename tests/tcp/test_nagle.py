"""Nagle's algorithm (RFC 9293 3.7.4), and the sender's avoidance of silly windows (3.8.6.2.1)."""

import pytest

from tests.tcp.scripted_peer import MILLISECOND, SECOND, Peer
from tests.tcp.segments import wanted

MSS = 1460


@pytest.fixture
def peer(host):
    return Peer(host)


@pytest.mark.requirement("SND-2")
def test_short_text_goes_at_once_when_nothing_is_in_flight(peer):
    endpoint = peer.open_passively()
    endpoint.send(b"a")
    peer.expect(wanted("PA", seq=1, ack=1, text=b"a"))


@pytest.mark.requirement("SND-2")
def test_short_text_waits_for_the_ack_of_what_is_in_flight(peer):
    endpoint = peer.open_passively()
    endpoint.send(b"a")
    peer.take()
    for letter in b"bcdef":
        endpoint.send(bytes([letter]))
    peer.expect_nothing()
    peer.send("A")
    peer.expect(wanted("PA", seq=2, ack=1, text=b"bcdef"))


@pytest.mark.requirement("SND-2")
@pytest.mark.parametrize("timestamps", [False, True])
def test_full_segment_is_measured_after_options(make_host, timestamps):
    peer = Peer(make_host(), timestamps=timestamps)
    endpoint = peer.open_passively()
    full = MSS - 12 if timestamps else MSS
    endpoint.send(b"a")
    peer.take()
    endpoint.send(b"b" * (full - 1))
    peer.expect_nothing()
    endpoint.send(b"c")
    peer.expect(wanted("PA", seq=2, ack=1, text=b"b" * (full - 1) + b"c"))


@pytest.mark.requirement("SND-2")
@pytest.mark.parametrize("timestamps", [False, True])
def test_writer_of_back_to_back_full_segments_is_never_held_back(make_host, timestamps):
    peer = Peer(make_host(), timestamps=timestamps)
    endpoint = peer.open_passively()
    full = endpoint.info()["eff_mss"]
    for number in range(8):
        endpoint.send(b"x" * full)
        peer.expect(wanted("PA", seq=1 + number * full, ack=1, length=full))


@pytest.mark.requirement("SND-2")
def test_full_segments_go_and_the_tail_waits(peer):
    endpoint = peer.open_passively()
    endpoint.send(b"a")
    peer.take()
    endpoint.send(b"x" * (2 * MSS + 100))
    peer.expect(wanted("A", length=MSS, seq=2), wanted("A", length=MSS, seq=2 + MSS))
    peer.send("A")
    peer.expect(wanted("PA", length=100, seq=2 + 2 * MSS))


@pytest.mark.requirement("SND-2")
def test_nodelay_sends_short_text_at_once(peer):
    endpoint = peer.open_passively()
    endpoint.nodelay = True
    for number, letter in enumerate(b"abc"):
        endpoint.send(bytes([letter]))
        peer.expect(wanted("PA", seq=1 + number, ack=1, text=bytes([letter])))


@pytest.mark.requirement("SND-2")
def test_nodelay_set_later_lets_waiting_text_go(peer):
    endpoint = peer.open_passively()
    endpoint.send(b"a")
    endpoint.send(b"b")
    peer.expect(wanted("PA", text=b"a"))
    endpoint.nodelay = True
    peer.expect(wanted("PA", seq=2, text=b"b"))


@pytest.mark.requirement("SND-2", "SND-10")
def test_close_lets_waiting_text_go_with_the_fin(peer):
    endpoint = peer.open_passively()
    endpoint.send(b"a")
    endpoint.send(b"b")
    peer.expect(wanted("PA", text=b"a"))
    endpoint.close()
    peer.expect(wanted("FPA", seq=2, ack=1, text=b"b"))


@pytest.mark.requirement("SND-3")
def test_sender_does_not_use_a_window_smaller_than_a_segment_and_half_the_largest(make_host):
    peer = Peer(make_host(), window=4000)
    endpoint = peer.open_passively()
    endpoint.send(b"x" * 10000)
    assert sum(len(segment.text) for segment in peer.take()) == 2 * MSS
    # all is taken, but the window is down to 500: less than a segment, less than half of 4000
    peer.send("A", window=500)
    peer.expect_nothing()
    peer.send("A", window=1999)
    found = peer.take()
    assert [len(segment.text) for segment in found] == [MSS]


@pytest.mark.requirement("SND-3")
@pytest.mark.parametrize(("window", "sent"), [(499, 0), (500, 500), (501, 501), (999, 999)])
def test_half_the_largest_window_is_worth_a_short_segment(make_host, window, sent):
    peer = Peer(make_host(), window=1000)
    endpoint = peer.open_passively()
    endpoint.send(b"x" * 5000)
    assert [len(segment.text) for segment in peer.take()] == [1000]
    peer.send("A", window=window)
    assert sum(len(segment.text) for segment in peer.take()) == sent


@pytest.mark.requirement("SND-3", "SND-5")
def test_small_window_that_never_grows_is_filled_when_the_override_expires(make_host):
    # RFC 9293 3.8.6.2.1 (4): between 0.1 and 1 s; otherwise a peer with a small buffer would never be served
    peer = Peer(make_host(), window=4000)
    endpoint = peer.open_passively()
    endpoint.send(b"x" * (2 * MSS + 900))
    peer.take()
    peer.send("A", window=300)
    for _ in range(2):
        peer.expect_nothing()
        waited = peer.host.until_deadline()
        assert 100 * MILLISECOND <= waited <= SECOND
        peer.host.advance(waited)
        (segment,) = peer.take()
        assert len(segment.text) == 300
        peer.send("A", window=300)
    # the last of it fits and need not wait
    peer.expect(wanted("PA", length=300))
    peer.send("A", window=300)
    assert endpoint.buffered_bytes == 0


@pytest.mark.requirement("SND-3")
def test_last_text_that_fits_the_small_window_goes_at_once(make_host):
    peer = Peer(make_host(), window=4000)
    endpoint = peer.open_passively()
    endpoint.send(b"x" * (2 * MSS))
    peer.take()
    peer.send("A", window=300)
    endpoint.send(b"y" * 300)
    peer.expect(wanted("PA", text=b"y" * 300))


@pytest.mark.requirement("SND-3")
def test_receiver_does_not_announce_a_window_that_opened_by_less_than_a_segment(make_host):
    host = make_host(receive_buffer=10 * MSS)
    peer = Peer(host)
    endpoint = peer.open_passively()
    for _ in range(10):
        peer.send("A", text=b"x" * MSS)
    assert peer.take()[-1].window == 0
    buffer = bytearray(MSS - 1)
    endpoint.receive_into(buffer)
    peer.expect_nothing()
    # even when an ACK has to go the edge stands still
    peer.send("A", text=b"p")
    peer.expect(wanted("A", window=0))
    endpoint.receive_into(bytearray(1))
    peer.expect_nothing()
    peer.send("A", seq=peer.seq - 1, text=b"p")
    assert peer.take()[-1].window in (MSS, MSS - 1)


@pytest.mark.requirement("SND-3")
def test_receiver_with_a_small_buffer_announces_half_of_it(make_host):
    host = make_host(receive_buffer=1000)
    peer = Peer(host)
    endpoint = peer.open_passively()
    peer.send("A", text=b"x" * 1000)
    assert peer.take()[-1].window == 0
    endpoint.receive_into(bytearray(499))
    peer.expect_nothing()
    endpoint.receive_into(bytearray(1))
    peer.expect(wanted("A", seq=1, ack=1001, window=500))


@pytest.mark.requirement("SND-3", "TCPX-1")
@pytest.mark.parametrize("size", [1, 7, 63, 64, 65, 100, 1000, 1448])
@pytest.mark.parametrize("buffer", [100_000, 1 << 20, 1 << 23])
def test_window_of_a_reader_that_stopped_closes_whatever_the_segments_size(make_host, size, buffer):
    # rounding up to the unit of the scaled window must not add up
    host = make_host(receive_buffer=buffer, window_scaling=1, quick_acks=255)
    peer = Peer(host, scale=0)
    endpoint = peer.open_passively()
    unit = 1 << endpoint.info()["rcv_wind_shift"]
    # all but the last of the window at once, in superframes' sizes, then segment by segment
    while buffer - endpoint.readable_bytes > 40 * unit + 65000:
        peer.send("A", text=b"x" * 60000)
    window = peer.take()[-1].window * unit if endpoint.readable_bytes else 65535
    sent = 0
    while window >= size and sent < 3000:
        peer.send("A", text=b"x" * min(window, max(size, window // 50)))
        found = peer.take()
        if found:
            window = found[-1].window * unit
        sent += 1
    while window >= 1 and sent < 6000:
        peer.send("A", text=b"x" * min(size, window))
        found = peer.take()
        if found:
            window = found[-1].window * unit
        else:
            host.advance(50 * MILLISECOND)
            window = peer.take()[-1].window * unit
        sent += 1
    assert window < size or window == 0
    assert endpoint.readable_bytes <= buffer + unit
