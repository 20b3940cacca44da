"""Leaves out of a curve or of many bars what no eye could see, so that a million segments are drawn like a thousand."""

import numpy as np

from stack.plotting.columns import Integers, running_maximum

FEW = 4000  # are drawn one by one


def thinned(time: Integers, value: Integers, begin: int, end: int, columns: int) -> Integers:
    """Returns the indexes of a curve's points that make up its picture of `columns` columns.

    time: ns, ascending. Of a column the first, last, lowest and highest point stay; of what is outside of [begin, end]
    the neighbours.
    """
    first = max(int(np.searchsorted(time, begin, side="left")) - 1, 0)
    last = min(int(np.searchsorted(time, end, side="right")) + 1, len(time))
    index = np.arange(first, last)
    if len(index) <= FEW:
        return index
    column = (time[index] - begin) * columns // max(end - begin, 1)
    by_value = index[np.lexsort((value[index], column))]
    changes = np.flatnonzero(np.diff(column)) + 1
    begins, ends = np.concatenate(([0], changes)), np.concatenate((changes, [len(index)])) - 1
    return np.unique(np.concatenate((index[begins], index[ends], by_value[begins], by_value[ends])))


def merged_bars(
    time: Integers, low: Integers, high: Integers, begin: int, end: int, columns: int, tolerance: int
) -> tuple[Integers, Integers, Integers]:
    """Returns vertical bars (time, low, high): those in view, and where they are many, joined.

    Two of one column are joined when no more than `tolerance` is between them, which should be less than a pixel.
    """
    seen = (time >= begin) & (time <= end)
    time, low, high = time[seen], low[seen], high[seen]
    if len(time) <= FEW:
        return time, low, high
    column = (time - begin) * columns // max(end - begin, 1)
    order = np.lexsort((low, column))
    time, low, high, column = time[order], low[order], high[order], column[order]
    # columns one above the other, further apart than any two bars: one running maximum serves them all
    lift = column * int(high.max() - low.min() + tolerance + 2)
    apart = low + lift > running_maximum(high + lift, int(low.min()) - tolerance - 1) + tolerance
    first = np.flatnonzero(apart)
    return time[first], low[first], np.maximum.reduceat(high, first)
