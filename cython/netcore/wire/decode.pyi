"""The wire layer seen from Python, for tests and dumps: the same parsers and builders that frames go through.

MAC addresses are 6 octets, IPv4 addresses 4, numbers in host order. Builders raise ValueError for a field that does not
fit its place, naming it.
"""

from typing import TypedDict, type_check_only

from typing_extensions import Buffer

@type_check_only
class EthernetFields(TypedDict):
    destination: bytes
    source: bytes
    ethertype: int
    group: bool  # broadcast or multicast
    payload: bytes

@type_check_only
class ArpFields(TypedDict):
    operation: int
    sender_mac: bytes
    sender_address: bytes
    target_mac: bytes
    target_address: bytes

@type_check_only
class Ipv4Fields(TypedDict):
    header_length: int  # bytes
    tos: int
    total_length: int  # bytes
    identification: int
    fragment: int  # flags and offset as they stand in the header
    is_fragment: bool
    ttl: int
    protocol: int
    source: bytes
    destination: bytes
    payload: bytes  # without what lies behind the total length

@type_check_only
class IcmpFields(TypedDict):
    kind: int
    code: int
    rest: bytes  # second half of the header
    payload: bytes

@type_check_only
class TcpFields(TypedDict):
    source_port: int
    destination_port: int
    seq: int
    ack: int
    flags: int
    window: int  # as it stands in the header, not scaled
    checksum: int
    urgent: int
    seg_len: int  # text, SYN and FIN
    mss: int | None
    window_scale: int | None
    sack_permitted: bool
    timestamps: tuple[int, int] | None  # TSval, TSecr
    payload: bytes

@type_check_only
class VnetFields(TypedDict):
    flags: int
    gso_type: int
    hdr_len: int
    gso_size: int
    csum_start: int
    csum_offset: int

def checksum(octets: Buffer, *pieces: Buffer) -> int:
    """The Internet checksum over one buffer, or over several as if they were one (RFC 1071)."""

def transport_checksum(source: bytes, destination: bytes, protocol: int, octets: Buffer) -> int:
    """Checksum of a transport packet with the IPv4 pseudo header before it; 0 over one whose field is right."""

def partial_checksum(source: bytes, destination: bytes, protocol: int, length: int) -> int:
    """What the field of a packet carries whose checksum the device completes (virtio NEEDS_CSUM)."""

def parse_ethernet(frame: Buffer) -> EthernetFields | None:
    """The fields of a frame (RFC 894); None when it is shorter than its header."""

def build_ethernet(destination: bytes, source: bytes, ethertype: int, payload: Buffer = b"") -> bytes:
    """A frame (RFC 894)."""

def parse_arp(packet: Buffer) -> ArpFields | None:
    """The fields of an ARP packet for IPv4 over Ethernet (RFC 826); None for anything else."""

def build_arp(
    operation: int, sender_mac: bytes, sender_address: bytes, target_mac: bytes, target_address: bytes
) -> bytes:
    """An ARP packet for IPv4 over Ethernet (RFC 826)."""

def parse_ipv4(packet: Buffer) -> Ipv4Fields | None:
    """The fields of an IPv4 packet (RFC 791); None unless it is whole and its header's checksum right."""

def build_ipv4(
    source: bytes,
    destination: bytes,
    protocol: int,
    payload: Buffer = b"",
    *,
    tos: int = 0,
    ttl: int = 64,
    identification: int = 0,
    fragment: int = 0,
) -> bytes:
    """An IPv4 packet without options (RFC 791). fragment: flags and offset as they stand in the header."""

def parse_icmp(message: Buffer) -> IcmpFields | None:
    """The fields of an ICMP message (RFC 792); None unless its header is whole and its checksum right."""

def build_icmp(kind: int, code: int, rest: bytes = b"\0\0\0\0", payload: Buffer = b"") -> bytes:
    """An ICMP message (RFC 792); `rest` is the second half of its header."""

def parse_tcp(segment: Buffer) -> TcpFields | None:
    """The fields of a TCP segment (RFC 9293 3.1); None when header or options are malformed (SEG-13).

    The checksum is not looked at: `transport_checksum` does that.
    """

def build_options(
    *, mss: int | None = None, window_scale: int | None = None, timestamps: tuple[int, int] | None = None
) -> bytes:
    """TCP options as the stack writes them, a multiple of 4 octets (RFC 9293 3.2, RFC 7323)."""

def build_tcp(
    source_port: int,
    destination_port: int,
    seq: int,
    ack: int,
    flags: int,
    window: int,
    payload: Buffer = b"",
    *,
    options: bytes = b"",
    urgent: int = 0,
    addresses: tuple[bytes, bytes] | None = None,
) -> bytes:
    """A TCP segment (RFC 9293 3.1). addresses (source, destination) give it its checksum, else the field is 0."""

def parse_vnet(header: Buffer) -> VnetFields | None:
    """The fields of a virtio-net header (virtio 1.2, 5.1.6); None when there are fewer than 10 octets."""

def build_vnet(
    *,
    flags: int = 0,
    gso_type: int = 0,
    hdr_len: int = 0,
    gso_size: int = 0,
    csum_start: int = 0,
    csum_offset: int = 0,
) -> bytes:
    """A virtio-net header of 10 octets (virtio 1.2, 5.1.6)."""
