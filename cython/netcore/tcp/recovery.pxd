"""How much may be sent while losing: NewReno fast retransmit and recovery (RFC 6582), limited transmit (RFC 3042)."""

from libc.stdint cimport int64_t, uint32_t
from netcore.tcp.tcb cimport tcb_t

cdef enum:
    DUPLICATES_FOR_LOSS = 3

# A duplicate ACK as RFC 5681 2 defines it has arrived.
cdef void duplicate_ack(tcb_t* tcb, int64_t now) noexcept nogil
# snd_una has advanced by `acked` bytes.
cdef void new_ack(tcb_t* tcb, uint32_t acked, int64_t now) noexcept nogil
# The retransmission timer has expired: everything outstanding counts as lost (RFC 6298 5.4 to 5.6).
cdef void retransmission_timeout(tcb_t* tcb, int64_t now) noexcept nogil
# What may be in flight now: cwnd, and one segment for each of the first duplicates (RFC 3042).
cdef uint32_t allowed_flight(const tcb_t* tcb) noexcept nogil
