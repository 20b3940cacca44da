"""Copies of frames for a capture, bounded in bytes until they are fetched."""

from libc.stdint cimport int64_t, uint8_t, uint32_t
from netcore.posix cimport free

cdef struct captured_t:
    captured_t* next
    int64_t time
    bint outbound
    uint32_t length

cdef struct captures_t:
    bint on
    captured_t* first
    captured_t* last
    int64_t held
    int64_t limit


cdef inline uint8_t* captured_octets(captured_t* item) noexcept nogil:
    return <uint8_t*> item + sizeof(captured_t)


cdef inline void captures_append(captures_t* captures, captured_t* item) noexcept nogil:
    item.next = NULL
    if captures.last == NULL:
        captures.first = item
    else:
        captures.last.next = item
    captures.last = item
    captures.held += item.length


cdef inline void captures_clear(captures_t* captures) noexcept nogil:
    cdef captured_t* item = captures.first
    cdef captured_t* following
    while item != NULL:
        following = item.next
        free(item)
        item = following
    captures.first = captures.last = NULL
    captures.held = 0
