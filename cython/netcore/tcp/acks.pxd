"""What an acceptable ACK does to the sender (RFC 9293 3.10.7.4 fifth step, RFC 6298, RFC 5681)."""

from libc.stdint cimport int64_t
from netcore.tcp.seqnum cimport seq_geq, seq_leq
from netcore.tcp.tcb cimport tcb_t
from netcore.wire.tcp cimport segment_t

# Advances snd_una, samples the round-trip time, frees what is acknowledged, updates the window, restarts the timer.
cdef void take_ack(tcb_t* tcb, const segment_t* seg, int64_t now) noexcept nogil
# The ACK of our SYN: the send side of the connection begins.
cdef void take_ack_of_syn(tcb_t* tcb, const segment_t* seg, int64_t now) noexcept nogil
# One ACK to say where we are, at most one per interval (SEG-8).
cdef void challenge(tcb_t* tcb, int64_t now) noexcept nogil


cdef inline bint is_ack_acceptable(const tcb_t* tcb, const segment_t* seg) noexcept nogil:
    """SEG-6: SND.UNA - MAX.SND.WND =< SEG.ACK =< SND.NXT"""
    return seq_geq(seg.ack, tcb.snd_una - tcb.max_snd_wnd) and seq_leq(seg.ack, tcb.snd_nxt)


cdef inline bint is_fin_acked(const tcb_t* tcb) noexcept nogil:
    """Ours has been sent and snd_una covers it."""
    return tcb.fin_sent and tcb.snd_una == tcb.snd_nxt
