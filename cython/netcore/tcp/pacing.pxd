"""When a paced connection may send (REC-6): a clock that each segment moves on by its length over the rate."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from netcore.tcp.tcb cimport TIMER_PACING, schedule, tcb_t

cdef enum:
    SECOND = 1000000000LL
    # what may go at once, in parts of a second
    QUANTA = 1000


cdef inline uint32_t pacing_quantum(const tcb_t* tcb, uint32_t most) noexcept nogil:
    """The largest burst, bytes: a superframe, but no more than about 1 ms of the pace and no less than two segments."""
    cdef uint64_t quantum
    if tcb.pacing_rate == 0:
        return most
    quantum = tcb.pacing_rate // QUANTA
    if quantum >= most:
        return most
    if quantum < 2 * <uint64_t> tcb.eff_mss:
        quantum = 2 * <uint64_t> tcb.eff_mss
    quantum -= quantum % tcb.eff_mss
    return <uint32_t> quantum if quantum < most else most


cdef inline uint64_t pace_of_window(const tcb_t* tcb, uint32_t window) noexcept nogil:
    """Bytes that go in 1 ms at twice a window in a round trip, two segments at least: so much is worth waiting for.

    Beyond that superframes gain nothing at the path's pace, and room that is left unused is rate that is lost (REC-8).
    """
    cdef uint64_t two = 2 * <uint64_t> tcb.eff_mss
    cdef uint64_t size
    if tcb.rtt.srtt <= 0:
        return two
    size = 2 * <uint64_t> window * (SECOND // QUANTA) // <uint64_t> tcb.rtt.srtt
    return size if size > two else two


cdef inline bint is_too_early(tcb_t* tcb, int64_t now) noexcept nogil:
    """True: the pace does not allow a segment yet; a time-out will ask again."""
    if tcb.pacing_rate == 0 or now >= tcb.pace_at:
        return False
    schedule(tcb, TIMER_PACING, tcb.pace_at)
    return True


cdef inline void move_pace(tcb_t* tcb, uint32_t length, int64_t now) noexcept nogil:
    """`length` bytes of text go now. Time that passed unused lets no more than a quantum go faster."""
    cdef int64_t start = tcb.pace_at
    if tcb.pacing_rate == 0:
        return
    if start < now - SECOND // QUANTA:
        start = now - SECOND // QUANTA
    tcb.pace_at = start + <int64_t> (<uint64_t> length * SECOND // tcb.pacing_rate)
    if tcb.pace_at > now + SECOND:
        # the rate may be known better long before; cwnd still bounds what goes
        tcb.pace_at = now + SECOND


cdef inline void set_pace(tcb_t* tcb) noexcept nogil:
    """A window each smoothed round trip, twice that in slow start, a fifth more later, so that cwnd stays the bound."""
    cdef uint64_t rate
    if tcb.congestion.owns_pace:
        return
    if not tcb.transport.tunables.pacing or tcb.rtt.srtt == 0:
        tcb.pacing_rate = 0
        return
    rate = <uint64_t> tcb.cwnd * SECOND // <uint64_t> tcb.rtt.srtt
    tcb.pacing_rate = 2 * rate if tcb.cwnd < tcb.ssthresh // 2 else rate + rate // 5
    if tcb.pacing_rate == 0:
        tcb.pacing_rate = 1
