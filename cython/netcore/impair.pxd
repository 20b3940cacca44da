"""A link's misbehaviour, seeded: what is lost, damaged, delayed, reordered or marked, and how that changes."""

from libc.stdint cimport int64_t, uint32_t
from netcore.impairment cimport impair_t
from netcore.posix cimport iovec
from netcore.storage.chunks cimport chunk_pool_t, chunk_t
from netcore.storage.deadlines cimport NEVER, earliest
from netcore.wire.vnet cimport vnet_header_t

# One frame enters, in pieces, without its virtio header, which says what is still to be cut and completed.
cdef void impair_put(impair_t* impair, const iovec* pieces, int count, uint32_t length, const vnet_header_t* vnet,
                     int64_t now) noexcept nogil
# The same for a complete frame in a chunk of the impairment's pool, which is taken over.
cdef void impair_pass(impair_t* impair, chunk_t* chunk, int64_t now) noexcept nogil
# A frame that is out by `now`, complete and without virtio header, or NULL; to be given back with impair_give.
cdef chunk_t* impair_take(impair_t* impair, int64_t now) noexcept nogil
cdef void impair_give(impair_t* impair, chunk_t* chunk) noexcept nogil
# Takes chunks from `pool`, NULL: its own, from now on; what is under way is dropped.
cdef void impair_use_pool(impair_t* impair, chunk_pool_t* pool) noexcept nogil


cdef inline int64_t first_due(const impair_t* impair) noexcept nogil:
    """When the next frame comes out, as it looks now; NEVER when there is none."""
    cdef int64_t due = earliest(&impair.strays)
    return impair.first.due if impair.first != NULL and impair.first.due < due else due


cdef inline int64_t impair_due(const impair_t* impair) noexcept nogil:
    """When the next frame comes out, or the faults change for those under way; NEVER when there is none."""
    cdef int64_t due = first_due(impair)
    # a change of the rate moves what waits for the transmitter
    if due != NEVER and impair.change_next < impair.change_count and impair.changes[impair.change_next].time < due:
        return impair.changes[impair.change_next].time
    return due


cdef class Impairment:
    cdef impair_t* impair
