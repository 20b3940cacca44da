"""SEGMENT ARRIVES, in the order of RFC 9293 3.10.7 (SEG-1 to SEG-12).

CLOSED, LISTEN, SYN-SENT and TIME-WAIT have a function of their own; the other states share the steps below it. A step
returns False when the segment is done with.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from netcore.storage.byte_queue cimport queue_append, queue_append_chunk
from netcore.storage.chunks cimport SMALL_CHUNK, chunk_t
from netcore.storage.deadlines cimport NEVER, arm
from netcore.storage.frames cimport frame_t
from netcore.tcp.accurate_ecn cimport count_mark, take_first_ack
from netcore.tcp.acks cimport challenge, is_ack_acceptable, is_fin_acked, take_ack, take_ack_of_syn
from netcore.tcp.autotune cimport tune_receive
from netcore.tcp.backlog cimport handshake_done, listen_arrives, request_arrives
from netcore.tcp.ecn cimport ECN_ACCURATE, take_congestion_mark, take_setup_again
from netcore.tcp.fastopen cimport end_early, keep_early_reset, take_cookie_option
from netcore.tcp.keepalive cimport hear
from netcore.tcp.lifecycle cimport (
    abort_connection, answer_for_time_wait, end_time_wait, enter_time_wait, finish, reset_stray,
)
from netcore.tcp.options cimport take_syn_options
from netcore.tcp.reassembly cimport (
    deliver_contiguous, early_fin_due, keep_early_fin, keep_out_of_order, note_overlap, report_old_text,
    trim_to_window,
)
from netcore.tcp.seqnum cimport in_window, seq_gt, seq_leq, seq_lt
from netcore.tcp.signature cimport is_any_signed, is_signature_good
from netcore.tcp.statistics cimport count_arrival, count_out_of_order
from netcore.tcp.table cimport find_entry, find_listener
from netcore.tcp.tcb cimport (
    CLOSE_WAIT, CLOSING, DEADLINE_TIME_WAIT, ENTRY_TIME_WAIT, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, LAST_ACK, LISTEN,
    READY_CONNECTED, READY_PEER_CLOSED, READY_READABLE, READY_WRITABLE, STATUS_ABORTED, STATUS_OK, STATUS_REFUSED,
    STATUS_RESET, SYN_RECEIVED, SYN_SENT, TIMER_DELAYED_ACK, TIMER_ORPHAN, TIMER_RETRANSMIT, change_state, entry_t,
    listener_t, notify, receive_window, schedule, tcb_t, timewait_t, transport_t, want_ack, want_output,
)
from netcore.tcp.urgent cimport find_urgent, take_pointer
from netcore.tcp.user_timeout cimport take_timeout_option
from netcore.wire.tcp cimport ACK, FIN, RST, SYN, URG, segment_t

cdef enum:
    # text of at least this size is worth giving away the frame's chunk for, a large or a small one; less is copied
    WORTH_A_CHUNK = 16384
    WORTH_A_SMALL_CHUNK = 1024
    # more of it is likely to follow at once
    MORE_THAN_A_WORD = 1024
    # more than a window that is not scaled
    BEYOND_PREDECESSOR = 65537
    # RFC 7323 5.5: after 24 days a timestamp says nothing any more
    PAWS_DAYS = 24


cdef void segment_arrives(transport_t* transport, segment_t* seg, frame_t* frame, int64_t now) noexcept nogil:
    cdef entry_t* entry = find_entry(transport, &seg.destination, seg.destination_port, &seg.source, seg.source_port)
    cdef listener_t* listener
    cdef tcb_t* tcb
    cdef uint32_t used
    if is_any_signed(transport, seg) and not is_signature_good(transport, entry, seg):
        return
    if entry != NULL and entry.kind == ENTRY_TIME_WAIT:
        used = (<timewait_t*> entry).snd_nxt
        if time_wait_arrives(<timewait_t*> entry, seg, now):
            listen_arrives(find_listener(transport, &seg.destination, seg.destination_port), seg, now)
            entry = find_entry(transport, &seg.destination, seg.destination_port, &seg.source, seg.source_port)
            start_beyond(entry, used)
        return
    if entry == NULL:
        listener = find_listener(transport, &seg.destination, seg.destination_port)
        if listener != NULL:
            tcb = listen_arrives(listener, seg, now)
        else:
            tcb = NULL
            reset_stray(transport, seg)
        if tcb == NULL:
            return
    else:
        tcb = <tcb_t*> entry
    count_arrival(tcb, seg, now)
    if tcb.extras != NULL:
        hear(tcb, seg, now)
    if tcb.state == LISTEN:
        request_arrives(tcb, seg, now)
        return
    if tcb.state == SYN_SENT:
        syn_sent_arrives(tcb, seg, frame, now)
        return
    if not check_timestamps(tcb, seg, now):
        return
    if not check_sequence(tcb, seg, now):
        return
    if not check_reset(tcb, seg, now):
        return
    if not check_syn(tcb, seg, now):
        return
    if not check_ack(tcb, seg, now):
        return
    if seg.flags & URG:
        take_pointer(tcb, seg)
    if seg.text_length and not take_text(tcb, seg, frame, now):
        return
    if seg.flags & FIN or tcb.reassembly != NULL:
        check_fin(tcb, seg, now)


cdef bint time_wait_arrives(timewait_t* record, segment_t* seg, int64_t now) noexcept nogil:
    """SEG-11. True when a SYN takes the place over: the record is gone and the segment is one for a listener."""
    cdef transport_t* transport = record.transport
    cdef bint newer
    if seg.flags & RST:
        # RFC 1337: no assassination
        return False
    if seg.flags & (SYN | ACK | FIN) == SYN:
        if record.timestamps and seg.has_timestamps:
            # RFC 6191: only a newer timestamp, whatever the sequence number
            newer = <int32_t> (seg.tsval - record.ts_recent) > 0
            if not newer:
                return False
        elif not seq_gt(seg.seq, record.rcv_nxt):
            answer_for_time_wait(record, now)
            return False
        if find_listener(transport, &seg.destination, seg.destination_port) == NULL:
            # RFC 9293 3.10.7.4: nobody takes the place over, so it is a SYN like any other on a connection
            answer_for_time_wait(record, now)
            return False
        transport.counters.TWRecycled += 1
        end_time_wait(record)
        return True
    if seg.flags & FIN and seg.seq + seg.seg_len == record.rcv_nxt:
        answer_for_time_wait(record, now)
        arm(&transport.deadlines, &record.deadline, record, DEADLINE_TIME_WAIT, now + 2 * transport.tunables.msl)
    elif seg.seg_len or seg.seq != record.rcv_nxt:
        # SEG-3: with text at once, without at the rate of challenges
        if seg.seg_len == 0:
            if now - record.last_challenge < transport.tunables.challenge_interval:
                return False
            record.last_challenge = now
        answer_for_time_wait(record, now)
    return False


cdef void start_beyond(entry_t* entry, uint32_t used) noexcept nogil:
    """RFC 9293 3.6.1: a connection that takes over starts beyond all that its predecessor used.

    The clock of the initial sequence numbers alone does not see to that: it is slower than a fast link.
    """
    cdef tcb_t* tcb = <tcb_t*> entry
    if entry == NULL or seq_gt(tcb.iss, used):
        return
    tcb.iss = used + BEYOND_PREDECESSOR
    tcb.snd_una = tcb.snd_nxt = tcb.recover = tcb.snd_wl2 = tcb.iss


cdef void syn_sent_arrives(tcb_t* tcb, segment_t* seg, frame_t* frame, int64_t now) noexcept nogil:
    """RFC 9293 3.10.7.3"""
    cdef bint acked = False
    if seg.flags & ACK:
        if seq_leq(seg.ack, tcb.iss) or seq_gt(seg.ack, tcb.snd_nxt):
            reset_stray(tcb.transport, seg)
            return
        acked = True
    if seg.flags & RST:
        if acked:
            refuse(tcb, now)
        return
    if not seg.flags & SYN:
        return
    tcb.irs = seg.seq
    tcb.rcv_nxt = tcb.last_ack_sent = seg.seq + 1
    tcb.rcv_adv = tcb.rcv_nxt + (tcb.receive_limit if tcb.receive_limit < 65535 else 65535)
    take_syn_options(tcb, seg, now)
    take_timeout_option(tcb, seg)
    take_cookie_option(tcb, seg, now)
    if not acked:
        # simultaneous open
        tcb.snd_wnd = tcb.max_snd_wnd = seg.wnd
        tcb.snd_wl1 = seg.seq
        tcb.snd_wl2 = tcb.iss
        change_state(tcb, SYN_RECEIVED)
        tcb.syn_refused = False
        tcb.syn_wanted = True
        want_output(tcb)
        return
    take_ack_of_syn(tcb, seg, now)
    change_state(tcb, ESTABLISHED)
    notify(tcb.transport, &tcb.endpoint, READY_CONNECTED | READY_WRITABLE)
    want_ack(tcb)
    seg.seq += 1
    seg.flags &= ~SYN
    if take_text(tcb, seg, frame, now):
        check_fin(tcb, seg, now)


cdef void refuse(tcb_t* tcb, int64_t now) noexcept nogil:
    """LISTEN-67: a refused SYN is sent again after a constant wait; the RST to the last one is final."""
    if tcb.retries >= tcb.syn_retries:
        finish(tcb, STATUS_REFUSED)
        return
    tcb.syn_refused = True
    schedule(tcb, TIMER_RETRANSMIT, now + tcb.transport.tunables.syn_rst_wait)


cdef bint check_timestamps(tcb_t* tcb, segment_t* seg, int64_t now) noexcept nogil:
    """PAWS (RFC 7323 5.3, TCPX-1)."""
    if not tcb.timestamps or seg.flags & RST:
        return True
    if not seg.has_timestamps:
        if seg.flags & SYN:
            # a peer that lost its state and starts anew without them is found out as any other (SEG-5, SEG-12)
            return True
        tcb.transport.counters.TCPTSMissing += 1
        return False
    if (<int32_t> (seg.tsval - tcb.ts_recent) < 0
            and now - tcb.ts_recent_time < <int64_t> PAWS_DAYS * 86400 * 1_000_000_000
            and not (tcb.state == SYN_RECEIVED and seg.flags & SYN)):
        tcb.transport.counters.PAWSEstab += 1
        answer_unacceptable(tcb, seg, now)
        return False
    return True


cdef void answer_unacceptable(tcb_t* tcb, segment_t* seg, int64_t now) noexcept nogil:
    """SEG-3: one ACK, at once for text (the peer may have lost ours), else at the rate of challenges."""
    if seg.flags & RST:
        return
    if seg.seg_len and not seg.flags & SYN:
        if seg.text_length and seq_lt(seg.seq, tcb.rcv_nxt):
            report_old_text(tcb, seg.seq, seg.seq + seg.text_length)
        want_ack(tcb)
    else:
        challenge(tcb, now)


cdef bint is_behind(const tcb_t* tcb, const segment_t* seg) noexcept nogil:
    """All of it, its place included, lies before what is expected next."""
    return seq_lt(seg.seq + seg.seg_len, tcb.rcv_nxt)


cdef bint check_sequence(tcb_t* tcb, segment_t* seg, int64_t now) noexcept nogil:
    """First step: the four cases of acceptability (SEG-2)."""
    cdef uint32_t window = receive_window(tcb)
    cdef bint acceptable
    if tcb.state == SYN_RECEIVED and seg.flags & SYN and not seg.flags & (ACK | RST) and seg.seq == tcb.irs:
        # SEG-5: the SYN,ACK was lost
        take_setup_again(tcb, seg)
        tcb.syn_wanted = True
        want_output(tcb)
        return False
    if (tcb.state == SYN_RECEIVED and not tcb.passive and seg.flags & (SYN | ACK | RST) == (SYN | ACK)
            and seg.seq == tcb.irs):
        # simultaneous open: the SYN is known already, its ACK is what ends the handshake (RFC 9293 figure 8)
        take_setup_again(tcb, seg)
        return True
    if seg.flags & SYN and tcb.state >= ESTABLISHED and not seg.flags & RST:
        # SEG-5, RFC 5961 4: whatever its sequence number
        challenge(tcb, now)
        return False
    if window == 0 and seg.seq == tcb.rcv_nxt:
        # a closed window takes no text, but RST, ACK and the news of the peer's window (SEG-2)
        if seg.seg_len and not seg.flags & (RST | SYN):
            want_ack(tcb)
            seg.text_length = seg.seg_len = 0
            seg.flags &= ~FIN
        acceptable = True
    elif window == 0 and seg.seg_len == 0 and seg.seq == tcb.rcv_nxt + 1 and not seg.flags & RST:
        # RFC 9293 3.10.7.4, the special allowance for valid ACKs: the peer counts the octet of its probe as sent
        seg.flags &= ~URG
        acceptable = True
    elif seg.seg_len == 0:
        # The same allowance at the right edge while we send again: two ends that have filled each other's window, and
        # lost the first of it, would else refuse for ever the ACK that each repeats from there.
        acceptable = in_window(seg.seq, tcb.rcv_nxt, window) or (
            tcb.retries != 0 and seg.seq == tcb.rcv_nxt + window and not seg.flags & RST)
    else:
        acceptable = window and (in_window(seg.seq, tcb.rcv_nxt, window)
                                 or in_window(seg.seq + seg.seg_len - 1, tcb.rcv_nxt, window))
    if not acceptable:
        # an RST at the right edge of a window that was never used is still in order
        if seg.flags & RST and seg.seq == tcb.rcv_nxt:
            return True
        answer_unacceptable(tcb, seg, now)
        # The same allowance: a peer sends from before the octet of its probe as long as it does not know that we took
        # it. Two ends that probe each other would else refuse for ever the ACK that tells the other (SND-5).
        acceptable = tcb.persisting and seg.seq == tcb.rcv_nxt - 1 and seg.seg_len == 0 and not seg.flags & RST
        seg.flags &= ~URG
    return acceptable


cdef void record_timestamp(tcb_t* tcb, const segment_t* seg, int64_t now) noexcept nogil:
    """RFC 7323 4.3 (3): the timestamp of the segment that the last ACK covers is the one to echo.

    Only once RST, SYN and ACK have been found in order: one segment of somebody who guessed no more than a place in the
    window could else set a time so late that PAWS drops all that the real peer sends.
    """
    if tcb.timestamps and seg.has_timestamps and seq_leq(seg.seq, tcb.last_ack_sent) and not is_behind(tcb, seg):
        # PAWS has let nothing older through but what comes after 24 days, when TS.Recent is invalid (RFC 7323 5.5)
        tcb.ts_recent = seg.tsval
        tcb.ts_recent_time = now


cdef bint check_reset(tcb_t* tcb, segment_t* seg, int64_t now) noexcept nogil:
    """Second step (SEG-4, RFC 5961 3.2); GEN-11 names the code."""
    if not seg.flags & RST:
        return True
    if seg.seq != tcb.rcv_nxt:
        challenge(tcb, now)
        return False
    if tcb.state == SYN_RECEIVED:
        if tcb.early:
            keep_early_reset(tcb.transport, now)
        if tcb.passive:
            tcb.transport.counters.EmbryonicRsts += 1
        finish(tcb, STATUS_RESET if tcb.passive else STATUS_REFUSED)
        return False
    if tcb.state == ESTABLISHED or tcb.state == CLOSE_WAIT:
        tcb.transport.counters.EstabResets += 1
    finish(tcb, STATUS_ABORTED if tcb.fin_received else STATUS_RESET)
    return False


cdef bint check_syn(tcb_t* tcb, segment_t* seg, int64_t now) noexcept nogil:
    """Fourth step (SEG-5); only SYN-RECEIVED comes here with a SYN."""
    if not seg.flags & SYN:
        return True
    if tcb.state == SYN_RECEIVED and not tcb.passive and seg.flags & ACK and seg.seq == tcb.irs:
        seg.seq += 1
        return True
    challenge(tcb, now)
    return False


cdef bint check_ack(tcb_t* tcb, segment_t* seg, int64_t now) noexcept nogil:
    """Fifth step."""
    if not seg.flags & ACK:
        return False
    if tcb.ecn & ECN_ACCURATE:
        count_mark(tcb, seg)
    if tcb.state == SYN_RECEIVED:
        if not (seq_lt(tcb.snd_una, seg.ack) and seq_leq(seg.ack, tcb.snd_nxt)):
            reset_stray(tcb.transport, seg)
            return False
        establish(tcb, seg, now)
    if not is_ack_acceptable(tcb, seg):
        challenge(tcb, now)
        return False
    record_timestamp(tcb, seg, now)
    take_ack(tcb, seg, now)
    if seg.user_timeout:
        take_timeout_option(tcb, seg)
    if not is_fin_acked(tcb):
        return True
    if tcb.state == FIN_WAIT_1:
        change_state(tcb, FIN_WAIT_2)
        if tcb.orphan:
            schedule(tcb, TIMER_ORPHAN, now + tcb.transport.tunables.fin_wait_2)
    elif tcb.state == CLOSING:
        enter_time_wait(tcb, now)
        return False
    elif tcb.state == LAST_ACK:
        finish(tcb, STATUS_OK)
        return False
    return True


cdef void establish(tcb_t* tcb, segment_t* seg, int64_t now) noexcept nogil:
    take_ack_of_syn(tcb, seg, now)
    if tcb.ecn & ECN_ACCURATE and not seg.flags & SYN:
        take_first_ack(tcb, seg)
    change_state(tcb, ESTABLISHED)
    if tcb.early:
        # an accept may have taken it already
        end_early(tcb)
    elif tcb.listener != NULL:
        handshake_done(tcb)
    if tcb.fin_queued:
        # CLOSE was called during a simultaneous open and waited for this
        change_state(tcb, FIN_WAIT_1)
    notify(tcb.transport, &tcb.endpoint, READY_CONNECTED | READY_WRITABLE)


cdef inline bint is_worth_its_chunk(const chunk_t* chunk, uint32_t length) noexcept nogil:
    return length >= WORTH_A_CHUNK or (length >= WORTH_A_SMALL_CHUNK and chunk.capacity == SMALL_CHUNK)


cdef bint append_text(tcb_t* tcb, segment_t* seg, frame_t* frame) noexcept nogil:
    if seg.text_length >= MORE_THAN_A_WORD:
        tcb.transport.text_run = tcb.transport.text_run + 1 if tcb.transport.text_of == tcb else 0
        tcb.transport.text_of = tcb
    if frame != NULL and frame.landed:
        # its receiver has it already, and nothing was waiting before it
        frame.accepted = True
        tcb.rcv_nxt += frame.landed
        return queue_append(&tcb.receive_queue, &tcb.transport.pool, seg.text + frame.landed,
                            seg.text_length - frame.landed)
    if frame != NULL and frame.chunk != NULL and is_worth_its_chunk(frame.chunk, seg.text_length):
        frame.chunk.start = <uint32_t> (seg.text - frame.chunk.data)
        frame.chunk.end = frame.chunk.start + seg.text_length
        queue_append_chunk(&tcb.receive_queue, frame.chunk)
        frame.chunk = NULL
        return True
    return queue_append(&tcb.receive_queue, &tcb.transport.pool, seg.text, seg.text_length)


cdef bint take_in_order(tcb_t* tcb, segment_t* seg, frame_t* frame, bint* filled) noexcept nogil:
    """From rcv_nxt on; where text is held already, the copy that came first stays (SEG-7). False: no memory."""
    cdef uint32_t end = seg.seq + seg.text_length
    cdef uint32_t part
    cdef uint32_t received = tcb.rcv_nxt - tcb.irs
    cdef uint64_t before
    cdef bint whole = True
    if tcb.reassembly != NULL:
        # RFC 2883 4.2.2: text that was held already has come again
        note_overlap(tcb, end)
    while whole and seq_lt(tcb.rcv_nxt, end):
        part = end - tcb.rcv_nxt
        if tcb.reassembly != NULL and tcb.reassembly.count and seq_lt(tcb.reassembly.ranges[0].start, end):
            part = tcb.reassembly.ranges[0].start - tcb.rcv_nxt
        before = tcb.receive_queue.length
        if part == seg.text_length:
            whole = append_text(tcb, seg, frame)
        else:
            whole = queue_append(&tcb.receive_queue, &tcb.transport.pool, seg.text + (tcb.rcv_nxt - seg.seq), part)
        tcb.rcv_nxt += <uint32_t> (tcb.receive_queue.length - before)
        if tcb.reassembly != NULL and deliver_contiguous(tcb):
            filled[0] = True
    if tcb.rcv_nxt - tcb.irs < received:
        tcb.rcv_rounds += 1
    return whole


cdef void acknowledge_text(tcb_t* tcb, segment_t* seg, bint at_once, int64_t now) noexcept nogil:
    """SND-4"""
    cdef uint32_t wire_mss = seg.text_length
    if seg.wire_segments > 1:
        wire_mss = (seg.text_length + seg.wire_segments - 1) // seg.wire_segments
    # no peer may send more than was announced: a device that merged frames unasked must not slow the ACKs down
    if wire_mss > tcb.transport.local_mss:
        wire_mss = tcb.transport.local_mss
    if wire_mss > tcb.rcv_mss:
        tcb.rcv_mss = <unsigned short> wire_mss
    if tcb.quick_acks:
        tcb.quick_acks -= <uint8_t> (seg.wire_segments if seg.wire_segments < tcb.quick_acks else tcb.quick_acks)
        want_ack(tcb)
    elif at_once or tcb.reassembly != NULL or tcb.rcv_nxt - tcb.last_ack_sent >= 2 * <uint32_t> tcb.rcv_mss:
        want_ack(tcb)
    elif not tcb.ack_wanted and tcb.due[<int> TIMER_DELAYED_ACK] == NEVER:
        schedule(tcb, TIMER_DELAYED_ACK, now + tcb.transport.tunables.delayed_ack)


cdef bint take_text(tcb_t* tcb, segment_t* seg, frame_t* frame, int64_t now) noexcept nogil:
    """Seventh step. False when the connection has ended over it."""
    cdef bint filled = False
    cdef bint marked, whole
    cdef uint32_t before
    if seg.text_length == 0:
        return True
    if tcb.state != ESTABLISHED and tcb.state != FIN_WAIT_1 and tcb.state != FIN_WAIT_2:
        # the peer has sent FIN: what follows it is no text
        return True
    if (seg.seq != tcb.rcv_nxt or seg.text_length > receive_window(tcb)) and not trim_to_window(tcb, seg):
        want_ack(tcb)
        return True
    marked = take_congestion_mark(tcb, seg)
    if tcb.orphan or tcb.receive_shut:
        # GEN-15, SHUT-4: nobody will ever read this
        tcb.transport.counters.TCPAbortOnData += 1
        abort_connection(tcb, STATUS_ABORTED)
        return False
    if seg.seq != tcb.rcv_nxt:
        count_out_of_order(tcb, seg, keep_out_of_order(tcb, seg.seq, seg.text, seg.text_length))
        owe_duplicate(tcb)
        return True
    before = tcb.rcv_nxt
    whole = take_in_order(tcb, seg, frame, &filled)
    if tcb.extras != NULL and tcb.extras.mark_count:
        find_urgent(tcb, before)
    if not whole:
        # memory ran out: what was copied counts, the rest is sent again
        seg.flags &= ~FIN
        want_ack(tcb)
        notify(tcb.transport, &tcb.endpoint, READY_READABLE)
        return True
    # duplicates owed for the hole would now repeat the new ACK and look like a loss
    tcb.dupacks_owed = 0
    tune_receive(tcb, seg, now)
    acknowledge_text(tcb, seg, filled or marked, now)
    if tcb.receive_queue.length:
        notify(tcb.transport, &tcb.endpoint, READY_READABLE)
    return True


cdef void owe_duplicate(tcb_t* tcb) noexcept nogil:
    """Each out-of-order segment gets an ACK of its own at once (SND-4, RFC 5681 4.2).

    With SACK the blocks of one ACK tell of several; what does not fit brings further ACKs (acknowledge).
    """
    if not tcb.sack and tcb.ack_wanted and tcb.dupacks_owed < 64:
        tcb.dupacks_owed += 1
    want_ack(tcb)


cdef void check_fin(tcb_t* tcb, segment_t* seg, int64_t now) noexcept nogil:
    """Eighth step."""
    cdef uint32_t fin_seq = seg.seq + seg.text_length
    cdef bint due = early_fin_due(tcb)
    if seg.flags & FIN and not tcb.fin_received:
        if fin_seq == tcb.rcv_nxt:
            due = True
        elif seq_gt(fin_seq, tcb.rcv_nxt) and tcb.state >= ESTABLISHED:
            keep_early_fin(tcb, fin_seq)
            want_ack(tcb)
    if not due or tcb.fin_received or tcb.state < ESTABLISHED:
        return
    tcb.fin_received = True
    tcb.rcv_nxt += 1
    if seq_lt(tcb.rcv_adv, tcb.rcv_nxt):
        tcb.rcv_adv = tcb.rcv_nxt
    want_ack(tcb)
    if tcb.state == ESTABLISHED:
        change_state(tcb, CLOSE_WAIT)
    elif tcb.state == FIN_WAIT_1:
        # ours is not acknowledged yet, or the state would be FIN-WAIT-2
        change_state(tcb, CLOSING)
    elif tcb.state == FIN_WAIT_2:
        enter_time_wait(tcb, now)
    notify(tcb.transport, &tcb.endpoint, READY_READABLE | READY_PEER_CLOSED)
