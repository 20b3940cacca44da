"""Cookies of Fast Open (RFC 7413) in the segments of a test."""

from typing import Any

from tests.tcp.segments import Segment

FAST_OPEN = 34
COOKIE = bytes(range(1, 9))


def option(cookie: bytes) -> list[Any]:
    """The option as scapy takes it."""
    return [(FAST_OPEN, cookie)]


def cookie_of(segment: Segment) -> bytes | None:
    """The cookie in a segment, empty: one is asked for, None: there is no such option."""
    octets = bytes(segment.packet["TCP"])
    at = 20
    while at < (octets[12] >> 4) * 4:
        if octets[at] == FAST_OPEN:
            return octets[at + 2 : at + octets[at + 1]]
        at += 1 if octets[at] < 2 else octets[at + 1]
    return None
