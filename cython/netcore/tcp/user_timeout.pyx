"""User timeout of a connection and its option (RFC 9293 3.8.3, RFC 5482)."""

from libc.stdint cimport int64_t, uint16_t
from netcore.storage.deadlines cimport NEVER
from netcore.tcp.tcb cimport SYN_RECEIVED, SYN_SENT, extras_t, need_extras, schedule_extra, tcb_t, want_ack
from netcore.wire.tcp cimport segment_t

cdef enum:
    SECOND = 1000000000
    # RFC 5482 3: the highest bit says minutes
    IN_MINUTES = 0x8000
    TIME_BITS = 0x7fff


cdef int64_t within_limits(const tcb_t* tcb, int64_t duration) noexcept nogil:
    if duration < tcb.transport.tunables.user_timeout_least:
        duration = tcb.transport.tunables.user_timeout_least
    if duration > tcb.transport.tunables.user_timeout_most:
        duration = tcb.transport.tunables.user_timeout_most
    return duration


cdef void use_timeout(tcb_t* tcb, int64_t duration) noexcept nogil:
    """What waits already waits that long in all."""
    cdef extras_t* extras = tcb.extras
    if extras.user_due != NEVER:
        if duration == 0 or duration == NEVER:
            extras.user_due = NEVER
        else:
            schedule_extra(tcb, &extras.user_due, extras.user_due - extras.user_timeout + duration)
    extras.user_timeout = duration


cdef bint set_user_timeout(tcb_t* tcb, int64_t duration, int64_t now) noexcept nogil:
    cdef extras_t* extras = tcb.extras if duration == 0 else need_extras(tcb)
    if extras == NULL:
        return duration == 0
    use_timeout(tcb, duration)
    extras.option_changeable = duration == 0
    if tcb.state == SYN_SENT:
        begin_waiting(tcb, now)
    return True


cdef bint enable_timeout_option(tcb_t* tcb, int64_t advertised, int64_t now) noexcept nogil:
    cdef extras_t* extras = need_extras(tcb)
    if extras == NULL:
        return False
    if not extras.option_enabled and extras.user_timeout == 0:
        extras.option_changeable = True
    extras.option_enabled = True
    extras.advertised_timeout = advertised
    extras.option_wanted = True
    if extras.option_changeable:
        use_timeout(tcb, within_limits(tcb, advertised))
    if tcb.state > SYN_RECEIVED:
        want_ack(tcb)
    return True


cdef void take_timeout_option(tcb_t* tcb, const segment_t* seg) noexcept nogil:
    cdef extras_t* extras = tcb.extras
    cdef int64_t remote
    if seg.user_timeout & TIME_BITS == 0 or extras == NULL or not (extras.option_enabled and extras.option_changeable):
        return
    remote = <int64_t> (seg.user_timeout & TIME_BITS) * SECOND
    if seg.user_timeout & IN_MINUTES:
        remote *= 60
    use_timeout(tcb, within_limits(tcb, remote if remote > extras.advertised_timeout else extras.advertised_timeout))


cdef uint16_t encode_timeout(int64_t duration) noexcept nogil:
    cdef int64_t seconds = (duration + SECOND - 1) // SECOND
    cdef int64_t minutes
    if seconds <= TIME_BITS:
        return <uint16_t> (seconds if seconds else 1)
    minutes = (seconds + 59) // 60
    return <uint16_t> (IN_MINUTES | (minutes if minutes < TIME_BITS else TIME_BITS))


cdef void begin_waiting(tcb_t* tcb, int64_t since) noexcept nogil:
    cdef extras_t* extras = tcb.extras
    if extras == NULL or extras.user_timeout == 0 or extras.user_timeout == NEVER or extras.user_due != NEVER:
        return
    schedule_extra(tcb, &extras.user_due, since + extras.user_timeout)
