"""Losses that were none, found by F-RTO (RFC 5682), Eifel (RFC 3522, 4015) and DSACK (RFC 2883), and undone."""

from libc.stdint cimport int64_t, uint32_t
from netcore.tcp.flight cimport ack_sample_t
from netcore.tcp.tcb cimport tcb_t
from netcore.wire.tcp cimport segment_t

# A reaction to loss begins: what is needed to take it back.
cdef void begin_undo(tcb_t* tcb) noexcept nogil
# `segments` segments that end at `end` go again, with the connection's TSval of `now`.
cdef void note_retransmission(tcb_t* tcb, uint32_t end, uint32_t segments, int64_t now) noexcept nogil
# Judges by an ACK whether the time-out or the recovery was spurious, and undoes it then (True).
cdef bint undo_if_spurious(tcb_t* tcb, const segment_t* seg, const ack_sample_t* sample, int64_t now) noexcept nogil
# All that was lost has arrived before any of it went again: it was reordering, and is undone (True). Asked once the
# losses that the ACK tells of are marked.
cdef bint undo_if_nothing_lost(tcb_t* tcb, const ack_sample_t* sample, int64_t now) noexcept nogil
