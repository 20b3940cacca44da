"""The stretches of one connection; `in_flight`, `sacked` and `sacked_segments` of the connection always agree."""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from netcore.storage.links cimport (
    list_append, list_first, list_insert_behind, list_last, list_prepend, list_remove, list_t,
)
from netcore.storage.random cimport random_next
from netcore.storage.slab cimport slab_give, slab_grow, slab_take
from netcore.storage.treap cimport treap_find, treap_insert_after, treap_node_t, treap_remove
from netcore.tcp.delivery cimport count_delivered, stamp_sent
from netcore.tcp.flight cimport SENT_AGAIN, SENT_LOST, SENT_SACKED, ack_sample_t, flight_t, sent_t
from netcore.tcp.seqnum cimport seq_geq, seq_gt, seq_leq, seq_lt
from netcore.tcp.tcb cimport flight_size, tcb_t, timestamp_now
from netcore.wire.tcp cimport segment_t

cdef enum:
    # stretches beyond two for each full segment that SACK may make
    SPLITS_SPARE = 256


cdef inline uint32_t length_of(const sent_t* stretch) noexcept nogil:
    return stretch.end - stretch.node.start


cdef inline sent_t* owner_of(treap_node_t* node) noexcept nogil:
    return <sent_t*> node.owner if node != NULL else NULL


cdef inline sent_t* following(const sent_t* stretch) noexcept nogil:
    return owner_of(stretch.node.next)


cdef sent_t* first_sent(tcb_t* tcb) noexcept nogil:
    return owner_of(tcb.flight.sent.first) if tcb.flight != NULL else NULL


cdef sent_t* last_sent(tcb_t* tcb) noexcept nogil:
    return owner_of(tcb.flight.sent.last) if tcb.flight != NULL else NULL


cdef sent_t* first_lost(tcb_t* tcb) noexcept nogil:
    if tcb.flight == NULL:
        return NULL
    if tcb.flight.lost_again_order.first != NULL:
        return <sent_t*> list_first(&tcb.flight.lost_again_order)
    return <sent_t*> list_first(&tcb.flight.lost_order)


cdef sent_t* oldest_in_flight(tcb_t* tcb) noexcept nogil:
    return <sent_t*> list_first(&tcb.flight.in_flight_order) if tcb.flight != NULL else NULL


cdef bint make_place(tcb_t* tcb) noexcept nogil:
    if tcb.flight == NULL:
        tcb.flight = <flight_t*> slab_take(&tcb.transport.flights)
    return tcb.flight != NULL and (tcb.transport.sents.free != NULL or slab_grow(&tcb.transport.sents))


cdef inline void insert_behind(tcb_t* tcb, treap_node_t* before, sent_t* stretch, uint32_t start) noexcept nogil:
    treap_insert_after(&tcb.flight.sent, before, &stretch.node, stretch, start,
                       <uint32_t> (random_next(&tcb.transport.priorities) >> 32))
    # LIM-2: with a small MSS, or cut by a peer's blocks, they are more than the text
    tcb.transport.pool.in_use += sizeof(sent_t)


cdef inline void enter_flight(tcb_t* tcb, sent_t* stretch, int64_t now) noexcept nogil:
    stamp_sent(tcb, stretch, now)
    stretch.tsval = timestamp_now(tcb, now)
    tcb.in_flight += length_of(stretch)
    list_append(&tcb.flight.in_flight_order, &stretch.link, stretch)


cdef inline void leave_orders(tcb_t* tcb, sent_t* stretch) noexcept nogil:
    """Out of the order it stands in, and of what is in flight if that was it."""
    if stretch.link.where == &tcb.flight.in_flight_order:
        tcb.in_flight -= length_of(stretch)
    list_remove(&stretch.link)
    stretch.marks &= ~SENT_LOST


cdef sent_t* sent_first(tcb_t* tcb, uint32_t start, uint32_t end, uint32_t segments, int64_t now) noexcept nogil:
    cdef sent_t* stretch
    if not may_record(tcb):
        return NULL
    stretch = <sent_t*> slab_take(&tcb.transport.sents)
    if stretch == NULL:
        return NULL
    stretch.end = end
    stretch.segments = segments
    insert_behind(tcb, tcb.flight.sent.last, stretch, start)
    enter_flight(tcb, stretch, now)
    return stretch


