"""How a spurious reaction is found, in the order of certainty, and what is put back (RFC 4015 3)."""

from libc.stdint cimport int32_t, int64_t, uint32_t
from netcore.tcp.flight cimport ack_sample_t
from netcore.tcp.rtt cimport set_rto
from netcore.tcp.scoreboard cimport unmark_lost
from netcore.tcp.seqnum cimport seq_geq, seq_gt, seq_lt
from netcore.tcp.tcb cimport (
    FRTO_FIRST, FRTO_OFF, FRTO_SECOND, PHASE_LOSS, PHASE_OPEN, PHASE_RECOVERY, UNDO_BEGUN, UNDO_MARKED, UNDO_NEVER,
    is_anything_lost, tcb_t, timestamp_now,
)
from netcore.wire.tcp cimport segment_t


cdef void begin_undo(tcb_t* tcb) noexcept nogil:
    tcb.prior_cwnd = tcb.cwnd
    tcb.prior_ssthresh = tcb.ssthresh
    tcb.undo_una = tcb.undo_high = tcb.snd_una
    tcb.undo_segments = 0
    tcb.undo = UNDO_BEGUN


cdef void note_retransmission(tcb_t* tcb, uint32_t end, uint32_t segments, int64_t now) noexcept nogil:
    if tcb.undo == UNDO_NEVER:
        return
    tcb.undo_segments += segments
    if seq_gt(end, tcb.undo_high):
        tcb.undo_high = end
    if tcb.undo == UNDO_BEGUN:
        tcb.undo = UNDO_MARKED
        tcb.undo_end = end
        tcb.undo_tsval = timestamp_now(tcb, now)


cdef bint is_answer_to_the_original(const tcb_t* tcb, const segment_t* seg, const ack_sample_t* sample) noexcept nogil:
    """Eifel (RFC 3522 3.2): the first ACK of what was sent again echoes a timestamp from before."""
    return (tcb.undo == UNDO_MARKED and tcb.timestamps and seg.has_timestamps and sample.acked
            and seq_geq(tcb.snd_una, tcb.undo_end) and not seq_geq(sample.prior_una, tcb.undo_end)
            and <int32_t> (seg.tsecr - tcb.undo_tsval) < 0)


cdef bint is_all_received_twice(tcb_t* tcb, const ack_sample_t* sample) noexcept nogil:
    """RFC 3708: every retransmission has been reported by a DSACK. What the network doubled does not count (its 3)."""
    cdef uint32_t segments
    if (tcb.undo != UNDO_MARKED or not sample.dsack or seq_lt(sample.dsack_start, tcb.undo_una)
            or seq_gt(sample.dsack_end, tcb.undo_high)):
        return False
    if tcb.undo_segments == 0:
        return False
    segments = (sample.dsack_end - sample.dsack_start + tcb.eff_mss - 1) // tcb.eff_mss
    tcb.undo_segments = tcb.undo_segments - segments if tcb.undo_segments > segments else 0
    return tcb.undo_segments == 0


cdef void give_up_frto(tcb_t* tcb) noexcept nogil:
    """RFC 5682 2.1 steps 2a and 3a: the time-out was right."""
    if tcb.frto == FRTO_SECOND:
        # what is lost goes again, though the new segments take room: one of them has left the network
        tcb.resend_now = True
        if not tcb.congestion.owns_window and tcb.cwnd < 3 * <uint32_t> tcb.eff_mss:
            tcb.cwnd = 3 * <uint32_t> tcb.eff_mss
    tcb.frto = FRTO_OFF


cdef bint is_found_by_frto(tcb_t* tcb, const ack_sample_t* sample) noexcept nogil:
    """RFC 5682 2.1 and, with SACK, 3.1."""
    if tcb.frto == FRTO_OFF:
        return False
    if sample.acked == 0 and sample.delivered == 0:
        if sample.duplicate and not tcb.sack:
            give_up_frto(tcb)
        # with SACK a duplicate without news says nothing (3.1 step 2)
        return False
    if tcb.frto == FRTO_FIRST:
        if sample.acked == 0:
            # SACK tells of more that arrived, the first segment is still missing
            return False
        # step 2: an ACK of everything says nothing; otherwise two segments of new data decide (2b)
        tcb.frto = FRTO_OFF if seq_geq(tcb.snd_una, tcb.recover) else FRTO_SECOND
        tcb.frto_room = 2 * <uint32_t> tcb.eff_mss
        return False
    # step 3b: something arrives that was not sent again
    tcb.frto = FRTO_OFF
    return sample.sent_once


