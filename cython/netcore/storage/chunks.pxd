"""Chunks: the blocks of memory that hold bytes, from the descriptor to the application.

Two sizes: LARGE holds any frame of a TAP with its headers, SMALL a frame of MTU 1500. Chunks given back are kept for
the next taker, most recently used first because their memory is still in the processor's cache, up to a bound.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t
from netcore.posix cimport PLAIN_ALLOCATION, free, malloc, posix_memalign

cdef enum:
    SMALL_CHUNK = 2048 - 48
    LARGE_CHUNK = 68 * 1024 - 48
    PAGE = 4096
    SMALL_CACHE = 1024
    LARGE_CACHE = 128

cdef struct chunk_t:
    chunk_t* next
    # the bytes in use are data[start:end]
    uint32_t start
    uint32_t end
    uint32_t capacity
    uint8_t* data

cdef struct chunk_pool_t:
    chunk_t* small
    chunk_t* large
    uint32_t small_cached
    uint32_t large_cached
    # bytes of capacity handed out and not given back, and of records that whoever holds them adds (LIM-2)
    int64_t in_use
    int64_t limit


cdef inline uint8_t* own_memory(chunk_t* chunk) noexcept nogil:
    return <uint8_t*> chunk + sizeof(chunk_t)


cdef inline bint is_lent(chunk_t* chunk) noexcept nogil:
    """Whether a chunk shows bytes that are somebody else's for a while, and keeps room to copy them into.

    One that will never copy what it shows (services.pyx) has another capacity.
    """
    return chunk.capacity == LARGE_CHUNK and chunk.data != own_memory(chunk)


cdef inline chunk_t* chunk_take(chunk_pool_t* pool, uint32_t capacity) noexcept nogil:
    """A chunk of at least `capacity` bytes (at most LARGE_CHUNK), empty; NULL when there is no memory."""
    cdef chunk_t* chunk = NULL
    cdef bint small = capacity <= SMALL_CHUNK
    if small and pool.small != NULL:
        chunk = pool.small
        pool.small = chunk.next
        pool.small_cached -= 1
    elif not small and pool.large != NULL:
        chunk = pool.large
        pool.large = chunk.next
        pool.large_cached -= 1
    else:
        # large ones fill pages: where their bytes lie in a page decides how fast some processors copy them
        if small:
            chunk = <chunk_t*> malloc(sizeof(chunk_t) + SMALL_CHUNK)
        elif posix_memalign(<void**> &chunk, PAGE, sizeof(chunk_t) + LARGE_CHUNK):
            chunk = NULL
        if chunk == NULL:
            return NULL
        chunk.capacity = SMALL_CHUNK if small else LARGE_CHUNK
        chunk.data = own_memory(chunk)
    chunk.next = NULL
    chunk.start = 0
    chunk.end = 0
    pool.in_use += chunk.capacity
    return chunk


cdef inline void chunk_give(chunk_pool_t* pool, chunk_t* chunk) noexcept nogil:
    pool.in_use -= chunk.capacity
    if PLAIN_ALLOCATION:
        free(chunk)
    elif chunk.capacity == SMALL_CHUNK and pool.small_cached < SMALL_CACHE:
        chunk.next = pool.small
        pool.small = chunk
        pool.small_cached += 1
    elif chunk.capacity == LARGE_CHUNK and pool.large_cached < LARGE_CACHE:
        chunk.data = own_memory(chunk)
        chunk.next = pool.large
        pool.large = chunk
        pool.large_cached += 1
    else:
        free(chunk)


cdef inline void chunk_move(chunk_pool_t* source, chunk_pool_t* target, const chunk_t* chunk) noexcept nogil:
    """Puts a chunk that is handed out on another pool's account."""
    source.in_use -= chunk.capacity
    target.in_use += chunk.capacity


cdef inline void chunk_give_list(chunk_pool_t* pool, chunk_t* chunk) noexcept nogil:
    cdef chunk_t* following
    while chunk != NULL:
        following = chunk.next
        chunk_give(pool, chunk)
        chunk = following


cdef inline void chunk_pool_close(chunk_pool_t* pool) noexcept nogil:
    cdef chunk_t* chunk
    while pool.small != NULL:
        chunk = pool.small
        pool.small = chunk.next
        free(chunk)
    while pool.large != NULL:
        chunk = pool.large
        pool.large = chunk.next
        free(chunk)
    pool.small_cached = pool.large_cached = 0
