"""Whether what a connection keeps agrees with itself: the stretches it sent, the ranges it holds (invariants)."""

from netcore.tcp.tcb cimport tcb_t

# The stretches cover snd_una..snd_nxt without gap or overlap; in_flight, sacked, sacked_segments and the two orders
# are what the stretches say; the tree finds each of them.
cdef bint is_flight_right(const tcb_t* tcb) noexcept nogil
# The ranges beyond the hole at rcv_nxt are in order, apart, within the window, and hold as many bytes as they span.
cdef bint is_reassembly_right(const tcb_t* tcb) noexcept nogil
