"""tcp_info: what the kernel tells of a connection in the structure of that name (RFC 4898 has most of it), of ours.

Names and units are those of the kernel's linux/tcp.h. Fields that it has and that do not stand here have no source in
the core yet; those of the second part have one only where the tunable connection_statistics is on.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from netcore.tcp.tcb cimport tcb_t

cdef enum InfoOption:
    OPTION_TIMESTAMPS = 1
    OPTION_SACK = 2
    OPTION_WSCALE = 4
    OPTION_ECN = 8
    # text of a SYN was taken (RFC 7413)
    OPTION_SYN_DATA = 32

cdef enum:
    # what tcpi_snd_ssthresh says while no loss has set one
    NO_THRESHOLD = 0x7fffffff

cdef struct tcp_info_t:
    # the kernel's numbers: ESTABLISHED 1, SYN-SENT 2, SYN-RECEIVED 3, FIN-WAIT-1 4, FIN-WAIT-2 5, TIME-WAIT 6,
    # CLOSED 7, CLOSE-WAIT 8, LAST-ACK 9, LISTEN 10, CLOSING 11
    uint8_t tcpi_state
    # 0 open, 1 disorder (something is SACKed, nothing lost), 2 window comes down, 3 recovery, 4 loss
    uint8_t tcpi_ca_state
    # time-outs in vain for what is outstanding; probes in vain of a closed window or a silent peer; how often the RTO
    # is doubled
    uint8_t tcpi_retransmits
    uint8_t tcpi_probes
    uint8_t tcpi_backoff
    # InfoOption
    uint8_t tcpi_options
    # why a Fast Open of ours was none: 1 no cookie was known, 2 the text was not taken, 3 the SYN went again
    uint8_t tcpi_fastopen_client_fail
    # shifts of the peer's window and of ours (RFC 7323)
    uint8_t tcpi_snd_wscale
    uint8_t tcpi_rcv_wscale
    # microseconds: the time-out as it is, doublings included; how long an ACK may wait
    uint32_t tcpi_rto
    uint32_t tcpi_ato
    # bytes of text in a full segment of ours; in the largest that came
    uint32_t tcpi_snd_mss
    uint32_t tcpi_rcv_mss
    # segments: outstanding; of those SACKed; lost, sent again since or not; sent again and out
    uint32_t tcpi_unacked
    uint32_t tcpi_sacked
    uint32_t tcpi_lost
    uint32_t tcpi_retrans
    # milliseconds since the last text went, the last text came, the last ACK came
    uint32_t tcpi_last_data_sent
    uint32_t tcpi_last_data_recv
    uint32_t tcpi_last_ack_recv
    # bytes of the largest packet that the path is taken to carry
    uint32_t tcpi_pmtu
    # microseconds: smoothed round trip and its variation
    uint32_t tcpi_rtt
    uint32_t tcpi_rttvar
    # segments
    uint32_t tcpi_snd_ssthresh
    uint32_t tcpi_snd_cwnd
    # bytes of text in the largest segment that we take
    uint32_t tcpi_advmss
    # the receiver's side: its round trip (microseconds), and the bytes that the program took in one
    uint32_t tcpi_rcv_rtt
    uint32_t tcpi_rcv_space
    # segments that went again, SYN and probes of the tail included
    uint32_t tcpi_total_retrans
    # bytes per second; 0: not paced
    uint64_t tcpi_pacing_rate
    # bytes of text that the peer has acknowledged, and that came in order; SYN and FIN are none
    uint64_t tcpi_bytes_acked
    uint64_t tcpi_bytes_received
    # bytes that the program has sent and that have not left
    uint32_t tcpi_notsent_bytes
    # microseconds: the least round trip of the last minutes; 0: none was measured
    uint32_t tcpi_min_rtt
    # bytes that the receive buffer may hold at the most, as it has been tuned
    uint32_t tcpi_rcv_ssthresh
    # bytes: the windows that the peer gives and that it is given
    uint32_t tcpi_snd_wnd
    uint32_t tcpi_rcv_wnd

    # ---- with connection_statistics
    # segments in all, those with text; the handshake's ours included
    uint32_t tcpi_segs_out
    uint32_t tcpi_segs_in
    uint32_t tcpi_data_segs_in
    uint32_t tcpi_data_segs_out
    # bytes per second, of the last ACK that told of the path and not of the program
    uint64_t tcpi_delivery_rate
    # segments that the peer has, with text or FIN
    uint32_t tcpi_delivered
    # bytes of text each time it went, and of what went again
    uint64_t tcpi_bytes_sent
    uint64_t tcpi_bytes_retrans
    # duplicates that the peer reported (RFC 2883); ACKs that showed reordering; segments that came out of order
    uint32_t tcpi_dsack_dups
    uint32_t tcpi_reord_seen
    uint32_t tcpi_rcv_ooopack
    # microseconds in which there was something to send or to be acknowledged; of those, in which the peer's window kept
    # text back, and in which the send buffer held no more
    uint64_t tcpi_busy_time
    uint64_t tcpi_rwnd_limited
    uint64_t tcpi_sndbuf_limited
    # segments that arrived with CE (RFC 9768), or in ACKs that told of some (RFC 3168)
    uint32_t tcpi_delivered_ce
    # time-outs; how often there was a first of some in a row; milliseconds from these to the next news
    uint16_t tcpi_total_rto
    uint16_t tcpi_total_rto_recoveries
    uint32_t tcpi_total_rto_time

    # what has a source now: none of the second part; none of the times
    bint counted
    bint sent_text
    bint received_text
    bint received_ack

# Reads a connection under its host's lock; `now` in ns. Work is bounded: beyond 4,096 outstanding stretches
# tcpi_unacked and tcpi_lost are taken from bytes and full segments.
cdef void fill_tcp_info(const tcb_t* tcb, int64_t now, tcp_info_t* info) noexcept nogil
# The same as a dictionary, without what has no source.
cdef dict known_fields(tcp_info_t info)
# The kernel's number of a State.
cdef uint8_t kernel_state(int state) noexcept nogil
