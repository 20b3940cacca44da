"""Orphans that are delivered end without a word, all others with RST."""

from libc.stdint cimport uint32_t
from netcore.drive cimport host_time, settle
from netcore.host cimport host_t
from netcore.storage.table cimport table_node_t
from netcore.tcp.backlog cimport empty_listener
from netcore.tcp.lifecycle cimport abort_connection, finish
from netcore.tcp.tcb cimport ENTRY_CONNECTION, STATUS_ABORTED, entry_t, listener_t, tcb_t


cdef bint is_delivered(const tcb_t* tcb) noexcept nogil:
    """All text and the FIN are acknowledged."""
    return tcb.fin_sent and tcb.send_queue.length == 0 and tcb.snd_una == tcb.snd_nxt


cdef uint32_t count_undelivered(host_t* host) noexcept nogil:
    """CLEAN-5: orphans whose data or FIN is not acknowledged."""
    cdef uint32_t i
    cdef uint32_t count = 0
    cdef table_node_t* node
    cdef tcb_t* tcb
    if host.transport.orphans == 0:
        return 0
    for i in range(host.transport.connections.mask + 1):
        node = host.transport.connections.buckets[i]
        while node != NULL:
            if (<entry_t*> node).kind == ENTRY_CONNECTION:
                tcb = <tcb_t*> node
                if tcb.orphan and not is_delivered(tcb):
                    count += 1
            node = node.next
    return count


cdef int abort_everything(host_t* host) noexcept nogil:
    cdef uint32_t i
    cdef int count = 0
    cdef table_node_t* node
    cdef table_node_t* following
    cdef tcb_t* tcb
    for i in range(host.transport.listeners.mask + 1):
        node = host.transport.listeners.buckets[i]
        while node != NULL:
            following = node.next
            # a handle still points at it, so it is emptied and admits nobody, and the handle frees it
            empty_listener(<listener_t*> node)
            count += 1
            node = following
    for i in range(host.transport.connections.mask + 1):
        node = host.transport.connections.buckets[i]
        while node != NULL:
            following = node.next
            if (<entry_t*> node).kind == ENTRY_CONNECTION:
                tcb = <tcb_t*> node
                if tcb.orphan and is_delivered(tcb):
                    # CLEAN-3: an RST could take from the peer's program what it has not read yet
                    finish(tcb, STATUS_ABORTED)
                else:
                    abort_connection(tcb, STATUS_ABORTED)
                # the queue of segments without a connection is bounded: it is emptied as it fills
                settle(host, host_time(host))
                following = host.transport.connections.buckets[i]
                count += 1
            node = following
    return count
