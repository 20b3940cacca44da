"""Loop: the thread that drives a live host while no caller does."""

from netcore.engine cimport Engine
from netcore.impair cimport Impairment

cdef class Loop:
    cdef Engine engine
    cdef Impairment inbound
    cdef Impairment outbound
    cdef int stopping
    # both with the GIL held
    cdef bint running
    cdef bint detached
    cdef void detach(self) noexcept nogil
