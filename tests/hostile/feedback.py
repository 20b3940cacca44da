"""What a hostile receiver says of the sender's segments: SACK blocks and congestion marks, true ones and others."""

import random
import struct

from tests.hostile.cast import ACK, SYN

ECE, CWR, AE = 64, 128, 256
NO_OPERATION = b"\1\1"
# RFC 2018 2: as SYNs offer it
SACK_PERMITTED = NO_OPERATION + bytes([4, 2])
MOST_OPTIONS = 40
FAST_OPEN = 34
WORD = 1 << 32

# of segments: echoes that nobody caused, counters of accurate ECN (RFC 9768 3.2), and both with everything else
MARKED_FLAGS = (ACK | ECE, ACK | CWR, ACK | ECE | CWR, ACK | AE, ACK | AE | ECE, ACK | AE | CWR | ECE)
# of SYNs: RFC 3168 6.1.1, RFC 9768 3.1.1, and what is neither
MARKED_OPENINGS = (SYN | ECE | CWR, SYN | AE | CWR | ECE, SYN | ECE, SYN | AE, SYN | AE | CWR)
ECN_FIELDS = (0, 0, 1, 2, 3)


def sack_blocks(end: int, source: random.Random, room: int) -> bytes:
    """A SACK option of one to four blocks (RFC 2018 3), or of a wrong length; as many as `room` octets take.

    end: the number behind the last that the other side has sent. The blocks are within what is in flight, beyond it,
    below it (RFC 2883), upside down, empty, half the circle long, or the same again.
    """
    most = min(4, (room - 4) // 8)
    if most < 1:
        return b""
    edges: list[tuple[int, int]] = []
    for _ in range(source.randint(1, most)):
        if edges and source.random() < 0.1:
            edges.append(source.choice(edges))
            continue
        right = end - source.choice((0, 0, 1, 500, 536, 1448, 1460, 3000, 20_000, -1, -1000, 1 << 31))
        left = right - source.choice((1, 2, 500, 536, 1448, 1460, 2920, 10_000, 0, -1, -1448, 70_000, 1 << 31))
        edges.append((left % WORD, right % WORD))
    if source.random() < 0.5:
        edges.sort(reverse=True)
    body = b"".join(struct.pack(">II", left, right) for left, right in edges)
    length = 2 + len(body)
    if source.random() < 0.03:
        length += source.choice((-8, -1, 1, 8, 38))
    return NO_OPERATION + bytes([5, length % 256]) + body


def cookie_in(segment: bytes) -> bytes | None:
    """The Fast Open cookie (RFC 7413 2) among the options of a segment."""
    at, end = 20, (segment[12] >> 4) * 4
    while at + 1 < end and segment[at]:
        if segment[at] == FAST_OPEN:
            return segment[at + 2 : at + segment[at + 1]]
        at += 1 if segment[at] == 1 else segment[at + 1]
    return None


def cookie_option(known: bytes | None, source: random.Random) -> bytes:
    """A Fast Open option: one that asks, the cookie that is right, or another, of a good length or a bad one."""
    cookie = source.choice((b"", known or b"", known or b"", source.randbytes(source.choice((4, 8, 8, 16, 3, 17)))))
    option = bytes([FAST_OPEN, 2 + len(cookie)]) + cookie
    return option + b"\1" * (-len(option) % 4)


def timeout_option(source: random.Random) -> bytes:
    """A user timeout option (RFC 5482)."""
    return bytes([28, 4]) + source.choice((b"\0\0", b"\0\1", b"\x80\1", b"\xff\xff", source.randbytes(2)))


def with_option(options: bytes, added: bytes) -> bytes:
    """One more option, where there is room for it."""
    return options + added if len(options) + len(added) <= MOST_OPTIONS else options
