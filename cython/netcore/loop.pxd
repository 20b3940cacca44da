"""Loop: the thread that drives a live host while no caller does."""

from netcore.engine cimport Engine
from netcore.impair cimport Impairment

cdef class Loop:
    cdef Engine engine
    cdef Impairment inbound
    cdef Impairment outbound
    cdef int stopping
    # with the GIL held
    cdef bint running
    # under the host's lock
    cdef bint detached
    cdef void detach(self) noexcept nogil
