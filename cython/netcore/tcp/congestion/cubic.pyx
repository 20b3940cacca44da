"""RFC 9438 4 under its own names, windows in bytes."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from netcore.tcp.congestion.curve cimport curve_at, curve_inflection
from netcore.tcp.congestion.hystart cimport hystart_ack, hystart_begin, hystart_growth, hystart_t
from netcore.tcp.congestion.validation cimport (
    validation_ack, validation_begin, validation_idle, validation_loss, validation_recovered, validation_t,
)
from netcore.tcp.congestion.windows cimport (
    SSTHRESH_UNKNOWN, WINDOW_LIMIT, fraction_of, grow_slowly, slow_start_growth, start_window,
    window_filled,
)
from netcore.tcp.flight cimport ack_sample_t
from netcore.tcp.tcb cimport congestion_t, flight_size, tcb_t

cdef enum:
    MILLISECOND = 1_000_000
    # beta_cubic (4.6) and what ECN-Echo leaves (RFC 8511 3.1), per cent
    LOSS_PERCENT = 70
    ECN_PERCENT = 85
    # alpha_cubic = 3 * (1 - beta) / (1 + beta) = 9 / 17 (4.3)
    ALPHA_PARTS = 9
    ALPHA_WHOLE = 17

# what a loss changes and a loss that was none gives back (4.9)
cdef struct stage_t:
    # t_epoch, ns: when this stage of congestion avoidance began, 0: it has not
    int64_t epoch
    uint32_t w_max
    # cwnd when ssthresh was set last
    uint32_t cwnd_prior
    uint32_t w_est
    # K, ms
    uint32_t k

cdef struct cubic_t:
    stage_t stage
    stage_t before
    # when the window was in use last
    int64_t used_at
    # what is owed to w_est and to cwnd: parts of a byte, in units of 1 / cwnd
    uint32_t w_est_owed
    uint32_t cwnd_owed
    hystart_t hystart
    validation_t validation

cdef congestion_t TABLE


cdef cubic_t* state_of(tcb_t* tcb) noexcept nogil:
    return <cubic_t*> tcb.congestion_state


cdef void forget(stage_t* stage) noexcept nogil:
    """No loss is known that the curve could lead back to."""
    stage.epoch = 0
    stage.w_max = 0
    stage.cwnd_prior = 0
    stage.w_est = 0
    stage.k = 0


cdef void begin(tcb_t* tcb, int64_t now) noexcept nogil:
    cdef cubic_t* state = state_of(tcb)
    start_window(tcb)
    forget(&state.stage)
    forget(&state.before)
    state.used_at = now
    state.w_est_owed = 0
    state.cwnd_owed = 0
    hystart_begin(&state.hystart)
    validation_begin(&state.validation)


cdef void pass_unused(cubic_t* state, int64_t now) noexcept nogil:
    """5.8: time in which the application did not fill the window is none of the curve's."""
    if state.stage.epoch:
        state.stage.epoch += now - state.used_at
    state.used_at = now


cdef void slow_start(tcb_t* tcb, cubic_t* state, const ack_sample_t* sample) noexcept nogil:
    cdef uint32_t growth = slow_start_growth(tcb, sample)
    # RFC 9406 4.2: for the first slow start; later ones know where to end
    if tcb.ssthresh == SSTHRESH_UNKNOWN:
        growth = hystart_growth(&state.hystart, tcb, growth)
    grow_slowly(tcb, growth)


cdef void start_stage(tcb_t* tcb, stage_t* stage, int64_t now) noexcept nogil:
    """4.2; K is 0 and W_max is cwnd where no loss is known (4.10), after a time-out (4.8), and from above W_max."""
    stage.epoch = now
    stage.k = curve_inflection(stage.w_max, tcb.cwnd, tcb.eff_mss)
    if stage.w_max < tcb.cwnd:
        stage.w_max = tcb.cwnd
    if stage.cwnd_prior == 0:
        stage.cwnd_prior = tcb.cwnd
    stage.w_est = tcb.cwnd


