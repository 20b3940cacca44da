"""Superframes are cut to the MTU and partial checksums completed before anything happens to a frame (SEG-14)."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from netcore.impairment cimport impair_t, parcel_t
from netcore.posix cimport calloc, count_up, free, iovec, load_count, memcpy
from netcore.storage.chunks cimport LARGE_CHUNK, chunk_give, chunk_pool_close, chunk_t, chunk_take
from netcore.storage.deadlines cimport (
    arm, deadlines_close, deadlines_open, deadlines_release, deadlines_reserve, earliest, take_earliest,
)
from netcore.storage.random cimport random_below, random_next
from netcore.storage.slab cimport slab_close, slab_give, slab_open, slab_take
from netcore.wire.checksum cimport finish, sum_octets, sum_pseudo_header4
from netcore.wire.ethernet cimport ETHERNET_HEADER_LENGTH
from netcore.wire.ipv4 cimport IPV4_HEADER_LENGTH, PROTOCOL_TCP, build_ipv4, ipv4_t, parse_ipv4
from netcore.wire.octets cimport load32, store16, store32
from netcore.wire.tcp cimport FIN, PSH, TCP_HEADER_LENGTH
from netcore.wire.vnet cimport GSO_NONE, NEEDS_CSUM, vnet_header_t

cdef enum:
    MILLION = 1000000


cdef chunk_t* flatten(impair_t* impair, const iovec* pieces, int count, uint32_t length) noexcept nogil:
    cdef chunk_t* chunk
    cdef int i
    if length > LARGE_CHUNK:
        return NULL
    chunk = chunk_take(&impair.pool, length)
    if chunk == NULL:
        return NULL
    for i in range(count):
        memcpy(chunk.data + chunk.end, pieces[i].iov_base, pieces[i].iov_len)
        chunk.end += <uint32_t> pieces[i].iov_len
    return chunk


cdef void complete_checksum(uint8_t* frame, uint32_t length, const vnet_header_t* vnet) noexcept nogil:
    """The field holds the pseudo header's sum: summing over all, field included, completes it (virtio 5.1.6.2)."""
    cdef uint32_t start = vnet.csum_start
    cdef uint32_t field = start + vnet.csum_offset
    if field + 2 <= length and start < length:
        store16(frame + field, finish(sum_octets(frame + start, length - start, 0)))


cdef void impair_put(impair_t* impair, const iovec* pieces, int count, uint32_t length, const vnet_header_t* vnet,
                     int64_t now) noexcept nogil:
    cdef chunk_t* whole = flatten(impair, pieces, count, length)
    if whole == NULL:
        return
    if vnet.gso_type != GSO_NONE and vnet.gso_size:
        if cut_superframe(impair, whole, vnet, now):
            chunk_give(&impair.pool, whole)
            return
    if vnet.flags & NEEDS_CSUM:
        complete_checksum(whole.data, whole.end, vnet)
    pass_frame(impair, whole, now)


cdef bint cut_superframe(impair_t* impair, chunk_t* whole, const vnet_header_t* vnet, int64_t now) noexcept nogil:
    """TCP over IPv4 in pieces of gso_size bytes of text; False when the frame is not that."""
    cdef uint32_t link = ETHERNET_HEADER_LENGTH if impair.ethernet else 0
    cdef uint8_t* frame = whole.data
    cdef uint8_t* transport
    cdef uint32_t headers, text, at, size
    cdef ipv4_t header
    cdef chunk_t* part
    if whole.end < link or not parse_ipv4(frame + link, whole.end - link, &header):
        return False
    if header.protocol != PROTOCOL_TCP or header.header_length != IPV4_HEADER_LENGTH:
        return False
    transport = frame + link + IPV4_HEADER_LENGTH
    if header.total_length < IPV4_HEADER_LENGTH + TCP_HEADER_LENGTH:
        return False
    headers = link + IPV4_HEADER_LENGTH + (transport[12] >> 4) * 4
    if headers < link + IPV4_HEADER_LENGTH + TCP_HEADER_LENGTH or headers > link + header.total_length:
        return False
    text = link + header.total_length - headers
    if text == 0:
        return False
    at = 0
    while at < text:
        size = text - at if text - at < vnet.gso_size else vnet.gso_size
        part = chunk_take(&impair.pool, headers + size)
        if part == NULL:
            return True
        memcpy(part.data, frame, headers)
        memcpy(part.data + headers, frame + headers + at, size)
        part.end = headers + size
        finish_part(part.data + link, &header, headers + size - link, at, at + size == text)
        pass_frame(impair, part, now)
        header.identification += 1
        at += size
    return True


