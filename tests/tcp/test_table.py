"""Which connection a segment is for, and what is remembered of the last ones that were found."""

import pytest

from tests.tcp.scripted_peer import PEER_PORT, Peer, read_all
from tests.tcp.segments import wanted

PLACES = 64  # remembered, by the low bits of the ports


@pytest.mark.requirement("SEG-9")
def test_connections_that_are_remembered_at_one_place_get_their_own_segments(host):
    listener = host.listen()
    peers = [Peer(host, port=PEER_PORT + number * PLACES) for number in range(3)]
    peers.append(Peer(host, port=PEER_PORT, address="10.0.0.3"))
    ends = [peer.open_passively(listener) for peer in peers]
    for round_ in range(3):
        for number, peer in enumerate(peers):
            peer.send("PA", text=b"%d of %d" % (round_, number))
            assert [read_all(end) for end in ends if end.readable_bytes] == [b"%d of %d" % (round_, number)]
    for number, peer in enumerate(peers):
        # it and what is remembered of it are gone; the others are not taken for it
        host.take_packets()
        peer.send("R")
        peer.send("PA", text=b"late")
        peer.expect(wanted("R"))
        for later in peers[number + 1 :]:
            later.send("PA", text=b"on")
            assert [read_all(end) for end in ends[number + 1 :] if end.readable_bytes] == [b"on"]


@pytest.mark.requirement("SEG-9")
def test_connection_that_has_ended_is_not_remembered(host):
    listener = host.listen()
    for number in range(3):
        peer = Peer(host, iss=1000 * number)
        end = peer.open_passively(listener)
        peer.send("PA", text=b"text")
        assert read_all(end) == b"text"
        end.abort()
        host.take_packets()
        peer.send("PA", text=b"late")
        peer.expect(wanted("R"))
