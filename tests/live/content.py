"""Streams of bytes that both ends can make: from a seed, cheap, and with no two places alike."""

import random
from collections.abc import Iterator

BLOCK = 1 << 20  # bytes
_COUNTER = 8  # bytes at the head of each block


def blocks(seed: int, size: int) -> Iterator[memoryview]:
    """Yields `size` bytes in blocks of 1 MiB; each begins with its number, so that no block can stand for another.

    A view is good until the next one is asked for.
    """
    block = bytearray(random.Random(seed).randbytes(BLOCK))
    view = memoryview(block)
    for number in range(-(-size // BLOCK)):
        block[:_COUNTER] = number.to_bytes(_COUNTER, "big")
        yield view[: min(BLOCK, size - number * BLOCK)]
