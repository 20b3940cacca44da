"""TCP options between a script's words and bytes (RFC 9293 3.2 and the RFC of each kind)."""

from collections.abc import Iterator, Sequence
from typing import Final

from stack.packetdrill.packets import Counters, Multipath, Octets, Option, Plain, SackBlocks, Timestamps, Valued

EOL, NOP = 0, 1
MSS, WSCALE, SACK_PERMITTED, SACK, TIMESTAMPS, MD5, FAST_OPEN = 2, 3, 4, 5, 8, 19, 34
ACCURATE_ECN_0, ACCURATE_ECN_1 = 172, 174  # order e0b ceb e1b, and e1b ceb e0b (RFC 9768 3.2.3)
EXPERIMENT: Final = 254
FAST_OPEN_MAGIC: Final = b"\xf9\x89"  # RFC 7413 4.1.1

_ORDERS: Final = {ACCURATE_ECN_0: ("e0b", "ceb", "e1b"), ACCURATE_ECN_1: ("e1b", "ceb", "e0b")}
_PLAIN: Final = {"nop": bytes([NOP]), "eol": bytes([EOL]), "sackOK": bytes([SACK_PERMITTED, 2])}


def _kind(kind: int, body: bytes) -> bytes:
    return bytes([kind, len(body) + 2]) + body


def _numbers(*numbers: int) -> bytes:
    return b"".join((number & 0xFFFF_FFFF).to_bytes(4, "big") for number in numbers)


def build_option(option: Option) -> bytes:
    """Returns the bytes of one option. Raises ValueError when it cannot be written."""
    match option:
        case Plain(name):
            return _PLAIN[name]
        case Valued("mss", value):
            return _kind(MSS, value.to_bytes(2, "big"))
        case Valued(_, value):
            return _kind(WSCALE, value.to_bytes(1, "big"))
        case Timestamps(value, echo):
            return _kind(TIMESTAMPS, _numbers(value or 0, echo or 0))
        case Multipath(text):
            raise ValueError(f"{text}: multipath TCP has no counterpart in this stack")
        case SackBlocks(blocks):
            return _kind(SACK, _numbers(*(edge for block in blocks for edge in block)))
        case Octets("FO", octets):
            return _kind(FAST_OPEN, octets)
        case Octets("FOEXP", octets):
            return _kind(EXPERIMENT, FAST_OPEN_MAGIC + octets)
        case Octets("md5", octets):
            return _kind(MD5, octets.ljust(16, b"\0"))
        case Octets(name, octets):
            return _kind(int(name.removeprefix("kind")), octets)
        case Counters(counters):
            return _build_counters(counters)


def _build_counters(counters: tuple[tuple[str, int], ...]) -> bytes:
    names = tuple(name for name, _ in counters)
    for kind, order in _ORDERS.items():
        if order[: len(names)] == names:
            return _kind(kind, b"".join(value.to_bytes(3, "big") for _, value in counters))
    raise ValueError(f"ECN {' '.join(names)}: the order must be e0b ceb e1b or e1b ceb e0b, as far as it goes")


def build_options(options: Sequence[Option]) -> bytes:
    """Returns the options with padding (RFC 9293 3.1). Raises ValueError when they do not fit into a header."""
    octets = b"".join(map(build_option, options))
    octets += bytes(-len(octets) % 4)
    if len(octets) > 40:
        raise ValueError(f"the options take {len(octets)} bytes, but a header has room for 40")
    return octets


def _pieces(octets: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(octets):
        kind = octets[at]
        if kind in (EOL, NOP):
            yield kind, b""
            at += 1
            if kind == EOL:
                return
            continue
        length = octets[at + 1] if at + 1 < len(octets) else 0
        if length < 2 or at + length > len(octets):
            yield kind, octets[at + 1 :]
            return
        yield kind, octets[at + 2 : at + length]
        at += length


def read_options(octets: bytes) -> tuple[Option, ...]:
    """Returns the options of a header up to the first EOL; what is unknown or misshapen comes as `kindN` and bytes."""
    return tuple(_read(kind, body) for kind, body in _pieces(octets))


def _words(body: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(body[at : at + 4], "big") for at in range(0, len(body), 4))


def _read(kind: int, body: bytes) -> Option:
    match kind, len(body):
        case (0, 0):
            return Plain("eol")
        case (1, 0):
            return Plain("nop")
        case (4, 0):
            return Plain("sackOK")
        case (2, 2):
            return Valued("mss", int.from_bytes(body, "big"))
        case (3, 1):
            return Valued("wscale", body[0])
        case (8, 8):
            return Timestamps(*_words(body))
        case (5, length) if length and length % 8 == 0:
            edges = _words(body)
            return SackBlocks(tuple(zip(edges[::2], edges[1::2], strict=True)))
        case (19, 16):
            return Octets("md5", body)
        case (34, _):
            return Octets("FO", body)
        case (254, _) if body[:2] == FAST_OPEN_MAGIC:
            return Octets("FOEXP", body[2:])
        case ((172 | 174), length) if length % 3 == 0 and length <= 9:
            values = (int.from_bytes(body[at : at + 3], "big") for at in range(0, length, 3))
            return Counters(tuple(zip(_ORDERS[kind], values, strict=False)))
    return Octets(f"kind{kind}", body)