cdef void sent_again(tcb_t* tcb, sent_t* stretch, int64_t now) noexcept nogil:
    leave_orders(tcb, stretch)
    stretch.marks |= SENT_AGAIN
    enter_flight(tcb, stretch, now)


cdef inline void remove(tcb_t* tcb, sent_t* stretch) noexcept nogil:
    treap_remove(&tcb.flight.sent, &stretch.node)
    tcb.transport.pool.in_use -= sizeof(sent_t)
    slab_give(&tcb.transport.sents, stretch)


cdef void forget(tcb_t* tcb, sent_t* stretch) noexcept nogil:
    leave_orders(tcb, stretch)
    if stretch.marks & SENT_SACKED:
        tcb.sacked -= length_of(stretch)
        tcb.sacked_segments -= stretch.segments
    remove(tcb, stretch)


cdef void close_flight(tcb_t* tcb) noexcept nogil:
    """LIM-1: an idle connection keeps nothing of it."""
    if tcb.flight != NULL and tcb.flight.sent.first == NULL:
        slab_give(&tcb.transport.flights, tcb.flight)
        tcb.flight = NULL


cdef void forget_sent(tcb_t* tcb) noexcept nogil:
    while first_sent(tcb) != NULL:
        forget(tcb, first_sent(tcb))
    close_flight(tcb)


