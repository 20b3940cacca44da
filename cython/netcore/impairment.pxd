"""impair_t: what one direction of an impaired link remembers."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from netcore.storage.chunks cimport chunk_pool_t, chunk_t
from netcore.storage.deadlines cimport deadline_t, deadlines_t
from netcore.storage.random cimport random_t
from netcore.storage.slab cimport slab_t

cdef struct parcel_t:
    deadline_t deadline
    chunk_t* chunk

cdef struct impair_t:
    # parts per million
    uint32_t loss
    uint32_t duplicate
    uint32_t corrupt
    uint32_t reorder
    int64_t reorder_by
    int64_t delay
    int64_t jitter
    # bits per second, 0: no limit; bytes that may wait for it
    int64_t rate
    int64_t queue
    uint32_t mtu
    bint ethernet
    random_t random
    # when the transmitter is free again, and the latest arrival of a frame that kept its order
    int64_t busy_until
    int64_t last_due
    deadlines_t parcels
    slab_t slab
    chunk_pool_t pool
    uint64_t seen
    uint64_t passed
    uint64_t lost
    uint64_t duplicated
    uint64_t corrupted
    uint64_t reordered
    uint64_t overflowed
