"""The format of a fuzz input: a byte string that says how a victim is set up and what befalls it.

Every byte string is an input and none is wrong: values are taken modulo what there is, what is missing at the end is
zero. So whatever a fuzzing engine does to an input, most of it still means what it meant.

The first four octets are settings, one a bit or a few (`Settings`). Records follow until the end. The low four bits of
a record's first octet say its kind (`KINDS`), the high four are `who`: one of sixteen strangers, or what the kind says.
The fields of `LAYOUT` (in the notation of the module struct, network order) come next. Kinds with a tail end with the
length of the tail, one octet where it is at most 255 and else two, and the tail.

Sequence numbers of a Segment are relative to what the victim's connection with that stranger expects, its checksums
are right unless it says otherwise: so an input gets deep without a hash being guessed.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from typing import Any, ClassVar

LONGEST = 4096
MTUS = (1500, 576, 9000, 296)
MICROSECOND = 1_000
LONGEST_PAUSE = 7_300_000_000_000


@dataclass(frozen=True)
class Settings:
    """How the victim and its link are set up. Each field is so many bits, from the lowest of the first octet on."""

    bare: int = 0  # IP packets without an Ethernet header
    virtio: int = 0
    offloads: int = 0  # superframes; means virtio
    mtu: int = 0  # index of MTUS
    unresolved: int = 0  # the strangers answer no ARP request
    small_buffers: int = 0
    tight: int = 0  # low limits: holes, fragments, floods
    no_timestamps: int = 0
    no_sack: int = 0
    ecn: int = 0  # the tunable, 0 to 3
    no_scaling: int = 0
    no_frto: int = 0
    pacing: int = 0
    no_path_discovery: int = 0
    congestion: int = 0  # index of congestion_names()
    conditional: int = 0  # the third listener
    cookies: int = 0  # SYN cookies from the first moment on
    fast_open: int = 0
    signed: int = 0  # how the live connection is signed (tests.hostile.arena); stranger 0 signs with MD5 then
    served: int = 0  # the first listener is a service of the core: its kind, from 1 on
    spare: int = 0

    WIDTHS: ClassVar[tuple[int, ...]] = (1, 1, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1, 2, 1, 1, 1, 2, 2, 7)
    SIZE: ClassVar[int] = 4

    def encode(self) -> bytes:
        """The four octets."""
        number, place = 0, 0
        for value, width in zip(astuple(self), self.WIDTHS, strict=True):
            number |= value << place
            place += width
        return number.to_bytes(self.SIZE, "little")

    @classmethod
    def decode(cls, octets: bytes) -> "Settings":
        """The settings that four octets say."""
        number = int.from_bytes(octets[: cls.SIZE], "little")
        values = []
        for width in cls.WIDTHS:
            values.append(number & ((1 << width) - 1))
            number >>= width
        return cls(*values)


@dataclass(frozen=True)
class Record:
    """One thing that happens."""

    who: int

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("")
    # the most octets of a tail; 0: the kind has none
    TAIL: ClassVar[int] = 0

    def encode(self) -> bytes:
        """The octets of the record."""
        who, *values = astuple(self)
        tail = values.pop() if self.TAIL else b""
        length = len(tail).to_bytes(1 if self.TAIL < 256 else 2, "big") if self.TAIL else b""
        return bytes([KINDS.index(type(self)) | who << 4]) + self.LAYOUT.pack(*values) + length + tail


@dataclass(frozen=True)
class Pause(Record):
    """Time passes: (amount + 1) µs, times 4 to the power of `who`; both hosts do what is due."""

    amount: int

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("!B")

    @property
    def duration(self) -> int:
        """In ns."""
        return min((self.amount + 1) * MICROSECOND << (2 * self.who), LONGEST_PAUSE)


@dataclass(frozen=True)
class RawFrame(Record):
    """A frame as it stands, the headers of the link included."""

    octets: bytes

    TAIL: ClassVar[int] = 2047


@dataclass(frozen=True)
class RawPacket(Record):
    """An IP packet in a good frame. `who`: what is mended, as in `tests.hostile.mending`."""

    octets: bytes

    TAIL: ClassVar[int] = 2047


@dataclass(frozen=True)
class Segment(Record):
    """A segment of the stranger `who` to its connection with the victim, or to a listener.

    seq, ack: beside what the victim expects. text: its length. mode: a sum of the values below. marks: the ECN field
    in the lowest two bits, the flag AE in the next, the urgent pointer in the rest. tail: options; 34, 0 at
    its beginning stand for the Fast Open cookie that the stranger has been given, or the wish for one.
    """

    mode: int
    flags: int
    marks: int
    seq: int
    ack: int
    window: int
    text: int
    tail: bytes = b""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("!BBBhhHH")
    TAIL: ClassVar[int] = 40
    STAMPED: ClassVar[int] = 1  # with the timestamps option, its values right
    OPENING: ClassVar[int] = 2  # with MSS, window scale and SACK permitted
    BLOCKS: ClassVar[int] = 4  # the tail is edges of SACK blocks, two octets each, beside the victim's next number
    WRONG_SUM: ClassVar[int] = 8
    FAR: ClassVar[int] = 16  # seq is in units of 64 KiB
    FROM_LAST: ClassVar[int] = 32  # ack and blocks are beside the last ACK of this stranger, as in duplicates
    LONG: ClassVar[int] = 64  # text is in units of 32 octets
    PIECES: ClassVar[int] = 128  # in fragments of 256 octets


@dataclass(frozen=True)
class Quote(Record):
    """An ICMP error that quotes a segment of the victim to the stranger `who`, or one of the live connection.

    seq: beside the oldest number in flight. size: octets quoted of the packet, modulo 64. live: bit 0 says which,
    bit 1 that the router is the victim's own gateway, bit 2 that the packet was of 65,535 bytes.
    """

    kind: int
    code: int
    rest: int
    seq: int
    size: int
    live: int

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("!BBIhBB")


@dataclass(frozen=True)
class Fragment(Record):
    """A fragment from the stranger `who`. field: flags and offset as in the header."""

    protocol: int
    identification: int
    field: int
    octets: bytes

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("!BBH")
    TAIL: ClassVar[int] = 1600


@dataclass(frozen=True)
class Again(Record):
    """A frame of the last 16 to or from the victim once more, one octet changed; `who` as in RawPacket."""

    index: int
    place: int
    change: int

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("!BHB")


@dataclass(frozen=True)
class Call(Record):
    """The program on the victim makes the call number `who` on a handle: `tests.hostile.program` has the list."""

    handle: int
    amount: int

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("!BH")


@dataclass(frozen=True)
class Virtio(Record):
    """The next frame has this virtio header, if the link has any."""

    flags: int
    gso_type: int
    hdr_len: int
    gso_size: int
    csum_start: int
    csum_offset: int

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("!BBHHHH")


@dataclass(frozen=True)
class Arp(Record):
    """An ARP packet of the stranger `who`. addresses: the last octet of sender and target, 0 for its own and ours."""

    operation: int
    sender: int
    target: int

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("!BBB")


@dataclass(frozen=True)
class Blind(Record):
    """A segment of the live connection with the one fault `who` (`Attacker.blind_segment`)."""

    seed: int

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("!H")


@dataclass(frozen=True)
class Made(Record):
    """A frame by the maker number `who` of the attacker of the campaign, with a seed."""

    seed: int

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("!H")


@dataclass(frozen=True)
class Live(Record):
    """The live connection works: `who` bit 0 is the flow, bit 1: its reader pauses, bit 2: the network loses."""

    amount: int

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("!H")


@dataclass(frozen=True)
class Flood(Record):
    """The last Segment again and again, modulo 64 times, its numbers a step further each time."""

    count: int
    seq: int
    ack: int

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("!Bhh")


# segments have three numbers, so that a changed octet often makes one
KINDS: tuple[type[Record], ...] = (
    Pause, RawFrame, RawPacket, Segment, Quote, Fragment, Again, Call, Virtio, Arp, Blind, Made, Live, Flood, Segment,
    Segment,
)  # fmt: skip


def encode(settings: Settings, records: Iterable[Record]) -> bytes:
    """The input that says this."""
    return settings.encode() + b"".join(record.encode() for record in records)


def decode(octets: bytes) -> tuple[Settings, Iterator[Record]]:
    """What an input says; beyond `LONGEST` octets nothing is looked at."""
    return Settings.decode(octets), records(octets[Settings.SIZE : LONGEST])


def records(octets: bytes) -> Iterator[Record]:
    """The records of an input without its settings."""
    at, end = 0, len(octets)
    while at < end:
        kind, who = KINDS[octets[at] & 15], octets[at] >> 4
        at += 1
        size = kind.LAYOUT.size
        fields: list[Any] = list(kind.LAYOUT.unpack(octets[at : at + size].ljust(size, b"\0")))
        at += size
        if kind.TAIL:
            width = 1 if kind.TAIL < 256 else 2
            length = int.from_bytes(octets[at : at + width], "big") % (kind.TAIL + 1)
            at += width
            fields.append(octets[at : at + length])
            at += length
        yield kind(who, *fields)
