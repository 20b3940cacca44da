"""What a connection sends, pulled one segment (or superframe) at a time.

In order of precedence: the handshake, duplicate ACKs owed, a fast retransmission, a window probe, what is sent again
after a time-out, new text and FIN, a pure ACK.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from netcore.storage.deadlines cimport NEVER
from netcore.tcp.acknowledging cimport acknowledge, address_segment
from netcore.tcp.autotune cimport largest_window
from netcore.tcp.delivery cimport mark_app_limited
from netcore.tcp.ecn cimport codepoint_of_new_text, flags_of_syn, flags_of_syn_ack, is_cut_unsafe
from netcore.tcp.extras cimport FAST_OPEN_GIVEN, FAST_OPEN_WANTED
from netcore.tcp.fastopen cimport give_up_fast, open_fast
from netcore.tcp.flight cimport SENT_LOST, SENT_SACKED, sent_t
from netcore.tcp.keepalive cimport may_probe
from netcore.tcp.options cimport put_syn_options, window_shift_for
from netcore.tcp.pacing cimport is_too_early, move_pace, pace_of_window, pacing_quantum
from netcore.tcp.path_mtu cimport note_path_probe, note_sent_again, path_probe_due
from netcore.tcp.rack cimport schedule_probe
from netcore.tcp.recovery cimport allowed_flight
from netcore.tcp.scoreboard cimport (
    first_lost, join_lost, last_sent, may_record, sent_again, sent_first, split,
)
from netcore.tcp.seqnum cimport seq_gt, seq_lt
from netcore.tcp.signature cimport options_room, sign_segment
from netcore.tcp.statistics cimport count_again, count_text_again
from netcore.tcp.tcb cimport (
    CLOSED, CWND_FILLED, CWND_SHORT, FRTO_OFF, FRTO_SECOND, LISTEN, PHASE_LOSS, PHASE_OPEN, PHASE_RECOVERY,
    SYN_RECEIVED, SYN_SENT, TIMER_ORPHAN, TIMER_PACING, TIMER_PROBE, TIMER_RETRANSMIT, TIME_WAIT, backed_off_rto,
    cancel, extras_t, flight_size, is_anything_lost, is_syn_out, queue_seq, schedule, segment_out_t, tcb_t,
    timestamp_now,
)
from netcore.tcp.undo cimport note_retransmission
from netcore.tcp.urgent cimport is_urgent_out
from netcore.tcp.user_timeout cimport encode_timeout
from netcore.wire.tcp cimport (
    ACK, CWR, FIN, PSH, SYN, USER_TIMEOUT_LENGTH, fast_open_length, put_fast_open, put_user_timeout,
)

cdef enum:
    # where memory is missing
    MEMORY_WAIT = 10000000


cdef void add_syn_extras(tcb_t* tcb, segment_out_t* out, int64_t now) noexcept nogil:
    cdef extras_t* extras = tcb.extras
    if extras.option_enabled and options_room(tcb, out) >= USER_TIMEOUT_LENGTH:
        # again with the first segment behind it: a SYN's may be lost on a peer that keeps no state (RFC 5482 3.1)
        out.options_length += put_user_timeout(out.options + out.options_length,
                                               encode_timeout(extras.advertised_timeout))
    if tcb.state == SYN_SENT and extras.fast_open == FAST_OPEN_WANTED:
        # RFC 7413 4.1.3.1: a SYN that has to be sent again goes without option and text
        open_fast(tcb, out, now)
    elif (tcb.state == SYN_RECEIVED and tcb.passive and extras.fast_open == FAST_OPEN_GIVEN
          and options_room(tcb, out) >= fast_open_length(extras.cookie_length)):
        out.options_length += put_fast_open(out.options + out.options_length, extras.cookie, extras.cookie_length)


cdef bint send_early(tcb_t* tcb, segment_out_t* out, int64_t now) noexcept nogil:
    """RFC 7413 4.2.2: text in SYN-RECEIVED; the SYN,ACK's timer is the one that runs."""
    if not new_text(tcb, out, now):
        return False
    cancel(tcb, TIMER_PROBE)
    return True


