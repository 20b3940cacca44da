"""Packets as a script names them, in its own numbers. What is seen on the link is read into the same classes."""

import enum
from dataclasses import dataclass, field
from typing import Final


class Flags(enum.IntFlag):
    """The nine flags of a TCP header (RFC 9293 3.1; ACE's highest: RFC 9768)."""

    FIN = 0x001
    SYN = 0x002
    RST = 0x004
    PSH = 0x008
    ACK = 0x010
    URG = 0x020
    ECE = 0x040
    CWR = 0x080
    AE = 0x100


_LETTERS: Final = {
    "S": Flags.SYN,
    "F": Flags.FIN,
    "R": Flags.RST,
    "P": Flags.PSH,
    "U": Flags.URG,
    "E": Flags.ECE,
    "W": Flags.CWR,
    "A": Flags.AE,
    ".": Flags.ACK,
}
_ACE_SHIFT: Final = 6


def read_flags(text: str) -> Flags:
    """Returns the flags that letters, `.` and an ACE counter 0 to 7 stand for; `-` is none."""
    flags = Flags(0)
    for letter in text.replace("-", ""):
        flags |= Flags(int(letter) << _ACE_SHIFT) if letter.isdigit() else _LETTERS[letter]
    return flags


def flags_text(flags: Flags) -> str:
    """Returns the letters of flags."""
    return "".join(letter for letter, flag in _LETTERS.items() if flags & flag) or "-"


class Mark(enum.Enum):
    """The ECN field of the IP header (RFC 3168); ECT01 stands for either of two."""

    NOECN = "noecn"
    ECT1 = "ect1"
    ECT0 = "ect0"
    CE = "ce"
    ECT01 = "ect01"

    @property
    def codepoints(self) -> tuple[int, ...]:
        """The values of the two bits that are meant, the one to be sent first."""
        return {"noecn": (0,), "ect1": (1,), "ect0": (2,), "ce": (3,), "ect01": (2, 1)}[self.value]


@dataclass(frozen=True, slots=True)
class IpFields:
    """Fields of the IP header that the script names; None where it says nothing."""

    mark: Mark | None = None
    tos: int | None = None
    ttl: int | None = None
    flow_label: int | None = None

    def __str__(self) -> str:
        parts = [] if self.mark is None else [self.mark.value]
        parts += [] if self.tos is None else [f"tos 0x{self.tos:x}"]
        parts += [] if self.ttl is None else [f"ttl {self.ttl}"]
        parts += [] if self.flow_label is None else [f"flowlabel 0x{self.flow_label:x}"]
        return f"[{', '.join(parts)}] " if parts else ""


@dataclass(frozen=True, slots=True)
class Sequence:
    """`first:end(length)`: numbers of the first byte and of the byte behind the last."""

    first: int
    end: int
    length: int

    def __str__(self) -> str:
        return f"{self.first}:{self.end}({self.length})"


# ---- TCP options