cdef void finish_part(uint8_t* packet, ipv4_t* header, uint32_t length, uint32_t at, bint last) noexcept nogil:
    """Length, identification, sequence number, flags and checksums of one part."""
    cdef uint8_t* transport = packet + IPV4_HEADER_LENGTH
    header.total_length = <uint16_t> length
    build_ipv4(packet, header)
    store32(transport + 4, load32(transport + 4) + at)
    if not last:
        transport[13] &= ~(FIN | PSH) & 0xff
    store16(transport + 16, 0)
    store16(transport + 16, finish(sum_octets(transport, length - IPV4_HEADER_LENGTH, sum_pseudo_header4(
        packet + 12, packet + 16, PROTOCOL_TCP, length - IPV4_HEADER_LENGTH))))


cdef bint happens(impair_t* impair, uint32_t parts) noexcept nogil:
    return parts != 0 and random_below(&impair.random, MILLION) < parts


cdef void pass_frame(impair_t* impair, chunk_t* chunk, int64_t now) noexcept nogil:
    """Takes the chunk over. Fate is drawn in one fixed order, so that a seed is a run."""
    cdef chunk_t* copy
    cdef uint32_t bit
    cdef uint32_t link = ETHERNET_HEADER_LENGTH if impair.ethernet else 0
    count_up(&impair.seen)
    if happens(impair, impair.loss):
        count_up(&impair.lost)
        chunk_give(&impair.pool, chunk)
        return
    if happens(impair, impair.corrupt) and chunk.end > link:
        # behind the link header: a real link's own checksum would have dropped the frame else
        bit = random_below(&impair.random, (chunk.end - link) * 8)
        chunk.data[link + (bit >> 3)] ^= <uint8_t> (1 << (bit & 7))
        count_up(&impair.corrupted)
    if happens(impair, impair.duplicate):
        copy = chunk_take(&impair.pool, chunk.end)
        if copy != NULL:
            memcpy(copy.data, chunk.data, chunk.end)
            copy.end = chunk.end
            count_up(&impair.duplicated)
            transmit(impair, chunk, now)
            transmit(impair, copy, now)
            return
    transmit(impair, chunk, now)


cdef void transmit(impair_t* impair, chunk_t* chunk, int64_t now) noexcept nogil:
    """Through the rate limit's queue and over the distance."""
    cdef parcel_t* parcel
    cdef int64_t due = now
    if impair.rate:
        if impair.busy_until < now:
            impair.busy_until = now
        if (impair.busy_until - now) // 1000 * impair.rate // 8_000_000 > impair.queue:
            count_up(&impair.overflowed)
            chunk_give(&impair.pool, chunk)
            return
        impair.busy_until += <int64_t> chunk.end * 8_000_000_000LL // impair.rate
        due = impair.busy_until
    due += impair.delay
    if impair.jitter:
        due += random_below(&impair.random, <uint32_t> impair.jitter)
    if happens(impair, impair.reorder):
        count_up(&impair.reordered)
        due += impair.reorder_by
    else:
        # jitter stretches and squeezes, it does not overtake
        if due < impair.last_due:
            due = impair.last_due
        impair.last_due = due
    parcel = <parcel_t*> slab_take(&impair.slab)
    if parcel == NULL or not deadlines_reserve(&impair.parcels):
        if parcel != NULL:
            slab_give(&impair.slab, parcel)
        chunk_give(&impair.pool, chunk)
        return
    parcel.chunk = chunk
    count_up(&impair.passed)
    arm(&impair.parcels, &parcel.deadline, parcel, 0, due)


