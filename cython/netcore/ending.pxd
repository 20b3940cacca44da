"""The end of a stack: what is still to be delivered, and how everything is let go (CLEAN-3, CLEAN-5)."""

from libc.stdint cimport uint32_t
from netcore.host cimport host_t

# Orphans whose text or FIN is not acknowledged.
cdef uint32_t count_undelivered(host_t* host) noexcept nogil
# Resets every connection and empties every listener, under the lock; how many there were. Their handles stay valid.
cdef int abort_everything(host_t* host) noexcept nogil
