"""Keepalive (SND-8, RFC 9293 3.8.4): whether a peer of which nothing is heard is still there.

Only for connections that ask for it, and only while nothing is outstanding: else retransmission finds out.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t
from netcore.tcp.seqnum cimport in_window, seq_geq, seq_leq
from netcore.tcp.tcb cimport is_synchronized, receive_window, tcb_t
from netcore.wire.tcp cimport ACK, segment_t

cdef enum:
    # so far behind what is expected may lie what a peer sends again that has not heard our ACKs
    OLD_TEXT = 65535

# Switches it on or off. idle: ns without a segment before the first probe; interval: ns between probes; count: probes
# without an answer after which the connection ends with STATUS_NET_RESET. A time counts as 1 ms at least,
# the count as 1.
# False: no memory.
cdef bint set_keepalive(tcb_t* tcb, bint on, int64_t idle, int64_t interval, uint8_t count, int64_t now) noexcept nogil
# The time-out is due: a probe is wanted, or it is put off, or the connection has ended.
cdef void expire_keepalive(tcb_t* tcb, int64_t now) noexcept nogil
# Whether a probe may go now: nothing is outstanding, and the state is one in which the peer would answer.
cdef bint may_probe(const tcb_t* tcb) noexcept nogil


cdef inline bint is_near(const tcb_t* tcb, const segment_t* seg) noexcept nogil:
    """Its numbers lie within a window of where the connection is, old text and probes included."""
    cdef uint32_t window = receive_window(tcb) + OLD_TEXT
    return (seg.flags & ACK and in_window(seg.seq, tcb.rcv_nxt - OLD_TEXT, window + 1)
            and seq_geq(seg.ack, tcb.snd_una - tcb.max_snd_wnd) and seq_leq(seg.ack, tcb.snd_nxt))


cdef inline void hear(tcb_t* tcb, const segment_t* seg, int64_t now) noexcept nogil:
    """A segment of the peer has come: the time runs anew; the time-out finds that out when it is due.

    Anybody may send one with numbers of his choice, and could keep a connection for ever whose peer is gone.
    """
    if is_synchronized(tcb) and not is_near(tcb, seg):
        return
    tcb.extras.heard_at = now
    tcb.extras.keepalive_probes = 0
