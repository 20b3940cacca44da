"""What is counted of one connection beside what TCP itself needs, where the tunable connection_statistics asks for it.

It stands behind the connection in the same piece of the slab, so that a host which does not ask pays neither memory
(LIM-1) nor more than a test a segment. tcp.info names the fields as the kernel does.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from netcore.tcp.accurate_ecn cimport COUNT_AT_FIRST
from netcore.tcp.ecn cimport ECN_ACCURATE
from netcore.tcp.flight cimport ack_sample_t
from netcore.tcp.tcb cimport (
    PHASE_RECOVERY, SYN_RECEIVED, SYN_SENT, flight_size, is_synchronized, segment_out_t, tcb_t, unsent,
)
from netcore.wire.tcp cimport ACK, segment_t

# what keeps a connection from sending (RFC 4898 3.4.3)
cdef enum SenderLimit:
    # it has nothing to send, and everything is acknowledged
    LIMIT_NOTHING = 0
    # the path: cwnd, the pace, or an ACK is waited for
    LIMIT_PATH = 1
    # the peer's window
    LIMIT_WINDOW = 2
    # our buffer: all that it may hold is out
    LIMIT_BUFFER = 3

# ns, how often it began, and bytes of text that left meanwhile
cdef struct limited_t:
    int64_t time
    uint32_t entries
    uint64_t sent

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
    # segments that came to the peer with CE (RFC 9768), or were delivered by ACKs that told of some (RFC 3168); of the
    # former, modulo 8, what the peer's counter had told
    uint32_t delivered_ce
    uint8_t ce_told
    # ACKs that were duplicates (RFC 5681 2); segments that went again in fast recovery; SYNs that went again
    uint32_t dup_acks
    uint32_t fast_retrans
    uint32_t syn_retrans
    # retransmission time-outs, and how often there was a first of some in a row
    uint32_t timeouts
    uint32_t timeout_episodes
    # ns since the first of those that go on, 0: none do; and in all others together
    int64_t timeout_since
    int64_t timeout_time
    # bytes of text, each time it went; of those that went again
    uint64_t bytes_sent
    uint64_t bytes_retrans
    # of text that came out of order
    uint64_t bytes_reordered
    # ns, host time; 0: never. The first segment after the handshake's first
    int64_t opened_at
    int64_t last_data_sent
    int64_t last_data_received
    int64_t last_ack_received
    # the last delivery rate that the program did not limit, or a higher one: bytes over ns
    uint64_t rate_delivered
    int64_t rate_interval
    # what keeps it from sending, since when, bytes_sent then; and each of them before
    uint8_t limit
    int64_t limit_since
    uint64_t limit_mark
    limited_t limited[4]


cdef inline statistics_t* statistics_of(const tcb_t* tcb) noexcept nogil:
    """NULL: the host counts none."""
    return <statistics_t*> (tcb + 1) if tcb.transport.tunables.connection_statistics else NULL


cdef inline void count_arrival(tcb_t* tcb, const segment_t* seg, int64_t now) noexcept nogil:
    cdef statistics_t* statistics = statistics_of(tcb)
    if statistics == NULL:
        return
    if statistics.opened_at == 0:
        statistics.opened_at = now
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
    cdef statistics_t* statistics = statistics_of(tcb)
    tcb.transport.counters.RetransSegs += segments
    tcb.total_retrans += segments
    if statistics == NULL:
        return
    if tcb.state == SYN_SENT or tcb.state == SYN_RECEIVED:
        statistics.syn_retrans += segments
    elif tcb.phase == PHASE_RECOVERY:
        statistics.fast_retrans += segments


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
        statistics.bytes_reordered += seg.text_length


cdef inline void count_timeout(tcb_t* tcb, int64_t now) noexcept nogil:
    """On every host; before `retries` counts it."""
    cdef statistics_t* statistics = statistics_of(tcb)
    tcb.transport.counters.TCPTimeouts += 1
    if statistics == NULL:
        return
    statistics.timeouts += 1
    if statistics.timeout_since == 0:
        statistics.timeout_since = now
        statistics.timeout_episodes += 1


cdef inline uint8_t limit_of(const tcb_t* tcb) noexcept nogil:
    cdef uint64_t waiting, least
    if not is_synchronized(tcb):
        return LIMIT_NOTHING
    waiting = unsent(tcb) if not tcb.fin_sent else 0
    if waiting == 0:
        if flight_size(tcb) == 0:
            return LIMIT_NOTHING
        return LIMIT_BUFFER if tcb.send_queue.length >= tcb.send_limit else LIMIT_PATH
    least = waiting if waiting < tcb.eff_mss else tcb.eff_mss
    return LIMIT_WINDOW if <int32_t> (tcb.snd_una + tcb.snd_wnd - tcb.snd_nxt) < <int32_t> least else LIMIT_PATH


cdef inline void count_limit(tcb_t* tcb, int64_t now) noexcept nogil:
    """Once a connection has sent what it may, or an ACK has come."""
    cdef statistics_t* statistics = statistics_of(tcb)
    cdef limited_t* before
    cdef uint8_t limit
    if statistics == NULL:
        return
    limit = limit_of(tcb)
    if limit == statistics.limit:
        return
    before = &statistics.limited[statistics.limit]
    before.time += now - statistics.limit_since
    before.sent += statistics.bytes_sent - statistics.limit_mark
    statistics.limit = limit
    statistics.limit_since = now
    statistics.limit_mark = statistics.bytes_sent
    statistics.limited[limit].entries += 1


cdef inline void count_news(tcb_t* tcb, const ack_sample_t* sample, int64_t now) noexcept nogil:
    """Once all that an ACK tells is in its sample."""
    cdef uint8_t marks
    cdef statistics_t* statistics = statistics_of(tcb)
    if statistics == NULL:
        return
    statistics.delivered += sample.delivered_segments
    statistics.dsack_dups += sample.dsack
    statistics.reord_seen += sample.reordered
    statistics.dup_acks += sample.duplicate
    if tcb.ecn & ECN_ACCURATE:
        marks = (tcb.ce_echoed - COUNT_AT_FIRST - statistics.ce_told) & 7
        statistics.delivered_ce += marks
        statistics.ce_told += marks
    elif sample.congestion_echo:
        statistics.delivered_ce += sample.delivered_segments
    if sample.acked and statistics.timeout_since:
        statistics.timeout_time += now - statistics.timeout_since
        statistics.timeout_since = 0
    count_limit(tcb, now)
    # what the program limited counts only when it is more than what was known
    if sample.interval and (not sample.app_limited or statistics.rate_interval == 0
                            or is_faster(sample.rate_delivered, sample.interval, statistics)):
        statistics.rate_delivered = sample.rate_delivered
        statistics.rate_interval = sample.interval


cdef inline bint is_faster(uint64_t delivered, int64_t interval, const statistics_t* known) noexcept nogil:
    """In steps of 1,024 ns, so that no product is too large."""
    return (delivered * <uint64_t> ((known.rate_interval >> 10) + 1)
            > known.rate_delivered * <uint64_t> ((interval >> 10) + 1))
