"""Pointers, marks and bytes out of line; every list is bounded by MARKS_MOST."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from netcore.posix cimport memmove
from netcore.storage.byte_queue cimport queue_extract
from netcore.tcp.extras cimport MARKS_MOST, mark_t
from netcore.tcp.seqnum cimport seq_geq, seq_lt
from netcore.tcp.tcb cimport (
    ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, READY_READABLE, READY_URGENT, STATUS_INVALID, STATUS_OK, STATUS_WOULD_BLOCK,
    Status, extras_t, need_extras, notify, queue_seq, tcb_t,
)
from netcore.wire.tcp cimport segment_t


cdef void take_pointer(tcb_t* tcb, const segment_t* seg) noexcept nogil:
    cdef extras_t* extras
    cdef uint32_t number = seg.seq + seg.up
    cdef uint32_t place
    if tcb.state != ESTABLISHED and tcb.state != FIN_WAIT_1 and tcb.state != FIN_WAIT_2:
        # RFC 9293 3.10.7.4: this should not occur behind the peer's FIN
        return
    if seg.up and not (tcb.extras != NULL and tcb.extras.urgent_1122):
        number -= 1
    if seq_lt(number, tcb.rcv_nxt):
        # every segment up to the urgent byte carries the pointer, and some come twice
        return
    extras = need_extras(tcb)
    if extras == NULL or extras.mark_count == MARKS_MOST:
        return
    place = extras.mark_count
    while place and extras.marks[place - 1].arrived == 0 and seq_geq(extras.marks[place - 1].seq, number):
        place -= 1
        if extras.marks[place].seq == number:
            return
    memmove(&extras.marks[place + 1], &extras.marks[place], (extras.mark_count - place) * sizeof(mark_t))
    extras.marks[place].seq = number
    extras.marks[place].arrived = False
    extras.mark_count += 1
    # RFC 9293 3.8.5 MUST-32: the program learns of it before the byte itself may have come
    notify(tcb.transport, &tcb.endpoint, READY_URGENT)


cdef void drop_mark(extras_t* extras, uint32_t place) noexcept nogil:
    extras.mark_count -= 1
    memmove(&extras.marks[place], &extras.marks[place + 1], (extras.mark_count - place) * sizeof(mark_t))


cdef void find_urgent(tcb_t* tcb, uint32_t before) noexcept nogil:
    cdef extras_t* extras = tcb.extras
    cdef mark_t* mark
    cdef uint32_t place = 0
    cdef uint64_t offset
    while place < extras.mark_count:
        mark = &extras.marks[place]
        if mark.arrived or seq_lt(mark.seq, before):
            place += 1
            continue
        if not seq_lt(mark.seq, tcb.rcv_nxt):
            return
        offset = tcb.receive_queue.length - <uint32_t> (tcb.rcv_nxt - mark.seq)
        if not extras.urgent_inline and extras.held_count == MARKS_MOST:
            drop_mark(extras, place)
            continue
        mark.arrived = True
        mark.offset = offset
        mark.within = extras.urgent_inline
        if not extras.urgent_inline:
            extras.held[extras.held_count] = queue_extract(&tcb.receive_queue, &tcb.transport.pool, offset)
            extras.held_count += 1
            notify(tcb.transport, &tcb.endpoint, READY_URGENT)
            if is_mark_empty(extras, place):
                drop_mark(extras, place)
                continue
        place += 1


cdef bint is_mark_empty(const extras_t* extras, uint32_t place) noexcept nogil:
    """It divides nothing: the byte has left the stream, and no text lies between here and what was read, or the mark
    before. A program that reads urgent bytes alone would else use up the marks."""
    cdef uint64_t offset = extras.marks[place].offset
    return offset == 0 or (place and extras.marks[place - 1].offset == offset and not extras.marks[place - 1].within)


cdef bint is_late_byte_due(const tcb_t* tcb) noexcept nogil:
    return tcb.extras != NULL and tcb.extras.urgent_inline and tcb.extras.held_count


cdef uint64_t readable_stretch(const tcb_t* tcb) noexcept nogil:
    cdef const extras_t* extras = tcb.extras
    cdef uint32_t place
    if extras == NULL:
        return tcb.receive_queue.length
    if is_late_byte_due(tcb):
        return 1
    for place in range(extras.mark_count):
        if not extras.marks[place].arrived:
            break
        if extras.marks[place].offset:
            return extras.marks[place].offset
        if extras.marks[place].within:
            return 1
    return tcb.receive_queue.length


cdef void pass_marks(tcb_t* tcb, uint64_t size) noexcept nogil:
    cdef extras_t* extras = tcb.extras
    cdef uint32_t place = 0
    while place < extras.mark_count and extras.marks[place].arrived:
        if extras.marks[place].offset < size:
            drop_mark(extras, place)
        else:
            extras.marks[place].offset -= size
            place += 1


cdef Status take_urgent(tcb_t* tcb, uint8_t* octet, bint peek) noexcept nogil:
    cdef extras_t* extras = tcb.extras
    if extras != NULL and extras.urgent_inline:
        return STATUS_INVALID
    if extras == NULL or extras.held_count == 0:
        return STATUS_WOULD_BLOCK
    take_held(extras, octet, peek)
    return STATUS_OK


cdef void take_held(extras_t* extras, uint8_t* octet, bint peek) noexcept nogil:
    octet[0] = extras.held[0]
    if not peek:
        extras.held_count -= 1
        memmove(&extras.held[0], &extras.held[1], extras.held_count)


cdef uint32_t take_late_byte(tcb_t* tcb, uint8_t* octet, bint peek) noexcept nogil:
    take_held(tcb.extras, octet, peek)
    return 1


cdef bint is_at_mark(const tcb_t* tcb) noexcept nogil:
    cdef const extras_t* extras = tcb.extras
    if extras == NULL:
        return True
    if extras.held_count:
        return False
    if not extras.urgent_inline or extras.mark_count == 0:
        return True
    return extras.marks[0].arrived and extras.marks[0].offset == 0


cdef bint is_urgent_pending(const tcb_t* tcb) noexcept nogil:
    cdef const extras_t* extras = tcb.extras
    cdef uint32_t place
    if extras == NULL:
        return False
    if extras.held_count:
        return True
    for place in range(extras.mark_count):
        if not extras.marks[place].arrived or extras.marks[place].within:
            return True
    return False


cdef bint mark_sent_urgent(tcb_t* tcb) noexcept nogil:
    cdef extras_t* extras = need_extras(tcb)
    if extras == NULL:
        return False
    extras.snd_up = queue_seq(tcb) + <uint32_t> tcb.send_queue.length
    extras.urgent_sending = True
    return True


cdef void set_urgent_inline(tcb_t* tcb, bint on) noexcept nogil:
    cdef extras_t* extras = tcb.extras if not on else need_extras(tcb)
    if extras == NULL:
        return
    extras.urgent_inline = on
    if on and extras.held_count:
        notify(tcb.transport, &tcb.endpoint, READY_READABLE)


cdef void forget_urgent(tcb_t* tcb) noexcept nogil:
    if tcb.extras != NULL:
        tcb.extras.mark_count = tcb.extras.held_count = 0
