"""The listener's queue: every cost is O(1) in its length (LISTEN-48 to 60, SEG-10)."""

from libc.stdint cimport int64_t, uint16_t, uint32_t
from netcore.storage.links cimport link_t, list_append, list_first, list_last, list_remove, list_t
from netcore.storage.slab cimport slab_give, slab_take
from netcore.tcp.backlog cimport occupancy
from netcore.tcp.cookies cimport is_cookie_due, judge_flood, send_cookie, take_cookie
from netcore.tcp.fastopen cimport take_early_text
from netcore.tcp.half_open cimport count_aged, join_half_open, leave_half_open
from netcore.tcp.lifecycle cimport (
    abort_connection, dismiss_watchers, finish, give_birth, let_go, new_control, reset_stray,
)
from netcore.tcp.options cimport take_syn_options
from netcore.tcp.path_mtu cimport adopt_path
from netcore.tcp.signature cimport sign_segment
from netcore.tcp.table cimport insert_listener, remove_listener
from netcore.tcp.tcb cimport (
    CLOSED, ENDPOINT_LISTENER, LISTEN, READY_ACCEPTABLE, STATUS_ABORTED, STATUS_OK, STATUS_REFUSED, STATUS_RESET,
    STATUS_TIMED_OUT, STATUS_WOULD_BLOCK, SYN_RECEIVED, TIMER_RETRANSMIT, Status, cancel, change_state, listener_t,
    notify, schedule, segment_out_t, tcb_t, transport_t, want_output,
)
from netcore.tcp.user_timeout cimport enable_timeout_option, take_timeout_option
from netcore.wire.address cimport address_t
from netcore.wire.tcp cimport ACK, FIN, RST, SYN, segment_t


cdef listener_t* open_listener(transport_t* transport, const address_t* local, uint16_t local_port, uint32_t backlog,
                               uint32_t rank) noexcept nogil:
    cdef listener_t* listener = <listener_t*> slab_take(&transport.listener_slab)
    if listener == NULL:
        return NULL
    listener.transport = transport
    listener.endpoint.kind = ENDPOINT_LISTENER
    listener.endpoint.owner = listener
    listener.endpoint.held = True
    listener.local = local[0]
    listener.local_port = local_port
    listener.backlog = backlog
    listener.rank = rank
    insert_listener(transport, listener)
    return listener


cdef bint is_full(listener_t* listener) noexcept nogil:
    cdef transport_t* transport = listener.transport
    return occupancy(listener) >= listener.backlog or transport.pool.in_use > transport.tunables.memory_limit


cdef void refuse(listener_t* listener, const segment_t* seg) noexcept nogil:
    """LISTEN-50: one RST,ACK at once, neither silence nor delay."""
    listener.transport.counters.ListenOverflows += 1
    reset_stray(listener.transport, seg)


cdef tcb_t* listen_arrives(listener_t* listener, const segment_t* seg, int64_t now) noexcept nogil:
    if seg.flags & RST:
        return NULL
    if seg.flags & ACK:
        return ack_arrives(listener, seg, now)
    # SEG-10: SYN+FIN is dropped, and so is what carries no SYN at all
    if not seg.flags & SYN or seg.flags & FIN:
        return NULL
    if listener.paused:
        # LISTEN-72
        refuse(listener, seg)
    elif listener.conditional:
        keep_request(listener, seg, now)
    else:
        judge_flood(listener, count_aged(listener, now), occupancy(listener), now)
        if listener.flood.on:
            # LISTEN-75: while there is room as well
            send_cookie(listener, seg, now)
        elif is_full(listener):
            refuse(listener, seg)
        else:
            admit(listener, seg, now)
    return NULL


