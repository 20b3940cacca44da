"""The face of the network: what it is made of, how it runs, and what can be seen of it."""

cimport cython
import ipaddress
from array import array
from typing import NamedTuple

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from netcore.application cimport (
    END_ABORT, END_CLOSE, END_SHUT, END_WAIT, WAITER_APPLICATION, WRITE_MOST, application_leave, application_t,
    application_take, door_leave, door_open, door_t, habits_t, set_default_habits,
)
from netcore.drive cimport HostHandle, enter, leave, unlock
from netcore.endpoint cimport Endpoint, connection_info, pack_address
from netcore.engine cimport Engine
from netcore.host cimport host_t
from netcore.impair cimport Impairment, impair_put, impair_use_pool
from netcore.invariants cimport checker_close, checker_open
from netcore.ip.routes cimport next_hop
from netcore.liveness cimport arrival_bound, check_arrivals
from netcore.network cimport (
    network_enter, network_leave, network_next, network_notice, network_reserve, network_run, network_t, node_t, way_t,
)
from netcore.posix cimport calloc, free, iovec, memset, realloc
from netcore.sampling cimport sample_t, samples_t
from netcore.storage.chunks cimport chunk_give, chunk_pool_close, chunk_t
from netcore.storage.deadlines cimport NEVER, deadlines_close, deadlines_open
from netcore.storage.frames cimport frame_queue_take
from netcore.storage.links cimport list_append
from netcore.storage.pattern cimport pattern_open
from netcore.storage.random cimport random_next, random_t
from netcore.tcp.tcb cimport tcb_t
from netcore.trace cimport record_octets, record_t, trace_clear
from netcore.violation cimport violate, violation_t
from netcore.wire.address cimport address_t
from netcore.wire.vnet cimport VNET_HEADER_LENGTH, parse_vnet, vnet_header_t

cdef enum:
    # events between two looks at the keyboard
    SLICE = 1 << 20
    FIRST_PORT = 10000
    LINK_HEADER = 14
    LONGEST_FRAME = 66000
    HOUR = 3_600_000_000_000

INVARIANTS = {
    "send_order": "SND.UNA =< SND.NXT, neither goes back, and only bytes that were queued are sent (RFC 9293 3.4)",
    "receive_order": "RCV.NXT never goes back",
    "right_edge": "the right edge of the receive window never moves left (RFC 9293 3.8.6)",
    "retransmission_armed": "a time-out is armed while anything is unacknowledged (RFC 6298 5.1)",
    "persist_armed": "a time-out is armed while data waits and nothing is in flight (RFC 9293 3.8.6.1)",
    "ack_armed": "an acknowledgement that is owed is sent or has its time-out (RFC 9293 3.8.6.3)",
    "text_in_window": "nothing leaves beyond the peer's right edge but a probe of one octet (RFC 9293 3.8.6)",
    "flight_in_cwnd": "new text leaves only as far as cwnd lets it (RFC 5681 3.1, with RFC 3042)",
    "flight_accounts": "what was sent and is outstanding adds up: in flight, SACKed, lost (RFC 6675 4)",
    "held_ranges": "what is held beyond a hole is in order, apart and within the window (RFC 9293 3.10.7.4)",
    "ack_forward": "every segment acknowledges RCV.NXT, and what was acknowledged stays so",
    "window_not_taken_back": "no segment takes back what another announced, beyond rounding (RFC 7323 2.4)",
    "legal_transitions": "states change only as RFC 9293 3.3.2 lets them",
    "stream_bytes": "every byte received is the one that was sent at this place",
    "stream_length": "the stream ends where the sender ended it",
    "delivery": "no connection fails that nobody aborts, while the links let enough through",
    "liveness": "once the links are healed all data arrives by Simulator.deadline",
    "endless": "a run needs no more events than it was given",
    "memory": "when everything is over all memory is back",
}

cdef dict ENDS = {"shut": END_SHUT, "close": END_CLOSE, "abort": END_ABORT, "wait": END_WAIT}


