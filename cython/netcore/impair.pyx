"""Superframes are cut to the MTU and partial checksums completed before anything happens to a frame (SEG-14)."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from netcore.impairment cimport HELD_MOST, change_t, faults_t, impair_t, parcel_t
from netcore.posix cimport calloc, count_up, free, iovec, load_count, memcpy, scale
from netcore.storage.chunks cimport LARGE_CHUNK, chunk_give, chunk_pool_close, chunk_pool_t, chunk_t, chunk_take
from netcore.storage.deadlines cimport (
    arm, deadlines_close, deadlines_open, deadlines_release, deadlines_reorder, deadlines_reserve, earliest,
    owner_of, take_earliest,
)
from netcore.storage.random cimport random_below, random_next
from netcore.storage.slab cimport slab_close, slab_give, slab_open, slab_take
from netcore.wire.checksum cimport finish, sum_octets, sum_pseudo_header4
from netcore.wire.ethernet cimport ETHERNET_HEADER_LENGTH, ETHERTYPE_IPV4
from netcore.wire.ipv4 cimport IPV4_HEADER_LENGTH, PROTOCOL_TCP, build_ipv4, ipv4_t, mark_congestion, parse_ipv4
from netcore.wire.octets cimport load16, load32, store16, store32
from netcore.wire.tcp cimport CWR, FIN, PSH, TCP_HEADER_LENGTH
from netcore.wire.vnet cimport GSO_NONE, NEEDS_CSUM, vnet_header_t

cdef enum:
    MILLION = 1000000


cdef chunk_t* flatten(impair_t* impair, const iovec* pieces, int count, uint32_t length) noexcept nogil:
    cdef chunk_t* chunk
    cdef int i
    if length > LARGE_CHUNK:
        return NULL
    chunk = chunk_take(impair.pool, length)
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
            chunk_give(impair.pool, whole)
            return
    if vnet.flags & NEEDS_CSUM:
        complete_checksum(whole.data, whole.end, vnet)
    impair_pass(impair, whole, now)


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
        part = chunk_take(impair.pool, headers + size)
        if part == NULL:
            return True
        memcpy(part.data, frame, headers)
        memcpy(part.data + headers, frame + headers + at, size)
        part.end = headers + size
        finish_part(part.data + link, &header, headers + size - link, at, at + size == text)
        impair_pass(impair, part, now)
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
    if at:
        # RFC 3168 6.1.2: CWR is said once
        transport[13] &= ~CWR & 0xff
    store16(transport + 16, 0)
    store16(transport + 16, finish(sum_octets(transport, length - IPV4_HEADER_LENGTH, sum_pseudo_header4(
        packet + 12, packet + 16, PROTOCOL_TCP, length - IPV4_HEADER_LENGTH))))


cdef bint happens(impair_t* impair, int64_t parts) noexcept nogil:
    return parts != 0 and random_below(&impair.random, MILLION) < parts


cdef uint32_t link_header(const impair_t* impair) noexcept nogil:
    return ETHERNET_HEADER_LENGTH if impair.ethernet else 0


cdef void impair_pass(impair_t* impair, chunk_t* chunk, int64_t now) noexcept nogil:
    """Fate is drawn in one fixed order, so that a seed is a run."""
    cdef chunk_t* copy
    if is_change_due(impair, now):
        carry_out_changes(impair, now)
    count_up(&impair.seen)
    if is_dropped(impair, chunk):
        chunk_give(impair.pool, chunk)
        return
    damage(impair, chunk)
    if happens(impair, impair.faults.duplicate):
        copy = chunk_take(impair.pool, chunk.end)
        if copy != NULL:
            memcpy(copy.data, chunk.data + chunk.start, chunk.end - chunk.start)
            copy.end = chunk.end - chunk.start
            count_up(&impair.duplicated)
            transmit(impair, chunk, now)
            transmit(impair, copy, now)
            return
    transmit(impair, chunk, now)


cdef bint is_dropped(impair_t* impair, const chunk_t* chunk) noexcept nogil:
    cdef faults_t* faults = &impair.faults
    if chunk.end - chunk.start > faults.mtu + link_header(impair):
        count_up(&impair.oversized)
        return True
    if faults.down:
        count_up(&impair.blacked_out)
        return True
    if faults.burst_begin:
        # Gilbert-Elliott: one step of the chain with each frame
        impair.bursting = not happens(impair, faults.burst_end) if impair.bursting else happens(impair,
                                                                                                faults.burst_begin)
        if impair.bursting:
            if not happens(impair, faults.burst_loss):
                return False
            count_up(&impair.burst_lost)
            count_up(&impair.lost)
            return True
    if happens(impair, faults.loss):
        count_up(&impair.lost)
        return True
    return False


cdef void damage(impair_t* impair, chunk_t* chunk) noexcept nogil:
    """Behind the link header only: a real link's own checksum would have dropped the frame else."""
    cdef uint32_t link = link_header(impair)
    cdef uint32_t bit
    if happens(impair, impair.faults.corrupt) and chunk.end > chunk.start + link:
        bit = random_below(&impair.random, (chunk.end - chunk.start - link) * 8)
        chunk.data[chunk.start + link + (bit >> 3)] ^= <uint8_t> (1 << (bit & 7))
        count_up(&impair.corrupted)
    if happens(impair, impair.faults.truncate) and chunk.end > chunk.start + link:
        chunk.end = chunk.start + link + random_below(&impair.random, chunk.end - chunk.start - link)
        count_up(&impair.truncated)


