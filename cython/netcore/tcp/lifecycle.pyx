"""Birth, abort and end of a connection (RFC 9293 3.3.2, 3.5, 3.10.5; SEG-9, SEG-11)."""

from libc.stdint cimport int64_t, uint16_t, uint32_t
from netcore.posix cimport memset
from netcore.storage.byte_queue cimport queue_clear
from netcore.storage.deadlines cimport NEVER, arm, deadlines_release, deadlines_reserve, disarm
from netcore.storage.links cimport link_t, list_append, list_first, list_remove
from netcore.storage.slab cimport slab_give, slab_take
from netcore.tcp.fastopen cimport end_early
from netcore.tcp.half_open cimport leave_half_open
from netcore.tcp.isn cimport initial_sequence, timestamp_offset
from netcore.tcp.reassembly cimport drop_out_of_order
from netcore.tcp.scoreboard cimport forget_sent
from netcore.tcp.seqnum cimport seq_min
from netcore.tcp.signature cimport (
    begin_signature, end_record_signature, end_signature, hand_signature_over, sign_answer, sign_for_time_wait,
    sign_segment,
)
from netcore.tcp.table cimport find_entry, insert_entry, remove_entry
from netcore.tcp.tcb cimport (
    CLOSED, CONTROL_CAPACITY, DEADLINE_TIME_WAIT, ENDPOINT_CONNECTION, ENTRY_CONNECTION, ENTRY_TIME_WAIT, LISTEN,
    READY_FAILED, READY_READABLE, READY_SENT, READY_WRITABLE, STATUS_ABORTED, STATUS_OK, STATUS_RESET, STATUS_TIMED_OUT,
    STATUS_UNREACHABLE, SYN_RECEIVED, SYN_SENT, TIMER_COUNT, TIME_WAIT, State, Status, change_state, endpoint_t,
    entry_t, is_synchronized, notify, receive_window, segment_out_t, tcb_t, timewait_t, transport_t, watch_t,
)
from netcore.tcp.urgent cimport forget_urgent
from netcore.wire.address cimport address_t
from netcore.wire.tcp cimport ACK, RST, put_timestamps, segment_t


cdef tcb_t* give_birth(transport_t* transport, const address_t* local, uint16_t local_port, const address_t* remote,
                       uint16_t remote_port, const segment_t* seg, int64_t now) noexcept nogil:
    cdef tcb_t* tcb
    if not deadlines_reserve(&transport.deadlines):
        return NULL
    tcb = <tcb_t*> slab_take(&transport.tcbs)
    if tcb == NULL:
        deadlines_release(&transport.deadlines)
        return NULL
    tcb.transport = transport
    tcb.entry.kind = ENTRY_CONNECTION
    tcb.entry.local = local[0]
    tcb.entry.remote = remote[0]
    tcb.entry.local_port = local_port
    tcb.entry.remote_port = remote_port
    tcb.endpoint.kind = ENDPOINT_CONNECTION
    tcb.endpoint.owner = tcb
    cancel_all(tcb)
    tcb.last_challenge = -transport.tunables.challenge_interval
    tcb.send_limit = <uint32_t> transport.tunables.send_buffer
    tcb.receive_limit = <uint32_t> transport.tunables.receive_buffer
    tcb.quick_acks = <unsigned char> transport.tunables.quick_acks
    tcb.rtt.rto = transport.tunables.rto_initial
    tcb.iss = initial_sequence(&transport.isn_key, local, local_port, remote, remote_port, now)
    tcb.snd_una = tcb.snd_nxt = tcb.recover = tcb.resent_seq = tcb.rack_fack = tcb.iss
    tcb.rack_sent = -1
    tcb.last_sent = NEVER
    tcb.reordering_steps = 1
    tcb.congestion = transport.congestion
    tcb.ts_offset = timestamp_offset(&transport.timestamp_key, local, remote)
    tcb.snd_mss = tcb.eff_mss = tcb.rcv_mss = 536
    if transport.keys.slab.in_use and not begin_signature(tcb, seg):
        deadlines_release(&transport.deadlines)
        slab_give(&transport.tcbs, tcb)
        return NULL
    insert_entry(transport, &tcb.entry)
    tcb.in_table = True
    return tcb


cdef void cancel_all(tcb_t* tcb) noexcept nogil:
    cdef int timer
    for timer in range(<int> TIMER_COUNT):
        tcb.due[timer] = NEVER
    if tcb.extras != NULL:
        tcb.extras.keepalive_due = tcb.extras.user_due = NEVER


cdef void leave_table(tcb_t* tcb) noexcept nogil:
    if tcb.in_table:
        tcb.in_table = False
        remove_entry(tcb.transport, &tcb.entry)


