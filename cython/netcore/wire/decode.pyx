"""The wire layer seen from Python, for tests and dumps: the same parsers and builders that frames go through.

What is parsed is copied into a block of exactly its size first, so that a sanitizer sees every read beyond the end.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from netcore.posix cimport free, malloc, memcpy
from netcore.wire cimport arp as arp_wire
from netcore.wire cimport ethernet as ethernet_wire
from netcore.wire cimport icmp as icmp_wire
from netcore.wire cimport ipv4 as ipv4_wire
from netcore.wire cimport tcp as tcp_wire
from netcore.wire cimport vnet as vnet_wire
from netcore.wire.checksum cimport finish, finish_partial, sum_octets, sum_piece, sum_pseudo_header4
from netcore.wire.octets cimport load16, load32, store32


cdef class _Block:
    """Octets on the heap, not one more than there are."""
    cdef uint8_t* octets
    cdef size_t length

    def __cinit__(self, const uint8_t[::1] data not None):
        self.length = data.shape[0]
        self.octets = <uint8_t*> malloc(self.length)
        if self.octets == NULL and self.length:
            raise MemoryError
        if self.length:
            memcpy(self.octets, &data[0], self.length)

    def __dealloc__(self):
        free(self.octets)

    cdef bytes part(self, size_t start, size_t end):
        return PyBytes_FromStringAndSize(<char*> self.octets + start, <Py_ssize_t> (end - start))


cdef object whole(str name, object value, object bits):
    """The value, or ValueError with the field's name."""
    if not 0 <= value < 1 << bits:
        raise ValueError(f"{name} is {value}, but must fit {bits} bits")
    return value


cdef uint64_t mac_of(str name, bytes octets) except? 0xdead:
    if len(octets) != 6:
        raise ValueError(f"{name} is {octets!r}, but must be 6 octets")
    return ethernet_wire.load_mac(octets)


cdef bytes octets_of_mac(uint64_t mac):
    cdef uint8_t octets[6]
    ethernet_wire.store_mac(octets, mac)
    return octets[:6]


cdef uint32_t ipv4_of(str name, bytes octets) except? 0xdead:
    if len(octets) != 4:
        raise ValueError(f"{name} is {octets!r}, but must be 4 octets")
    return load32(octets)


cdef bytes octets_of_ipv4(uint32_t address):
    cdef uint8_t octets[4]
    store32(octets, address)
    return octets[:4]


def checksum(octets, *pieces) -> int:
    """The Internet checksum over one buffer, or over several as if they were one (RFC 1071)."""
    cdef _Block block = _Block(octets)
    cdef uint64_t total = sum_octets(block.octets, block.length, 0)
    cdef size_t at = block.length
    for piece in pieces:
        block = _Block(piece)
        total = sum_piece(block.octets, block.length, total, (at & 1) != 0)
        at += block.length
    return finish(total)


cdef uint64_t sum_addresses(bytes source, bytes destination, int protocol, size_t length) except? 0xdead:
    ipv4_of("source", source)
    ipv4_of("destination", destination)
    whole("protocol", protocol, 8)
    whole("length", length, 16)
    return sum_pseudo_header4(source, destination, <uint8_t> protocol, <uint32_t> length)


def transport_checksum(bytes source not None, bytes destination not None, int protocol, octets) -> int:
    """Checksum of a transport packet with the IPv4 pseudo header before it; 0 over one whose field is right."""
    cdef _Block block = _Block(octets)
    return finish(sum_octets(block.octets, block.length, sum_addresses(source, destination, protocol, block.length)))


def partial_checksum(bytes source not None, bytes destination not None, int protocol, length) -> int:
    """What the field of a packet carries whose checksum the device completes (virtio NEEDS_CSUM)."""
    return finish_partial(sum_addresses(source, destination, protocol, length))


def parse_ethernet(frame) -> dict | None:
    """The fields of a frame; None when it is shorter than its header."""
    cdef _Block block = _Block(frame)
    if block.length < ethernet_wire.ETHERNET_HEADER_LENGTH:
        return None
    return {
        "destination": octets_of_mac(ethernet_wire.load_mac(block.octets)),
        "source": octets_of_mac(ethernet_wire.load_mac(block.octets + 6)),
        "ethertype": load16(block.octets + 12),
        "group": bool(ethernet_wire.is_group_mac(ethernet_wire.load_mac(block.octets))),
        "payload": block.part(ethernet_wire.ETHERNET_HEADER_LENGTH, block.length),
    }