class Frame(NamedTuple):
    """A frame as it arrived at the end of a link."""

    time: int
    link: int
    forward: bool
    octets: bytes


class Violation(AssertionError):
    """An invariant that did not hold."""

    def __init__(self, invariant, host, connection, time, event, values, seed):
        super().__init__(invariant, host, connection, time, event, values, seed)
        self.invariant = invariant
        self.host = host
        self.connection = connection
        self.time = time
        self.event = event
        self.values = values
        self.seed = seed

    def __str__(self):
        where = self.connection or self.host
        shown = ", ".join(f"{name} {value}" for name, value in self.values.items())
        return (f"{self.invariant} violated at {self.time} ns (event {self.event}, seed {self.seed})"
                f"{' by ' + where if where else ''}: {INVARIANTS.get(self.invariant, '')}; {shown}")


cdef uint64_t mixed(uint64_t seed, uint64_t number) noexcept nogil:
    """A seed of its own for everything that has a number."""
    cdef random_t random
    random.state = seed ^ (number * 0xd1342543de82ef95ULL)
    random_next(&random)
    return random_next(&random)


cdef str dotted(const address_t* address):
    return str(ipaddress.IPv4Address(pack_address(address)))


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
cdef class Switch:
    """A learning-free Ethernet switch. From Simulator.switch."""

    @property
    def name(self) -> str:
        return self.label

    @property
    def counters(self) -> dict[str, int]:
        return {"forwarded": self.node.forwarded, "flooded": self.node.flooded, "unknown": self.node.unknown}

    def __repr__(self) -> str:
        return f"Switch({self.label!r})"


@cython.final
cdef class Link:
    """A link of two directions between two nodes. From Simulator.link."""

    def inject(self, frame, bint forward=True) -> None:
        """A frame that nobody has sent enters the link now."""
        cdef network_t* network = &self.owner.network
        cdef way_t* way = network.ways[2 * self.number + (not forward)]
        cdef Py_buffer view
        cdef vnet_header_t vnet
        cdef iovec piece
        self.owner.prepare()
        memset(&vnet, 0, sizeof(vnet))
        PyObject_GetBuffer(frame, &view, PyBUF_SIMPLE)
        piece.iov_base = view.buf
        piece.iov_len = <size_t> view.len
        fits = LINK_HEADER <= view.len <= LONGEST_FRAME
        if fits:
            impair_put(way.impair, &piece, 1, <uint32_t> view.len, &vnet, network.now)
            network_notice(network, way)
        PyBuffer_Release(&view)
        if not fits:
            raise ValueError(f"a frame has {LINK_HEADER} to {LONGEST_FRAME} bytes, not {len(frame)}")


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


@cython.final
cdef class Samples:
    """What was recorded of one connection."""

    @property
    def dropped(self) -> int:
        return self.samples.dropped

    def __len__(self) -> int:
        return self.samples.count

    def take(self) -> dict[str, array]:
        """Takes the samples: one array of int64 for each name in SAMPLE_FIELDS."""
        cdef samples_t* samples = self.samples
        cdef uint32_t width = sizeof(sample_t) // sizeof(int64_t)
        everything = array("q")
        if samples.count:
            everything.frombytes((<char*> samples.items)[:samples.count * sizeof(sample_t)])
        samples.count = 0
        return {name: everything[place::width] for place, name in enumerate(SAMPLE_FIELDS)}


cdef tuple sample_names():
    cdef sample_t sample
    memset(&sample, 0, sizeof(sample))
    return tuple(<dict> sample)


SAMPLE_FIELDS = sample_names()


cdef void* grown(void* items, uint32_t count, size_t size) except NULL:
    """Room for one more; the array doubles at powers of two."""
    cdef void* more
    if count & (count - 1):
        return items
    more = realloc(items, (count * 2 if count else 1) * size)
    if more == NULL:
        raise MemoryError
    return more


