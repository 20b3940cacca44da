"""pipeACK and the non-validated phase (RFC 7661 4.2 to 4.5)."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from netcore.posix cimport memset
from netcore.tcp.congestion.windows cimport fraction_of, initial_window, window_filled
from netcore.tcp.flight cimport ack_sample_t
from netcore.tcp.tcb cimport PHASE_OPEN, tcb_t

cdef enum:
    # ticks of 2**24 ns (16.8 ms): a 32-bit count of them lasts two years
    TICK_BITS = 24
    SECOND = 1_000_000_000
    # the non-validated period, five minutes (4.4)
    KEPT_TICKS = 17881


cdef uint32_t ticks(int64_t now) noexcept nogil:
    return <uint32_t> (now >> TICK_BITS)


cdef uint32_t sampling_period(const tcb_t* tcb) noexcept nogil:
    """4.2: max(3 * RTT, 1 s), in ticks."""
    return ticks(3 * tcb.rtt.srtt if 3 * tcb.rtt.srtt > SECOND else SECOND)


cdef void validation_begin(validation_t* validation) noexcept nogil:
    memset(validation, 0, sizeof(validation_t))


cdef void age(validation_t* validation, const tcb_t* tcb, uint32_t tick) noexcept nogil:
    cdef uint32_t period = sampling_period(tcb)
    cdef uint32_t elapsed = tick - validation.period_began
    if elapsed >= period:
        validation.most_before = validation.most if elapsed < 2 * period else 0
        validation.most = 0
        validation.period_began = tick


cdef uint32_t pipe_ack(const validation_t* validation) noexcept nogil:
    return validation.most if validation.most > validation.most_before else validation.most_before


cdef void judge(validation_t* validation, uint32_t tick) noexcept nogil:
    """4.3; tick: since when the window has not been validated, if it is not and was."""
    cdef bint nonvalidated = validation.defined and pipe_ack(validation) < validation.window // 2
    if nonvalidated and not validation.nonvalidated:
        validation.phase_began = tick
    validation.nonvalidated = nonvalidated


cdef void end_period(validation_t* validation, tcb_t* tcb, uint32_t tick) noexcept nogil:
    """4.4.3, once for each period that has passed."""
    cdef uint32_t least = initial_window(tcb)
    cdef uint32_t kept
    while validation.nonvalidated and tick - validation.phase_began >= KEPT_TICKS:
        validation.phase_began += KEPT_TICKS
        kept = <uint32_t> (<uint64_t> tcb.cwnd * 3 // 4)
        if tcb.ssthresh < kept:
            tcb.ssthresh = kept
        if tcb.cwnd <= least:
            validation.phase_began = tick
            return
        tcb.cwnd = tcb.cwnd // 2 if tcb.cwnd // 2 > least else least


cdef void validation_ack(validation_t* validation, tcb_t* tcb, const ack_sample_t* sample, int64_t now) noexcept nogil:
    cdef uint32_t tick, delivered
    if not sample.round_start or tcb.phase != PHASE_OPEN:
        return
    tick = ticks(now)
    delivered = <uint32_t> tcb.delivered - validation.round_start
    if validation.measuring:
        age(validation, tcb, tick)
        validation.defined = True
        if delivered > validation.most:
            validation.most = delivered
        judge(validation, tick)
        end_period(validation, tcb, tick)
    else:
        validation.measuring = True
        validation.period_began = tick
    validation.round_start += delivered
    validation.window = tcb.cwnd


cdef uint32_t validation_loss(validation_t* validation, const tcb_t* tcb, uint32_t flight) noexcept nogil:
    validation.lost_nonvalidated = validation.nonvalidated
    if not validation.nonvalidated:
        return window_filled(tcb, flight)
    if flight < pipe_ack(validation):
        flight = pipe_ack(validation)
    if flight > tcb.cwnd:
        flight = tcb.cwnd
    validation.window = flight
    validation.lost_before = <uint32_t> tcb.lost
    return flight


cdef void validation_recovered(validation_t* validation, tcb_t* tcb, uint32_t percent) noexcept nogil:
    cdef uint32_t lost, window
    if validation.lost_nonvalidated:
        lost = <uint32_t> tcb.lost - validation.lost_before
        window = fraction_of(validation.window - lost if validation.window > lost else 0, percent, tcb)
        if tcb.ssthresh > window:
            tcb.ssthresh = window
        if tcb.cwnd > window:
            tcb.cwnd = window
    validation_begin(validation)


cdef void validation_idle(validation_t* validation, tcb_t* tcb, int64_t now) noexcept nogil:
    cdef uint32_t last = validation.period_began
    cdef uint32_t tick = ticks(now)
    age(validation, tcb, tick)
    validation.window = tcb.cwnd
    judge(validation, last)
    end_period(validation, tcb, tick)
    # the round that the idle time cut tells nothing
    validation.measuring = False
    if tcb.pacing_rate == 0 and tcb.rtt.srtt and tcb.cwnd > initial_window(tcb):
        # 4.4.2: no burst of all that was kept; the first ACK, a round trip from now, sets the pace anew
        tcb.pacing_rate = <uint64_t> tcb.cwnd * SECOND // <uint64_t> tcb.rtt.srtt + 1
