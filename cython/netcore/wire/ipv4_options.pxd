"""Options of an IPv4 header (RFC 791 3.1): judged on the way in, recorded in and given back with an echo reply.

As hosts do it today: a source route is not followed and its packet dropped, record route and timestamp are answered,
all else is skipped.
"""

from libc.stdint cimport uint8_t, uint32_t
from netcore.posix cimport memcpy
from netcore.wire.octets cimport store32

cdef enum:
    OPTION_END = 0
    OPTION_NOP = 1
    OPTION_RECORD_ROUTE = 7
    OPTION_TIMESTAMP = 68
    OPTION_LOOSE_ROUTE = 131
    OPTION_STRICT_ROUTE = 137
    # flags of a timestamp option
    TIMESTAMPS_ALONE = 0
    TIMESTAMPS_OF_ADDRESSES = 1
    TIMESTAMPS_OF_GIVEN_ADDRESSES = 3
    # judge_options: nothing to object to, a source route; otherwise the octet of the header that is wrong
    OPTIONS_FINE = 0
    OPTIONS_ROUTE = -1


cdef inline int judge_slots(const uint8_t* option, int size, int at) noexcept nogil:
    """Record route and timestamp: room that the pointer points at is whole, or used up."""
    cdef int pointer, entry
    cdef bint timestamp = option[0] == OPTION_TIMESTAMP
    if size < (4 if timestamp else 3):
        return at + 1
    pointer = option[2]
    if pointer < (5 if timestamp else 4):
        return at + 2
    entry = 8 if timestamp and option[3] & 15 != TIMESTAMPS_ALONE else 4
    if pointer <= size:
        return at + 2 if pointer + entry - 1 > size else OPTIONS_FINE
    if timestamp and option[3] >> 4 == 15:
        # one more that finds no room cannot be counted any more
        return at + 3
    return OPTIONS_FINE


cdef inline int judge_options(const uint8_t* header, int header_length) noexcept nogil:
    """OPTIONS_FINE, OPTIONS_ROUTE, or where the parameter problem is (RFC 1122 3.2.1.8)."""
    cdef int at = 20
    cdef int size, wrong
    cdef bint routed = False
    while at < header_length and header[at] != OPTION_END:
        if header[at] == OPTION_NOP:
            at += 1
            continue
        if at + 1 >= header_length:
            return at
        size = header[at + 1]
        if size < 2 or at + size > header_length:
            return at
        if header[at] == OPTION_RECORD_ROUTE or header[at] == OPTION_TIMESTAMP:
            wrong = judge_slots(header + at, size, at)
            if wrong != OPTIONS_FINE:
                return wrong
        elif header[at] == OPTION_LOOSE_ROUTE or header[at] == OPTION_STRICT_ROUTE:
            routed = True
        at += size
    return OPTIONS_ROUTE if routed else OPTIONS_FINE


cdef inline void record_passage(uint8_t* option, int size, uint32_t address, uint32_t time) noexcept nogil:
    """Fills the next free room of a sound option, as the host at which the packet ends."""
    cdef int pointer = option[2]
    cdef uint8_t* slot = option + pointer - 1
    cdef uint8_t own[4]
    store32(own, address)
    if pointer > size:
        if option[0] == OPTION_TIMESTAMP:
            option[3] += 16
        return
    if option[0] == OPTION_RECORD_ROUTE:
        memcpy(slot, own, 4)
        option[2] += 4
    elif option[3] & 15 == TIMESTAMPS_ALONE:
        store32(slot, time)
        option[2] += 4
    elif option[3] & 15 == TIMESTAMPS_OF_ADDRESSES:
        memcpy(slot, own, 4)
        store32(slot + 4, time)
        option[2] += 8
    elif (option[3] & 15 == TIMESTAMPS_OF_GIVEN_ADDRESSES
            and slot[0] == own[0] and slot[1] == own[1] and slot[2] == own[2] and slot[3] == own[3]):
        store32(slot + 4, time)
        option[2] += 8


cdef inline int answer_options(const uint8_t* header, int header_length, uint32_t address, uint32_t time,
                               uint8_t* answer) noexcept nogil:
    """The options of an echo reply (RFC 1122 3.2.2.6), at most 40 octets; how many there are, a multiple of 4.

    The header's options must have been judged fine. time: ms, the high bit set when not since midnight UT.
    """
    cdef int at = 20
    cdef int length = 0
    cdef int size
    while at < header_length and header[at] != OPTION_END:
        if header[at] == OPTION_NOP:
            at += 1
            continue
        size = header[at + 1]
        if header[at] == OPTION_RECORD_ROUTE or header[at] == OPTION_TIMESTAMP:
            memcpy(answer + length, header + at, size)
            record_passage(answer + length, size, address, time)
            length += size
        at += size
    while length & 3:
        answer[length] = OPTION_END
        length += 1
    return length
