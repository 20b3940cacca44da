"""Buffers that grow with the path until the program sets them (TCPX-2)."""

import itertools

import pytest

from netcore.endpoint import WOULD_BLOCK, WRITABLE
from tests.tcp.scripted_peer import MILLISECOND, OUR_PORT, PEER_PORT, SECOND, Peer, read_all
from tests.tcp.segments import VnetHeader, wanted

pytestmark = pytest.mark.requirement("TCPX-2")

MSS = 1460
SPARE = 16 * MSS
ROUND_TRIP = 100 * MILLISECOND
START = 65536
MOST = 1 << 20
NEAR = MILLISECOND // 10
GROWING = {"receive_buffer": START, "receive_buffer_maximum": MOST, "vnet_header": True}


def opened(host, *, timestamps: bool = True, trip: int = ROUND_TRIP):
    """A peer at a distance, with window scaling; the connection."""
    peer = Peer(host, scale=7, timestamps=timestamps)
    listener = host.listen()
    peer.send("S")
    peer.expect(wanted("SA", seq=0, ack=1))
    host.advance(trip)
    peer.tsval += trip // MILLISECOND
    peer.send("A")
    return peer, host.accept(listener)


def send_round(peer, size: int, trip: int = ROUND_TRIP, largest: int = 40 * MSS, mss: int = MSS) -> None:
    """Text of that size comes in one round trip, in superframes, in answer to what was sent to the peer before."""
    peer.take()
    while size:
        part = min(size, largest)
        vnet = VnetHeader(flags=1, gso_type=1, hdr_len=52, gso_size=mss, csum_start=20, csum_offset=16)
        peer.send("A", text=bytes(part), vnet=vnet)
        size -= part
    peer.host.advance(trip)
    peer.tsval += trip // MILLISECOND


def right_edge(segments, most: int = MOST) -> int:
    """What the last of these segments lets the peer send, with the scale that the host chose."""
    scale = 0
    while 65535 << scale < most:
        scale += 1
    return segments[-1].ack + (segments[-1].window << scale)


# ---- receiving


@pytest.mark.parametrize("timestamps", [True, False])
def test_window_grows_to_twice_what_the_program_takes_in_a_round_trip(make_host, timestamps):
    peer, endpoint = opened(make_host(**GROWING), timestamps=timestamps)
    for _ in range(3):
        send_round(peer, 40 * MSS)
        assert len(read_all(endpoint)) == 40 * MSS
    assert endpoint.receive_buffer == 2 * 40 * MSS + SPARE
    send_round(peer, MSS)
    assert right_edge(peer.take()) >= peer.seq + 2 * 40 * MSS


def test_echo_of_nothing_that_was_sent_is_no_round_trip(make_host):
    # from the future: 49 days ago, as unsigned differences go
    peer, endpoint = opened(make_host(**GROWING))
    send_round(peer, 40 * MSS)
    peer.take()
    measured = endpoint.tcp_info()["tcpi_rcv_rtt"]
    assert 0 < measured <= ROUND_TRIP // 1000
    peer.tsecr = (peer.tsecr or 0) + 1000
    peer.send("A", text=bytes(MSS))
    assert endpoint.tcp_info()["tcpi_rcv_rtt"] == measured
    assert len(read_all(endpoint)) == 41 * MSS


def test_window_is_ahead_of_a_sender_that_doubles(make_host):
    # slow start: all of each round trip's text, twice that of the one before, lies within the window
    peer, endpoint = opened(make_host(**GROWING))
    size = 20 * MSS
    while size < MOST // 4:
        send_round(peer, size)
        assert len(read_all(endpoint, MOST)) == size
        size *= 2
    assert endpoint.receive_buffer >= size


def test_window_of_a_program_that_does_not_read_does_not_grow(make_host):
    peer, endpoint = opened(make_host(**GROWING))
    for _ in range(4):
        send_round(peer, 10 * MSS)
    assert endpoint.receive_buffer == START
    assert endpoint.readable_bytes == 40 * MSS


