"""SEGMENT ARRIVES (RFC 9293 3.10.7)."""

from libc.stdint cimport int64_t
from netcore.storage.frames cimport frame_t
from netcore.tcp.tcb cimport transport_t
from netcore.wire.tcp cimport segment_t

# A sound segment for this host. `frame` owns the text's bytes; its chunk is taken over when that saves a copy.
cdef void segment_arrives(transport_t* transport, segment_t* seg, frame_t* frame, int64_t now) noexcept nogil
