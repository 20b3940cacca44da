"""Data beyond a hole (RFC 9293 3.10.7.4 seventh step; SEG-7, SEG-15, REC-1): ranges of bytes in sequence order.

Ranges never touch or overlap; each but the first begins a new hole. Lookup is by binary search, and their number is
bounded, so that a hostile peer's cost is bounded too (LIM-3).
"""

from libc.stdint cimport uint8_t, uint32_t
from netcore.tcp.tcb cimport tcb_t
from netcore.wire.tcp cimport segment_t

# Keeps text that begins beyond rcv_nxt and lies within the window. Bytes already held are not overwritten.
# False when it was dropped: too many holes, or no memory.
cdef bint keep_out_of_order(tcb_t* tcb, uint32_t seq, const uint8_t* text, uint32_t length) noexcept nogil
# RFC 2018 4: up to `most` blocks for an ACK into starts and ends: the one that holds the number `within` (NULL: none)
# first (RFC 2883 4), then those that no ACK has reported, which count as reported then, the latest of them in front.
# How many.
cdef uint32_t sack_blocks(tcb_t* tcb, const uint32_t* within, uint32_t* starts, uint32_t* ends,
                          uint32_t most) noexcept nogil
# Text of start..end has come twice: to be reported once (RFC 2883).
cdef void note_duplicate(tcb_t* tcb, uint32_t start, uint32_t end) noexcept nogil
# The first of twice_start and twice_end has been reported.
cdef void forget_duplicate(tcb_t* tcb) noexcept nogil
# Text in order ends at `end`: what of it is held already has come twice.
cdef void note_overlap(tcb_t* tcb, uint32_t end) noexcept nogil
# Notes where the stream ends.
cdef void keep_early_fin(tcb_t* tcb, uint32_t seq) noexcept nogil
# Moves what has become contiguous to the receive queue and advances rcv_nxt; True when the hole at rcv_nxt was filled.
cdef bint deliver_contiguous(tcb_t* tcb) noexcept nogil
# True when an early FIN is due at rcv_nxt now.
cdef bint early_fin_due(tcb_t* tcb) noexcept nogil
cdef void drop_out_of_order(tcb_t* tcb) noexcept nogil
# Text that was received and passed on already has come again (RFC 2883 4.1).
cdef void report_old_text(tcb_t* tcb, uint32_t start, uint32_t end) noexcept nogil
# SEG-7: what was received before and what lies beyond the window is cut off. False when nothing is left.
cdef bint trim_to_window(tcb_t* tcb, segment_t* seg) noexcept nogil
