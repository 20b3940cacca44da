"""How long what was sent may stay unacknowledged (SND-7, RFC 9293 3.8.3), and RFC 5482's option that tells the peer.

Without a user timeout of its own a connection counts retries. The time runs from when the first of what is
unacknowledged was sent, and is looked at from the first retransmission on.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t
from netcore.storage.deadlines cimport NEVER
from netcore.tcp.tcb cimport tcb_t
from netcore.wire.tcp cimport segment_t

# The program's own: ns, NEVER for ever, 0: retries are counted. RFC 5482 3.1: what it has set the peer cannot change.
# False: no memory.
cdef bint set_user_timeout(tcb_t* tcb, int64_t duration, int64_t now) noexcept nogil
# RFC 5482: the option goes with the SYN if that has not left yet, and with the next segment that has room for it; the
# peer's is honoured within user_timeout_least and user_timeout_most. advertised: ADV_UTO, ns. False: no memory.
cdef bint enable_timeout_option(tcb_t* tcb, int64_t advertised, int64_t now) noexcept nogil
# The peer's option: min(U_LIMIT, max(ADV_UTO, REMOTE_UTO, L_LIMIT)) (RFC 5482 3.1).
cdef void take_timeout_option(tcb_t* tcb, const segment_t* seg) noexcept nogil
# The option's 16 bits: seconds, or minutes with the granularity bit.
cdef uint16_t encode_timeout(int64_t duration) noexcept nogil
# What has been sent since `since` is unacknowledged at its first time-out: the user timeout, if there is one, runs.
cdef void begin_waiting(tcb_t* tcb, int64_t since) noexcept nogil


cdef inline bint has_user_timeout(const tcb_t* tcb) noexcept nogil:
    """Time decides about giving up, and not the number of retries."""
    return tcb.extras != NULL and tcb.extras.user_timeout != 0


cdef inline void end_waiting(tcb_t* tcb, int64_t now) noexcept nogil:
    """The peer has acknowledged something: for the rest the time runs anew, if it ran."""
    if tcb.extras == NULL or tcb.extras.user_due == NEVER:
        return
    tcb.extras.user_due = NEVER
    if tcb.snd_una != tcb.snd_nxt and not tcb.persisting:
        begin_waiting(tcb, now)
