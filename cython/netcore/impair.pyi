"""Impairment: what a link does to frames, from a seed."""

from typing import Self, final

@final
class Impairment:
    """Loss, reorder, duplication, corruption, delay and rate of one direction of a link (RFC-free: a test's tool).

    Superframes are cut to the MTU and partial checksums completed first, so that what is lost is what a wire loses
    (SEG-14). Probabilities in parts per million, times in ns, rate in bits per second (0: no limit),
    queue in bytes held by the rate limit before frames are dropped.
    reorder_by: how long (ns) a reordered frame is held back beyond the others.
    Raises ValueError naming the argument and its value.
    """

    def __new__(
        cls,
        *,
        seed: int,
        loss: int = 0,
        duplicate: int = 0,
        corrupt: int = 0,
        reorder: int = 0,
        reorder_by: int = 1_000_000,
        delay: int = 0,
        jitter: int = 0,
        rate: int = 0,
        queue: int = 1_048_576,
        mtu: int = 1500,
    ) -> Self: ...
    def counters(self) -> dict[str, int]:
        """Frames seen, passed, lost, duplicated, corrupted, reordered, overflowed."""
