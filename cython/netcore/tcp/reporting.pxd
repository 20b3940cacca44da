"""What a segment tells of text that came out of order or twice (RFC 2018, RFC 2883)."""

from netcore.tcp.tcb cimport segment_out_t, tcb_t

# Puts SACK blocks behind the options that are there. False: something new is not reported yet, a further ACK is due.
cdef bint report_received(tcb_t* tcb, segment_out_t* out) noexcept nogil