cdef tcb_t* begin_passive(listener_t* listener, const segment_t* seg, int64_t now) noexcept nogil:
    """A connection in LISTEN that knows its peer's SYN; NULL (and refused) without memory."""
    cdef tcb_t* tcb = give_birth(listener.transport, &seg.destination, seg.destination_port, &seg.source,
                                 seg.source_port, seg, now)
    if tcb == NULL:
        refuse(listener, seg)
        return NULL
    change_state(tcb, LISTEN)
    tcb.passive = True
    tcb.listener = listener
    tcb.span.syn_rto = listener.transport.tunables.rto_initial
    take_syn(tcb, seg, now)
    if listener.advertised_timeout and enable_timeout_option(tcb, listener.advertised_timeout, now):
        take_timeout_option(tcb, seg)
    return tcb


cdef void take_syn(tcb_t* tcb, const segment_t* seg, int64_t now) noexcept nogil:
    # text on the SYN is left unacknowledged (SEG-10): the peer sends it again
    tcb.irs = seg.seq
    tcb.syn_len = seg.seg_len
    tcb.rcv_nxt = tcb.rcv_adv = tcb.last_ack_sent = seg.seq + 1
    take_syn_options(tcb, seg, now)
    tcb.snd_wnd = tcb.max_snd_wnd = seg.wnd
    tcb.snd_wl1 = seg.seq
    tcb.snd_wl2 = tcb.iss


cdef void answer_syn(tcb_t* tcb, int64_t now) noexcept nogil:
    """The SYN,ACK goes out; the connection is half-open."""
    change_state(tcb, SYN_RECEIVED)
    join_half_open(tcb.listener, tcb, now)
    tcb.syn_wanted = True
    want_output(tcb)


cdef void admit(listener_t* listener, const segment_t* seg, int64_t now) noexcept nogil:
    cdef tcb_t* tcb = begin_passive(listener, seg, now)
    if tcb == NULL:
        return
    if listener.fast_open and take_early_text(tcb, seg, now):
        answer_early(tcb, now)
    else:
        answer_syn(tcb, now)


cdef void answer_early(tcb_t* tcb, int64_t now) noexcept nogil:
    """RFC 7413 4.2.2: the program may accept the connection, read and answer while its SYN,ACK is on the way."""
    change_state(tcb, SYN_RECEIVED)
    tcb.delivered_at = now
    adopt_path(tcb, now)
    tcb.congestion.begin(tcb, now)
    tcb.syn_wanted = True
    want_output(tcb)
    tcb.transport.counters.PassiveOpens += 1
    list_append(&tcb.listener.finished, &tcb.queue_link, tcb)
    notify(tcb.transport, &tcb.listener.endpoint, READY_ACCEPTABLE)


cdef tcb_t* ack_arrives(listener_t* listener, const segment_t* seg, int64_t now) noexcept nogil:
    """An ACK of no connection: the answer to a cookie (LISTEN-76), or a stray one."""
    cdef tcb_t* tcb = NULL
    cdef tcb_t* oldest
    if not seg.flags & SYN and is_cookie_due(listener, now) and listener.finished.count < listener.backlog:
        tcb = take_cookie(listener, seg, now)
    if tcb == NULL:
        reset_stray(listener.transport, seg)
        return NULL
    if occupancy(listener) >= listener.backlog:
        # LISTEN-75: what is half-open from before makes room without a word
        oldest = <tcb_t*> list_first(&listener.half_open)
        if oldest != NULL:
            finish(oldest, STATUS_TIMED_OUT)
    join_half_open(listener, tcb, now)
    if listener.advertised_timeout:
        # what the SYN said of the peer's own is not remembered
        enable_timeout_option(tcb, listener.advertised_timeout, now)
    return tcb


cdef void keep_request(listener_t* listener, const segment_t* seg, int64_t now) noexcept nogil:
    """ACPT-31: the SYN is not answered until an accept decides; ACPT-33: neither the backlog nor its RST applies."""
    cdef tcb_t* tcb
    if listener.requests.count >= listener.transport.tunables.conditional_requests:
        refuse(listener, seg)
        return
    tcb = begin_passive(listener, seg, now)
    if tcb == NULL:
        return
    list_append(&listener.requests, &tcb.queue_link, tcb)
    schedule(tcb, TIMER_RETRANSMIT, now + listener.transport.tunables.conditional_life)
    notify(listener.transport, &listener.endpoint, READY_ACCEPTABLE)


