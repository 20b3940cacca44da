"""Connections whose ends are played by the core."""

cimport cython

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from netcore.application cimport (
    END_ABORT, END_CLOSE, END_SHUT, END_WAIT, WAITER_APPLICATION, WRITE_MOST, application_t, application_take,
    door_open, door_t, habits_t, set_default_habits,
)
from netcore.drive cimport HostHandle, enter, unlock
from netcore.endpoint cimport Endpoint, connection_info
from netcore.engine cimport Engine
from netcore.ip.routes cimport next_hop
from netcore.network cimport network_reserve, network_t, node_t
from netcore.posix cimport calloc, free
from netcore.storage.deadlines cimport NEVER
from netcore.storage.links cimport list_append
from netcore.tcp.calls cimport keep_text
from netcore.tcp.tcb cimport tcb_t
from netcore.topology cimport Topology, grown, mixed
from netcore.wire.address cimport address_t

cdef enum:
    FIRST_PORT = 10000

cdef dict ENDS = {"shut": END_SHUT, "close": END_CLOSE, "abort": END_ABORT, "wait": END_WAIT}


cdef habits_t merged_habits(dict given) except *:
    cdef habits_t habits
    cdef dict merged
    set_default_habits(&habits)
    merged = habits
    for name, value in given.items():
        if name not in merged:
            raise ValueError(f"{name} is no habit; known are {', '.join(merged)}")
        if name == "end":
            if value not in ENDS:
                raise ValueError(f"end is {value!r}, but must be one of {', '.join(ENDS)}")
            value = ENDS[value]
        if not 0 <= value < 1 << 62:
            raise ValueError(f"{name} is {value!r}, but must be a whole number from 0 on")
        merged[name] = int(value)
    if not 1 <= merged["write_size"] <= WRITE_MOST:
        raise ValueError(f"write_size is {merged['write_size']}, but must be 1 to {WRITE_MOST} bytes")
    if max(merged["send_buffer"], merged["receive_buffer"]) > 0x3fffffff:
        raise ValueError("send_buffer and receive_buffer must be at most 1073741823 bytes")
    habits = merged
    return habits


@cython.final
cdef class Application:
    """One end of a connection played by the core."""

    @property
    def engine(self) -> Engine:
        return self.owner.engines[self.application.node]

    @property
    def sent(self) -> int:
        return self.application.sent

    @property
    def received(self) -> int:
        return self.application.received

    @property
    def ended(self) -> bool:
        return self.application.ended

    @property
    def done(self) -> bool:
        return self.application.done

    @property
    def status(self) -> int:
        return self.application.status

    @property
    def connected_at(self) -> int:
        return self.application.connected_at

    @property
    def first_byte_at(self) -> int:
        return self.application.first_byte_at

    @property
    def ended_at(self) -> int:
        return self.application.ended_at

    @property
    def done_at(self) -> int:
        return self.application.done_at

    def info(self) -> dict[str, int]:
        """The variables of its connection as it is, or as it was when it let go of it."""
        cdef application_t* application = self.application
        cdef tcb_t* tcb = application.tcb
        if tcb != NULL:
            return connection_info(tcb, tcb.flight.sent.count if tcb.flight != NULL else 0)
        return connection_info(&application.last, 0) if application.done else {}


@cython.final
cdef class Flow:
    """Both ends of one connection played by the core."""

    @property
    def done(self) -> bool:
        return self.client.done and self.server.done

    @property
    def goodput(self) -> int:
        cdef application_t* client = self.client.application
        cdef application_t* server = self.server.application
        cdef int64_t end = client.ended_at if client.ended_at > server.ended_at else server.ended_at
        if not (client.done and server.done) or end <= client.started_at:
            return 0
        return (client.received + server.received) * 8_000_000_000 // (end - client.started_at)