cdef inline uint32_t share_of(uint32_t segments, uint32_t part, uint32_t whole) noexcept nogil:
    """Of so many segments over `whole` numbers, how many `part` of them take, rounded up."""
    return <uint32_t> ((<uint64_t> segments * part + whole - 1) // whole)


cdef sent_t* split(tcb_t* tcb, sent_t* stretch, uint32_t at) noexcept nogil:
    cdef sent_t* rest = <sent_t*> slab_take(&tcb.transport.sents)
    cdef uint32_t whole = length_of(stretch)
    cdef uint32_t part
    if rest == NULL:
        return NULL
    rest.end = stretch.end
    rest.marks = stretch.marks
    rest.tsval = stretch.tsval
    rest.sent_at = stretch.sent_at
    rest.delivered = stretch.delivered
    rest.delivered_at = stretch.delivered_at
    rest.first_sent = stretch.first_sent
    rest.in_flight = stretch.in_flight
    stretch.end = at
    part = share_of(stretch.segments, at - stretch.node.start, whole)
    rest.segments = stretch.segments - part if part < stretch.segments else 1
    if rest.marks & SENT_SACKED:
        tcb.sacked_segments += part + rest.segments - stretch.segments
    stretch.segments = part
    insert_behind(tcb, &stretch.node, rest, at)
    list_insert_behind(&stretch.link, &rest.link, rest)
    return rest


cdef void join_lost(tcb_t* tcb, sent_t* stretch, uint32_t most) noexcept nogil:
    cdef sent_t* after = following(stretch)
    while after != NULL and after.marks & SENT_LOST and after.end - stretch.node.start <= most:
        stretch.end = after.end
        stretch.segments += after.segments
        list_remove(&after.link)
        remove(tcb, after)
        after = following(stretch)


cdef void mark_lost(tcb_t* tcb, sent_t* stretch) noexcept nogil:
    leave_orders(tcb, stretch)
    stretch.marks |= SENT_LOST
    tcb.lost += length_of(stretch)
    if stretch.marks & SENT_AGAIN:
        list_append(&tcb.flight.lost_again_order, &stretch.link, stretch)
    else:
        list_append(&tcb.flight.lost_order, &stretch.link, stretch)


cdef void mark_expired(tcb_t* tcb, int64_t sent_by, bint reneged) noexcept nogil:
    cdef sent_t* stretch = first_sent(tcb)
    cdef bint first = True
    while stretch != NULL:
        if stretch.marks & SENT_SACKED and reneged:
            # delivered counts once; only what may be in flight is set right. Its next ACK will not tell when it arrived
            tcb.sacked -= length_of(stretch)
            tcb.sacked_segments -= stretch.segments
            stretch.marks = (stretch.marks & ~SENT_SACKED) | SENT_AGAIN
        if not stretch.marks & (SENT_SACKED | SENT_LOST) and (first or stretch.sent_at <= sent_by):
            mark_lost(tcb, stretch)
        if stretch.marks & SENT_LOST:
            # each takes its place in sequence order
            list_remove(&stretch.link)
            list_append(&tcb.flight.lost_order, &stretch.link, stretch)
        first = False
        stretch = following(stretch)


cdef void unmark_all(tcb_t* tcb, list_t* order) noexcept nogil:
    cdef sent_t* stretch = <sent_t*> list_last(order)
    while stretch != NULL:
        tcb.lost -= length_of(stretch)
        leave_orders(tcb, stretch)
        list_prepend(&tcb.flight.in_flight_order, &stretch.link, stretch)
        tcb.in_flight += length_of(stretch)
        stretch = <sent_t*> list_last(order)


cdef void unmark_lost(tcb_t* tcb) noexcept nogil:
    if tcb.flight != NULL:
        # they went before all that is in flight, or they would not have counted as lost: the last of them first
        unmark_all(tcb, &tcb.flight.lost_again_order)
        unmark_all(tcb, &tcb.flight.lost_order)


cdef bint is_answer_to_an_earlier_copy(const tcb_t* tcb, const sent_t* stretch, const segment_t* seg,
                                       int64_t rtt) noexcept nogil:
    """RFC 8985 6.2 step 2. The echo is that of the segment which made the ACK advance (RFC 7323 4.3): of one that is
    only SACKed it says nothing."""
    return rtt < tcb.min_rtt or (tcb.timestamps and seg.has_timestamps and seq_leq(stretch.end, seg.ack)
                                 and <int32_t> (seg.tsecr - stretch.tsval) < 0)


cdef void deliver(tcb_t* tcb, sent_t* stretch, const segment_t* seg, ack_sample_t* sample, int64_t now) noexcept nogil:
    """A stretch arrived that was not known to have: rate, round trip, order, and what RACK compares with."""
    cdef int64_t rtt = now - stretch.sent_at
    count_delivered(tcb, stretch, sample, now)
    if not stretch.marks & SENT_AGAIN:
        # RFC 5682 asks of what was outstanding at the time-out
        if seq_leq(stretch.end, tcb.recover):
            sample.sent_once = True
        if rtt > sample.oldest_rtt:
            sample.oldest_rtt = rtt
        if sample.rtt == 0 or rtt < sample.rtt:
            sample.rtt = rtt if rtt > 0 else 1
        # RFC 8985 6.2 step 3
        if seq_lt(stretch.end, sample.prior_fack):
            sample.reordered = True
    if seq_gt(stretch.end, tcb.rack_fack):
        tcb.rack_fack = stretch.end
    if stretch.marks & SENT_AGAIN and is_answer_to_an_earlier_copy(tcb, stretch, seg, rtt):
        return
    if (sample.newest_sent < 0 or stretch.sent_at > sample.newest_sent
            or (stretch.sent_at == sample.newest_sent and seq_gt(stretch.end, sample.newest_end))):
        sample.newest_sent = stretch.sent_at
        sample.newest_end = stretch.end
        sample.newest_rtt = rtt if rtt > 0 else 1


cdef void join_sacked(tcb_t* tcb, sent_t* stretch) noexcept nogil:
    """One stretch of what is SACKed without a gap, so that a block that is reported again costs one step."""
    cdef sent_t* after = following(stretch)
    cdef sent_t* before = owner_of(stretch.node.previous)
    if after != NULL and after.marks & SENT_SACKED:
        stretch.end = after.end
        stretch.segments += after.segments
        remove(tcb, after)
    if before != NULL and before.marks & SENT_SACKED:
        before.end = stretch.end
        before.segments += stretch.segments
        remove(tcb, stretch)


cdef bint may_split(const tcb_t* tcb) noexcept nogil:
    """LIM-4: an honest peer's blocks begin and end where segments do; one that SACKs single bytes takes no memory."""
    return tcb.flight.sent.count < 2 * (flight_size(tcb) // tcb.eff_mss) + SPLITS_SPARE


cdef void take_block(tcb_t* tcb, const segment_t* seg, uint32_t start, uint32_t end, ack_sample_t* sample,
                     int64_t now) noexcept nogil:
    cdef sent_t* stretch
    cdef uint32_t until
    if tcb.flight == NULL:
        return
    stretch = owner_of(treap_find(&tcb.flight.sent, start))
    if stretch == NULL:
        stretch = first_sent(tcb)
    while stretch != NULL and seq_lt(stretch.node.start, end):
        until = stretch.end
        if stretch.marks & SENT_SACKED or not seq_gt(until, start):
            stretch = following(stretch)
            continue
        if (seq_lt(stretch.node.start, start) or seq_gt(stretch.end, end)) and not may_split(tcb):
            return
        if seq_lt(stretch.node.start, start):
            stretch = split(tcb, stretch, start)
            if stretch == NULL:
                return
        if seq_gt(stretch.end, end) and split(tcb, stretch, end) == NULL:
            return
        until = stretch.end
        deliver(tcb, stretch, seg, sample, now)
        leave_orders(tcb, stretch)
        stretch.marks |= SENT_SACKED
        tcb.sacked += length_of(stretch)
        tcb.sacked_segments += stretch.segments
        join_sacked(tcb, stretch)
        if until == end:
            return
        stretch = owner_of(treap_find(&tcb.flight.sent, until))


cdef bint is_dsack(const tcb_t* tcb, const segment_t* seg) noexcept nogil:
    """RFC 2883 4: the first block lies below the ACK, or within the second."""
    if seq_leq(seg.sack_end[0], seg.ack):
        return True
    return (seg.sack_count > 1 and seq_geq(seg.sack_start[0], seg.sack_start[1])
            and seq_leq(seg.sack_end[0], seg.sack_end[1]))


cdef void take_sack(tcb_t* tcb, const segment_t* seg, ack_sample_t* sample, int64_t now) noexcept nogil:
    cdef uint32_t i
    cdef uint32_t first = 0
    if seg.sack_count and is_dsack(tcb, seg):
        first = 1
        # a report of what lies further back than any window reached says nothing about what is sent now
        if (seq_lt(seg.sack_start[0], seg.sack_end[0]) and seq_leq(seg.sack_end[0], tcb.snd_nxt)
                and seq_gt(seg.sack_start[0], tcb.snd_una - tcb.max_snd_wnd - 1)):
            sample.dsack = True
            tcb.transport.counters.TCPDSACKRecv += 1
            sample.dsack_start = seg.sack_start[0]
            sample.dsack_end = seg.sack_end[0]
    for i in range(first, seg.sack_count):
        # blocks that no honest receiver sends, and those an old ACK brings late, are passed over
        if (seq_lt(seg.sack_start[i], seg.sack_end[i]) and seq_leq(seg.sack_end[i], tcb.snd_nxt)
                and seq_gt(seg.sack_start[i], tcb.snd_una)):
            take_block(tcb, seg, seg.sack_start[i], seg.sack_end[i], sample, now)


cdef void acknowledge_part(tcb_t* tcb, sent_t* stretch, const segment_t* seg, ack_sample_t* sample,
                           int64_t now) noexcept nogil:
    """The stretch begins at the ACK from now on; it needs no second one, so it cannot fail for want of memory."""
    cdef sent_t part = stretch[0]
    cdef uint32_t whole = length_of(stretch)
    cdef uint32_t size = seg.ack - stretch.node.start
    cdef uint32_t left = share_of(stretch.segments, whole - size, whole)
    part.end = seg.ack
    if stretch.marks & SENT_SACKED:
        tcb.sacked -= size
        tcb.sacked_segments -= stretch.segments - left
    else:
        deliver(tcb, &part, seg, sample, now)
        if not stretch.marks & SENT_LOST:
            tcb.in_flight -= size
    stretch.node.start = seg.ack
    stretch.segments = left


cdef void take_cumulative(tcb_t* tcb, const segment_t* seg, ack_sample_t* sample, int64_t now) noexcept nogil:
    cdef sent_t* stretch = first_sent(tcb)
    while stretch != NULL and seq_lt(stretch.node.start, seg.ack):
        if seq_gt(stretch.end, seg.ack):
            acknowledge_part(tcb, stretch, seg, sample, now)
            return
        if not stretch.marks & SENT_SACKED:
            deliver(tcb, stretch, seg, sample, now)
        forget(tcb, stretch)
        stretch = first_sent(tcb)
    close_flight(tcb)
