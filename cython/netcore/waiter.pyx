"""Waiting for any number of handles: without the GIL the thread drives the host meanwhile, or sleeps; signals tell."""

cimport cython
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t, uint8_t, uint64_t
from netcore.drive cimport HostHandle, enter, unlock
from netcore.endpoint cimport Endpoint
from netcore.host cimport landing_t
from netcore.leading cimport OUTCOME_READY, Outcome, wait_together
from netcore.listener cimport Listener
from netcore.posix cimport (
    EFD_CLOEXEC, EFD_NONBLOCK, calloc, close, eventfd, free, monotonic_clock, store_release, write,
)
from netcore.storage.links cimport list_append, list_remove
from netcore.tcp.backlog cimport listener_readiness
from netcore.tcp.calls cimport connection_readiness
from netcore.tcp.tcb cimport ENDPOINT_CONNECTION, ENDPOINT_LISTENER, endpoint_t, listener_t, tcb_t

cdef enum:
    # a signal that slipped in just before the sleep is noticed after this long (ns)
    SIGNAL_CHECK = 200000000


cdef int endpoint_readiness(const endpoint_t* endpoint) noexcept nogil:
    if endpoint.kind == ENDPOINT_CONNECTION:
        return connection_readiness(<tcb_t*> endpoint.owner)
    return listener_readiness(<listener_t*> endpoint.owner)


cdef bint attach(place_t* place) noexcept nogil:
    """Under the lock: True when the handle is closed or ready already, else the watch is in place."""
    cdef endpoint_t* endpoint
    if place.slot[0] == NULL:
        return True
    if place.kind == ENDPOINT_CONNECTION:
        endpoint = &(<tcb_t*> place.slot[0]).endpoint
    else:
        endpoint = &(<listener_t*> place.slot[0]).endpoint
    if endpoint_readiness(endpoint) & place.watch.mask:
        return True
    list_append(&endpoint.watches, &place.watch.link, &place.watch)
    return False


@cython.final
cdef class Waiter:
    """What one thread waits with, on a live host."""

    def __cinit__(self, HostHandle engine not None):
        self.owner = engine
        self.waiter.descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
        if self.waiter.descriptor < 0:
            raise OSError("no event descriptor to wait with: raise the limit of open files")

    def __dealloc__(self):
        self.close()

    def wait(self, watches, deadline: int | None) -> bool:
        """True: a watch is ready or `wake` was called. False: the deadline has come."""
        return self.wait_with(tuple(watches), NULL, -1 if deadline is None else deadline)

    def receive_into(self, Endpoint endpoint not None, buffer, watches, deadline: int | None) -> int:
        """How many bytes have come; 0: none, but a watch is ready or `wake` was called; -1: the deadline has come."""
        cdef landing_t landing
        cdef Py_buffer view
        cdef bint ready
        self.check_owner(endpoint.owner)
        PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE)
        landing.slot = &endpoint.tcb
        landing.octets = <uint8_t*> view.buf
        landing.length = <uint64_t> view.len
        landing.filled = 0
        try:
            ready = self.wait_with(tuple(watches), &landing, -1 if deadline is None else deadline)
        finally:
            PyBuffer_Release(&view)
        return <int64_t> landing.filled if ready else -1

    cdef bint wait_with(self, tuple handles, landing_t* landing, int64_t until) except -1:
        cdef int count = <int> len(handles)
        cdef bint ready = False
        cdef place_t* places = <place_t*> calloc(count + 1, sizeof(place_t))
        if places == NULL:
            raise MemoryError
        if self.waiting:
            free(places)
            raise RuntimeError("a Waiter is for one thread, and another is waiting with it")
        if self.waiter.descriptor < 0:
            free(places)
            raise ValueError("this Waiter is closed")
        self.waiting = True
        try:
            self.fill(handles, places)
            with nogil:
                ready = self.attach_all(places, count)
            while not ready:
                with nogil:
                    ready = self.pass_time(landing, until)
                if ready:
                    # what has landed must not be lost over a signal
                    break
                PyErr_CheckSignals()
                if until >= 0 and monotonic_clock() >= until:
                    break
        finally:
            with nogil:
                self.detach_all(places, count)
            free(places)
            self.waiting = False
            if self.closing:
                self.close()
        return ready

    cdef int fill(self, tuple handles, place_t* places) except -1:
        """Where each handle keeps its pointer: read under the lock, since another thread may close it meanwhile."""
        cdef int i
        for i in range(len(handles)):
            handle, mask = handles[i]
            places[i].watch.waiter = &self.waiter
            places[i].watch.mask = mask
            if isinstance(handle, Endpoint):
                places[i].kind = ENDPOINT_CONNECTION
                places[i].slot = <void**> &(<Endpoint> handle).tcb
                self.check_owner((<Endpoint> handle).owner)
            elif isinstance(handle, Listener):
                places[i].kind = ENDPOINT_LISTENER
                places[i].slot = <void**> &(<Listener> handle).listener
                self.check_owner((<Listener> handle).owner)
            else:
                raise TypeError(f"{handle!r} is neither an Endpoint nor a Listener")
        return 0

    cdef int check_owner(self, HostHandle owner) except -1:
        """What belongs to another host is under another lock."""
        if owner is not self.owner:
            raise ValueError("a Waiter waits for what its own engine has, not for that of another")
        return 0

    cdef bint attach_all(self, place_t* places, int count) noexcept nogil:
        cdef bint ready = False
        cdef int i
        enter(self.owner.host)
        for i in range(count):
            if attach(&places[i]):
                ready = True
                break
        unlock(self.owner.host)
        return ready

    cdef bint pass_time(self, landing_t* landing, int64_t until) noexcept nogil:
        """True: there is something to look at. False: time has passed, or a signal may have come."""
        cdef int64_t most = monotonic_clock() + SIGNAL_CHECK
        cdef Outcome outcome
        enter(self.owner.host)
        outcome = wait_together(self.owner.host, &self.waiter, landing, until if 0 <= until < most else most)
        unlock(self.owner.host)
        return outcome == OUTCOME_READY or (landing != NULL and landing.filled != 0)

    cdef void detach_all(self, place_t* places, int count) noexcept nogil:
        cdef int i
        enter(self.owner.host)
        for i in range(count):
            list_remove(&places[i].watch.link)
        list_remove(&self.waiter.waking_link)
        self.waiter.signalled = False
        store_release(&self.waiter.woken, 0)
        unlock(self.owner.host)

    def wake(self) -> None:
        """Ends the wait in progress, or else the next one; from any thread."""
        cdef uint64_t one = 1
        store_release(&self.waiter.woken, 1)
        if self.waiter.descriptor >= 0:
            write(self.waiter.descriptor, &one, 8)

    def close(self) -> None:
        if self.waiting:
            self.closing = True
            self.wake()
        elif self.waiter.descriptor >= 0:
            close(self.waiter.descriptor)
            self.waiter.descriptor = -1
