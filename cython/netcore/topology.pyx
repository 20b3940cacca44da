"""What a simulated network is made of: hosts, switches, and links that form a tree."""

cimport cython
import ipaddress

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport uint32_t, uint64_t
from netcore.application cimport application_leave, door_leave, door_t
from netcore.drive cimport HostHandle, enter, leave, unlock
from netcore.endpoint cimport pack_address
from netcore.engine cimport Engine
from netcore.host cimport host_t
from netcore.impair cimport Impairment, impair_put, impair_use_pool
from netcore.invariants cimport checker_close, checker_open
from netcore.network cimport network_notice, network_reserve, network_t, node_t, way_t
from netcore.posix cimport calloc, free, iovec, memset, realloc
from netcore.sampling cimport samples_t
from netcore.storage.chunks cimport chunk_give, chunk_pool_close, chunk_t
from netcore.storage.deadlines cimport deadlines_close, deadlines_open
from netcore.storage.frames cimport frame_queue_take
from netcore.storage.pattern cimport pattern_open
from netcore.storage.random cimport random_next, random_t
from netcore.trace cimport trace_clear
from netcore.wire.address cimport address_t
from netcore.wire.vnet cimport VNET_HEADER_LENGTH, parse_vnet, vnet_header_t

cdef enum:
    LINK_HEADER = 14
    LONGEST_FRAME = 66000


cdef uint64_t mixed(uint64_t seed, uint64_t number) noexcept nogil:
    """A seed of its own for everything that has a number."""
    cdef random_t random
    random.state = seed ^ (number * 0xd1342543de82ef95ULL)
    random_next(&random)
    return random_next(&random)


cdef str dotted(const address_t* address):
    return str(ipaddress.IPv4Address(pack_address(address)))


cdef void* grown(void* items, uint32_t count, size_t size) except NULL:
    """Room for one more; the array doubles at powers of two."""
    cdef void* more
    if count & (count - 1):
        return items
    more = realloc(items, (count * 2 if count else 1) * size)
    if more == NULL:
        raise MemoryError
    return more


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


@cython.no_gc_clear
cdef class Topology:
    """Hosts, switches and links, and the memory of all that is played and seen on them. See the stub."""

    def __cinit__(self, *, seed: int, start: int = 0, **others):
        cdef network_t* network = &self.network
        self.seed = seed & 0xffffffffffffffff
        self.engines = {}
        self.neighbors = []
        self.links = []
        self.addresses = {}
        network.now = start
        deadlines_open(&network.agenda)
        pattern_open(&network.traffic.pattern, mixed(self.seed, 1))
        network.traffic.violation = &network.violation
        network.trace.hash = mixed(0, 2)
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
                Py_DECREF(<Engine> node.holder)
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
            Py_DECREF(<Impairment> network.ways[i].holder)
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
        # the lists and dictionaries of a simulator in a cycle may be cleared before it is taken down itself
        node.holder = <void*> engine
        Py_INCREF(engine)
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
        way.holder = <void*> impairment
        Py_INCREF(impairment)
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
