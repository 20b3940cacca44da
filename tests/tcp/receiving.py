"""Segments of a peer that arrive out of order, and what the ACK that answers one reports (RFC 2018)."""

from tests.tcp.segments import wanted

SIZE = 500  # of each of the peer's segments, as in the examples of RFC 2018 and RFC 2883


def at(number):
    """Sequence number of the peer's segment, counted from 0."""
    return number * SIZE + 1


def span(first, last):
    """The block from segment `first` up to, and without, segment `last`."""
    return at(first), at(last)


def text_of(number, count=1):
    return bytes([97 + number % 26]) * (SIZE * count)


def deliver(peer, number, count=1):
    """One segment arrives, of `count` times the usual size."""
    peer.send("A", seq=at(number), text=text_of(number, count))


def report(peer, number, count=1):
    """What the one ACK that a segment brings says."""
    deliver(peer, number, count)
    (answer,) = peer.expect(wanted("A", seq=1))
    return answer.ack, list(answer.blocks)


def drain(peer, numbers):
    """Segments arrive in one look at the device; the ACKs that follow."""
    frames = [bytes(peer.segment("A", at(number), text=text_of(number))) for number in numbers]
    peer.host.engine.frames_arrive(frames, peer.host.now)
    return peer.take()
