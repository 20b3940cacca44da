"""The windows that the RFCs name, and how slow start counts an ACK; what every algorithm may use."""

from libc.stdint cimport uint32_t, uint64_t
from netcore.tcp.flight cimport ack_sample_t
from netcore.tcp.seqnum cimport seq_lt
from netcore.tcp.tcb cimport PHASE_LOSS, flight_size, tcb_t

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


cdef inline uint32_t window_filled(const tcb_t* tcb) noexcept nogil:
    """FlightSize, without what limited transmit sent beyond cwnd (RFC 5681 3.2 step 2)."""
    return flight_size(tcb) if flight_size(tcb) < tcb.cwnd else tcb.cwnd


cdef inline uint32_t newly_acked(const tcb_t* tcb, const ack_sample_t* sample) noexcept nogil:
    """The bytes by which an ACK may open the window.

    With SACK those that it told of first, so that nothing counts twice and reordering takes nothing away.
    """
    return sample.delivered if tcb.sack else sample.acked


cdef inline uint32_t slow_start_growth(const tcb_t* tcb, const ack_sample_t* sample) noexcept nogil:
    """By how many bytes an ACK opens the window in slow start (RFC 3465).

    All that it covers counts, as one ACK may answer superframes. But without SACK the ACK after a time-out may cover
    much that had arrived before: it counts as one segment (2.3).
    """
    cdef uint32_t acked = newly_acked(tcb, sample)
    if not tcb.sack and acked > tcb.eff_mss and (tcb.phase == PHASE_LOSS or seq_lt(sample.prior_una, tcb.recover)):
        return tcb.eff_mss
    return acked


cdef inline void grow_slowly(tcb_t* tcb, uint32_t growth) noexcept nogil:
    """Opens cwnd by `growth` bytes, not beyond ssthresh."""
    tcb.cwnd = tcb.cwnd + growth if growth < tcb.ssthresh - tcb.cwnd else tcb.ssthresh
