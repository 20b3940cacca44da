"""Sequence numbers of one direction on one line: unwrapped, and counted from the initial one."""

from dataclasses import dataclass

import numpy as np

from stack.plotting.columns import Integers, latest, signed_distance
from stack.plotting.decoding import ACK, FIN, RST, SYN, Segments
from stack.plotting.options import MISSING

UNKNOWN_EDGE = -1


@dataclass(frozen=True)
class Line:
    """The segments of a sender and what its receiver said of them, on one line.

    base: the initial sequence number, or, where no SYN was captured, the one before the first that was.
    start, end: of the sender's segments. acking: the receiver's segments that acknowledge. ack, edge: theirs; edge is
    UNKNOWN_EDGE where the scale of the window is not known. block_*: the SACK blocks of acking segments.
    """

    base: int
    start: Integers
    end: Integers
    acking: Segments
    ack: Integers
    edge: Integers
    block_segment: Integers
    block_place: Integers
    block_left: Integers
    block_right: Integers
    scale_known: bool


def place(sender: Segments, receiver: Segments) -> Line:
    """Puts both on the line of the sender's sequence numbers."""
    base = _base(sender, receiver)
    start = _unwrapped(sender.seq, base)
    takes = sender.length + (sender.flags & SYN != 0) + (sender.flags & FIN != 0)
    end = start + takes
    acking = receiver.take(np.flatnonzero((receiver.flags & (ACK | RST)) == ACK))
    genuine = sender.flags & RST == 0
    highest = np.maximum.accumulate(end[genuine]) if genuine.any() else end[genuine]
    reference = latest(sender.rank[genuine], highest, acking.rank, _first(acking, base))
    ack = reference + signed_distance(acking.ack, base + reference)
    scale = window_scale(sender, receiver)
    shift = np.where(acking.flags & SYN, 0, max(scale, 0))
    edge = np.where((scale == MISSING) & (acking.flags & SYN == 0), UNKNOWN_EDGE, ack + (acking.window << shift))
    options = acking.options
    beside = ack[options.block_segment]
    return Line(
        base,
        start,
        end,
        acking,
        ack,
        edge,
        options.block_segment,
        options.block_place,
        beside + signed_distance(options.block_left, base + beside),
        beside + signed_distance(options.block_right, base + beside),
        scale != MISSING,
    )


def window_scale(sender: Segments, receiver: Segments) -> int:
    """Returns the shift of the receiver's windows, or MISSING when the handshake was not captured (RFC 7323 2.2)."""
    own, other = (side.options.scale[side.flags & SYN != 0] for side in (receiver, sender))
    if not len(own):
        return MISSING
    answered = bool((receiver.flags & (SYN | ACK) == SYN | ACK).any())
    if not len(other):
        # the answer to a SYN has the option only if the SYN had it; a SYN without its answer tells nothing
        return max(int(own[0]), 0) if answered or own[0] == MISSING else MISSING
    return max(int(own[0]), 0) if other[0] != MISSING and own[0] != MISSING else 0


def initial_number(side: Segments) -> int | None:
    """Returns the initial sequence number of a side, None when its SYN was not captured."""
    opening = np.flatnonzero(side.flags & SYN)
    return int(side.seq[opening[0]]) if len(opening) else None


def _base(sender: Segments, receiver: Segments) -> int:
    number = initial_number(sender)
    if number is not None:
        return number
    for values in (sender.seq[sender.flags & RST == 0], receiver.ack[receiver.flags & ACK != 0], sender.seq):
        if len(values):
            return int(values[0] - 1) & 0xFFFFFFFF
    return 0


def _first(acking: Segments, base: int) -> int:
    return int(signed_distance(acking.ack[:1], base)[0]) if len(acking) else 0


def _unwrapped(numbers: Integers, base: int) -> Integers:
    if not len(numbers):
        return np.zeros(0, dtype=np.int64)
    steps = signed_distance(numbers[1:], numbers[:-1])
    first = signed_distance(numbers[:1], base)
    return np.cumsum(np.concatenate((first, steps)), dtype=np.int64)