@cython.no_gc_clear
@cython.final
cdef class Simulator:
    """Hosts, switches and links under one virtual clock. See the stub for what each call means."""

    def __cinit__(self, *, seed: int, check: bool = False, start: int = 0, events: int | None = None):
        cdef network_t* network = &self.network
        self.seed = seed & 0xffffffffffffffff
        self.most_events = ~(<uint64_t> 0) if events is None else events
        self.engines = {}
        self.neighbors = []
        self.links = []
        self.addresses = {}
        network.now = start
        deadlines_open(&network.agenda)
        pattern_open(&network.traffic.pattern, mixed(self.seed, 1))
        network.traffic.violation = &network.violation
        network.trace.hash = mixed(0, 2)
        network.checker.on = network.traffic.checked = check
        self.checking = check
        if not checker_open(&network.checker, &network.violation):
            raise MemoryError

    def __dealloc__(self):
        cdef network_t* network = &self.network
        cdef node_t* node
        cdef door_t* door
        cdef samples_t* samples
        cdef host_t* host
        cdef uint32_t i
        for i in range(network.application_count):
            host = network.applications[i].host
            enter(host)
            application_leave(network.applications[i])
            unlock(host)
            free(network.applications[i])
        for i in range(network.node_count):
            node = network.nodes[i]
            if node.host != NULL:
                enter(node.host)
                while node.doors != NULL:
                    door = node.doors
                    node.doors = door.next
                    door_leave(door)
                    free(door)
                node.host.device.link = NULL
                node.host.simulated = False
                leave(node.host)
            while node.samples != NULL:
                samples = node.samples
                node.samples = samples.next
                free(samples.items)
                free(samples)
            free(node.ways)
            free(node.routes)
            free(node)
        for i in range(network.way_count):
            impair_use_pool(network.ways[i].impair, NULL)
            network.ways[i].impair.attached = False
            free(network.ways[i])
        free(network.nodes)
        free(network.hosts)
        free(network.ways)
        free(network.applications)
        free(network.keys)
        free(network.places)
        deadlines_close(&network.agenda)
        checker_close(&network.checker)
        trace_clear(&network.trace)
        chunk_pool_close(&network.pool)

    # ---- what there is

    cdef node_t* add_node(self) except NULL:
        cdef network_t* network = &self.network
        cdef node_t* node
        if not network_reserve(network):
            raise MemoryError
        network.nodes = <node_t**> grown(network.nodes, network.node_count, sizeof(node_t*))
        network.hosts = <node_t**> grown(network.hosts, network.node_count, sizeof(node_t*))
        node = <node_t*> calloc(1, sizeof(node_t))
        if node == NULL:
            raise MemoryError
        node.number = network.node_count
        network.nodes[network.node_count] = node
        network.node_count += 1
        self.neighbors.append([])
        self.ready = False
        return node

    cdef node_t* node_of(self, object end) except NULL:
        """The node of a host or switch of ours."""
        cdef uint32_t i
        if isinstance(end, Switch) and (<Switch> end).owner is self:
            return (<Switch> end).node
        if isinstance(end, HostHandle):
            for i in range(self.network.host_count):
                if self.network.hosts[i].host == (<HostHandle> end).host:
                    return self.network.hosts[i]
        raise ValueError(f"{end!r} is no host or switch of this simulator: use host, add or switch first")

    def host(self, address: str | None = None, *, prefix: int = 8, **arguments) -> Engine:
        """Makes a host."""
        number = self.network.host_count + 1
        if address is None:
            address = str(ipaddress.IPv4Address("10.0.0.0") + number)
        words = (mixed(self.seed, part + number) for part in (1000, 2000))
        arguments.setdefault("seed", b"".join(word.to_bytes(8, "big") for word in words))
        # one that no two seeds bring to meet
        arguments.setdefault("mac", b"\x02\x57" + ipaddress.IPv4Address(address).packed)
        return self.add(Engine(address=address, prefix=prefix, **arguments))

    def add(self, Engine engine not None) -> Engine:
        """Takes in an engine that the caller has made."""
        cdef network_t* network = &self.network
        cdef host_t* host = engine.host
        cdef node_t* node
        if host.live or host.simulated:
            raise ValueError("a loop or another simulator drives this engine: its time is not ours to set")
        if host.now > network.now:
            raise ValueError(f"the engine's time is {host.now} ns, later than the simulator's {network.now}")
        key = int(host.interface.mac) if host.interface.ethernet else int(host.interface.address.low)
        address = dotted(&host.interface.address)
        for name in (key, address):
            if name in self.addresses:
                raise ValueError(f"a host with the address {address} or its MAC is here already")
        engine.advance(network.now)
        node = self.add_node()
        self.addresses[key] = self.addresses[address] = engine
        self.engines[node.number] = engine
        node.host = host
        node.place = network.host_count
        network.hosts[network.host_count] = node
        network.host_count += 1
        host.simulated = True
        return engine

    def switch(self, name: str = "") -> Switch:
        """Makes a switch."""
        cdef Switch switch = Switch.__new__(Switch)
        switch.node = self.add_node()
        # the simulator does not hold the switch: no circle keeps its memory until a collection
        switch.owner = self
        switch.label = name or f"switch {switch.node.number}"
        return switch

    def link(self, one, other, *, forward=None, backward=None, **both) -> Link:
        """Joins two nodes."""
        cdef Link link = Link.__new__(Link)
        cdef Impairment impairment
        cdef node_t* first = self.node_of(one)
        cdef node_t* second = self.node_of(other)
        if self.reaches(first.number, second.number):
            raise ValueError("the two ends are joined already: links must form a tree")
        for end in (one, other):
            if isinstance(end, Engine) and self.neighbors[self.node_of(end).number]:
                raise ValueError(f"{(<Engine> end).address} has a link already: a host has one interface")
        link.owner = self
        link.number = len(self.links)
        link.ends = one, other
        link.forward = self.impairment(forward, both, 0)
        link.backward = self.impairment(backward, both, 1)
        if link.forward is link.backward:
            raise ValueError("each direction needs an Impairment of its own")
        for impairment in (link.forward, link.backward):
            if impairment.impair.attached:
                raise ValueError("this Impairment is part of a link or device already")
        self.join(first, second, link.forward)
        self.join(second, first, link.backward)
        self.links.append((link.forward, link.backward))
        self.ready = False
        return link

    cdef bint reaches(self, int first, int second) except -1:
        """Whether there is a way from one node to the other."""
        seen, found = {first}, [first]
        while found:
            for neighbor, _ in self.neighbors[found.pop()]:
                if neighbor not in seen:
                    seen.add(neighbor)
                    found.append(neighbor)
        return second in seen

    cdef Impairment impairment(self, object given, dict both, int way):
        """The Impairment of one direction."""
        if isinstance(given, Impairment):
            return given
        arguments = {"seed": mixed(self.seed, 1_000_000 + 2 * len(self.links) + way), **both, **(given or {})}
        return Impairment(**arguments)

    cdef int join(self, node_t* source, node_t* target, Impairment impairment) except -1:
        """The way from one node to another."""
        cdef network_t* network = &self.network
        cdef way_t* way
        if not network_reserve(network):
            raise MemoryError
        network.ways = <way_t**> grown(network.ways, network.way_count, sizeof(way_t*))
        way = <way_t*> calloc(1, sizeof(way_t))
        if way == NULL:
            raise MemoryError
        way.impair = impairment.impair
        way.impair.attached = True
        way.number = network.way_count
        way.target = target
        impair_use_pool(way.impair, &network.pool)
        network.ways[network.way_count] = way
        network.way_count += 1
        self.neighbors[source.number].append((target.number, way.number))
        if source.host != NULL:
            source.out = way
            return 0
        source.ways = <way_t**> grown(source.ways, source.way_count, sizeof(way_t*))
        source.ways[source.way_count] = way
        source.way_count += 1
        return 0

    cdef int prepare(self) except -1:
        """Tables of the switches, and whether all that are joined speak the same language."""
        cdef network_t* network = &self.network
        cdef uint32_t i
        cdef uint64_t at, size = 16
        cdef host_t* host
        if self.ready:
            return 0
        while size < 4 * network.host_count:
            size *= 2
        free(network.keys)
        free(network.places)
        network.keys = <uint64_t*> calloc(size, sizeof(uint64_t))
        network.places = <uint32_t*> calloc(size, sizeof(uint32_t))
        network.key_mask = <uint32_t> (size - 1)
        if network.keys == NULL or network.places == NULL:
            raise MemoryError
        for i in range(network.node_count):
            if network.nodes[i].host == NULL:
                free(network.nodes[i].routes)
                network.nodes[i].routes = <way_t**> calloc(network.host_count + 1, sizeof(way_t*))
                if network.nodes[i].routes == NULL:
                    raise MemoryError
        for i in range(network.host_count):
            host = network.hosts[i].host
            at = host.interface.mac if host.interface.ethernet else host.interface.address.low & 0xffffffffU
            size = (at * 0x9e3779b97f4a7c15ULL) >> 40
            while network.keys[size & network.key_mask]:
                size += 1
            network.keys[size & network.key_mask] = at
            network.places[size & network.key_mask] = i
            self.spread(i)
            self.attach(i)
        self.ready = True
        return 0

    cdef int spread(self, int place) except -1:
        """Tells every switch that can be reached from a host the way back to it."""
        cdef network_t* network = &self.network
        cdef node_t* node
        cdef bint ethernet = network.hosts[place].host.interface.ethernet
        start = network.hosts[place].number
        seen, found = {start}, [start]
        while found:
            number = found.pop()
            for neighbor, way in self.neighbors[number]:
                network.ways[<int> way].impair.ethernet = ethernet
                if neighbor in seen:
                    continue
                seen.add(neighbor)
                found.append(neighbor)
                node = network.nodes[<int> neighbor]
                if node.host == NULL:
                    # ways are made in pairs: the way back is the other one
                    node.routes[place] = network.ways[<int> way ^ 1]
                elif node.host.interface.ethernet != ethernet:
                    raise ValueError("all hosts that are joined must use Ethernet headers, or none")
        return 0

    cdef void attach(self, int place) noexcept:
        """The host's frames go onto its link from now on, those that wait first."""
        cdef node_t* node = self.network.hosts[place]
        cdef host_t* host = node.host
        cdef vnet_header_t vnet
        cdef iovec piece
        cdef chunk_t* chunk
        cdef uint32_t skip = VNET_HEADER_LENGTH if host.device.vnet_header else 0
        if node.out == NULL or host.device.link != NULL:
            return
        memset(&vnet, 0, sizeof(vnet))
        enter(host)
        host.device.link = node.out.impair
        chunk = frame_queue_take(&host.device.outgoing)
        while chunk != NULL:
            if skip:
                parse_vnet(chunk.data, &vnet)
            piece.iov_base = chunk.data + skip
            piece.iov_len = chunk.end - skip
            impair_put(node.out.impair, &piece, 1, chunk.end - skip, &vnet, self.network.now)
            chunk_give(&host.transport.pool, chunk)
            chunk = frame_queue_take(&host.device.outgoing)
        unlock(host)

    # ---- applications in the core

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

    # ---- time

    @property
    def now(self) -> int:
        return self.network.now

    cdef uint64_t run_events(self, int64_t time, uint64_t most, bint until_done) except? 0:
        """Runs, and raises what there is to raise. How many events there were."""
        cdef uint64_t count = 0, done
        cdef uint64_t left = self.most_events - min(self.most_events, self.network.events)
        self.prepare()
        most = most if most < left else left
        with nogil:
            network_enter(&self.network)
            while count < most:
                done = network_run(&self.network, time, most - count if most - count < SLICE else SLICE, until_done)
                count += done
                if done < SLICE:
                    break
                with gil:
                    if PyErr_CheckSignals():
                        break
            network_leave(&self.network)
        PyErr_CheckSignals()
        if count == left or self.wants("endless"):
            violate(&self.network.violation, "endless", NULL, 0, NULL, 0)
        if self.network.violation.invariant != NULL:
            self.raise_violation()
        return count

    cdef int raise_violation(self) except -1:
        cdef violation_t* violation = &self.network.violation
        cdef int i
        values = {violation.names[i].decode(): violation.values[i] for i in range(violation.count)}
        connection = ""
        host = dotted(&violation.local) if violation.local.low else ""
        if violation.local_port:
            connection = f"{host}:{violation.local_port} > {dotted(&violation.remote)}:{violation.remote_port}"
        raise Violation(violation.invariant.decode(), host, connection, self.network.now, self.network.events, values,
                        self.seed)

    def next_event(self) -> int | None:
        """Time (ns) of the next event; None: nothing will ever happen."""
        cdef int64_t time
        self.prepare()
        with nogil:
            network_enter(&self.network)
            time = network_next(&self.network)
            network_leave(&self.network)
        return None if time == NEVER else time

    def step(self) -> bool:
        """Carries out all that happens at the next event's time. False: nothing is scheduled."""
        cdef int64_t time
        self.prepare()
        with nogil:
            network_enter(&self.network)
            time = network_next(&self.network)
            if time != NEVER:
                network_run(&self.network, time, ~(<uint64_t> 0), False)
            network_leave(&self.network)
        if self.network.violation.invariant != NULL:
            self.raise_violation()
        return time != NEVER

    def run_until(self, int64_t time) -> None:
        """Carries out everything due by `time` (ns) and sets the clock to it."""
        if time < self.network.now:
            raise ValueError(f"time goes back from {self.network.now} to {time} ns")
        self.run_events(time, ~(<uint64_t> 0), False)
        self.set_clock(time)

    cdef void set_clock(self, int64_t time) noexcept:
        """Nothing is due before `time`."""
        cdef uint32_t i
        self.network.now = time
        for i in range(self.network.host_count):
            self.network.hosts[i].host.now = time

    def run(self, limit: int | None = None) -> bool:
        """Runs until all applications are done."""
        cdef int64_t last = NEVER - 1 if limit is None else limit
        cdef int64_t bound = self.deadline if self.checking else NEVER - 1
        self.run_events(last if last < bound else bound, ~(<uint64_t> 0), True)
        if self.checking:
            # what is not done by the bound hangs, and so does what waits for nothing
            check_arrivals(&self.network, last >= bound or self.next_event() is None)
            if self.wants("liveness") or self.wants("delivery"):
                violate(&self.network.violation, self.network.violation.wanted, NULL, 0, NULL, 0)
            if self.network.violation.invariant != NULL:
                self.raise_violation()
        if self.network.unfinished and limit is not None and self.network.now < last:
            self.set_clock(last)
        return self.network.unfinished == 0

    def settle(self) -> None:
        """Lets time pass until nothing is left of what has been."""
        self.run_events(self.network.now + HOUR, ~(<uint64_t> 0), False)
        # a connection that waits for a peer who has given up is not done with its memory
        if self.checking and self.network.unfinished == 0:
            self.check_memory()

    cdef int check_memory(self) except -1:
        """Nothing is left of connections, their bytes and frames."""
        for engine in self.engines.values():
            usage = engine.usage()
            left = {name: usage[name] for name in ("connections", "half_open", "time_wait", "orphans", "chunks",
                                                   "frames") if usage[name]}
            if left or self.wants("memory"):
                raise Violation("memory", engine.address, "", self.network.now, self.network.events, left, self.seed)
        return 0

    cdef bint wants(self, str name) except -1:
        """Whether a test wants this invariant to fail."""
        cdef violation_t* violation = &self.network.violation
        return violation.wanted != NULL and violation.wanted.decode() == name

    @property
    def deadline(self) -> int:
        self.prepare()
        return arrival_bound(&self.network)

    # ---- what can be seen

    @property
    def trace_hash(self) -> int:
        return self.network.trace.hash

    def counters(self) -> dict[str, int]:
        """What the run has cost so far."""
        cdef uint64_t segments = 0
        cdef uint32_t i
        for i in range(self.network.host_count):
            segments += self.network.hosts[i].host.transport.counters.InSegs
        return {"events": self.network.events, "frames": self.network.frames, "segments": segments}

    def record(self, links=None, *, limit: int = 1 << 30) -> None:
        """Keeps a copy of every frame that arrives at the end of these links."""
        wanted = range(len(self.links)) if links is None else {link.number for link in links}
        for number in range(len(self.links)):
            self.network.ways[2 * number].recorded = self.network.ways[2 * number + 1].recorded = number in wanted
        self.network.trace.limit = limit

    def recorded(self) -> list[Frame]:
        """Takes the copies, in the order of arrival."""
        cdef record_t* record = self.network.trace.first
        frames = []
        while record != NULL:
            frames.append(Frame(record.time, record.way >> 1, not record.way & 1,
                                PyBytes_FromStringAndSize(<char*> record_octets(record), record.length)))
            record = record.next
        trace_clear(&self.network.trace)
        return frames

    def watch(self, watched, *, limit: int = 1_000_000) -> Samples:
        """Records the variables of a connection from now on."""
        cdef Samples handle = Samples.__new__(Samples)
        cdef samples_t* samples
        cdef application_t* application
        cdef Endpoint endpoint
        cdef node_t* node
        if not 0 < limit < 1 << 31:
            raise ValueError(f"limit is {limit}, but must be 1 to {(1 << 31) - 1} samples")
        samples = <samples_t*> calloc(1, sizeof(samples_t))
        if samples == NULL:
            raise MemoryError
        if isinstance(watched, Application):
            application = (<Application> watched).application
            node = self.network.nodes[application.node]
            samples.local, samples.remote = application.local, application.remote
            samples.local_port, samples.remote_port = application.local_port, application.remote_port
        else:
            endpoint = watched
            if endpoint.tcb == NULL:
                free(samples)
                raise ValueError("the endpoint is closed")
            node = self.node_of(endpoint.owner)
            samples.local, samples.remote = endpoint.tcb.entry.local, endpoint.tcb.entry.remote
            samples.local_port = endpoint.tcb.entry.local_port
            samples.remote_port = endpoint.tcb.entry.remote_port
        samples.host = node.host
        samples.limit = limit
        samples.next = node.samples
        node.samples = samples
        handle.owner = self
        handle.samples = samples
        return handle

    def violate(self, invariant: str) -> None:
        """Makes the next check of this invariant fail: for tests of the checks."""
        if invariant not in INVARIANTS:
            raise ValueError(f"{invariant} is no invariant; known are {', '.join(INVARIANTS)}")
        self.network.violation.wanted = WANTED[invariant]


