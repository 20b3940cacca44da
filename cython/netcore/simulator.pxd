"""Simulator: a network under one virtual clock, with what must hold after every event."""

from libc.stdint cimport int64_t, uint64_t
from netcore.observed cimport Observed

cdef class Simulator(Observed):
    cdef uint64_t most_events
    cdef bint checking
    cdef uint64_t run_events(self, int64_t time, uint64_t most, bint until_done) except? 0
    cdef void set_clock(self, int64_t time) noexcept
    cdef int raise_violation(self) except -1
    cdef int check_memory(self) except -1
    cdef bint wants(self, str name) except -1

cdef class Pair:
    cdef Simulator simulator
