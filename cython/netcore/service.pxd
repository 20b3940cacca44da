"""Service: what a Python program holds of a server inside the core."""

from libc.stdint cimport uint16_t, uint32_t
from netcore.drive cimport HostHandle
from netcore.tcp.tcb cimport service_t
from netcore.wire.address cimport address_t

cdef class Service:
    cdef HostHandle owner
    cdef service_t* service
    cdef tuple local_name
    cdef str kind_name
    cdef object __weakref__

# A handle for a new service, or STATUS_NO_BUFFERS; see Engine.serve.
cdef object start_service(HostHandle owner, object kind, const address_t* local, uint16_t port, uint32_t backlog,
                          uint32_t rank, object connections)
