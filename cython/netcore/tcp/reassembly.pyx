"""The ranges of out-of-order bytes of one connection (SEG-7, SEG-15)."""

from libc.stdint cimport int32_t, uint8_t, uint32_t
from netcore.posix cimport memmove, memset
from netcore.storage.byte_queue cimport byte_queue_t, queue_append, queue_clear, queue_drop, queue_join
from netcore.storage.slab cimport slab_give, slab_take
from netcore.tcp.seqnum cimport seq_geq, seq_gt, seq_leq, seq_lt
from netcore.tcp.tcb cimport RANGES_MOST, RECENT_MOST, TWICE_MOST, range_t, reassembly_t, tcb_t
from netcore.wire.tcp cimport FIN, segment_t


cdef uint32_t first_ending_at_or_after(const reassembly_t* held, uint32_t seq) noexcept nogil:
    """Index of the first range whose end is not left of `seq`."""
    cdef uint32_t low = 0
    cdef uint32_t high = held.count
    cdef uint32_t middle
    while low < high:
        middle = (low + high) // 2
        if seq_lt(held.ranges[middle].end, seq):
            low = middle + 1
        else:
            high = middle
    return low


cdef bint open_reassembly(tcb_t* tcb) noexcept nogil:
    if tcb.reassembly == NULL:
        tcb.reassembly = <reassembly_t*> slab_take(&tcb.transport.reassemblies)
    return tcb.reassembly != NULL


cdef bint insert_range(tcb_t* tcb, uint32_t index, uint32_t seq, const uint8_t* text, uint32_t length) noexcept nogil:
    cdef reassembly_t* held = tcb.reassembly
    cdef range_t* place = &held.ranges[index]
    cdef byte_queue_t bytes
    if held.count >= tcb.transport.tunables.maximum_holes or held.count >= RANGES_MOST:
        return False
    memset(&bytes, 0, sizeof(bytes))
    if not queue_append(&bytes, &tcb.transport.pool, text, length):
        queue_clear(&bytes, &tcb.transport.pool)
        return False
    memmove(place + 1, place, (held.count - index) * sizeof(range_t))
    held.count += 1
    place.start = seq
    place.end = seq + length
    place.bytes = bytes
    return True


cdef bint extend_left(tcb_t* tcb, range_t* place, const uint8_t* text, uint32_t length) noexcept nogil:
    """Text that ends where a range begins needs no place of its own."""
    cdef byte_queue_t bytes
    memset(&bytes, 0, sizeof(bytes))
    if not queue_append(&bytes, &tcb.transport.pool, text, length):
        queue_clear(&bytes, &tcb.transport.pool)
        return False
    queue_join(&bytes, &place.bytes, &tcb.transport.pool)
    place.bytes = bytes
    place.start -= length
    return True


cdef void join_followers(tcb_t* tcb, uint32_t index) noexcept nogil:
    """Merges ranges that the one at `index` has come to touch."""
    cdef reassembly_t* held = tcb.reassembly
    cdef range_t* place = &held.ranges[index]
    cdef range_t* following
    while index + 1 < held.count:
        following = place + 1
        if seq_gt(following.start, place.end):
            return
        queue_join(&place.bytes, &following.bytes, &tcb.transport.pool)
        place.end = following.end
        memmove(following, following + 1, (held.count - index - 2) * sizeof(range_t))
        held.count -= 1


cdef bint keep_out_of_order(tcb_t* tcb, uint32_t seq, const uint8_t* text, uint32_t length) noexcept nogil:
    cdef bint whole = lay_down(tcb, seq, text, length)
    if tcb.reassembly != NULL:
        note_recent(tcb.reassembly, seq)
    return whole


