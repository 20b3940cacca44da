"""Segments as the tests write and read them: scapy builds and takes apart the bytes."""

from dataclasses import dataclass, field
from typing import Any

from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.packet import Packet

MODULUS = 1 << 32
VNET_LENGTH = 10


def distance(later: int, earlier: int) -> int:
    """How far `later` lies behind `earlier` in sequence space, -2**31 to 2**31-1."""
    return (later - earlier + (MODULUS >> 1)) % MODULUS - (MODULUS >> 1)


def sum_of(octets: bytes) -> int:
    """The Internet checksum's one's complement sum (RFC 1071) of octets that hold their checksum: 0xffff when right."""
    padded = octets + b"\0" * (len(octets) % 2)
    total = sum(int.from_bytes(padded[at : at + 2], "big") for at in range(0, len(padded), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@dataclass(frozen=True)
class VnetHeader:
    """The virtio-net header of a frame (virtio 1.2, 5.1.6), without the merge count."""

    flags: int = 0
    gso_type: int = 0
    hdr_len: int = 0
    gso_size: int = 0
    csum_start: int = 0
    csum_offset: int = 0

    @classmethod
    def parse(cls, octets: bytes) -> "VnetHeader":
        """Reads the ten octets."""
        numbers = [int.from_bytes(octets[at : at + 2], "little") for at in range(2, VNET_LENGTH, 2)]
        return cls(octets[0], octets[1], *numbers)

    def build(self) -> bytes:
        """The ten octets."""
        numbers = (self.hdr_len, self.gso_size, self.csum_start, self.csum_offset)
        return bytes((self.flags, self.gso_type)) + b"".join(number.to_bytes(2, "little") for number in numbers)


@dataclass(frozen=True)
class Segment:
    """One segment that the engine sent, numbers relative to the two initial sequence numbers."""

    flags: str
    seq: int
    ack: int
    window: int
    text: bytes
    options: dict[str, Any]
    source_port: int
    destination_port: int
    packet: Packet
    vnet: VnetHeader | None
    # start and end of each SACK block (RFC 2018), in the peer's numbers
    blocks: tuple[tuple[int, int], ...] = ()

    def __str__(self) -> str:
        text = f" text[{len(self.text)}]" if self.text else ""
        blocks = f" blocks={self.blocks}" if self.blocks else ""
        return f"<{self.flags} seq={self.seq} ack={self.ack} window={self.window}{text}{blocks} {self.options or ''}>"


@dataclass(frozen=True)
class Wanted:
    """What a test expects of one segment; None: anything will do."""

    flags: str
    seq: int | None = None
    ack: int | None = None
    text: bytes | None = b""
    length: int | None = None
    window: int | None = None
    options: dict[str, Any] = field(default_factory=dict)
    blocks: tuple[tuple[int, int], ...] | None = None

    def mismatch(self, found: Segment) -> str:
        """What is wrong with the segment that was found; empty when it fits."""
        wrong = []
        if found.flags != self.flags:
            wrong.append(f"flags are {found.flags}, not {self.flags}")
        for name in ("seq", "ack", "window", "blocks"):
            wanted = getattr(self, name)
            if wanted is not None and getattr(found, name) != wanted:
                wrong.append(f"{name} is {getattr(found, name)}, not {wanted}")
        if self.length is not None:
            if len(found.text) != self.length:
                wrong.append(f"text has {len(found.text)} bytes, not {self.length}")
        elif self.text is not None and found.text != self.text:
            wrong.append(f"text is {found.text[:40]!r}[{len(found.text)}], not {self.text[:40]!r}[{len(self.text)}]")
        for name, value in self.options.items():
            if found.options.get(name) != value:
                wrong.append(f"option {name} is {found.options.get(name)}, not {value}")
        return "; ".join(wrong)


def wanted(flags: str, **fields: Any) -> Wanted:
    """`wanted("A", seq=1, ack=1, text=b"...")`; `length` in place of `text` when the content does not matter."""
    return Wanted(flags, **fields)


def read_segment(packet: bytes, vnet: VnetHeader | None, our_base: int, peer_base: int) -> Segment:
    """Takes apart an IPv4 packet with a TCP segment and checks both checksums.

    our_base, peer_base: initial sequence numbers of the engine and of the scripted peer.
    """
    ip = IP(packet)
    tcp = ip[TCP]
    header = (packet[0] & 15) * 4
    assert ip.len == len(packet), f"total length {ip.len} of a packet of {len(packet)} bytes"
    assert sum_of(packet[:header]) == 0xFFFF, "the IPv4 header's checksum is wrong"
    if vnet is None or not vnet.flags & 1:
        pseudo = packet[12:20] + bytes((0, 6)) + (len(packet) - header).to_bytes(2, "big")
        assert sum_of(pseudo + packet[header:]) == 0xFFFF, "the TCP checksum is wrong"
    flags = str(tcp.flags)
    options = {name: value for name, value in tcp.options if name not in ("NOP", "EOL")}
    edges = [distance(edge, peer_base) for edge in options.pop("SAck", ())]
    text = packet[header + tcp.dataofs * 4 :]
    return Segment(
        flags=flags,
        seq=distance(tcp.seq, our_base),
        ack=distance(tcp.ack, peer_base) if "A" in flags else 0,
        window=tcp.window,
        text=text,
        options=options,
        source_port=tcp.sport,
        destination_port=tcp.dport,
        packet=ip,
        vnet=vnet,
        blocks=tuple(zip(edges[::2], edges[1::2], strict=True)),
    )


def link_header(destination: str, source: str) -> Packet:
    """An Ethernet header for IPv4."""
    return Ether(dst=destination, src=source, type=0x0800)
