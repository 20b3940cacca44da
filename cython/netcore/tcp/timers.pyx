"""What each time-out does (RFC 9293 3.10.8, RFC 6298 5)."""

from libc.stdint cimport int64_t
from netcore.storage.deadlines cimport NEVER, arm
from netcore.tcp.backlog cimport withdraw_request
from netcore.tcp.flight cimport SENT_AGAIN, sent_t
from netcore.tcp.keepalive cimport expire_keepalive
from netcore.tcp.lifecycle cimport abort_connection, finish
from netcore.tcp.path_mtu cimport suspect_black_hole
from netcore.tcp.recovery cimport reordering_timeout, retransmission_timeout
from netcore.tcp.scoreboard cimport first_sent
from netcore.tcp.statistics cimport count_timeout
from netcore.tcp.tcb cimport (
    CLOSED, DEADLINE_CONNECTION, LISTEN, PHASE_OPEN, STATUS_REFUSED, STATUS_TIMED_OUT, SYN_RECEIVED, SYN_SENT,
    TIMER_DELAYED_ACK, TIMER_ORPHAN, TIMER_PACING, TIMER_PROBE, TIMER_REORDERING, TIMER_RETRANSMIT, TIME_WAIT,
    backed_off_rto, earliest_due, schedule, tcb_t, want_ack, want_output,
)
from netcore.tcp.user_timeout cimport begin_waiting, has_user_timeout


cdef void back_off(tcb_t* tcb, int64_t base, int64_t most, int64_t now) noexcept nogil:
    """RFC 6298 5.5: doubles up to `most`, and starts the timer."""
    cdef int64_t wait
    if base << tcb.backoff < most:
        tcb.backoff += 1
    wait = base << tcb.backoff
    schedule(tcb, TIMER_RETRANSMIT, now + (wait if wait < most else most))


cdef bint is_given_up(tcb_t* tcb) noexcept nogil:
    """SND-7: after so many retries, unless a user timeout governs; `expire` looks at that."""
    if has_user_timeout(tcb) or tcb.retries < tcb.transport.tunables.data_retries:
        return False
    tcb.transport.counters.TCPAbortOnTimeout += 1
    finish(tcb, STATUS_TIMED_OUT)
    return True


cdef void count_retry(tcb_t* tcb) noexcept nogil:
    """Without an end where there is no limit."""
    if tcb.retries < 255:
        tcb.retries += 1


cdef int64_t waiting_since(tcb_t* tcb, int64_t now) noexcept nogil:
    """When the first of what is unacknowledged was sent, at its first time-out."""
    cdef const sent_t* stretch = first_sent(tcb)
    if stretch == NULL or stretch.marks & SENT_AGAIN:
        # a probe went in between
        return now - backed_off_rto(tcb)
    return stretch.sent_at


cdef void expire_handshake(tcb_t* tcb, int64_t now) noexcept nogil:
    cdef int64_t most = tcb.syn_retries if tcb.state == SYN_SENT else tcb.transport.tunables.synack_retries
    # a user timeout says how long no answer is waited for; a refusal is an answer (LISTEN-67)
    if tcb.retries >= most and (tcb.syn_refused or tcb.state != SYN_SENT or not has_user_timeout(tcb)):
        finish(tcb, STATUS_REFUSED if tcb.syn_refused else STATUS_TIMED_OUT)
        return
    count_retry(tcb)
    if tcb.syn_refused:
        # LISTEN-67: a constant wait, and again the unanswered one's schedule behind it
        tcb.syn_refused = False
    elif tcb.span.syn_rto << (tcb.backoff + 1) <= tcb.transport.tunables.rto_maximum:
        tcb.backoff += 1
    tcb.syn_wanted = True
    want_output(tcb)


cdef void expire_persist(tcb_t* tcb, int64_t now) noexcept nogil:
    """SND-5: goes on as long as the peer answers; `retries` counts probes since its last answer."""
    if is_given_up(tcb):
        return
    begin_waiting(tcb, now)
    count_retry(tcb)
    tcb.persisting = True
    tcb.probe_wanted = True
    back_off(tcb, tcb.rtt.rto, tcb.transport.tunables.persist_maximum, now)
    want_output(tcb)