cdef void withdraw_request(tcb_t* tcb, Status status) noexcept nogil:
    cdef listener_t* listener = tcb.listener
    finish(tcb, status)
    head_has_gone(listener)


cdef void request_arrives(tcb_t* tcb, const segment_t* seg, int64_t now) noexcept nogil:
    if seg.flags & RST:
        if not seg.flags & ACK and (seg.seq == tcb.irs or seg.seq == tcb.irs + 1):
            withdraw_request(tcb, STATUS_RESET)
    elif seg.flags & ACK:
        reset_stray(tcb.transport, seg)
    elif seg.flags & SYN and not seg.flags & FIN:
        # the same SYN again, or a new one of a peer that began anew
        take_syn(tcb, seg, now)
        schedule(tcb, TIMER_RETRANSMIT, now + tcb.transport.tunables.conditional_life)


cdef void handshake_done(tcb_t* tcb) noexcept nogil:
    cdef listener_t* listener = tcb.listener
    tcb.transport.counters.PassiveOpens += 1
    leave_half_open(tcb)
    if tcb.endpoint.held:
        # an accept that approved it waits for just this connection (ACPT-32)
        tcb.listener = NULL
        return
    list_append(&listener.finished, &tcb.queue_link, tcb)
    notify(tcb.transport, &listener.endpoint, READY_ACCEPTABLE)


cdef tcb_t* first_unselected(const list_t* queue) noexcept nogil:
    """Passes over at most one candidate for each thread that is deciding."""
    cdef link_t* link = queue.first
    while link != NULL and (<tcb_t*> link.owner).selected:
        link = link.next
    return <tcb_t*> link.owner if link != NULL else NULL


cdef int listener_readiness(const listener_t* listener) noexcept nogil:
    cdef const tcb_t* head = first_unselected(&listener.finished)
    if head == NULL:
        head = first_unselected(&listener.requests)
    return READY_ACCEPTABLE if head != NULL and not head.deferred else 0


cdef void head_has_gone(listener_t* listener) noexcept nogil:
    """What waits behind a deferred candidate, or was selected, counts again (ACPT-25)."""
    if listener != NULL and listener_readiness(listener):
        notify(listener.transport, &listener.endpoint, READY_ACCEPTABLE)


cdef tcb_t* accept_oldest(listener_t* listener) noexcept nogil:
    cdef tcb_t* tcb = first_unselected(&listener.finished)
    if tcb == NULL:
        return NULL
    list_remove(&tcb.queue_link)
    if tcb.deferred:
        head_has_gone(listener)
    tcb.listener = NULL
    tcb.endpoint.held = True
    return tcb


cdef tcb_t* select_candidate(listener_t* listener) noexcept nogil:
    cdef tcb_t* tcb = first_unselected(&listener.finished)
    if tcb == NULL:
        tcb = first_unselected(&listener.requests)
    if tcb != NULL:
        tcb.selected = True
        tcb.endpoint.held = True
    return tcb


cdef Status lost_candidate(const tcb_t* tcb) noexcept nogil:
    """Why a selected candidate can no longer be accepted; STATUS_OK when it can."""
    if tcb.listener == NULL:
        return STATUS_ABORTED
    return <Status> tcb.status if tcb.state == CLOSED else STATUS_OK


cdef Status accept_candidate(tcb_t* tcb, bint keep, int64_t now) noexcept nogil:
    cdef Status status = lost_candidate(tcb)
    cdef bint was_deferred = tcb.deferred
    tcb.selected = False
    tcb.deferred = False
    if status != STATUS_OK:
        list_remove(&tcb.queue_link)
        let_go(tcb)
        return status
    list_remove(&tcb.queue_link)
    if was_deferred:
        head_has_gone(tcb.listener)
    if tcb.state != LISTEN:
        tcb.listener = NULL
        return STATUS_OK
    cancel(tcb, TIMER_RETRANSMIT)
    tcb.approved = True
    answer_syn(tcb, now)
    if not keep:
        let_go(tcb)
    return STATUS_WOULD_BLOCK