cdef bint handshake_segment(tcb_t* tcb, segment_out_t* out, int64_t now) noexcept nogil:
    """SYN in SYN-SENT, SYN,ACK in SYN-RECEIVED; windows in them are not scaled (RFC 7323 2.2)."""
    cdef bint scale, sack, timestamps
    cdef uint32_t window = tcb.receive_limit if tcb.receive_limit < 65535 else 65535
    cdef uint8_t shift
    if not tcb.syn_wanted:
        if tcb.early and send_early(tcb, out, now):
            return True
        if tcb.state == SYN_RECEIVED and tcb.ack_wanted:
            address_segment(tcb, out, tcb.snd_nxt)
            acknowledge(tcb, out, now)
            return True
        return False
    tcb.syn_wanted = False
    address_segment(tcb, out, tcb.iss)
    out.wnd = <unsigned short> window
    if tcb.state == SYN_RECEIVED:
        out.flags = SYN | ACK | flags_of_syn_ack(tcb)
        out.ack = tcb.rcv_nxt
        if seq_gt(tcb.rcv_nxt + window, tcb.rcv_adv):
            # an ACK with a scaled window may have gone before, and the edge never moves left (RFC 9293 3.8.6)
            tcb.rcv_adv = tcb.rcv_nxt + window
        tcb.last_ack_sent = tcb.rcv_nxt
        tcb.ack_wanted = False
        scale = tcb.window_scaling
        sack = tcb.sack
        timestamps = tcb.timestamps
        shift = tcb.rcv_wind_shift
    else:
        out.flags = SYN | flags_of_syn(tcb)
        scale = tcb.transport.tunables.window_scaling != 0
        sack = tcb.transport.tunables.sack != 0
        timestamps = tcb.transport.tunables.timestamps != 0
        shift = window_shift_for(largest_window(tcb))
    out.options_length = put_syn_options(tcb, out.options, scale, sack, timestamps, shift, timestamp_now(tcb, now),
                                         tcb.ts_recent if tcb.state == SYN_RECEIVED else 0)
    if tcb.extras != NULL:
        add_syn_extras(tcb, out, now)
    if tcb.snd_nxt == tcb.iss:
        tcb.snd_nxt = tcb.iss + 1 + out.text_length
        tcb.last_sent = now
    else:
        give_up_fast(tcb, now)
        tcb.transport.counters.TCPSynRetrans += 1
        count_again(tcb, 1)
        # which of them is answered will not be known (Karn)
        tcb.last_sent = NEVER
    if tcb.due[<int> TIMER_RETRANSMIT] == NEVER:
        # a SYN that comes again has its answer again, but does not prolong the life of a half-open connection
        schedule(tcb, TIMER_RETRANSMIT, now + (tcb.span.syn_rto << tcb.backoff))
    return True


cdef void put_text(tcb_t* tcb, segment_out_t* out, uint32_t seq, uint32_t length) noexcept nogil:
    """Points the segment at its bytes; FIN goes with the last of them.

    RFC 9293 3.9.1.2 lets PSH be set beyond the last of what waits. Behind each superframe it keeps a receiver that
    delays ACKs from keeping the odd segment's until the next round trip, which a small window would wait for (REC-8).
    """
    cdef uint64_t offset = seq - queue_seq(tcb)
    out.queue = &tcb.send_queue
    out.offset = offset
    out.text_length = length
    if length and (offset + length == tcb.send_queue.length or length > tcb.eff_mss):
        out.flags |= PSH


cdef void start_timer(tcb_t* tcb, int64_t now) noexcept nogil:
    """RFC 6298 5.1"""
    if tcb.persisting or tcb.due[<int> TIMER_RETRANSMIT] == NEVER:
        tcb.persisting = False
        schedule(tcb, TIMER_RETRANSMIT, now + backed_off_rto(tcb))