def test_window_of_a_program_that_reads_slowly_does_not_grow(make_host):
    peer, endpoint = opened(make_host(**GROWING))
    for _ in range(20):
        send_round(peer, 2 * MSS)
        read_all(endpoint)
    assert endpoint.receive_buffer == START


def test_window_grows_up_to_the_maximum(make_host):
    peer, endpoint = opened(make_host(**{**GROWING, "receive_buffer_maximum": 100_000}))
    for _ in range(3):
        send_round(peer, 40 * MSS)
        read_all(endpoint)
    assert endpoint.receive_buffer == 100_000


def send_much(peer, endpoint, trip: int, *parts: int) -> None:
    """More text a round than the largest window has room for, in frames of these sizes in turn, all of it read."""
    for _ in range(3):
        for number in range(100):
            send_round(peer, 40 * MSS, 0, parts[number % len(parts)])
            assert len(read_all(endpoint)) == 40 * MSS
        # shorter rounds are taken together
        send_round(peer, 40 * MSS, max(trip, MILLISECOND))
        assert len(read_all(endpoint)) == 40 * MSS


def window_after_much(make_host, offloads: bool, trip: int) -> int:
    """The receive buffer after that in the largest frames."""
    host = make_host(**{**GROWING, "receive_buffer_maximum": 8 * MOST, "offloads": offloads})
    peer, endpoint = opened(host, trip=trip)
    send_much(peer, endpoint, trip, 40 * MSS)
    return endpoint.receive_buffer


@pytest.mark.parametrize(
    ("offloads", "trip", "most"),
    [
        (False, 2 * MILLISECOND, 720 * MSS),
        (False, 10 * MILLISECOND, 8 * MOST),
        (True, 2 * MILLISECOND, 8 * MOST),
    ],
)
def test_window_on_a_short_path_fits_into_the_queue_of_a_device_with_small_frames(make_host, offloads, trip, most):
    assert window_after_much(make_host, offloads, trip) == most


