"""From event to event without the GIL; the hosts run the code of production and nothing else (LIM-5).

The order of events is that of (time, kind, number), so it does not depend on how the program slices the run.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from netcore.application cimport WAITER_APPLICATION, application_t, application_work, door_admit, door_t
from netcore.device cimport device_enter, device_write
from netcore.drive cimport enter, next_deadline, run_deadlines, unlock, wake_waiters
from netcore.egress cimport is_anything_leaving, next_frame, outgoing_t
from netcore.host cimport host_t
from netcore.impair cimport impair_due, impair_pass, impair_take
from netcore.impairment cimport impair_t
from netcore.invariants cimport check_connection, check_connections, check_host, check_sent
from netcore.posix cimport memcpy
from netcore.sampling cimport samples_t, take_sample
from netcore.services cimport serve as run_services
from netcore.storage.chunks cimport chunk_give, chunk_move, chunk_t, chunk_take
from netcore.storage.deadlines cimport (
    NEVER, arm_ranked, deadlines_reserve, deadline_t, disarm, earliest, owner_of,
)
from netcore.storage.links cimport link_t, list_append, list_remove
from netcore.tcp.lifecycle cimport bury
from netcore.tcp.tcb cimport waiter_t
from netcore.trace cimport trace_frame, trace_record
from netcore.wire.address cimport address_of_ipv4
from netcore.wire.ethernet cimport ETHERNET_HEADER_LENGTH, is_group_mac, load_mac
from netcore.wire.ipv4 cimport PROTOCOL_TCP
from netcore.wire.octets cimport load16, load32


cdef bint network_reserve(network_t* network) noexcept nogil:
    return deadlines_reserve(&network.agenda)


cdef uint64_t rank(AgendaKind kind, uint32_t number) noexcept nogil:
    return (<uint64_t> kind << 32) | number


# ---- what is due when


cdef void schedule_way_anew(network_t* network, way_t* way, int64_t due) noexcept nogil:
    if due == NEVER:
        disarm(&network.agenda, &way.deadline)
    else:
        arm_ranked(&network.agenda, &way.deadline, way, AGENDA_WAY, due, rank(AGENDA_WAY, way.number))


cdef inline void schedule_way(network_t* network, way_t* way) noexcept nogil:
    cdef int64_t due = impair_due(way.impair)
    if due != (way.deadline.due if way.deadline.place else NEVER):
        schedule_way_anew(network, way, due)


cdef void network_notice(network_t* network, way_t* way) noexcept nogil:
    schedule_way(network, way)


cdef void schedule_host(network_t* network, node_t* node) noexcept nogil:
    """No later than the earliest time-out; the loop finds out when it really is."""
    cdef int64_t due = earliest(&node.host.transport.deadlines)
    if due != NEVER and (node.deadline.place == 0 or due < node.deadline.due):
        arm_ranked(&network.agenda, &node.deadline, node, AGENDA_HOST, due, rank(AGENDA_HOST, node.number))


cdef void schedule_application(network_t* network, application_t* application) noexcept nogil:
    if application.wake_at == NEVER:
        disarm(&network.agenda, &application.deadline)
    elif application.deadline.place == 0 or application.deadline.due != application.wake_at:
        arm_ranked(&network.agenda, &application.deadline, application, AGENDA_APPLICATION, application.wake_at,
                   rank(AGENDA_APPLICATION, application.number))


cdef int64_t network_next(network_t* network) noexcept nogil:
    """A host's time-outs move lazily: one on top that has moved is put where it belongs first."""
    cdef deadline_t* first
    cdef node_t* node
    cdef int64_t due
    while network.agenda.count:
        first = network.agenda.items[0].node
        if first.kind != AGENDA_HOST:
            break
        node = <node_t*> owner_of(first)
        due = next_deadline(node.host)
        if due <= first.due:
            break
        disarm(&network.agenda, &node.deadline)
        schedule_host(network, node)
    due = earliest(&network.agenda)
    # what came due while the clock stood elsewhere is due now
    return due if due > network.now else network.now if due != NEVER else NEVER


# ---- a host's turn


cdef void touch(node_t* node, const uint8_t* packet, uint32_t length) noexcept nogil:
    """The connection of a packet, if it is one of TCP over IPv4, is to be looked at after the event."""
    cdef names_t names
    cdef uint32_t header
    if length < 40 or packet[9] != PROTOCOL_TCP:
        return
    header = (packet[0] & 15) * 4
    if length < header + 4:
        return
    names.remote = address_of_ipv4(load32(packet + 12))
    names.local = address_of_ipv4(load32(packet + 16))
    names.ports = (<uint32_t> load16(packet + header + 2) << 16) | load16(packet + header)
    remember(node, &names)


cdef void remember(node_t* node, const names_t* names) noexcept nogil:
    cdef uint32_t last = node.touched_count - 1
    if node.touched_count and node.touched_count <= TOUCHED_MOST and (
            node.touched[last].ports == names.ports and node.touched[last].remote.low == names.remote.low):
        return
    if node.touched_count < TOUCHED_MOST:
        node.touched[node.touched_count] = names[0]
    if node.touched_count <= TOUCHED_MOST:
        node.touched_count += 1


