"""trace_t: one number for a whole run, and copies of its frames."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from netcore.posix cimport free, malloc, memcpy, memset

cdef enum:
    # the checksums in the headers stand for what lies behind
    HASHED_OCTETS = 96

cdef struct record_t:
    record_t* next
    int64_t time
    uint32_t way
    uint32_t length

cdef struct trace_t:
    uint64_t hash
    record_t* first
    record_t* last
    int64_t held
    int64_t limit
    uint64_t dropped

cdef extern from * nogil:
    """
    static inline uint64_t multiply_and_fold(uint64_t left, uint64_t right)
    {
        unsigned __int128 product = (unsigned __int128)left * right;
        return (uint64_t)product ^ (uint64_t)(product >> 64);
    }
    """
    uint64_t multiply_and_fold(uint64_t left, uint64_t right)


cdef inline uint64_t mix(uint64_t hash, const uint8_t* octets) noexcept nogil:
    """One round of a multiply-and-fold hash: 16 octets, each bit of which moves half of those of the result."""
    cdef uint64_t words[2]
    memcpy(words, octets, 16)
    return multiply_and_fold(hash ^ words[0], words[1] ^ 0x9e3779b97f4a7c15ULL)


cdef inline void trace_frame(trace_t* trace, int64_t time, uint32_t way, const uint8_t* octets,
                             uint32_t length) noexcept nogil:
    cdef uint64_t hash = multiply_and_fold(trace.hash ^ <uint64_t> time,
                                           (<uint64_t> length << 32 | way) ^ 0xd1342543de82ef95ULL)
    cdef uint8_t last[16]
    cdef uint32_t count = length if length < HASHED_OCTETS else HASHED_OCTETS
    cdef uint32_t at = 0
    while at + 16 <= count:
        hash = mix(hash, octets + at)
        at += 16
    if at < count and count > 16:
        # the last of them, and some before it again
        hash = mix(hash, octets + count - 16)
    elif at < count:
        memset(last, 0, 16)
        memcpy(last, octets, count)
        hash = mix(hash, last)
    trace.hash = hash


cdef inline uint8_t* record_octets(record_t* record) noexcept nogil:
    return <uint8_t*> record + sizeof(record_t)


cdef inline void trace_record(trace_t* trace, int64_t time, uint32_t way, const uint8_t* octets,
                              uint32_t length) noexcept nogil:
    cdef record_t* record = NULL
    if trace.held + length <= trace.limit:
        record = <record_t*> malloc(sizeof(record_t) + length)
    if record == NULL:
        trace.dropped += 1
        return
    record.next = NULL
    record.time = time
    record.way = way
    record.length = length
    memcpy(record_octets(record), octets, length)
    if trace.last == NULL:
        trace.first = record
    else:
        trace.last.next = record
    trace.last = record
    trace.held += length


cdef inline void trace_clear(trace_t* trace) noexcept nogil:
    cdef record_t* record = trace.first
    cdef record_t* following
    while record != NULL:
        following = record.next
        free(record)
        record = following
    trace.first = trace.last = NULL
    trace.held = 0
