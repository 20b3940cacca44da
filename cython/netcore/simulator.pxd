"""Simulator: hosts, switches and links under one virtual clock."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from netcore.application cimport application_t
from netcore.drive cimport HostHandle
from netcore.impair cimport Impairment
from netcore.network cimport network_t, node_t
from netcore.sampling cimport samples_t

cdef class Simulator

cdef class Switch:
    cdef Simulator owner
    cdef node_t* node
    cdef str label

cdef class Link:
    cdef Simulator owner
    cdef readonly int number
    cdef readonly tuple ends
    cdef readonly Impairment forward
    cdef readonly Impairment backward

cdef class Application:
    cdef Simulator owner
    cdef application_t* application

cdef class Flow:
    cdef readonly Application client
    cdef readonly Application server

cdef class Samples:
    cdef Simulator owner
    cdef samples_t* samples

cdef class Simulator:
    cdef network_t network
    cdef uint64_t seed
    cdef uint64_t most_events
    # engines by the numbers of their nodes; for each node its neighbors: (number of the node, of the way there)
    cdef dict engines
    cdef list neighbors
    # the impairments of each link, and what is unique of each host
    cdef list links
    cdef dict addresses
    cdef bint ready
    cdef bint checking
    cdef node_t* add_node(self) except NULL
    cdef node_t* node_of(self, object end) except NULL
    cdef bint reaches(self, int first, int second) except -1
    cdef Impairment impairment(self, object given, dict both, int way)
    cdef int join(self, node_t* source, node_t* target, Impairment impairment) except -1
    cdef int prepare(self) except -1
    cdef int spread(self, int place) except -1
    cdef void attach(self, int place) noexcept
    cdef application_t* new_application(self, HostHandle engine, dict habits) except NULL
    cdef int expect(self, application_t* application, uint32_t backlog) except -1
    cdef Application wrap(self, application_t* application)
    cdef uint64_t run_events(self, int64_t time, uint64_t most, bint until_done) except? 0
    cdef void set_clock(self, int64_t time) noexcept
    cdef int raise_violation(self) except -1
    cdef int check_memory(self) except -1
    cdef bint wants(self, str name) except -1

cdef class Pair:
    cdef Simulator simulator
