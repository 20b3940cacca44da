"""Frames from and to a descriptor (TAP, TUN), or a queue that the program fills and empties."""

from libc.stdint cimport int64_t, uint8_t, uint32_t
from netcore.egress cimport outgoing_t
from netcore.host cimport host_t
from netcore.storage.chunks cimport chunk_t

# Reads at most `most` frames from the descriptor into the stack; how many. -1: the device is gone.
cdef int device_read(host_t* host, int most, int64_t now) noexcept nogil
# One frame out of memory enters, with its virtio header if the device has one. False when it is too long or short.
cdef bint device_inject(host_t* host, const uint8_t* octets, uint32_t length, int64_t now) noexcept nogil
# A complete frame in a chunk on the host's account enters, without virtio header. The chunk when nobody has kept it.
cdef chunk_t* device_enter(host_t* host, chunk_t* chunk, int64_t now) noexcept nogil
# Writes a frame, or puts it in the queue.
cdef void device_write(host_t* host, outgoing_t* out, int64_t now) noexcept nogil
# What impairments held back until now goes on its way.
cdef void device_settle(host_t* host, int64_t now) noexcept nogil
# When an impairment next lets something go; NEVER.
cdef int64_t device_due(const host_t* host) noexcept nogil