@cython.no_gc_clear
cdef class Flows(Topology):
    """A topology on which connections are played. See the stub."""

    cdef application_t* new_application(self, HostHandle engine, dict habits) except NULL:
        cdef network_t* network = &self.network
        cdef application_t* application
        cdef node_t* node = self.node_of(engine)
        if not network_reserve(network):
            raise MemoryError
        network.applications = <application_t**> grown(network.applications, network.application_count,
                                                       sizeof(application_t*))
        application = <application_t*> calloc(1, sizeof(application_t))
        if application == NULL:
            raise MemoryError
        application.number = network.application_count
        application.node = node.number
        application.host = engine.host
        application.traffic = &network.traffic
        application.waiter.descriptor = WAITER_APPLICATION
        application.wake_at = NEVER
        application.started_at = network.now
        network.applications[network.application_count] = application
        network.application_count += 1
        network.unfinished += 1
        application.habits = merged_habits(habits)
        return application

    def flow(self, Engine client not None, Engine server not None, *, send: int = 0, reply: int = 0, port: int = 80,
             start: int = 0, backlog: int = 65536, together: bool = False, client_habits=None,
             server_habits=None) -> Flow:
        """A connection from `client` to `server` on which both ends are played."""
        cdef Flow flow = Flow.__new__(Flow)
        cdef application_t* one
        cdef application_t* other
        cdef address_t hop
        cdef uint32_t i, before = 0
        if not 0 < port < 65536:
            raise ValueError(f"port is {port}, but must be 1 to 65535")
        if not 0 < backlog < 1 << 31:
            raise ValueError(f"backlog is {backlog}, but must be 1 to {(1 << 31) - 1}")
        if not (0 <= send < 1 << 62 and 0 <= reply < 1 << 62):
            raise ValueError(f"send is {send} and reply is {reply}, but neither may be negative")
        if not next_hop(&client.host.interface, &server.host.interface.address, &hop):
            raise ValueError(f"{client.address} has no route to {server.address}: their prefixes do not meet")
        merged_habits(dict(server_habits or {}))
        one = self.new_application(client, dict(client_habits or {}))
        other = self.new_application(server, dict(server_habits or {}))
        for i in range(one.number):
            before += self.network.applications[i].node == one.node
        one.active = True
        one.peer = other
        other.peer = one
        one.started_at = max(start, self.network.now)
        one.wake_at = one.started_at
        one.local = other.remote = client.host.interface.address
        one.remote = other.local = server.host.interface.address
        one.local_port = other.remote_port = <uint16_t> (FIRST_PORT + before % 50000)
        one.remote_port = other.local_port = port
        one.to_send = other.to_receive = send
        one.to_receive = other.to_send = reply
        one.send_key = other.receive_key = mixed(self.seed, 2 * one.number + (1 << 40))
        one.receive_key = other.send_key = mixed(self.seed, 2 * one.number + 1 + (1 << 40))
        if together:
            other.active = True
            other.started_at = other.wake_at = one.started_at
            other.waiter.signalled = True
        else:
            self.expect(other, backlog)
        # its start is an event
        one.waiter.signalled = True
        flow.client = self.wrap(one)
        flow.server = self.wrap(other)
        return flow

    cdef int expect(self, application_t* application, uint32_t backlog) except -1:
        """Lets the application wait at the door of its port, which is made if need be."""
        cdef node_t* node = self.network.nodes[application.node]
        cdef door_t* door = node.doors
        while door != NULL and door.port != application.local_port:
            door = door.next
        if door == NULL:
            door = <door_t*> calloc(1, sizeof(door_t))
            if door == NULL:
                raise MemoryError
            enter(node.host)
            if not door_open(door, node.host, application.local_port, backlog):
                unlock(node.host)
                free(door)
                raise MemoryError
            unlock(node.host)
            door.next = node.doors
            node.doors = door
        list_append(&door.expected, &application.door_link, application)
        return 0

    cdef Application wrap(self, application_t* application):
        cdef Application handle = Application.__new__(Application)
        handle.owner = self
        handle.application = application
        return handle

    def play(self, Endpoint endpoint not None, *, send: int = 0, expect: int = 0, stream: int = 0,
             **habits) -> Application:
        """Hands an endpoint to an application in the core; the handle is closed."""
        cdef application_t* application
        cdef tcb_t* tcb
        cdef bint passive
        if endpoint.tcb == NULL:
            raise ValueError("the endpoint is closed")
        merged_habits(habits)
        application = self.new_application(endpoint.owner, habits)
        enter(application.host)
        tcb = endpoint.tcb
        endpoint.tcb = NULL
        keep_text(tcb)
        passive = tcb.passive
        application.local = tcb.entry.local
        application.remote = tcb.entry.remote
        application.local_port = tcb.entry.local_port
        application.remote_port = tcb.entry.remote_port
        application.to_send = send
        application.to_receive = expect
        application.send_key = mixed(self.seed, 2 * <uint64_t> stream + passive + (1ULL << 41))
        application.receive_key = mixed(self.seed, 2 * <uint64_t> stream + (not passive) + (1ULL << 41))
        application_take(application, tcb)
        application.waiter.signalled = True
        unlock(application.host)
        return self.wrap(application)
