"""How a spurious reaction is found, in the order of certainty, and what is put back (RFC 4015 3)."""

from libc.stdint cimport int32_t, int64_t, uint32_t
from netcore.tcp.flight cimport ack_sample_t
from netcore.tcp.rtt cimport set_rto
from netcore.tcp.scoreboard cimport unmark_lost
from netcore.tcp.seqnum cimport seq_geq, seq_lt
from netcore.tcp.tcb cimport (
    FRTO_FIRST, FRTO_OFF, FRTO_SECOND, PHASE_LOSS, PHASE_OPEN, PHASE_RECOVERY, UNDO_BEGUN, UNDO_MARKED, UNDO_NEVER,
    tcb_t, timestamp_now,
)
from netcore.wire.tcp cimport segment_t


cdef void begin_undo(tcb_t* tcb) noexcept nogil:
    tcb.prior_cwnd = tcb.cwnd
    tcb.prior_ssthresh = tcb.ssthresh
    tcb.undo_una = tcb.snd_una
    tcb.undo_segments = 0
    tcb.undo = UNDO_BEGUN


cdef void note_retransmission(tcb_t* tcb, uint32_t end, uint32_t segments, int64_t now) noexcept nogil:
    if tcb.undo == UNDO_NEVER:
        return
    tcb.undo_segments += segments
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
    """RFC 3708: every retransmission has been reported by a DSACK."""
    cdef uint32_t segments
    if tcb.undo != UNDO_MARKED or not sample.dsack or seq_lt(sample.dsack_start, tcb.undo_una):
        return False
    if tcb.undo_segments == 0:
        return False
    segments = (sample.dsack_end - sample.dsack_start + tcb.eff_mss - 1) // tcb.eff_mss
    tcb.undo_segments = tcb.undo_segments - segments if tcb.undo_segments > segments else 0
    return tcb.undo_segments == 0


cdef bint is_found_by_frto(tcb_t* tcb, const ack_sample_t* sample) noexcept nogil:
    """RFC 5682 2.1 and, with SACK, 3.1."""
    if tcb.frto == FRTO_OFF:
        return False
    if sample.acked == 0 and sample.delivered == 0:
        if sample.duplicate:
            # step 2a, 3a: the time-out was right
            tcb.frto = FRTO_OFF
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


cdef void undo(tcb_t* tcb, const ack_sample_t* sample, int64_t now) noexcept nogil:
    """RFC 4015 3.2: the windows as they were, without the burst that a full one would bring at once."""
    cdef uint32_t initial = <uint32_t> tcb.transport.tunables.initial_window * tcb.eff_mss
    cdef uint32_t burst = sample.acked if sample.acked > initial else initial
    cdef bint after_timeout = tcb.phase == PHASE_LOSS
    unmark_lost(tcb)
    tcb.frto = FRTO_OFF
    tcb.undo = UNDO_NEVER
    tcb.phase = PHASE_OPEN
    tcb.dupacks = 0
    tcb.resend_now = False
    tcb.ssthresh = tcb.prior_ssthresh if tcb.prior_ssthresh > tcb.prior_cwnd else tcb.prior_cwnd
    if tcb.cwnd < tcb.prior_cwnd:
        tcb.cwnd = tcb.prior_cwnd if tcb.prior_cwnd < tcb.in_flight + burst else tcb.in_flight + burst
    if not after_timeout:
        # it was reordering, and what was taken for lost is still on its way
        tcb.reordering_seen = True
    else:
        tcb.transport.counters.TCPSpuriousRTOs += 1
        if sample.oldest_rtt:
            # Karn: measured by something that was sent once, else the time-out stays doubled
            tcb.backoff = 0
        if sample.oldest_rtt > tcb.rtt.srtt:
            # RFC 4015 3.2 step 8: the path has become slower than the estimate knew
            tcb.rtt.srtt = sample.oldest_rtt
            tcb.rtt.rttvar = sample.oldest_rtt // 2
            set_rto(&tcb.rtt, 1_000_000, tcb.transport.tunables.rto_minimum, tcb.transport.tunables.rto_maximum)
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
    undo(tcb, sample, now)
    return True
