"""ICMP for IPv4 (RFC 792)."""

from libc.stdint cimport uint8_t
from netcore.wire.checksum cimport finish, sum_octets
from netcore.wire.octets cimport store16

cdef enum:
    ICMP_HEADER_LENGTH = 8
    ICMP_ECHO_REPLY = 0
    ICMP_UNREACHABLE = 3
    ICMP_SOURCE_QUENCH = 4
    ICMP_REDIRECT = 5
    ICMP_ECHO_REQUEST = 8
    ICMP_TIME_EXCEEDED = 11
    ICMP_PARAMETER_PROBLEM = 12
    CODE_NET_UNREACHABLE = 0
    CODE_HOST_UNREACHABLE = 1
    CODE_PROTOCOL_UNREACHABLE = 2
    CODE_PORT_UNREACHABLE = 3
    CODE_FRAGMENTATION_NEEDED = 4
    CODE_REASSEMBLY_TIME_EXCEEDED = 1


cdef inline bint is_icmp_sound(const uint8_t* octets, size_t length) noexcept nogil:
    """Whole header and right checksum."""
    return length >= ICMP_HEADER_LENGTH and finish(sum_octets(octets, length, 0)) == 0


cdef inline bint is_icmp_error(uint8_t kind) noexcept nogil:
    """One about which no error may be sent (RFC 1122 3.2.2)."""
    return (kind == ICMP_UNREACHABLE or kind == ICMP_SOURCE_QUENCH or kind == ICMP_REDIRECT
            or kind == ICMP_TIME_EXCEEDED or kind == ICMP_PARAMETER_PROBLEM)


cdef inline void build_icmp(uint8_t* octets, size_t length, uint8_t kind, uint8_t code) noexcept nogil:
    """Type, code and checksum over `length` octets whose rest of header and body are already in place."""
    octets[0] = kind
    octets[1] = code
    store16(octets + 2, 0)
    store16(octets + 2, finish(sum_octets(octets, length, 0)))
