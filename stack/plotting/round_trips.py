"""Round trips as the capture shows them: by sequence numbers (Karn's rule, RFC 6298 section 3), and by timestamps."""

import numpy as np

from stack.plotting.columns import SPAN, Booleans, Integers, running_maximum
from stack.plotting.decoding import ACK, RST, SYN, Segments
from stack.plotting.flow import Kind, RoundTrips, Sent, Series, empty_series
from stack.plotting.options import MISSING
from stack.plotting.sequence import Line


def measure(sent: Sent, line: Line, origin: int, sender: Segments) -> RoundTrips:
    """Returns the samples. sent: with times since `origin`; sender: the segments that `line` is made of."""
    if not len(line.acking) or not len(sent):
        return RoundTrips(empty_series(), empty_series(), empty_series())
    before = running_maximum(line.ack, min(int(line.ack[0]) - 1, int(sent.start[0])))
    time = line.acking.time - origin
    fresh = sent.of(Kind.NEW)
    doubtful = _Ranges(sent.of(Kind.REORDERED, Kind.RETRANSMISSION, Kind.NEEDLESS))
    forward = line.ack > before
    by_sequence = _by_end(fresh, doubtful, time[forward], before[forward], line.ack[forward])
    return RoundTrips(
        by_sequence,
        _by_sack(fresh, doubtful, line, time),
        _by_timestamps(line, time, before, forward, sender, origin),
    )


def handshake(forward: Segments, backward: Segments) -> int | None:
    """Returns ns from the SYN to the ACK that ends the handshake: a full round trip, wherever it was captured."""
    opening = np.flatnonzero(forward.flags & (SYN | ACK) == SYN)
    answer = np.flatnonzero(backward.flags & (SYN | ACK) == SYN | ACK)
    if len(opening) != 1 or len(answer) != 1:
        return None  # sent again: who answered which is not to be seen
    last = np.flatnonzero((forward.flags & (SYN | ACK | RST) == ACK) & (forward.time >= backward.time[answer[0]]))
    return int(forward.time[last[0]] - forward.time[opening[0]]) if len(last) else None


class _Ranges:
    """A set of bytes, as ranges that do not touch."""

    def __init__(self, sent: Sent) -> None:
        order = np.argsort(sent.start, kind="stable")
        start, end = sent.start[order], sent.end[order]
        reach = running_maximum(end, -1)
        apart = start > reach if len(start) else np.zeros(0, dtype=bool)
        if len(start):
            apart[0] = True
        self._starts = start[apart]
        whole = np.maximum.accumulate(end) if len(end) else end
        last = np.flatnonzero(np.append(apart[1:], True)) if len(start) else np.zeros(0, dtype=np.int64)
        self._ends = whole[last]

    def touches(self, left: Integers, right: Integers) -> Booleans:
        """Returns which of the ranges [left, right) have a byte of the set."""
        return np.searchsorted(self._starts, right, side="left") > np.searchsorted(self._ends, left, side="right")


def _by_end(fresh: Sent, doubtful: _Ranges, time: Integers, left: Integers, right: Integers) -> Series:
    """For each ACK of the bytes [left, right): the time since the last segment that ends there was sent."""
    index = np.searchsorted(fresh.end, right, side="right") - 1
    good = index >= 0
    time, left, right, index = time[good], left[good], right[good], index[good]
    good = (fresh.end[index] > left) & (fresh.time[index] <= time) & ~doubtful.touches(left, right)
    return Series(time[good], time[good] - fresh.time[index[good]])


def _by_sack(fresh: Sent, doubtful: _Ranges, line: Line, time: Integers) -> Series:
    first = line.block_place == 0
    segment, right = line.block_segment[first], line.block_right[first]
    if not len(segment):
        return empty_series()
    reach = np.maximum(running_maximum(right, 0), line.ack[segment])
    further = right > reach
    segment, right = segment[further], right[further]
    index = np.searchsorted(fresh.end, right, side="left")
    good = index < len(fresh)
    segment, right, index = segment[good], right[good], index[good]
    start = fresh.start[index]
    good = (fresh.end[index] == right) & (fresh.time[index] <= time[segment]) & ~doubtful.touches(start, right)
    return Series(time[segment[good]], time[segment[good]] - fresh.time[index[good]])


def _by_timestamps(
    line: Line, time: Integers, before: Integers, forward: Booleans, sender: Segments, origin: int
) -> Series:
    """The segment that moved the receiver's left edge is the one that is echoed: the same start, the same TSval."""
    stamped = np.flatnonzero((sender.options.tsval != MISSING) & (line.end > line.start))
    echoed = np.flatnonzero(forward & (line.acking.options.tsecr != MISSING))
    if not len(stamped) or not len(echoed):
        return empty_series()
    keys, first = np.unique(line.start[stamped] * SPAN + sender.options.tsval[stamped], return_index=True)
    wanted = before[echoed] * SPAN + line.acking.options.tsecr[echoed]
    index = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    sent_at = sender.time[stamped[first[index]]] - origin
    good = (keys[index] == wanted) & (sent_at <= time[echoed])
    return Series(time[echoed][good], (time[echoed] - sent_at)[good])
