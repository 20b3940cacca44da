"""The Internet checksum (RFC 1071), summed in wide native lanes.

A sum is a uint64_t of native 16-bit words; `finish` folds it and gives the checksum as a host-order number.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from netcore.posix cimport memcpy

cdef extern from "<arpa/inet.h>" nogil:
    uint16_t ntohs(uint16_t value)
    uint16_t htons(uint16_t value)


cdef inline uint16_t fold(uint64_t total) noexcept nogil:
    """The ones' complement sum in 16 bits, native order."""
    total = (total & 0xffffffffU) + (total >> 32)
    total = (total & 0xffffffffU) + (total >> 32)
    total = (total & 0xffff) + (total >> 16)
    total = (total & 0xffff) + (total >> 16)
    return <uint16_t> total


cdef inline uint64_t sum_octets(const uint8_t* octets, size_t length, uint64_t total) noexcept nogil:
    """Adds `length` octets that begin at an even offset of the summed data."""
    cdef uint32_t lanes[8]
    cdef uint64_t even = 0, odd = 0
    cdef uint16_t word
    while length >= 32:
        memcpy(lanes, octets, 32)
        even += <uint64_t> lanes[0] + lanes[2] + lanes[4] + lanes[6]
        odd += <uint64_t> lanes[1] + lanes[3] + lanes[5] + lanes[7]
        octets += 32
        length -= 32
    while length >= 4:
        memcpy(lanes, octets, 4)
        even += lanes[0]
        octets += 4
        length -= 4
    if length >= 2:
        memcpy(&word, octets, 2)
        even += word
        octets += 2
        length -= 2
    if length:
        # RFC 1071 1: the last odd octet is padded with a zero octet behind it
        even += htons(<uint16_t> (octets[0] << 8))
    # each part folded to 32 bits first, so that a long chain of sums cannot overflow
    return (total & 0xffffffffU) + (total >> 32) + fold(even) + fold(odd)


cdef inline uint64_t sum_piece(const uint8_t* octets, size_t length, uint64_t total, bint odd) noexcept nogil:
    """Adds a piece of gathered data; `odd`: it begins at an odd offset, so its words are swapped (RFC 1071 2.B)."""
    cdef uint16_t folded
    if not odd:
        return sum_octets(octets, length, total)
    folded = fold(sum_octets(octets, length, 0))
    return total + <uint16_t> ((folded << 8) | (folded >> 8))


cdef inline uint64_t sum_pseudo_header4(const uint8_t* source, const uint8_t* destination, uint8_t protocol,
                                        uint32_t length) noexcept nogil:
    """The IPv4 pseudo header (RFC 9293 3.1): addresses as 4 octets each, `length` of the transport packet in bytes."""
    return sum_octets(source, 4, sum_octets(destination, 4, 0)) + htons(protocol) + htons(<uint16_t> length)


cdef inline uint16_t finish(uint64_t total) noexcept nogil:
    """The checksum field in host order; a correct packet, field included, finishes to 0."""
    return ntohs(<uint16_t> ~fold(total))


cdef inline uint16_t finish_partial(uint64_t total) noexcept nogil:
    """What a NEEDS_CSUM packet carries in its field: the sum of the pseudo header alone, not complemented."""
    return ntohs(fold(total))
