"""Waiting is one event descriptor for any number of handles; the thread sleeps without the GIL and hears signals."""

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t, uint64_t
from netcore.drive cimport HostHandle, enter, unlock
from netcore.endpoint cimport Endpoint
from netcore.listener cimport Listener
from netcore.posix cimport (
    EFD_CLOEXEC, EFD_NONBLOCK, POLLIN, calloc, close, eventfd, free, monotonic_clock, poll_until, pollfd, read,
    timespec, write,
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


cdef bint sleep_until(int descriptor, int64_t deadline) noexcept nogil:
    """Sleeps until the descriptor is readable, the deadline has come, a signal, or SIGNAL_CHECK is over."""
    cdef pollfd entry
    cdef timespec timeout
    cdef int64_t left = SIGNAL_CHECK
    if deadline >= 0:
        left = deadline - monotonic_clock()
        if left < 0:
            left = 0
        if left > SIGNAL_CHECK:
            left = SIGNAL_CHECK
    entry.fd = descriptor
    entry.events = POLLIN
    entry.revents = 0
    timeout.tv_sec = 0
    timeout.tv_nsec = left
    return poll_until(&entry, 1, &timeout) > 0


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
        cdef int64_t until = -1 if deadline is None else deadline
        cdef tuple handles = tuple(watches)
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
                    ready = sleep_until(self.waiter.descriptor, until)
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
            elif isinstance(handle, Listener):
                places[i].kind = ENDPOINT_LISTENER
                places[i].slot = <void**> &(<Listener> handle).listener
            else:
                raise TypeError(f"{handle!r} is neither an Endpoint nor a Listener")
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

    cdef void detach_all(self, place_t* places, int count) noexcept nogil:
        cdef uint64_t value
        cdef int i
        enter(self.owner.host)
        for i in range(count):
            list_remove(&places[i].watch.link)
        list_remove(&self.waiter.waking_link)
        self.waiter.signalled = False
        read(self.waiter.descriptor, &value, 8)
        unlock(self.owner.host)

    def wake(self) -> None:
        """Ends the wait in progress, or else the next one; from any thread."""
        cdef uint64_t one = 1
        if self.waiter.descriptor >= 0:
            write(self.waiter.descriptor, &one, 8)

    def close(self) -> None:
        if self.waiting:
            self.closing = True
            self.wake()
        elif self.waiter.descriptor >= 0:
            close(self.waiter.descriptor)
            self.waiter.descriptor = -1
