"""What every segment of a synchronized connection says beside its text."""

from libc.stdint cimport int64_t, uint32_t
from netcore.tcp.tcb cimport segment_out_t, tcb_t

# An empty segment of this connection with number `seq`.
cdef void address_segment(tcb_t* tcb, segment_out_t* out, uint32_t seq) noexcept nogil
# Adds the time to the TSval of one that is `undated`.
cdef void date_segment(segment_out_t* out, int64_t now) noexcept nogil
# Every segment of a synchronized connection carries the newest ACK, so none other is due; its text is known already,
# since options take the room that it leaves.
cdef void acknowledge(tcb_t* tcb, segment_out_t* out, int64_t now) noexcept nogil
