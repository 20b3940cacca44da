"""The edge to the kernel: one system call a frame, and the payload is read straight into what will hold it."""

from libc.stdint cimport int64_t, uint8_t, uint32_t
from netcore.egress cimport outgoing_t
from netcore.host cimport host_t
from netcore.impair cimport impair_due, impair_give, impair_put, impair_take
from netcore.ingress cimport frame_enters
from netcore.posix cimport EAGAIN, EINTR, errno, iovec, malloc, memcpy, memset, read, writev
from netcore.storage.captures cimport captured_octets, captured_t, captures_append
from netcore.storage.chunks cimport LARGE_CHUNK, chunk_give, chunk_t, chunk_take
from netcore.storage.deadlines cimport NEVER
from netcore.storage.frames cimport frame_queue_append, frame_t
from netcore.wire.vnet cimport VNET_HEADER_LENGTH, build_vnet, parse_vnet, vnet_header_t


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


cdef void enter_chunk(host_t* host, chunk_t* chunk, int64_t now) noexcept nogil:
    """A frame in a chunk of this host, virtio header first if the device has one; the chunk is taken over."""
    cdef vnet_header_t vnet
    cdef iovec piece
    cdef frame_t frame
    cdef uint32_t skip = VNET_HEADER_LENGTH if host.device.vnet_header else 0
    if chunk.end < skip:
        host.transport.counters.FramesBad += 1
        chunk_give(&host.transport.pool, chunk)
        return
    if skip:
        parse_vnet(chunk.data, &vnet)
    else:
        memset(&vnet, 0, sizeof(vnet))
    frame.chunk = chunk
    frame.octets = chunk.data + skip
    frame.length = chunk.end - skip
    frame.arrival = now
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
    if host.device.captures.on:
        piece.iov_base = frame.octets
        piece.iov_len = frame.length
        capture(host, &piece, 1, frame.length, False, now)
    frame_enters(host, &frame, &vnet, now)
    impair_give(host.device.inbound, passed)


cdef int device_read(host_t* host, int most, int64_t now) noexcept nogil:
    cdef chunk_t* chunk
    cdef ssize_t size
    cdef int count = 0
    while count < most:
        chunk = chunk_take(&host.transport.pool, LARGE_CHUNK)
        if chunk == NULL:
            break
        size = read(host.device.descriptor, chunk.data, LARGE_CHUNK)
        if size <= 0:
            chunk_give(&host.transport.pool, chunk)
            if size < 0 and errno == EINTR:
                continue
            # a device never gives a frame of nothing: it is the end of a socket whose other end was closed
            if size == 0 or errno != EAGAIN:
                return -1
            break
        host.device.reads += 1
        count += 1
        chunk.end = <uint32_t> size
        enter_chunk(host, chunk, now)
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
    enter_chunk(host, chunk, now)
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
