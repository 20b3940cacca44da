"""The keepalive timer is set again when it expires and not with each segment: a segment costs it one store."""

from libc.stdint cimport int64_t, uint8_t
from netcore.storage.deadlines cimport NEVER
from netcore.tcp.lifecycle cimport abort_connection
from netcore.tcp.tcb cimport (
    CLOSED, CLOSE_WAIT, ESTABLISHED, FIN_WAIT_2, STATUS_NET_RESET, TIME_WAIT, extras_t, need_extras, schedule_extra,
    tcb_t, want_output,
)

cdef enum:
    # 1 ms: a timer that is always due would stop everything else
    LEAST_WAIT = 1000000


cdef bint set_keepalive(tcb_t* tcb, bint on, int64_t idle, int64_t interval, uint8_t count, int64_t now) noexcept nogil:
    cdef extras_t* extras = tcb.extras if not on else need_extras(tcb)
    if extras == NULL:
        return not on
    extras.keepalive = on
    extras.keepalive_due = NEVER
    if not on:
        return True
    extras.keepalive_idle = idle if idle > LEAST_WAIT else LEAST_WAIT
    extras.keepalive_interval = interval if interval > LEAST_WAIT else LEAST_WAIT
    extras.keepalive_count = count if count else 1
    extras.keepalive_probes = 0
    extras.heard_at = now
    if tcb.state != CLOSED and tcb.state != TIME_WAIT:
        # what has ended is asked for nothing more, but a program may still hold it
        schedule_extra(tcb, &extras.keepalive_due, now + extras.keepalive_idle)
    return True


cdef bint may_probe(const tcb_t* tcb) noexcept nogil:
    return ((tcb.state == ESTABLISHED or tcb.state == CLOSE_WAIT or tcb.state == FIN_WAIT_2)
            and tcb.snd_una == tcb.snd_nxt and tcb.send_queue.length == 0)


cdef void expire_keepalive(tcb_t* tcb, int64_t now) noexcept nogil:
    cdef extras_t* extras = tcb.extras
    extras.keepalive_due = NEVER
    if not extras.keepalive:
        return
    if not may_probe(tcb):
        # what is outstanding is sent again until it is answered or given up
        extras.keepalive_probes = 0
        schedule_extra(tcb, &extras.keepalive_due, now + extras.keepalive_idle)
    elif extras.keepalive_probes == 0 and extras.heard_at + extras.keepalive_idle > now:
        schedule_extra(tcb, &extras.keepalive_due, extras.heard_at + extras.keepalive_idle)
    elif extras.keepalive_probes >= extras.keepalive_count:
        tcb.transport.counters.TCPAbortOnTimeout += 1
        abort_connection(tcb, STATUS_NET_RESET)
    else:
        extras.keepalive_probes += 1
        extras.keepalive_wanted = True
        schedule_extra(tcb, &extras.keepalive_due, now + extras.keepalive_interval)
        want_output(tcb)
