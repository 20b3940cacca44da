"""The edge to the kernel: one system call a frame, and text is read straight into what will hold it.

That is a chunk of the connection's queue, or even the buffer of a receiver that waits for it (landing).
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from netcore.egress cimport outgoing_t
from netcore.host cimport host_t, landing_t
from netcore.impair cimport impair_due, impair_give, impair_put, impair_take
from netcore.ingress cimport frame_enters
from netcore.landing cimport headers_before_landing, is_frame_expected
from netcore.posix cimport EAGAIN, EINTR, errno, iovec, malloc, memcpy, memset, monotonic_clock, read, readv, writev
from netcore.storage.captures cimport captured_octets, captured_t, captures_append
from netcore.storage.chunks cimport LARGE_CHUNK, SMALL_CHUNK, chunk_give, chunk_t, chunk_take
from netcore.storage.deadlines cimport NEVER
from netcore.storage.frames cimport frame_queue_append, frame_t
from netcore.wire.vnet cimport VNET_HEADER_LENGTH, build_vnet, parse_vnet, vnet_header_t

cdef enum:
    OUT_OF_MEMORY = -2
    # octets of one batch
    BATCH_BYTES = 262144
    LARGE_FRAME = 16384
    # bytes in a ns: 24 us for the largest frame, which takes 4 to 8
    SLOWEST_COPY = 3


cdef void capture(host_t* host, const iovec* pieces, int count, uint32_t length, bint outbound,
                  int64_t now) noexcept nogil:
    cdef captured_t* item
    cdef uint32_t at = 0
    cdef int i
    if host.device.captures.held + length > host.device.captures.limit:
        host.transport.counters.CaptureDrops += 1
        return
    item = <captured_t*> malloc(sizeof(captured_t) + length)
    if item == NULL:
        host.transport.counters.CaptureDrops += 1
        return
    item.time = now
    item.outbound = outbound
    item.length = length
    for i in range(count):
        memcpy(captured_octets(item) + at, pieces[i].iov_base, pieces[i].iov_len)
        at += <uint32_t> pieces[i].iov_len
    captures_append(&host.device.captures, item)


cdef bint enter_chunk(host_t* host, chunk_t* chunk, uint8_t* landing, uint32_t landed, int64_t now) noexcept nogil:
    """A frame in a chunk of this host, virtio header first if the device has one; the chunk is taken over.

    landing, landed: as in frame_t. True: what landed is the connection's.
    """
    cdef vnet_header_t vnet
    cdef iovec piece
    cdef frame_t frame
    cdef uint32_t skip = VNET_HEADER_LENGTH if host.device.vnet_header else 0
    if chunk.end < skip:
        host.transport.counters.FramesBad += 1
        chunk_give(&host.transport.pool, chunk)
        return False
    if skip:
        parse_vnet(chunk.data, &vnet)
    else:
        memset(&vnet, 0, sizeof(vnet))
    frame.chunk = chunk
    frame.octets = chunk.data + skip
    frame.length = chunk.end - skip
    frame.arrival = now
    frame.landing = landing
    frame.landed = landed
    frame.accepted = False
    piece.iov_base = frame.octets
    piece.iov_len = frame.length
    if host.device.inbound != NULL:
        impair_put(host.device.inbound, &piece, 1, frame.length, &vnet, now)
    else:
        if host.device.captures.on:
            capture(host, &piece, 1, frame.length, False, now)
        frame_enters(host, &frame, &vnet, now)
    if frame.chunk != NULL:
        chunk_give(&host.transport.pool, frame.chunk)
    return frame.accepted


cdef void enter_impaired(host_t* host, chunk_t* passed, int64_t now) noexcept nogil:
    """A frame out of the inbound impairment: complete, checksum and all."""
    cdef vnet_header_t vnet
    cdef iovec piece
    cdef frame_t frame
    memset(&vnet, 0, sizeof(vnet))
    frame.chunk = NULL
    frame.octets = passed.data + passed.start
    frame.length = passed.end - passed.start
    frame.arrival = now
    frame.landed = 0
    if host.device.captures.on:
        piece.iov_base = frame.octets
        piece.iov_len = frame.length
        capture(host, &piece, 1, frame.length, False, now)
    frame_enters(host, &frame, &vnet, now)
    impair_give(host.device.inbound, passed)


cdef ssize_t read_large(host_t* host, chunk_t** taken) noexcept nogil:
    cdef chunk_t* chunk = chunk_take(&host.transport.pool, LARGE_CHUNK)
    taken[0] = chunk
    return read(host.device.descriptor, chunk.data, LARGE_CHUNK) if chunk != NULL else OUT_OF_MEMORY


cdef ssize_t read_small(host_t* host, chunk_t** taken) noexcept nogil:
    """A device without offloads gives small frames: they take small chunks, and a longer one goes on in a large one."""
    cdef chunk_t* small = chunk_take(&host.transport.pool, SMALL_CHUNK)
    cdef chunk_t* large = chunk_take(&host.transport.pool, LARGE_CHUNK)
    cdef iovec pieces[2]
    cdef ssize_t size = OUT_OF_MEMORY
    taken[0] = small
    if small != NULL and large != NULL:
        pieces[0].iov_base = small.data
        pieces[0].iov_len = SMALL_CHUNK
        pieces[1].iov_base = large.data + SMALL_CHUNK
        pieces[1].iov_len = LARGE_CHUNK - SMALL_CHUNK
        size = readv(host.device.descriptor, pieces, 2)
        if size > SMALL_CHUNK:
            memcpy(large.data, small.data, SMALL_CHUNK)
            taken[0] = large
            large = small
    if large != NULL:
        chunk_give(&host.transport.pool, large)
    return size


cdef ssize_t read_landing(host_t* host, uint32_t headers, chunk_t** taken, uint32_t* landed) noexcept nogil:
    """Text as far as there is room for it to where its receiver wants it, all else into a chunk with a gap for it."""
    cdef landing_t* landing = host.device.landing
    cdef chunk_t* chunk = chunk_take(&host.transport.pool, LARGE_CHUNK)
    cdef uint32_t skip = VNET_HEADER_LENGTH if host.device.vnet_header else 0
    cdef uint32_t room = LARGE_CHUNK - headers
    cdef int64_t began
    cdef bint slow
    cdef iovec pieces[3]
    cdef ssize_t size
    taken[0] = chunk
    landed[0] = 0
    if chunk == NULL:
        return OUT_OF_MEMORY
    if room > landing.length - landing.filled:
        room = <uint32_t> (landing.length - landing.filled)
    pieces[0].iov_base = chunk.data
    pieces[0].iov_len = headers
    pieces[1].iov_base = landing.octets + landing.filled
    pieces[1].iov_len = room
    pieces[2].iov_base = chunk.data + headers + room
    pieces[2].iov_len = LARGE_CHUNK - headers - room
    began = monotonic_clock()
    size = readv(host.device.descriptor, pieces, 3)
    slow = size >= LARGE_FRAME and monotonic_clock() - began > size // SLOWEST_COPY
    if size > <ssize_t> headers:
        landed[0] = <uint32_t> size - headers if <uint32_t> size - headers < room else room
        if not is_frame_expected(host, chunk.data + skip, <uint32_t> size - skip, headers - skip):
            memcpy(chunk.data + headers, pieces[1].iov_base, landed[0])
            memset(pieces[1].iov_base, 0, landed[0])
            landed[0] = 0
    if slow:
        # This place and the kernel's lie so in their pages that the copy crawls (storage.copy), and it would be so to
        # the end of the buffer: what follows lands in the next one.
        landing.length = landing.filled + landed[0]
    return size


cdef int device_read(host_t* host, int most, int64_t now) noexcept nogil:
    cdef chunk_t* chunk
    cdef uint8_t* octets
    cdef uint32_t headers, landed
    cdef uint64_t total = 0
    cdef ssize_t size
    cdef int count = 0
    while count < most:
        landed = 0
        octets = NULL
        headers = headers_before_landing(host)
        if headers:
            octets = host.device.landing.octets + host.device.landing.filled
            size = read_landing(host, headers, &chunk, &landed)
        elif host.device.offloads:
            size = read_large(host, &chunk)
        else:
            size = read_small(host, &chunk)
        if size <= 0:
            if chunk != NULL:
                chunk_give(&host.transport.pool, chunk)
            if size < 0 and size != OUT_OF_MEMORY and errno == EINTR:
                continue
            # a device never gives a frame of nothing: it is the end of a socket whose other end was closed
            if size == 0 or (size != OUT_OF_MEMORY and errno != EAGAIN):
                return -1
            break
        host.device.reads += 1
        count += 1
        total += size
        host.device.thread.octets += size
        chunk.end = <uint32_t> size
        if enter_chunk(host, chunk, octets, landed, now):
            host.device.landing.filled += landed
        elif landed:
            memset(octets, 0, landed)
        if total >= BATCH_BYTES:
            # who sends superframes waits for the ACK of a few
            return most
        if octets != NULL and host.device.landing.filled == host.device.landing.length:
            # the receiver has what it can take
            return most
    return count


cdef bint device_inject(host_t* host, const uint8_t* octets, uint32_t length, int64_t now) noexcept nogil:
    cdef chunk_t* chunk
    if length > LARGE_CHUNK:
        return False
    chunk = chunk_take(&host.transport.pool, length)
    if chunk == NULL:
        return True
    memcpy(chunk.data, octets, length)
    chunk.end = length
    enter_chunk(host, chunk, NULL, 0, now)
    return True


cdef chunk_t* device_enter(host_t* host, chunk_t* chunk, int64_t now) noexcept nogil:
    cdef vnet_header_t vnet
    cdef iovec piece
    cdef frame_t frame
    memset(&vnet, 0, sizeof(vnet))
    frame.chunk = chunk
    frame.octets = chunk.data + chunk.start
    frame.length = chunk.end - chunk.start
    frame.arrival = now
    frame.landed = 0
    if host.device.captures.on:
        piece.iov_base = frame.octets
        piece.iov_len = frame.length
        capture(host, &piece, 1, frame.length, False, now)
    frame_enters(host, &frame, &vnet, now)
    return frame.chunk


cdef void emit(host_t* host, iovec* pieces, int count, uint32_t length, const vnet_header_t* vnet) noexcept nogil:
    """pieces[0] must have room before it for the virtio header."""
    cdef uint32_t skip = VNET_HEADER_LENGTH if host.device.vnet_header else 0
    cdef chunk_t* chunk
    cdef int i
    if skip:
        pieces[0].iov_base = <uint8_t*> pieces[0].iov_base - skip
        pieces[0].iov_len += skip
        build_vnet(<uint8_t*> pieces[0].iov_base, vnet)
    if host.device.descriptor >= 0:
        host.device.writes += 1
        host.device.thread.octets += length
        # a frame that the device refuses is lost, as on any link
        if writev(host.device.descriptor, pieces, count) < 0:
            host.device.write_errors += 1
            host.transport.counters.OutDiscards += 1
        return
    # a live host without a device has nobody who would fetch the frame
    chunk = NULL if host.live else chunk_take(&host.transport.pool, length + skip)
    if chunk == NULL:
        host.transport.counters.OutDiscards += 1
        return
    for i in range(count):
        memcpy(chunk.data + chunk.end, pieces[i].iov_base, pieces[i].iov_len)
        chunk.end += <uint32_t> pieces[i].iov_len
    frame_queue_append(&host.device.outgoing, chunk)


cdef void device_write(host_t* host, outgoing_t* out, int64_t now) noexcept nogil:
    host.transport.counters.FramesOut += 1
    if host.device.outbound != NULL:
        impair_put(host.device.outbound, out.pieces, out.count, out.length, &out.vnet, now)
    else:
        if host.device.captures.on:
            capture(host, out.pieces, out.count, out.length, True, now)
        if host.device.link != NULL:
            impair_put(host.device.link, out.pieces, out.count, out.length, &out.vnet, now)
        else:
            emit(host, out.pieces, out.count, out.length, &out.vnet)
    if out.chunk != NULL:
        chunk_give(&host.transport.pool, out.chunk)
        out.chunk = NULL


cdef void emit_impaired(host_t* host, chunk_t* passed, int64_t now) noexcept nogil:
    cdef vnet_header_t vnet
    cdef iovec pieces[2]
    cdef uint8_t header[32]
    memset(&vnet, 0, sizeof(vnet))
    # an empty first piece, with room before it
    pieces[0].iov_base = header + 32
    pieces[0].iov_len = 0
    pieces[1].iov_base = passed.data + passed.start
    pieces[1].iov_len = passed.end - passed.start
    if host.device.captures.on:
        capture(host, &pieces[1], 1, <uint32_t> pieces[1].iov_len, True, now)
    emit(host, pieces, 2, <uint32_t> pieces[1].iov_len, &vnet)
    impair_give(host.device.outbound, passed)


cdef void device_settle(host_t* host, int64_t now) noexcept nogil:
    cdef chunk_t* passed
    if host.device.inbound != NULL:
        passed = impair_take(host.device.inbound, now)
        while passed != NULL:
            enter_impaired(host, passed, now)
            passed = impair_take(host.device.inbound, now)
    if host.device.outbound != NULL:
        passed = impair_take(host.device.outbound, now)
        while passed != NULL:
            emit_impaired(host, passed, now)
            passed = impair_take(host.device.outbound, now)


cdef int64_t device_due(const host_t* host) noexcept nogil:
    cdef int64_t due = NEVER
    if host.device.inbound != NULL:
        due = impair_due(host.device.inbound)
    if host.device.outbound != NULL and impair_due(host.device.outbound) < due:
        due = impair_due(host.device.outbound)
    return due
