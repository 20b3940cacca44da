"""The listener's queue: every cost is O(1) in its length (LISTEN-48 to 60, SEG-10)."""

from libc.stdint cimport int64_t, uint16_t, uint32_t
from netcore.storage.links cimport list_append, list_first, list_last, list_remove
from netcore.storage.slab cimport slab_give, slab_take
from netcore.tcp.backlog cimport occupancy
from netcore.tcp.lifecycle cimport abort_connection, dismiss_watchers, give_birth, let_go, reset_stray
from netcore.tcp.options cimport take_syn_options
from netcore.tcp.table cimport insert_listener, remove_listener
from netcore.tcp.tcb cimport (
    CLOSED, ENDPOINT_LISTENER, LISTEN, READY_ACCEPTABLE, STATUS_ABORTED, SYN_RECEIVED, change_state, listener_t, notify,
    tcb_t, transport_t, want_output,
)
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


cdef void listen_arrives(listener_t* listener, const segment_t* seg, int64_t now) noexcept nogil:
    cdef transport_t* transport = listener.transport
    cdef tcb_t* tcb
    if seg.flags & RST:
        return
    if seg.flags & ACK:
        reset_stray(transport, seg)
        return
    # SEG-10: SYN+FIN is dropped, and so is what carries no SYN at all
    if not seg.flags & SYN or seg.flags & FIN:
        return
    if occupancy(listener) >= listener.backlog or transport.pool.in_use > transport.tunables.memory_limit:
        # LISTEN-50: refused at once, neither dropped nor delayed
        transport.counters.ListenOverflows += 1
        reset_stray(transport, seg)
        return
    tcb = give_birth(transport, &seg.destination, seg.destination_port, &seg.source, seg.source_port, now)
    if tcb == NULL:
        transport.counters.ListenOverflows += 1
        reset_stray(transport, seg)
        return
    change_state(tcb, LISTEN)
    change_state(tcb, SYN_RECEIVED)
    tcb.passive = True
    tcb.listener = listener
    list_append(&listener.half_open, &tcb.queue_link, tcb)
    transport.half_open += 1
    # text on the SYN is left unacknowledged (SEG-10): the peer sends it again
    tcb.irs = seg.seq
    tcb.rcv_nxt = tcb.rcv_adv = tcb.last_ack_sent = seg.seq + 1
    take_syn_options(tcb, seg, now)
    tcb.syn_rto = transport.tunables.rto_initial
    tcb.snd_wnd = tcb.max_snd_wnd = seg.wnd
    tcb.snd_wl1 = seg.seq
    tcb.snd_wl2 = tcb.iss
    tcb.syn_wanted = True
    want_output(tcb)


cdef void handshake_done(tcb_t* tcb) noexcept nogil:
    cdef listener_t* listener = tcb.listener
    tcb.transport.counters.PassiveOpens += 1
    list_remove(&tcb.queue_link)
    tcb.transport.half_open -= 1
    list_append(&listener.finished, &tcb.queue_link, tcb)
    notify(tcb.transport, &listener.endpoint, READY_ACCEPTABLE)


cdef tcb_t* accept_oldest(listener_t* listener) noexcept nogil:
    cdef tcb_t* tcb = <tcb_t*> list_first(&listener.finished)
    if tcb == NULL:
        return NULL
    list_remove(&tcb.queue_link)
    tcb.listener = NULL
    tcb.endpoint.held = True
    return tcb


cdef void evict(tcb_t* tcb) noexcept nogil:
    """Out of the queue with a RST, which an entry that its peer has reset already does not get (LISTEN-59)."""
    if tcb.state == SYN_RECEIVED:
        tcb.transport.half_open -= 1
    list_remove(&tcb.queue_link)
    tcb.listener = NULL
    if tcb.state != CLOSED:
        abort_connection(tcb, STATUS_ABORTED)
    else:
        let_go(tcb)


cdef void set_backlog(listener_t* listener, uint32_t backlog) noexcept nogil:
    listener.backlog = backlog
    # LISTEN-58: half-open ones first, youngest SYN first, then finished ones, youngest first
    while occupancy(listener) > backlog and listener.half_open.count:
        evict(<tcb_t*> list_last(&listener.half_open))
    while occupancy(listener) > backlog:
        evict(<tcb_t*> list_last(&listener.finished))


cdef void close_listener(listener_t* listener) noexcept nogil:
    cdef transport_t* transport = listener.transport
    remove_listener(transport, listener)
    set_backlog(listener, 0)
    list_remove(&listener.endpoint.event_link)
    dismiss_watchers(transport, &listener.endpoint)
    slab_give(&transport.listener_slab, listener)