cdef void expire_data(tcb_t* tcb, int64_t now) noexcept nogil:
    count_timeout(tcb, now)
    if is_given_up(tcb):
        return
    begin_waiting(tcb, waiting_since(tcb, now))
    if tcb.retries >= tcb.transport.tunables.black_hole_timeouts:
        suspect_black_hole(tcb, now)
    retransmission_timeout(tcb, now)
    count_retry(tcb)
    back_off(tcb, tcb.rtt.rto, tcb.transport.tunables.rto_maximum, now)


cdef void expire_probe(tcb_t* tcb, int64_t now) noexcept nogil:
    """RFC 8985 7.3: the probe takes the place of the time-out, which starts anew."""
    if tcb.phase != PHASE_OPEN or tcb.snd_una == tcb.snd_nxt or tcb.snd_wnd == 0:
        return
    tcb.tail_wanted = True
    schedule(tcb, TIMER_RETRANSMIT, now + backed_off_rto(tcb))
    want_output(tcb)


cdef void expire_retransmit(tcb_t* tcb, int64_t now) noexcept nogil:
    if tcb.state == LISTEN:
        # ACPT-34: nobody has decided on this request
        withdraw_request(tcb, STATUS_TIMED_OUT)
    elif tcb.state == SYN_SENT or tcb.state == SYN_RECEIVED:
        expire_handshake(tcb, now)
    elif tcb.persisting or tcb.snd_wnd == 0:
        expire_persist(tcb, now)
    elif tcb.snd_una != tcb.snd_nxt:
        expire_data(tcb, now)


cdef void expire_extras(tcb_t* tcb, int64_t now) noexcept nogil:
    if tcb.extras.user_due <= now:
        # SND-7, RFC 9293 3.10.8 USER TIMEOUT
        tcb.transport.counters.TCPAbortOnTimeout += 1
        finish(tcb, STATUS_REFUSED if tcb.syn_refused else STATUS_TIMED_OUT)
    elif tcb.extras.keepalive_due <= now:
        expire_keepalive(tcb, now)


cdef void expire(tcb_t* tcb, int64_t now) noexcept nogil:
    cdef int64_t due
    if tcb.due[<int> TIMER_ORPHAN] <= now:
        tcb.due[<int> TIMER_ORPHAN] = NEVER
        # CLOSE-10: FIN-WAIT-2 or a closed window has lasted too long and no program is there to decide
        tcb.transport.counters.TCPAbortOnTimeout += 1
        abort_connection(tcb, STATUS_TIMED_OUT)
        return
    if tcb.due[<int> TIMER_DELAYED_ACK] <= now:
        tcb.due[<int> TIMER_DELAYED_ACK] = NEVER
        tcb.transport.counters.DelayedACKs += 1
        want_ack(tcb)
    if tcb.due[<int> TIMER_PACING] <= now:
        tcb.due[<int> TIMER_PACING] = NEVER
        want_output(tcb)
    if tcb.due[<int> TIMER_REORDERING] <= now:
        tcb.due[<int> TIMER_REORDERING] = NEVER
        reordering_timeout(tcb, now)
    if tcb.due[<int> TIMER_PROBE] <= now:
        tcb.due[<int> TIMER_PROBE] = NEVER
        expire_probe(tcb, now)
    if tcb.due[<int> TIMER_RETRANSMIT] <= now:
        tcb.due[<int> TIMER_RETRANSMIT] = NEVER
        expire_retransmit(tcb, now)
    if tcb.extras != NULL:
        expire_extras(tcb, now)
    if tcb.state == CLOSED or tcb.state == TIME_WAIT:
        return
    due = earliest_due(tcb)
    if due != NEVER and (tcb.timer.place == 0 or due < tcb.timer.due):
        arm(&tcb.transport.deadlines, &tcb.timer, tcb, DEADLINE_CONNECTION, due)
