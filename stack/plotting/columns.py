"""The arrays that all of this package passes on, and how they are read and compared.

Packets are kept as columns: one array a field, one element a packet. A capture of a million packets is then some dozens
of array operations, and no loop of Python.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Octets: TypeAlias = NDArray[np.uint8]
Integers: TypeAlias = NDArray[np.int64]
Unsigned: TypeAlias = NDArray[np.uint64]
Floats: TypeAlias = NDArray[np.float64]
Booleans: TypeAlias = NDArray[np.bool_]

SPAN = 1 << 32  # of a sequence number


def big_endian(octets: Octets, at: Integers, length: int) -> Integers:
    """Returns the numbers of `length` octets (1 to 7) in network order that stand at the places `at`."""
    value = octets[at].astype(np.int64)
    for index in range(1, length):
        value = value << 8 | octets[at + index]
    return value


def signed_distance(value: Integers, origin: Integers | int) -> Integers:
    """Returns value - origin as sequence numbers are subtracted: modulo 2**32, from -2**31 to 2**31 - 1."""
    half = SPAN >> 1
    return (value - origin + half) % SPAN - half


def running_maximum(values: Integers, least: int) -> Integers:
    """Returns for each element the largest of `least` and the elements before it, itself left out."""
    before = np.full(len(values), least, dtype=np.int64)
    if len(values) > 1:
        before[1:] = np.maximum(np.maximum.accumulate(values[:-1]), least)
    return before


def latest(times: Integers, values: Integers, when: Integers, least: int) -> Integers:
    """Returns for each time of `when` the last of `values` whose time is not later, or `least` before the first.

    times: ns, ascending; `values` belong to them.
    """
    place = np.searchsorted(times, when, side="right")
    return np.concatenate((np.array([least], dtype=np.int64), values))[place]
