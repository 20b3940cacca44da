"""Servers inside the core: echo (RFC 862), discard (RFC 863) and the character generator (RFC 864).

They take connections from a listener and work on them as the driver's batch ends, without the GIL, a thread or a
wake-up. No byte is copied where a whole chunk can go from one queue to the other; the character generator's chunks all
show the same block of memory. What is not taken for want of room waits in the receive queue, so that the peer's window
closes.
"""

from libc.stdint cimport int64_t, uint16_t, uint32_t
from netcore.tcp.tcb cimport listener_t, service_t, transport_t
from netcore.wire.address cimport address_t

cdef enum ServiceKind:
    SERVICE_ECHO = 0
    SERVICE_DISCARD = 1
    # sends without an end, whatever it receives
    SERVICE_SOURCE = 2
    SERVICE_KINDS = 3

# A listener, as open_listener makes it, whose connections are served, at most `most` at the same time: further ones
# wait in the backlog. NULL when there is no memory.
cdef service_t* open_service(transport_t* transport, int kind, const address_t* local, uint16_t port, uint32_t backlog,
                             uint32_t rank, uint32_t most) noexcept nogil
# Ends listening, closes every connection as a program's close does (SND-10, CLOSE-6), and frees the service.
cdef void close_service(service_t* service, int64_t now) noexcept nogil
# Whoever serves it: its connections that nobody has accepted are reset, and it is freed (LISTEN-73).
cdef void retire_listener(listener_t* listener, int64_t now) noexcept nogil
# Does what the services have to do since the last call, transport.served; what is to leave is marked as ever.
cdef void serve(transport_t* transport, int64_t now) noexcept nogil
