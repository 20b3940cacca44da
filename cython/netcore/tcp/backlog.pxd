"""The listener (wsp.md 2.4 to 2.6): admission, half-open and finished queues, shrink, RST for the excess."""

from libc.stdint cimport int64_t, uint16_t, uint32_t
from netcore.tcp.tcb cimport Status, listener_t, tcb_t, transport_t
from netcore.wire.address cimport address_t
from netcore.wire.tcp cimport segment_t

# A listener in the table; local unspecified: the wildcard. NULL when there is no memory.
cdef listener_t* open_listener(transport_t* transport, const address_t* local, uint16_t local_port, uint32_t backlog,
                               uint32_t rank) noexcept nogil
# RFC 9293 3.10.7.2: a segment arrives for a listener. Returns the connection that is to process it further: the ACK of
# a cookie has made one; else NULL.
cdef tcb_t* listen_arrives(listener_t* listener, const segment_t* seg, int64_t now) noexcept nogil
# The handshake of a half-open connection is done: it joins the accept queue.
cdef void handshake_done(tcb_t* tcb) noexcept nogil
# A segment arrives for a request that waits for its decision (ACPT-34).
cdef void request_arrives(tcb_t* tcb, const segment_t* seg, int64_t now) noexcept nogil
# The oldest finished connection that nobody has selected, held by the caller from now on; NULL when there is none. One
# that its peer has reset comes out in CLOSED with its status set (ACPT-7).
cdef tcb_t* accept_oldest(listener_t* listener) noexcept nogil
# The oldest candidate that nobody has selected, selected and held by the caller now, in its place; NULL.
cdef tcb_t* select_candidate(listener_t* listener) noexcept nogil
# READY_ACCEPTABLE unless the head is deferred (ACPT-25).
cdef int listener_readiness(const listener_t* listener) noexcept nogil
# Decisions on a selected candidate; `held` says whether the caller keeps it. See Listener.decide.
cdef Status accept_candidate(tcb_t* tcb, bint keep, int64_t now) noexcept nogil
cdef Status reject_candidate(tcb_t* tcb) noexcept nogil
cdef Status defer_candidate(tcb_t* tcb) noexcept nogil
cdef Status release_candidate(tcb_t* tcb) noexcept nogil
# A request ends undecided (ACPT-34).
cdef void withdraw_request(tcb_t* tcb, Status status) noexcept nogil
# LISTEN-56 to 60.
cdef void set_backlog(listener_t* listener, uint32_t backlog) noexcept nogil
# Everything queued is reset, the listener stays and admits nobody.
cdef void empty_listener(listener_t* listener) noexcept nogil
# LISTEN-73: everything queued is reset; the listener is freed.
cdef void close_listener(listener_t* listener) noexcept nogil


# LISTEN-48
cdef inline uint32_t occupancy(const listener_t* listener) noexcept nogil:
    return listener.half_open.count + listener.finished.count