cdef bint lay_down(tcb_t* tcb, uint32_t seq, const uint8_t* text, uint32_t length) noexcept nogil:
    cdef reassembly_t* held
    cdef range_t* place
    cdef uint32_t index, part
    cdef uint32_t end = seq + length
    cdef bint twice = False
    if tcb.transport.pool.in_use > tcb.transport.tunables.memory_limit or not open_reassembly(tcb):
        # LIM-2: what lies beyond a hole is sent again when there is room
        return False
    held = tcb.reassembly
    # the segment is laid down piece by piece into the gaps between what is held
    while length:
        index = first_ending_at_or_after(held, seq)
        if index == held.count:
            return insert_range(tcb, index, seq, text, length)
        place = &held.ranges[index]
        if seq_lt(seq, place.start):
            part = place.start - seq
            if length < part:
                return insert_range(tcb, index, seq, text, length)
            if not extend_left(tcb, place, text, part):
                return False
        elif seq == place.end:
            part = length
            if index + 1 < held.count and seq_lt((place + 1).start, end):
                part = (place + 1).start - seq
            if not queue_append(&place.bytes, &tcb.transport.pool, text, part):
                # what was copied is right; the range's end tells how much
                place.end = place.start + <uint32_t> place.bytes.length
                return False
            place.end += part
            join_followers(tcb, index)
        else:
            # SEG-7: bytes already received stay as they are
            part = place.end - seq if seq_lt(place.end, end) else length
            if not twice:
                # RFC 2883 4.2.3: of several parts of one segment the first is reported
                note_duplicate(tcb, seq, seq + part)
                tcb.transport.counters.TCPDSACKOfoSent += tcb.sack
            twice = True
        seq += part
        text += part
        length -= part
    return True


cdef range_t* range_of(reassembly_t* held, uint32_t seq) noexcept nogil:
    """The range that holds `seq`; NULL: none does."""
    cdef uint32_t index = first_ending_at_or_after(held, seq + 1)
    if index == held.count or seq_gt(held.ranges[index].start, seq):
        return NULL
    return &held.ranges[index]


cdef void note_recent(reassembly_t* held, uint32_t seq) noexcept nogil:
    """The range of `seq` is the one that changed last; it stands once in the order."""
    cdef range_t* place = range_of(held, seq)
    cdef uint32_t kept = 0
    cdef uint32_t fresh = 0
    cdef uint32_t order[RECENT_MOST]
    cdef uint32_t i
    if place == NULL:
        return
    for i in range(held.recent_count):
        if kept == RECENT_MOST - 1:
            break
        if seq_geq(held.recent[i], place.start) and seq_lt(held.recent[i], place.end):
            continue
        order[kept] = held.recent[i]
        kept += 1
        if i < held.fresh:
            fresh += 1
    held.recent[0] = seq
    for i in range(kept):
        held.recent[i + 1] = order[i]
    held.recent_count = kept + 1
    held.fresh = fresh + 1


cdef uint32_t sack_blocks(tcb_t* tcb, const uint32_t* within, uint32_t* starts, uint32_t* ends,
                          uint32_t most) noexcept nogil:
    cdef reassembly_t* held = tcb.reassembly
    cdef uint32_t count = 0
    cdef uint32_t first, i
    if held == NULL or most == 0:
        return 0
    if within != NULL:
        count = list_block(held, within[0], starts, ends, count)
    first = count
    # the oldest of those that no ACK has told of, so that the last ACK ends with the newest
    i = held.fresh
    while held.fresh and count < most:
        held.fresh -= 1
        count = list_block(held, held.recent[held.fresh], starts, ends, count)
    turn_round(starts + first, ends + first, count - first)
    while held.fresh and not is_news(held, held.recent[held.fresh - 1], starts, count):
        held.fresh -= 1
    while i < held.recent_count and count < most:
        count = list_block(held, held.recent[i], starts, ends, count)
        i += 1
    return count


cdef bint is_news(reassembly_t* held, uint32_t seq, const uint32_t* starts, uint32_t count) noexcept nogil:
    """The block of `seq` is not among these; a hole before it may have been filled since, and blocks become one."""
    cdef range_t* place = range_of(held, seq)
    return place != NULL and not is_listed(starts, count, place.start)


cdef uint32_t list_block(reassembly_t* held, uint32_t seq, uint32_t* starts, uint32_t* ends,
                         uint32_t count) noexcept nogil:
    """Adds the block that holds `seq`, if there is one and it is not there yet; how many there are then."""
    cdef range_t* place = range_of(held, seq)
    if place == NULL or is_listed(starts, count, place.start):
        return count
    starts[count] = place.start
    ends[count] = place.end
    return count + 1


