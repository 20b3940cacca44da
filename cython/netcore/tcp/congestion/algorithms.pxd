"""The congestion control algorithms by name (REC-5).

One more is a file of its own, which gives a table (tcb.congestion_t), and its line in algorithms.pyx.
"""

from libc.stdint cimport int64_t
from netcore.tcp.tcb cimport congestion_t, tcb_t

# The algorithm of that name, NULL if there is none.
cdef const congestion_t* algorithm_named(const char* name) noexcept nogil
# How many there are, and the one at a place below that; the first is the default.
cdef int algorithm_count() noexcept nogil
cdef const congestion_t* algorithm_at(int place) noexcept nogil
# Another algorithm goes on with a connection: with its windows, if it is established and so has some.
cdef void use_algorithm(tcb_t* tcb, const congestion_t* algorithm, int64_t now) noexcept nogil
