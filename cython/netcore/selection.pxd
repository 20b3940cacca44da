"""Selection: one WSPSelect over sockets that are connected or listen."""

from cpython.buffer cimport Py_buffer
from netcore.drive cimport HostHandle
from netcore.tcp.tcb cimport EndpointKind

cdef enum:
    # read, write, except
    ROLES = 3

# one member of one set
cdef struct member_t:
    # where its handle keeps its pointer, which another thread may clear at any time; NULL: it has no handle
    void** slot
    EndpointKind kind
    # the readiness bits that make it ready, and those that end a wait
    int mask
    int watched
    bint ready

cdef class Selection:
    cdef HostHandle owner
    # of every member in the order of the sets
    cdef list sockets
    cdef list handles
    cdef member_t* members
    cdef int count
    # the sets themselves: Windows' struct fd_set, and how many members each has
    cdef Py_buffer views[ROLES]
    cdef bint given[ROLES]
    cdef int sizes[ROLES]
    cdef bint take(self, dict live, int role, object fds) except? -1
    cdef int look(self) noexcept nogil
