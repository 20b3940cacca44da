"""Engine: one host for Python, driven by hand, by a loop or by the simulator."""

cimport cython
import ipaddress
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from netcore.device cimport device_inject
from netcore.drive cimport HostHandle, enter, host_time, leave, next_deadline, run_deadlines, settle, unlock
from netcore.ending cimport abort_everything, count_undelivered
from netcore.endpoint cimport (
    Endpoint, algorithm_argument, algorithm_names, checked_duration, pack_address, wrap_connection,
)
from netcore.host cimport host_open, host_t
from netcore.ip.routes cimport interface_t, netmask_of, next_hop
from netcore.listener cimport Listener, wrap_listener
from netcore.posix cimport PLAIN_ALLOCATION, RACE_DETECTOR, free, memset
from netcore.service cimport start_service
from netcore.storage.byte_queue cimport queue_append
from netcore.storage.captures cimport captured_octets, captured_t
from netcore.storage.chunks cimport chunk_give, chunk_t
from netcore.storage.deadlines cimport NEVER
from netcore.storage.frames cimport frame_queue_take
from netcore.storage.links cimport link_t, list_remove
from netcore.storage.table cimport table_chain, table_node_t
from netcore.tcp.backlog cimport open_listener
from netcore.tcp.calls cimport open_active
from netcore.tcp.counters cimport counters_t
from netcore.tcp.extras cimport FAST_OPEN_WANTED
from netcore.tcp.statistics cimport statistics_t
from netcore.tcp.table cimport choose_free_port, find_entry
from netcore.tcp.tcb cimport (
    ENTRY_CONNECTION, STATE_COUNT, STATUS_NO_BUFFERS, STATUS_UNREACHABLE, Status, congestion_t, endpoint_t, entry_t,
    is_legal, listener_t, name_of_state, need_extras, tcb_t, timewait_t,
)
from netcore.tcp.tunables cimport set_default_tunables, tunables_t
from netcore.tcp.user_timeout cimport enable_timeout_option
from netcore.tuning cimport merge_tunables
from netcore.wire.address cimport address_of_ipv4, address_t, is_unicast_ipv4
from netcore.wire.octets cimport load32


def tunable_names() -> dict[str, int]:
    """Every tunable and its default."""
    cdef tunables_t tunables
    set_default_tunables(&tunables)
    return tunables


def congestion_names() -> list[str]:
    """The congestion control algorithms, the default one first (REC-5)."""
    return algorithm_names()


def state_name(int state) -> str:
    """The RFC 9293 name of a state number."""
    return name_of_state(state).decode()


def transitions() -> list[tuple[str, str]]:
    """The table of legal transitions, as pairs of state names."""
    return [(state_name(before), state_name(after)) for before in range(STATE_COUNT) for after in range(STATE_COUNT)
            if is_legal(before, after)]


def build_information() -> dict[str, object]:
    """How this core was built, and the sizes of what it keeps (bytes)."""
    return {
        "address_sanitizer": bool(PLAIN_ALLOCATION), "race_detector": bool(RACE_DETECTOR),
        "connection_bytes": sizeof(tcb_t), "time_wait_bytes": sizeof(timewait_t), "listener_bytes": sizeof(listener_t),
        "statistics_bytes": sizeof(statistics_t),
    }


cdef address_t ipv4_argument(str name, object text) except *:
    try:
        return address_of_ipv4(int(ipaddress.IPv4Address(text)))
    except ValueError:
        raise ValueError(f"{name} is {text!r}, but must be an IPv4 address such as 10.77.0.2") from None


cdef address_t packed_argument(str name, object packed) except *:
    cdef bytes octets
    if not isinstance(packed, (bytes, bytearray, memoryview)) or len(packed) != 4:
        raise ValueError(f"{name} is {packed!r}, but must be the 4 octets of an IPv4 address")
    octets = bytes(packed)
    return address_of_ipv4(load32(octets))


cdef uint16_t port_argument(str name, object port) except? 0:
    if not 0 < port < 65536:
        raise ValueError(f"{name} is {port!r}, but must be a port from 1 to 65535")
    return port