def build_ethernet(bytes destination not None, bytes source not None, ethertype, payload=b"") -> bytes:
    """A frame."""
    cdef uint8_t octets[14]
    ethernet_wire.build_ethernet(octets, mac_of("destination", destination), mac_of("source", source),
                                 whole("ethertype", ethertype, 16))
    return octets[:14] + bytes(payload)


def parse_arp(packet) -> dict | None:
    """The fields of an ARP packet for IPv4 over Ethernet; None for anything else."""
    cdef _Block block = _Block(packet)
    cdef arp_wire.arp_t arp
    if not arp_wire.parse_arp(block.octets, block.length, &arp):
        return None
    return {
        "operation": arp.operation,
        "sender_mac": octets_of_mac(arp.sender_mac),
        "sender_address": octets_of_ipv4(arp.sender_address),
        "target_mac": octets_of_mac(arp.target_mac),
        "target_address": octets_of_ipv4(arp.target_address),
    }


def build_arp(operation, bytes sender_mac not None, bytes sender_address not None, bytes target_mac not None,
              bytes target_address not None) -> bytes:
    """An ARP packet for IPv4 over Ethernet."""
    cdef uint8_t octets[28]
    cdef arp_wire.arp_t arp
    arp.operation = whole("operation", operation, 16)
    arp.sender_mac = mac_of("sender_mac", sender_mac)
    arp.sender_address = ipv4_of("sender_address", sender_address)
    arp.target_mac = mac_of("target_mac", target_mac)
    arp.target_address = ipv4_of("target_address", target_address)
    arp_wire.build_arp(octets, &arp)
    return octets[:28]


def parse_ipv4(packet) -> dict | None:
    """The fields of an IPv4 packet; None unless it is whole and its header's checksum right."""
    cdef _Block block = _Block(packet)
    cdef ipv4_wire.ipv4_t header
    if not ipv4_wire.parse_ipv4(block.octets, block.length, &header):
        return None
    return {
        "header_length": header.header_length,
        "tos": header.tos,
        "total_length": header.total_length,
        "identification": header.identification,
        "fragment": header.fragment,
        "is_fragment": bool(ipv4_wire.is_fragment(&header)),
        "ttl": header.ttl,
        "protocol": header.protocol,
        "source": octets_of_ipv4(header.source),
        "destination": octets_of_ipv4(header.destination),
        "payload": block.part(header.header_length, header.total_length),
    }


def build_ipv4(bytes source not None, bytes destination not None, protocol, payload=b"", *, tos=0, ttl=64,
               identification=0, fragment=0) -> bytes:
    """An IPv4 packet without options."""
    cdef uint8_t octets[20]
    cdef ipv4_wire.ipv4_t header
    header.header_length = 20
    header.tos = whole("tos", tos, 8)
    header.total_length = whole("total length", 20 + len(payload), 16)
    header.identification = whole("identification", identification, 16)
    header.fragment = whole("fragment", fragment, 16)
    header.ttl = whole("ttl", ttl, 8)
    header.protocol = whole("protocol", protocol, 8)
    header.source = ipv4_of("source", source)
    header.destination = ipv4_of("destination", destination)
    ipv4_wire.build_ipv4(octets, &header)
    return octets[:20] + bytes(payload)


def parse_icmp(message) -> dict | None:
    """The fields of an ICMP message; None unless its header is whole and its checksum right."""
    cdef _Block block = _Block(message)
    if not icmp_wire.is_icmp_sound(block.octets, block.length):
        return None
    return {
        "kind": block.octets[0],
        "code": block.octets[1],
        "rest": block.part(4, 8),
        "payload": block.part(8, block.length),
    }


