"""Pools of structs of one size. A taken struct is all zero."""

from libc.stdint cimport uint32_t
from netcore.posix cimport PLAIN_ALLOCATION, calloc, free, malloc, memset

cdef enum:
    SLAB_BLOCK = 64

cdef struct slab_block_t:
    slab_block_t* next

cdef struct slab_free_t:
    slab_free_t* next

cdef struct slab_t:
    size_t size
    slab_free_t* free
    slab_block_t* blocks
    uint32_t in_use


cdef inline void slab_open(slab_t* slab, size_t size) noexcept nogil:
    memset(slab, 0, sizeof(slab_t))
    slab.size = (size + 15) & ~(<size_t> 15)


cdef inline bint slab_grow(slab_t* slab) noexcept nogil:
    cdef slab_block_t* block = <slab_block_t*> malloc(16 + slab.size * SLAB_BLOCK)
    cdef slab_free_t* piece
    cdef int i
    if block == NULL:
        return False
    block.next = slab.blocks
    slab.blocks = block
    for i in range(SLAB_BLOCK - 1, -1, -1):
        piece = <slab_free_t*> (<char*> block + 16 + slab.size * i)
        piece.next = slab.free
        slab.free = piece
    return True


cdef inline void* slab_take(slab_t* slab) noexcept nogil:
    """NULL when there is no memory."""
    cdef slab_free_t* piece
    if PLAIN_ALLOCATION:
        piece = <slab_free_t*> calloc(1, slab.size)
        if piece != NULL:
            slab.in_use += 1
        return piece
    if slab.free == NULL and not slab_grow(slab):
        return NULL
    piece = slab.free
    slab.free = piece.next
    slab.in_use += 1
    memset(piece, 0, slab.size)
    return piece


cdef inline void slab_give(slab_t* slab, void* piece) noexcept nogil:
    slab.in_use -= 1
    if PLAIN_ALLOCATION:
        free(piece)
        return
    (<slab_free_t*> piece).next = slab.free
    slab.free = <slab_free_t*> piece


cdef inline void slab_close(slab_t* slab) noexcept nogil:
    cdef slab_block_t* block
    while slab.blocks != NULL:
        block = slab.blocks
        slab.blocks = block.next
        free(block)
    slab.free = NULL
