"""A queue of bytes in chunks: append at the tail, drop at the head, gather from anywhere without copying."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from netcore.posix cimport iovec, memcpy, memmove
from netcore.storage.chunks cimport (
    LARGE_CHUNK, SMALL_CHUNK, chunk_give, chunk_give_list, chunk_pool_t, chunk_t, chunk_take, is_lent,
    own_memory,
)
from netcore.storage.copy cimport copy_text

cdef enum:
    CHUNK_OF_ITS_OWN = 48 * 1024

cdef struct byte_queue_t:
    chunk_t* head
    chunk_t* tail
    uint64_t length
    # where the last gather ended: senders ask for consecutive ranges, so the walk need not start at the head
    chunk_t* cursor
    uint64_t cursor_offset


cdef inline void queue_append_chunk(byte_queue_t* queue, chunk_t* chunk) noexcept nogil:
    """Takes over a chunk with its bytes data[start:end]; at least one byte."""
    chunk.next = NULL
    if queue.tail == NULL:
        queue.head = chunk
    else:
        queue.tail.next = chunk
    queue.tail = chunk
    queue.length += chunk.end - chunk.start


cdef inline bint queue_append(byte_queue_t* queue, chunk_pool_t* pool, const uint8_t* octets,
                              uint64_t length) noexcept nogil:
    """Copies bytes in; False (and the queue as it was but for what fitted) when memory ran out.

    As many as a frame may carry get a chunk of their own, so that the frame is one piece at an even place in a page.
    """
    cdef uint32_t room
    cdef chunk_t* chunk
    while length:
        chunk = queue.tail
        room = chunk.capacity - chunk.end if chunk != NULL else 0
        if room == 0 or (room < length and length >= CHUNK_OF_ITS_OWN):
            # a busy queue gets large chunks at once, an idle one stays small
            chunk = chunk_take(pool, SMALL_CHUNK if length + queue.length <= SMALL_CHUNK else LARGE_CHUNK)
            if chunk == NULL:
                return False
            room = chunk.capacity
            if room > length:
                room = <uint32_t> length
            copy_text(chunk.data, octets, room)
            chunk.end = room
            queue_append_chunk(queue, chunk)
        else:
            if room > length:
                room = <uint32_t> length
            copy_text(chunk.data + chunk.end, octets, room)
            chunk.end += room
            queue.length += room
        octets += room
        length -= room
    return True


cdef inline bint queue_lend(byte_queue_t* queue, chunk_pool_t* pool, const uint8_t* octets,
                            uint32_t length) noexcept nogil:
    """Appends bytes (at most LARGE_CHUNK) where they are. False without memory: queue_keep's is taken here.

    They may neither change nor go before they are dropped or queue_keep has copied them.
    """
    cdef chunk_t* chunk = chunk_take(pool, LARGE_CHUNK)
    if chunk == NULL:
        return False
    # no room behind the bytes: nothing is appended there
    chunk.start = chunk.capacity - length
    chunk.end = chunk.capacity
    chunk.data = <uint8_t*> octets - chunk.start
    queue_append_chunk(queue, chunk)
    return True


cdef inline void chunk_keep(chunk_t* chunk) noexcept nogil:
    """Copies bytes that are lent into the chunk's own memory."""
    cdef uint8_t* own = own_memory(chunk)
    copy_text(own, chunk.data + chunk.start, chunk.end - chunk.start)
    chunk.end -= chunk.start
    chunk.start = 0
    chunk.data = own


cdef inline void queue_keep(byte_queue_t* queue) noexcept nogil:
    """Copies all bytes that are lent."""
    cdef chunk_t* chunk = queue.head
    while chunk != NULL:
        if is_lent(chunk):
            chunk_keep(chunk)
        chunk = chunk.next


cdef inline bint queue_keep_last(byte_queue_t* queue) noexcept nogil:
    """Copies the last bytes that are lent, a chunk of them at most; those before them are the sooner to be dropped.

    Whether more are lent.
    """
    cdef chunk_t* chunk = queue.head
    cdef chunk_t* last = NULL
    cdef bint more = False
    while chunk != NULL:
        if is_lent(chunk):
            more = last != NULL
            last = chunk
        chunk = chunk.next
    if last != NULL:
        chunk_keep(last)
    return more


cdef inline void queue_append_queue(byte_queue_t* queue, byte_queue_t* other) noexcept nogil:
    """Moves all of `other` to the tail; `other` is empty then."""
    if other.head == NULL:
        return
    if queue.tail == NULL:
        queue.head = other.head
    else:
        queue.tail.next = other.head
    queue.tail = other.tail
    queue.length += other.length
    other.head = other.tail = other.cursor = NULL
    other.length = other.cursor_offset = 0