cdef inline int64_t time_on_wire(impair_t* impair, int64_t octets) noexcept nogil:
    """ns; the rate is not 0. Most frames are as long as the one before, and need no division."""
    if octets != impair.timed_octets:
        impair.timed_octets = octets
        impair.timed = octets * 8_000_000_000LL // impair.faults.rate
    return impair.timed


cdef void mark(impair_t* impair, chunk_t* chunk) noexcept nogil:
    """RFC 3168 5: CE instead of a drop, where the sender understands it."""
    cdef uint32_t link = link_header(impair)
    cdef uint8_t* frame = chunk.data + chunk.start
    if link and (chunk.end - chunk.start < link or load16(frame + 12) != ETHERTYPE_IPV4):
        return
    if mark_congestion(frame + link, chunk.end - chunk.start - link):
        count_up(&impair.marked)


cdef void transmit(impair_t* impair, chunk_t* chunk, int64_t now) noexcept nogil:
    """Through the queue and the transmitter, and over the distance."""
    cdef faults_t* faults = &impair.faults
    cdef parcel_t* parcel
    cdef int64_t sent = now
    if faults.rate:
        if impair.busy_until < now:
            impair.busy_until = now
        if impair.busy_until - now > impair.queue_time:
            count_up(&impair.overflowed)
            chunk_give(impair.pool, chunk)
            return
        if impair.mark_time and impair.busy_until - now > impair.mark_time:
            mark(impair, chunk)
        impair.busy_until += time_on_wire(impair, chunk.end - chunk.start)
        sent = impair.busy_until
    parcel = <parcel_t*> slab_take(&impair.slab)
    if parcel == NULL:
        chunk_give(impair.pool, chunk)
        return
    parcel.chunk = chunk
    parcel.sent = sent
    parcel.way = faults.delay
    if faults.jitter:
        parcel.way += random_below(&impair.random, <uint32_t> faults.jitter)
    impair.waiting += 1
    count_up(&impair.passed)
    if impair.held_count:
        overtake(impair, sent + parcel.way if sent + parcel.way > impair.last_due else impair.last_due)
    if not happens(impair, faults.reorder) or not hold_back(impair, parcel):
        append(impair, parcel)


