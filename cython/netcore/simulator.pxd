"""Pair: two hosts and the link between them under one virtual clock."""

from libc.stdint cimport int64_t
from netcore.engine cimport Engine
from netcore.host cimport host_t
from netcore.impair cimport Impairment
from netcore.impairment cimport impair_t
from netcore.storage.captures cimport captures_t

cdef class Pair:
    cdef Engine left
    cdef Engine right
    cdef Impairment forward
    cdef Impairment backward
    cdef int64_t clock
    cdef captures_t records
    cdef void collect(self, host_t* host, impair_t* link) noexcept nogil
    cdef void deliver(self, host_t* host, impair_t* link, bint to_right) noexcept nogil
    cdef void tick(self, host_t* host) noexcept nogil
    cdef int64_t next_time(self) noexcept nogil
    cdef void carry_out(self, int64_t time) noexcept nogil
