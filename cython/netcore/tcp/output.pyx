"""What a connection sends, pulled one segment (or superframe) at a time.

In order of precedence: the handshake, duplicate ACKs owed, a fast retransmission, a window probe, what is sent again
after a time-out, new text and FIN, a pure ACK.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from netcore.storage.deadlines cimport NEVER
from netcore.tcp.options cimport put_syn_options, window_shift_for
from netcore.tcp.recovery cimport allowed_flight
from netcore.tcp.seqnum cimport seq_gt, seq_lt
from netcore.tcp.tcb cimport (
    CLOSED, LISTEN, SYN_RECEIVED, SYN_SENT, TIMER_DELAYED_ACK, TIMER_ORPHAN, TIMER_RETRANSMIT, TIME_WAIT,
    backed_off_rto, cancel, flight_size, queue_seq, schedule, segment_out_t, tcb_t, timestamp_now,
)
from netcore.tcp.window cimport furthest_right_edge, next_right_edge
from netcore.wire.tcp cimport ACK, FIN, PSH, SYN, put_timestamps


cdef void announce_window(tcb_t* tcb, segment_out_t* out) noexcept nogil:
    cdef uint32_t edge = next_right_edge(tcb)
    cdef uint32_t window = edge - tcb.rcv_nxt
    cdef uint32_t field = window >> tcb.rcv_wind_shift
    # RFC 7323 2.4: rounding down must not take back what was announced
    if (seq_lt(tcb.rcv_nxt + (field << tcb.rcv_wind_shift), tcb.rcv_adv)
            and not seq_gt(tcb.rcv_nxt + ((field + 1) << tcb.rcv_wind_shift), furthest_right_edge(tcb))):
        field += 1
    if field > 65535:
        field = 65535
    out.wnd = <unsigned short> field
    edge = tcb.rcv_nxt + (field << tcb.rcv_wind_shift)
    if seq_gt(edge, tcb.rcv_adv):
        tcb.rcv_adv = edge


cdef void address_segment(tcb_t* tcb, segment_out_t* out, uint32_t seq) noexcept nogil:
    out.local = tcb.entry.local
    out.remote = tcb.entry.remote
    out.local_port = tcb.entry.local_port
    out.remote_port = tcb.entry.remote_port
    out.seq = seq
    out.ack = 0
    out.flags = 0
    out.options_length = 0
    out.queue = NULL
    out.offset = 0
    out.text_length = 0
    out.mss = tcb.eff_mss


cdef void acknowledge(tcb_t* tcb, segment_out_t* out, int64_t now) noexcept nogil:
    """Every segment of a synchronized connection carries the newest ACK, so none other is due."""
    out.ack = tcb.rcv_nxt
    out.flags |= ACK
    announce_window(tcb, out)
    if tcb.timestamps:
        out.options_length = put_timestamps(out.options, timestamp_now(tcb, now), tcb.ts_recent)
    tcb.last_ack_sent = tcb.rcv_nxt
    tcb.ack_wanted = False
    cancel(tcb, TIMER_DELAYED_ACK)


cdef bint handshake_segment(tcb_t* tcb, segment_out_t* out, int64_t now) noexcept nogil:
    """SYN in SYN-SENT, SYN,ACK in SYN-RECEIVED; windows in them are not scaled (RFC 7323 2.2)."""
    cdef bint scale, timestamps
    cdef uint32_t window = tcb.receive_limit if tcb.receive_limit < 65535 else 65535
    cdef uint8_t shift
    if not tcb.syn_wanted:
        if tcb.state == SYN_RECEIVED and tcb.ack_wanted:
            address_segment(tcb, out, tcb.snd_nxt)
            acknowledge(tcb, out, now)
            return True
        return False
    tcb.syn_wanted = False
    address_segment(tcb, out, tcb.iss)
    out.flags = SYN
    out.wnd = <unsigned short> window
    if tcb.state == SYN_RECEIVED:
        out.flags = SYN | ACK
        out.ack = tcb.rcv_nxt
        tcb.rcv_adv = tcb.rcv_nxt + window
        tcb.last_ack_sent = tcb.rcv_nxt
        tcb.ack_wanted = False
        scale = tcb.window_scaling
        timestamps = tcb.timestamps
        shift = tcb.rcv_wind_shift
    else:
        scale = tcb.transport.tunables.window_scaling != 0
        timestamps = tcb.transport.tunables.timestamps != 0
        shift = window_shift_for(tcb.receive_limit)
    out.options_length = put_syn_options(tcb, out.options, scale, timestamps, shift, timestamp_now(tcb, now),
                                         tcb.ts_recent if tcb.state == SYN_RECEIVED else 0)
    if tcb.snd_nxt == tcb.iss:
        tcb.snd_nxt = tcb.snd_rxt = tcb.iss + 1
        tcb.timed_at = now
        tcb.timed_seq = tcb.snd_nxt
    else:
        tcb.transport.counters.TCPSynRetrans += 1
        tcb.transport.counters.RetransSegs += 1
        tcb.timed_at = 0
    if tcb.due[<int> TIMER_RETRANSMIT] == NEVER:
        # a SYN that comes again has its answer again, but does not prolong the life of a half-open connection
        schedule(tcb, TIMER_RETRANSMIT, now + (tcb.syn_rto << tcb.backoff))
    return True


cdef void put_text(tcb_t* tcb, segment_out_t* out, uint32_t seq, uint32_t length) noexcept nogil:
    """Points the segment at its bytes; FIN goes with the last of them."""
    cdef uint64_t offset = seq - queue_seq(tcb)
    out.queue = &tcb.send_queue
    out.offset = offset
    out.text_length = length
    if length and offset + length == tcb.send_queue.length:
        out.flags |= PSH


cdef void start_timer(tcb_t* tcb, int64_t now) noexcept nogil:
    """RFC 6298 5.1"""
    if tcb.persisting or tcb.due[<int> TIMER_RETRANSMIT] == NEVER:
        tcb.persisting = False
        schedule(tcb, TIMER_RETRANSMIT, now + backed_off_rto(tcb))


cdef bint resend(tcb_t* tcb, segment_out_t* out, uint32_t seq, uint32_t most, int64_t now) noexcept nogil:
    """Sends again from `seq`, at most `most` bytes of text, and FIN when it was sent and all text before it fits."""
    cdef uint32_t end = tcb.snd_nxt - (1 if tcb.fin_sent else 0)
    cdef uint32_t length = end - seq if seq_lt(seq, end) else 0
    address_segment(tcb, out, seq)
    if length > most:
        length = most
    if length:
        put_text(tcb, out, seq, length)
    if tcb.fin_sent and seq + length == end:
        out.flags |= FIN
    acknowledge(tcb, out, now)
    tcb.transport.counters.RetransSegs += (length + tcb.eff_mss - 1) // tcb.eff_mss if length else 1
    tcb.timed_at = 0
    tcb.resent_seq = seq + length
    if seq == tcb.snd_una:
        tcb.resent_ts = timestamp_now(tcb, now)
    tcb.last_sent = now
    start_timer(tcb, now)
    return True


cdef uint32_t largest_text(const tcb_t* tcb) noexcept nogil:
    """A whole number of full segments that one frame may carry."""
    if tcb.transport.superframe <= tcb.eff_mss:
        return tcb.eff_mss
    return tcb.transport.superframe - tcb.transport.superframe % tcb.eff_mss


cdef bint probe(tcb_t* tcb, segment_out_t* out, int64_t now) noexcept nogil:
    """SND-5: what a window too small for a segment takes (SND-3), through a closed one an octet on purpose."""
    cdef uint32_t length = tcb.snd_wnd if tcb.snd_wnd else 1
    cdef bint fin
    tcb.probe_wanted = False
    if tcb.send_queue.length == 0 and not tcb.fin_queued:
        return False
    address_segment(tcb, out, tcb.snd_una)
    fin = tcb.send_queue.length == 0
    if fin:
        out.flags |= FIN
        tcb.fin_sent = True
    else:
        if length > tcb.eff_mss:
            length = tcb.eff_mss
        if length > tcb.send_queue.length:
            length = <uint32_t> tcb.send_queue.length
        put_text(tcb, out, tcb.snd_una, length)
    if seq_lt(tcb.snd_nxt, tcb.snd_una + out.text_length + fin):
        tcb.snd_nxt = tcb.snd_una + out.text_length + fin
        tcb.snd_rxt = tcb.snd_nxt
    acknowledge(tcb, out, now)
    tcb.transport.counters.TCPWinProbe += 1
    tcb.timed_at = 0
    tcb.last_sent = now
    return True


cdef void start_persist(tcb_t* tcb, int64_t now) noexcept nogil:
    """Data waits, nothing is in flight that would bring an ACK: a timer must, or a lost update would stall for ever."""
    if not tcb.persisting:
        tcb.persisting = True
        schedule(tcb, TIMER_RETRANSMIT, now + backed_off_rto(tcb))
    if tcb.orphan and tcb.snd_wnd == 0 and tcb.due[<int> TIMER_ORPHAN] == NEVER:
        schedule(tcb, TIMER_ORPHAN, now + tcb.transport.tunables.user_timeout)


cdef bint new_text(tcb_t* tcb, segment_out_t* out, int64_t now) noexcept nogil:
    """New text, as much as the windows take and worth a segment (SND-2, SND-3), and FIN behind the last of it."""
    cdef uint32_t sent = tcb.snd_nxt - queue_seq(tcb)
    cdef uint32_t available = <uint32_t> (tcb.send_queue.length - sent)
    cdef uint32_t flight = flight_size(tcb)
    cdef int32_t window = <int32_t> (tcb.snd_una + tcb.snd_wnd - tcb.snd_nxt)
    cdef uint32_t allowed, room, most, size, worthwhile
    cdef bint fin
    if tcb.fin_sent or (available == 0 and not tcb.fin_queued):
        return False
    if window <= 0:
        if flight == 0:
            start_persist(tcb, now)
        return False
    if flight == 0 and tcb.last_sent and now - tcb.last_sent > tcb.rtt.rto:
        tcb.congestion.on_idle(tcb)
    allowed = allowed_flight(tcb)
    room = allowed - flight if allowed > flight else 0
    tcb.cwnd_limited = room < available and room <= <uint32_t> window
    most = largest_text(tcb)
    size = available if available < most else most
    worthwhile = size
    if size > <uint32_t> window:
        size = <uint32_t> window
    if size > room:
        size = room
    if size < available:
        # more is waiting, so segments are full ones
        if size >= tcb.eff_mss:
            size -= size % tcb.eff_mss
            # a bigger superframe is worth the wait for the ACKs that are on their way
            if flight and size < worthwhile and size < allowed // 4 and size < tcb.max_snd_wnd // 4:
                return False
        elif room < tcb.eff_mss and flight:
            return False
        elif size < tcb.max_snd_wnd // 2 or size == 0:
            # the peer's window is small: RFC 9293 3.8.6.2.1, with the persist timer to override
            if flight == 0:
                start_persist(tcb, now)
            return False
    elif size % tcb.eff_mss and flight and not tcb.nodelay and not tcb.fin_queued:
        # Nagle (RFC 9293 3.7.4): a short tail waits for the ACK, the full segments before it do not
        size -= size % tcb.eff_mss
    fin = tcb.fin_queued and size == available and <uint32_t> window > size
    if size == 0 and not fin:
        if available == 0 and flight == 0:
            start_persist(tcb, now)
        return False
    address_segment(tcb, out, tcb.snd_nxt)
    if size:
        put_text(tcb, out, tcb.snd_nxt, size)
    if fin:
        out.flags |= FIN
        tcb.fin_sent = True
    if tcb.timed_at == 0 and not tcb.timestamps:
        tcb.timed_at = now
        tcb.timed_seq = tcb.snd_nxt + size
    if tcb.snd_rxt == tcb.snd_nxt:
        tcb.snd_rxt += size + fin
    tcb.snd_nxt += size + fin
    acknowledge(tcb, out, now)
    tcb.last_sent = now
    start_timer(tcb, now)
    return True


cdef bint send_again(tcb_t* tcb, segment_out_t* out, int64_t now) noexcept nogil:
    """After a time-out everything outstanding goes again from snd_rxt, as slow start opens the window."""
    cdef uint32_t gone = tcb.snd_rxt - tcb.snd_una
    cdef uint32_t room = tcb.cwnd - gone if tcb.cwnd > gone else 0
    cdef int32_t window = <int32_t> (tcb.snd_una + tcb.snd_wnd - tcb.snd_rxt)
    cdef uint32_t most = largest_text(tcb)
    cdef uint32_t start = tcb.snd_rxt
    if window <= 0 or room < tcb.eff_mss and gone:
        return False
    if most > room:
        most = room - room % tcb.eff_mss if room >= tcb.eff_mss else tcb.eff_mss
    if most > <uint32_t> window:
        most = <uint32_t> window
    resend(tcb, out, start, most, now)
    tcb.snd_rxt = start + out.text_length + (1 if out.flags & FIN else 0)
    # retransmission is what cwnd is used for now: it may grow
    tcb.cwnd_limited = True
    tcb.transport.counters.TCPSlowStartRetrans += 1
    return True


cdef bint pure_ack(tcb_t* tcb, segment_out_t* out, int64_t now) noexcept nogil:
    address_segment(tcb, out, tcb.snd_nxt)
    acknowledge(tcb, out, now)
    tcb.transport.counters.TCPPureAcks += 1
    return True


cdef bint next_segment(tcb_t* tcb, segment_out_t* out, int64_t now) noexcept nogil:
    if tcb.state == SYN_SENT or tcb.state == SYN_RECEIVED:
        return handshake_segment(tcb, out, now)
    if tcb.state == CLOSED or tcb.state == LISTEN or tcb.state == TIME_WAIT:
        return False
    if tcb.dupacks_owed:
        # each out-of-order segment gets its own ACK without text, which is what the peer counts (RFC 5681 4.2)
        tcb.dupacks_owed -= 1
        pure_ack(tcb, out, now)
        # these come beside the one that is wanted anyway
        tcb.ack_wanted = True
        return True
    if tcb.head_wanted:
        tcb.head_wanted = False
        if seq_lt(tcb.snd_una, tcb.snd_nxt):
            return resend(tcb, out, tcb.snd_una, tcb.eff_mss, now)
    if tcb.probe_wanted and probe(tcb, out, now):
        return True
    if seq_lt(tcb.snd_rxt, tcb.snd_nxt) and not tcb.persisting:
        if send_again(tcb, out, now):
            return True
    elif new_text(tcb, out, now):
        return True
    if tcb.ack_wanted:
        return pure_ack(tcb, out, now)
    return False
