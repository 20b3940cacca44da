"""Endpoint: what a Python program holds of a connection."""

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from netcore.drive cimport HostHandle
from netcore.host cimport host_t
from netcore.posix cimport iovec, pthread_mutex_t
from netcore.tcp.tcb cimport congestion_t, endpoint_t, tcb_t
from netcore.wire.address cimport address_t

cdef class Endpoint:
    cdef HostHandle owner
    cdef tcb_t* tcb
    cdef pthread_mutex_t send_mutex
    # none changes while the connection lives, nor after
    cdef address_t local_address
    cdef address_t remote_address
    cdef uint16_t local_port
    cdef uint16_t remote_port
    cdef object __weakref__

# One sender at a time, so that the bytes of a send which goes in several slices stay together; as `send_pieces`.
cdef int64_t send_in_turn(Endpoint self, const iovec* pieces, int count, uint64_t total, bint urgent) noexcept nogil
# A handle for a connection that is held already; with the GIL.
cdef Endpoint wrap_connection(HostHandle owner, tcb_t* tcb)
# The congestion control algorithms, the default first; the one of that name (None: the default), else ValueError.
cdef list algorithm_names()
cdef const congestion_t* algorithm_argument(object name) except NULL
# The variables of a connection under their RFC names; `stretches`: how many are on its scoreboard.
cdef dict connection_info(const tcb_t* tcb, uint32_t stretches)
# A time in ns that is not negative, else ValueError.
cdef int64_t checked_duration(str name, object duration) except? -1
# An address_t as 4 or 16 octets, network order.
cdef bytes pack_address(const void* address)
# A handle has died without letting go: whoever locks the host next closes what it held.
cdef void push_released(host_t* host, endpoint_t* endpoint) noexcept nogil
