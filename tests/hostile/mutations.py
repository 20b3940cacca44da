"""What can be done to bytes without knowing what they mean."""

import random
from collections.abc import Callable, Sequence

EDGES = (0, 1, 2, 0x7F, 0x80, 0xFE, 0xFF)


def flip_bits(frame: bytearray, source: random.Random) -> None:
    """Flips one to eight bits."""
    for _ in range(source.choice((1, 1, 1, 2, 3, 8))):
        frame[source.randrange(len(frame))] ^= 1 << source.randrange(8)


def set_octets(frame: bytearray, source: random.Random) -> None:
    """Sets one to four octets in a row to the same edge value."""
    at = source.randrange(len(frame))
    for place in range(at, min(at + source.randint(1, 4), len(frame))):
        frame[place] = source.choice(EDGES)


def truncate(frame: bytearray, source: random.Random) -> None:
    """Cuts the end off, anywhere."""
    del frame[source.randrange(len(frame)) :]


def extend(frame: bytearray, source: random.Random) -> None:
    """Puts octets behind the end."""
    frame += source.randbytes(source.choice((1, 2, 7, 64, 1500)))


def remove(frame: bytearray, source: random.Random) -> None:
    """Takes some octets out of the middle."""
    at = source.randrange(len(frame))
    del frame[at : at + source.randint(1, 16)]


def repeat(frame: bytearray, source: random.Random) -> None:
    """Says a part twice."""
    at = source.randrange(len(frame))
    frame[at:at] = frame[at : at + source.randint(1, 40)]


MUTATIONS: Sequence[Callable[[bytearray, random.Random], None]] = (
    flip_bits, flip_bits, flip_bits, set_octets, truncate, extend, remove, repeat,
)  # fmt: skip


def mutate(frame: bytes, source: random.Random) -> bytes:
    """Applies one to three mutations."""
    changed = bytearray(frame)
    for _ in range(source.choice((1, 1, 2, 3))):
        if changed:
            source.choice(MUTATIONS)(changed, source)
    return bytes(changed)


def splice(first: bytes, second: bytes, source: random.Random) -> bytes:
    """The beginning of one frame and the end of another."""
    return first[: source.randrange(len(first) + 1)] + second[source.randrange(len(second) + 1) :]
