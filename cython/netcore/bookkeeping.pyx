"""Both walk everything that is kept, so that a slip shows in the event that made it."""

from libc.stdint cimport uint32_t
from netcore.storage.treap cimport treap_find, treap_node_t
from netcore.tcp.flight cimport SENT_LOST, SENT_SACKED, flight_t, sent_t
from netcore.tcp.seqnum cimport seq_gt, seq_lt
from netcore.tcp.tcb cimport range_t, reassembly_t, tcb_t


cdef bint is_stretch_right(const flight_t* flight, const treap_node_t* node, uint32_t start) noexcept nogil:
    cdef const sent_t* stretch = <const sent_t*> node.owner
    if node.start != start or not seq_gt(stretch.end, start) or stretch.segments == 0:
        return False
    if treap_find(&flight.sent, start) != node or (node.parent != NULL and node.parent.priority < node.priority):
        return False
    if stretch.marks & SENT_SACKED:
        return stretch.link.where == NULL and not stretch.marks & SENT_LOST
    if stretch.marks & SENT_LOST:
        return stretch.link.where == &flight.lost_order or stretch.link.where == &flight.lost_again_order
    return stretch.link.where == &flight.in_flight_order


cdef bint is_flight_right(const tcb_t* tcb) noexcept nogil:
    cdef const flight_t* flight = tcb.flight
    cdef const treap_node_t* node
    cdef const sent_t* stretch
    cdef uint32_t at = tcb.snd_una
    cdef uint32_t in_flight = 0
    cdef uint32_t sacked = 0
    cdef uint32_t sacked_segments = 0
    cdef uint32_t orders = 0
    if flight == NULL:
        return tcb.snd_una == tcb.snd_nxt and tcb.in_flight == 0 and tcb.sacked == 0 and tcb.sacked_segments == 0
    node = flight.sent.first
    while node != NULL:
        if not is_stretch_right(flight, node, at):
            return False
        stretch = <const sent_t*> node.owner
        at = stretch.end
        if stretch.marks & SENT_SACKED:
            sacked += stretch.end - node.start
            sacked_segments += stretch.segments
        else:
            orders += 1
            if not stretch.marks & SENT_LOST:
                in_flight += stretch.end - node.start
        node = node.next
    return (at == tcb.snd_nxt and in_flight == tcb.in_flight and sacked == tcb.sacked
            and sacked_segments == tcb.sacked_segments
            and orders == flight.in_flight_order.count + flight.lost_order.count + flight.lost_again_order.count)


cdef bint is_reassembly_right(const tcb_t* tcb) noexcept nogil:
    cdef const reassembly_t* held = tcb.reassembly
    cdef const range_t* place
    cdef uint32_t at = tcb.rcv_nxt
    cdef uint32_t i
    if held == NULL:
        return True
    for i in range(held.count):
        place = &held.ranges[i]
        if not seq_gt(place.start, at) or not seq_lt(place.start, place.end) or seq_gt(place.end, tcb.rcv_adv):
            return False
        if place.bytes.length != place.end - place.start:
            return False
        at = place.end
    return held.count != 0 or held.has_fin
