"""A peer whose SACK blocks serve no honest purpose takes neither memory nor the connection (LIM-4, REC-1)."""

import pytest

from tests.tcp.scripted_peer import Peer

MSS = 1000
SEGMENTS = 20


@pytest.mark.requirement("LIM-4", "REC-1")
def test_blocks_of_single_bytes_do_not_multiply_what_is_remembered(make_host):
    host = make_host(initial_window=SEGMENTS)
    peer = Peer(host, mss=MSS, scale=4)
    host.listen()
    peer.send("S", options=[*peer.syn_options(), ("SAckOK", b"")])
    peer.take()
    peer.send("A")
    endpoint = host.accept(host.listeners[0])
    endpoint.send(b"x" * (SEGMENTS * MSS))
    assert len(peer.take()) == SEGMENTS
    # every second byte
    for start in range(3, 1603, 8):
        blocks = [(start + at, start + at + 1) for at in (0, 2, 4, 6)]
        peer.send("A", ack=1, options=[("SAck", tuple(edge for block in blocks for edge in absolute(peer, block)))])
    assert endpoint.info()["stretches"] <= 2 * SEGMENTS + 256 + 2
    # and the connection goes on
    peer.take()
    peer.send("A", ack=SEGMENTS * MSS + 1)
    assert endpoint.info()["stretches"] == 0
    assert endpoint.buffered_bytes == 0


def absolute(peer, block):
    return tuple((peer.base + edge) % (1 << 32) for edge in block)