cdef bint hold_back(impair_t* impair, parcel_t* parcel) noexcept nogil:
    """Others may overtake it from now on. False when it cannot be helped to that."""
    if not deadlines_reserve(&impair.strays):
        return False
    count_up(&impair.reordered)
    parcel.way += impair.faults.reorder_by
    parcel.due = parcel.sent + parcel.way
    if impair.faults.reorder_frames and impair.held_count < HELD_MOST:
        parcel.to_pass = 1 + random_below(&impair.random, <uint32_t> impair.faults.reorder_frames)
        impair.held[impair.held_count] = parcel
        impair.held_count += 1
    arm(&impair.strays, &parcel.deadline, parcel, 0, parcel.due)
    return True


cdef void append(impair_t* impair, parcel_t* parcel) noexcept nogil:
    """Jitter stretches and squeezes, it does not overtake."""
    parcel.due = parcel.sent + parcel.way
    if parcel.due < impair.last_due:
        parcel.due = impair.last_due
    impair.last_due = parcel.due
    if impair.last == NULL:
        impair.first = parcel
    else:
        impair.last.next = parcel
    impair.last = parcel


cdef void forget_held(impair_t* impair, uint32_t place) noexcept nogil:
    """The others keep their order: it is what a seed promises."""
    cdef uint32_t i
    impair.held[place].to_pass = 0
    impair.held_count -= 1
    for i in range(place, impair.held_count):
        impair.held[i] = impair.held[i + 1]


cdef void overtake(impair_t* impair, int64_t due) noexcept nogil:
    """One more frame has entered behind those held back, to arrive at `due`: whom enough have passed arrives then.

    It counts even if it is held back as well, so that nothing comes later than by the number of frames asked for.
    """
    cdef uint32_t i = 0
    cdef parcel_t* parcel
    while i < impair.held_count:
        parcel = impair.held[i]
        parcel.to_pass -= 1
        if parcel.to_pass:
            i += 1
            continue
        forget_held(impair, i)
        if due < parcel.due:
            parcel.due = due
            arm(&impair.strays, &parcel.deadline, parcel, 0, due)


cdef chunk_t* impair_take(impair_t* impair, int64_t now) noexcept nogil:
    cdef parcel_t* parcel = impair.first
    cdef chunk_t* chunk
    cdef uint32_t i
    if is_change_due(impair, now):
        carry_out_changes(impair, now)
    if first_due(impair) > now:
        return NULL
    if parcel != NULL and parcel.due <= earliest(&impair.strays):
        impair.first = parcel.next
        if parcel.next == NULL:
            impair.last = NULL
    else:
        parcel = <parcel_t*> owner_of(take_earliest(&impair.strays))
        deadlines_release(&impair.strays)
        if parcel.to_pass:
            for i in range(impair.held_count):
                if impair.held[i] == parcel:
                    forget_held(impair, i)
                    break
    chunk = parcel.chunk
    impair.waiting -= 1
    slab_give(&impair.slab, parcel)
    return chunk


cdef void impair_give(impair_t* impair, chunk_t* chunk) noexcept nogil:
    chunk_give(impair.pool, chunk)


cdef void drop_parcels(impair_t* impair) noexcept nogil:
    cdef parcel_t* parcel
    while impair.first != NULL:
        parcel = impair.first
        impair.first = parcel.next
        chunk_give(impair.pool, parcel.chunk)
        slab_give(&impair.slab, parcel)
    impair.last = NULL
    while impair.strays.count:
        parcel = <parcel_t*> owner_of(take_earliest(&impair.strays))
        deadlines_release(&impair.strays)
        chunk_give(impair.pool, parcel.chunk)
        slab_give(&impair.slab, parcel)
    impair.held_count = 0
    impair.waiting = 0


cdef void impair_use_pool(impair_t* impair, chunk_pool_t* pool) noexcept nogil:
    drop_parcels(impair)
    impair.pool = pool if pool != NULL else &impair.own_pool


# ---- faults that change


