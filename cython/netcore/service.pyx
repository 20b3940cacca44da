"""Service: counting, resizing and closing; the core does the rest by itself."""

cimport cython
from libc.stdint cimport uint16_t, uint32_t
from netcore.drive cimport HostHandle, enter, host_time, leave, unlock
from netcore.endpoint cimport pack_address, push_released
from netcore.posix cimport memset
from netcore.services cimport SERVICE_DISCARD, SERVICE_ECHO, SERVICE_SOURCE, close_service, open_service
from netcore.tcp.backlog cimport occupancy, set_backlog
from netcore.tcp.tcb cimport STATUS_NO_BUFFERS, service_t
from netcore.wire.address cimport address_t

cdef dict kinds = {"echo": SERVICE_ECHO, "discard": SERVICE_DISCARD, "source": SERVICE_SOURCE}


def service_kinds() -> list[str]:
    """The kinds of service there are."""
    return list(kinds)


cdef object start_service(HostHandle owner, object kind, const address_t* local, uint16_t port, uint32_t backlog,
                          uint32_t rank, object connections):
    cdef Service handle
    cdef service_t* service
    cdef int what
    cdef uint32_t most
    if kind not in kinds:
        raise ValueError(f"kind is {kind!r}, but must be one of {', '.join(kinds)}")
    if not 0 < connections < 1 << 32:
        raise ValueError(f"connections is {connections}, but must be at least 1 and less than 2**32")
    what = kinds[kind]
    most = connections
    with nogil:
        enter(owner.host)
        service = open_service(&owner.host.transport, what, local, port, backlog, rank, most)
        leave(owner.host)
    if service == NULL:
        return STATUS_NO_BUFFERS
    handle = Service.__new__(Service)
    handle.owner = owner
    handle.service = service
    handle.kind_name = kind
    handle.local_name = pack_address(local), port
    return handle


@cython.no_gc_clear
@cython.final
cdef class Service:
    """A server inside the core. Made by Engine.serve only."""

    def __dealloc__(self):
        if self.service != NULL:
            push_released(self.owner.host, &self.service.listener.endpoint)
            self.service = NULL

    def close(self) -> None:
        """Ends listening and closes the connections."""
        cdef service_t* service
        with nogil:
            enter(self.owner.host)
            service = self.service
            self.service = NULL
            if service != NULL:
                close_service(service, host_time(self.owner.host))
            leave(self.owner.host)

    def set_backlog(self, backlog: int) -> None:
        """New capacity; the excess is reset (LISTEN-57, 58)."""
        cdef uint32_t most = backlog
        with nogil:
            enter(self.owner.host)
            if self.service != NULL:
                set_backlog(self.service.listener, most)
            leave(self.owner.host)

    def counters(self) -> dict[str, int]:
        """What it has done and does now."""
        cdef service_t copy
        cdef uint32_t waiting = 0
        memset(&copy, 0, sizeof(copy))
        with nogil:
            enter(self.owner.host)
            if self.service != NULL:
                copy = self.service[0]
                waiting = occupancy(self.service.listener)
            unlock(self.owner.host)
        return {
            "open": copy.open.count, "waiting": waiting, "accepted": copy.accepted, "failed": copy.failed,
            "received": copy.received, "sent": copy.sent,
        }

    @property
    def closed(self) -> bool:
        cdef bint gone
        with nogil:
            enter(self.owner.host)
            gone = self.service == NULL
            unlock(self.owner.host)
        return gone

    @property
    def kind(self) -> str:
        return self.kind_name

    @property
    def local(self) -> tuple[bytes, int]:
        return self.local_name
