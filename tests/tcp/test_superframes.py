"""Frames that carry many segments (GSO), and the same data where the device cannot cut them."""

import pytest

from tests.tcp.flights import acknowledge, established, sent
from tests.tcp.scripted_peer import MILLISECOND, Peer, read_all
from tests.tcp.segments import VNET_LENGTH, VnetHeader, wanted

NEEDS_CSUM = 1
GSO_TCPV4 = 1
MSS = 1460


@pytest.fixture
def capable(make_host):
    """A host whose device cuts superframes and completes checksums, with a window for two of them."""
    return make_host(vnet_header=True, offloads=True, initial_window=100)


@pytest.mark.requirement("SND-9")
@pytest.mark.parametrize("timestamps", [False, True])
def test_large_text_leaves_in_superframes_with_the_headers_a_device_needs(capable, timestamps):
    peer = Peer(capable, scale=4, timestamps=timestamps)
    endpoint = peer.open_passively()
    text = bytes(at & 0xFF for at in range(100_000))
    endpoint.send(text)
    found = peer.take()
    assert b"".join(segment.text for segment in found) == text[: sum(len(segment.text) for segment in found)]
    eff_mss = MSS - 12 if timestamps else MSS
    first = found[0]
    assert len(first.text) == 65160 - 65160 % eff_mss
    header = 40 + (12 if timestamps else 0)
    assert first.vnet == VnetHeader(NEEDS_CSUM, GSO_TCPV4, header, eff_mss, 20, 16)
    assert first.packet.len == header + len(first.text) <= 65535
    # every one but the last is a whole number of segments
    assert all(len(segment.text) % eff_mss == 0 for segment in found[:-1])
    # a receiver has no reason to delay the ACK of an odd segment at its end
    assert {segment.flags for segment in found} == {"PA"}
    assert capable.counter("OutSegs") >= len(text) // eff_mss


@pytest.mark.requirement("SND-2", "SND-9")
def test_text_that_just_fits_a_superframe_leaves_its_short_tail_to_nagle(capable):
    peer = Peer(capable, scale=4)
    endpoint = peer.open_passively()
    whole = 65160 - 65160 % MSS
    endpoint.send(b"x" * (whole + 500))
    assert [len(segment.text) for segment in peer.take()] == [whole]
    peer.send("A")
    assert [len(segment.text) for segment in peer.take()] == [500]


def test_one_segment_is_no_superframe(capable):
    peer = Peer(capable)
    endpoint = peer.open_passively()
    endpoint.send(b"x" * MSS)
    (segment,) = peer.take()
    assert (segment.vnet.flags, segment.vnet.gso_type, segment.vnet.gso_size) == (NEEDS_CSUM, 0, 0)


def test_superframe_with_ethernet_counts_its_header(make_host):
    host = make_host(vnet_header=True, offloads=True, ethernet=True)
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.send(b"x" * 5000)
    (segment, *_) = peer.take()
    assert (segment.vnet.hdr_len, segment.vnet.csum_start, segment.vnet.csum_offset) == (54, 34, 16)


@pytest.mark.parametrize(("mtu", "mss"), [(576, 536), (1500, 1460), (9000, 8960)])
@pytest.mark.parametrize("vnet_header", [False, True])
def test_without_offloads_the_same_data_is_cut_at_the_mtu(make_host, mtu, mss, vnet_header):
    host = make_host(mtu=mtu, vnet_header=vnet_header, initial_window=1000)
    peer = Peer(host, mss=mss, scale=4)
    endpoint = peer.open_passively()
    text = bytes(at & 0xFF for at in range(40_000))
    endpoint.send(text)
    found = peer.take()
    peer.send("A")
    found += peer.take()
    assert b"".join(segment.text for segment in found) == text
    assert all(len(segment.text) == mss for segment in found[:-1])
    assert all(len(bytes(segment.packet)) <= mtu for segment in found)
    if vnet_header:
        assert {segment.vnet for segment in found} == {VnetHeader()}


def test_mss_of_the_peer_sets_the_size_of_the_cuts(capable):
    peer = Peer(capable, mss=500, scale=4)
    endpoint = peer.open_passively()
    endpoint.send(b"x" * 20_000)
    (segment, *_) = peer.take()
    assert segment.vnet.gso_size == 500
    assert len(segment.text) % 500 == 0


def test_window_and_congestion_window_bound_a_superframe(make_host):
    host = make_host(vnet_header=True, offloads=True)
    peer = Peer(host, window=20_000)
    endpoint = peer.open_passively()
    endpoint.send(b"x" * 100_000)
    # ten segments of congestion window
    assert sum(len(segment.text) for segment in peer.take()) == 10 * MSS
    peer.send("A", window=5_000)
    assert sum(len(segment.text) for segment in peer.take()) <= 5_000