def build_icmp(kind, code, bytes rest=b"\0\0\0\0", payload=b"") -> bytes:
    """An ICMP message; `rest` is the second half of its header."""
    cdef _Block block
    if len(rest) != 4:
        raise ValueError(f"rest is {rest!r}, but must be 4 octets")
    block = _Block(bytes(4) + rest + bytes(payload))
    icmp_wire.build_icmp(block.octets, block.length, whole("kind", kind, 8), whole("code", code, 8))
    return block.part(0, block.length)


def parse_tcp(segment) -> dict | None:
    """The fields of a TCP segment; None when header or options are malformed. The checksum is not looked at."""
    cdef _Block block = _Block(segment)
    cdef tcp_wire.segment_t seg
    if not tcp_wire.parse_tcp(block.octets, <uint32_t> block.length, &seg):
        return None
    return {
        "source_port": seg.source_port,
        "destination_port": seg.destination_port,
        "seq": seg.seq,
        "ack": seg.ack,
        "flags": seg.flags,
        "window": seg.wnd,
        "checksum": load16(block.octets + 16),
        "urgent": seg.up,
        "seg_len": seg.seg_len,
        "mss": seg.mss if seg.has_mss else None,
        "window_scale": seg.window_scale if seg.has_window_scale else None,
        "sack_permitted": bool(seg.sack_permitted),
        "timestamps": (seg.tsval, seg.tsecr) if seg.has_timestamps else None,
        "payload": block.part(block.length - seg.text_length, block.length),
    }


def build_options(*, mss=None, window_scale=None, timestamps=None) -> bytes:
    """TCP options as the stack writes them, a multiple of 4 octets."""
    cdef uint8_t octets[40]
    cdef int at = 0
    if mss is not None:
        at += tcp_wire.put_mss(octets + at, whole("mss", mss, 16))
    if window_scale is not None:
        at += tcp_wire.put_window_scale(octets + at, whole("window_scale", window_scale, 8))
    if timestamps is not None:
        at += tcp_wire.put_timestamps(octets + at, whole("tsval", timestamps[0], 32),
                                      whole("tsecr", timestamps[1], 32))
    return octets[:at]


def build_tcp(source_port, destination_port, seq, ack, flags, window, payload=b"", *, bytes options=b"", urgent=0,
              addresses=None) -> bytes:
    """A TCP segment. addresses (source, destination) give it its checksum, else the field is 0."""
    cdef uint8_t octets[20]
    cdef size_t header_length = 20 + len(options)
    cdef bytearray segment
    if header_length % 4 or header_length > 60:
        raise ValueError(f"options have {len(options)} octets, but must be a multiple of 4 up to 40")
    tcp_wire.build_tcp(octets, whole("source_port", source_port, 16), whole("destination_port", destination_port, 16),
                       whole("seq", seq, 32), whole("ack", ack, 32), <uint8_t> header_length, whole("flags", flags, 9),
                       whole("window", window, 16), whole("urgent", urgent, 16))
    segment = bytearray(octets[:20] + options + bytes(payload))
    if addresses is not None:
        segment[16:18] = transport_checksum(*addresses, 6, segment).to_bytes(2, "big")
    return bytes(segment)


def parse_vnet(header) -> dict | None:
    """The fields of a virtio-net header; None when there are fewer than 10 octets."""
    cdef _Block block = _Block(header)
    cdef vnet_wire.vnet_header_t vnet
    if block.length < vnet_wire.VNET_HEADER_LENGTH:
        return None
    vnet_wire.parse_vnet(block.octets, &vnet)
    return vnet


def build_vnet(*, flags=0, gso_type=0, hdr_len=0, gso_size=0, csum_start=0, csum_offset=0) -> bytes:
    """A virtio-net header of 10 octets."""
    cdef uint8_t octets[10]
    cdef vnet_wire.vnet_header_t vnet
    vnet.flags = whole("flags", flags, 9)
    vnet.gso_type = whole("gso_type", gso_type, 8)
    vnet.hdr_len = whole("hdr_len", hdr_len, 16)
    vnet.gso_size = whole("gso_size", gso_size, 16)
    vnet.csum_start = whole("csum_start", csum_start, 16)
    vnet.csum_offset = whole("csum_offset", csum_offset, 16)
    vnet_wire.build_vnet(octets, &vnet)
    return octets[:10]
