"""Loop: the live drive of one host."""

from libc.stdint cimport int64_t, uint64_t
from netcore.engine cimport Engine
from netcore.impair cimport Impairment

cdef class Loop:
    cdef Engine engine
    cdef Impairment inbound
    cdef Impairment outbound
    cdef int stopping
    # rests that ended, and whether one has since the last step
    cdef uint64_t wakeups
    cdef bint rested
    cdef uint64_t batches
    cdef bint device_lost
    # both with the GIL held
    cdef bint running
    cdef bint detached
    # until when the next rest may last (ns)
    cdef int64_t rest_until
    cdef void detach(self) noexcept nogil
    cdef void drive(self) noexcept nogil
    cdef int step(self) noexcept nogil
    cdef void rest(self) noexcept nogil
