"""By when everything must have arrived, and whether a connection had a right to fail."""

from libc.stdint cimport int64_t
from netcore.network cimport network_t

# Time (ns) after which an application that is not done hangs. It holds for every loss short of half the frames.
cdef int64_t arrival_bound(network_t* network) noexcept nogil
# Records "delivery" for a connection that failed without cause and, when `late`, "liveness" for one that hangs.
cdef void check_arrivals(network_t* network, bint late) noexcept nogil
