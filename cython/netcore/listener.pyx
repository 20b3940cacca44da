"""Listener: accepting, resizing and closing a queue that the core keeps."""

cimport cython
from libc.stdint cimport uint32_t
from netcore.drive cimport HostHandle, enter, host_time, leave, unlock
from netcore.endpoint cimport Endpoint, pack_address, push_released, wrap_connection
from netcore.tcp.backlog cimport (
    accept_candidate, accept_oldest, close_listener, defer_candidate, listener_readiness, occupancy, reject_candidate,
    release_candidate, select_candidate, set_backlog,
)
from netcore.tcp.lifecycle cimport let_go
from netcore.tcp.tcb cimport (
    CLOSED, READY_GONE, STATUS_ABORTED, STATUS_HANDLE_CLOSED, STATUS_OK, STATUS_RESET, STATUS_WOULD_BLOCK, Status,
    listener_t, tcb_t,
)


cdef Listener wrap_listener(HostHandle owner, listener_t* listener):
    cdef Listener handle = Listener.__new__(Listener)
    handle.owner = owner
    handle.listener = listener
    handle.local_name = pack_address(&listener.local), listener.local_port
    listener.endpoint.handle = <void*> handle
    return handle


@cython.no_gc_clear
@cython.final
cdef class Listener:
    """A listening port. Made by Engine.listen only."""

    def __dealloc__(self):
        if self.listener != NULL:
            push_released(self.owner.host, &self.listener.endpoint)
            self.listener = NULL

    def accept(self) -> Endpoint | int:
        """The oldest finished connection, WOULD_BLOCK, or RESET (ACPT-7)."""
        cdef tcb_t* tcb = NULL
        cdef int status = STATUS_WOULD_BLOCK
        with nogil:
            enter(self.owner.host)
            if self.listener == NULL:
                status = STATUS_HANDLE_CLOSED
            else:
                tcb = accept_oldest(self.listener)
            if tcb != NULL and tcb.state == CLOSED and tcb.status != STATUS_OK:
                let_go(tcb)
                tcb = NULL
                status = STATUS_RESET
            leave(self.owner.host)
        return wrap_connection(self.owner, tcb) if tcb != NULL else status

    def select(self) -> Endpoint | int:
        """The oldest candidate that no other thread has selected, left in its place."""
        cdef tcb_t* tcb = NULL
        cdef int status = STATUS_WOULD_BLOCK
        with nogil:
            enter(self.owner.host)
            if self.listener == NULL:
                status = STATUS_HANDLE_CLOSED
            else:
                tcb = select_candidate(self.listener)
            unlock(self.owner.host)
        return wrap_connection(self.owner, tcb) if tcb != NULL else status

    def decide(self, Endpoint candidate not None, int decision, bint keep=True) -> int:
        """What becomes of a selected candidate: CF_ACCEPT 0, CF_REJECT 1, CF_DEFER 2, as it was before 3."""
        cdef tcb_t* tcb
        cdef Status status = STATUS_ABORTED
        cdef bint kept = False
        if not 0 <= decision <= 3:
            raise ValueError(f"decision is {decision}, but must be 0 (accept), 1 (reject), 2 (defer) or 3 (release)")
        with nogil:
            enter(self.owner.host)
            tcb = candidate.tcb
            if tcb != NULL:
                if decision == 0:
                    status = accept_candidate(tcb, keep, host_time(self.owner.host))
                    kept = status == STATUS_OK or (status == STATUS_WOULD_BLOCK and keep)
                elif decision == 1:
                    status = reject_candidate(tcb)
                elif decision == 2:
                    status = defer_candidate(tcb)
                else:
                    status = release_candidate(tcb)
                if not kept:
                    candidate.tcb = NULL
            leave(self.owner.host)
        return status

    @property
    def conditional(self) -> bool:
        cdef bint on = False
        with nogil:
            enter(self.owner.host)
            if self.listener != NULL:
                on = self.listener.conditional
            unlock(self.owner.host)
        return on

    @conditional.setter
    def conditional(self, on: bool) -> None:
        cdef bint value = on
        with nogil:
            enter(self.owner.host)
            if self.listener != NULL:
                self.listener.conditional = value
            unlock(self.owner.host)

    @property
    def paused(self) -> bool:
        cdef bint on = False
        with nogil:
            enter(self.owner.host)
            if self.listener != NULL:
                on = self.listener.paused
            unlock(self.owner.host)
        return on

    @paused.setter
    def paused(self, on: bool) -> None:
        cdef bint value = on
        with nogil:
            enter(self.owner.host)
            if self.listener != NULL:
                self.listener.paused = value
            unlock(self.owner.host)

    @property
    def fast_open(self) -> bool:
        cdef bint on = False
        with nogil:
            enter(self.owner.host)
            if self.listener != NULL:
                on = self.listener.fast_open
            unlock(self.owner.host)
        return on

    @fast_open.setter
    def fast_open(self, on: bool) -> None:
        cdef bint value = on
        with nogil:
            enter(self.owner.host)
            if self.listener != NULL:
                self.listener.fast_open = value
            unlock(self.owner.host)

    @property
    def under_attack(self) -> bool:
        cdef bint on = False
        with nogil:
            enter(self.owner.host)
            if self.listener != NULL:
                on = self.listener.flood.on
            unlock(self.owner.host)
        return on

    def set_backlog(self, backlog: int) -> None:
        """New capacity; the excess is reset (LISTEN-57, 58)."""
        cdef uint32_t most = backlog
        with nogil:
            enter(self.owner.host)
            if self.listener != NULL:
                set_backlog(self.listener, most)
            leave(self.owner.host)

    def close(self) -> None:
        """Ends listening; queued and half-open connections are reset (LISTEN-73)."""
        cdef listener_t* listener
        with nogil:
            enter(self.owner.host)
            listener = self.listener
            self.listener = NULL
            if listener != NULL:
                close_listener(listener)
            leave(self.owner.host)

    @property
    def closed(self) -> bool:
        cdef bint gone
        with nogil:
            enter(self.owner.host)
            gone = self.listener == NULL
            unlock(self.owner.host)
        return gone

    @property
    def backlog(self) -> int:
        cdef uint32_t count = 0
        with nogil:
            enter(self.owner.host)
            if self.listener != NULL:
                count = self.listener.backlog
            unlock(self.owner.host)
        return count

    @property
    def occupancy(self) -> int:
        cdef uint32_t count = 0
        with nogil:
            enter(self.owner.host)
            if self.listener != NULL:
                count = occupancy(self.listener)
            unlock(self.owner.host)
        return count

    @property
    def finished(self) -> int:
        cdef uint32_t count = 0
        with nogil:
            enter(self.owner.host)
            if self.listener != NULL:
                count = self.listener.finished.count
            unlock(self.owner.host)
        return count

    @property
    def waiting(self) -> int:
        cdef uint32_t count = 0
        with nogil:
            enter(self.owner.host)
            if self.listener != NULL:
                count = self.listener.finished.count + self.listener.requests.count
            unlock(self.owner.host)
        return count

    @property
    def readiness(self) -> int:
        cdef int ready = READY_GONE
        with nogil:
            enter(self.owner.host)
            if self.listener != NULL:
                ready = listener_readiness(self.listener)
            unlock(self.owner.host)
        return ready

    @property
    def local(self) -> tuple[bytes, int]:
        return self.local_name
