"""The windows that the RFCs name, and how slow start counts an ACK; what every algorithm may use."""

from libc.stdint cimport uint32_t, uint64_t
from netcore.tcp.flight cimport ack_sample_t
from netcore.tcp.seqnum cimport seq_leq
from netcore.tcp.tcb cimport CWND_SHORT, PHASE_LOSS, tcb_t

cdef enum:
    # no congestion has been met yet (RFC 5681 3.1: as high as possible)
    SSTHRESH_UNKNOWN = 0x7fffffff
    # windows grow no further: a scaled window is at most 1 GiB
    WINDOW_LIMIT = 0x40000000


cdef inline uint32_t initial_window(const tcb_t* tcb) noexcept nogil:
    """RFC 6928: ten segments by default."""
    return <uint32_t> tcb.transport.tunables.initial_window * tcb.eff_mss


cdef inline void start_window(tcb_t* tcb) noexcept nogil:
    """cwnd and ssthresh of a new connection; from one segment if its SYN was lost (RFC 5681 3.1)."""
    tcb.cwnd = tcb.eff_mss if tcb.retries else initial_window(tcb)
    tcb.ssthresh = SSTHRESH_UNKNOWN


cdef inline uint32_t fraction_of(uint32_t window, uint32_t percent, const tcb_t* tcb) noexcept nogil:
    """The window after a reduction to `percent`, at least two segments (RFC 5681 equation 4, RFC 9438 4.6)."""
    cdef uint32_t part = <uint32_t> (<uint64_t> window * percent // 100)
    return part if part > 2 * <uint32_t> tcb.eff_mss else 2 * <uint32_t> tcb.eff_mss


cdef inline uint32_t window_filled(const tcb_t* tcb, uint32_t flight) noexcept nogil:
    """What a loss takes its part of (RFC 5681 equation 4, RFC 9438 4.6): the flight, at most cwnd, or cwnd itself.

    Where cwnd held something back when something went last, the flight was as large as that, and FlightSize is too
    small by what waits to be worth a superframe and by the ACKs of this batch that nothing was sent for yet: a loss
    would cost a quarter more than it does a sender of single segments.
    """
    return tcb.cwnd if tcb.cwnd_limited == CWND_SHORT or flight > tcb.cwnd else flight


cdef inline uint32_t slow_start_growth(const tcb_t* tcb, const ack_sample_t* sample) noexcept nogil:
    """By how many bytes an ACK opens the window in slow start (RFC 3465).

    All that it covers counts, as one ACK may answer superframes. But after a time-out it may cover much that had
    arrived before: without SACK, which would have told, it counts as one segment (2.3).
    """
    cdef uint32_t most = sample.delivered if tcb.sack else tcb.eff_mss
    if sample.acked > most and (tcb.phase == PHASE_LOSS or seq_leq(tcb.snd_una, tcb.recover)):
        return most
    return sample.acked


cdef inline void grow_slowly(tcb_t* tcb, uint32_t growth) noexcept nogil:
    """Opens cwnd, which is below both, by `growth` bytes up to ssthresh and WINDOW_LIMIT."""
    cdef uint32_t most = tcb.ssthresh if tcb.ssthresh < WINDOW_LIMIT else WINDOW_LIMIT
    tcb.cwnd = tcb.cwnd + growth if growth < most - tcb.cwnd else most
