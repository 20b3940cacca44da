"""How much may be sent while losing: a connection's phases, PRR (RFC 9937), NewReno (RFC 6582), limited transmit."""

from libc.stdint cimport int64_t, uint32_t
from netcore.tcp.flight cimport ack_sample_t
from netcore.tcp.tcb cimport tcb_t
from netcore.wire.tcp cimport segment_t

cdef enum:
    DUPLICATES_FOR_LOSS = 3

# What one ACK told, once scoreboard and snd_una know it: losses are found, phases begin and end, cwnd moves.
cdef void take_news(tcb_t* tcb, const segment_t* seg, ack_sample_t* sample, int64_t now) noexcept nogil
# TIMER_REORDERING: what was only late until now is lost.
cdef void reordering_timeout(tcb_t* tcb, int64_t now) noexcept nogil
# The retransmission timer has expired (RFC 6298 5.4 to 5.6, RFC 8985 6.3).
cdef void retransmission_timeout(tcb_t* tcb, int64_t now) noexcept nogil
# What may be in flight now: cwnd, and one segment for each of the first duplicates (RFC 3042).
cdef uint32_t allowed_flight(const tcb_t* tcb) noexcept nogil
