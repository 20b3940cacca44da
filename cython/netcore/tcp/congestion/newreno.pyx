"""Slow start, congestion avoidance and the reaction to loss of RFC 5681; bytes are counted (RFC 3465)."""

from libc.stdint cimport int64_t, uint32_t
from netcore.tcp.congestion.validation cimport (
    validation_ack, validation_begin, validation_idle, validation_loss, validation_recovered, validation_t,
)
from netcore.tcp.congestion.windows cimport (
    WINDOW_LIMIT, fraction_of, grow_slowly, slow_start_growth, start_window, window_filled,
)
from netcore.tcp.flight cimport ack_sample_t
from netcore.tcp.tcb cimport congestion_t, flight_size, tcb_t

cdef enum:
    # parts of the window that are left by a loss (RFC 5681 equation 4) and by ECN-Echo (RFC 8511 3.1), per cent
    LOSS_PERCENT = 50
    ECN_PERCENT = 80

cdef struct newreno_t:
    # bytes acknowledged since cwnd grew last, in congestion avoidance
    uint32_t acked
    validation_t validation

cdef congestion_t TABLE


cdef newreno_t* state_of(tcb_t* tcb) noexcept nogil:
    return <newreno_t*> tcb.congestion_state


cdef void begin(tcb_t* tcb, int64_t now) noexcept nogil:
    start_window(tcb)
    state_of(tcb).acked = 0
    validation_begin(&state_of(tcb).validation)


cdef void on_ack(tcb_t* tcb, const ack_sample_t* sample, int64_t now) noexcept nogil:
    cdef newreno_t* state = state_of(tcb)
    cdef uint32_t filled
    validation_ack(&state.validation, tcb, sample, now)
    # RFC 7661 4.4: a window that was not used says nothing about the path
    if not tcb.cwnd_limited or tcb.cwnd >= WINDOW_LIMIT:
        return
    if tcb.cwnd < tcb.ssthresh:
        grow_slowly(tcb, slow_start_growth(tcb, sample))
        return
    # RFC 5681 3.1, RFC 3465 2.1: a segment for each window acknowledged, of which a part of a segment was never sent
    filled = tcb.cwnd - tcb.cwnd % tcb.eff_mss if tcb.cwnd > tcb.eff_mss else tcb.cwnd
    state.acked += sample.acked
    if state.acked >= filled:
        state.acked -= filled
        tcb.cwnd += tcb.eff_mss


cdef void on_loss(tcb_t* tcb, int64_t now) noexcept nogil:
    tcb.ssthresh = fraction_of(validation_loss(&state_of(tcb).validation, tcb, flight_size(tcb)), LOSS_PERCENT, tcb)
    state_of(tcb).acked = 0


cdef void on_ecn(tcb_t* tcb, int64_t now) noexcept nogil:
    # prr_flight: the ACK that brought the echo may cover all that was in flight
    # RFC 8511 3.1 speaks of congestion avoidance; slow start may be far beyond what the path carries
    cdef uint32_t percent = LOSS_PERCENT if tcb.cwnd < tcb.ssthresh else ECN_PERCENT
    tcb.ssthresh = fraction_of(validation_loss(&state_of(tcb).validation, tcb, tcb.prr_flight), percent, tcb)
    state_of(tcb).acked = 0


cdef void on_timeout(tcb_t* tcb, int64_t now) noexcept nogil:
    # RFC 5681 3.1: ssthresh stands still while the same segment is sent again and again
    if tcb.retries == 0:
        tcb.ssthresh = fraction_of(window_filled(tcb, flight_size(tcb)), LOSS_PERCENT, tcb)
    tcb.cwnd = tcb.eff_mss
    state_of(tcb).acked = 0
    validation_begin(&state_of(tcb).validation)


cdef void on_recovered(tcb_t* tcb, int64_t now) noexcept nogil:
    validation_recovered(&state_of(tcb).validation, tcb, LOSS_PERCENT)


cdef void on_undo(tcb_t* tcb, int64_t now) noexcept nogil:
    validation_begin(&state_of(tcb).validation)


cdef void on_idle(tcb_t* tcb, int64_t now) noexcept nogil:
    validation_idle(&state_of(tcb).validation, tcb, now)


TABLE.name = b"newreno"
TABLE.begin = begin
TABLE.on_ack = on_ack
TABLE.on_loss = on_loss
TABLE.on_ecn = on_ecn
TABLE.on_timeout = on_timeout
TABLE.on_recovered = on_recovered
TABLE.on_undo = on_undo
TABLE.on_idle = on_idle

if sizeof(newreno_t) > sizeof((<tcb_t*> NULL).congestion_state):
    raise ImportError("the state of newreno is larger than tcb_t.congestion_state")


cdef const congestion_t* newreno() noexcept nogil:
    return &TABLE
