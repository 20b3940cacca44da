"""TCP options of many segments at once (RFC 9293 3.2, RFC 7323, RFC 2018): one step a place, all segments together."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from stack.plotting.columns import Integers, Octets, big_endian

END, NO_OPERATION, MSS, WINDOW_SCALE, SACK_PERMITTED, SACK, TIMESTAMPS = 0, 1, 2, 3, 4, 5, 8
LENGTHS = {MSS: 4, WINDOW_SCALE: 3, SACK_PERMITTED: 2, TIMESTAMPS: 10}

MISSING = -1
GREATEST_SCALE = 14  # RFC 7323 section 2.3


@dataclass(frozen=True)
class Options:
    """Columns, MISSING where the segment has no such option, and the SACK blocks as rows.

    mss: bytes. scale: shift. tsval, tsecr: as they stand. block_segment: index of the segment that a block stands in,
    ascending. block_place: 0 for its first. block_left, block_right: edges as they stand.
    """

    mss: Integers
    scale: Integers
    tsval: Integers
    tsecr: Integers
    block_segment: Integers
    block_place: Integers
    block_left: Integers
    block_right: Integers

    def take(self, chosen: Integers) -> Self:
        """Returns the options of the segments of these indexes (ascending), which are numbered anew."""
        place = np.searchsorted(chosen, self.block_segment)
        kept = place < len(chosen)
        kept[kept] = chosen[place[kept]] == self.block_segment[kept]
        return type(self)(
            self.mss[chosen],
            self.scale[chosen],
            self.tsval[chosen],
            self.tsecr[chosen],
            place[kept],
            self.block_place[kept],
            self.block_left[kept],
            self.block_right[kept],
        )


def read_options(octets: Octets, at: Integers, end: Integers) -> Options:
    """Reads the options that stand from `at` up to `end`; a list that is cut off or wrong is read as far as it goes."""
    count = len(at)
    mss, scale, tsval, tsecr = (np.full(count, MISSING, dtype=np.int64) for _ in range(4))
    blocks: list[Integers] = []
    cursor, walking = at.copy(), np.flatnonzero(at < end)
    while len(walking):
        place, limit = cursor[walking], end[walking]
        kind = octets[place]
        single = kind <= NO_OPERATION
        complete = single | (place + 2 <= limit)
        length = np.where(single, 1, octets[np.where(complete & ~single, place + 1, place)]).astype(np.int64)
        good = complete & (single | (length >= 2)) & (place + length <= limit) & (kind != END)
        walking, place, kind, length = walking[good], place[good], kind[good], length[good]
        for wanted, column, start, width in (
            (MSS, mss, 2, 2),
            (WINDOW_SCALE, scale, 2, 1),
            (TIMESTAMPS, tsval, 2, 4),
            (TIMESTAMPS, tsecr, 6, 4),
        ):
            chosen = (kind == wanted) & (length == LENGTHS[wanted])
            column[walking[chosen]] = big_endian(octets, place[chosen] + start, width)
        chosen = (kind == SACK) & (length >= 10) & (length % 8 == 2)
        if chosen.any():
            blocks.extend(_blocks(octets, walking[chosen], place[chosen], length[chosen]))
        cursor[walking] += length
        walking = walking[cursor[walking] < end[walking]]
    rows = np.concatenate(blocks, axis=1) if blocks else np.zeros((4, 0), dtype=np.int64)
    rows = rows[:, np.lexsort((rows[1], rows[0]))]
    return Options(mss, np.minimum(scale, GREATEST_SCALE), tsval, tsecr, *rows)


def _blocks(octets: Octets, segment: Integers, place: Integers, length: Integers) -> list[Integers]:
    rows = []
    for number in range(4):
        there = length >= 10 + 8 * number
        start = place[there] + 2 + 8 * number
        index = np.full(len(start), number, dtype=np.int64)
        rows.append(np.stack((segment[there], index, big_endian(octets, start, 4), big_endian(octets, start + 4, 4))))
    return rows
