"""Changes fuzz inputs by records, beside the changes of octets that the engine knows."""

import random

from tests.hostile.inputs import KINDS, LONGEST, Settings, records

SEGMENT_FLAGS = (16, 16, 16, 24, 17, 20, 4, 2, 18, 1, 0x50, 0x90, 48, 0xC2)
EDGES = (0, 0, 0, 1, 2, 255, 256, 1000, 1448, 0x7FFF, 0x8000, 0xFFFF)


def mutate(octets: bytes, most: int, seed: int) -> bytes:
    """One input out of another: a record more or less, moved, said twice, or changed; half of the time, by octets."""
    import atheris

    source = random.Random(seed)
    if source.random() < 0.5 or len(octets) < Settings.SIZE:
        changed: bytes = atheris.Mutate(octets, len(octets) + 64 if len(octets) < most - 64 else most)
        return changed[:most]
    parts = [record.encode() for record in records(octets[Settings.SIZE : LONGEST])]
    for _ in range(source.choice((1, 1, 2, 4))):
        place = source.randrange(len(parts) + 1)
        pick = source.randrange(6)
        if pick < 3 or not parts:
            parts.insert(place, fresh(source))
        elif pick == 3:
            del parts[place % len(parts)]
        elif pick == 4:
            parts.insert(place, source.choice(parts))
        else:
            chosen = bytearray(parts[place % len(parts)])
            chosen[source.randrange(len(chosen))] = source.choice((source.randrange(256), 0, 1, 0xFF))
            parts[place % len(parts)] = bytes(chosen)
    return (octets[: Settings.SIZE] + b"".join(parts))[:most]


def fresh(source: random.Random) -> bytes:
    """A record of any kind, its numbers rather small or at an edge."""
    number = source.randrange(len(KINDS))
    kind = KINDS[number]
    head = bytearray([number | source.choice((0, 0, 1, 2, 12, source.randrange(16))) << 4])
    body = bytearray(source.randbytes(kind.LAYOUT.size))
    for place in range(0, len(body) - 1, 2):
        if source.random() < 0.5:
            body[place : place + 2] = source.choice(EDGES).to_bytes(2, "big")
    if kind.__name__ == "Segment":
        body[0] = source.choice((0, 1, 1, 1, 2, 3, 4, 5, body[0]))
        body[1] = source.choice((*SEGMENT_FLAGS, body[1]))
        body[2] = source.choice((0, 0, 2, 3, body[2]))
        if source.random() < 0.6:
            body[3:5] = bytes(2)
        if source.random() < 0.7:
            body[5:7] = bytes(2)
        if source.random() < 0.5:
            body[7:9] = b"\xff\xff"
    tail = source.randbytes(source.choice((0, 4, 8, 20, 40))) if kind.TAIL else b""
    width = 0 if not kind.TAIL else 1 if kind.TAIL < 256 else 2
    return bytes(head + body) + (len(tail).to_bytes(width, "big") + tail if width else b"")