@cython.final
cdef class Engine(HostHandle):
    """One TCP/IP host: frames, calls, time and random bits go in, frames and events come out."""

    def __cinit__(self, *, address: str, prefix: int, seed: bytes, gateway: str | None = None,
                  mac: bytes | None = None, mtu: int = 1500, ethernet: bool = True, vnet_header: bool = False,
                  offloads: bool = False, congestion: str | None = None, **tunables: int):
        cdef interface_t interface
        cdef const congestion_t* algorithm
        cdef tunables_t merged = merge_tunables(tunables)
        memset(&interface, 0, sizeof(interface))
        if len(seed) < 16:
            raise ValueError(f"seed has {len(seed)} bytes, but at least 16 are needed")
        if not 0 <= prefix <= 32:
            raise ValueError(f"prefix is {prefix}, but must be 0 to 32 bits")
        if not 68 <= mtu <= 65535:
            raise ValueError(f"mtu is {mtu}, but must be 68 to 65535 bytes")
        if offloads and not vnet_header:
            raise ValueError("offloads need vnet_header: the device must be told what to finish")
        interface.address = ipv4_argument("address", address)
        if not is_unicast_ipv4(<uint32_t> interface.address.low):
            raise ValueError(f"address is {address!r}, but a host needs a unicast address")
        interface.netmask = netmask_of(prefix)
        interface.has_gateway = gateway is not None
        if gateway is not None:
            interface.gateway = ipv4_argument("gateway", gateway)
        interface.mtu = mtu
        interface.ethernet = ethernet
        if mac is None:
            # locally administered, unicast (RFC 7042 2.1), the same for the same seed and address
            name = b"\x57" + ipaddress.IPv4Address(address).packed
            mac = b"\x02" + bytes(value ^ seed[i] for i, value in enumerate(name))
        if len(mac) != 6 or mac[0] & 1:
            raise ValueError(f"mac is {mac!r}, but must be 6 octets of a unicast address")
        interface.mac = int.from_bytes(mac, "big")
        algorithm = algorithm_argument(congestion)
        self.host = host_open(&merged, &interface, seed, len(seed), vnet_header, offloads)
        if self.host == NULL:
            raise MemoryError
        self.host.transport.congestion = algorithm

    @property
    def mac(self) -> bytes:
        return int(self.host.interface.mac).to_bytes(6, "big")

    @property
    def address(self) -> str:
        return str(ipaddress.IPv4Address(pack_address(&self.host.interface.address)))

    @property
    def mtu(self) -> int:
        return self.host.interface.mtu

    @property
    def now(self) -> int:
        return host_time(self.host)

    def is_live(self) -> bool:
        return self.host.live

    cdef int advance_to(self, int64_t now) except -1:
        if self.host.live:
            raise ValueError("this engine is driven by a loop, not by hand")
        if now < self.host.now:
            raise ValueError(f"time goes back from {self.host.now} to {now} ns")
        return 0

    def frame_arrives(self, frame, int64_t now) -> None:
        """One frame from the link; time-outs due by `now` run first."""
        cdef Py_buffer view
        cdef bint fits
        self.advance_to(now)
        PyObject_GetBuffer(frame, &view, PyBUF_SIMPLE)
        with nogil:
            enter(self.host)
            pass_time(self.host, now)
            fits = view.len < 1 << 20 and device_inject(self.host, <const uint8_t*> view.buf, <uint32_t> view.len, now)
            leave(self.host)
        PyBuffer_Release(&view)
        if not fits:
            raise ValueError(f"a frame of {len(frame)} bytes is longer than any link carries")

    def frames_arrive(self, frames, int64_t now) -> None:
        """Several frames that one look at the link brings, as a loop's batch: nothing leaves in between."""
        cdef Py_buffer view
        cdef bint fits = True
        self.advance_to(now)
        with nogil:
            enter(self.host)
            pass_time(self.host, now)
            unlock(self.host)
        for frame in frames:
            PyObject_GetBuffer(frame, &view, PyBUF_SIMPLE)
            with nogil:
                enter(self.host)
                fits = view.len < 1 << 20 and device_inject(self.host, <const uint8_t*> view.buf, <uint32_t> view.len,
                                                            now)
                unlock(self.host)
            PyBuffer_Release(&view)
            if not fits:
                break
        with nogil:
            enter(self.host)
            leave(self.host)
        if not fits:
            raise ValueError(f"a frame of {len(frame)} bytes is longer than any link carries")

    def advance(self, int64_t now) -> None:
        """Lets time pass to `now` (ns) and runs every time-out due by then."""
        self.advance_to(now)
        with nogil:
            enter(self.host)
            pass_time(self.host, now)
            leave(self.host)

    def next_deadline(self) -> int | None:
        cdef int64_t due
        with nogil:
            enter(self.host)
            due = next_deadline(self.host)
            unlock(self.host)
        return None if due == NEVER else due

    def frames_to_send(self) -> list[bytes]:
        """Takes every frame that waits to leave, oldest first."""
        cdef chunk_t* chunk
        frames = []
        while True:
            with nogil:
                enter(self.host)
                chunk = frame_queue_take(&self.host.device.outgoing)
                unlock(self.host)
            if chunk == NULL:
                return frames
            frames.append((<char*> chunk.data)[chunk.start:chunk.end])
            with nogil:
                enter(self.host)
                chunk_give(&self.host.transport.pool, chunk)
                unlock(self.host)

    def events(self) -> list[tuple[Endpoint | Listener, int]]:
        """Takes what happened since the last call: (handle, readiness bits that came up)."""
        cdef link_t* link
        cdef endpoint_t* endpoint
        cdef int bits
        cdef object handle
        found = []
        while True:
            handle = None
            bits = 0
            # with the GIL held throughout, which keeps the handle alive; the lock is free on a host driven by hand
            with nogil:
                enter(self.host)
            link = self.host.transport.events.first
            if link != NULL:
                endpoint = <endpoint_t*> link.owner
                list_remove(link)
                bits = endpoint.pending
                endpoint.pending = 0
                if endpoint.handle != NULL:
                    handle = <object> endpoint.handle
            unlock(self.host)
            if handle is not None:
                # not under the lock: what is made may start a collection, and a finalizer may call us
                found.append((handle, bits))
            if link == NULL:
                return found

    def connect(self, local_port: int, remote: tuple[bytes, int], *, local_address: bytes | None = None,
                syn_timing: tuple[int, int] | None = None, icmp_fails_connect: bool = False,
                user_timeout_option: int = 0, bint fast_open=False, data=b"") -> Endpoint | int:
        """Starts an active open and returns at once, in SYN-SENT, or a negative status."""
        cdef int64_t initial_rto = 0
        cdef uint8_t retries = 0
        cdef bint icmp_fails = icmp_fails_connect
        cdef address_t local = self.host.interface.address
        cdef address_t peer = packed_argument("remote address", remote[0])
        cdef address_t hop
        cdef uint16_t port = port_argument("local_port", local_port)
        cdef uint16_t peer_port = port_argument("remote port", remote[1])
        cdef Status status = STATUS_UNREACHABLE
        cdef tcb_t* tcb = NULL
        cdef int64_t advertised = checked_duration("user_timeout_option", user_timeout_option)
        cdef bytes text = bytes(data)
        cdef const uint8_t* octets = text
        cdef uint64_t length = len(text)
        if length > <uint64_t> self.host.transport.tunables.send_buffer:
            raise ValueError(f"data has {length} bytes, but a send buffer takes "
                             f"{self.host.transport.tunables.send_buffer}")
        if local_address is not None:
            local = packed_argument("local_address", local_address)
        if syn_timing is not None:
            initial_rto, retries = syn_timing
        with nogil:
            enter(self.host)
            if next_hop(&self.host.interface, &peer, &hop):
                tcb = open_active(&self.host.transport, &local, port, &peer, peer_port, host_time(self.host), &status)
                if tcb != NULL:
                    tcb.icmp_fails_connect = icmp_fails
            if tcb != NULL and initial_rto:
                # before the first SYN leaves: its time-out counts as well
                tcb.span.syn_rto = initial_rto
                tcb.syn_retries = retries
            if tcb != NULL and advertised:
                enable_timeout_option(tcb, advertised, host_time(self.host))
            if tcb != NULL and length:
                queue_append(&tcb.send_queue, &self.host.transport.pool, octets, length)
            if tcb != NULL and fast_open and need_extras(tcb) != NULL:
                tcb.extras.fast_open = FAST_OPEN_WANTED
            leave(self.host)
        return wrap_connection(self, tcb) if tcb != NULL else status

    def listen(self, address: bytes | None, port: int, backlog: int, *, rank: int = 0,
               conditional: bool = False, paused: bool = False, user_timeout_option: int = 0,
               bint fast_open=False) -> Listener | int:
        """Makes a listener; address None: the wildcard."""
        cdef address_t local = address_of_ipv4(0) if address is None else packed_argument("address", address)
        cdef uint16_t number = port_argument("port", port)
        cdef uint32_t most = backlog
        cdef uint32_t order = rank
        cdef bint wait = conditional
        cdef bint pause = paused
        cdef int64_t advertised = checked_duration("user_timeout_option", user_timeout_option)
        cdef listener_t* listener
        with nogil:
            enter(self.host)
            listener = open_listener(&self.host.transport, &local, number, most, order)
            if listener != NULL:
                listener.conditional = wait
                listener.paused = pause
                listener.advertised_timeout = advertised
                listener.fast_open = fast_open
            leave(self.host)
        return wrap_listener(self, listener) if listener != NULL else STATUS_NO_BUFFERS

    def serve(self, kind: str, address: bytes | None, port: int, backlog: int, *, rank: int = 0,
              connections: int = 1_000_000):
        """Makes a listener whose connections the core serves by itself; address None: the wildcard."""
        cdef address_t local = address_of_ipv4(0) if address is None else packed_argument("address", address)
        return start_service(self, kind, &local, port_argument("port", port), backlog, rank, connections)

    def choose_port(self, low: int, high: int, taken=()) -> int:
        """A port of low..high that is not in `taken` nor used by a connection or listener; 0 when none is free."""
        cdef uint8_t bits[8192]
        cdef uint32_t first = port_argument("low", low)
        cdef uint32_t last = port_argument("high", high)
        cdef int port
        if first > last:
            raise ValueError(f"the range {low}..{high} is empty")
        memset(bits, 0, sizeof(bits))
        for number in taken:
            port = number & 0xffff
            bits[port >> 3] |= <uint8_t> (1 << (port & 7))
        with nogil:
            enter(self.host)
            port = choose_free_port(&self.host.transport, first, last, bits)
            unlock(self.host)
        return port

    def port_in_use(self, port: int) -> bool:
        cdef uint16_t number = port_argument("port", port)
        cdef bint used
        with nogil:
            enter(self.host)
            used = self.host.transport.port_users[number] != 0
            unlock(self.host)
        return used

    def is_active(self, local: tuple[bytes, int], remote: tuple[bytes, int], irs: int | None = None) -> bool:
        """True while there is a connection of these two ends, TIME-WAIT aside, that began with the peer's `irs`."""
        cdef address_t here = packed_argument("local address", local[0])
        cdef address_t there = packed_argument("remote address", remote[0])
        cdef uint16_t port = port_argument("local port", local[1])
        cdef uint16_t peer_port = port_argument("remote port", remote[1])
        cdef bint any_irs = irs is None
        cdef uint32_t first = 0 if irs is None else irs
        cdef entry_t* entry
        cdef bint active
        with nogil:
            enter(self.host)
            entry = find_entry(&self.host.transport, &here, port, &there, peer_port)
            active = entry != NULL and entry.kind == ENTRY_CONNECTION
            if active and not any_irs:
                active = (<tcb_t*> entry).irs == first
            unlock(self.host)
        return active

    def connections_on(self, port: int) -> int:
        """Connections with this local port, orphans included, TIME-WAIT and listeners not (BIND-27)."""
        cdef uint16_t number = port_argument("port", port)
        cdef uint32_t count
        cdef table_node_t* node
        with nogil:
            enter(self.host)
            count = self.host.transport.port_users[number]
            node = table_chain(&self.host.transport.listeners, number)
            while node != NULL:
                if (<listener_t*> node).local_port == number:
                    count -= 1
                node = node.next
            unlock(self.host)
        return count

    def local_addresses(self) -> list[bytes]:
        """Packed addresses of this host."""
        return [pack_address(&self.host.interface.address)]

    def source_address(self, destination: bytes) -> bytes | None:
        """The packed local address that packets to `destination` leave from; None: no route."""
        cdef address_t peer = packed_argument("destination", destination)
        cdef address_t hop
        if not next_hop(&self.host.interface, &peer, &hop):
            return None
        return pack_address(&self.host.interface.address)

    def counters(self) -> dict[str, int]:
        """All counters under the kernel's names."""
        cdef counters_t copy
        with nogil:
            enter(self.host)
            copy = self.host.transport.counters
            unlock(self.host)
        return copy

    def usage(self) -> dict[str, int]:
        """What is held now."""
        cdef host_t* host = self.host
        cdef uint32_t tcbs, time_wait, half_open, listeners, orphans, undelivered, neighbors, searches, reassembling
        cdef uint64_t chunks, frames
        with nogil:
            enter(host)
            tcbs = host.transport.tcbs.in_use
            time_wait = host.transport.timewaits.in_use
            half_open = host.transport.half_open
            listeners = host.transport.listeners.count
            orphans = host.transport.orphans
            undelivered = count_undelivered(host)
            chunks = host.transport.pool.in_use
            frames = host.device.outgoing.count
            neighbors = host.neighbors.table.count
            searches = host.transport.searches.in_use
            reassembling = host.fragments.by_age.count
            unlock(host)
        return {
            "connections": tcbs, "half_open": half_open, "time_wait": time_wait, "listeners": listeners,
            "orphans": orphans, "undelivered": undelivered, "chunks": chunks, "frames": frames,
            "neighbors": neighbors, "path_searches": searches, "reassembling": reassembling,
        }

    def start_capture(self, limit: int = 16777216) -> None:
        """Keeps a copy of every frame in and out, at most `limit` bytes not yet fetched."""
        cdef int64_t most = limit
        with nogil:
            enter(self.host)
            self.host.device.captures.limit = most
            self.host.device.captures.on = True
            unlock(self.host)

    def stop_capture(self) -> None:
        """Ends copying; what was kept can still be fetched."""
        with nogil:
            enter(self.host)
            self.host.device.captures.on = False
            unlock(self.host)

    def captured(self) -> list[tuple[int, bool, bytes]]:
        """Takes the copies: (time in ns, True when outbound, frame without virtio header)."""
        cdef captured_t* item
        cdef captured_t* following
        with nogil:
            enter(self.host)
            item = self.host.device.captures.first
            self.host.device.captures.first = self.host.device.captures.last = NULL
            self.host.device.captures.held = 0
            unlock(self.host)
        frames = []
        while item != NULL:
            following = item.next
            frames.append((item.time, bool(item.outbound), (<char*> captured_octets(item))[:item.length]))
            free(item)
            item = following
        return frames

    def abort_all(self) -> int:
        """Resets every connection and closes every listener; returns how many there were."""
        cdef int count
        with nogil:
            enter(self.host)
            count = abort_everything(self.host)
            leave(self.host)
        return count


cdef void pass_time(host_t* host, int64_t now) noexcept nogil:
    """Time-outs one after the other, each at its own time, so that what it sends is stamped right."""
    cdef int64_t due = next_deadline(host)
    while due <= now:
        if due > host.now:
            host.now = due
        run_deadlines(host, host.now)
        settle(host, host.now)
        due = next_deadline(host)
    host.now = now