@pytest.mark.parametrize(("trip", "most"), [(MILLISECOND // 10, 4 * MOST), (MILLISECOND, 8 * MOST)])
def test_window_of_a_peer_on_this_machine_is_what_its_kernel_buffers(make_host, trip, most):
    assert window_after_much(make_host, True, trip) == most


def near(make_host, **tunables):
    """A peer on this machine; the connection."""
    host = make_host(**{**GROWING, "receive_buffer_maximum": 8 * MOST, "offloads": True, **tunables})
    return opened(host, trip=NEAR)


def test_near_peer_that_writes_little_at_a_time_is_held_back_for_good(make_host):
    peer, endpoint = near(make_host)
    send_much(peer, endpoint, NEAR, 40 * MSS)
    assert endpoint.receive_buffer == 4 * MOST
    send_much(peer, endpoint, NEAR, 10 * MSS)
    assert endpoint.receive_buffer == MOST
    # large frames are what holding it back gives
    send_much(peer, endpoint, NEAR, 40 * MSS)
    assert endpoint.receive_buffer == MOST


def test_as_many_small_frames_as_large_ones_hold_nobody_back(make_host):
    # the end of a piece that is longer than a frame
    peer, endpoint = near(make_host)
    send_much(peer, endpoint, NEAR, 40 * MSS)
    send_much(peer, endpoint, NEAR, 34 * MSS)
    assert endpoint.receive_buffer == 4 * MOST


def test_far_peer_that_writes_little_at_a_time_is_not_held_back(make_host):
    host = make_host(**{**GROWING, "receive_buffer_maximum": 8 * MOST, "offloads": True})
    peer, endpoint = opened(host, trip=MILLISECOND)
    send_much(peer, endpoint, MILLISECOND, 40 * MSS)
    send_much(peer, endpoint, MILLISECOND, 10 * MSS)
    assert endpoint.receive_buffer == 8 * MOST


def test_frames_that_a_full_window_made_small_hold_nobody_back(make_host):
    peer, endpoint = near(make_host)
    send_much(peer, endpoint, NEAR, 40 * MSS)
    for _ in range(60):
        send_round(peer, 40 * MSS, 0)
    for _ in range(200):
        send_round(peer, 60 * MSS, MILLISECOND, 2 * MSS)
        left = 60 * MSS
        for _ in range(60):
            left -= len(read_all(endpoint, left)) if left else 0
        assert not left
    assert endpoint.receive_buffer == 4 * MOST


def test_requests_after_much_hold_nobody_back(make_host):
    peer, endpoint = near(make_host)
    send_much(peer, endpoint, NEAR, 40 * MSS)
    for _ in range(200):
        send_round(peer, 100, SECOND)
        assert len(read_all(endpoint)) == 100
    assert endpoint.receive_buffer == 4 * MOST


def test_small_frames_under_a_small_window_hold_nobody_back(make_host):
    peer, endpoint = near(make_host)
    for _ in range(3):
        send_round(peer, 40 * MSS, MILLISECOND)
        read_all(endpoint)
    for _ in range(30):
        send_round(peer, 60 * MSS, MILLISECOND, 10 * MSS)
        read_all(endpoint)
    assert endpoint.receive_buffer < MOST
    send_much(peer, endpoint, NEAR, 40 * MSS)
    assert endpoint.receive_buffer == 4 * MOST


def test_full_frames_of_few_large_segments_hold_nobody_back(make_host):
    peer, endpoint = near(make_host, mtu=24_000)
    send_much(peer, endpoint, NEAR, 40 * MSS)
    for _ in range(200):
        send_round(peer, 88_000, MILLISECOND, 44_000, mss=22_000)
        read_all(endpoint)
    assert endpoint.receive_buffer == 4 * MOST


def test_peer_is_held_back_no_further_than_connections_begin(make_host):
    peer, endpoint = near(make_host, receive_buffer=3 * MOST)
    send_much(peer, endpoint, NEAR, 40 * MSS)
    send_much(peer, endpoint, NEAR, 10 * MSS)
    assert endpoint.receive_buffer == 3 * MOST


def test_right_edge_does_not_move_left_when_a_peer_is_held_back(make_host):
    peer, endpoint = opened(
        make_host(**{**GROWING, "receive_buffer_maximum": 8 * MOST, "offloads": True}), trip=MILLISECOND // 10
    )
    send_much(peer, endpoint, MILLISECOND, 40 * MSS)
    edges = []
    for _ in range(100):
        if endpoint.receive_buffer == MOST:
            break
        send_round(peer, 60 * MSS, MILLISECOND, 10 * MSS)
        read_all(endpoint)
        edges += [right_edge([segment], 8 * MOST) for segment in peer.take()]
    for _ in range(100):
        send_round(peer, 60 * MSS, MILLISECOND, 10 * MSS)
        read_all(endpoint)
        edges += [right_edge([segment], 8 * MOST) for segment in peer.take()]
    assert edges[-1] - peer.seq == pytest.approx(MOST, rel=0.01)
    assert all(later >= earlier - 256 for earlier, later in itertools.pairwise(edges))


def test_window_that_the_program_has_set_does_not_grow(make_host):
    peer, endpoint = opened(make_host(**GROWING))
    endpoint.receive_buffer = START
    for _ in range(3):
        send_round(peer, 40 * MSS)
        read_all(endpoint)
    assert endpoint.receive_buffer == START


def test_window_that_the_configuration_sets_alone_does_not_grow(make_host):
    peer, endpoint = opened(make_host(receive_buffer=START, vnet_header=True))
    for _ in range(3):
        send_round(peer, 40 * MSS)
        read_all(endpoint)
    assert endpoint.receive_buffer == START


def test_right_edge_does_not_move_left_when_a_grown_window_is_set_smaller(make_host):
    peer, endpoint = opened(make_host(**GROWING))
    for _ in range(3):
        send_round(peer, 40 * MSS)
        read_all(endpoint)
    send_round(peer, MSS)
    announced = right_edge(peer.take())
    endpoint.receive_buffer = 10_000
    while peer.seq < announced - 80 * MSS:
        send_round(peer, 20 * MSS)
        edge = right_edge(peer.take())
        assert edge >= announced - 32
        read_all(endpoint)
    assert endpoint.receive_buffer == 10_000


def test_round_trip_is_the_shortest_measured_of_late(make_host):
    # what comes after a pause of the peer echoes an old timestamp: no round trip is that long
    peer, endpoint = opened(make_host(**GROWING))
    for _ in range(5):
        send_round(peer, 10 * MSS, trip=ROUND_TRIP)
        read_all(endpoint)
    peer.host.advance(10 * SECOND)
    peer.tsval += 10_000
    for _ in range(20):
        send_round(peer, 10 * MSS)
        read_all(endpoint)
    assert endpoint.receive_buffer == START


def test_short_round_trips_are_taken_together(make_host):
    # a program that is called a little late shall not be the bottleneck: no less than a millisecond is looked at
    peer, endpoint = opened(make_host(**GROWING), trip=MILLISECOND // 10)
    for _ in range(40):
        send_round(peer, 8 * MSS, trip=MILLISECOND // 10)
        read_all(endpoint)
    assert endpoint.receive_buffer >= 2 * 8 * 9 * MSS


@pytest.mark.parametrize("way", ["active", "passive"])
def test_window_scale_is_chosen_for_the_maximum(make_host, way):
    host = make_host(receive_buffer=START, receive_buffer_maximum=65535 << 5)
    peer = Peer(host, scale=7)
    if way == "active":
        host.connect(OUR_PORT, PEER_PORT)
    else:
        host.listen()
        peer.send("S")
    (answer,) = peer.take()
    assert answer.options["WScale"] == 5


def test_window_scale_of_the_default_reaches_200_ms_at_1_gbit(host):
    peer = Peer(host, scale=7)
    host.connect(OUR_PORT, PEER_PORT)
    (syn,) = peer.take()
    assert 65535 << syn.options["WScale"] >= 200 * 1_000_000_000 // 8 // 1000


@pytest.mark.requirement("LIM-2")
def test_window_does_not_grow_while_half_of_the_memory_is_used(make_host):
    host = make_host(**GROWING, memory_limit=4_000_000)
    hog, holder = opened(host)
    for _ in range(3):
        send_round(hog, 40 * MSS)
        read_all(holder)
    assert holder.receive_buffer > START
    holder.send_buffer = 1 << 22
    assert holder.send(bytes(2_000_000)) == 2_000_000
    hog.take()
    assert host.engine.usage()["chunks"] > 2_000_000
    grown = holder.receive_buffer
    for _ in range(3):
        send_round(hog, 60 * MSS)
        read_all(holder)
    assert holder.receive_buffer == grown


@pytest.mark.requirement("LIM-2")
def test_no_buffer_grows_beyond_an_eighth_of_the_memory(make_host):
    peer, endpoint = opened(make_host(**GROWING, memory_limit=800_000))
    for _ in range(3):
        send_round(peer, 40 * MSS)
        read_all(endpoint)
    assert endpoint.receive_buffer == 100_000


@pytest.mark.requirement("OPT-22")
def test_buffer_set_below_the_unit_of_the_scale_does_not_stop_the_peer(make_host):
    # the scale of a window that could have grown to 16 MiB says multiples of 512
    host = make_host(receive_buffer=START, receive_buffer_maximum=65535 << 9, mtu=296)
    peer, endpoint = opened(host)
    endpoint.receive_buffer = 300
    for _ in range(2 * START // 256):
        # the window is full, the program takes what there is, and what it made room for is announced
        peer.send("A", text=bytes(256))
        assert len(read_all(endpoint)) == 256
        peer.host.advance(SECOND)
    last = peer.take()[-1]
    assert last.ack == peer.seq
    assert last.window


# ---- sending


def acknowledge(peer, sent) -> None:
    """Acknowledges these segments one by one."""
    for segment in sent:
        peer.send("A", ack=segment.seq + len(segment.text), window=65535)


def fill(endpoint) -> int:
    """Writes until no more is taken; how many bytes."""
    total = 0
    while (count := endpoint.send(bytes(10_000))) > 0:
        total += count
    assert count == WOULD_BLOCK
    return total


def test_send_buffer_is_twice_the_congestion_window(make_host):
    peer, endpoint = opened(make_host(send_buffer=30_000, send_buffer_maximum=MOST), timestamps=False)
    for _ in range(4):
        fill(endpoint)
        acknowledge(peer, peer.take())
        assert endpoint.send_buffer == max(30_000, 2 * endpoint.info()["cwnd"])
    assert endpoint.send_buffer > 150_000


def test_send_buffer_does_not_shrink_with_the_window(make_host):
    peer, endpoint = opened(make_host(send_buffer=30_000, send_buffer_maximum=MOST), timestamps=False)
    for _ in range(3):
        fill(endpoint)
        acknowledge(peer, peer.take())
    grown = endpoint.send_buffer
    fill(endpoint)
    peer.take()
    peer.host.advance(2 * SECOND)
    assert 2 * endpoint.info()["cwnd"] < grown
    assert endpoint.send_buffer == grown


def test_send_buffer_grows_up_to_the_maximum(make_host):
    peer, endpoint = opened(make_host(send_buffer=30_000, send_buffer_maximum=50_000), timestamps=False)
    for _ in range(3):
        fill(endpoint)
        acknowledge(peer, peer.take())
    assert endpoint.send_buffer == 50_000


@pytest.mark.parametrize("setting", ["program", "configuration"])
def test_send_buffer_that_is_set_does_not_grow(make_host, setting):
    arguments = {"send_buffer": 30_000} if setting == "configuration" else {}
    peer, endpoint = opened(make_host(**arguments), timestamps=False)
    if setting == "program":
        endpoint.send_buffer = 30_000
    for _ in range(4):
        fill(endpoint)
        acknowledge(peer, peer.take())
    assert endpoint.send_buffer == 30_000


@pytest.mark.requirement("SEND-3")
def test_program_hears_of_room_that_growth_has_made(make_host):
    host = make_host(send_buffer=2 * MSS, send_buffer_maximum=MOST, initial_window=2)
    peer, endpoint = opened(host, timestamps=False)
    assert endpoint.send(bytes(5 * MSS)) == 5 * MSS
    assert not endpoint.readiness & WRITABLE
    peer.take()
    host.engine.events()
    peer.send("A", ack=1 + MSS, window=65535)
    # more is buffered than fitted before, and less than fits now
    assert endpoint.buffered_bytes == 4 * MSS < endpoint.send_buffer
    assert endpoint.readiness & WRITABLE
    assert any(bits & WRITABLE for handle, bits in host.engine.events() if handle is endpoint)


@pytest.mark.requirement("LIM-2")
def test_send_buffer_does_not_grow_while_half_of_the_memory_is_used(make_host):
    host = make_host(send_buffer=30_000, send_buffer_maximum=MOST, memory_limit=4_000_000)
    peer, endpoint = opened(host, timestamps=False)
    assert endpoint.send(bytes(2_500_000)) == 2_500_000
    acknowledge(peer, peer.take())
    assert endpoint.send_buffer == 30_000
    assert endpoint.send(bytes(10_000)) == WOULD_BLOCK


# ---- configuration


def test_maximum_below_the_default_start_is_the_start(make_host):
    _, endpoint = opened(make_host(send_buffer_maximum=10_000, receive_buffer_maximum=20_000))
    assert (endpoint.send_buffer, endpoint.receive_buffer) == (10_000, 20_000)


@pytest.mark.parametrize("name", ["send_buffer", "receive_buffer"])
def test_maximum_below_the_start_is_refused(make_host, name):
    with pytest.raises(ValueError, match=f"{name} is 3000 bytes, but {name}_maximum is 2000"):
        make_host(**{name: 3000, f"{name}_maximum": 2000})
