"""Segments as plain tuples, built and read without a library: the model and the stack exchange many of them."""

import ipaddress
import struct
from typing import Final, NamedTuple

HOST: Final = ipaddress.IPv4Address("10.0.0.1").packed
PEER: Final = ipaddress.IPv4Address("10.0.0.7").packed
MODULUS: Final = 1 << 32

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
_NAMES: Final = ((SYN, "S"), (FIN, "F"), (RST, "R"), (PSH, "P"), (ACK, "A"))


class Segment(NamedTuple):
    """One segment between port `client` of the peer and port `host` of the host; time: when it left, in ns."""

    client: int
    host: int
    flags: str
    seq: int
    ack: int
    length: int
    time: int


def _checksum(octets: bytes) -> int:
    total = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def build(client: int, host: int, flags: int, seq: int, ack: int, text: bytes = b"") -> bytes:
    """Returns an IPv4 packet from the peer to the host."""
    size = 20 + len(text)
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + size, 0, 0, 64, 6, 0, PEER, HOST)
    header = header[:10] + _checksum(header).to_bytes(2, "big") + header[12:]
    ports = struct.pack(">HHII", client, host, seq % MODULUS, ack % MODULUS)
    segment = ports + struct.pack(">BBHHH", 0x50, flags, 65535, 0, 0) + text
    pseudo = PEER + HOST + struct.pack(">HH", 6, size)
    sum_ = _checksum(pseudo + segment + b"\0" * (size & 1))
    return header + segment[:16] + sum_.to_bytes(2, "big") + segment[18:]


def read(packet: bytes, time: int) -> Segment:
    """Returns what the host has sent at `time`."""
    header = (packet[0] & 15) * 4
    host, client, seq, ack, offset, flags = struct.unpack_from(">HHIIBB", packet, header)
    length = int.from_bytes(packet[2:4], "big") - header - (offset >> 4) * 4
    names = "".join(name for bit, name in _NAMES if flags & bit)
    return Segment(client, host, names, seq, ack if flags & ACK else 0, length, time)
