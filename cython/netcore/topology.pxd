"""The network that a simulator runs: hosts, switches and links; what it is made of lives as long as it does."""

from libc.stdint cimport uint32_t, uint64_t
from netcore.impair cimport Impairment
from netcore.network cimport network_t, node_t
from netcore.wire.address cimport address_t

cdef class Topology

cdef class Switch:
    cdef Topology owner
    cdef node_t* node
    cdef str label

cdef class Link:
    cdef Topology owner
    cdef readonly int number
    cdef readonly tuple ends
    cdef readonly Impairment forward
    cdef readonly Impairment backward

cdef class Topology:
    cdef network_t network
    cdef uint64_t seed
    # engines by the numbers of their nodes; for each node its neighbors: (number of the node, of the way there)
    cdef dict engines
    cdef list neighbors
    # the impairments of each link, and what is unique of each host
    cdef list links
    cdef dict addresses
    cdef bint ready
    cdef node_t* add_node(self) except NULL
    cdef node_t* node_of(self, object end) except NULL
    cdef bint reaches(self, int first, int second) except -1
    cdef Impairment impairment(self, object given, dict both, int way)
    cdef int join(self, node_t* source, node_t* target, Impairment impairment) except -1
    cdef int prepare(self) except -1
    cdef int spread(self, int place) except -1
    cdef void attach(self, int place) noexcept

# A seed of its own for everything that has a number.
cdef uint64_t mixed(uint64_t seed, uint64_t number) noexcept nogil
cdef str dotted(const address_t* address)
# Room for one more of `size` bytes behind `count`; the array doubles at powers of two.
cdef void* grown(void* items, uint32_t count, size_t size) except NULL
