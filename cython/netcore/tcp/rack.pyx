"""RFC 8985 sections 6 and 7."""

from libc.stdint cimport int64_t, uint32_t
from netcore.storage.deadlines cimport NEVER
from netcore.tcp.flight cimport ack_sample_t, sent_t
from netcore.tcp.scoreboard cimport mark_lost, oldest_in_flight
from netcore.tcp.seqnum cimport seq_geq, seq_gt, seq_lt
from netcore.tcp.tcb cimport (
    PHASE_LOSS, PHASE_OPEN, PHASE_RECOVERY, TIMER_PROBE, TIMER_REORDERING, TIMER_RETRANSMIT, cancel, schedule, tcb_t,
)
from netcore.wire.tcp cimport segment_t

cdef enum:
    DUPLICATES_FOR_LOSS = 3
    # RFC 8985 6.2 step 4: recoveries for which a widened window lasts
    PERSIST_RECOVERIES = 16
    # RFC 8985 7.2: the longest time for which a peer delays an ACK
    WORST_DELAYED_ACK = 200000000
    PROBE_WITHOUT_SAMPLE = 1000000000
    # on a path of microseconds an ACK is late by what the peer's scheduler does, not by the path: a probe after two
    # round trips would be answered by a DSACK more often than it found a loss
    SOONEST_PROBE = 10000000


cdef void take_delivered(tcb_t* tcb, const ack_sample_t* sample) noexcept nogil:
    if sample.newest_sent >= 0:
        tcb.rack_rtt = sample.newest_rtt
        if (sample.newest_sent > tcb.rack_sent
                or (sample.newest_sent == tcb.rack_sent and seq_gt(sample.newest_end, tcb.rack_end))):
            tcb.rack_sent = sample.newest_sent
            tcb.rack_end = sample.newest_end
    if sample.reordered:
        tcb.reordering_seen = True
    if tcb.rack_dsack_seen and seq_geq(tcb.snd_una, tcb.rack_dsack_round):
        tcb.rack_dsack_seen = False
    if sample.dsack and not tcb.rack_dsack_seen:
        tcb.rack_dsack_seen = True
        tcb.rack_dsack_round = tcb.snd_nxt
        if tcb.reordering_steps < 255:
            tcb.reordering_steps += 1
        tcb.reordering_persist = PERSIST_RECOVERIES


cdef void recovery_ended(tcb_t* tcb) noexcept nogil:
    if tcb.reordering_persist:
        tcb.reordering_persist -= 1
    if tcb.reordering_persist == 0:
        tcb.reordering_steps = 1


cdef int64_t reordering_window(const tcb_t* tcb) noexcept nogil:
    cdef int64_t window
    if not tcb.reordering_seen:
        if (tcb.phase == PHASE_RECOVERY or tcb.phase == PHASE_LOSS
                or tcb.sacked_segments >= DUPLICATES_FOR_LOSS):
            return 0
    window = tcb.reordering_steps * (tcb.min_rtt // 4)
    return window if window < tcb.rtt.srtt else tcb.rtt.srtt


cdef uint32_t detect_losses(tcb_t* tcb, int64_t now) noexcept nogil:
    cdef int64_t patience = tcb.rack_rtt + reordering_window(tcb)
    cdef int64_t due = NEVER
    cdef sent_t* stretch
    cdef uint32_t lost = 0
    while tcb.rack_sent >= 0:
        # the order of sending is that of time: where one still has time, so have all behind it
        stretch = oldest_in_flight(tcb)
        if stretch == NULL or stretch.sent_at > tcb.rack_sent:
            break
        if stretch.sent_at == tcb.rack_sent and not seq_lt(stretch.end, tcb.rack_end):
            break
        if stretch.sent_at + patience > now:
            due = stretch.sent_at + patience
            break
        lost += stretch.end - stretch.node.start
        mark_lost(tcb, stretch)
    if due == NEVER:
        cancel(tcb, TIMER_REORDERING)
    else:
        schedule(tcb, TIMER_REORDERING, due)
    return lost


cdef void schedule_probe(tcb_t* tcb, int64_t now) noexcept nogil:
    cdef int64_t wait = PROBE_WITHOUT_SAMPLE
    if (not tcb.sack or tcb.phase != PHASE_OPEN or tcb.in_flight == 0 or tcb.sacked or tcb.probe_out
            or tcb.persisting):
        cancel(tcb, TIMER_PROBE)
        return
    if tcb.rtt.srtt:
        wait = 2 * tcb.rtt.srtt
        if tcb.in_flight <= tcb.eff_mss:
            wait += WORST_DELAYED_ACK
        elif wait < SOONEST_PROBE:
            wait = SOONEST_PROBE
    if now + wait > tcb.due[<int> TIMER_RETRANSMIT]:
        wait = tcb.due[<int> TIMER_RETRANSMIT] - now
    schedule(tcb, TIMER_PROBE, now + wait)


cdef bint is_repaired_by_probe(tcb_t* tcb, const segment_t* seg, const ack_sample_t* sample) noexcept nogil:
    if not tcb.probe_out or seq_lt(tcb.snd_una, tcb.probe_end):
        return False
    if not tcb.probe_again:
        tcb.probe_out = False
        return False
    if sample.dsack and sample.dsack_end == tcb.probe_end:
        # both copies arrived
        tcb.probe_out = False
        return False
    if seq_gt(tcb.snd_una, tcb.probe_end):
        tcb.probe_out = False
        return True
    if sample.acked == 0 and sample.duplicate and seg.sack_count == 0:
        # a second ACK of the probe's end: the original's and the probe's
        tcb.probe_out = False
    return False