cdef int64_t impair_due(const impair_t* impair) noexcept nogil:
    return earliest(&impair.parcels)


cdef chunk_t* impair_take(impair_t* impair, int64_t now) noexcept nogil:
    cdef parcel_t* parcel
    cdef chunk_t* chunk
    if earliest(&impair.parcels) > now:
        return NULL
    parcel = <parcel_t*> take_earliest(&impair.parcels).owner
    deadlines_release(&impair.parcels)
    chunk = parcel.chunk
    slab_give(&impair.slab, parcel)
    return chunk


cdef void impair_give(impair_t* impair, chunk_t* chunk) noexcept nogil:
    chunk_give(&impair.pool, chunk)


cdef object checked(str name, object value, object low, object high):
    """The value, or ValueError with the argument's name and what it may be."""
    if not low <= value <= high:
        raise ValueError(f"{name} is {value}, but must be between {low} and {high}")
    return value


cdef class Impairment:
    """See the stub for what each argument means."""

    def __cinit__(self, *, seed: int, loss: int = 0, duplicate: int = 0, corrupt: int = 0, reorder: int = 0,
                  reorder_by: int = 1_000_000, delay: int = 0, jitter: int = 0, rate: int = 0,
                  queue: int = 1_048_576, mtu: int = 1500):
        cdef impair_t* impair = <impair_t*> calloc(1, sizeof(impair_t))
        if impair == NULL:
            raise MemoryError
        self.impair = impair
        impair.loss = checked("loss (parts per million)", loss, 0, MILLION)
        impair.duplicate = checked("duplicate (parts per million)", duplicate, 0, MILLION)
        impair.corrupt = checked("corrupt (parts per million)", corrupt, 0, MILLION)
        impair.reorder = checked("reorder (parts per million)", reorder, 0, MILLION)
        impair.reorder_by = checked("reorder_by (ns)", reorder_by, 0, 3_600_000_000_000)
        impair.delay = checked("delay (ns)", delay, 0, 3_600_000_000_000)
        impair.jitter = checked("jitter (ns)", jitter, 0, 4_000_000_000)
        impair.rate = checked("rate (bits per second)", rate, 0, 10**12)
        impair.queue = checked("queue (bytes)", queue, 1500, 1 << 32)
        impair.mtu = checked("mtu (bytes)", mtu, 68, 65535)
        impair.ethernet = True
        impair.random.state = seed & 0xffffffffffffffff
        random_next(&impair.random)
        deadlines_open(&impair.parcels)
        slab_open(&impair.slab, sizeof(parcel_t))

    def __dealloc__(self):
        cdef impair_t* impair = self.impair
        cdef parcel_t* parcel
        if impair == NULL:
            return
        while impair.parcels.count:
            parcel = <parcel_t*> take_earliest(&impair.parcels).owner
            chunk_give(&impair.pool, parcel.chunk)
            slab_give(&impair.slab, parcel)
        deadlines_close(&impair.parcels)
        slab_close(&impair.slab)
        chunk_pool_close(&impair.pool)
        free(impair)

    def counters(self) -> dict[str, int]:
        cdef impair_t* impair = self.impair
        return {
            "seen": load_count(&impair.seen), "passed": load_count(&impair.passed), "lost": load_count(&impair.lost),
            "duplicated": load_count(&impair.duplicated), "corrupted": load_count(&impair.corrupted),
            "reordered": load_count(&impair.reordered), "overflowed": load_count(&impair.overflowed),
        }
