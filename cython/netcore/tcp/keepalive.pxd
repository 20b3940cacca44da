"""Keepalive (SND-8, RFC 9293 3.8.4): whether a peer of which nothing is heard is still there.

Only for connections that ask for it, and only while nothing is outstanding: else retransmission finds out.
"""

from libc.stdint cimport int64_t, uint8_t
from netcore.tcp.tcb cimport tcb_t

# Switches it on or off. idle: ns without a segment before the first probe; interval: ns between probes; count: probes
# without an answer after which the connection ends with STATUS_NET_RESET. A time counts as 1 ms at least,
# the count as 1.
# False: no memory.
cdef bint set_keepalive(tcb_t* tcb, bint on, int64_t idle, int64_t interval, uint8_t count, int64_t now) noexcept nogil
# The time-out is due: a probe is wanted, or it is put off, or the connection has ended.
cdef void expire_keepalive(tcb_t* tcb, int64_t now) noexcept nogil
# Whether a probe may go now: nothing is outstanding, and the state is one in which the peer would answer.
cdef bint may_probe(const tcb_t* tcb) noexcept nogil


cdef inline void hear(tcb_t* tcb, int64_t now) noexcept nogil:
    """A segment of the peer has come, any segment: the time runs anew; the time-out finds that out when it is due."""
    tcb.extras.heard_at = now
    tcb.extras.keepalive_probes = 0
