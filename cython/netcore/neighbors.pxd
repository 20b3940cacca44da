"""The neighbor cache: link addresses by ARP (RFC 826, RFC 1122 2.3.2), and the packets that wait for one."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from netcore.ip.routes cimport interface_t
from netcore.storage.deadlines cimport deadline_t
from netcore.storage.links cimport link_t, list_t
from netcore.storage.replies cimport packet_t, replies_t
from netcore.storage.slab cimport slab_t
from netcore.storage.table cimport table_node_t, table_t
from netcore.tcp.tcb cimport transport_t
from netcore.wire.address cimport address_t, same_address

cdef enum NeighborState:
    NEIGHBOR_INCOMPLETE = 0
    NEIGHBOR_REACHABLE = 1
    # its address is old: used on, while it is asked for again
    NEIGHBOR_PROBE = 2

cdef enum:
    WAITING_MOST = 256

cdef struct waiting_t:
    waiting_t* next
    packet_t packet

cdef struct neighbors_t

cdef struct neighbor_t:
    table_node_t node
    neighbors_t* neighbors
    address_t address
    uint64_t mac
    NeighborState state
    int64_t confirmed
    int tries
    deadline_t deadline
    # oldest confirmation first
    link_t age_link
    waiting_t* first_waiting
    waiting_t* last_waiting
    uint32_t waiting

cdef struct neighbors_t:
    transport_t* transport
    interface_t* interface
    replies_t* replies
    table_t table
    # the one that was asked for last; NULL: it is gone
    neighbor_t* last
    slab_t slab
    slab_t waiting_slab
    list_t by_age

cdef bint neighbors_open(neighbors_t* neighbors, transport_t* transport, interface_t* interface,
                         replies_t* replies) noexcept nogil
cdef void neighbors_close(neighbors_t* neighbors) noexcept nogil
# The link address of an on-link address; 0 while it is not known: then it is being asked for, and the packet is to be
# left with `wait_for_neighbor`.
cdef uint64_t resolve(neighbors_t* neighbors, const address_t* address, int64_t now) noexcept nogil
# Takes the packet over. Beyond the bound the oldest waiting one is dropped (RFC 1122 2.3.2.2 keeps the latest).
cdef void wait_for_neighbor(neighbors_t* neighbors, const address_t* address, const packet_t* packet) noexcept nogil
cdef void arp_arrives(neighbors_t* neighbors, const uint8_t* octets, uint32_t length, int64_t now) noexcept nogil
cdef void expire_neighbor(neighbor_t* neighbor, int64_t now) noexcept nogil


cdef inline uint64_t known_neighbor(const neighbors_t* neighbors, const address_t* address, int64_t now) noexcept nogil:
    """The link address of the neighbor that was asked for last; 0: of another, or `resolve` is to look at it."""
    cdef const neighbor_t* last = neighbors.last
    if (last == NULL or not same_address(&last.address, address) or last.state != NEIGHBOR_REACHABLE
            or now - last.confirmed > neighbors.transport.tunables.neighbor_lifetime):
        return 0
    return last.mac
