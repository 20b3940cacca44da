"""Engine: one host for Python."""

from libc.stdint cimport int64_t
from netcore.drive cimport HostHandle

cdef class Engine(HostHandle):
    cdef object __weakref__
    cdef int advance_to(self, int64_t now) except -1
