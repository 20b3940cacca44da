"""Identifications of packets that may be cut on their way (RFC 6864 4.2, RFC 7739 5.3).

Those that may not, with DF set, have 0: it means nothing (RFC 6864 4.1). The others count in one of many counters,
chosen by destination and protocol with a secret, from a secret start and in secret steps: nobody can tell from those
that he gets what others get, nor foresee the next.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from netcore.storage.siphash cimport hash_key_t, siphash

cdef enum:
    IDENTIFICATION_COUNTERS = 1024
    STEPS = 8

cdef struct identifications_t:
    hash_key_t key
    uint64_t drawn
    uint16_t counters[1024]


cdef inline uint16_t next_identification(identifications_t* these, uint32_t destination, uint8_t protocol,
                                         uint32_t count) noexcept nogil:
    """The first of `count` identifications in a row."""
    cdef uint64_t words[2]
    cdef uint64_t where
    cdef uint16_t* counter
    cdef uint16_t first
    words[0] = <uint64_t> destination << 8 | protocol
    words[1] = 0
    where = siphash(&these.key, words, 2)
    counter = &these.counters[where % IDENTIFICATION_COUNTERS]
    these.drawn += 1
    words[0] = these.drawn
    words[1] = 1
    counter[0] += <uint16_t> (1 + siphash(&these.key, words, 2) % STEPS)
    first = <uint16_t> (counter[0] + (where >> 16))
    counter[0] += <uint16_t> (count - 1)
    return first
