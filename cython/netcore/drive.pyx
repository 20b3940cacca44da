"""Lock, time-outs, flush: what every driver does alike."""

cimport cython
from libc.stdint cimport int64_t, uint64_t
from netcore.device cimport device_due, device_settle, device_write
from netcore.egress cimport is_anything_leaving, next_frame, outgoing_t
from netcore.host cimport host_close, host_t
from netcore.icmp cimport reassembly_expires
from netcore.neighbors cimport expire_neighbor, neighbor_t
from netcore.posix cimport (
    load_pointer, monotonic_clock, pthread_mutex_lock, pthread_mutex_unlock, swap_pointer, write,
)
from netcore.services cimport retire_listener, serve
from netcore.storage.deadlines cimport NEVER, arm, deadline_t, earliest, owner_of, take_earliest
from netcore.storage.links cimport list_first, list_remove
from netcore.tcp.calls cimport close_connection
from netcore.tcp.lifecycle cimport bury, end_time_wait
from netcore.tcp.tcb cimport (
    DEADLINE_CONNECTION, DEADLINE_FRAGMENTS, DEADLINE_NEIGHBOR, DEADLINE_TIME_WAIT, ENDPOINT_CONNECTION, endpoint_t,
    earliest_due, listener_t, tcb_t, timewait_t, waiter_t,
)
from netcore.tcp.timers cimport expire


cdef int64_t host_time(const host_t* host) noexcept nogil:
    return monotonic_clock() if host.live else host.now


cdef void adopt_released(host_t* host) noexcept nogil:
    """Handles that died without letting go are closed as a program's close would."""
    cdef endpoint_t* endpoint
    cdef endpoint_t* following
    # read first: a swap at every call would cost its bus cycle for nothing
    if load_pointer(<void**> &host.released) == NULL:
        return
    endpoint = <endpoint_t*> swap_pointer(<void**> &host.released, NULL)
    while endpoint != NULL:
        following = endpoint.release_next
        if endpoint.kind == ENDPOINT_CONNECTION:
            close_connection(<tcb_t*> endpoint.owner, host_time(host))
        else:
            retire_listener(<listener_t*> endpoint.owner, host_time(host))
        endpoint = following


cdef void enter(host_t* host) noexcept nogil:
    pthread_mutex_lock(&host.turnstile)
    pthread_mutex_lock(&host.lock)
    pthread_mutex_unlock(&host.turnstile)
    adopt_released(host)


cdef void unlock(host_t* host) noexcept nogil:
    pthread_mutex_unlock(&host.lock)


cdef void flush(host_t* host, int64_t now) noexcept nogil:
    cdef outgoing_t out
    if host.transport.served.first != NULL:
        serve(&host.transport, now)
    while is_anything_leaving(host) and next_frame(host, &out, now):
        device_write(host, &out, now)


cdef void wake_waiters(host_t* host) noexcept nogil:
    cdef waiter_t* waiter
    cdef uint64_t one = 1
    while host.transport.waking.first != NULL:
        waiter = <waiter_t*> list_first(&host.transport.waking)
        list_remove(&waiter.waking_link)
        # who leads, and is awake, looks at its own mark before it sleeps
        if waiter != host.lead.leader or host.sleeping_until:
            write(waiter.descriptor, &one, 8)


cdef void settle(host_t* host, int64_t now) noexcept nogil:
    flush(host, now)
    if host.device.inbound != NULL or host.device.outbound != NULL:
        # what comes in at once may want an answer at once
        while device_due(host) <= now:
            device_settle(host, now)
            flush(host, now)
    bury(&host.transport)
    wake_waiters(host)


cdef void leave(host_t* host) noexcept nogil:
    cdef uint64_t one = 1
    cdef int64_t due
    settle(host, host_time(host))
    if host.sleeping_until:
        due = earliest(&host.transport.deadlines)
        if device_due(host) < due:
            due = device_due(host)
        if due < host.sleeping_until:
            # once is enough: the leader looks at everything when it wakes
            host.sleeping_until = 0
            write(host.lead.leader.descriptor, &one, 8)
    unlock(host)


cdef void run_deadlines(host_t* host, int64_t now) noexcept nogil:
    cdef deadline_t* node
    while earliest(&host.transport.deadlines) <= now:
        node = take_earliest(&host.transport.deadlines)
        if node.kind == DEADLINE_CONNECTION:
            expire(<tcb_t*> owner_of(node), now)
        elif node.kind == DEADLINE_TIME_WAIT:
            host.transport.counters.TW += 1
            end_time_wait(<timewait_t*> owner_of(node))
        elif node.kind == DEADLINE_NEIGHBOR:
            expire_neighbor(<neighbor_t*> owner_of(node), now)
        elif node.kind == DEADLINE_FRAGMENTS:
            reassembly_expires(host, now)


cdef int64_t next_deadline(host_t* host) noexcept nogil:
    """Connections move their time-outs lazily: those on top that have moved are put where they belong first."""
    cdef deadline_t* node
    cdef int64_t due
    while earliest(&host.transport.deadlines) != NEVER:
        node = host.transport.deadlines.items[0].node
        if node.kind != DEADLINE_CONNECTION:
            return node.due
        due = earliest_due(<tcb_t*> owner_of(node))
        if due <= node.due:
            return node.due
        take_earliest(&host.transport.deadlines)
        if due != NEVER:
            arm(&host.transport.deadlines, node, owner_of(node), node.kind, due)
    return NEVER


@cython.no_gc_clear
cdef class HostHandle:
    """Owns a host's memory."""

    def __dealloc__(self):
        if self.host != NULL:
            with nogil:
                host_close(self.host)
            self.host = NULL
