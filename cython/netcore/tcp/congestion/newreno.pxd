"""NewReno (RFC 5681) as a congestion control table."""

from netcore.tcp.tcb cimport congestion_t

cdef const congestion_t* newreno() noexcept nogil
