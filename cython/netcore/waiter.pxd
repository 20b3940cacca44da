"""Waiter: how a thread waits for endpoints and listeners of a live host."""

from libc.stdint cimport int64_t
from netcore.drive cimport HostHandle
from netcore.host cimport landing_t
from netcore.tcp.tcb cimport EndpointKind, waiter_t, watch_t

# one handle in a wait: where it keeps its pointer, and its watch
cdef struct place_t:
    void** slot
    EndpointKind kind
    watch_t watch

cdef class Waiter:
    cdef HostHandle owner
    cdef waiter_t waiter
    # set with the GIL held: a descriptor in use is closed by the wait that uses it
    cdef bint waiting
    cdef bint closing
    cdef bint wait_with(self, tuple handles, landing_t* landing, int64_t until) except -1
    cdef int fill(self, tuple handles, place_t* places) except -1
    cdef int check_owner(self, HostHandle owner) except -1
    cdef bint attach_all(self, place_t* places, int count) noexcept nogil
    cdef bint pass_time(self, landing_t* landing, int64_t until) noexcept nogil
    cdef void detach_all(self, place_t* places, int count) noexcept nogil
