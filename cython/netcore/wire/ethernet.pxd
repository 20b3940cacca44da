"""Ethernet II frames (RFC 894)."""

from libc.stdint cimport uint8_t, uint16_t, uint64_t
from netcore.wire.octets cimport load16, load32, store16, store32

cdef enum:
    ETHERNET_HEADER_LENGTH = 14
    ETHERTYPE_IPV4 = 0x0800
    ETHERTYPE_ARP = 0x0806
    ETHERTYPE_IPV6 = 0x86dd

# a MAC address as a number: its first octet is the highest of the low 48 bits
cdef inline uint64_t broadcast_mac() noexcept nogil:
    return <uint64_t> 0xffffffffffff


cdef inline uint64_t load_mac(const uint8_t* octets) noexcept nogil:
    return (<uint64_t> load16(octets) << 32) | load32(octets + 2)


cdef inline void store_mac(uint8_t* octets, uint64_t mac) noexcept nogil:
    store16(octets, <uint16_t> (mac >> 32))
    store32(octets + 2, <unsigned int> mac)


cdef inline bint is_group_mac(uint64_t mac) noexcept nogil:
    """Broadcast or multicast: the I/G bit of the first octet."""
    return (mac >> 40) & 1


cdef inline void build_ethernet(uint8_t* octets, uint64_t destination, uint64_t source, uint16_t kind) noexcept nogil:
    store_mac(octets, destination)
    store_mac(octets + 6, source)
    store16(octets + 12, kind)
