"""ARP for IPv4 over Ethernet (RFC 826)."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from netcore.wire.ethernet cimport ETHERTYPE_IPV4, load_mac, store_mac
from netcore.wire.octets cimport load16, load32, store16, store32

cdef enum:
    ARP_LENGTH = 28
    ARP_REQUEST = 1
    ARP_REPLY = 2

cdef struct arp_t:
    uint16_t operation
    uint64_t sender_mac
    uint64_t target_mac
    uint32_t sender_address
    uint32_t target_address


cdef inline bint parse_arp(const uint8_t* octets, size_t length, arp_t* arp) noexcept nogil:
    """False unless this is a whole ARP packet for IPv4 over Ethernet."""
    if length < ARP_LENGTH or load16(octets) != 1 or load16(octets + 2) != ETHERTYPE_IPV4:
        return False
    if octets[4] != 6 or octets[5] != 4:
        return False
    arp.operation = load16(octets + 6)
    arp.sender_mac = load_mac(octets + 8)
    arp.sender_address = load32(octets + 14)
    arp.target_mac = load_mac(octets + 18)
    arp.target_address = load32(octets + 24)
    return True


cdef inline void build_arp(uint8_t* octets, const arp_t* arp) noexcept nogil:
    store16(octets, 1)
    store16(octets + 2, ETHERTYPE_IPV4)
    octets[4] = 6
    octets[5] = 4
    store16(octets + 6, arp.operation)
    store_mac(octets + 8, arp.sender_mac)
    store32(octets + 14, arp.sender_address)
    store_mac(octets + 18, arp.target_mac)
    store32(octets + 24, arp.target_address)