cdef uint32_t largest_text(const tcb_t* tcb) noexcept nogil:
    """A whole number of full segments that one frame may carry."""
    if tcb.transport.superframe <= tcb.eff_mss or tcb.signature != NULL:
        # each segment that is signed has a code of its own
        return tcb.eff_mss
    return tcb.transport.superframe - tcb.transport.superframe % tcb.eff_mss


cdef bint is_cut_wrong(const tcb_t* tcb) noexcept nogil:
    """A device that cuts a superframe repeats its flags and pointer; CWR is to be said once, a pointer moves."""
    return is_cut_unsafe(tcb) or is_urgent_out(tcb)


cdef void count_resent(tcb_t* tcb, uint32_t segments) noexcept nogil:
    count_again(tcb, segments)
    if tcb.phase == PHASE_LOSS:
        tcb.transport.counters.TCPSlowStartRetrans += segments
    elif tcb.phase == PHASE_RECOVERY:
        tcb.transport.counters.TCPFastRetrans += segments


cdef void resend(tcb_t* tcb, segment_out_t* out, sent_t* stretch, int64_t now) noexcept nogil:
    """Sends a stretch again as it is, FIN with the last of the text."""
    cdef uint32_t start = stretch.node.start
    cdef uint32_t length = stretch.end - start
    cdef uint32_t fin = 1 if tcb.fin_sent and stretch.end == tcb.snd_nxt else 0
    address_segment(tcb, out, start)
    if length > fin:
        put_text(tcb, out, start, length - fin)
        count_text_again(tcb, length - fin)
    if fin:
        out.flags |= FIN
    if tcb.path != NULL:
        note_sent_again(tcb, start, now)
    stretch.segments = (length - fin + tcb.eff_mss - 1) // tcb.eff_mss if length > fin else 1
    acknowledge(tcb, out, now)
    tcb.resent_seq = stretch.end
    if start == tcb.snd_una:
        tcb.resent_ts = timestamp_now(tcb, now)
    sent_again(tcb, stretch, now)
    tcb.prr_out += length
    tcb.last_sent = now
    move_pace(tcb, length, now)
    if start == tcb.snd_una:
        # its answer is due a round trip from now, which may be later than the time-out that runs since it first went
        schedule(tcb, TIMER_RETRANSMIT, now + backed_off_rto(tcb))
    start_timer(tcb, now)


cdef bint send_again(tcb_t* tcb, segment_out_t* out, bint at_once, int64_t now) noexcept nogil:
    """What is lost goes first, as far as windows and pace let it; the first of it `at_once` whatever cwnd says."""
    cdef sent_t* stretch = first_lost(tcb)
    cdef uint32_t allowed = allowed_flight(tcb)
    cdef uint32_t room = allowed - tcb.in_flight if allowed > tcb.in_flight else 0
    cdef uint32_t most
    cdef int32_t window
    cdef bint fin
    if stretch == NULL:
        return False
    window = <int32_t> (tcb.snd_una + tcb.snd_wnd - stretch.node.start)
    if window <= 0:
        return False
    if room < tcb.eff_mss:
        if not at_once and tcb.in_flight:
            return False
        room = tcb.eff_mss
    if not at_once and is_too_early(tcb, now):
        return False
    most = pacing_quantum(tcb, largest_text(tcb)) if not is_cut_wrong(tcb) else tcb.eff_mss
    if most > room:
        most = room - room % tcb.eff_mss
    if most > <uint32_t> window:
        most = <uint32_t> window
    join_lost(tcb, stretch, most)
    # FIN takes no room
    fin = tcb.fin_sent and stretch.end == tcb.snd_nxt
    if stretch.end - stretch.node.start > most + fin and split(tcb, stretch, stretch.node.start + most) == NULL:
        return False
    resend(tcb, out, stretch, now)
    note_retransmission(tcb, stretch.end, stretch.segments, now)
    count_resent(tcb, stretch.segments)
    if tcb.phase == PHASE_LOSS:
        # retransmission is what cwnd is used for now: it may grow
        tcb.cwnd_limited = CWND_SHORT
    return True


