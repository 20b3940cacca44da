"""The queue of half-open connections and how many of them are old (LISTEN-74), in O(1) for each SYN."""

from libc.stdint cimport int64_t, uint32_t
from netcore.storage.links cimport list_append, list_remove
from netcore.tcp.tcb cimport listener_t, tcb_t


cdef inline void join_half_open(listener_t* listener, tcb_t* tcb, int64_t now) noexcept nogil:
    list_append(&listener.half_open, &tcb.queue_link, tcb)
    tcb.listener = listener
    tcb.since.half_open = now
    tcb.aged = False
    tcb.transport.half_open += 1
    if listener.young == NULL:
        listener.young = &tcb.queue_link


cdef inline bint is_half_open(const tcb_t* tcb) noexcept nogil:
    return tcb.listener != NULL and tcb.queue_link.where == &tcb.listener.half_open


cdef inline void leave_half_open(tcb_t* tcb) noexcept nogil:
    """Nothing when the connection is in another queue or none."""
    if not is_half_open(tcb):
        return
    if tcb.listener.young == &tcb.queue_link:
        tcb.listener.young = tcb.queue_link.next
    if tcb.aged:
        tcb.listener.aged -= 1
        tcb.aged = False
    tcb.since.round = 0
    list_remove(&tcb.queue_link)
    tcb.transport.half_open -= 1


cdef inline uint32_t count_aged(listener_t* listener, int64_t now) noexcept nogil:
    """Half-open connections older than syn_flood_age; each is passed over once in its life."""
    cdef int64_t latest = now - listener.transport.tunables.syn_flood_age
    cdef tcb_t* tcb
    while listener.young != NULL:
        tcb = <tcb_t*> listener.young.owner
        if tcb.since.half_open >= latest:
            break
        tcb.aged = True
        listener.aged += 1
        listener.young = listener.young.next
    return listener.aged
