"""What kind a sent segment is: new, sent again, overtaken, or a probe; as the place of the capture shows it.

Bytes that were not seen before, though later ones were, were either overtaken on their way to the capture or lost
before it and sent again. Timestamps tell the two apart: what was sent later has a later one. Without them the time
does: sent again cannot be seen sooner than a round trip after the gap was.
"""

from bisect import bisect_left, bisect_right

import numpy as np

from stack.plotting.columns import Integers, running_maximum, signed_distance
from stack.plotting.flow import Kind
from stack.plotting.options import MISSING

SHORTEST_RECOVERY = 3_000_000  # ns, where no round trip is known
LONG_BEFORE = -(1 << 62)


def classify(
    time: Integers,
    start: Integers,
    end: Integers,
    tsval: Integers,
    acknowledged: Integers,
    edge: Integers,
    round_trip: int | None,
) -> Integers:
    """Returns the kind of each segment.

    acknowledged, edge: the highest ACK and the right edge of the window seen before it (edge: negative when unknown).
    round_trip: ns between the ends, None when it is not known.
    """
    kinds = np.full(len(start), Kind.NEW, dtype=np.int64)
    if not len(start):
        return kinds
    seen = running_maximum(end, int(start[0]))
    again = (start < seen) & (end > start)
    kept_alive = (end - start <= 1) & (start == seen - 1) & (acknowledged >= seen)
    probing = (end - start == 1) & (edge >= 0) & (start >= edge) & (start >= acknowledged) & (start > 0)
    recovery = SHORTEST_RECOVERY if round_trip is None else round_trip
    gaps = _Gaps(int(start[0]))
    for index in np.flatnonzero(again | (start > seen)).tolist():
        left, right, limit = int(start[index]), int(end[index]), int(seen[index])
        if left > limit:
            gaps.opened(limit, left, index)
            continue
        opener = gaps.filled(left, min(right, limit))
        if opener is None:
            kinds[index] = Kind.NEEDLESS if right <= acknowledged[index] else Kind.RETRANSMISSION
        else:
            kinds[index] = _filler(time, tsval, opener, index, recovery)
    kinds[kept_alive | probing] = Kind.PROBE
    return kinds


def _filler(time: Integers, tsval: Integers, opener: int, index: int, recovery: int) -> Kind:
    if tsval[opener] != MISSING and tsval[index] != MISSING and tsval[opener] != tsval[index]:
        later = signed_distance(tsval[index : index + 1], int(tsval[opener]))[0] > 0
    else:
        later = time[index] - time[opener] >= recovery
    return Kind.RETRANSMISSION if later else Kind.REORDERED


class _Gaps:
    """Bytes that were not seen though later ones were, and which segment was the first beyond them."""

    def __init__(self, start: int) -> None:
        self._lefts = [LONG_BEFORE]
        self._rights = [start]
        self._openers = [0]

    def opened(self, left: int, right: int, index: int) -> None:
        """Enters a gap beyond all others."""
        self._lefts.append(left)
        self._rights.append(right)
        self._openers.append(index)

    def filled(self, left: int, right: int) -> int | None:
        """Takes bytes out; returns the opener of their gap, or None when some of them were seen already."""
        first = bisect_right(self._rights, left)
        last = bisect_left(self._lefts, right)
        if first >= last:
            return None
        opener = self._openers[first]
        whole = last - first == 1 and self._lefts[first] <= left and right <= self._rights[first]
        remains = []
        if self._lefts[first] < left:
            remains.append((self._lefts[first], left, opener))
        if right < self._rights[last - 1]:
            remains.append((right, self._rights[last - 1], self._openers[last - 1]))
        self._lefts[first:last] = [gap[0] for gap in remains]
        self._rights[first:last] = [gap[1] for gap in remains]
        self._openers[first:last] = [gap[2] for gap in remains]
        return opener if whole else None
