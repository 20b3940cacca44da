"""impair_t: what one direction of an impaired link remembers."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from netcore.storage.chunks cimport chunk_pool_t, chunk_t
from netcore.storage.deadlines cimport deadline_t, deadlines_t
from netcore.storage.random cimport random_t
from netcore.storage.slab cimport slab_t

cdef enum:
    # frames that may be held back for others to overtake at a time
    HELD_MOST = 64

# What may change over time. All of one type, so that a change is (offset, value); names as Impairment's arguments.
cdef struct faults_t:
    # parts per million
    int64_t loss
    int64_t burst_begin
    int64_t burst_end
    int64_t burst_loss
    int64_t duplicate
    int64_t corrupt
    int64_t truncate
    int64_t reorder
    # ns
    int64_t reorder_by
    int64_t reorder_frames
    int64_t delay
    int64_t jitter
    # bits per second, 0: no limit; bytes that may wait for it
    int64_t rate
    int64_t queue
    int64_t ecn_bytes
    int64_t ecn_delay
    int64_t mtu
    int64_t down

cdef struct change_t:
    int64_t time
    # place of the value in faults_t, counted in values
    uint32_t which
    int64_t value

# a frame under way
cdef struct parcel_t:
    parcel_t* next
    deadline_t deadline
    chunk_t* chunk
    # when the transmitter has sent it, how long the way takes, when it arrives
    int64_t sent
    int64_t way
    int64_t due
    # frames that are still to enter behind it; 0: only time lets it go
    uint32_t to_pass

cdef struct impair_t:
    faults_t faults
    change_t* changes
    uint32_t change_count
    uint32_t change_next
    bint ethernet
    # it belongs to a link of a simulator, or to a device
    bint attached
    random_t random
    # a burst of losses is going on
    bint bursting
    # ns that the frames of a full queue take, and of one above which ECT frames are marked; 0: never
    int64_t queue_time
    int64_t mark_time
    # what the transmitter took for the last frame: its octets, ns
    int64_t timed_octets
    int64_t timed
    # when the transmitter is free again, and the latest arrival of a frame that kept its order
    int64_t busy_until
    int64_t last_due
    # frames that keep their order, and those that do not
    parcel_t* first
    parcel_t* last
    deadlines_t strays
    # those of them that wait to be overtaken
    parcel_t* held[64]
    uint32_t held_count
    uint32_t waiting
    slab_t slab
    chunk_pool_t* pool
    chunk_pool_t own_pool
    uint64_t seen
    uint64_t passed
    uint64_t lost
    uint64_t burst_lost
    uint64_t duplicated
    uint64_t corrupted
    uint64_t truncated
    uint64_t reordered
    uint64_t overflowed
    uint64_t marked
    uint64_t oversized
    uint64_t blacked_out
