"""Round-trip time and retransmission time-out (RFC 6298; RFC 7323 appendix G), in integers of ns."""

from libc.stdint cimport int64_t, uint32_t

cdef struct rtt_t:
    # smoothed round-trip time and its variation, ns; srtt 0: no sample yet
    int64_t srtt
    int64_t rttvar
    # time-out before backing off, ns
    int64_t rto


cdef inline int64_t clamp(int64_t value, int64_t low, int64_t high) noexcept nogil:
    if value < low:
        return low
    return high if value > high else value


cdef inline void set_rto(rtt_t* rtt, int64_t granularity, int64_t rto_minimum, int64_t rto_maximum) noexcept nogil:
    """RFC 6298 2.3"""
    cdef int64_t variation = 4 * rtt.rttvar
    if variation < granularity:
        variation = granularity
    rtt.rto = clamp(rtt.srtt + variation, rto_minimum, rto_maximum)


cdef inline void rtt_sample(rtt_t* rtt, int64_t sample, int64_t granularity, uint32_t samples_per_window,
                            int64_t rto_minimum, int64_t rto_maximum) noexcept nogil:
    """One measurement of `sample` ns by a clock of `granularity` ns (SND-6).

    samples_per_window: how many samples a window of data yields; the gains are divided by it, so that many samples
    weigh together as one (RFC 7323 appendix G).
    """
    cdef int64_t error
    if sample < granularity:
        sample = granularity
    if samples_per_window == 0:
        samples_per_window = 1
    if rtt.srtt == 0:
        rtt.srtt = sample
        rtt.rttvar = sample // 2
    else:
        error = rtt.srtt - sample
        if error < 0:
            error = -error
        rtt.rttvar += (error - rtt.rttvar) // (4 * <int64_t> samples_per_window)
        rtt.srtt += (sample - rtt.srtt) // (8 * <int64_t> samples_per_window)
        if rtt.srtt < 1:
            rtt.srtt = 1
    set_rto(rtt, granularity, rto_minimum, rto_maximum)
