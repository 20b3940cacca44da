"""TCP Fast Open (TCPX-6, RFC 7413): text with the SYN, under a cookie that proves the client's address.

Off unless a program asks for it, on each side: **a network that copies a SYN makes the server's program see its text
twice** (RFC 7413 2.1 and 6.1), on two connections; so what is sent this way has to do no harm when it is done again.

A cookie is a keyed hash of both addresses and of a period of fast_open_key_life: that of the period before is good as
well, and is answered with a fresh one. Where anything is missing (no cookie, a wrong one, too many openings pending, a
listener under attack) the text is left unacknowledged and the handshake goes on as ever.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from netcore.tcp.tcb cimport listener_t, segment_out_t, tcb_t, transport_t
from netcore.wire.tcp cimport segment_t

# ---- server

# Judges the option of the SYN that made this connection, which is in LISTEN still. True: its text has been received,
# and text may go both ways before the handshake is done (`early`).
cdef bint take_early_text(tcb_t* tcb, const segment_t* seg, int64_t now) noexcept nogil
# The handshake of an early connection is done, or it has ended.
cdef void end_early(tcb_t* tcb) noexcept nogil
# It was reset: it goes on counting for fast_open_reset_life, or forged SYNs and RSTs would get round the limit
# (RFC 7413 5.1).
cdef void keep_early_reset(transport_t* transport, int64_t now) noexcept nogil

# ---- client

# Puts cookie and text, or the wish for a cookie, into the first SYN, which is built but for them.
cdef void open_fast(tcb_t* tcb, segment_out_t* out, int64_t now) noexcept nogil
# RFC 7413 4.1.3.1: the SYN has to go again, or ICMP tells of an error: it goes without, and so do those of other
# connections to this service for fast_open_retry.
cdef void give_up_fast(tcb_t* tcb, int64_t now) noexcept nogil
# The SYN,ACK (or the SYN of a simultaneous open) has come: its cookie is remembered, or that there is none.
cdef void take_cookie_option(tcb_t* tcb, const segment_t* seg, int64_t now) noexcept nogil
# What of the SYN's text is acknowledged leaves the send queue, the rest is new text.
cdef void settle_syn_text(tcb_t* tcb, uint32_t ack) noexcept nogil
