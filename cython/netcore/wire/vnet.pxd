"""The virtio-net header before each frame of a TAP opened with IFF_VNET_HDR (virtio 1.2, 5.1.6), 10 bytes.

Its 16-bit fields are little-endian on the wire of a modern device and native on a TAP; this core runs where both agree.
"""

from libc.stdint cimport uint8_t, uint16_t
from netcore.posix cimport memcpy

cdef enum:
    VNET_HEADER_LENGTH = 10
    NEEDS_CSUM = 1
    DATA_VALID = 2
    GSO_NONE = 0
    GSO_TCPV4 = 1
    GSO_TCPV6 = 4
    GSO_ECN = 0x80

cdef struct vnet_header_t:
    uint8_t flags
    uint8_t gso_type
    uint16_t hdr_len
    uint16_t gso_size
    uint16_t csum_start
    uint16_t csum_offset


cdef inline void parse_vnet(const uint8_t* octets, vnet_header_t* header) noexcept nogil:
    header.flags = octets[0]
    header.gso_type = octets[1]
    memcpy(&header.hdr_len, octets + 2, 2)
    memcpy(&header.gso_size, octets + 4, 2)
    memcpy(&header.csum_start, octets + 6, 2)
    memcpy(&header.csum_offset, octets + 8, 2)


cdef inline void build_vnet(uint8_t* octets, const vnet_header_t* header) noexcept nogil:
    octets[0] = header.flags
    octets[1] = header.gso_type
    memcpy(octets + 2, &header.hdr_len, 2)
    memcpy(octets + 4, &header.gso_size, 2)
    memcpy(octets + 6, &header.csum_start, 2)
    memcpy(octets + 8, &header.csum_offset, 2)
