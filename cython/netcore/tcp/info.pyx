"""tcp_info filled from a connection and its statistics."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from netcore.posix cimport memset
from netcore.storage.deadlines cimport NEVER
from netcore.storage.links cimport link_t
from netcore.tcp.ecn cimport ECN_SENDS
from netcore.tcp.flight cimport SENT_AGAIN, sent_t
from netcore.tcp.statistics cimport LIMIT_BUFFER, LIMIT_PATH, LIMIT_WINDOW, SenderLimit, statistics_of, statistics_t
from netcore.tcp.tcb cimport (
    CLOSE_WAIT, CLOSING, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, LAST_ACK, LISTEN, PHASE_LOSS, PHASE_RECOVERY,
    PHASE_REDUCING, SYN_RECEIVED, SYN_SENT, TIME_WAIT, backed_off_rto, flight_size, is_synchronized, queue_seq,
    receive_window, tcb_t,
)

cdef enum:
    STRETCHES_MOST = 4096
    MICROSECOND = 1000
    MILLISECOND = 1000000
    # of an IPv4 and a TCP header without options, and of the timestamps in each segment
    HEADERS = 40
    TIMESTAMPS = 12
    # thresholds above this were never set
    HIGHEST_THRESHOLD = 1 << 30

cdef set STATISTICS_NAMES = {
    "tcpi_segs_out", "tcpi_segs_in", "tcpi_data_segs_in", "tcpi_data_segs_out", "tcpi_delivery_rate", "tcpi_delivered",
    "tcpi_bytes_sent", "tcpi_bytes_retrans", "tcpi_dsack_dups", "tcpi_reord_seen", "tcpi_rcv_ooopack",
    "tcpi_busy_time", "tcpi_rwnd_limited", "tcpi_sndbuf_limited", "tcpi_delivered_ce", "tcpi_total_rto",
    "tcpi_total_rto_recoveries", "tcpi_total_rto_time",
}


cdef uint8_t kernel_state(int state) noexcept nogil:
    if state == ESTABLISHED:
        return 1
    if state == SYN_SENT:
        return 2
    if state == SYN_RECEIVED:
        return 3
    if state == FIN_WAIT_1:
        return 4
    if state == FIN_WAIT_2:
        return 5
    if state == TIME_WAIT:
        return 6
    if state == CLOSE_WAIT:
        return 8
    if state == LAST_ACK:
        return 9
    if state == LISTEN:
        return 10
    return 11 if state == CLOSING else 7


cdef uint8_t congestion_state(const tcb_t* tcb) noexcept nogil:
    if tcb.phase == PHASE_REDUCING:
        return 2
    if tcb.phase == PHASE_RECOVERY:
        return 3
    if tcb.phase == PHASE_LOSS:
        return 4
    return 1 if tcb.sacked or tcb.dupacks else 0


cdef uint32_t full_segments(const tcb_t* tcb, uint32_t size) noexcept nogil:
    return (size + tcb.eff_mss - 1) // tcb.eff_mss


cdef void count_outstanding(const tcb_t* tcb, tcp_info_t* info) noexcept nogil:
    """Segments of the wire, from the stretches that they went in."""
    cdef uint32_t outstanding = flight_size(tcb)
    cdef uint32_t fresh = 0
    cdef uint32_t again = 0
    cdef uint32_t lost = 0
    cdef const link_t* link
    cdef const sent_t* stretch
    info.tcpi_sacked = tcb.sacked_segments
    if tcb.flight == NULL:
        # a SYN
        info.tcpi_unacked = 1 if outstanding else 0
        return
    if (tcb.flight.in_flight_order.count + tcb.flight.lost_order.count
            + tcb.flight.lost_again_order.count > STRETCHES_MOST):
        info.tcpi_unacked = full_segments(tcb, outstanding)
        info.tcpi_lost = full_segments(tcb, outstanding - tcb.in_flight - tcb.sacked)
        return
    link = tcb.flight.in_flight_order.first
    while link != NULL:
        stretch = <const sent_t*> link.owner
        if stretch.marks & SENT_AGAIN:
            again += stretch.segments
        else:
            fresh += stretch.segments
        link = link.next
    link = tcb.flight.lost_order.first
    while link != NULL:
        lost += (<const sent_t*> link.owner).segments
        link = link.next
    link = tcb.flight.lost_again_order.first
    while link != NULL:
        lost += (<const sent_t*> link.owner).segments
        link = link.next
    info.tcpi_unacked = fresh + again + lost + tcb.sacked_segments
    info.tcpi_lost = lost + again
    info.tcpi_retrans = again


cdef uint64_t limited_time(const statistics_t* statistics, SenderLimit limit, int64_t now) noexcept nogil:
    """Microseconds, the present ones included."""
    cdef int64_t time = statistics.limited[<int> limit].time
    if statistics.limit == limit:
        time += now - statistics.limit_since
    return <uint64_t> (time // MICROSECOND)


cdef void put_statistics(const statistics_t* statistics, int64_t now, tcp_info_t* info) noexcept nogil:
    info.tcpi_segs_out = statistics.segs_out
    info.tcpi_segs_in = statistics.segs_in
    info.tcpi_data_segs_in = statistics.data_segs_in
    info.tcpi_data_segs_out = statistics.data_segs_out
    info.tcpi_delivered = statistics.delivered
    info.tcpi_bytes_sent = statistics.bytes_sent
    info.tcpi_bytes_retrans = statistics.bytes_retrans
    info.tcpi_dsack_dups = statistics.dsack_dups
    info.tcpi_reord_seen = statistics.reord_seen
    info.tcpi_rcv_ooopack = statistics.rcv_ooopack
    info.tcpi_delivered_ce = statistics.delivered_ce
    info.tcpi_rwnd_limited = limited_time(statistics, LIMIT_WINDOW, now)
    info.tcpi_sndbuf_limited = limited_time(statistics, LIMIT_BUFFER, now)
    info.tcpi_busy_time = (limited_time(statistics, LIMIT_PATH, now) + info.tcpi_rwnd_limited
                           + info.tcpi_sndbuf_limited)
    info.tcpi_total_rto = <uint16_t> (statistics.timeouts if statistics.timeouts < 0xffff else 0xffff)
    info.tcpi_total_rto_recoveries = <uint16_t> (
        statistics.timeout_episodes if statistics.timeout_episodes < 0xffff else 0xffff)
    info.tcpi_total_rto_time = <uint32_t> (
        (statistics.timeout_time + (now - statistics.timeout_since if statistics.timeout_since else 0)) // MILLISECOND)
    if statistics.rate_interval:
        info.tcpi_delivery_rate = per_second(statistics.rate_delivered, <uint64_t> statistics.rate_interval)
    info.sent_text = statistics.last_data_sent != 0
    info.received_text = statistics.last_data_received != 0
    info.received_ack = statistics.last_ack_received != 0
    info.tcpi_last_data_sent = <uint32_t> ((now - statistics.last_data_sent) // MILLISECOND)
    info.tcpi_last_data_recv = <uint32_t> ((now - statistics.last_data_received) // MILLISECOND)
    info.tcpi_last_ack_recv = <uint32_t> ((now - statistics.last_ack_received) // MILLISECOND)


cdef uint64_t per_second(uint64_t size, uint64_t interval) noexcept nogil:
    """Bytes over ns; large sizes in coarser steps, so that no product is too large."""
    while size > 0x200000000ULL:
        size >>= 1
        interval >>= 1
    return size * 1_000_000_000 // interval if interval else 0


cdef void fill_tcp_info(const tcb_t* tcb, int64_t now, tcp_info_t* info) noexcept nogil:
    cdef const statistics_t* statistics = statistics_of(tcb)
    cdef uint32_t sent = tcb.snd_nxt - queue_seq(tcb) if is_synchronized(tcb) else 0
    cdef uint32_t fin_acked = tcb.fin_sent and tcb.snd_una == tcb.snd_nxt
    memset(info, 0, sizeof(tcp_info_t))
    info.tcpi_state = kernel_state(tcb.state)
    info.tcpi_ca_state = congestion_state(tcb)
    if tcb.persisting:
        info.tcpi_probes = tcb.retries
    else:
        info.tcpi_retransmits = tcb.retries
    if tcb.extras != NULL:
        if tcb.extras.keepalive_probes:
            info.tcpi_probes = tcb.extras.keepalive_probes
        info.tcpi_options |= OPTION_SYN_DATA if tcb.extras.syn_text_taken else 0
        info.tcpi_fastopen_client_fail = tcb.extras.fast_open_fail
    info.tcpi_backoff = tcb.backoff
    info.tcpi_options |= OPTION_TIMESTAMPS if tcb.timestamps else 0
    info.tcpi_options |= OPTION_SACK if tcb.sack else 0
    info.tcpi_options |= OPTION_WSCALE if tcb.window_scaling else 0
    info.tcpi_options |= OPTION_ECN if tcb.ecn & ECN_SENDS else 0
    info.tcpi_snd_wscale = tcb.snd_wind_shift
    info.tcpi_rcv_wscale = tcb.rcv_wind_shift
    info.tcpi_rto = <uint32_t> (backed_off_rto(tcb) // MICROSECOND)
    info.tcpi_ato = <uint32_t> (tcb.transport.tunables.delayed_ack // MICROSECOND)
    info.tcpi_snd_mss = tcb.eff_mss
    info.tcpi_rcv_mss = tcb.rcv_mss
    count_outstanding(tcb, info)
    info.tcpi_pmtu = (tcb.transport.local_mss if tcb.path == NULL else tcb.path.passes) + HEADERS
    info.tcpi_rtt = <uint32_t> (tcb.rtt.srtt // MICROSECOND)
    info.tcpi_rttvar = <uint32_t> (tcb.rtt.rttvar // MICROSECOND)
    info.tcpi_snd_ssthresh = (NO_THRESHOLD if tcb.ssthresh == 0 or tcb.ssthresh >= HIGHEST_THRESHOLD
                              else tcb.ssthresh // tcb.eff_mss)
    info.tcpi_snd_cwnd = tcb.cwnd // tcb.eff_mss
    info.tcpi_advmss = tcb.transport.local_mss - (TIMESTAMPS if tcb.timestamps else 0)
    info.tcpi_rcv_rtt = <uint32_t> (tcb.receive_trip // MICROSECOND)
    info.tcpi_rcv_space = tcb.taken_most
    info.tcpi_total_retrans = tcb.total_retrans
    info.tcpi_pacing_rate = tcb.pacing_rate
    info.tcpi_bytes_acked = tcb.delivered - tcb.sacked - fin_acked
    if is_synchronized(tcb):
        info.tcpi_bytes_received = ((<uint64_t> tcb.rcv_rounds << 32) + (tcb.rcv_nxt - tcb.irs) - 1
                                    - (1 if tcb.fin_received else 0))
    info.tcpi_notsent_bytes = <uint32_t> (tcb.send_queue.length - sent) if tcb.send_queue.length > sent else 0
    info.tcpi_min_rtt = <uint32_t> (tcb.min_rtt // MICROSECOND)
    info.tcpi_rcv_ssthresh = tcb.receive_limit
    info.tcpi_snd_wnd = tcb.snd_wnd
    info.tcpi_rcv_wnd = receive_window(tcb)
    info.counted = statistics != NULL
    if statistics != NULL:
        put_statistics(statistics, now, info)
    elif tcb.last_sent != NEVER:
        info.sent_text = True
        info.tcpi_last_data_sent = <uint32_t> ((now - tcb.last_sent) // MILLISECOND)


cdef dict known_fields(tcp_info_t info):
    cdef dict fields = info
    cdef set missing = set() if info.counted else STATISTICS_NAMES
    if not info.sent_text:
        missing = missing | {"tcpi_last_data_sent"}
    if not info.received_text:
        missing = missing | {"tcpi_last_data_recv"}
    if not info.received_ack:
        missing = missing | {"tcpi_last_ack_recv"}
    return {name: value for name, value in fields.items() if name.startswith("tcpi_") and name not in missing}