cdef inline void queue_join(byte_queue_t* queue, byte_queue_t* other, chunk_pool_t* pool) noexcept nogil:
    """Moves all of `other` to the tail, and what fits into room left there out of chunks of its own.

    So any two neighbors hold more bytes together than one of them could, and a peer that sends its bytes one by one and
    backwards takes no more than about twice their number of memory.
    """
    cdef chunk_t* seam = queue.tail
    cdef chunk_t* following
    cdef uint32_t size
    queue_append_queue(queue, other)
    if seam == NULL:
        return
    while seam.next != NULL and seam.next.end - seam.next.start <= seam.capacity - seam.end:
        following = seam.next
        size = following.end - following.start
        memcpy(seam.data + seam.end, following.data + following.start, size)
        seam.end += size
        seam.next = following.next
        if queue.tail == following:
            queue.tail = seam
        if queue.cursor == following:
            queue.cursor = NULL
        chunk_give(pool, following)


cdef inline void queue_drop(byte_queue_t* queue, chunk_pool_t* pool, uint64_t length) noexcept nogil:
    """Drops `length` bytes at the head (at most all)."""
    cdef chunk_t* chunk
    cdef uint32_t size
    if length > queue.length:
        length = queue.length
    queue.length -= length
    queue.cursor_offset = queue.cursor_offset - length if queue.cursor_offset >= length else 0
    while length:
        chunk = queue.head
        size = chunk.end - chunk.start
        if length < size:
            if chunk == queue.cursor and queue.cursor_offset == 0:
                queue.cursor = NULL
            chunk.start += <uint32_t> length
            return
        length -= size
        queue.head = chunk.next
        if queue.head == NULL:
            queue.tail = NULL
        if chunk == queue.cursor:
            queue.cursor = NULL
        chunk_give(pool, chunk)


cdef inline uint8_t queue_extract(byte_queue_t* queue, chunk_pool_t* pool, uint64_t offset) noexcept nogil:
    """Takes one byte out of the middle; there must be one at `offset`."""
    cdef chunk_t* chunk = queue.head
    cdef chunk_t* before = NULL
    cdef uint8_t octet
    cdef uint32_t at
    while offset >= chunk.end - chunk.start:
        offset -= chunk.end - chunk.start
        before = chunk
        chunk = chunk.next
    at = chunk.start + <uint32_t> offset
    octet = chunk.data[at]
    memmove(chunk.data + at, chunk.data + at + 1, chunk.end - at - 1)
    chunk.end -= 1
    queue.length -= 1
    queue.cursor = NULL
    if chunk.end == chunk.start:
        if before == NULL:
            queue.head = chunk.next
        else:
            before.next = chunk.next
        if queue.tail == chunk:
            queue.tail = before
        chunk_give(pool, chunk)
    return octet


cdef inline void queue_clear(byte_queue_t* queue, chunk_pool_t* pool) noexcept nogil:
    chunk_give_list(pool, queue.head)
    queue.head = queue.tail = queue.cursor = NULL
    queue.length = queue.cursor_offset = 0


cdef inline uint64_t queue_copy(const byte_queue_t* queue, uint8_t* destination, uint64_t length) noexcept nogil:
    """Copies up to `length` bytes from the head without taking them; returns how many."""
    cdef const chunk_t* chunk = queue.head
    cdef uint64_t done = 0
    cdef uint64_t size
    while chunk != NULL and done < length:
        size = chunk.end - chunk.start
        if size > length - done:
            size = length - done
        copy_text(destination + done, chunk.data + chunk.start, size)
        done += size
        chunk = chunk.next
    return done


cdef inline int queue_gather(byte_queue_t* queue, uint64_t offset, uint64_t length, iovec* pieces,
                             int most) noexcept nogil:
    """Points `pieces` at bytes offset..offset+length, which must be in the queue; how many pieces, at most `most`.

    When `most` does not suffice the pieces cover less than `length`: the caller sums them.
    """
    cdef chunk_t* chunk = queue.head
    cdef uint64_t at = 0
    cdef uint64_t skip
    cdef uint64_t size
    cdef int count = 0
    if queue.cursor != NULL and queue.cursor_offset <= offset:
        chunk = queue.cursor
        at = queue.cursor_offset
    while chunk != NULL and at + (chunk.end - chunk.start) <= offset:
        at += chunk.end - chunk.start
        chunk = chunk.next
    if chunk == NULL:
        return 0
    while chunk != NULL and length and count < most:
        queue.cursor = chunk
        queue.cursor_offset = at
        skip = offset - at
        size = chunk.end - chunk.start - skip
        if size > length:
            size = length
        pieces[count].iov_base = chunk.data + chunk.start + skip
        pieces[count].iov_len = size
        count += 1
        offset += size
        length -= size
        at += chunk.end - chunk.start
        chunk = chunk.next
    return count