cdef void stop_sending(tcb_t* tcb) noexcept nogil:
    """Nothing more goes out and no time-out is armed."""
    cdef transport_t* transport = tcb.transport
    cancel_all(tcb)
    disarm(&transport.deadlines, &tcb.timer)
    list_remove(&tcb.output_link)
    queue_clear(&tcb.send_queue, &transport.pool)
    forget_sent(tcb)
    if tcb.path != NULL:
        slab_give(&transport.searches, tcb.path)
        tcb.path = NULL
    drop_out_of_order(tcb)


cdef void free_if_unused(tcb_t* tcb) noexcept nogil:
    """Ended, let go and in no accept queue: to the graveyard, since callers up the walk may still look at it."""
    if tcb.endpoint.held or tcb.queue_link.where != NULL or tcb.in_table:
        return
    if tcb.state == CLOSED or tcb.state == TIME_WAIT:
        list_remove(&tcb.output_link)
        list_append(&tcb.transport.graveyard, &tcb.output_link, tcb)


cdef void finish(tcb_t* tcb, Status status) noexcept nogil:
    cdef State before = <State> tcb.state
    if before == CLOSED and not tcb.in_table:
        return
    if before == SYN_SENT or before == SYN_RECEIVED:
        tcb.transport.counters.AttemptFails += 1
    if status == STATUS_TIMED_OUT and tcb.soft_error:
        # TCPX-5: what an ICMP error told is known for the reason now
        status = STATUS_UNREACHABLE
    if tcb.status == STATUS_OK:
        tcb.status = status
    change_state(tcb, CLOSED)
    end_early(tcb)
    leave_table(tcb)
    stop_sending(tcb)
    if status == STATUS_RESET or status == STATUS_ABORTED:
        queue_clear(&tcb.receive_queue, &tcb.transport.pool)
        forget_urgent(tcb)
    # a half-open connection that ends leaves its listener's queue without a trace (LISTEN-53), a request too
    leave_half_open(tcb)
    if tcb.listener != NULL and tcb.queue_link.where == &tcb.listener.requests:
        list_remove(&tcb.queue_link)
    if tcb.orphan:
        tcb.orphan = False
        tcb.transport.orphans -= 1
    notify(tcb.transport, &tcb.endpoint, READY_READABLE | READY_WRITABLE | READY_SENT
           | (READY_FAILED if status != STATUS_OK else 0))
    free_if_unused(tcb)


cdef void abort_connection(tcb_t* tcb, Status status) noexcept nogil:
    if tcb.state != CLOSED and tcb.state != LISTEN and tcb.state != SYN_SENT and tcb.state != TIME_WAIT:
        send_reset(tcb)
    finish(tcb, status)


cdef void enter_time_wait(tcb_t* tcb, int64_t now) noexcept nogil:
    cdef transport_t* transport = tcb.transport
    cdef timewait_t* record = NULL
    change_state(tcb, TIME_WAIT)
    if deadlines_reserve(&transport.deadlines):
        record = <timewait_t*> slab_take(&transport.timewaits)
        if record == NULL:
            deadlines_release(&transport.deadlines)
    leave_table(tcb)
    if record != NULL:
        # without memory for the record the connection just ends: the peer has all its data already
        record.entry = tcb.entry
        record.entry.kind = ENTRY_TIME_WAIT
        record.transport = transport
        record.snd_nxt = tcb.snd_nxt
        record.rcv_nxt = tcb.rcv_nxt
        record.timestamps = tcb.timestamps
        record.ts_recent = tcb.ts_recent
        record.last_challenge = tcb.last_challenge
        record.ts_offset = tcb.ts_offset
        record.window = <uint16_t> (receive_window(tcb) >> tcb.rcv_wind_shift)
        hand_signature_over(tcb, record)
        insert_entry(transport, &record.entry)
        arm(&transport.deadlines, &record.deadline, record, DEADLINE_TIME_WAIT, now + 2 * transport.tunables.msl)
    # the last ACK leaves through the record, since the connection will be asked for nothing more
    if record != NULL and tcb.ack_wanted:
        answer_for_time_wait(record, now)
    tcb.ack_wanted = False
    stop_sending(tcb)
    if tcb.orphan:
        tcb.orphan = False
        transport.orphans -= 1
    notify(transport, &tcb.endpoint, READY_SENT)
    free_if_unused(tcb)


