"""Addresses and routes of a host with one interface: its own prefix is on the link, the rest goes by the gateway."""

from libc.stdint cimport uint32_t, uint64_t
from netcore.wire.address cimport address_t, ipv4_of_address, is_ipv4, is_unicast_ipv4, is_unspecified

cdef struct interface_t:
    # 0 where frames carry no Ethernet header
    uint64_t mac
    address_t address
    address_t gateway
    bint has_gateway
    # the first bits of an IPv4 address that are the link's
    uint32_t netmask
    uint32_t mtu
    bint ethernet


cdef inline uint32_t netmask_of(int prefix) noexcept nogil:
    return 0 if prefix == 0 else <uint32_t> 0xffffffffU << (32 - prefix)


cdef inline bint is_on_link(const interface_t* interface, const address_t* destination) noexcept nogil:
    return ((ipv4_of_address(destination) ^ ipv4_of_address(&interface.address)) & interface.netmask) == 0


cdef inline bint is_broadcast(const interface_t* interface, const address_t* destination) noexcept nogil:
    """Limited broadcast, or all ones or all zeros behind the link's prefix (/31 and /32 have none, RFC 3021)."""
    cdef uint32_t host = ipv4_of_address(destination) & ~interface.netmask
    if ipv4_of_address(destination) == 0xffffffffU:
        return True
    return (interface.netmask < 0xfffffffeU and is_on_link(interface, destination)
            and (host == 0 or host == ~interface.netmask))


cdef inline bint is_worth_an_answer(const interface_t* interface, const address_t* source) noexcept nogil:
    """A unicast address of somebody else (RFC 1122 3.2.1.3, SEG-9)."""
    return (is_ipv4(source) and is_unicast_ipv4(ipv4_of_address(source)) and not is_broadcast(interface, source)
            and source.low != interface.address.low)


cdef inline bint next_hop(const interface_t* interface, const address_t* destination, address_t* hop) noexcept nogil:
    """False when there is no route."""
    if not is_ipv4(destination) or is_unspecified(destination):
        return False
    if is_on_link(interface, destination):
        hop[0] = destination[0]
        return True
    hop[0] = interface.gateway
    return interface.has_gateway
