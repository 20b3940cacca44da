"""Frames out of capture files: pcap (both byte orders, micro- and nanoseconds) and pcapng, plain or gzipped.

Only the chain of lengths is followed here, record by record; everything else of a record is read for all at once, so
that a file of a million frames takes a second. Sources: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng.
"""

import gzip
import mmap
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from stack.plotting.columns import Integers, Octets, Unsigned

SECOND = 1_000_000_000

PCAP_MAGICS = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}
GZIP_MAGIC = b"\x1f\x8b"
SECTION_HEADER = b"\x0a\x0d\x0d\x0a"
SECTION = 0x0A0D0D0A  # the same in both byte orders
BYTE_ORDERS = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}

INTERFACE, OBSOLETE_PACKET, SIMPLE_PACKET, ENHANCED_PACKET = 1, 2, 3, 6  # block types of pcapng
IF_TSRESOL, IF_TSOFFSET = 9, 14

Buffer = bytes | mmap.mmap


class CaptureUnreadable(ValueError):
    """The file is no capture that can be read; the message says why, and what to do."""


@dataclass(frozen=True)
class Records:
    """The frames of a capture, in the order of the file.

    octets: where the frames stand. time: ns. offset: of a frame's first octet in `octets`. captured: octets that were
    kept. original: octets that the frame had. link: its link type (the LINKTYPE_ registry). interface: where it was
    captured, numbered through the file. notes: what a person should know about the file.
    """

    octets: Octets
    time: Integers
    offset: Integers
    captured: Integers
    original: Integers
    link: Integers
    interface: Integers
    notes: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.time)


def read_records(path: Path) -> Records:
    """Reads a capture file. Raises CaptureUnreadable, or OSError when the file cannot be opened."""
    data = _content(path)
    magic = bytes(data[:4])
    if magic[:2] == GZIP_MAGIC:
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise CaptureUnreadable(f"{path}: not to be unpacked: {error}") from error
        magic = data[:4]
    if magic in PCAP_MAGICS:
        return _read_pcap(path, data, *PCAP_MAGICS[magic])
    if magic == SECTION_HEADER:
        return _read_pcapng(path, data)
    raise CaptureUnreadable(
        f"{path}: not a capture: it begins with {magic.hex(' ') or 'nothing'}; pcap and pcapng are read, and others"
        " can be converted: editcap -F pcapng OLD NEW"
    )


def records_of(frames: Iterable[tuple[int, bytes]], link: int) -> Records:
    """Makes records of frames in memory: (time in ns, frame), all of one link type."""
    kept = list(frames)
    lengths = np.array([len(frame) for _, frame in kept], dtype=np.int64)
    ends = np.cumsum(lengths)
    return Records(
        np.frombuffer(b"".join(frame for _, frame in kept), dtype=np.uint8),
        np.array([moment for moment, _ in kept], dtype=np.int64),
        ends - lengths,
        lengths,
        lengths,
        np.full(len(kept), link, dtype=np.int64),
        np.zeros(len(kept), dtype=np.int64),
    )


def _content(path: Path) -> Buffer:
    with path.open("rb") as stream:
        try:
            return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except (ValueError, OSError):  # empty, or a pipe
            return stream.read()


def _numbers(octets: Octets, at: Integers, order: str, length: int = 4) -> Integers:
    value = np.zeros(len(at), dtype=np.int64)
    for index in range(length):
        value |= octets[at + index].astype(np.int64) << 8 * (index if order == "<" else length - 1 - index)
    return value


def _read_pcap(path: Path, data: Buffer, order: str, unit: int) -> Records:
    if len(data) < 24:
        raise CaptureUnreadable(f"{path}: {len(data)} bytes, and the header of a pcap file alone has 24")
    length = struct.Struct(order + "I").unpack_from
    # the upper bits tell of a frame check sequence (draft-ietf-opsawg-pcap section 4)
    link = length(data, 20)[0] & 0xFFFF
    positions, position, end = [], 24, len(data)
    while position + 16 <= end:
        following = position + 16 + length(data, position + 8)[0]
        if following > end:
            break
        positions.append(position)
        position = following
    octets = np.frombuffer(data, dtype=np.uint8)
    at = np.array(positions, dtype=np.int64)
    return Records(
        octets,
        _numbers(octets, at, order) * SECOND + _numbers(octets, at + 4, order) * unit,
        at + 16,
        _numbers(octets, at + 8, order),
        _numbers(octets, at + 12, order),
        np.full(len(at), link, dtype=np.int64),
        np.zeros(len(at), dtype=np.int64),
        _cut_off(len(at)) if position != end else (),
    )


def _cut_off(count: int) -> tuple[str, ...]:
    return (f"the file ends in the middle of a record, after {count} frames",)


@dataclass
class _Section:
    """What a section of a pcapng file said so far: its byte order, its interfaces, where its packets stand."""

    order: str
    interfaces: list[tuple[int, int, int]] = field(default_factory=list)  # link type, if_tsresol, if_tsoffset
    enhanced: list[int] = field(default_factory=list)
    obsolete: list[int] = field(default_factory=list)


