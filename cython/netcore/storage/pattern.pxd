"""Bytes that are a function of a stream's key and the offset: written by one end, told right or wrong by the other.

A word of eight bytes is one of a table of random words, plus the stream's key, plus a multiple of an odd number for
each turn of the table: so neither streams nor stretches of one stream are alike, and a word costs one addition. Words
are little-endian, as the processors are that the core runs on (wire.vnet).
"""

from libc.stdint cimport int64_t, uint8_t, uint64_t
from netcore.lanes cimport LANES_OCTETS, LANES_WORDS, add_to_all, differ_from_all
from netcore.posix cimport memcpy
from netcore.storage.random cimport random_next, random_t

cdef enum:
    PATTERN_WORDS = 1024

cdef struct pattern_t:
    uint64_t words[1024]


cdef inline void pattern_open(pattern_t* pattern, uint64_t seed) noexcept nogil:
    cdef random_t random
    cdef int i
    random.state = seed
    for i in range(PATTERN_WORDS):
        pattern.words[i] = random_next(&random)


cdef inline uint64_t turn_of(uint64_t key, uint64_t number) noexcept nogil:
    """What is added to the table's words around word `number` of the stream."""
    return key + (number >> 10) * 0x9e3779b97f4a7c15ULL


cdef inline uint8_t pattern_octet(const pattern_t* pattern, uint64_t key, uint64_t offset) noexcept nogil:
    cdef uint64_t number = offset >> 3
    return <uint8_t> ((pattern.words[number & (PATTERN_WORDS - 1)] + turn_of(key, number)) >> ((offset & 7) * 8))


cdef inline void pattern_fill(const pattern_t* pattern, uint64_t key, uint64_t offset, uint8_t* octets,
                              uint64_t length) noexcept nogil:
    """Writes the stream's bytes offset:offset+length."""
    cdef uint64_t number, turn, word
    cdef uint64_t count, at, blocks
    while length and offset & 7:
        octets[0] = pattern_octet(pattern, key, offset)
        octets += 1
        offset += 1
        length -= 1
    while length >= 8:
        number = offset >> 3
        turn = turn_of(key, number)
        at = number & (PATTERN_WORDS - 1)
        count = PATTERN_WORDS - at
        if count > length >> 3:
            count = length >> 3
        offset += count * 8
        length -= count * 8
        blocks = count // LANES_WORDS
        add_to_all(octets, &pattern.words[at], turn, blocks)
        octets += blocks * LANES_OCTETS
        at += blocks * LANES_WORDS
        count -= blocks * LANES_WORDS
        while count:
            word = pattern.words[at] + turn
            memcpy(octets, &word, 8)
            octets += 8
            at += 1
            count -= 1
    while length:
        octets[0] = pattern_octet(pattern, key, offset)
        octets += 1
        offset += 1
        length -= 1


cdef inline bint pattern_fits(const pattern_t* pattern, uint64_t key, uint64_t offset, const uint8_t* octets,
                              uint64_t length) noexcept nogil:
    """Whether these are the stream's bytes offset:offset+length."""
    cdef uint64_t number, turn, word
    cdef uint64_t count, at, blocks
    cdef uint64_t difference = 0
    while length and offset & 7:
        difference |= octets[0] ^ pattern_octet(pattern, key, offset)
        octets += 1
        offset += 1
        length -= 1
    while length >= 8:
        number = offset >> 3
        turn = turn_of(key, number)
        at = number & (PATTERN_WORDS - 1)
        count = PATTERN_WORDS - at
        if count > length >> 3:
            count = length >> 3
        offset += count * 8
        length -= count * 8
        blocks = count // LANES_WORDS
        difference |= differ_from_all(octets, &pattern.words[at], turn, blocks)
        octets += blocks * LANES_OCTETS
        at += blocks * LANES_WORDS
        count -= blocks * LANES_WORDS
        while count:
            memcpy(&word, octets, 8)
            difference |= (pattern.words[at] + turn) ^ word
            octets += 8
            at += 1
            count -= 1
    while length:
        difference |= octets[0] ^ pattern_octet(pattern, key, offset)
        octets += 1
        offset += 1
        length -= 1
    return difference == 0


cdef inline int64_t pattern_first_wrong(const pattern_t* pattern, uint64_t key, uint64_t offset, const uint8_t* octets,
                                        uint64_t length) noexcept nogil:
    """Place in the stream of the first byte that is not the stream's; -1 when all are."""
    cdef uint64_t i
    for i in range(length):
        if octets[i] != pattern_octet(pattern, key, offset + i):
            return <int64_t> (offset + i)
    return -1