@dataclass(frozen=True, slots=True)
class Plain:
    """An option that has no more than its kind: nop, eol, sackOK."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Valued:
    """An option with one number: mss, wscale."""

    name: str
    value: int

    def __str__(self) -> str:
        return f"{self.name} {self.value}"


@dataclass(frozen=True, slots=True)
class Timestamps:
    """RFC 7323 section 3; None: any."""

    value: int | None
    echo: int | None

    def __str__(self) -> str:
        value, echo = ("..." if each is None else str(each) for each in (self.value, self.echo))
        return f"TS val {value} ecr {echo}"


@dataclass(frozen=True, slots=True)
class SackBlocks:
    """RFC 2018 section 3."""

    blocks: tuple[tuple[int, int], ...]

    def __str__(self) -> str:
        return "sack " + " ".join(f"{first}:{end}" for first, end in self.blocks)


@dataclass(frozen=True, slots=True)
class Octets:
    """An option of bytes: FO and FOEXP (RFC 7413), md5 (RFC 2385; no bytes: any signature), others by number."""

    name: str
    octets: bytes

    def __str__(self) -> str:
        return f"{self.name} {self.octets.hex()}".rstrip()


@dataclass(frozen=True, slots=True)
class Counters:
    """The counters of accurate ECN in the order they stand (RFC 9768 3.2.3): e0b, ceb, e1b."""

    counters: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        return " ".join(["ECN", *(f"{name} {value}" for name, value in self.counters)])


@dataclass(frozen=True, slots=True)
class Multipath:
    """An option of multipath TCP (RFC 8684), kept as text: this stack has none."""

    text: str

    def __str__(self) -> str:
        return self.text


Option = Multipath | Plain | Valued | Timestamps | SackBlocks | Octets | Counters

# ---- packets


@dataclass(frozen=True, slots=True)
class TcpPacket:
    """A segment. ports: source and destination, when named. options: None: any."""

    outbound: bool
    flags: Flags
    sequence: Sequence
    ack: int | None = None
    window: int | None = None
    urgent: int | None = None
    options: tuple[Option, ...] | None = ()
    ip: IpFields = IpFields()
    ports: tuple[int, int] | None = None

    def __str__(self) -> str:
        parts = [_direction(self.outbound, self.ip)]
        parts += [] if self.ports is None else [f"{self.ports[0]} > {self.ports[1]}"]
        parts += [flags_text(self.flags), str(self.sequence)]
        parts += [
            f"{name} {number}"
            for name, number in (("ack", self.ack), ("win", self.window), ("urg", self.urgent))
            if number is not None
        ]
        if self.options is None:
            parts.append("<...>")
        elif self.options:
            parts.append(f"<{','.join(map(str, self.options))}>")
        return " ".join(parts)


@dataclass(frozen=True, slots=True)
class UdpPacket:
    """A datagram with `length` bytes of payload."""

    outbound: bool
    length: int
    ip: IpFields = IpFields()
    ports: tuple[int, int] | None = None

    def __str__(self) -> str:
        ports = "" if self.ports is None else f"{self.ports[0]} > {self.ports[1]} "
        return f"{_direction(self.outbound, self.ip)} udp {ports}({self.length})"


@dataclass(frozen=True, slots=True)
class RawQuote:
    """What an ICMP error quotes of a packet of a protocol without ports, `length` bytes behind the IP header."""

    length: int

    def __str__(self) -> str:
        return f"raw ({self.length})"


Quoted = Sequence | RawQuote | int
"""What an ICMP error quotes: a segment, such bytes, or a datagram of so many."""


@dataclass(frozen=True, slots=True)
class IcmpPacket:
    """An ICMP message. quoted: the segment whose header it carries, or the length of a datagram; None: the last."""

    outbound: bool
    kind: str
    code: str | None = None
    next_mtu: int | None = None
    quoted: Quoted | None = None
    version: int = 4
    ip: IpFields = IpFields()
    echo_id: int | None = None

    def __str__(self) -> str:
        parts = [_direction(self.outbound, self.ip)]
        if self.quoted is not None:
            parts.append(f"[udp ({self.quoted})]" if isinstance(self.quoted, int) else f"[{self.quoted}]")
        parts += ["icmp" if self.version == 4 else "icmpv6", self.kind]
        parts += [] if self.code is None else [self.code]
        parts += [] if self.next_mtu is None else [f"mtu {self.next_mtu}"]
        parts += [] if self.echo_id is None else [f"id {self.echo_id}"]
        return " ".join(parts)


@dataclass(frozen=True, slots=True)
class ForeignPacket:
    """A packet of what this stack does not have: `text` as the script writes it, `what` in words."""

    outbound: bool
    text: str
    what: str = field(compare=False, default="")
    ip: IpFields = IpFields()

    def __str__(self) -> str:
        return f"{_direction(self.outbound, IpFields())} {self.text}"


Packet = TcpPacket | UdpPacket | IcmpPacket | ForeignPacket


def _direction(outbound: bool, ip: IpFields) -> str:
    return f"{'>' if outbound else '<'} {ip}".rstrip()