def _read_pcapng(path: Path, data: Buffer) -> Records:
    sections: list[_Section] = []
    without_time = position = 0
    end = len(data)
    whole = True
    packets: list[int] = []
    head = struct.Struct("<II").unpack_from
    while position < end:
        if position + 12 > end:
            whole = False
            break
        kind, length = head(data, position)
        if kind == SECTION:
            order = BYTE_ORDERS.get(bytes(data[position + 8 : position + 12]))
            if order is None:
                raise CaptureUnreadable(f"{path}: the section at {position} has no byte order that exists")
            sections.append(_Section(order))
            packets = sections[-1].enhanced
            head = struct.Struct(order + "II").unpack_from
            length = head(data, position)[1]
        if length < 12 or length % 4 or position + length > end:
            whole = False
            break
        if kind == ENHANCED_PACKET:
            packets.append(position)
        elif kind == INTERFACE:
            sections[-1].interfaces.append(_interface(bytes(data[position : position + length]), sections[-1].order))
        elif kind == OBSOLETE_PACKET:
            sections[-1].obsolete.append(position)
        elif kind == SIMPLE_PACKET:
            without_time += 1
        position += length
    octets = np.frombuffer(data, dtype=np.uint8)
    firsts = np.cumsum([0, *(len(section.interfaces) for section in sections)]).tolist()
    parts = [
        _packets(octets, np.array(places, dtype=np.int64), section, identifier_length, first)
        for section, first in zip(sections, firsts, strict=False)
        for places, identifier_length in ((section.enhanced, 4), (section.obsolete, 2))
        if places and section.interfaces
    ]
    joined = np.concatenate(parts, axis=1) if parts else np.zeros((6, 0), dtype=np.int64)
    notes = () if whole else _cut_off(joined.shape[1])
    if without_time:
        notes += (f"{without_time} frames are left out: Simple Packet Blocks have no time",)
    time, offset, captured, original, link, interface = joined
    return Records(octets, time, offset, captured, original, link, interface, notes)


def _packets(octets: Octets, at: Integers, section: _Section, identifier_length: int, first: int) -> Integers:
    """Returns rows of time, offset, captured, original, link type and interface, of which `first` is the section's."""
    order = section.order
    interface = np.minimum(_numbers(octets, at + 8, order, identifier_length), len(section.interfaces) - 1)
    stamp = _numbers(octets, at + 12, order).astype(np.uint64) << np.uint64(32)
    stamp |= _numbers(octets, at + 16, order).astype(np.uint64)
    time = np.zeros(len(at), dtype=np.int64)
    for index, (_, resolution, offset) in enumerate(section.interfaces):
        chosen = interface == index
        time[chosen] = _nanoseconds(stamp[chosen], resolution) + offset * SECOND
    room = _numbers(octets, at + 4, order) - 32
    captured = np.clip(_numbers(octets, at + 20, order), 0, np.maximum(room, 0))
    links = np.array([link for link, _, _ in section.interfaces], dtype=np.int64)
    original = _numbers(octets, at + 24, order)
    return np.stack((time, at + 28, captured, original, links[interface], interface + first))


def _nanoseconds(stamp: Unsigned, resolution: int) -> Integers:
    """Converts time stamps: if_tsresol is a power of ten, or with its upper bit of two (pcapng section 4.2)."""
    power = resolution & 0x7F
    if resolution & 0x80:
        power = min(power, 63)
        coarse = max(power - 32, 0)  # bits below 0.25 ns, dropped so that the product fits
        fraction = (stamp & np.uint64((1 << power) - 1)) >> np.uint64(coarse)
        parts = (stamp >> np.uint64(power)) * np.uint64(SECOND)
        return (parts + (fraction * np.uint64(SECOND) >> np.uint64(power - coarse))).astype(np.int64)
    if power <= 9:
        return (stamp * np.uint64(10 ** (9 - power))).astype(np.int64)
    return (stamp // np.uint64(10 ** min(power - 9, 19))).astype(np.int64)


def _interface(block: bytes, order: str) -> tuple[int, int, int]:
    """Returns link type, if_tsresol and if_tsoffset of an Interface Description Block."""
    if len(block) < 20:
        return -1, 6, 0
    (link,) = struct.unpack_from(order + "H", block, 8)
    resolution, offset, position = 6, 0, 16
    while position + 4 <= len(block) - 4:
        code, length = struct.unpack_from(order + "HH", block, position)
        value = block[position + 4 : position + 4 + length]
        if code == IF_TSRESOL and length == 1:
            resolution = value[0]
        elif code == IF_TSOFFSET and len(value) == 8:
            (offset,) = struct.unpack(order + "q", value)
        elif code == 0:
            break
        position += 4 + (length + 3) // 4 * 4
    return link, resolution, offset