cdef bint send_tail_probe(tcb_t* tcb, segment_out_t* out, int64_t now) noexcept nogil:
    """RFC 8985 7.3: a segment of new text if there is one, else the last one again; beyond cwnd by this one."""
    cdef sent_t* stretch = last_sent(tcb)
    cdef uint32_t sent = tcb.snd_nxt - queue_seq(tcb)
    cdef uint32_t available = <uint32_t> (tcb.send_queue.length - sent) if tcb.send_queue.length > sent else 0
    cdef int32_t window = <int32_t> (tcb.snd_una + tcb.snd_wnd - tcb.snd_nxt)
    if stretch == NULL or tcb.phase != PHASE_OPEN:
        return False
    if available > tcb.eff_mss:
        available = tcb.eff_mss
    if available and window >= <int32_t> available and not tcb.fin_sent and may_record(tcb):
        # out from now on: 7.2 starts no timer for a probe behind a probe
        tcb.probe_out = True
        send_new(tcb, out, available, tcb.fin_queued and sent + available == tcb.send_queue.length
                 and window > <int32_t> available, now)
        tcb.probe_again = False
    else:
        if stretch.marks & (SENT_SACKED | SENT_LOST):
            return False
        if stretch.end - stretch.node.start > <uint32_t> tcb.eff_mss + (1 if tcb.fin_sent else 0):
            stretch = split(tcb, stretch, stretch.end - tcb.eff_mss)
            if stretch == NULL:
                return False
        resend(tcb, out, stretch, now)
        count_again(tcb, 1)
        tcb.probe_again = True
    tcb.transport.counters.TCPLossProbes += 1
    tcb.probe_out = True
    tcb.probe_end = tcb.snd_nxt
    return True


cdef bint probe(tcb_t* tcb, segment_out_t* out, int64_t now) noexcept nogil:
    """SND-5: what a window too small for a segment takes (SND-3), through a closed one an octet on purpose."""
    cdef uint32_t length = tcb.snd_wnd if tcb.snd_wnd else 1
    cdef bint fin
    tcb.probe_wanted = False
    if (tcb.send_queue.length == 0 and not tcb.fin_queued) or not may_record(tcb):
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
        # how fast octets pass a closed window says nothing of the path
        mark_app_limited(tcb)
        sent_first(tcb, tcb.snd_nxt, tcb.snd_una + out.text_length + fin, 1, now)
        tcb.snd_nxt = tcb.snd_una + out.text_length + fin
    acknowledge(tcb, out, now)
    tcb.transport.counters.TCPWinProbe += 1
    tcb.last_sent = now
    return True


cdef void start_persist(tcb_t* tcb, int64_t now) noexcept nogil:
    """Data waits, nothing is in flight that would bring an ACK: a timer must, or a lost update would stall for ever."""
    if tcb.early:
        # the SYN,ACK is sent again, and its ACK tells of the window
        return
    if not tcb.persisting:
        tcb.persisting = True
        schedule(tcb, TIMER_RETRANSMIT, now + backed_off_rto(tcb))
    if tcb.orphan and tcb.snd_wnd == 0 and tcb.due[<int> TIMER_ORPHAN] == NEVER:
        schedule(tcb, TIMER_ORPHAN, now + tcb.transport.tunables.user_timeout)


cdef void mark_new_text(tcb_t* tcb, segment_out_t* out) noexcept nogil:
    """RFC 3168 6.1.2: what is sent for the first time is ECN-capable, and tells that cwnd came down.

    What is sent again, pure ACKs and window probes are not (6.1.4 to 6.1.6): nobody would react to a mark on them, or
    somebody else could have sent them.
    """
    out.ecn = codepoint_of_new_text(tcb)
    if tcb.cwr_wanted:
        tcb.cwr_wanted = False
        out.flags |= CWR
        tcb.transport.counters.TCPCWRSent += 1


