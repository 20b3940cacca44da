"""Time-outs of connections and TIME-WAIT records (RFC 9293 3.10.8, RFC 6298 5; SND-5, SND-6, SND-7)."""

from libc.stdint cimport int64_t
from netcore.tcp.tcb cimport tcb_t

# Carries out every time-out of this connection that is due and arms the heap for the rest.
cdef void expire(tcb_t* tcb, int64_t now) noexcept nogil