@pytest.mark.parametrize("size", [65535 - 40, 65160, 2 * MSS, 2 * MSS + 1, 44 * MSS])
@pytest.mark.parametrize("ethernet", [False, True])
def test_received_superframe_is_taken_whole(make_host, size, ethernet):
    host = make_host(vnet_header=True, ethernet=ethernet)
    peer = Peer(host)
    endpoint = peer.open_passively()
    text = bytes(at * 3 & 0xFF for at in range(size))
    start = 34 if ethernet else 20
    peer.send("PA", text=text, chksum=0, vnet=VnetHeader(NEEDS_CSUM, GSO_TCPV4, start + 20, MSS, start, 16))
    peer.expect(wanted("A", seq=1, ack=1 + size))
    assert read_all(endpoint) == text
    assert host.counter("InSegs") == 2 + -(-size // MSS)


def test_superframe_beyond_a_hole_is_kept_and_delivered(make_host):
    host = make_host(vnet_header=True)
    peer = Peer(host)
    endpoint = peer.open_passively()
    text = bytes(at * 3 & 0xFF for at in range(30 * MSS))
    vnet = VnetHeader(NEEDS_CSUM, GSO_TCPV4, 40, MSS, 20, 16)
    peer.send("A", seq=1 + MSS, text=text[MSS:], chksum=0, vnet=vnet)
    peer.expect(wanted("A", ack=1))
    peer.send("A", seq=1, text=text[:MSS])
    peer.expect(wanted("A", ack=1 + len(text)))
    assert read_all(endpoint) == text


def test_superframe_beyond_the_window_is_trimmed(make_host):
    host = make_host(vnet_header=True, receive_buffer=30_000)
    peer = Peer(host)
    endpoint = peer.open_passively()
    peer.send("A", text=b"x" * 60_000, chksum=0, vnet=VnetHeader(NEEDS_CSUM, GSO_TCPV4, 40, MSS, 20, 16))
    assert peer.take()[-1].ack == 30_001
    assert endpoint.readable_bytes == 30_000


@pytest.mark.parametrize(
    "vnet",
    [
        VnetHeader(NEEDS_CSUM, GSO_TCPV4, 40, 0, 20, 16),
        VnetHeader(NEEDS_CSUM, GSO_TCPV4, 65535, 1, 65535, 65535),
        VnetHeader(0xFF, 0xFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF),
        VnetHeader(NEEDS_CSUM, 0, 0, 0, 0, 0),
    ],
)
def test_senseless_device_header_does_no_harm(make_host, vnet):
    host = make_host(vnet_header=True)
    peer = Peer(host)
    endpoint = peer.open_passively()
    peer.send("A", text=b"some text", vnet=vnet)
    assert read_all(endpoint) == b"some text"


@pytest.mark.parametrize("length", range(VNET_LENGTH))
def test_frame_shorter_than_the_device_header_is_dropped(make_host, length):
    host = make_host(vnet_header=True)
    host.engine.frame_arrives(b"\0" * length, host.now)
    host.expect_silence()
    assert host.counter("FramesBad") == 1


def test_retransmission_after_a_time_out_is_one_segment(make_host):
    host = make_host(vnet_header=True, offloads=True)
    peer = Peer(host, scale=4)
    endpoint = peer.open_passively()
    endpoint.send(b"x" * 14_600)
    peer.take()
    host.advance(host.until_deadline())
    (again,) = peer.take()
    assert (again.seq, len(again.text), again.vnet.gso_type) == (1, MSS, 0)


@pytest.mark.requirement("REC-8")
@pytest.mark.parametrize(("round_trip", "segments"), [(100 * MILLISECOND, 4), (MILLISECOND // 10, 0)])
def test_room_waits_to_be_worth_a_superframe_only_on_a_fast_path(make_host, round_trip, segments):
    host = make_host(vnet_header=True, offloads=True, initial_window=40, congestion="newreno")
    peer, endpoint = established(host, round_trip=round_trip)
    endpoint.send(bytes(200_000))
    assert len(sent(peer)) == 40
    host.advance(round_trip)
    # slow start makes room for four
    acknowledge(peer, 2)
    assert sent(peer) == list(range(40, 40 + segments))
    acknowledge(peer, 10)
    assert sent(peer) == list(range(40 + segments, 60))


def test_acks_open_the_window_for_superframes_and_the_stream_is_whole(capable):
    peer = Peer(capable, scale=7)
    endpoint = peer.open_passively()
    text = bytes(at * 5 & 0xFF for at in range(400_000))
    endpoint.send(text)
    seen = b""
    for _ in range(200):
        if not endpoint.buffered_bytes:
            break
        seen += b"".join(segment.text for segment in peer.take())
        peer.send("A")
    assert seen == text
