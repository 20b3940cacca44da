"""Records -> TCP segments as columns: IPv4 and IPv6 headers (RFC 791, RFC 8200), TCP headers (RFC 9293 3.1).

Lengths come from the headers, not from what was captured, so a capture that kept only the beginning of each frame, and
superframes larger than the MTU, are read like others.
"""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from stack.plotting.columns import Booleans, Integers, Octets, Unsigned, big_endian
from stack.plotting.links import NOWHERE, SLL2, network_offsets
from stack.plotting.options import Options, read_options
from stack.plotting.records import Records

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16

TCP = 6
FRAGMENT, AUTHENTICATION = 44, 51
EXTENSIONS = (0, 43, 60, FRAGMENT, AUTHENTICATION, 135, 139, 140)  # RFC 8200 section 4, RFC 7045 section 4
MOST_EXTENSIONS = 8


@dataclass(frozen=True)
class Segments:
    """TCP segments in the order of their times.

    rank: place in that order; of two segments with the same time it tells which came first. time: ns. interface: where
    it was captured. version: 4 or 6. source_high, source_low and so on: the halves of an address; of an IPv4 address
    the low half alone. flags: the lower eight. window: as it stands in the header. length: payload, bytes.
    """

    rank: Integers
    time: Integers
    interface: Integers
    version: Integers
    source_high: Unsigned
    source_low: Unsigned
    source_port: Integers
    destination_high: Unsigned
    destination_low: Unsigned
    destination_port: Integers
    seq: Integers
    ack: Integers
    flags: Integers
    window: Integers
    length: Integers
    options: Options

    def __len__(self) -> int:
        return len(self.time)

    def take(self, chosen: Integers) -> Self:
        """Returns the segments of these indexes (ascending)."""
        columns = {item.name: getattr(self, item.name)[chosen] for item in fields(self) if item.name != "options"}
        return type(self)(options=self.options.take(chosen), **columns)


def decode(records: Records) -> Segments:
    """Takes the headers off; frames without a TCP header that was captured whole are left out. Raises LinkUnknown."""
    at = network_offsets(records)
    end = records.offset + records.captured
    index = np.flatnonzero((at != NOWHERE) & (at + 20 <= end))
    version = records.octets[at[index]] >> 4
    parts = []
    for wanted, reader in ((4, _ipv4), (6, _ipv6)):
        chosen = index[version == wanted]
        parts.append(reader(records, chosen, at[chosen], end[chosen]))
    joined = _Packets.joined(parts)
    order = np.lexsort((joined.index, records.time[joined.index]))
    return _segments(records, joined.take(order))


@dataclass(frozen=True)
class _Packets:
    """IP packets that carry TCP: index of the record, place and end of the TCP segment, end of what was captured."""

    index: Integers
    version: Integers
    transport: Integers
    packet_end: Integers
    captured_end: Integers
    addresses: Unsigned  # four rows: source high and low, destination high and low

    def take(self, chosen: Integers | Booleans) -> "_Packets":
        return _Packets(*(getattr(self, item.name)[..., chosen] for item in fields(self)))

    @staticmethod
    def joined(parts: "list[_Packets]") -> "_Packets":
        return _Packets(
            *(np.concatenate([getattr(part, item.name) for part in parts], axis=-1) for item in fields(_Packets))
        )


def _ipv4(records: Records, index: Integers, at: Integers, end: Integers) -> _Packets:
    octets = records.octets
    header = (octets[at] & 0x0F).astype(np.int64) * 4
    total = big_endian(octets, at + 2, 2)
    # a superframe beyond 64 KiB has no length in its header (Linux: BIG TCP)
    total = np.where(total == 0, records.offset[index] + records.original[index] - at, total)
    first = big_endian(octets, at + 6, 2) & 0x1FFF == 0
    good = (header >= 20) & (total >= header) & first & (octets[at + 9] == TCP)
    none = np.zeros(len(at), dtype=np.uint64)
    source, destination = (big_endian(octets, at + place, 4).astype(np.uint64) for place in (12, 16))
    addresses = np.stack((none, source, none, destination))
    version = np.full(len(at), 4, dtype=np.int64)
    return _Packets(index, version, at + header, at + total, end, addresses).take(good)


def _ipv6(records: Records, index: Integers, at: Integers, end: Integers) -> _Packets:
    octets = records.octets
    whole = at + 40 <= end
    index, at, end = index[whole], at[whole], end[whole]
    length = big_endian(octets, at + 4, 2)
    packet_end = np.where(length == 0, records.offset[index] + records.original[index], at + 40 + length)
    following = octets[at + 6].astype(np.int64)
    transport = at + 40
    good = np.ones(len(at), dtype=bool)
    for _ in range(MOST_EXTENSIONS):
        extended = np.isin(following, EXTENSIONS) & good
        good[extended & (transport + 8 > end)] = False
        walking = np.flatnonzero(extended & good)
        if not len(walking):
            break
        place, kind = transport[walking], following[walking]
        units = octets[place + 1].astype(np.int64)
        size = np.where(kind == FRAGMENT, 8, np.where(kind == AUTHENTICATION, (units + 2) * 4, (units + 1) * 8))
        later = (kind == FRAGMENT) & (big_endian(octets, place + 2, 2) >> 3 != 0)
        good[walking[later]] = False
        following[walking] = octets[place]
        transport[walking] += size
    good &= following == TCP
    halves = [_half(octets, at + place) for place in (8, 16, 24, 32)]
    version = np.full(len(at), 6, dtype=np.int64)
    return _Packets(index, version, transport, packet_end, end, np.stack(halves)).take(good)


def _half(octets: Octets, at: Integers) -> Unsigned:
    upper, lower = big_endian(octets, at, 4).astype(np.uint64), big_endian(octets, at + 4, 4).astype(np.uint64)
    return upper << np.uint64(32) | lower


def _interfaces(records: Records, index: Integers) -> Integers:
    """Returns the interfaces; a capture on all of them at once tells them in each frame's header (LINUX_SLL2)."""
    found = records.interface[index]
    told = records.link[index] == SLL2
    found[told] = big_endian(records.octets, records.offset[index[told]] + 4, 4)
    return found


def _segments(records: Records, packets: _Packets) -> Segments:
    octets = records.octets
    packets = packets.take(packets.transport + 20 <= packets.captured_end)
    at = packets.transport
    header = (octets[at + 12] >> 4).astype(np.int64) * 4
    length = packets.packet_end - at - header
    good = (header >= 20) & (length >= 0)
    packets, at, header, length = packets.take(good), at[good], header[good], length[good]
    options = read_options(octets, at + 20, np.minimum(at + header, packets.captured_end))
    source_high, source_low, destination_high, destination_low = packets.addresses
    return Segments(
        rank=np.arange(len(at), dtype=np.int64),
        time=records.time[packets.index],
        interface=_interfaces(records, packets.index),
        version=packets.version,
        source_high=source_high,
        source_low=source_low,
        source_port=big_endian(octets, at, 2),
        destination_high=destination_high,
        destination_low=destination_low,
        destination_port=big_endian(octets, at + 2, 2),
        seq=big_endian(octets, at + 4, 4),
        ack=big_endian(octets, at + 8, 4),
        flags=octets[at + 13].astype(np.int64),
        window=big_endian(octets, at + 14, 2),
        length=length,
        options=options,
    )