cdef void turn_round(uint32_t* starts, uint32_t* ends, uint32_t count) noexcept nogil:
    cdef uint32_t i, start, end
    for i in range(count // 2):
        start = starts[i]
        end = ends[i]
        starts[i] = starts[count - 1 - i]
        ends[i] = ends[count - 1 - i]
        starts[count - 1 - i] = start
        ends[count - 1 - i] = end


cdef bint is_listed(const uint32_t* starts, uint32_t count, uint32_t start) noexcept nogil:
    cdef uint32_t i
    for i in range(count):
        if starts[i] == start:
            return True
    return False


cdef void note_duplicate(tcb_t* tcb, uint32_t start, uint32_t end) noexcept nogil:
    cdef uint32_t last = tcb.twice_count - 1
    if not tcb.sack:
        return
    if tcb.twice_count and tcb.twice_end[last] == start:
        tcb.twice_end[last] = end
    elif tcb.twice_count < TWICE_MOST:
        tcb.twice_start[tcb.twice_count] = start
        tcb.twice_end[tcb.twice_count] = end
        tcb.twice_count += 1


cdef void forget_duplicate(tcb_t* tcb) noexcept nogil:
    cdef uint32_t i
    tcb.twice_count -= 1
    for i in range(tcb.twice_count):
        tcb.twice_start[i] = tcb.twice_start[i + 1]
        tcb.twice_end[i] = tcb.twice_end[i + 1]


cdef void note_overlap(tcb_t* tcb, uint32_t end) noexcept nogil:
    cdef range_t* first
    if tcb.reassembly == NULL or tcb.reassembly.count == 0:
        return
    first = &tcb.reassembly.ranges[0]
    if seq_lt(first.start, end):
        note_duplicate(tcb, first.start, first.end if seq_lt(first.end, end) else end)
        tcb.transport.counters.TCPDSACKOfoSent += tcb.sack


cdef void keep_early_fin(tcb_t* tcb, uint32_t seq) noexcept nogil:
    if open_reassembly(tcb) and not tcb.reassembly.has_fin:
        tcb.reassembly.has_fin = True
        tcb.reassembly.fin_seq = seq


cdef bint deliver_contiguous(tcb_t* tcb) noexcept nogil:
    cdef reassembly_t* held = tcb.reassembly
    cdef range_t* first
    cdef bint filled = False
    if held == NULL:
        return False
    while held.count and seq_leq(held.ranges[0].start, tcb.rcv_nxt):
        first = &held.ranges[0]
        if seq_gt(first.end, tcb.rcv_nxt):
            queue_drop(&first.bytes, &tcb.transport.pool, tcb.rcv_nxt - first.start)
            tcb.rcv_nxt = first.end
            queue_join(&tcb.receive_queue, &first.bytes, &tcb.transport.pool)
        else:
            queue_clear(&first.bytes, &tcb.transport.pool)
        held.count -= 1
        memmove(first, first + 1, held.count * sizeof(range_t))
        filled = True
    if held.count == 0 and not held.has_fin:
        slab_give(&tcb.transport.reassemblies, held)
        tcb.reassembly = NULL
    return filled


cdef bint early_fin_due(tcb_t* tcb) noexcept nogil:
    return (tcb.reassembly != NULL and tcb.reassembly.has_fin and seq_geq(tcb.rcv_nxt, tcb.reassembly.fin_seq))


cdef void drop_out_of_order(tcb_t* tcb) noexcept nogil:
    cdef reassembly_t* held = tcb.reassembly
    cdef uint32_t i
    if held == NULL:
        return
    for i in range(held.count):
        queue_clear(&held.ranges[i].bytes, &tcb.transport.pool)
    slab_give(&tcb.transport.reassemblies, held)
    tcb.reassembly = NULL


cdef void report_old_text(tcb_t* tcb, uint32_t start, uint32_t end) noexcept nogil:
    note_duplicate(tcb, start, end if seq_lt(end, tcb.rcv_nxt) else tcb.rcv_nxt)
    tcb.transport.counters.TCPDSACKOldSent += tcb.sack


cdef bint trim_to_window(tcb_t* tcb, segment_t* seg) noexcept nogil:
    cdef uint32_t before, room
    if seq_lt(seg.seq, tcb.rcv_nxt):
        before = tcb.rcv_nxt - seg.seq
        if before > seg.text_length:
            before = seg.text_length
        if before:
            report_old_text(tcb, seg.seq, seg.seq + before)
        seg.text += before
        seg.text_length -= before
        seg.seq += before
    room = tcb.rcv_adv - seg.seq
    if <int32_t> room < 0:
        room = 0
    if seg.text_length > room:
        seg.text_length = room
        seg.flags &= ~FIN
    return seg.text_length != 0
