"""A path between two devices: each direction is read, put through an Impairment and written at the other end.

Frames that go through an Impairment leave it as a wire would carry them: cut to single packets, checksums complete
(SEG-14), and with an empty virtio header, so that the receiver computes the checksum itself and finds damage. A
direction without one hands superframes on whole, header and all.
"""

from libc.stdint cimport int64_t, uint8_t, uint64_t
from netcore.impair cimport Impairment
from netcore.impairment cimport impair_t

cdef struct direction_t:
    # where frames are read and written
    int source
    int target
    # each frame there begins with a virtio header
    bint source_header
    bint target_header
    # NULL: frames are handed on as they come
    impair_t* impair
    # frames and bytes read, superframes counted once; virtio headers are not counted
    uint64_t frames
    uint64_t octets
    # frames and bytes written; frames that the target did not take
    uint64_t delivered
    uint64_t delivered_octets
    uint64_t refused
    # frames written more than LATE ns after their time, and how much later (ns) the latest was
    uint64_t late
    uint64_t latest

cdef class Relay:
    cdef direction_t forward
    cdef direction_t backward
    cdef Impairment forward_impairment
    cdef Impairment backward_impairment
    # the frame being read
    cdef uint8_t* frame
    cdef int wake_descriptor
    cdef int stopping
    # which device is gone
    cdef direction_t* lost
    # with the GIL held
    cdef bint running
    cdef uint64_t _wakeups
    # until when `drive` may run before it lets Python look at its signals (ns)
    cdef int64_t attentive_until
    cdef void drive(self) noexcept nogil
    cdef bint rest(self, int64_t due) noexcept nogil
