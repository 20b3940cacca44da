"""next_segment: which segment may go now (RFC 9293 3.8, 3.8.6.2; SND-2 to SND-5)."""

from libc.stdint cimport int64_t, uint32_t
from netcore.tcp.tcb cimport segment_out_t, tcb_t

# A whole number of full segments that one frame may carry (bytes).
cdef uint32_t largest_text(const tcb_t* tcb) noexcept nogil
# Fills `out` with the next segment of this connection and takes it as sent; False when nothing may go.
cdef bint next_segment(tcb_t* tcb, segment_out_t* out, int64_t now) noexcept nogil
