"""Slow start, congestion avoidance and the reaction to loss of RFC 5681; bytes are counted (RFC 3465)."""

from libc.stdint cimport int64_t, uint32_t
from netcore.tcp.seqnum cimport seq_leq
from netcore.tcp.tcb cimport congestion_t, flight_size, tcb_t

cdef congestion_t TABLE


cdef uint32_t initial_window(const tcb_t* tcb) noexcept nogil:
    """RFC 6928: ten segments by default."""
    return <uint32_t> tcb.transport.tunables.initial_window * tcb.eff_mss


cdef void begin(tcb_t* tcb) noexcept nogil:
    tcb.cwnd = initial_window(tcb)
    tcb.ssthresh = 0x7fffffff
    # RFC 5681 3.1: a lost SYN halves nothing but starts from one segment
    if tcb.retries:
        tcb.cwnd = tcb.eff_mss
    tcb.cwnd_acked = 0


cdef void on_ack(tcb_t* tcb, uint32_t acked, int64_t now) noexcept nogil:
    # RFC 5681 4.1 spirit, RFC 7661: a window that was not used says nothing about the path
    if not tcb.cwnd_limited or tcb.cwnd > 0x40000000:
        return
    if tcb.cwnd < tcb.ssthresh:
        # RFC 3465 2.3: after a time-out one ACK may cover much that had arrived before; it counts as one segment
        if seq_leq(tcb.snd_una, tcb.recover) and acked > tcb.eff_mss:
            acked = tcb.eff_mss
        tcb.cwnd = tcb.cwnd + acked if acked < tcb.ssthresh - tcb.cwnd else tcb.ssthresh
        return
    tcb.cwnd_acked += acked
    if tcb.cwnd_acked >= tcb.cwnd:
        tcb.cwnd_acked -= tcb.cwnd
        tcb.cwnd += tcb.eff_mss


cdef uint32_t half_of(const tcb_t* tcb, uint32_t flight) noexcept nogil:
    """RFC 5681 equation 4."""
    cdef uint32_t half = flight // 2
    return half if half > 2 * <uint32_t> tcb.eff_mss else 2 * <uint32_t> tcb.eff_mss


cdef void on_loss(tcb_t* tcb, int64_t now) noexcept nogil:
    cdef uint32_t flight = flight_size(tcb)
    # RFC 5681 3.2 (2): what limited transmit sent beyond cwnd is not counted
    tcb.ssthresh = half_of(tcb, flight if flight < tcb.cwnd else tcb.cwnd)
    tcb.cwnd_acked = 0


cdef void on_timeout(tcb_t* tcb, int64_t now) noexcept nogil:
    # RFC 5681 3.1: ssthresh stands still while the same segment is sent again and again
    if tcb.retries == 0:
        tcb.ssthresh = half_of(tcb, flight_size(tcb))
    tcb.cwnd = tcb.eff_mss
    tcb.cwnd_acked = 0


cdef void on_idle(tcb_t* tcb) noexcept nogil:
    """RFC 5681 4.1: the restart window."""
    if tcb.cwnd > initial_window(tcb):
        tcb.cwnd = initial_window(tcb)


TABLE.name = b"newreno"
TABLE.begin = begin
TABLE.on_ack = on_ack
TABLE.on_loss = on_loss
TABLE.on_timeout = on_timeout
TABLE.on_idle = on_idle


cdef const congestion_t* newreno() noexcept nogil:
    return &TABLE
