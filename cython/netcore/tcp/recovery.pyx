"""Phases: OPEN, REDUCING (ECN), RECOVERY (loss by SACK and time, or by duplicate ACKs), LOSS (time-out)."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from netcore.posix cimport memset
from netcore.tcp.delivery cimport finish_rate, note_min_rtt
from netcore.tcp.ecn cimport want_cwr
from netcore.tcp.flight cimport SENT_LOST, SENT_SACKED, ack_sample_t, sent_t
from netcore.tcp.path_mtu cimport take_probe_for_lost
from netcore.tcp.rack cimport detect_losses, is_repaired_by_probe, recovery_ended, take_delivered
from netcore.tcp.scoreboard cimport first_sent, mark_expired, mark_lost, split
from netcore.tcp.seqnum cimport seq_geq, seq_gt
from netcore.tcp.statistics cimport count_news
from netcore.tcp.tcb cimport (
    FRTO_FIRST, FRTO_OFF, FRTO_SECOND, PHASE_LOSS, PHASE_OPEN, PHASE_RECOVERY, PHASE_REDUCING, TIMER_PROBE,
    TIMER_REORDERING, UNDO_NEVER, cancel, flight_size, is_anything_lost, tcb_t, want_output,
)
from netcore.tcp.undo cimport begin_undo, undo_if_nothing_lost, undo_if_spurious
from netcore.wire.tcp cimport segment_t


cdef void reduce_proportionally(tcb_t* tcb, const ack_sample_t* sample) noexcept nogil:
    """RFC 9937 6: as much goes as brings the flight to ssthresh by the end of the round trip."""
    cdef int64_t wanted
    cdef int64_t room = <int64_t> tcb.ssthresh - tcb.in_flight
    tcb.prr_delivered += sample.delivered
    if room < 0:
        wanted = <int64_t> ((<uint64_t> tcb.prr_delivered * tcb.ssthresh + tcb.prr_flight - 1) // tcb.prr_flight)
        wanted -= tcb.prr_out
    else:
        wanted = <int64_t> tcb.prr_delivered - tcb.prr_out
        if wanted < sample.delivered:
            wanted = sample.delivered
        if sample.acked and sample.lost == 0:
            # slow start back to ssthresh as long as ACKs advance and nothing more is lost
            wanted += tcb.eff_mss
        if wanted > room:
            wanted = room
    if tcb.prr_out == 0 and wanted < tcb.eff_mss and tcb.phase == PHASE_RECOVERY:
        # the first retransmission goes whatever the arithmetic says
        wanted = tcb.eff_mss
    if wanted < 0:
        wanted = 0
    tcb.cwnd = <uint32_t> (tcb.in_flight + wanted)


cdef void start_reduction(tcb_t* tcb, const ack_sample_t* sample) noexcept nogil:
    tcb.recover = tcb.snd_nxt
    tcb.prr_delivered = tcb.prr_out = 0
    tcb.prr_flight = flight_size(tcb) - tcb.sacked + sample.delivered
    if tcb.prr_flight == 0:
        tcb.prr_flight = 1
    # what the probe found out is answered by this
    tcb.probe_out = False
    cancel(tcb, TIMER_PROBE)


cdef void enter_recovery(tcb_t* tcb, const ack_sample_t* sample, int64_t now) noexcept nogil:
    if tcb.path != NULL and take_probe_for_lost(tcb, now):
        # RFC 4821 7.6.2: it was too large, which is no congestion
        return
    if tcb.phase == PHASE_OPEN:
        begin_undo(tcb)
    tcb.congestion.on_loss(tcb, now)
    want_cwr(tcb)
    tcb.phase = PHASE_RECOVERY
    start_reduction(tcb, sample)
    tcb.resend_now = True
    if tcb.sack:
        tcb.transport.counters.TCPSackRecovery += 1
        if not tcb.congestion.owns_window:
            tcb.cwnd = tcb.in_flight + tcb.eff_mss
    else:
        # RFC 6582 3.2 step 2
        tcb.transport.counters.TCPRenoRecovery += 1
        if not tcb.congestion.owns_window:
            tcb.cwnd = tcb.ssthresh + DUPLICATES_FOR_LOSS * tcb.eff_mss


cdef void leave_phase(tcb_t* tcb, int64_t now) noexcept nogil:
    """Everything that was outstanding when the phase began is acknowledged."""
    cdef uint32_t flight
    if not tcb.congestion.owns_window:
        if tcb.phase == PHASE_RECOVERY and not tcb.sack:
            # RFC 6582 3.2 step 3 option 1 avoids a burst
            flight = flight_size(tcb)
            if flight < tcb.eff_mss:
                flight = tcb.eff_mss
            tcb.cwnd = tcb.ssthresh if tcb.ssthresh < flight + tcb.eff_mss else flight + tcb.eff_mss
        elif tcb.phase != PHASE_LOSS:
            tcb.cwnd = tcb.ssthresh
    if tcb.phase != PHASE_REDUCING:
        recovery_ended(tcb)
    tcb.phase = PHASE_OPEN
    tcb.frto = FRTO_OFF
    tcb.dupacks = 0
    if tcb.congestion.on_recovered != NULL:
        tcb.congestion.on_recovered(tcb, now)


cdef void lose_first_segment(tcb_t* tcb) noexcept nogil:
    """Without SACK the hole at snd_una is the one that is known (RFC 6582)."""
    cdef sent_t* first = first_sent(tcb)
    if first == NULL or first.marks & (SENT_LOST | SENT_SACKED):
        tcb.resend_now = first != NULL
        return
    if first.end - first.node.start > tcb.eff_mss:
        # a superframe; without memory for two parts all of it goes again
        split(tcb, first, first.node.start + tcb.eff_mss)
    mark_lost(tcb, first)
    tcb.resend_now = True


cdef void count_duplicate(tcb_t* tcb, const ack_sample_t* sample, int64_t now) noexcept nogil:
    """RFC 5681 3.2, for a peer without SACK."""
    if tcb.dupacks < 0xffff:
        tcb.dupacks += 1
    if tcb.phase == PHASE_RECOVERY:
        # Each duplicate says that one more segment has left the network. No more can have than were outstanding: a peer
        # that makes duplicates up would open the window without bound (RFC 5681 3.2).
        if not tcb.congestion.owns_window and <uint32_t> tcb.dupacks * tcb.eff_mss <= tcb.prr_flight:
            tcb.cwnd += tcb.eff_mss
    elif tcb.dupacks == DUPLICATES_FOR_LOSS and tcb.phase != PHASE_LOSS and seq_gt(tcb.snd_una, tcb.recover):
        # RFC 6582 3.2 step 2: not again for losses of the window before `recover`
        lose_first_segment(tcb)
        enter_recovery(tcb, sample, now)


cdef void repair_next_hole(tcb_t* tcb, const ack_sample_t* sample) noexcept nogil:
    """RFC 6582 3.2 step 3, a partial acknowledgement: the next hole is at snd_una, the window deflates."""
    lose_first_segment(tcb)
    tcb.prr_flight = flight_size(tcb)
    if tcb.congestion.owns_window:
        return
    tcb.cwnd = tcb.cwnd - sample.acked if tcb.cwnd > sample.acked + tcb.eff_mss else tcb.eff_mss
    if sample.acked >= tcb.eff_mss:
        tcb.cwnd += tcb.eff_mss


cdef void take_news(tcb_t* tcb, const segment_t* seg, ack_sample_t* sample, int64_t now) noexcept nogil:
    cdef bint ended
    if sample.rtt:
        note_min_rtt(tcb, sample.rtt, now)
    finish_rate(tcb, sample)
    count_news(tcb, sample, now)
    if sample.acked:
        tcb.dupacks = 0
    if undo_if_spurious(tcb, seg, sample, now):
        want_output(tcb)
    if tcb.sack:
        take_delivered(tcb, sample)
        sample.lost = detect_losses(tcb, now)
    if undo_if_nothing_lost(tcb, sample, now):
        want_output(tcb)
    ended = False
    if tcb.phase != PHASE_OPEN and seq_geq(tcb.snd_una, tcb.recover):
        # what ends a time-out opens the window besides, as every ACK since
        ended = tcb.phase != PHASE_LOSS
        leave_phase(tcb, now)
    if is_repaired_by_probe(tcb, seg, sample) and tcb.phase == PHASE_OPEN and sample.lost == 0:
        # RFC 8985 7.4.2: the loss was repaired, the congestion that it tells of still counts
        tcb.congestion.on_loss(tcb, now)
        # a late report about an earlier recovery is none about this
        tcb.undo = UNDO_NEVER
        if not tcb.congestion.owns_window and tcb.cwnd > tcb.ssthresh:
            tcb.cwnd = tcb.ssthresh
        tcb.transport.counters.TCPLossProbeRecovery += 1
    if not tcb.sack:
        if sample.duplicate:
            count_duplicate(tcb, sample, now)
        elif sample.acked and tcb.phase == PHASE_RECOVERY:
            repair_next_hole(tcb, sample)
    elif sample.lost and (tcb.phase == PHASE_OPEN or tcb.phase == PHASE_REDUCING):
        enter_recovery(tcb, sample, now)
    if sample.congestion_echo and tcb.phase == PHASE_OPEN and seq_gt(tcb.snd_una, tcb.recover):
        # RFC 3168 6.1.2: once in a round trip
        start_reduction(tcb, sample)
        tcb.congestion.on_ecn(tcb, now)
        tcb.phase = PHASE_REDUCING
        tcb.undo = UNDO_NEVER
        want_cwr(tcb)
    if tcb.congestion.owns_window:
        if sample.delivered or sample.lost:
            tcb.congestion.on_ack(tcb, sample, now)
    elif tcb.phase == PHASE_REDUCING or tcb.phase == PHASE_RECOVERY and tcb.sack:
        if sample.delivered:
            reduce_proportionally(tcb, sample)
    elif (sample.acked or tcb.sack and sample.delivered) and not ended:
        if tcb.phase == PHASE_OPEN and seq_gt(tcb.snd_una, tcb.recover):
            # `recover` is drawn along, or it would compare as ahead again after 2 GiB
            tcb.recover = tcb.snd_una - 1
        tcb.congestion.on_ack(tcb, sample, now)
    if is_anything_lost(tcb) or sample.delivered or sample.duplicate:
        want_output(tcb)


cdef void reordering_timeout(tcb_t* tcb, int64_t now) noexcept nogil:
    cdef ack_sample_t sample
    cdef uint32_t lost = detect_losses(tcb, now)
    if lost == 0:
        return
    memset(&sample, 0, sizeof(sample))
    sample.lost = lost
    if tcb.phase == PHASE_OPEN or tcb.phase == PHASE_REDUCING:
        enter_recovery(tcb, &sample, now)
    want_output(tcb)


cdef void retransmission_timeout(tcb_t* tcb, int64_t now) noexcept nogil:
    cdef sent_t* first = first_sent(tcb)
    cdef bint reneged = first != NULL and first.marks & SENT_SACKED != 0
    cdef bint anew = tcb.phase == PHASE_OPEN or tcb.phase == PHASE_REDUCING
    cdef int64_t sent_by = now
    if anew:
        begin_undo(tcb)
    tcb.congestion.on_timeout(tcb, now)
    want_cwr(tcb)
    if tcb.sack and not reneged:
        # RFC 8985 6.3: what went so recently that its ACK may well be on the way stays in flight
        sent_by = now - tcb.rack_rtt - tcb.reordering_steps * (tcb.min_rtt // 4)
    if reneged:
        tcb.transport.counters.TCPSACKReneging += 1
    mark_expired(tcb, sent_by, reneged)
    # beside the segment that on_timeout allows
    tcb.cwnd += tcb.in_flight
    # RFC 5682 3.1 step 1: only the first time-out of a window can be judged, and none while a loss is repaired
    tcb.frto = FRTO_OFF
    if anew and tcb.retries == 0 and not reneged and tcb.transport.tunables.frto:
        tcb.frto = FRTO_FIRST
    tcb.phase = PHASE_LOSS
    tcb.recover = tcb.snd_nxt
    tcb.dupacks = 0
    tcb.resend_now = True
    tcb.probe_out = False
    tcb.tail_wanted = False
    cancel(tcb, TIMER_PROBE)
    cancel(tcb, TIMER_REORDERING)
    want_output(tcb)


cdef uint32_t allowed_flight(const tcb_t* tcb) noexcept nogil:
    cdef uint32_t duplicates = tcb.dupacks
    if tcb.frto == FRTO_SECOND:
        # RFC 5682 2.1 step 2b: two segments of new data
        return tcb.in_flight + tcb.frto_room
    if tcb.sack or tcb.phase != PHASE_OPEN or duplicates == 0:
        return tcb.cwnd
    return tcb.cwnd + (duplicates if duplicates < DUPLICATES_FOR_LOSS else DUPLICATES_FOR_LOSS - 1) * tcb.eff_mss
