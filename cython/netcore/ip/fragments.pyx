"""Reassembly: a bit for each 8 octets says what has come; the octets lie where they belong from the beginning."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from netcore.posix cimport memcmp, memcpy
from netcore.storage.chunks cimport LARGE_CHUNK, SMALL_CHUNK, chunk_give, chunk_t, chunk_take
from netcore.storage.deadlines cimport arm, deadlines_reserve, disarm
from netcore.storage.links cimport list_append, list_first, list_remove, list_t
from netcore.storage.siphash cimport siphash
from netcore.storage.slab cimport slab_close, slab_give, slab_open, slab_take
from netcore.tcp.tcb cimport DEADLINE_FRAGMENTS, transport_t
from netcore.wire.ipv4 cimport (
    ECN_FIELD, IPV4_FRAGMENT_OFFSET, IPV4_MORE_FRAGMENTS, NOT_ECT, PACKET_CE, PROTOCOL_TCP, ipv4_t,
    sum_header_anew,
)
from netcore.wire.octets cimport store16
from netcore.wire.tcp cimport TCP_HEADER_LENGTH

cdef enum:
    PAYLOAD_MOST = 65515


cdef bint fragments_open(fragments_t* fragments, transport_t* transport) noexcept nogil:
    fragments.transport = transport
    slab_open(&fragments.slab, sizeof(datagram_t))
    return deadlines_reserve(&transport.deadlines)


cdef void fragments_close(fragments_t* fragments) noexcept nogil:
    if fragments.transport == NULL:
        return
    while fragments.by_age.first != NULL:
        forget(fragments, <datagram_t*> list_first(&fragments.by_age))
    disarm(&fragments.transport.deadlines, &fragments.deadline)
    slab_close(&fragments.slab)


cdef void account(fragments_t* fragments, int64_t size) noexcept nogil:
    """The record of a datagram is memory that strangers cause to be taken: it counts as the octets do (LIM-2)."""
    fragments.memory += size
    fragments.transport.pool.in_use += size


cdef void drop_octets(fragments_t* fragments, datagram_t* datagram) noexcept nogil:
    if datagram.chunk != NULL:
        fragments.memory -= datagram.chunk.capacity
        chunk_give(&fragments.transport.pool, datagram.chunk)
        datagram.chunk = NULL


cdef void unlist(fragments_t* fragments, datagram_t* datagram) noexcept nogil:
    list_remove(&datagram.age_link)
    list_remove(&datagram.source_link)


cdef void release_datagram(fragments_t* fragments, datagram_t* datagram) noexcept nogil:
    drop_octets(fragments, datagram)
    account(fragments, -<int64_t> sizeof(datagram_t))
    slab_give(&fragments.slab, datagram)


cdef void forget(fragments_t* fragments, datagram_t* datagram) noexcept nogil:
    unlist(fragments, datagram)
    release_datagram(fragments, datagram)


cdef void forget_incomplete(fragments_t* fragments, datagram_t* datagram) noexcept nogil:
    """It makes room for others."""
    fragments.transport.counters.ReasmFails += not datagram.discarded
    forget(fragments, datagram)


cdef void discard(fragments_t* fragments, datagram_t* datagram) noexcept nogil:
    """RFC 5722 4: what has come and what is still to come of it is thrown away."""
    fragments.transport.counters.ReasmFails += 1
    datagram.discarded = True
    drop_octets(fragments, datagram)


cdef list_t* list_of(fragments_t* fragments, uint32_t source) noexcept nogil:
    cdef uint64_t word = source
    return &fragments.sources[siphash(&fragments.key, &word, 1) % SOURCE_LISTS]


cdef datagram_t* find(list_t* source, const ipv4_t* header) noexcept nogil:
    """At most reassembly_datagrams_of_source steps."""
    cdef datagram_t* datagram = <datagram_t*> list_first(source)
    while datagram != NULL:
        if (datagram.source == header.source and datagram.identification == header.identification
                and datagram.protocol == header.protocol and datagram.destination == header.destination):
            return datagram
        datagram = <datagram_t*> datagram.source_link.next.owner if datagram.source_link.next != NULL else NULL
    return NULL


cdef bint is_allowed(const fragments_t* fragments, int64_t size) noexcept nogil:
    return fragments.transport.pool.in_use + size <= fragments.transport.tunables.memory_limit


cdef datagram_t* begin(fragments_t* fragments, list_t* source, const ipv4_t* header, int64_t now) noexcept nogil:
    cdef transport_t* transport = fragments.transport
    cdef datagram_t* datagram
    while source.count and source.count >= transport.tunables.reassembly_datagrams_of_source:
        forget_incomplete(fragments, <datagram_t*> list_first(source))
    while fragments.by_age.count and fragments.by_age.count >= transport.tunables.reassembly_datagrams:
        forget_incomplete(fragments, <datagram_t*> list_first(&fragments.by_age))
    if not is_allowed(fragments, sizeof(datagram_t)):
        return NULL
    datagram = <datagram_t*> slab_take(&fragments.slab)
    if datagram == NULL:
        return NULL
    account(fragments, sizeof(datagram_t))
    datagram.source = header.source
    datagram.destination = header.destination
    datagram.identification = header.identification
    datagram.protocol = header.protocol
    datagram.expires = now + transport.tunables.reassembly_time
    list_append(&fragments.by_age, &datagram.age_link, datagram)
    list_append(source, &datagram.source_link, datagram)
    if fragments.deadline.place == 0:
        arm(&transport.deadlines, &fragments.deadline, fragments, DEADLINE_FRAGMENTS, datagram.expires)
    return datagram


cdef bint has_room(fragments_t* fragments, datagram_t* datagram, uint32_t end) noexcept nogil:
    """Makes sure that octets up to `end` can be kept; others that are older go when the share of all is used up."""
    cdef chunk_t* larger
    cdef datagram_t* oldest
    cdef uint32_t capacity = SMALL_CHUNK if PAYLOAD_AT + end <= SMALL_CHUNK else LARGE_CHUNK
    if datagram.chunk != NULL and PAYLOAD_AT + end <= datagram.chunk.capacity:
        return True
    while fragments.memory + capacity > fragments.transport.tunables.reassembly_memory:
        oldest = <datagram_t*> list_first(&fragments.by_age)
        if oldest == datagram:
            return False
        forget_incomplete(fragments, oldest)
    if not is_allowed(fragments, capacity):
        return False
    larger = chunk_take(&fragments.transport.pool, capacity)
    if larger == NULL:
        return False
    fragments.memory += larger.capacity
    if datagram.chunk != NULL:
        memcpy(larger.data + PAYLOAD_AT, datagram.chunk.data + PAYLOAD_AT, datagram.furthest)
        drop_octets(fragments, datagram)
    datagram.chunk = larger
    return True


cdef bint is_sound(const ipv4_t* header, uint32_t offset, uint32_t length) noexcept nogil:
    cdef bint more = header.fragment & IPV4_MORE_FRAGMENTS != 0
    if length == 0 or (more and length & 7) or offset + length > PAYLOAD_MOST:
        return False
    # RFC 1858 3, RFC 3128: no honest sender divides a TCP header, only who would slip past a filter
    return header.protocol != PROTOCOL_TCP or (offset != 8 and not (offset == 0 and length < TCP_HEADER_LENGTH))


cdef uint32_t units_held(const datagram_t* datagram, uint32_t first, uint32_t count) noexcept nogil:
    """How many of `count` units from `first` on have come."""
    cdef uint32_t held = 0
    cdef uint32_t unit
    for unit in range(first, first + count):
        held += (datagram.units[unit >> 6] >> (unit & 63)) & 1
    return held


cdef void hold_units(datagram_t* datagram, uint32_t first, uint32_t count) noexcept nogil:
    cdef uint32_t unit
    for unit in range(first, first + count):
        datagram.units[unit >> 6] |= <uint64_t> 1 << (unit & 63)


cdef bint fits(datagram_t* datagram, uint32_t end, bint more) noexcept nogil:
    """There is one end, and nothing lies beyond it."""
    if datagram.has_last:
        return end <= datagram.total and (more or end == datagram.total)
    return more or datagram.furthest <= end


cdef bint keep(fragments_t* fragments, datagram_t* datagram, const ipv4_t* header,
               const uint8_t* packet) noexcept nogil:
    """True when the fragment told something new."""
    cdef const uint8_t* body = packet + header.header_length
    cdef uint32_t length = header.total_length - header.header_length
    cdef uint32_t offset = (header.fragment & IPV4_FRAGMENT_OFFSET) * 8
    cdef bint more = header.fragment & IPV4_MORE_FRAGMENTS != 0
    cdef uint32_t count = (length + 7) // 8
    cdef uint32_t held
    if not fits(datagram, offset + length, more):
        discard(fragments, datagram)
        return False
    held = units_held(datagram, offset // 8, count)
    if held:
        if held != count or memcmp(datagram.chunk.data + PAYLOAD_AT + offset, body, length) != 0:
            discard(fragments, datagram)
        return False
    if not has_room(fragments, datagram, offset + length):
        fragments.transport.counters.ReasmFails += 1
        return False
    memcpy(datagram.chunk.data + PAYLOAD_AT + offset, body, length)
    hold_units(datagram, offset // 8, count)
    datagram.received += length
    if offset + length > datagram.furthest:
        datagram.furthest = offset + length
    datagram.codepoints |= <uint8_t> (1 << (header.tos & ECN_FIELD))
    if offset == 0:
        datagram.has_first = True
        datagram.header_length = header.header_length
        memcpy(datagram.header, packet, header.header_length)
    if not more:
        datagram.has_last = True
        datagram.total = offset + length
    return True


cdef chunk_t* assemble(fragments_t* fragments, datagram_t* datagram) noexcept nogil:
    """The whole datagram as if it had come in one packet."""
    cdef chunk_t* chunk = datagram.chunk
    cdef uint8_t* header = chunk.data + PAYLOAD_AT - datagram.header_length
    cdef uint32_t length = datagram.header_length + datagram.total
    # RFC 3168 5.3: a mark stays, but where some could not be marked the datagram is one that was dropped in place of it
    if length > 65535 or (datagram.codepoints & 1 << NOT_ECT and datagram.codepoints != 1 << NOT_ECT):
        discard(fragments, datagram)
        return NULL
    memcpy(header, datagram.header, datagram.header_length)
    store16(header + 2, <unsigned short> length)
    store16(header + 6, 0)
    if datagram.codepoints & 1 << PACKET_CE:
        header[1] |= PACKET_CE
    sum_header_anew(header)
    chunk.start = PAYLOAD_AT - datagram.header_length
    chunk.end = PAYLOAD_AT + datagram.total
    fragments.memory -= chunk.capacity
    datagram.chunk = NULL
    forget(fragments, datagram)
    fragments.transport.counters.ReasmOKs += 1
    return chunk


cdef chunk_t* fragment_arrives(fragments_t* fragments, const ipv4_t* header, const uint8_t* packet,
                               int64_t now) noexcept nogil:
    cdef list_t* source = list_of(fragments, header.source)
    cdef datagram_t* datagram
    fragments.transport.counters.ReasmReqds += 1
    if not is_sound(header, (header.fragment & IPV4_FRAGMENT_OFFSET) * 8,
                    header.total_length - header.header_length):
        fragments.transport.counters.ReasmFails += 1
        return NULL
    datagram = find(source, header)
    if datagram == NULL:
        datagram = begin(fragments, source, header, now)
        if datagram == NULL:
            fragments.transport.counters.ReasmFails += 1
            return NULL
    if datagram.discarded or not keep(fragments, datagram, header, packet):
        return NULL
    if not datagram.has_first or not datagram.has_last or datagram.received != datagram.total:
        return NULL
    return assemble(fragments, datagram)


cdef datagram_t* take_expired(fragments_t* fragments, int64_t now) noexcept nogil:
    cdef datagram_t* oldest = <datagram_t*> list_first(&fragments.by_age)
    if oldest == NULL:
        return NULL
    if oldest.expires > now:
        arm(&fragments.transport.deadlines, &fragments.deadline, fragments, DEADLINE_FRAGMENTS, oldest.expires)
        return NULL
    unlist(fragments, oldest)
    if not oldest.discarded:
        fragments.transport.counters.ReasmTimeout += 1
        fragments.transport.counters.ReasmFails += 1
    return oldest