cdef void refuse_request(tcb_t* tcb) noexcept nogil:
    """RST,ACK to the SYN (ACPT-32), as LISTEN-50 builds it."""
    cdef segment_out_t* out = new_control(tcb.transport)
    if out != NULL:
        out.local = tcb.entry.local
        out.remote = tcb.entry.remote
        out.local_port = tcb.entry.local_port
        out.remote_port = tcb.entry.remote_port
        out.ack = tcb.irs + tcb.syn_len
        out.flags = RST | ACK
        if tcb.signature != NULL:
            sign_segment(tcb, out)
    finish(tcb, STATUS_REFUSED)


cdef Status reject_candidate(tcb_t* tcb) noexcept nogil:
    cdef Status status = lost_candidate(tcb)
    cdef listener_t* listener = tcb.listener
    evict(tcb)
    let_go(tcb)
    head_has_gone(listener)
    return status


cdef Status defer_candidate(tcb_t* tcb) noexcept nogil:
    cdef Status status = lost_candidate(tcb)
    tcb.selected = False
    if status == STATUS_OK or (tcb.listener != NULL and tcb.queue_link.where != NULL):
        # one that its peer has reset stays as well, and is reported by the next accept (ACPT-7)
        tcb.deferred = True
        status = STATUS_OK
    let_go(tcb)
    return status


cdef Status release_candidate(tcb_t* tcb) noexcept nogil:
    cdef Status status = lost_candidate(tcb)
    cdef listener_t* listener = tcb.listener
    tcb.selected = False
    let_go(tcb)
    head_has_gone(listener)
    return status


cdef void evict(tcb_t* tcb) noexcept nogil:
    """Out of the queue with a RST, which an entry that its peer has reset already does not get (LISTEN-59)."""
    leave_half_open(tcb)
    list_remove(&tcb.queue_link)
    tcb.listener = NULL
    tcb.selected = False
    if tcb.state == LISTEN:
        refuse_request(tcb)
    elif tcb.state != CLOSED:
        abort_connection(tcb, STATUS_ABORTED)
    # an accept that waits for the handshake holds its connection itself, and sees it fail
    if not tcb.endpoint.held:
        let_go(tcb)


cdef void set_backlog(listener_t* listener, uint32_t backlog) noexcept nogil:
    cdef link_t* link = listener.finished.last
    cdef tcb_t* tcb
    listener.backlog = backlog
    # LISTEN-58: half-open ones first, youngest SYN first, then finished ones, youngest first
    while occupancy(listener) > backlog and listener.half_open.count:
        evict(<tcb_t*> list_last(&listener.half_open))
    while occupancy(listener) > backlog and link != NULL:
        tcb = <tcb_t*> link.owner
        link = link.previous
        # LISTEN-57: the candidate of a condition function that is running is no victim
        if not tcb.selected:
            evict(tcb)


cdef void orphan_candidates(list_t* queue) noexcept nogil:
    """Candidates that a thread is deciding on are ended and left to it: it holds them."""
    cdef tcb_t* tcb
    while queue.first != NULL:
        tcb = <tcb_t*> queue.first.owner
        if tcb.selected:
            list_remove(&tcb.queue_link)
            tcb.listener = NULL
            if tcb.state == LISTEN:
                refuse_request(tcb)
            else:
                abort_connection(tcb, STATUS_ABORTED)
        else:
            evict(tcb)


cdef void empty_listener(listener_t* listener) noexcept nogil:
    set_backlog(listener, 0)
    orphan_candidates(&listener.finished)
    orphan_candidates(&listener.requests)


cdef void close_listener(listener_t* listener) noexcept nogil:
    cdef transport_t* transport = listener.transport
    remove_listener(transport, listener)
    empty_listener(listener)
    list_remove(&listener.endpoint.event_link)
    dismiss_watchers(transport, &listener.endpoint)
    slab_give(&transport.listener_slab, listener)
