"""Endpoint, Listener, Waiter: what a Python program holds."""

from netcore.drive cimport HostHandle
from netcore.posix cimport pthread_mutex_t
from netcore.tcp.tcb cimport EndpointKind, endpoint_t, listener_t, tcb_t, waiter_t, watch_t

# one handle in a wait: where it keeps its pointer, and its watch
cdef struct place_t:
    void** slot
    EndpointKind kind
    watch_t watch

cdef class Endpoint:
    cdef HostHandle owner
    cdef tcb_t* tcb
    cdef pthread_mutex_t send_mutex
    cdef object __weakref__

cdef class Listener:
    cdef HostHandle owner
    cdef listener_t* listener
    cdef object __weakref__

cdef class Waiter:
    cdef HostHandle owner
    cdef waiter_t waiter
    cdef int fill(self, tuple handles, place_t* places) except -1
    cdef bint attach_all(self, place_t* places, int count) noexcept nogil
    cdef void detach_all(self, place_t* places, int count) noexcept nogil

# A handle for a connection or listener that is held already; with the GIL.
cdef Endpoint wrap_connection(HostHandle owner, tcb_t* tcb)
cdef Listener wrap_listener(HostHandle owner, listener_t* listener)
cdef bytes pack_address(const void* address)
cdef int endpoint_readiness(const endpoint_t* endpoint) noexcept nogil
