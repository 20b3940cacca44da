"""How large a segment the path takes (TCPX-4): told by ICMP (RFC 1191), or found out where nothing tells (RFC 4821).

A connection whose path takes what both ends take has no `path` and pays nothing. One that was told of less, or that
lost full segments again and again, sends smaller ones; every path_probe_interval one segment of new text is larger, and
when that arrives so are all. Neither a packet that was too large nor a probe that was lost counts as congestion.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t
from netcore.tcp.tcb cimport tcb_t

# The handshake is done: what is known of the path from others bounds eff_mss.
cdef void adopt_path(tcb_t* tcb, int64_t now) noexcept nogil
# Packets of more than `mtu` bytes do not pass: what was sent in larger ones is lost and goes again at once. True when
# that is less than was sent until now.
cdef bint path_narrows(tcb_t* tcb, uint32_t mtu, int64_t now) noexcept nogil
# Time-outs in a row, and no ICMP message: what was sent may have been too large (RFC 4821 7.7).
cdef void suspect_black_hole(tcb_t* tcb, int64_t now) noexcept nogil
# Bytes of new text in the probe that may go now, options taken off; 0: none is due, or could tell anything. -1: it
# waits until less is in flight, and new text with it, or where cwnd is always full its turn would never come.
# allowed: what may be in flight.
cdef int32_t path_probe_due(tcb_t* tcb, uint32_t allowed, int64_t now) noexcept nogil
# What was sent last was the probe.
cdef void note_path_probe(tcb_t* tcb) noexcept nogil
# The stretch from `start` on goes again: if it was the probe, that has failed.
cdef void note_sent_again(tcb_t* tcb, uint32_t start, int64_t now) noexcept nogil
# True when nothing but the probe is lost; it has failed then, and goes again without a reaction to congestion.
cdef bint take_probe_for_lost(tcb_t* tcb, int64_t now) noexcept nogil
# snd_una has moved on: perhaps over the probe.
cdef void take_path_news(tcb_t* tcb, int64_t now) noexcept nogil
