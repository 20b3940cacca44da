"""Duplicate ACKs, closed windows and DSACK blocks in what a receiver sent back."""

import numpy as np

from stack.plotting.columns import Booleans, Integers, latest, running_maximum
from stack.plotting.decoding import FIN, SYN
from stack.plotting.flow import Acknowledgements, SackBlocks
from stack.plotting.sequence import Line


def read_acknowledgements(line: Line, origin: int, sent_rank: Integers, highest_sent: Integers) -> Acknowledgements:
    """Returns the ACKs. sent_rank: of the sent segments; highest_sent: the end of what was sent by then."""
    segments = line.acking
    none = np.zeros(len(segments), dtype=bool)
    if not len(segments):
        return Acknowledgements(segments.time, line.ack, line.edge, none, none)
    before = running_maximum(line.ack, int(line.ack[0]) - 1)
    outstanding = latest(sent_rank, highest_sent, segments.rank, int(line.ack[0])) > line.ack
    same_window = none.copy()
    same_window[1:] = segments.window[1:] == segments.window[:-1]
    selective = none.copy()
    selective[line.block_segment] = True
    bare = (segments.length == 0) & (segments.flags & (SYN | FIN) == 0)
    duplicate = bare & (line.ack == before) & ((outstanding & same_window) | selective)
    closed = (segments.window == 0) & (segments.flags & SYN == 0)
    return Acknowledgements(segments.time - origin, line.ack, line.edge, duplicate, closed)


def read_sacks(line: Line, origin: int) -> SackBlocks:
    """Returns the SACK blocks; of a segment's first block RFC 2883 section 4 tells whether it is a DSACK."""
    segment, left, right = line.block_segment, line.block_left, line.block_right
    valid = right > left
    duplicate = _is_duplicate(line, line.ack[segment]) & valid
    return SackBlocks(line.acking.time[segment][valid] - origin, left[valid], right[valid], duplicate[valid])


def _is_duplicate(line: Line, ack: Integers) -> Booleans:
    first = line.block_place == 0
    duplicate: Booleans = first & (line.block_right <= ack)
    inside = np.zeros(len(first), dtype=bool)
    if len(first) > 1:
        inside[:-1] = (
            (line.block_place[1:] == 1)
            & (line.block_left[1:] <= line.block_left[:-1])
            & (line.block_right[:-1] <= line.block_right[1:])
        )
    duplicate |= first & inside
    return duplicate
