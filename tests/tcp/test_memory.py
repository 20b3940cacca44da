"""What a peer can make the stack hold: memory follows the bytes it sends, not the way it cuts them."""

import pytest

from netcore.endpoint import NO_BUFFERS
from tests.tcp.scripted_peer import Peer, read_all
from tests.tcp.segments import wanted

LARGE_CHUNK = 68 * 1024 - 48


def held(host) -> int:
    """Bytes of memory in use for frames and queues."""
    return host.engine.usage()["chunks"]


@pytest.mark.parametrize("sizes", [(1,), (1, 1001), (1001, 1)])
def test_text_sent_backwards_takes_memory_in_proportion_to_its_bytes(make_host, sizes):
    host = make_host(receive_buffer=1 << 20)
    peer = Peer(host, scale=7)
    endpoint = peer.open_passively()
    peer.send("A", text=b"\0")
    peer.take()
    assert read_all(endpoint) == b"\0"
    # the first byte is kept back until the end
    pieces = [sizes[number % len(sizes)] for number in range(600)]
    text = bytes(number % 251 for number in range(1 + sum(pieces)))
    end = len(text)
    most = 0
    for number, size in enumerate(pieces):
        peer.send("A", seq=2 + end - size, text=text[end - size : end])
        end -= size
        if number % 50 == 49:
            peer.take()
            most = max(most, held(host))
    assert most <= 3 * len(text) + 80_000
    peer.send("A", seq=2, text=text[:1])
    peer.take()
    assert read_all(endpoint) == text


def fill(peer, host, most: int) -> None:
    """Sends text in order until more than `most` bytes of memory are in use."""
    while held(host) <= most:
        peer.send("A", text=bytes(1400))
        peer.take()


def closing(limit: int) -> int:
    """Bytes of memory above which windows close."""
    return limit + limit // 8 + LARGE_CHUNK


def right_edge(segment) -> int:
    """Relative number of the first byte beyond the window that a segment announces, with a shift of 5."""
    return segment.ack + (segment.window << 5)


@pytest.mark.requirement("LIM-2")
def test_window_moves_on_no_more_beyond_the_memory_limit_and_again_below_it(make_host):
    host = make_host(memory_limit=100_000, receive_buffer=1 << 20, quick_acks=255)
    peer = Peer(host, scale=7)
    endpoint = peer.open_passively()
    fill(peer, host, closing(100_000))
    edges = []
    for _ in range(5):
        peer.send("A", text=bytes(1400))
        edges.append(right_edge(peer.take()[-1]))
    # what was announced is kept, nothing is added
    assert max(edges) - min(edges) < 32
    assert len(read_all(endpoint)) == peer.seq - 1
    assert right_edge(peer.take()[-1]) > max(edges) + 5000


@pytest.mark.requirement("LIM-2")
@pytest.mark.parametrize("size", [1000, 5000, 65536])
def test_window_stays_open_while_what_is_to_be_sent_fills_the_memory(make_host, size):
    # or two stacks that are full of what each has to send to the other would wait for each other for ever
    host = make_host(memory_limit=300_000, send_buffer=1 << 20, quick_acks=255)
    peer = Peer(host, window=0)
    endpoint = peer.open_passively()
    while (status := endpoint.send(bytes(size))) == size:
        pass
    assert status == NO_BUFFERS
    while endpoint.send(b"x") == 1:
        pass
    for _ in range(100):
        peer.send("A", text=bytes(1400))
        assert peer.take()[-1].window > 1400
        assert len(read_all(endpoint)) == 1400


@pytest.mark.requirement("LIM-2")
def test_text_beyond_a_hole_is_dropped_above_the_memory_limit(make_host):
    host = make_host(memory_limit=100_000, receive_buffer=1 << 20)
    peer = Peer(host, scale=7)
    endpoint = peer.open_passively()
    fill(peer, host, 100_000)
    before = held(host)
    peer.send("A", seq=peer.seq + 1, text=bytes(1000))
    peer.expect(wanted("A"))
    assert (held(host), host.counter("TCPOFODrop")) == (before, 1)
    endpoint.abort()
    peer.take()
