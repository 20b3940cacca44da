"""ACK processing of the synchronized states; SEG-6, SEG-8, SND-5, SND-6."""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from netcore.posix cimport memset
from netcore.storage.byte_queue cimport queue_drop
from netcore.storage.deadlines cimport NEVER
from netcore.tcp.autotune cimport tune_send
from netcore.tcp.delivery cimport note_min_rtt
from netcore.tcp.ecn cimport is_echo_obeyed
from netcore.tcp.fastopen cimport settle_syn_text
from netcore.tcp.flight cimport ack_sample_t
from netcore.tcp.pacing cimport set_pace
from netcore.tcp.path_mtu cimport adopt_path, take_path_news
from netcore.tcp.rack cimport schedule_probe
from netcore.tcp.recovery cimport take_news
from netcore.tcp.rtt cimport rtt_sample
from netcore.tcp.scoreboard cimport mark_expired, take_cumulative, take_sack
from netcore.tcp.seqnum cimport seq_geq, seq_gt, seq_leq, seq_lt
from netcore.tcp.tcb cimport (
    FIN_WAIT_2, READY_SENT, READY_WRITABLE, TIMER_ORPHAN, TIMER_RETRANSMIT, TIMESTAMP_TICK, backed_off_rto, cancel,
    flight_size, notify, queue_seq, schedule, tcb_t, time_since_echo, want_ack, want_output,
)
from netcore.tcp.user_timeout cimport end_waiting
from netcore.wire.tcp cimport FIN, SYN, segment_t

cdef enum:
    # ns of a handshake; between programs of one machine it takes less than half of it
    NEAR_TRIP = 200000


cdef void challenge(tcb_t* tcb, int64_t now) noexcept nogil:
    if now - tcb.last_challenge < tcb.transport.tunables.challenge_interval:
        tcb.transport.counters.TCPACKSkippedChallenge += 1
        return
    tcb.last_challenge = now
    tcb.transport.counters.TCPChallengeACK += 1
    want_ack(tcb)


cdef int64_t echoed_round_trip(const tcb_t* tcb, const segment_t* seg, uint32_t acked, int64_t now) noexcept nogil:
    """What the echoed timestamp says, ns in steps of the timestamps' clock; -1: nothing."""
    if seg.tsecr == 0:
        return -1
    if seq_lt(tcb.snd_una - acked, tcb.resent_seq) and <int32_t> (seg.tsecr - tcb.resent_ts) < 0:
        # The echo of the first copy of what was sent again: it came late, or its ACK was lost and this one answers
        # the second copy, which would take the time-out itself for a round trip and double it each time. Karn.
        return -1
    return time_since_echo(tcb, seg.tsecr, now)


cdef void sample_round_trip(tcb_t* tcb, const segment_t* seg, uint32_t acked, int64_t timed,
                            int64_t now) noexcept nogil:
    """SND-6: by timestamps every ACK that advances is a sample; without, every one that covers what was sent once.

    timed: ns since the oldest stretch that was sent once and is acknowledged now went; 0: there is none. It is what
    the timestamp says in finer steps.
    """
    cdef int64_t sample = timed if timed else -1
    cdef int64_t granularity = 1000
    cdef uint32_t samples
    if tcb.timestamps and seg.has_timestamps:
        granularity = TIMESTAMP_TICK
        sample = echoed_round_trip(tcb, seg, acked, now)
        if timed and sample - timed < TIMESTAMP_TICK and timed - sample < TIMESTAMP_TICK:
            sample = timed
    if sample < 0:
        return
    # RFC 7323 appendix G: ceiling(FlightSize / (SMSS * 2)), of the flight that this ACK found
    samples = (flight_size(tcb) + acked + 2 * <uint32_t> tcb.eff_mss - 1) // (2 * <uint32_t> tcb.eff_mss)
    rtt_sample(&tcb.rtt, sample, granularity, samples, tcb.transport.tunables.rto_minimum,
               tcb.transport.tunables.rto_maximum)
    tcb.backoff = 0


cdef void restart_timer(tcb_t* tcb, int64_t now) noexcept nogil:
    """RFC 6298 5.2, 5.3"""
    if tcb.snd_una == tcb.snd_nxt:
        cancel(tcb, TIMER_RETRANSMIT)
    else:
        schedule(tcb, TIMER_RETRANSMIT, now + backed_off_rto(tcb))


cdef void take_ack_of_syn(tcb_t* tcb, const segment_t* seg, int64_t now) noexcept nogil:
    cdef bint sent_again = tcb.retries != 0
    cdef int64_t timed = 0 if sent_again or tcb.last_sent == NEVER else now - tcb.last_sent
    # text that went early is acknowledged like any other, behind this
    tcb.snd_una = tcb.rack_fack = tcb.iss + 1 if tcb.early else seg.ack
    if tcb.extras != NULL and tcb.extras.syn_text:
        settle_syn_text(tcb, seg.ack)
    tcb.recover = tcb.snd_una - 1
    tcb.span.min_rtt_since = 0
    tcb.is_near = 0 < timed < NEAR_TRIP
    sample_round_trip(tcb, seg, 0, timed, now)
    if tcb.rtt.srtt == 0 and sent_again:
        # RFC 6298 5.7: the first time-out of the data is 3 s when the SYN was lost and nothing was measured
        tcb.rtt.rto = 3_000_000_000
    if tcb.rtt.srtt:
        note_min_rtt(tcb, tcb.rtt.srtt, now)
    tcb.last_sent = NEVER
    tcb.delivered_at = now
    adopt_path(tcb, now)
    if not tcb.early:
        tcb.congestion.begin(tcb, now)
    # the first window is paced as well, where its round trip is known
    set_pace(tcb)
    tcb.retries = 0
    tcb.backoff = 0
    tcb.soft_error = 0
    end_waiting(tcb, now)
    # the window of a SYN is not scaled (RFC 7323 2.2)
    tcb.snd_wnd = seg.wnd if seg.flags & SYN else seg.wnd << tcb.snd_wind_shift
    tcb.max_snd_wnd = tcb.snd_wnd
    tcb.snd_wl1 = seg.seq
    tcb.snd_wl2 = seg.ack
    restart_timer(tcb, now)
    want_output(tcb)


