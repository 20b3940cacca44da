"""Addresses, 128 bits wide; an IPv4 address is held as ::ffff:a.b.c.d (RFC 4291 2.5.5.2)."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from netcore.wire.octets cimport store32

cdef struct address_t:
    uint64_t high
    uint64_t low


cdef inline address_t address_of_ipv4(uint32_t host_order) noexcept nogil:
    cdef address_t address
    address.high = 0
    address.low = (<uint64_t> 0xffff << 32) | host_order
    return address


cdef inline bint is_ipv4(const address_t* address) noexcept nogil:
    return address.high == 0 and (address.low >> 32) == 0xffff


cdef inline uint32_t ipv4_of_address(const address_t* address) noexcept nogil:
    return <uint32_t> address.low


cdef inline bint same_address(const address_t* left, const address_t* right) noexcept nogil:
    return left.low == right.low and left.high == right.high


cdef inline bint is_unspecified(const address_t* address) noexcept nogil:
    """0.0.0.0 or ::"""
    return address.high == 0 and (address.low == 0 or address.low == <uint64_t> 0xffff << 32)


cdef inline void store_ipv4(uint8_t* octets, const address_t* address) noexcept nogil:
    store32(octets, ipv4_of_address(address))


cdef inline bint is_unicast_ipv4(uint32_t host_order) noexcept nogil:
    """May stand as the source of a packet that wants an answer (RFC 1122 3.2.1.3): not 0/8, 127/8, 224/3."""
    return (host_order >> 24) != 0 and (host_order >> 24) != 127 and (host_order >> 29) != 7
