"""Birth, abort and end of a connection: the one place that frees, cancels time-outs and leaves tables."""

from libc.stdint cimport int64_t, uint16_t
from netcore.tcp.tcb cimport Status, endpoint_t, segment_out_t, tcb_t, timewait_t, transport_t
from netcore.wire.address cimport address_t
from netcore.wire.tcp cimport segment_t

# A connection in CLOSED, in the table, with its initial sequence number chosen; NULL when there is no memory.
# `seg`: the segment that makes it; NULL: a call does.
cdef tcb_t* give_birth(transport_t* transport, const address_t* local, uint16_t local_port, const address_t* remote,
                       uint16_t remote_port, const segment_t* seg, int64_t now) noexcept nogil
# Ends the connection: CLOSED, nothing armed, nothing queued to send, out of the table. The terminal status is recorded
# once; what was received stays readable unless it is a reset (GEN-14). Freed when nobody holds it.
cdef void finish(tcb_t* tcb, Status status) noexcept nogil
# Sends RST and ends the connection.
cdef void abort_connection(tcb_t* tcb, Status status) noexcept nogil
# SEG-11: leaves a small record in the table for 2 MSL; what the program holds stays readable.
cdef void enter_time_wait(tcb_t* tcb, int64_t now) noexcept nogil
cdef void end_time_wait(timewait_t* record) noexcept nogil
# The ACK with which TIME-WAIT answers.
cdef void answer_for_time_wait(timewait_t* record, int64_t now) noexcept nogil
# The program's handle lets go; the connection is freed when it has ended.
cdef void let_go(tcb_t* tcb) noexcept nogil
# Frees what ended during the event at hand; called with the lock held, between events.
cdef void bury(transport_t* transport) noexcept nogil
# Wakes all that wait for the endpoint and detaches them: the handle is being closed.
cdef void dismiss_watchers(transport_t* transport, endpoint_t* endpoint) noexcept nogil

# A place in the queue of segments that belong to no connection; NULL when it is full (counted).
cdef segment_out_t* new_control(transport_t* transport) noexcept nogil
# The newest of them, which is complete and answers `seg`, is signed as its peer wants it, or dropped if it cannot be.
cdef void sign_control(transport_t* transport, const segment_t* seg, segment_out_t* out) noexcept nogil
# RFC 9293 3.10.7.1: the RST that answers a segment for which there is no connection.
cdef void reset_stray(transport_t* transport, const segment_t* seg) noexcept nogil
# RST with <SEQ=SND.NXT> of a synchronized connection, <RST,ACK> before.
cdef void send_reset(tcb_t* tcb) noexcept nogil
