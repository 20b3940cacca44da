"""SYN cookies (RFC 4987 3.6, TCPX-3): a SYN,ACK from which the ACK's answer makes the connection, and no state."""

from libc.stdint cimport int64_t, uint32_t
from netcore.tcp.tcb cimport listener_t, tcb_t, transport_t
from netcore.wire.tcp cimport segment_t

# SYN,ACK with a cookie for this SYN.
cdef void send_cookie(listener_t* listener, const segment_t* seg, int64_t now) noexcept nogil
# A half-open connection as the SYN behind this ACK would have made it; NULL when the ACK carries no valid cookie, or
# there is no memory. It is in no queue yet.
cdef tcb_t* take_cookie(listener_t* listener, const segment_t* seg, int64_t now) noexcept nogil
# Whether a cookie sent may still come back.
cdef bint is_cookie_due(const listener_t* listener, int64_t now) noexcept nogil
# LISTEN-74: enters or leaves the mode; called for each SYN with how many half-open connections are older than
# syn_flood_age and how many slots are taken.
cdef void judge_flood(listener_t* listener, uint32_t aged, uint32_t occupied, int64_t now) noexcept nogil
