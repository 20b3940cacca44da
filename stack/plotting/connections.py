"""Which segments belong to one connection, who opened it, and how a person names the connection that is meant."""

import ipaddress
import re
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from stack.plotting.columns import Booleans, Integers, Unsigned
from stack.plotting.decoding import ACK, SYN, Segments

# an address, :PORT, or both; an IPv6 address that a port follows stands in brackets
END = re.compile(r"(?:\[(?P<bracketed>[^]]+)\]|(?P<host>[^:]+|[^\[]*:[^\[]*:[^\[]*)?)(?::(?P<port>\d+))?", re.ASCII)


@dataclass(frozen=True)
class End:
    """One end of a connection."""

    address: ipaddress.IPv4Address | ipaddress.IPv6Address
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if self.address.version == 6 else f"{self.address}:{self.port}"


@dataclass(frozen=True)
class Connection:
    """A connection of a capture; `client` opened it, or, where that was not captured, is the end with the higher port.

    number: from 1, in the order of the first segments. start, end: ns. forward_bytes, backward_bytes: payload, every
    transmission counted. segments: of all connections; the members are its indexes, client to server and back.
    """

    number: int
    client: End
    server: End
    start: int
    end: int
    forward_bytes: int
    backward_bytes: int
    segments: Segments = field(repr=False)
    forward_members: Integers = field(repr=False)
    backward_members: Integers = field(repr=False)

    @cached_property
    def forward(self) -> Segments:
        """Segments from client to server."""
        return self.segments.take(self.forward_members)

    @cached_property
    def backward(self) -> Segments:
        """Segments from server to client."""
        return self.segments.take(self.backward_members)

    @property
    def bytes(self) -> int:
        """Payload of both directions."""
        return self.forward_bytes + self.backward_bytes

    def __str__(self) -> str:
        return f"{self.client} → {self.server}"


class NoSuchEnd(ValueError):
    """A filter that is no end of a connection; the message says what one looks like."""


class EndFilter:
    """Chooses connections by one end: an address, `:PORT`, or both as 10.0.0.1:80 and [2001:db8::1]:80."""

    def __init__(self, text: str) -> None:
        found = END.fullmatch(text)
        try:
            if found is None or not text:
                raise ValueError
            host, port = found["bracketed"] or found["host"], found["port"]
            self._address = ipaddress.ip_address(host) if host else None
            self._port = int(port) if port else None
            if (self._port or 0) >= 1 << 16:
                raise ValueError
        except ValueError:
            raise NoSuchEnd(
                f"{text!r}: an address, :PORT or ADDRESS:PORT is needed, as :80 or [2001:db8::1]:80"
            ) from None

        self._text = text

    def __str__(self) -> str:
        return self._text

    def matches(self, connection: Connection) -> bool:
        """Whether one of the ends is meant."""
        return any(
            (self._address is None or self._address == end.address) and (self._port is None or self._port == end.port)
            for end in (connection.client, connection.server)
        )


def find_connections(segments: Segments) -> list[Connection]:
    """Sorts segments into connections. A SYN with another sequence number begins a new one between the same ends.

    Of a connection that was captured at several interfaces, the one with most of its segments counts alone: the same
    segment seen twice would pass for one sent again.
    """
    if not len(segments):
        return []
    low, high, from_low = _pairs(segments)
    order = np.lexsort((low << 32 | high,))  # stable: within a pair the order of time stays
    pair = (low << 32 | high)[order]
    begins = np.ones(len(order), dtype=bool)
    begins[1:] = pair[1:] != pair[:-1]
    begins |= _later_lives(segments, order, begins, from_low)
    starts = np.flatnonzero(begins)
    members = [_at_one_interface(segments, found, from_low) for found in np.split(order, starts[1:])]
    members.sort(key=lambda indexes: int(indexes[0]))
    return [_connection(number, segments, indexes, from_low) for number, indexes in enumerate(members, 1)]


def _at_one_interface(segments: Segments, members: Integers, from_low: Booleans) -> Integers:
    interface = segments.interface[members]
    if (interface == interface[0]).all():
        return members
    numbers, counts = np.unique(interface, return_counts=True)
    kept = members[interface == numbers[np.argmax(counts)]]
    ways = len(np.unique(from_low[members]))
    # each way by an interface of its own: none of them alone will do
    return kept if len(np.unique(from_low[kept])) == ways else members


def _pairs(segments: Segments) -> tuple[Integers, Integers, Booleans]:
    """Numbers the ends; returns for each segment the lower and the higher number, and whether the lower one sent it."""
    highs = np.concatenate((segments.source_high, segments.destination_high))
    lows = np.concatenate((segments.source_low, segments.destination_low))
    ports = np.concatenate((segments.source_port, segments.destination_port))
    version = np.concatenate((segments.version, segments.version))
    names = _numbered(_numbered(highs).astype(np.uint64) << np.uint64(32) | _numbered(lows).astype(np.uint64))
    ends = _numbered((names << 17 | ports << 1 | (version == 6)).astype(np.uint64))
    source, destination = ends[: len(segments)], ends[len(segments) :]
    return np.minimum(source, destination), np.maximum(source, destination), source <= destination


def _numbered(values: Unsigned) -> Integers:
    return np.unique(values, return_inverse=True)[1].astype(np.int64)


def _later_lives(segments: Segments, order: Integers, begins: Booleans, from_low: Booleans) -> Booleans:
    """Returns which segments, in the order of pairs, are the SYN of a further connection between the same ends."""
    found = np.zeros(len(order), dtype=bool)
    first_of = np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))
    opening = np.flatnonzero(segments.flags[order] & (SYN | ACK) == SYN)
    numbers: dict[bool, int] = {}  # side -> its initial sequence number in the life that is looked at
    life, begin, openings = -1, 0, 0
    for place in opening.tolist():
        index = order[place]
        side, number = bool(from_low[index]), int(segments.seq[index])
        if first_of[place] != life:
            life = begin = int(first_of[place])
            numbers, openings = {}, 0
        simultaneous = side not in numbers and openings == place - begin  # nothing but SYNs so far
        if numbers.get(side) != number and not simultaneous:
            found[place] = True
            begin, openings, numbers = place, 0, {}
        numbers[side] = number
        openings += 1
    return found


def _connection(number: int, segments: Segments, members: Integers, from_low: Booleans) -> Connection:
    chosen = from_low[members]
    flags = segments.flags[members] & (SYN | ACK)
    opening = np.flatnonzero(flags & SYN)
    if len(opening):
        first = int(opening[0])
        client_is_low = bool(chosen[first]) == bool(flags[first] == SYN)
    else:
        index = members[0]
        client_is_low = bool(chosen[0]) == bool(segments.source_port[index] > segments.destination_port[index])
    forward, backward = members[chosen == client_is_low], members[chosen != client_is_low]
    ends = _end(segments, int(members[0]), "source"), _end(segments, int(members[0]), "destination")
    client, server = ends if bool(chosen[0]) == client_is_low else ends[::-1]
    return Connection(
        number,
        client,
        server,
        int(segments.time[members[0]]),
        int(segments.time[members[-1]]),
        int(segments.length[forward].sum()),
        int(segments.length[backward].sum()),
        segments,
        forward,
        backward,
    )


def _end(segments: Segments, index: int, side: str) -> End:
    low, port = int(getattr(segments, f"{side}_low")[index]), int(getattr(segments, f"{side}_port")[index])
    if segments.version[index] == 4:
        return End(ipaddress.IPv4Address(low), port)
    return End(ipaddress.IPv6Address(int(getattr(segments, f"{side}_high")[index]) << 64 | low), port)