cdef void set_times(impair_t* impair) noexcept nogil:
    """The thresholds of the queue as times of the transmitter, so that no frame costs a division more."""
    cdef faults_t* faults = &impair.faults
    impair.queue_time = impair.mark_time = impair.timed_octets = impair.timed = 0
    if faults.rate == 0:
        return
    impair.queue_time = scale(faults.queue, 8_000_000_000, faults.rate)
    if faults.ecn_bytes:
        impair.mark_time = scale(faults.ecn_bytes, 8_000_000_000, faults.rate)
    if faults.ecn_delay and (impair.mark_time == 0 or faults.ecn_delay < impair.mark_time):
        impair.mark_time = faults.ecn_delay


cdef int64_t at_new_rate(int64_t wait, int64_t before, int64_t after) noexcept nogil:
    """What was to wait `wait` ns for a transmitter waits that much longer or shorter when its rate changes."""
    return scale(wait, before, after) if after else 0


cdef void change_rate(impair_t* impair, int64_t before, int64_t now) noexcept nogil:
    """Frames that the transmitter has not sent yet leave at its new rate."""
    cdef int64_t after = impair.faults.rate
    cdef parcel_t* parcel = impair.first
    cdef uint32_t i
    if before == 0 or before == after:
        return
    if impair.busy_until > now:
        impair.busy_until = now + at_new_rate(impair.busy_until - now, before, after)
    impair.last_due = now
    while parcel != NULL:
        if parcel.sent > now:
            parcel.sent = now + at_new_rate(parcel.sent - now, before, after)
            parcel.due = parcel.sent + parcel.way
        if parcel.due < impair.last_due:
            parcel.due = impair.last_due
        impair.last_due = parcel.due
        parcel = parcel.next
    for i in range(impair.strays.count):
        parcel = <parcel_t*> owner_of(impair.strays.items[i].node)
        if parcel.sent > now:
            parcel.sent = now + at_new_rate(parcel.sent - now, before, after)
            parcel.due = impair.strays.items[i].due = parcel.deadline.due = parcel.sent + parcel.way
    deadlines_reorder(&impair.strays)


cdef inline bint is_change_due(const impair_t* impair, int64_t now) noexcept nogil:
    return impair.change_next < impair.change_count and impair.changes[impair.change_next].time <= now


cdef void carry_out_changes(impair_t* impair, int64_t now) noexcept nogil:
    cdef change_t* change
    cdef int64_t before
    while is_change_due(impair, now):
        change = &impair.changes[impair.change_next]
        impair.change_next += 1
        before = impair.faults.rate
        (<int64_t*> &impair.faults)[change.which] = change.value
        change_rate(impair, before, change.time)
        set_times(impair)


# ---- for Python


cdef dict RANGES = {
    "loss": ("parts per million", 0, MILLION),
    "burst_begin": ("parts per million", 0, MILLION),
    "burst_end": ("parts per million", 1, MILLION),
    "burst_loss": ("parts per million", 0, MILLION),
    "duplicate": ("parts per million", 0, MILLION),
    "corrupt": ("parts per million", 0, MILLION),
    "truncate": ("parts per million", 0, MILLION),
    "reorder": ("parts per million", 0, MILLION),
    "reorder_by": ("ns", 0, 3_600_000_000_000),
    "reorder_frames": ("frames", 0, 1_000_000),
    "delay": ("ns", 0, 3_600_000_000_000),
    "jitter": ("ns", 0, 4_000_000_000),
    "rate": ("bits per second", 0, 10**12),
    "queue": ("bytes", 1500, 1 << 32),
    "ecn_bytes": ("bytes", 0, 1 << 32),
    "ecn_delay": ("ns", 0, 3_600_000_000_000),
    "mtu": ("bytes", 68, 65535),
    "down": ("yes or no", 0, 1),
}


cdef object checked(str name, object value):
    """The value, or ValueError with the argument's name and what it may be."""
    unit, low, high = RANGES[name]
    if not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"{name} ({unit}) is {value!r}, but must be between {low} and {high}")
    return int(value)


