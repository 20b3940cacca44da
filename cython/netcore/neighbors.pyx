"""ARP: learning, asking, answering; every queue and table is bounded."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from netcore.posix cimport memset
from netcore.storage.chunks cimport chunk_give, chunk_take
from netcore.storage.deadlines cimport arm, deadlines_release, deadlines_reserve, disarm
from netcore.storage.links cimport list_append, list_first, list_remove
from netcore.storage.replies cimport HEADROOM, packet_t, replies_put, replies_t
from netcore.storage.slab cimport slab_close, slab_give, slab_open, slab_take
from netcore.storage.table cimport table_chain, table_close, table_insert, table_node_t, table_open, table_remove
from netcore.tcp.isn cimport hash_four_tuple
from netcore.tcp.tcb cimport DEADLINE_NEIGHBOR, transport_t
from netcore.ip.routes cimport interface_t, is_on_link, is_worth_an_answer
from netcore.wire.address cimport address_of_ipv4, address_t, ipv4_of_address, same_address
from netcore.wire.arp cimport ARP_LENGTH, ARP_REPLY, ARP_REQUEST, arp_t, build_arp, parse_arp
from netcore.wire.ethernet cimport ETHERTYPE_ARP, broadcast_mac, is_group_mac


cdef bint neighbors_open(neighbors_t* neighbors, transport_t* transport, interface_t* interface,
                         replies_t* replies) noexcept nogil:
    memset(neighbors, 0, sizeof(neighbors_t))
    neighbors.transport = transport
    neighbors.interface = interface
    neighbors.replies = replies
    slab_open(&neighbors.slab, sizeof(neighbor_t))
    slab_open(&neighbors.waiting_slab, sizeof(waiting_t))
    return table_open(&neighbors.table, 64)


cdef void neighbors_close(neighbors_t* neighbors) noexcept nogil:
    while neighbors.by_age.first != NULL:
        forget(<neighbor_t*> list_first(&neighbors.by_age))
    table_close(&neighbors.table)
    slab_close(&neighbors.slab)
    slab_close(&neighbors.waiting_slab)


cdef uint32_t hash_address(neighbors_t* neighbors, const address_t* address) noexcept nogil:
    return <uint32_t> hash_four_tuple(&neighbors.transport.table_key, address, 0, address, 0)


cdef neighbor_t* find(neighbors_t* neighbors, const address_t* address) noexcept nogil:
    cdef table_node_t* node
    if neighbors.last != NULL and same_address(&neighbors.last.address, address):
        return neighbors.last
    node = table_chain(&neighbors.table, hash_address(neighbors, address))
    while node != NULL:
        if same_address(&(<neighbor_t*> node).address, address):
            neighbors.last = <neighbor_t*> node
            return neighbors.last
        node = node.next
    return NULL


cdef void drop_oldest_waiting(neighbor_t* neighbor) noexcept nogil:
    cdef waiting_t* waiting = neighbor.first_waiting
    neighbor.first_waiting = waiting.next
    if waiting.next == NULL:
        neighbor.last_waiting = NULL
    neighbor.waiting -= 1
    chunk_give(&neighbor.neighbors.transport.pool, waiting.packet.chunk)
    slab_give(&neighbor.neighbors.waiting_slab, waiting)
    neighbor.neighbors.transport.counters.NeighborQueueDrops += 1


cdef void forget(neighbor_t* neighbor) noexcept nogil:
    cdef neighbors_t* neighbors = neighbor.neighbors
    while neighbor.first_waiting != NULL:
        drop_oldest_waiting(neighbor)
    if neighbors.last == neighbor:
        neighbors.last = NULL
    disarm(&neighbors.transport.deadlines, &neighbor.deadline)
    deadlines_release(&neighbors.transport.deadlines)
    table_remove(&neighbors.table, &neighbor.node)
    list_remove(&neighbor.age_link)
    slab_give(&neighbors.slab, neighbor)


cdef neighbor_t* remember(neighbors_t* neighbors, const address_t* address) noexcept nogil:
    """A new entry; the one confirmed longest ago makes room when there are too many."""
    cdef neighbor_t* neighbor
    if neighbors.table.count >= neighbors.transport.tunables.neighbor_limit:
        forget(<neighbor_t*> list_first(&neighbors.by_age))
    if not deadlines_reserve(&neighbors.transport.deadlines):
        return NULL
    neighbor = <neighbor_t*> slab_take(&neighbors.slab)
    if neighbor == NULL:
        deadlines_release(&neighbors.transport.deadlines)
        return NULL
    neighbor.neighbors = neighbors
    neighbor.address = address[0]
    table_insert(&neighbors.table, &neighbor.node, hash_address(neighbors, address))
    list_append(&neighbors.by_age, &neighbor.age_link, neighbor)
    return neighbor


cdef void send_arp(neighbors_t* neighbors, int operation, uint64_t link_destination, uint64_t target_mac,
                   uint32_t target) noexcept nogil:
    cdef arp_t arp
    cdef packet_t packet
    memset(&packet, 0, sizeof(packet))
    packet.chunk = chunk_take(&neighbors.transport.pool, 128)
    if packet.chunk == NULL:
        return
    arp.operation = <unsigned short> operation
    arp.sender_mac = neighbors.interface.mac
    arp.sender_address = ipv4_of_address(&neighbors.interface.address)
    arp.target_mac = target_mac
    arp.target_address = target
    packet.chunk.start = HEADROOM
    packet.chunk.end = HEADROOM + ARP_LENGTH
    build_arp(packet.chunk.data + HEADROOM, &arp)
    packet.ethertype = ETHERTYPE_ARP
    packet.destination_mac = link_destination
    if not replies_put(neighbors.replies, &packet):
        neighbors.transport.counters.ReplyDrops += 1
        chunk_give(&neighbors.transport.pool, packet.chunk)


cdef void ask(neighbor_t* neighbor, int64_t now) noexcept nogil:
    """A request: to the known address while that is only old (RFC 1122 2.3.2.1), else to all."""
    cdef neighbors_t* neighbors = neighbor.neighbors
    cdef uint64_t link_destination = broadcast_mac()
    if neighbor.state == NEIGHBOR_PROBE and neighbor.tries == 0:
        link_destination = neighbor.mac
    neighbor.tries += 1
    neighbors.transport.counters.ArpOutRequests += 1
    send_arp(neighbors, ARP_REQUEST, link_destination, 0, ipv4_of_address(&neighbor.address))
    arm(&neighbors.transport.deadlines, &neighbor.deadline, neighbor, DEADLINE_NEIGHBOR,
        now + neighbors.transport.tunables.neighbor_retry)


cdef uint64_t resolve(neighbors_t* neighbors, const address_t* address, int64_t now) noexcept nogil:
    cdef neighbor_t* neighbor = find(neighbors, address)
    if neighbor == NULL:
        neighbor = remember(neighbors, address)
        if neighbor != NULL:
            ask(neighbor, now)
        return 0
    if neighbor.state == NEIGHBOR_INCOMPLETE:
        return 0
    if (neighbor.state == NEIGHBOR_REACHABLE
            and now - neighbor.confirmed > neighbors.transport.tunables.neighbor_lifetime):
        neighbor.state = NEIGHBOR_PROBE
        neighbor.tries = 0
        ask(neighbor, now)
    return neighbor.mac


cdef void wait_for_neighbor(neighbors_t* neighbors, const address_t* address, const packet_t* packet) noexcept nogil:
    cdef neighbor_t* neighbor = find(neighbors, address)
    cdef waiting_t* waiting = NULL
    if neighbor != NULL:
        if neighbor.waiting and neighbor.waiting >= neighbors.transport.tunables.neighbor_queue:
            drop_oldest_waiting(neighbor)
        # LIM-2: as many queues as there are neighbors would hold more than the limit
        if neighbors.transport.pool.in_use <= neighbors.transport.tunables.memory_limit:
            waiting = <waiting_t*> slab_take(&neighbors.waiting_slab)
    if waiting == NULL:
        neighbors.transport.counters.NeighborQueueDrops += 1
        chunk_give(&neighbors.transport.pool, packet.chunk)
        return
    waiting.packet = packet[0]
    if neighbor.last_waiting != NULL:
        neighbor.last_waiting.next = waiting
    else:
        neighbor.first_waiting = waiting
    neighbor.last_waiting = waiting
    neighbor.waiting += 1


cdef void release_waiting(neighbor_t* neighbor) noexcept nogil:
    cdef neighbors_t* neighbors = neighbor.neighbors
    cdef waiting_t* waiting = neighbor.first_waiting
    cdef waiting_t* following
    neighbor.first_waiting = neighbor.last_waiting = NULL
    neighbor.waiting = 0
    while waiting != NULL:
        following = waiting.next
        waiting.packet.destination_mac = neighbor.mac
        if not replies_put(neighbors.replies, &waiting.packet):
            neighbors.transport.counters.NeighborQueueDrops += 1
            chunk_give(&neighbors.transport.pool, waiting.packet.chunk)
        slab_give(&neighbors.waiting_slab, waiting)
        waiting = following


cdef void confirm(neighbor_t* neighbor, uint64_t mac, int64_t now) noexcept nogil:
    neighbor.mac = mac
    neighbor.state = NEIGHBOR_REACHABLE
    neighbor.confirmed = now
    neighbor.tries = 0
    disarm(&neighbor.neighbors.transport.deadlines, &neighbor.deadline)
    list_remove(&neighbor.age_link)
    list_append(&neighbor.neighbors.by_age, &neighbor.age_link, neighbor)
    release_waiting(neighbor)


cdef void arp_arrives(neighbors_t* neighbors, const uint8_t* octets, uint32_t length, int64_t now) noexcept nogil:
    cdef arp_t arp
    cdef address_t sender
    cdef neighbor_t* neighbor = NULL
    cdef bint for_us
    if not parse_arp(octets, length, &arp):
        neighbors.transport.counters.FramesBad += 1
        return
    if arp.operation == ARP_REQUEST:
        neighbors.transport.counters.ArpInRequests += 1
    elif arp.operation == ARP_REPLY:
        neighbors.transport.counters.ArpInReplies += 1
    else:
        return
    if is_group_mac(arp.sender_mac) or arp.sender_mac == 0 or arp.sender_mac == neighbors.interface.mac:
        return
    sender = address_of_ipv4(arp.sender_address)
    for_us = arp.target_address == ipv4_of_address(&neighbors.interface.address)
    if is_worth_an_answer(neighbors.interface, &sender) and is_on_link(neighbors.interface, &sender):
        # RFC 826: a known sender is merged whatever the target; an unknown one is learnt when it asks for us
        neighbor = find(neighbors, &sender)
        if neighbor == NULL and for_us and arp.operation == ARP_REQUEST:
            neighbor = remember(neighbors, &sender)
        if neighbor != NULL:
            confirm(neighbor, arp.sender_mac, now)
    if for_us and arp.operation == ARP_REQUEST:
        # a sender of 0.0.0.0 is a probe (RFC 5227 2.1) and is answered as well
        neighbors.transport.counters.ArpOutReplies += 1
        send_arp(neighbors, ARP_REPLY, arp.sender_mac, arp.sender_mac, arp.sender_address)


cdef void expire_neighbor(neighbor_t* neighbor, int64_t now) noexcept nogil:
    if neighbor.state == NEIGHBOR_REACHABLE:
        return
    if neighbor.tries < neighbor.neighbors.transport.tunables.neighbor_tries:
        ask(neighbor, now)
        return
    neighbor.neighbors.transport.counters.NeighborFailures += 1
    forget(neighbor)
