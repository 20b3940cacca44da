"""SocketHandles: the part of a provider's socket that compiled calls look at."""

from libc.stdint cimport uint64_t
from netcore.endpoint cimport Endpoint
from netcore.listener cimport Listener

cdef class SocketHandles:
    # a connection; or a listener; or neither yet
    cdef public Endpoint endpoint
    cdef public Listener listener
    # not None while a connect is under way or its outcome was not taken over
    cdef public object attempt
    # TCP
    cdef public bint stream
    cdef public bint nonblocking
    cdef public bint closed
    cdef public bint connect_failed
    # what the threads wait with that wait for this socket
    cdef public list waits
    # the set of WSPSelect that named it last
    cdef uint64_t named_by