cdef void flush(network_t* network, node_t* node) noexcept nogil:
    cdef outgoing_t out
    if node.host.transport.served.first != NULL:
        run_services(&node.host.transport, network.now)
    while is_anything_leaving(node.host) and next_frame(node.host, &out, network.now):
        if network.checker.on:
            check_sent(&network.checker, node.host, &out)
        device_write(node.host, &out, network.now)
    if node.host.transport.graveyard.first != NULL:
        bury(&node.host.transport)


cdef void collect_ready(network_t* network, node_t* node) noexcept nogil:
    """Applications among those to be woken are ours; threads that wait are not."""
    cdef link_t* link = node.host.transport.waking.first
    cdef link_t* following
    cdef waiter_t* waiter
    while link != NULL:
        following = link.next
        waiter = <waiter_t*> link.owner
        if waiter.descriptor < -1:
            list_remove(link)
            list_append(&network.ready, link, waiter)
        link = following
    if node.host.transport.waking.first != NULL:
        wake_waiters(node.host)


cdef void work(network_t* network, node_t* node, application_t* application) noexcept nogil:
    cdef bint done = application.done
    cdef names_t names
    cdef application_t* peer = application.peer
    cdef bint peer_done = peer != NULL and peer.done
    if network.checker.on:
        names.local = application.local
        names.remote = application.remote
        names.ports = (<uint32_t> application.local_port << 16) | application.remote_port
        remember(node, &names)
    application_work(application, network.now)
    if application.done and not done:
        network.unfinished -= 1
    if peer != NULL and peer.done and not peer_done:
        network.unfinished -= 1
    schedule_application(network, application)


cdef void serve(network_t* network, node_t* node) noexcept nogil:
    """Lets woken applications of the host work."""
    cdef link_t* link
    cdef waiter_t* waiter
    cdef application_t* application
    while network.ready.first != NULL:
        link = network.ready.first
        waiter = <waiter_t*> link.owner
        list_remove(link)
        if waiter.descriptor == WAITER_APPLICATION:
            work(network, node, <application_t*> waiter)
            continue
        application = door_admit(<door_t*> waiter, network.now)
        while application != NULL:
            work(network, node, application)
            application = door_admit(<door_t*> waiter, network.now)


cdef void look(network_t* network, node_t* node) noexcept nogil:
    """Checks and samples after an event."""
    cdef samples_t* samples = node.samples
    cdef names_t* names
    cdef uint32_t i
    while samples != NULL:
        take_sample(samples, network.now)
        samples = samples.next
    if not network.checker.on:
        return
    if node.touched_count > TOUCHED_MOST:
        check_connections(&network.checker, node.host)
    else:
        for i in range(node.touched_count):
            names = &node.touched[i]
            check_connection(&network.checker, node.host, &names.local, <uint16_t> (names.ports >> 16), &names.remote,
                             <uint16_t> names.ports)
    node.touched_count = 0
    check_host(&network.checker, node.host)


cdef void attend(network_t* network, node_t* node) noexcept nogil:
    """After an event at a host: what it made ready leaves, who waits is woken, and what is due next is noted."""
    flush(network, node)
    while node.host.transport.waking.first != NULL or network.ready.first != NULL:
        collect_ready(network, node)
        serve(network, node)
        flush(network, node)
    if node.out != NULL:
        schedule_way(network, node.out)
    schedule_host(network, node)
    if node.samples != NULL or network.checker.on:
        look(network, node)


# ---- frames


cdef void arrive(network_t* network, node_t* node, chunk_t* chunk) noexcept nogil:
    """A frame is the host's now; a chunk of the host's comes back for the one that it may keep."""
    cdef host_t* host = node.host
    cdef uint32_t link = ETHERNET_HEADER_LENGTH if host.interface.ethernet else 0
    cdef chunk_t* spare
    if network.checker.on and chunk.end - chunk.start > link:
        touch(node, chunk.data + chunk.start + link, chunk.end - chunk.start - link)
    chunk_move(&network.pool, &host.transport.pool, chunk)
    spare = device_enter(host, chunk, network.now)
    if spare == NULL and host.transport.pool.small != NULL:
        spare = chunk_take(&host.transport.pool, 1)
    if spare != NULL:
        chunk_move(&host.transport.pool, &network.pool, spare)
        chunk_give(&network.pool, spare)


cdef void flood(network_t* network, node_t* node, way_t* source, chunk_t* chunk) noexcept nogil:
    """Out of every port but the one it came in by, which leads back over the same link."""
    cdef chunk_t* copy
    cdef uint32_t size = chunk.end - chunk.start
    cdef uint32_t i
    node.flooded += 1
    for i in range(node.way_count):
        if node.ways[i].number ^ 1 == source.number:
            continue
        copy = chunk_take(&network.pool, size)
        if copy == NULL:
            continue
        memcpy(copy.data, chunk.data + chunk.start, size)
        copy.end = size
        impair_pass(node.ways[i].impair, copy, network.now)
        schedule_way(network, node.ways[i])
    chunk_give(&network.pool, chunk)