cdef list all_changes(object changes, object blackouts):
    """(time, name, value) in the order of the times."""
    found = []
    last = None
    for time, values in changes:
        if last is not None and time < last:
            raise ValueError(f"changes go back in time from {last} to {time} ns")
        last = time
        for name, value in values.items():
            if name not in RANGES:
                raise ValueError(f"{name} is nothing that may change; known are {', '.join(RANGES)}")
            found.append((time, name, checked(name, value)))
    end = None
    for begin, until in blackouts:
        if until <= begin or (end is not None and begin < end):
            raise ValueError(f"a blackout from {begin} to {until} ns: each must end after it begins, before the next")
        end = until
        found += [(begin, "down", 1), (until, "down", 0)]
    # a stable sort: what is said of one time is carried out in the order in which it was said
    return sorted(found, key=lambda change: change[0])


cdef class Impairment:
    """See the stub for what each argument means."""

    def __cinit__(self, *, seed: int, loss: int = 0, burst_begin: int = 0, burst_end: int = MILLION,
                  burst_loss: int = MILLION, duplicate: int = 0, corrupt: int = 0, truncate: int = 0, reorder: int = 0,
                  reorder_by: int = 1_000_000, reorder_frames: int = 0, delay: int = 0, jitter: int = 0, rate: int = 0,
                  queue: int = 1_048_576, ecn_bytes: int = 0, ecn_delay: int = 0, mtu: int = 65535, down: int = 0,
                  changes=(), blackouts=(), origin: int = 0):
        cdef impair_t* impair = <impair_t*> calloc(1, sizeof(impair_t))
        cdef uint32_t place = 0
        if impair == NULL:
            raise MemoryError
        self.impair = impair
        impair.pool = &impair.own_pool
        deadlines_open(&impair.strays)
        slab_open(&impair.slab, sizeof(parcel_t))
        given = {
            "loss": loss, "burst_begin": burst_begin, "burst_end": burst_end, "burst_loss": burst_loss,
            "duplicate": duplicate, "corrupt": corrupt, "truncate": truncate, "reorder": reorder,
            "reorder_by": reorder_by, "reorder_frames": reorder_frames, "delay": delay, "jitter": jitter, "rate": rate,
            "queue": queue, "ecn_bytes": ecn_bytes, "ecn_delay": ecn_delay, "mtu": mtu, "down": down,
        }
        impair.faults = {name: checked(name, value) for name, value in given.items()}
        places = {name: number for number, name in enumerate(<dict> impair.faults)}
        timed = all_changes(changes, blackouts)
        impair.changes = <change_t*> calloc(len(timed) + 1, sizeof(change_t))
        if impair.changes == NULL:
            raise MemoryError
        for time, name, value in timed:
            impair.changes[place].time = time + origin
            impair.changes[place].which = places[name]
            impair.changes[place].value = value
            place += 1
        impair.change_count = place
        impair.ethernet = True
        impair.random.state = seed & 0xffffffffffffffff
        random_next(&impair.random)
        set_times(impair)

    def __dealloc__(self):
        cdef impair_t* impair = self.impair
        if impair == NULL:
            return
        drop_parcels(impair)
        deadlines_close(&impair.strays)
        slab_close(&impair.slab)
        chunk_pool_close(&impair.own_pool)
        free(impair.changes)
        free(impair)

    def counters(self) -> dict[str, int]:
        cdef impair_t* impair = self.impair
        return {
            "seen": load_count(&impair.seen), "passed": load_count(&impair.passed), "lost": load_count(&impair.lost),
            "burst_lost": load_count(&impair.burst_lost), "duplicated": load_count(&impair.duplicated),
            "corrupted": load_count(&impair.corrupted), "truncated": load_count(&impair.truncated),
            "reordered": load_count(&impair.reordered), "overflowed": load_count(&impair.overflowed),
            "marked": load_count(&impair.marked), "oversized": load_count(&impair.oversized),
            "blacked_out": load_count(&impair.blacked_out),
        }

    @property
    def waiting(self) -> int:
        return self.impair.waiting

    @property
    def last_change(self) -> int:
        return self.impair.changes[self.impair.change_count - 1].time if self.impair.change_count else 0
