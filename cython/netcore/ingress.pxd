"""The way in on one page: frame -> packet -> segment -> connection."""

from libc.stdint cimport int64_t
from netcore.host cimport host_t
from netcore.storage.frames cimport frame_t
from netcore.wire.vnet cimport vnet_header_t

# One frame, behind its virtio header. Its chunk is NULL afterwards when a connection has kept it.
cdef void frame_enters(host_t* host, frame_t* frame, const vnet_header_t* vnet, int64_t now) noexcept nogil