cdef uint32_t place_of(const network_t* network, uint64_t key) noexcept nogil:
    """The host's place in network.hosts; host_count when nobody has this address."""
    cdef uint64_t at = (key * 0x9e3779b97f4a7c15ULL) >> 40
    while network.keys[at & network.key_mask] != 0:
        if network.keys[at & network.key_mask] == key:
            return network.places[at & network.key_mask]
        at += 1
    return network.host_count


cdef void forward(network_t* network, node_t* node, way_t* source, chunk_t* chunk) noexcept nogil:
    """RFC-free: an Ethernet switch whose table is complete from the start; bare IP packets go by their address."""
    cdef const uint8_t* frame = chunk.data + chunk.start
    cdef uint64_t key
    cdef uint32_t place
    cdef way_t* way = NULL
    if source.impair.ethernet:
        key = load_mac(frame)
        if is_group_mac(key):
            flood(network, node, source, chunk)
            return
    else:
        key = load32(frame + 16) if chunk.end - chunk.start >= 20 else 0
    place = place_of(network, key)
    if place < network.host_count:
        way = node.routes[place]
    if way == NULL or way.number ^ 1 == source.number:
        node.unknown += 1
        chunk_give(&network.pool, chunk)
        return
    node.forwarded += 1
    impair_pass(way.impair, chunk, network.now)
    schedule_way(network, way)


cdef void deliver(network_t* network, way_t* way) noexcept nogil:
    """Everything that has arrived at the end of a way: a host sees it as one batch (SND-4)."""
    cdef node_t* node = way.target
    cdef impair_t* impair = way.impair
    cdef bint any = False
    cdef chunk_t* chunk
    while impair_due(impair) <= network.now:
        chunk = impair_take(impair, network.now)
        if chunk == NULL:
            # a change of the rate was due, and moved it
            continue
        any = True
        network.frames += 1
        trace_frame(&network.trace, network.now, way.number, chunk.data + chunk.start, chunk.end - chunk.start)
        if way.recorded:
            trace_record(&network.trace, network.now, way.number, chunk.data + chunk.start, chunk.end - chunk.start)
        if node.host != NULL:
            node.host.now = network.now
            arrive(network, node, chunk)
        else:
            forward(network, node, way, chunk)
    schedule_way(network, way)
    if any and node.host != NULL:
        attend(network, node)


# ---- the loop


cdef void carry_out(network_t* network) noexcept nogil:
    """The event on top of the agenda."""
    cdef deadline_t* first = network.agenda.items[0].node
    cdef node_t* node
    cdef application_t* application
    network.events += 1
    if first.kind == AGENDA_WAY:
        deliver(network, <way_t*> owner_of(first))
    elif first.kind == AGENDA_HOST:
        node = <node_t*> owner_of(first)
        disarm(&network.agenda, &node.deadline)
        node.host.now = network.now
        run_deadlines(node.host, network.now)
        node.touched_count = TOUCHED_MOST + 1
        attend(network, node)
    else:
        application = <application_t*> owner_of(first)
        disarm(&network.agenda, &application.deadline)
        node = network.nodes[application.node]
        node.host.now = network.now
        if application.waiter.waking_link.where == NULL:
            list_append(&network.ready, &application.waiter.waking_link, &application.waiter)
        attend(network, node)


cdef uint64_t network_run(network_t* network, int64_t time, uint64_t most, bint until_done) noexcept nogil:
    cdef uint64_t count = 0
    cdef int64_t due = network_next(network)
    while due <= time and due != NEVER and count < most and network.violation.invariant == NULL:
        if until_done and network.unfinished == 0:
            break
        network.now = due
        carry_out(network)
        count += 1
        due = network_next(network)
    return count


cdef void network_enter(network_t* network) noexcept nogil:
    """What the program did to hosts between two runs is attended to, as if it were an event."""
    cdef uint32_t i
    cdef node_t* node
    cdef application_t* application
    for i in range(network.host_count):
        node = network.hosts[i]
        enter(node.host)
        if node.host.now > network.now:
            network.now = node.host.now
    for i in range(network.host_count):
        network.hosts[i].host.now = network.now
    for i in range(network.application_count):
        application = network.applications[i]
        # a call from Python may have woken it in vain
        if application.waiter.signalled and application.waiter.waking_link.where == NULL:
            list_append(&network.nodes[application.node].host.transport.waking, &application.waiter.waking_link,
                        &application.waiter)
    for i in range(network.host_count):
        node = network.hosts[i]
        node.touched_count = TOUCHED_MOST + 1
        attend(network, node)


cdef void network_leave(network_t* network) noexcept nogil:
    cdef uint32_t i
    for i in range(network.host_count):
        network.hosts[i].host.now = network.now
        unlock(network.hosts[i].host)