cdef void free_acknowledged(tcb_t* tcb, uint32_t ack) noexcept nogil:
    """Drops the bytes that `ack` covers; SYN and FIN take sequence space and no byte."""
    cdef uint64_t before = tcb.send_queue.length
    cdef uint32_t first = queue_seq(tcb)
    if seq_gt(ack, first):
        queue_drop(&tcb.send_queue, &tcb.transport.pool, ack - first)
    tcb.snd_una = ack
    if before >= tcb.send_limit > tcb.send_queue.length or (tcb.send_limit == 0 and tcb.send_queue.length == 0):
        notify(tcb.transport, &tcb.endpoint, READY_WRITABLE)
    if tcb.send_queue.length == 0 and tcb.snd_una == tcb.snd_nxt:
        notify(tcb.transport, &tcb.endpoint, READY_SENT)


cdef void advance_una(tcb_t* tcb, const segment_t* seg, ack_sample_t* sample, int64_t now) noexcept nogil:
    sample.acked = seg.ack - tcb.snd_una
    take_cumulative(tcb, seg, sample, now)
    free_acknowledged(tcb, seg.ack)
    sample_round_trip(tcb, seg, sample.acked, sample.oldest_rtt, now)
    tcb.retries = 0
    tcb.soft_error = 0
    end_waiting(tcb, now)
    if tcb.path != NULL:
        take_path_news(tcb, now)
    if not tcb.timestamps and seq_geq(tcb.snd_una, tcb.recover):
        # everything that was sent twice is through: Karn's doubt is over with it
        tcb.backoff = 0
    tcb.persisting = False
    want_output(tcb)


cdef void take_window(tcb_t* tcb, const segment_t* seg, int64_t now) noexcept nogil:
    """SND.WL1 and WL2 keep an old segment from setting the window."""
    cdef uint32_t window
    if seg.flags & SYN:
        # not scaled; take_ack_of_syn has taken it (RFC 7323 2.2)
        return
    if not (seq_lt(tcb.snd_wl1, seg.seq) or (tcb.snd_wl1 == seg.seq and seq_leq(tcb.snd_wl2, seg.ack))):
        return
    window = seg.wnd << tcb.snd_wind_shift
    tcb.snd_wl1 = seg.seq
    tcb.snd_wl2 = seg.ack
    if window == tcb.snd_wnd:
        return
    if tcb.persisting and window:
        # the probe's octet, if it was refused, goes again with what the window now takes
        tcb.persisting = False
        tcb.backoff = 0
        mark_expired(tcb, now, False)
        # the next ACK may close the window again before anything has gone
        restart_timer(tcb, now)
    if tcb.orphan and window and tcb.state != FIN_WAIT_2:
        # the peer's window is no longer closed; the time that FIN-WAIT-2 may last runs on (CLOSE-10)
        cancel(tcb, TIMER_ORPHAN)
    tcb.snd_wnd = window
    if window > tcb.max_snd_wnd:
        tcb.max_snd_wnd = window
    want_output(tcb)


cdef bint is_duplicate(const tcb_t* tcb, const segment_t* seg) noexcept nogil:
    """RFC 5681 2: outstanding data, no text, no SYN or FIN, the same window."""
    return (seg.ack == tcb.snd_una and flight_size(tcb) != 0 and seg.text_length == 0 and not seg.flags & (SYN | FIN)
            and seg.wnd << tcb.snd_wind_shift == tcb.snd_wnd and not tcb.persisting)


cdef void take_ack(tcb_t* tcb, const segment_t* seg, int64_t now) noexcept nogil:
    cdef ack_sample_t sample
    cdef bint echo = is_echo_obeyed(tcb, seg)
    if (seg.ack == tcb.snd_una and seg.text_length and seg.sack_count == 0 and not echo and not tcb.persisting):
        # text of a peer that has nothing to acknowledge, most of a download: no news, and no duplicate (RFC 5681 2)
        take_window(tcb, seg, now)
        return
    memset(&sample, 0, sizeof(sample))
    sample.newest_sent = -1
    sample.prior_una = tcb.snd_una
    sample.prior_in_flight = tcb.in_flight
    sample.prior_fack = tcb.rack_fack
    sample.congestion_echo = echo
    sample.duplicate = is_duplicate(tcb, seg)
    if tcb.sack and seg.sack_count:
        # an old ACK too may bring blocks that are news
        take_sack(tcb, seg, &sample, now)
    if seq_gt(seg.ack, tcb.snd_una):
        advance_una(tcb, seg, &sample, now)
    elif seg.ack == tcb.snd_una and tcb.persisting:
        # SND-5: a peer that answers probes is alive, however long its window stays closed
        tcb.retries = 0
        end_waiting(tcb, now)
    if sample.acked or sample.delivered or sample.duplicate or sample.dsack or sample.congestion_echo:
        take_news(tcb, seg, &sample, now)
        set_pace(tcb)
    if sample.acked:
        restart_timer(tcb, now)
        tune_send(tcb)
    if sample.acked or sample.delivered:
        schedule_probe(tcb, now)
    # RFC 9293 3.10.7.4: only an ACK from SND.UNA on has a say in the window
    if not seq_lt(seg.ack, tcb.snd_una):
        take_window(tcb, seg, now)
