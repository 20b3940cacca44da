"""The Internet checksum (RFC 1071), summed in wide native lanes.

A sum is a uint64_t of native 16-bit words; `finish` folds it and gives the checksum as a host-order number.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from netcore.lanes cimport LANES_OCTETS, sum_halves
from netcore.posix cimport memcpy

cdef enum:
    # octets that are worth the call
    WORTH_LANES = 64

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
    """Adds `length` octets that begin at an even offset of the summed data; at most 2 ** 31."""
    cdef uint64_t words = 0, carries = 0, lane
    cdef size_t blocks
    cdef uint32_t half
    cdef uint16_t word
    if length >= WORTH_LANES:
        blocks = length // LANES_OCTETS
        carries = sum_halves(octets, blocks)
        octets += blocks * LANES_OCTETS
        length -= blocks * LANES_OCTETS
    while length >= 8:
        # what overflows 64 bits comes in again at the right, as in 16 (RFC 1071 2.A)
        memcpy(&lane, octets, 8)
        words += lane
        carries += words < lane
        octets += 8
        length -= 8
    if length & 4:
        memcpy(&half, octets, 4)
        carries += half
        octets += 4
    if length & 2:
        memcpy(&word, octets, 2)
        carries += word
        octets += 2
    if length & 1:
        # RFC 1071 1: the last odd octet is padded with a zero octet behind it
        carries += htons(<uint16_t> (octets[0] << 8))
    # no part takes more than 62 bits, and those of frames so few that a long chain of sums cannot overflow
    return total + (words & 0xffffffffU) + (words >> 32) + carries


cdef inline uint64_t sum_twenty(const uint8_t* octets) noexcept nogil:
    """The sum of 20 octets, those of an IPv4 header without options."""
    cdef uint64_t lanes[2]
    cdef uint32_t half
    memcpy(lanes, octets, 16)
    memcpy(&half, octets + 16, 4)
    return (lanes[0] & 0xffffffffU) + (lanes[0] >> 32) + (lanes[1] & 0xffffffffU) + (lanes[1] >> 32) + half


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
    cdef uint32_t halves[2]
    memcpy(&halves[0], source, 4)
    memcpy(&halves[1], destination, 4)
    return <uint64_t> halves[0] + halves[1] + htons(protocol) + htons(<uint16_t> length)


cdef inline uint64_t sum_pseudo_fields4(uint32_t source, uint32_t destination, uint8_t protocol,
                                        uint32_t length) noexcept nogil:
    """The same in host order: to be folded with others in it."""
    return (<uint64_t> (source >> 16) + (source & 0xffff) + (destination >> 16) + (destination & 0xffff) + protocol
            + <uint16_t> length)


cdef inline uint16_t finish(uint64_t total) noexcept nogil:
    """The checksum field in host order; a correct packet, field included, finishes to 0."""
    return ntohs(<uint16_t> ~fold(total))


cdef inline uint16_t finish_partial(uint64_t total) noexcept nogil:
    """What a NEEDS_CSUM packet carries in its field: the sum of the pseudo header alone, not complemented."""
    return ntohs(fold(total))