cdef void send_new(tcb_t* tcb, segment_out_t* out, uint32_t size, bint fin, int64_t now) noexcept nogil:
    """`size` bytes of new text, and FIN, go; a place to record them is sure."""
    address_segment(tcb, out, tcb.snd_nxt)
    if size:
        put_text(tcb, out, tcb.snd_nxt, size)
        mark_new_text(tcb, out)
    if fin:
        out.flags |= FIN
        tcb.fin_sent = True
    sent_first(tcb, tcb.snd_nxt, tcb.snd_nxt + size + fin, (size + tcb.eff_mss - 1) // tcb.eff_mss if size else 1, now)
    tcb.snd_nxt += size + fin
    tcb.prr_out += size
    acknowledge(tcb, out, now)
    tcb.last_sent = now
    move_pace(tcb, size, now)
    start_timer(tcb, now)
    schedule_probe(tcb, now)


cdef bint new_text(tcb_t* tcb, segment_out_t* out, int64_t now) noexcept nogil:
    """New text, as much as the windows take and worth a segment (SND-2, SND-3), and FIN behind the last of it."""
    cdef uint32_t sent = tcb.snd_nxt - queue_seq(tcb)
    cdef uint32_t available = <uint32_t> (tcb.send_queue.length - sent)
    # an unacknowledged SYN is no text that others would wait for
    cdef uint32_t flight = flight_size(tcb) - is_syn_out(tcb)
    cdef int32_t window = <int32_t> (tcb.snd_una + tcb.snd_wnd - tcb.snd_nxt)
    cdef uint32_t allowed, room, most, size, worthwhile
    cdef bint fin
    if tcb.fin_sent or (available == 0 and not tcb.fin_queued):
        if tcb.in_flight < tcb.cwnd:
            mark_app_limited(tcb)
        return False
    if window <= 0:
        if flight == 0:
            start_persist(tcb, now)
        return False
    if flight == 0:
        if tcb.last_sent != NEVER and now - tcb.last_sent > tcb.rtt.rto:
            tcb.congestion.on_idle(tcb, now)
        if tcb.congestion.on_restart != NULL:
            tcb.congestion.on_restart(tcb, now)
    allowed = allowed_flight(tcb)
    room = allowed - tcb.in_flight if allowed > tcb.in_flight else 0
    tcb.cwnd_limited = 0
    if room <= available and room <= <uint32_t> window:
        # one that is just filled is validated too (RFC 7661 4.3)
        tcb.cwnd_limited = CWND_SHORT if room < available else CWND_FILLED
    most = pacing_quantum(tcb, largest_text(tcb)) if not is_cut_wrong(tcb) else tcb.eff_mss
    size = available if available < most else most
    if tcb.corked and size < most:
        return False
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
            if (flight and size < worthwhile and size < allowed // 4 and size < tcb.max_snd_wnd // 4
                    and size < pace_of_window(tcb, allowed)):
                return False
        elif room < tcb.eff_mss and flight:
            return False
        elif size < tcb.max_snd_wnd // 2 or size == 0:
            # the peer's window is small: RFC 9293 3.8.6.2.1, with the persist timer to override
            if flight == 0:
                start_persist(tcb, now)
            return False
    elif size % tcb.eff_mss and flight and not tcb.nodelay and not tcb.fin_queued and not is_urgent_out(tcb):
        # Nagle (RFC 9293 3.7.4): a short tail waits for the ACK, the full segments before it do not
        size -= size % tcb.eff_mss
    fin = tcb.fin_queued and size == available and <uint32_t> window > size and not tcb.early
    if size == 0 and not fin:
        if available == 0 and flight == 0:
            start_persist(tcb, now)
        elif available < tcb.eff_mss and room >= tcb.eff_mss:
            # what Nagle holds back is too little for a segment: the program limits the rate, not the window
            mark_app_limited(tcb)
        return False
    if is_too_early(tcb, now):
        return False
    if not may_record(tcb):
        # no memory even for this: soon again
        schedule(tcb, TIMER_PACING, now + MEMORY_WAIT)
        return False
    send_new(tcb, out, size, fin, now)
    if tcb.frto == FRTO_SECOND:
        tcb.frto_room -= size if size < tcb.frto_room else tcb.frto_room
    return True


cdef bint new_text_or_probe(tcb_t* tcb, segment_out_t* out, int64_t now) noexcept nogil:
    """On a path that may be wider than is known, a segment of new text is made larger than others now and then."""
    cdef int32_t size = path_probe_due(tcb, allowed_flight(tcb), now)
    if size <= 0:
        return size == 0 and new_text(tcb, out, now)
    send_new(tcb, out, <uint32_t> size, False, now)
    # the device must not cut it
    out.mss = <uint16_t> size
    note_path_probe(tcb)
    return True


cdef bint try_new_text(tcb_t* tcb, segment_out_t* out, int64_t now) noexcept nogil:
    """RFC 5682 2.1 step 2b; where there is none to send, the judgement is given up and what is lost goes again."""
    if tcb.frto_room and new_text(tcb, out, now):
        return True
    if tcb.frto_room == 2 * <uint32_t> tcb.eff_mss:
        tcb.frto = FRTO_OFF
    return False


cdef bint pure_ack(tcb_t* tcb, segment_out_t* out, int64_t now) noexcept nogil:
    cdef uint32_t edge = tcb.snd_una + tcb.snd_wnd
    # a peer that refused the octet of a probe would find what is sent from behind it outside its window, ACKs included
    # and one that took it what is sent from before it; which is so is unknown, and each is served in turn
    if not tcb.persisting or tcb.backoff & 1 == 0 or not seq_gt(tcb.snd_nxt, edge):
        edge = tcb.snd_nxt
    address_segment(tcb, out, edge)
    acknowledge(tcb, out, now)
    tcb.transport.counters.TCPPureAcks += 1
    return True


cdef bint keepalive_probe(tcb_t* tcb, segment_out_t* out, int64_t now) noexcept nogil:
    """SND-8: a number that the peer has acknowledged makes it say what it expects (RFC 9293 3.8.4)."""
    tcb.extras.keepalive_wanted = False
    if not may_probe(tcb):
        return False
    address_segment(tcb, out, tcb.snd_nxt - 1)
    acknowledge(tcb, out, now)
    tcb.transport.counters.TCPKeepAlive += 1
    return True


cdef bint compose(tcb_t* tcb, segment_out_t* out, int64_t now) noexcept nogil:
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
    if tcb.resend_now:
        tcb.resend_now = False
        if send_again(tcb, out, True, now):
            return True
    if tcb.tail_wanted:
        tcb.tail_wanted = False
        if send_tail_probe(tcb, out, now):
            return True
    if tcb.probe_wanted and probe(tcb, out, now):
        return True
    if tcb.frto == FRTO_SECOND and try_new_text(tcb, out, now):
        return True
    if is_anything_lost(tcb) and not tcb.persisting:
        if tcb.frto != FRTO_SECOND and send_again(tcb, out, False, now):
            return True
    elif new_text(tcb, out, now) if tcb.path == NULL else new_text_or_probe(tcb, out, now):
        return True
    if tcb.extras != NULL and tcb.extras.keepalive_wanted and keepalive_probe(tcb, out, now):
        return True
    if not tcb.ack_wanted:
        return False
    pure_ack(tcb, out, now)
    # all else has been asked for just now
    out.is_last = not tcb.ack_wanted
    return True


cdef bint next_segment(tcb_t* tcb, segment_out_t* out, int64_t now) noexcept nogil:
    if not compose(tcb, out, now):
        return False
    if tcb.signature != NULL:
        sign_segment(tcb, out)
    return True
