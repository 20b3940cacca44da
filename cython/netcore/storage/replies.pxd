"""A bounded queue of finished packets that belong to no connection: ARP, echo replies, ICMP errors, packets that
waited for a neighbor. Egress pulls from it; when it is full the newest is dropped and counted by the caller."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from netcore.posix cimport free, malloc, memset
from netcore.storage.chunks cimport chunk_give, chunk_pool_t, chunk_t

cdef enum:
    REPLIES_CAPACITY = 512
    # room kept in front of a packet for virtio and link headers
    HEADROOM = 32

cdef struct packet_t:
    # bytes data[start:end] from the network header on; start is at least HEADROOM
    chunk_t* chunk
    uint16_t ethertype
    # link destination; 0: to be resolved from the packet's next hop
    uint64_t destination_mac
    # segments of this many bytes of text are cut from it by the device (0: it is one packet)
    uint16_t gso_size
    uint8_t transport_offset
    uint16_t header_length
    bint needs_checksum

cdef struct replies_t:
    packet_t* items
    uint32_t first
    uint32_t count


cdef inline bint replies_open(replies_t* replies) noexcept nogil:
    memset(replies, 0, sizeof(replies_t))
    replies.items = <packet_t*> malloc(REPLIES_CAPACITY * sizeof(packet_t))
    return replies.items != NULL


cdef inline bint replies_put(replies_t* replies, const packet_t* packet) noexcept nogil:
    """False when full: the packet stays the caller's."""
    if replies.count == REPLIES_CAPACITY:
        return False
    replies.items[(replies.first + replies.count) % REPLIES_CAPACITY] = packet[0]
    replies.count += 1
    return True


cdef inline bint replies_take(replies_t* replies, packet_t* packet) noexcept nogil:
    if replies.count == 0:
        return False
    packet[0] = replies.items[replies.first]
    replies.first = (replies.first + 1) % REPLIES_CAPACITY
    replies.count -= 1
    return True


cdef inline void replies_close(replies_t* replies, chunk_pool_t* pool) noexcept nogil:
    cdef packet_t packet
    while replies_take(replies, &packet):
        chunk_give(pool, packet.chunk)
    free(replies.items)
    replies.items = NULL