cdef void estimate_reno(tcb_t* tcb, cubic_t* state, uint32_t acked) noexcept nogil:
    """W_est += alpha_cubic * segments_acked / cwnd, and as Reno does once it has reached cwnd_prior (4.3)."""
    cdef uint64_t owed = <uint64_t> acked * tcb.eff_mss
    if state.stage.w_est < state.stage.cwnd_prior:
        owed = owed * ALPHA_PARTS // ALPHA_WHOLE
    owed += state.w_est_owed
    state.stage.w_est += <uint32_t> (owed // tcb.cwnd)
    state.w_est_owed = <uint32_t> (owed % tcb.cwnd)
    if state.stage.w_est > WINDOW_LIMIT:
        state.stage.w_est = WINDOW_LIMIT


cdef uint32_t aimed_at(const tcb_t* tcb, const stage_t* stage, int64_t now) noexcept nogil:
    """target: W_cubic one round trip ahead, between cwnd and one and a half of it (4.2)."""
    cdef int64_t window = curve_at((now - stage.epoch + tcb.rtt.srtt) // MILLISECOND, stage.k, stage.w_max, tcb.eff_mss)
    cdef uint32_t most = tcb.cwnd + tcb.cwnd // 2 if tcb.cwnd < WINDOW_LIMIT // 2 else WINDOW_LIMIT
    if window < tcb.cwnd:
        return tcb.cwnd
    return <uint32_t> window if window < most else most


cdef void avoid_congestion(tcb_t* tcb, cubic_t* state, uint32_t acked, int64_t now) noexcept nogil:
    cdef stage_t* stage = &state.stage
    cdef uint64_t owed
    if stage.epoch == 0:
        start_stage(tcb, stage, now)
        state.w_est_owed = state.cwnd_owed = 0
    if acked > tcb.cwnd:
        acked = tcb.cwnd
    estimate_reno(tcb, state, acked)
    if curve_at((now - stage.epoch) // MILLISECOND, stage.k, stage.w_max, tcb.eff_mss) < stage.w_est:
        # 4.3, the Reno-friendly region
        if tcb.cwnd < stage.w_est:
            tcb.cwnd = stage.w_est
        return
    # 4.4, 4.5: (target - cwnd) / cwnd for each segment acknowledged
    owed = <uint64_t> (aimed_at(tcb, stage, now) - tcb.cwnd) * acked + state.cwnd_owed
    state.cwnd_owed = <uint32_t> (owed % tcb.cwnd)
    tcb.cwnd += <uint32_t> (owed // tcb.cwnd)


cdef void on_ack(tcb_t* tcb, const ack_sample_t* sample, int64_t now) noexcept nogil:
    cdef cubic_t* state = state_of(tcb)
    validation_ack(&state.validation, tcb, sample, now)
    if tcb.ssthresh == SSTHRESH_UNKNOWN and hystart_ack(&state.hystart, sample):
        tcb.ssthresh = tcb.cwnd
    if not tcb.cwnd_limited or tcb.cwnd >= WINDOW_LIMIT:
        pass_unused(state, now)
        return
    state.used_at = now
    if tcb.cwnd < tcb.ssthresh:
        slow_start(tcb, state, sample)
    else:
        avoid_congestion(tcb, state, sample.acked, now)


cdef void reduce(tcb_t* tcb, uint32_t flight, uint32_t percent) noexcept nogil:
    """4.6, with fast convergence (4.7): a window that did not reach the last W_max makes room for new flows."""
    cdef cubic_t* state = state_of(tcb)
    cdef uint32_t used = validation_loss(&state.validation, tcb, flight)
    cdef uint32_t window = used if state.validation.lost_nonvalidated else tcb.cwnd
    state.before = state.stage
    state.stage.epoch = 0
    state.stage.cwnd_prior = window
    if window < state.stage.w_max:
        state.stage.w_max = <uint32_t> (<uint64_t> window * (100 + LOSS_PERCENT) // 200)
    else:
        state.stage.w_max = window
    tcb.ssthresh = fraction_of(used, percent, tcb)


cdef void on_loss(tcb_t* tcb, int64_t now) noexcept nogil:
    reduce(tcb, flight_size(tcb), LOSS_PERCENT)


cdef void on_ecn(tcb_t* tcb, int64_t now) noexcept nogil:
    # prr_flight: the ACK that brought the echo may cover all that was in flight
    # RFC 8511 3.1 speaks of congestion avoidance; slow start may be far beyond what the path carries
    reduce(tcb, tcb.prr_flight, LOSS_PERCENT if tcb.cwnd < tcb.ssthresh else ECN_PERCENT)


cdef void on_timeout(tcb_t* tcb, int64_t now) noexcept nogil:
    cdef cubic_t* state = state_of(tcb)
    # RFC 5681 3.1: ssthresh stands still while the same segment is sent again and again
    if tcb.retries == 0:
        state.before = state.stage
        forget(&state.stage)
        state.stage.cwnd_prior = tcb.cwnd
        tcb.ssthresh = fraction_of(window_filled(tcb, flight_size(tcb)), LOSS_PERCENT, tcb)
    tcb.cwnd = tcb.eff_mss
    validation_begin(&state.validation)


cdef void on_recovered(tcb_t* tcb, int64_t now) noexcept nogil:
    validation_recovered(&state_of(tcb).validation, tcb, LOSS_PERCENT)


cdef void on_undo(tcb_t* tcb, int64_t now) noexcept nogil:
    cdef cubic_t* state = state_of(tcb)
    state.stage = state.before
    state.used_at = now
    validation_begin(&state.validation)


cdef void on_idle(tcb_t* tcb, int64_t now) noexcept nogil:
    validation_idle(&state_of(tcb).validation, tcb, now)


cdef void on_restart(tcb_t* tcb, int64_t now) noexcept nogil:
    pass_unused(state_of(tcb), now)


TABLE.name = b"cubic"
TABLE.begin = begin
TABLE.on_ack = on_ack
TABLE.on_loss = on_loss
TABLE.on_ecn = on_ecn
TABLE.on_timeout = on_timeout
TABLE.on_recovered = on_recovered
TABLE.on_undo = on_undo
TABLE.on_idle = on_idle
TABLE.on_restart = on_restart

if sizeof(cubic_t) > sizeof((<tcb_t*> NULL).congestion_state):
    raise ImportError("the state of cubic is larger than tcb_t.congestion_state")


cdef const congestion_t* cubic() noexcept nogil:
    return &TABLE
