"""Listener: what a Python program holds of a listening port."""

from netcore.drive cimport HostHandle
from netcore.tcp.tcb cimport listener_t

cdef class Listener:
    cdef HostHandle owner
    cdef listener_t* listener
    cdef tuple local_name
    cdef object __weakref__

# A handle for a listener that is held already; with the GIL.
cdef Listener wrap_listener(HostHandle owner, listener_t* listener)
