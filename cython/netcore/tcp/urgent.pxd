"""Urgent mode (SEG-16, RFC 9293 3.8.5, RFC 6093), with the bytes out of line as RECV-24 to 28 want them.

The pointer names the byte behind the urgent one, as hosts have it (RFC 6093 3.1), unless `urgent_1122` is set. An
urgent byte leaves the stream when it arrives in order and waits in a place of its own, at most MARKS_MOST of them: what
comes beyond that stays in the stream as plain text. A mark stays where it was: no receive goes beyond one (RECV-26).
Inline the byte stays in the stream and is received alone. Bytes out of line are no unread data to a close (CLOSE-6).
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from netcore.tcp.tcb cimport Status, tcb_t
from netcore.wire.tcp cimport segment_t

# The sixth step of SEGMENT ARRIVES, for a segment with URG.
cdef void take_pointer(tcb_t* tcb, const segment_t* seg) noexcept nogil
# Text from `before` to rcv_nxt has joined the receive queue: urgent bytes among it are taken out, or marked.
cdef void find_urgent(tcb_t* tcb, uint32_t before) noexcept nogil
# How many bytes one receive may take now: up to the next mark.
cdef uint64_t readable_stretch(const tcb_t* tcb) noexcept nogil
# So many bytes have left the head of the receive queue.
cdef void pass_marks(tcb_t* tcb, uint64_t size) noexcept nogil
# A byte that was taken out of the stream before inline was switched on comes first (RECV-27).
cdef bint is_late_byte_due(const tcb_t* tcb) noexcept nogil
# Takes it; how many bytes that were.
cdef uint32_t take_late_byte(tcb_t* tcb, uint8_t* octet, bint peek) noexcept nogil
# The oldest urgent byte out of line; STATUS_WOULD_BLOCK when there is none, STATUS_INVALID when they stay inline
# (RECV-21).
cdef Status take_urgent(tcb_t* tcb, uint8_t* octet, bint peek) noexcept nogil
# SIOCATMARK (IOCTL-7).
cdef bint is_at_mark(const tcb_t* tcb) noexcept nogil
# RFC 9293 3.8.5 MUST-33: the peer has announced urgent data that has not been received.
cdef bint is_urgent_pending(const tcb_t* tcb) noexcept nogil
# The last byte of the send queue is urgent (SEND-9). False: no memory.
cdef bint mark_sent_urgent(tcb_t* tcb) noexcept nogil
cdef void set_urgent_inline(tcb_t* tcb, bint on) noexcept nogil
# What was not received is gone (GEN-14).
cdef void forget_urgent(tcb_t* tcb) noexcept nogil


cdef inline bint is_urgent_out(const tcb_t* tcb) noexcept nogil:
    """Something urgent is unacknowledged: segments go one by one, since each has a pointer of its own, and at once."""
    return tcb.extras != NULL and tcb.extras.urgent_sending
