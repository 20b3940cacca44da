"""IPv4 headers (RFC 791), read with the checks of RFC 1122 3.2.1."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from netcore.wire.checksum cimport finish, fold, sum_octets, sum_twenty
from netcore.wire.octets cimport load16, load32, store16, store32

cdef enum:
    IPV4_HEADER_LENGTH = 20
    PROTOCOL_ICMP = 1
    PROTOCOL_TCP = 6
    PROTOCOL_UDP = 17
    IPV4_DONT_FRAGMENT = 0x4000
    IPV4_MORE_FRAGMENTS = 0x2000
    # of ipv4_t.fragment, in units of 8 octets
    IPV4_FRAGMENT_OFFSET = 0x1fff
    # the ECN field, the low two bits of tos (RFC 3168 5)
    ECN_FIELD = 3
    NOT_ECT = 0
    ECT_1 = 1
    ECT_0 = 2
    PACKET_CE = 3

cdef struct ipv4_t:
    uint8_t header_length
    uint8_t tos
    uint8_t ttl
    uint8_t protocol
    uint16_t total_length
    uint16_t identification
    uint16_t fragment
    uint32_t source
    uint32_t destination


cdef inline bint parse_ipv4(const uint8_t* octets, size_t length, ipv4_t* header) noexcept nogil:
    """False for anything that is not a whole, well-summed IPv4 packet. Octets past the total length are padding."""
    if length < IPV4_HEADER_LENGTH or (octets[0] >> 4) != 4:
        return False
    header.header_length = (octets[0] & 15) * 4
    header.total_length = load16(octets + 2)
    if header.header_length < IPV4_HEADER_LENGTH or header.total_length < header.header_length:
        return False
    if header.total_length > length:
        return False
    if finish(sum_twenty(octets) if header.header_length == IPV4_HEADER_LENGTH
              else sum_octets(octets, header.header_length, 0)) != 0:
        return False
    header.tos = octets[1]
    header.identification = load16(octets + 4)
    header.fragment = load16(octets + 6)
    header.ttl = octets[8]
    header.protocol = octets[9]
    header.source = load32(octets + 12)
    header.destination = load32(octets + 16)
    return True


cdef inline bint parse_quoted_ipv4(const uint8_t* octets, size_t length, ipv4_t* header) noexcept nogil:
    """The header that an ICMP error quotes: the packet behind it is cut off, its checksum was the router's to judge."""
    if length < IPV4_HEADER_LENGTH or (octets[0] >> 4) != 4:
        return False
    header.header_length = (octets[0] & 15) * 4
    header.total_length = load16(octets + 2)
    if header.header_length < IPV4_HEADER_LENGTH or header.header_length > length:
        return False
    header.tos = octets[1]
    header.identification = load16(octets + 4)
    header.fragment = load16(octets + 6)
    header.ttl = octets[8]
    header.protocol = octets[9]
    header.source = load32(octets + 12)
    header.destination = load32(octets + 16)
    return True


cdef inline void sum_header_anew(uint8_t* octets) noexcept nogil:
    """Puts the checksum of a changed header right."""
    store16(octets + 10, 0)
    store16(octets + 10, finish(sum_octets(octets, (octets[0] & 15) * 4, 0)))


cdef inline bint is_fragment(const ipv4_t* header) noexcept nogil:
    return (header.fragment & 0x3fff) != 0


cdef inline void build_ipv4(uint8_t* octets, const ipv4_t* header) noexcept nogil:
    """Twenty octets, checksum included; header_length is taken as 20."""
    # of the fields, not of what was just stored: a load wider than the stores before it waits for all of them
    cdef uint64_t total = ((0x4500 | header.tos) + header.total_length + header.identification + header.fragment
                           + (header.ttl << 8 | header.protocol) + (header.source >> 16) + (header.source & 0xffff)
                           + (header.destination >> 16) + (header.destination & 0xffff))
    store32(octets, 0x45000000U | <uint32_t> header.tos << 16 | header.total_length)
    store32(octets + 4, <uint32_t> header.identification << 16 | header.fragment)
    store32(octets + 8, <uint32_t> header.ttl << 24 | <uint32_t> header.protocol << 16 | <uint16_t> ~fold(total))
    store32(octets + 12, header.source)
    store32(octets + 16, header.destination)


cdef inline bint mark_congestion(uint8_t* octets, size_t length) noexcept nogil:
    """Sets CE (RFC 3168 5). False when the packet is no IPv4, or its sender does not understand ECN."""
    cdef uint32_t total
    if length < IPV4_HEADER_LENGTH or (octets[0] >> 4) != 4 or (octets[1] & 3) == 0:
        return False
    # RFC 1624 eq. 3, so that a header that was damaged stays so: HC' = ~(~HC + ~m + m')
    total = (~load16(octets + 10) & 0xffff) + (~load16(octets) & 0xffff)
    octets[1] |= 3
    total += load16(octets)
    total = (total & 0xffff) + (total >> 16)
    total = (total & 0xffff) + (total >> 16)
    store16(octets + 10, <uint16_t> ~total)
    return True
