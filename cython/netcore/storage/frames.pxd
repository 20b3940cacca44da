"""Frames in memory: one being read, and queues of whole ones."""

from libc.stdint cimport int64_t, uint8_t, uint32_t
from netcore.storage.chunks cimport chunk_give, chunk_pool_t, chunk_t

cdef struct frame_t:
    # owner of the octets; whoever keeps the bytes takes the chunk and leaves NULL
    chunk_t* chunk
    # first octet behind the virtio header
    uint8_t* octets
    uint32_t length
    # time of arrival at the descriptor, ns
    int64_t arrival
    # The first `landed` octets of the text lie there and not in `octets`, which have a gap in their place: they were
    # read to where their receiver wants them (landing_t). `accepted`: they are the connection's.
    uint8_t* landing
    uint32_t landed
    bint accepted

cdef struct frame_queue_t:
    chunk_t* first
    chunk_t* last
    uint32_t count


cdef inline void frame_queue_append(frame_queue_t* queue, chunk_t* chunk) noexcept nogil:
    chunk.next = NULL
    if queue.last == NULL:
        queue.first = chunk
    else:
        queue.last.next = chunk
    queue.last = chunk
    queue.count += 1


cdef inline chunk_t* frame_queue_take(frame_queue_t* queue) noexcept nogil:
    """The oldest frame, as a chunk whose bytes are data[start:end]; NULL when empty."""
    cdef chunk_t* chunk = queue.first
    if chunk == NULL:
        return NULL
    queue.first = chunk.next
    if queue.first == NULL:
        queue.last = NULL
    queue.count -= 1
    chunk.next = NULL
    return chunk


cdef inline void frame_queue_clear(frame_queue_t* queue, chunk_pool_t* pool) noexcept nogil:
    cdef chunk_t* chunk = frame_queue_take(queue)
    while chunk != NULL:
        chunk_give(pool, chunk)
        chunk = frame_queue_take(queue)