# what C keeps a pointer to must live as long as the module
cdef dict WANTED = {name: name.encode() for name in INVARIANTS}


@cython.final
cdef class Pair:
    """Two hosts and one link: a Simulator with short words."""

    def __cinit__(self, Engine left not None, Engine right not None, *, Impairment forward=None,
                  Impairment backward=None, latency: int = 1000):
        if left.host.interface.ethernet != right.host.interface.ethernet:
            raise ValueError("both engines must use Ethernet headers, or neither")
        self.simulator = Simulator(seed=0, start=max(left.now, right.now))
        self.simulator.add(left)
        self.simulator.add(right)
        self.simulator.link(left, right, forward=forward, backward=backward, delay=latency)
        self.simulator.prepare()

    @property
    def now(self) -> int:
        return self.simulator.network.now

    def next_event(self) -> int | None:
        """Time (ns) of the next frame arrival or time-out at either host; None: nothing will ever happen."""
        return self.simulator.next_event()

    def step(self) -> bool:
        """Carries out all that happens at the next event time. False: nothing is scheduled."""
        return self.simulator.step()

    def run_until(self, int64_t time) -> None:
        """Carries out everything due by `time` (ns) and sets the clock to it."""
        self.simulator.run_until(time)

    def record(self, on: bool = True) -> None:
        """Keeps a copy of every frame as it arrives."""
        self.simulator.record(None if on else ())

    def recorded(self) -> list[tuple[int, str, bytes]]:
        """Takes the copies: (arrival time in ns, who receives it, frame)."""
        return [(frame.time, "right" if frame.forward else "left", frame.octets) for frame in self.simulator.recorded()]
