"""The receive window to announce (RFC 9293 3.8.6.2.2; SND-3, SND-4)."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from netcore.storage.chunks cimport LARGE_CHUNK
from netcore.tcp.seqnum cimport seq_gt, seq_lt
from netcore.tcp.tcb cimport segment_out_t, tcb_t


cdef enum:
    # part of the memory limit that is kept for what comes in
    PART_FOR_INPUT = 8


cdef inline bint is_window_closed_by_memory(const tcb_t* tcb) noexcept nogil:
    """LIM-2: sends fail above the limit, *then* windows close: beyond it by an eighth, and by the last send's chunk.

    Were it the same limit, two stacks full of what each has to send to the other would keep their windows closed for
    good.
    """
    cdef int64_t limit = tcb.transport.tunables.memory_limit
    return tcb.transport.pool.in_use > limit + limit // PART_FOR_INPUT + LARGE_CHUNK


cdef inline uint32_t free_receive_space(const tcb_t* tcb) noexcept nogil:
    """What the buffer still takes, as far as the window field can say it; nothing when memory is short (LIM-2)."""
    cdef uint64_t held = tcb.receive_queue.length
    cdef uint32_t free = tcb.receive_limit - <uint32_t> held if held < tcb.receive_limit else 0
    cdef uint32_t sayable = <uint32_t> 65535 << tcb.rcv_wind_shift
    if is_window_closed_by_memory(tcb):
        return 0
    return free if free < sayable else sayable


cdef inline uint32_t next_right_edge(const tcb_t* tcb) noexcept nogil:
    """RFC 9293 3.8.6.2.2: the edge stands still until it can move by a segment or half the buffer; never left."""
    cdef uint32_t edge = tcb.rcv_nxt + free_receive_space(tcb)
    cdef uint32_t step = tcb.rcv_mss if tcb.rcv_mss < tcb.receive_limit // 2 else tcb.receive_limit // 2
    if not seq_gt(edge, tcb.rcv_adv) or edge - tcb.rcv_adv < step:
        return tcb.rcv_adv
    return edge


cdef inline uint32_t furthest_right_edge(const tcb_t* tcb) noexcept nogil:
    """How far rounding up to the unit of a scaled window may take the edge: one unit beyond the buffer.

    Without this bound each small segment would push the edge on by its own length, and the window would never close.
    Where it holds, less than one unit is taken back, as RFC 7323 2.4 and appendix F expect.
    """
    return (tcb.rcv_nxt + tcb.receive_limit - <uint32_t> tcb.receive_queue.length
            + (<uint32_t> 1 << tcb.rcv_wind_shift))


cdef inline bint is_window_update_due(const tcb_t* tcb) noexcept nogil:
    """The edge would move by two segments or half the buffer: an update is sent at once (SND-4)."""
    cdef uint32_t edge = tcb.rcv_nxt + free_receive_space(tcb)
    cdef uint32_t opening
    if not seq_gt(edge, tcb.rcv_adv):
        return False
    opening = edge - tcb.rcv_adv
    return opening >= tcb.receive_limit // 2 or opening >= 2 * <uint32_t> tcb.rcv_mss


cdef inline void announce_window(tcb_t* tcb, segment_out_t* out) noexcept nogil:
    """Puts the window into the field of a segment that leaves; the edge never moves left."""
    cdef uint32_t edge = next_right_edge(tcb)
    cdef uint32_t window = edge - tcb.rcv_nxt
    cdef uint32_t field = window >> tcb.rcv_wind_shift
    # RFC 7323 2.4: rounding down must not take back what was announced
    if (seq_lt(tcb.rcv_nxt + (field << tcb.rcv_wind_shift), tcb.rcv_adv)
            and not seq_gt(tcb.rcv_nxt + ((field + 1) << tcb.rcv_wind_shift), furthest_right_edge(tcb))):
        field += 1
    if field > 65535:
        field = 65535
    out.wnd = <unsigned short> field
    edge = tcb.rcv_nxt + (field << tcb.rcv_wind_shift)
    if seq_gt(edge, tcb.rcv_adv):
        tcb.rcv_adv = edge