cdef uint32_t burst_of(const tcb_t* tcb, const ack_sample_t* sample, bint by_dsack) noexcept nogil:
    """RFC 4015 3.2: by how much the window may exceed the flight, so that no full one goes at once."""
    cdef uint32_t initial = <uint32_t> tcb.transport.tunables.initial_window * tcb.eff_mss
    cdef uint32_t arrived = sample.acked if sample.acked > sample.delivered else sample.delivered
    # an ACK with no more than a duplicate report may deliver nothing
    return initial if by_dsack or arrived > initial else arrived


cdef void trust_round_trip(tcb_t* tcb, int64_t measured) noexcept nogil:
    """RFC 4015 3.2 step 8: the path has become slower than the estimate knew."""
    if measured == 0:
        # Karn: nothing that was sent once only has come, so the time-out stays doubled
        return
    tcb.backoff = 0
    if measured > tcb.rtt.srtt:
        tcb.rtt.srtt = measured
        if tcb.rtt.rttvar < measured // 2:
            tcb.rtt.rttvar = measured // 2
        set_rto(&tcb.rtt, 1_000_000, tcb.transport.tunables.rto_minimum, tcb.transport.tunables.rto_maximum)


cdef void undo(tcb_t* tcb, uint32_t burst, int64_t measured, int64_t now) noexcept nogil:
    """RFC 4015 3.2: the windows as they were."""
    unmark_lost(tcb)
    tcb.frto = FRTO_OFF
    tcb.undo = UNDO_NEVER
    tcb.dupacks = 0
    tcb.resend_now = False
    tcb.ssthresh = tcb.prior_ssthresh if tcb.prior_ssthresh > tcb.prior_cwnd else tcb.prior_cwnd
    if tcb.prior_cwnd < tcb.in_flight + burst:
        burst = tcb.prior_cwnd - tcb.in_flight if tcb.prior_cwnd > tcb.in_flight else 0
    if tcb.cwnd < tcb.in_flight + burst:
        tcb.cwnd = tcb.in_flight + burst
    if tcb.phase != PHASE_LOSS:
        # it was reordering, and what was taken for lost is still on its way
        tcb.reordering_seen = True
    else:
        tcb.transport.counters.TCPSpuriousRTOs += 1
        trust_round_trip(tcb, measured)
        # the ACK of the original may have passed for one of the copy: RACK would find lost again all that went before
        tcb.rack_sent = -1
    tcb.phase = PHASE_OPEN
    if tcb.congestion.on_undo != NULL:
        tcb.congestion.on_undo(tcb, now)


cdef bint undo_if_spurious(tcb_t* tcb, const segment_t* seg, const ack_sample_t* sample, int64_t now) noexcept nogil:
    cdef bint by_frto = tcb.phase == PHASE_LOSS and is_found_by_frto(tcb, sample)
    cdef bint by_eifel = ((tcb.phase == PHASE_LOSS or tcb.phase == PHASE_RECOVERY)
                          and is_answer_to_the_original(tcb, seg, sample))
    cdef bint by_dsack = is_all_received_twice(tcb, sample)
    if not (by_frto or by_eifel or by_dsack):
        return False
    if by_dsack:
        tcb.transport.counters.TCPDSACKUndo += 1
    elif tcb.phase == PHASE_LOSS:
        tcb.transport.counters.TCPLossUndo += 1
    else:
        tcb.transport.counters.TCPFullUndo += 1
    undo(tcb, burst_of(tcb, sample, by_dsack), sample.oldest_rtt, now)
    return True


cdef bint undo_if_nothing_lost(tcb_t* tcb, const ack_sample_t* sample, int64_t now) noexcept nogil:
    if tcb.phase != PHASE_RECOVERY or tcb.undo != UNDO_BEGUN or is_anything_lost(tcb):
        return False
    tcb.transport.counters.TCPFullUndo += 1
    undo(tcb, burst_of(tcb, sample, False), sample.oldest_rtt, now)
    return True