cdef void answer_for_time_wait(timewait_t* record, int64_t now) noexcept nogil:
    """<SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>"""
    cdef segment_out_t* out = new_control(record.transport)
    cdef uint32_t value
    if out == NULL:
        return
    out.local = record.entry.local
    out.remote = record.entry.remote
    out.local_port = record.entry.local_port
    out.remote_port = record.entry.remote_port
    out.seq = record.snd_nxt
    out.ack = record.rcv_nxt
    out.flags = ACK
    out.wnd = record.window
    if record.timestamps:
        value = <uint32_t> (now // 1_000_000) + record.ts_offset
        out.options_length = put_timestamps(out.options, value, record.ts_recent)
    if record.signature != NULL:
        sign_for_time_wait(record, out)


cdef void end_time_wait(timewait_t* record) noexcept nogil:
    cdef transport_t* transport = record.transport
    disarm(&transport.deadlines, &record.deadline)
    deadlines_release(&transport.deadlines)
    remove_entry(transport, &record.entry)
    end_record_signature(record)
    slab_give(&transport.timewaits, record)


cdef void let_go(tcb_t* tcb) noexcept nogil:
    tcb.endpoint.held = False
    tcb.endpoint.handle = NULL
    list_remove(&tcb.endpoint.event_link)
    dismiss_watchers(tcb.transport, &tcb.endpoint)
    free_if_unused(tcb)


cdef void bury(transport_t* transport) noexcept nogil:
    cdef tcb_t* tcb
    while transport.graveyard.first != NULL:
        tcb = <tcb_t*> list_first(&transport.graveyard)
        list_remove(&tcb.output_link)
        list_remove(&tcb.endpoint.event_link)
        queue_clear(&tcb.receive_queue, &transport.pool)
        disarm(&transport.deadlines, &tcb.timer)
        deadlines_release(&transport.deadlines)
        end_signature(tcb)
        if tcb.extras != NULL:
            slab_give(&transport.extras, tcb.extras)
        slab_give(&transport.tcbs, tcb)


cdef void dismiss_watchers(transport_t* transport, endpoint_t* endpoint) noexcept nogil:
    cdef link_t* link = endpoint.watches.first
    cdef watch_t* watch
    while link != NULL:
        watch = <watch_t*> link.owner
        list_remove(link)
        if not watch.waiter.signalled:
            watch.waiter.signalled = True
            list_append(&transport.waking, &watch.waiter.waking_link, watch.waiter)
        link = endpoint.watches.first


cdef segment_out_t* new_control(transport_t* transport) noexcept nogil:
    cdef segment_out_t* out
    if transport.control_count == CONTROL_CAPACITY:
        transport.counters.ReplyDrops += 1
        return NULL
    out = &transport.control[(transport.control_first + transport.control_count) % CONTROL_CAPACITY]
    transport.control_count += 1
    memset(out, 0, sizeof(segment_out_t))
    return out


cdef void sign_control(transport_t* transport, const segment_t* seg, segment_out_t* out) noexcept nogil:
    cdef entry_t* entry
    if not transport.keys.slab.in_use:
        return
    entry = find_entry(transport, &seg.destination, seg.destination_port, &seg.source, seg.source_port)
    if not sign_answer(transport, entry, seg, out):
        # the last that was put there
        transport.control_count -= 1


cdef void reset_stray(transport_t* transport, const segment_t* seg) noexcept nogil:
    cdef segment_out_t* out
    if seg.flags & RST:
        return
    out = new_control(transport)
    if out == NULL:
        return
    out.local = seg.destination
    out.remote = seg.source
    out.local_port = seg.destination_port
    out.remote_port = seg.source_port
    if seg.flags & ACK:
        out.seq = seg.ack
        out.flags = RST
    else:
        out.ack = seg.seq + seg.seg_len
        out.flags = RST | ACK
    sign_control(transport, seg, out)


cdef void send_reset(tcb_t* tcb) noexcept nogil:
    cdef segment_out_t* out = new_control(tcb.transport)
    if out == NULL:
        return
    out.local = tcb.entry.local
    out.remote = tcb.entry.remote
    out.local_port = tcb.entry.local_port
    out.remote_port = tcb.entry.remote_port
    # RFC 9293 3.10.5: <SEQ=SND.NXT><CTL=RST>; but behind a window probe that would lie beyond the peer's window, where
    # RST is dropped (RFC 5961 3.2), so the window's edge is as far as it goes
    out.seq = seq_min(tcb.snd_nxt, tcb.snd_una + tcb.snd_wnd) if is_synchronized(tcb) else tcb.snd_nxt
    out.ack = tcb.rcv_nxt
    out.flags = RST | ACK
    if tcb.signature != NULL:
        sign_segment(tcb, out)
    elif tcb.timestamps:
        # RFC 7323 3.2; a signature over it would have to know the time already
        out.options_length = put_timestamps(out.options, tcb.ts_offset, tcb.ts_recent)
        out.undated = True
