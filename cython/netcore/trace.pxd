"""trace_t: one number for a whole run, and copies of its frames."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from netcore.posix cimport free, malloc, memcpy

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

cdef extern from "<endian.h>" nogil:
    uint64_t le64toh(uint64_t value)


cdef inline uint64_t mix(uint64_t hash, uint64_t word) noexcept nogil:
    """One round of a multiply-and-fold hash: each bit of the word moves half of those of the result."""
    hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL
    return hash ^ (hash >> 32)


cdef inline void trace_frame(trace_t* trace, int64_t time, uint32_t way, const uint8_t* octets,
                             uint32_t length) noexcept nogil:
    """Two lanes, so that one word's multiplication need not wait for the other's."""
    cdef uint64_t left = mix(trace.hash, <uint64_t> time)
    cdef uint64_t right = mix(<uint64_t> length, way)
    cdef uint32_t count = length if length < HASHED_OCTETS else HASHED_OCTETS
    cdef uint64_t words[2]
    while count >= 16:
        memcpy(words, octets, 16)
        left = mix(left, le64toh(words[0]))
        right = mix(right, le64toh(words[1]))
        octets += 16
        count -= 16
    if count:
        words[0] = words[1] = 0
        memcpy(words, octets, count)
        left = mix(left, le64toh(words[0]))
        right = mix(right, le64toh(words[1]))
    trace.hash = mix(left, right)


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
