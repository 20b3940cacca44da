"""What is counted of one connection beside what TCP itself needs, where the tunable connection_statistics asks for it.

It stands behind the connection in the same piece of the slab, so that a host which does not ask pays neither memory
(LIM-1) nor more than a test a segment. tcp.info names the fields as the kernel does.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from netcore.tcp.flight cimport ack_sample_t
from netcore.tcp.tcb cimport segment_out_t, tcb_t
from netcore.wire.tcp cimport ACK, segment_t

cdef struct statistics_t:
    # segments of the wire, those with text apart
    uint32_t segs_in
    uint32_t segs_out
    uint32_t data_segs_in
    uint32_t data_segs_out
    # segments that the peer is known to have; of text that came out of order; duplicates that the peer reported
    uint32_t delivered
    uint32_t rcv_ooopack
    uint32_t dsack_dups
    uint32_t reord_seen
    # bytes of text, each time it went; of those that went again
    uint64_t bytes_sent
    uint64_t bytes_retrans
    # ns, host time; 0: never
    int64_t last_data_sent
    int64_t last_data_received
    int64_t last_ack_received
    # the last delivery rate that the program did not limit, or a higher one: bytes over ns
    uint64_t rate_delivered
    int64_t rate_interval


cdef inline statistics_t* statistics_of(const tcb_t* tcb) noexcept nogil:
    """NULL: the host counts none."""
    return <statistics_t*> (tcb + 1) if tcb.transport.tunables.connection_statistics else NULL


cdef inline void count_arrival(tcb_t* tcb, const segment_t* seg, int64_t now) noexcept nogil:
    cdef statistics_t* statistics = statistics_of(tcb)
    if statistics == NULL:
        return
    statistics.segs_in += seg.wire_segments
    if seg.text_length:
        statistics.data_segs_in += seg.wire_segments
        statistics.last_data_received = now
    if seg.flags & ACK:
        statistics.last_ack_received = now


cdef inline void count_departure(tcb_t* tcb, const segment_out_t* out, int64_t now) noexcept nogil:
    cdef statistics_t* statistics = statistics_of(tcb)
    cdef uint32_t segments = 1
    if statistics == NULL:
        return
    if out.text_length:
        segments = (out.text_length + out.mss - 1) // out.mss
        statistics.data_segs_out += segments
        statistics.bytes_sent += out.text_length
        statistics.last_data_sent = now
    statistics.segs_out += segments


cdef inline void count_again(tcb_t* tcb, uint32_t segments) noexcept nogil:
    """Segments that go again, on every host."""
    tcb.transport.counters.RetransSegs += segments
    tcb.total_retrans += segments


cdef inline void count_text_again(tcb_t* tcb, uint32_t length) noexcept nogil:
    cdef statistics_t* statistics = statistics_of(tcb)
    if statistics != NULL:
        statistics.bytes_retrans += length


cdef inline void count_out_of_order(tcb_t* tcb, const segment_t* seg, bint kept) noexcept nogil:
    cdef statistics_t* statistics = statistics_of(tcb)
    if kept:
        tcb.transport.counters.TCPOFOQueue += 1
    else:
        tcb.transport.counters.TCPOFODrop += 1
    if statistics != NULL:
        statistics.rcv_ooopack += seg.wire_segments


cdef inline void count_news(tcb_t* tcb, const ack_sample_t* sample) noexcept nogil:
    """Once all that an ACK tells is in its sample."""
    cdef statistics_t* statistics = statistics_of(tcb)
    if statistics == NULL:
        return
    statistics.delivered += sample.delivered_segments
    statistics.dsack_dups += sample.dsack
    statistics.reord_seen += sample.reordered
    # what the program limited counts only when it is more than what was known
    if sample.interval and (not sample.app_limited or statistics.rate_interval == 0
                            or is_faster(sample.rate_delivered, sample.interval, statistics)):
        statistics.rate_delivered = sample.rate_delivered
        statistics.rate_interval = sample.interval


cdef inline bint is_faster(uint64_t delivered, int64_t interval, const statistics_t* known) noexcept nogil:
    """In steps of 1,024 ns, so that no product is too large."""
    return (delivered * <uint64_t> ((known.rate_interval >> 10) + 1)
            > known.rate_delivered * <uint64_t> ((interval >> 10) + 1))
