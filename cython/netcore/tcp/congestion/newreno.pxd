"""NewReno (RFC 5681) as a congestion control table: slow start, congestion avoidance, half the window at a loss.

ECN-Echo takes 20 % instead of 50 % (RFC 8511); windows that the application does not fill are validated (RFC 7661).
"""

from netcore.tcp.tcb cimport congestion_t

cdef const congestion_t* newreno() noexcept nogil
