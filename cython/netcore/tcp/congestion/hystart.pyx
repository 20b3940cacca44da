"""RFC 9406 4.2 with the constants of 4.3."""

from libc.stdint cimport uint32_t
from netcore.tcp.flight cimport ack_sample_t
from netcore.tcp.tcb cimport tcb_t

cdef enum:
    # no round trip has been measured
    NONE = 0x7fffffff
    THRESHOLD_LEAST = 4000
    THRESHOLD_MOST = 16000
    THRESHOLD_DIVISOR = 8
    SAMPLES_NEEDED = 8
    GROWTH_DIVISOR = 4
    CONSERVATIVE_ROUNDS = 5
    # L, when every segment goes at once
    SEGMENTS_COUNTED = 8


cdef void hystart_begin(hystart_t* hystart) noexcept nogil:
    hystart.last_round = NONE
    hystart.this_round = NONE
    hystart.baseline = NONE
    hystart.samples = 0
    hystart.conservative_rounds = 0


cdef uint32_t microseconds(const ack_sample_t* sample) noexcept nogil:
    return <uint32_t> (sample.rtt // 1000) if sample.rtt // 1000 < NONE else NONE


cdef uint32_t threshold(uint32_t round_trip) noexcept nogil:
    cdef uint32_t part = round_trip // THRESHOLD_DIVISOR
    if part < THRESHOLD_LEAST:
        return THRESHOLD_LEAST
    return part if part < THRESHOLD_MOST else THRESHOLD_MOST


cdef bint hystart_ack(hystart_t* hystart, const ack_sample_t* sample) noexcept nogil:
    if sample.round_start:
        hystart.last_round = hystart.this_round
        hystart.this_round = NONE
        hystart.samples = 0
        if hystart.conservative_rounds:
            # the round in which it began counts, though it was a part of one
            hystart.conservative_rounds += 1
            if hystart.conservative_rounds > CONSERVATIVE_ROUNDS:
                return True
    if sample.rtt <= 0:
        return False
    if microseconds(sample) < hystart.this_round:
        hystart.this_round = microseconds(sample)
    if hystart.samples < SAMPLES_NEEDED:
        hystart.samples += 1
    if hystart.samples < SAMPLES_NEEDED:
        return False
    if hystart.conservative_rounds:
        if hystart.this_round < hystart.baseline:
            # the longer round trips were jitter: slow start goes on
            hystart.baseline = NONE
            hystart.conservative_rounds = 0
    elif hystart.last_round != NONE and hystart.this_round >= hystart.last_round + threshold(hystart.last_round):
        hystart.baseline = hystart.this_round
        hystart.conservative_rounds = 1
    return False


cdef uint32_t hystart_growth(const hystart_t* hystart, const tcb_t* tcb, uint32_t acked) noexcept nogil:
    # 4.3: no limit where bursts are spread by a pace; nor where frames are superframes, which one ACK may answer
    if not tcb.pacing_rate and tcb.transport.superframe <= tcb.eff_mss and acked > SEGMENTS_COUNTED * tcb.eff_mss:
        acked = SEGMENTS_COUNTED * <uint32_t> tcb.eff_mss
    return acked // GROWTH_DIVISOR if hystart.conservative_rounds else acked
