"""Endpoint: calls from any thread, each one short stay under the host's lock without the GIL."""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_CheckBuffer, PyObject_GetBuffer
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from netcore.buffers cimport BufferSet
from netcore.copying cimport receive_pieces, send_pieces
from netcore.drive cimport HostHandle, enter, host_time, leave, unlock
from netcore.host cimport host_t
from netcore.posix cimport (
    iovec, load_pointer, pthread_mutex_destroy, pthread_mutex_init, pthread_mutex_lock, pthread_mutex_unlock,
    replace_pointer,
)
from netcore.tcp.autotune cimport fix_receive_buffer, fix_send_buffer
from netcore.storage.deadlines cimport NEVER
from netcore.tcp.calls cimport (
    abort_call, close_connection, connection_readiness, receive_urgent, shut_receive, shut_send,
)
from netcore.tcp.congestion.algorithms cimport algorithm_at, algorithm_count, algorithm_named, use_algorithm
from netcore.tcp.ecn cimport ECN_ACCURATE, ECN_SENDS
from netcore.tcp.info cimport fill_tcp_info, known_fields, tcp_info_t
from netcore.tcp.keepalive cimport set_keepalive
from netcore.tcp.tcb cimport (
    CLOSED, PHASE_RECOVERY, READY_ACCEPTABLE, READY_CONNECTED, READY_FAILED, READY_GONE, READY_PEER_CLOSED,
    READY_READABLE, READY_SENT, READY_URGENT, READY_WRITABLE, STATUS_ABORTED, STATUS_HANDLE_CLOSED, STATUS_INVALID,
    STATUS_IN_USE, STATUS_NET_RESET, STATUS_NOT_CONNECTED, STATUS_NO_BUFFERS, STATUS_OK, STATUS_REFUSED, STATUS_RESET,
    STATUS_SHUT_DOWN, STATUS_TIMED_OUT, STATUS_UNREACHABLE, STATUS_WOULD_BLOCK, congestion_t, endpoint_t, flight_size,
    is_synchronized, need_extras, receive_window, tcb_t, want_output,
)
from netcore.tcp.urgent cimport is_at_mark, is_urgent_pending, readable_stretch, set_urgent_inline
from netcore.tcp.user_timeout cimport enable_timeout_option, set_user_timeout
from netcore.wire.address cimport address_t, is_ipv4, is_unspecified, store_ipv4
from netcore.wire.octets cimport store32

READABLE = READY_READABLE
WRITABLE = READY_WRITABLE
ACCEPTABLE = READY_ACCEPTABLE
CONNECTED = READY_CONNECTED
FAILED = READY_FAILED
PEER_CLOSED = READY_PEER_CLOSED
SENT = READY_SENT
GONE = READY_GONE
URGENT = READY_URGENT

# a flag of send
SEND_URGENT = 2

OK = STATUS_OK
WOULD_BLOCK = STATUS_WOULD_BLOCK
NOT_CONNECTED = STATUS_NOT_CONNECTED
RESET = STATUS_RESET
ABORTED = STATUS_ABORTED
TIMED_OUT = STATUS_TIMED_OUT
REFUSED = STATUS_REFUSED
SHUT_DOWN = STATUS_SHUT_DOWN
IN_USE = STATUS_IN_USE
NO_BUFFERS = STATUS_NO_BUFFERS
UNREACHABLE = STATUS_UNREACHABLE
INVALID = STATUS_INVALID
HANDLE_CLOSED = STATUS_HANDLE_CLOSED
NET_RESET = STATUS_NET_RESET

cdef enum:
    SEND_URGENT_BIT = 2

cdef dict STATUS_NAMES = {
    OK: "OK", WOULD_BLOCK: "WOULD_BLOCK", NOT_CONNECTED: "NOT_CONNECTED", RESET: "RESET", ABORTED: "ABORTED",
    TIMED_OUT: "TIMED_OUT", REFUSED: "REFUSED", SHUT_DOWN: "SHUT_DOWN", IN_USE: "IN_USE", NO_BUFFERS: "NO_BUFFERS",
    UNREACHABLE: "UNREACHABLE", INVALID: "INVALID", HANDLE_CLOSED: "HANDLE_CLOSED",
    NET_RESET: "NET_RESET",
}


def status_name(int status) -> str:
    return STATUS_NAMES.get(status, str(status))


cdef bytes pack_address(const void* address):
    """4 octets of an IPv4 address, 16 of another, network order."""
    cdef uint8_t octets[16]
    cdef const address_t* wide = <const address_t*> address
    if is_ipv4(wide) or is_unspecified(wide):
        store_ipv4(octets, wide)
        return octets[:4]
    store32(octets, <uint32_t> (wide.high >> 32))
    store32(octets + 4, <uint32_t> wide.high)
    store32(octets + 8, <uint32_t> (wide.low >> 32))
    store32(octets + 12, <uint32_t> wide.low)
    return octets[:16]


cdef void push_released(host_t* host, endpoint_t* endpoint) noexcept nogil:
    """Lock-free, since a handle may die anywhere: with the GIL held, even inside another call's allocation."""
    cdef void* head = load_pointer(<void**> &host.released)
    endpoint.handle = NULL
    while True:
        endpoint.release_next = <endpoint_t*> head
        if replace_pointer(<void**> &host.released, &head, endpoint):
            return


cdef Endpoint wrap_connection(HostHandle owner, tcb_t* tcb):
    cdef Endpoint endpoint = Endpoint.__new__(Endpoint)
    endpoint.owner = owner
    endpoint.tcb = tcb
    endpoint.local_address = tcb.entry.local
    endpoint.remote_address = tcb.entry.remote
    endpoint.local_port = tcb.entry.local_port
    endpoint.remote_port = tcb.entry.remote_port
    tcb.endpoint.handle = <void*> endpoint
    return endpoint


cdef int64_t send_in_turn(Endpoint self, const iovec* pieces, int count, uint64_t total,
                          bint urgent) noexcept nogil:
    cdef int64_t result
    pthread_mutex_lock(&self.send_mutex)
    result = send_pieces(self.owner.host, &self.tcb, pieces, count, total, urgent)
    pthread_mutex_unlock(&self.send_mutex)
    return result


@cython.no_gc_clear
@cython.final
cdef class Endpoint:
    """One TCP connection. Made by Engine.connect and Listener.accept only."""

    def __cinit__(self):
        pthread_mutex_init(&self.send_mutex, NULL)

    def __dealloc__(self):
        if self.tcb != NULL:
            push_released(self.owner.host, &self.tcb.endpoint)
            self.tcb = NULL
        pthread_mutex_destroy(&self.send_mutex)

    def send(self, data, int flags=0) -> int:
        """Takes all the bytes, or none (SEND-2)."""
        cdef BufferSet buffers
        cdef Py_buffer view
        cdef iovec piece
        cdef int64_t result
        cdef bint urgent = (flags & SEND_URGENT_BIT) != 0
        if PyObject_CheckBuffer(data):
            PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
            piece.iov_base = view.buf
            piece.iov_len = <size_t> view.len
            with nogil:
                result = send_in_turn(self, &piece, 1, piece.iov_len, urgent)
            PyBuffer_Release(&view)
            return result
        buffers = BufferSet.__new__(BufferSet)
        buffers.take(data, PyBUF_SIMPLE)
        with nogil:
            result = send_in_turn(self, buffers.pieces, buffers.count, buffers.total, urgent)
        return result

    def receive_into(self, buffer, bint peek=False) -> int:
        """Fills writable buffers in order with what is there. 0: end of stream. Negative: a status."""
        cdef BufferSet buffers
        cdef Py_buffer view
        cdef iovec piece
        cdef int64_t result
        if PyObject_CheckBuffer(buffer):
            PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE)
            piece.iov_base = view.buf
            piece.iov_len = <size_t> view.len
            with nogil:
                result = receive_pieces(self.owner.host, &self.tcb, &piece, 1, piece.iov_len, peek)
            PyBuffer_Release(&view)
            return result
        buffers = BufferSet.__new__(BufferSet)
        buffers.take(buffer, PyBUF_WRITABLE)
        with nogil:
            result = receive_pieces(self.owner.host, &self.tcb, buffers.pieces, buffers.count, buffers.total,
                                    peek)
        return result

    def receive_urgent(self, buffer, bint peek=False) -> int:
        """The oldest urgent byte out of line: 1, or 0 at the end of the stream, or a negative status."""
        cdef Py_buffer view
        cdef uint8_t octet = 0
        cdef int status = STATUS_HANDLE_CLOSED
        cdef bint ended = False
        PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE)
        if view.len == 0:
            PyBuffer_Release(&view)
            return 0
        with nogil:
            enter(self.owner.host)
            if self.tcb != NULL:
                status = receive_urgent(self.tcb, &octet, peek, &ended)
            leave(self.owner.host)
        if status == STATUS_OK and not ended:
            (<uint8_t*> view.buf)[0] = octet
            status = 1
        PyBuffer_Release(&view)
        return status

    def shutdown_send(self) -> int:
        """Queued data, then FIN (SHUT-3)."""
        cdef int status
        with nogil:
            enter(self.owner.host)
            status = shut_send(self.tcb) if self.tcb != NULL else STATUS_HANDLE_CLOSED
            leave(self.owner.host)
        return status

    def shutdown_receive(self) -> int:
        """Refuses to receive (SHUT-4)."""
        cdef int status
        with nogil:
            enter(self.owner.host)
            status = shut_receive(self.tcb) if self.tcb != NULL else STATUS_HANDLE_CLOSED
            leave(self.owner.host)
        return status

    def close(self) -> None:
        """Lets go: the rest is delivered in the background (SND-10); RST instead if data is unread (CLOSE-6)."""
        cdef tcb_t* tcb
        with nogil:
            enter(self.owner.host)
            tcb = self.tcb
            self.tcb = NULL
            if tcb != NULL:
                close_connection(tcb, host_time(self.owner.host))
            leave(self.owner.host)

    def abort(self) -> None:
        """Lets go with RST (CLOSE-3b)."""
        cdef tcb_t* tcb
        with nogil:
            enter(self.owner.host)
            tcb = self.tcb
            self.tcb = NULL
            if tcb != NULL:
                abort_call(tcb)
            leave(self.owner.host)

    @property
    def closed(self) -> bool:
        cdef bint gone
        with nogil:
            enter(self.owner.host)
            gone = self.tcb == NULL
            unlock(self.owner.host)
        return gone

    @property
    def approved(self) -> bool:
        cdef bint on = False
        with nogil:
            enter(self.owner.host)
            if self.tcb != NULL:
                on = self.tcb.approved
            unlock(self.owner.host)
        return on

    @property
    def state(self) -> int:
        cdef int state = CLOSED
        with nogil:
            enter(self.owner.host)
            if self.tcb != NULL:
                state = self.tcb.state
            unlock(self.owner.host)
        return state

    @property
    def local(self) -> tuple[bytes, int]:
        return pack_address(&self.local_address), self.local_port

    @property
    def remote(self) -> tuple[bytes, int]:
        return pack_address(&self.remote_address), self.remote_port

    @property
    def status(self) -> int:
        cdef int status = STATUS_HANDLE_CLOSED
        with nogil:
            enter(self.owner.host)
            if self.tcb != NULL:
                status = self.tcb.status
            unlock(self.owner.host)
        return status

    @property
    def readiness(self) -> int:
        cdef int ready = READY_GONE
        with nogil:
            enter(self.owner.host)
            if self.tcb != NULL:
                ready = connection_readiness(self.tcb)
            unlock(self.owner.host)
        return ready

    @property
    def readable_bytes(self) -> int:
        cdef uint64_t size = 0
        with nogil:
            enter(self.owner.host)
            if self.tcb != NULL:
                size = readable_stretch(self.tcb)
            unlock(self.owner.host)
        return size

    @property
    def buffered_bytes(self) -> int:
        cdef uint64_t size = 0
        with nogil:
            enter(self.owner.host)
            if self.tcb != NULL:
                size = self.tcb.send_queue.length
            unlock(self.owner.host)
        return size

    @property
    def send_buffer(self) -> int:
        cdef uint32_t size = 0
        with nogil:
            enter(self.owner.host)
            if self.tcb != NULL:
                size = self.tcb.send_limit
            unlock(self.owner.host)
        return size

    @send_buffer.setter
    def send_buffer(self, size: int) -> None:
        cdef uint32_t limit = checked_size("send_buffer", size)
        with nogil:
            enter(self.owner.host)
            if self.tcb != NULL:
                fix_send_buffer(self.tcb, limit)
            leave(self.owner.host)

    @property
    def receive_buffer(self) -> int:
        cdef uint32_t size = 0
        with nogil:
            enter(self.owner.host)
            if self.tcb != NULL:
                size = self.tcb.receive_limit
            unlock(self.owner.host)
        return size

    @receive_buffer.setter
    def receive_buffer(self, size: int) -> None:
        cdef uint32_t limit = checked_size("receive_buffer", size)
        with nogil:
            enter(self.owner.host)
            if self.tcb != NULL:
                fix_receive_buffer(self.tcb, limit)
            leave(self.owner.host)

    @property
    def nodelay(self) -> bool:
        cdef bint on = False
        with nogil:
            enter(self.owner.host)
            if self.tcb != NULL:
                on = self.tcb.nodelay
            unlock(self.owner.host)
        return on

    @nodelay.setter
    def nodelay(self, on: bool) -> None:
        cdef bint value = on
        with nogil:
            enter(self.owner.host)
            if self.tcb != NULL:
                self.tcb.nodelay = value
                want_output(self.tcb)
            leave(self.owner.host)

    @property
    def congestion(self) -> str:
        cdef const congestion_t* algorithm = NULL
        with nogil:
            enter(self.owner.host)
            if self.tcb != NULL:
                algorithm = self.tcb.congestion
            unlock(self.owner.host)
        return "" if algorithm == NULL else algorithm.name.decode()

    @congestion.setter
    def congestion(self, name: str) -> None:
        cdef const congestion_t* algorithm = algorithm_argument(name)
        with nogil:
            enter(self.owner.host)
            if self.tcb != NULL:
                use_algorithm(self.tcb, algorithm, host_time(self.owner.host))
            leave(self.owner.host)

    @property
    def at_mark(self) -> bool:
        cdef bint at = True
        with nogil:
            enter(self.owner.host)
            if self.tcb != NULL:
                at = is_at_mark(self.tcb)
            unlock(self.owner.host)
        return at

    @property
    def urgent_pending(self) -> bool:
        cdef bint pending = False
        with nogil:
            enter(self.owner.host)
            if self.tcb != NULL:
                pending = is_urgent_pending(self.tcb)
            unlock(self.owner.host)
        return pending

    @property
    def urgent_inline(self) -> bool:
        cdef bint on = False
        with nogil:
            enter(self.owner.host)
            if self.tcb != NULL and self.tcb.extras != NULL:
                on = self.tcb.extras.urgent_inline
            unlock(self.owner.host)
        return on

    @urgent_inline.setter
    def urgent_inline(self, on: bool) -> None:
        cdef bint value = on
        with nogil:
            enter(self.owner.host)
            if self.tcb != NULL:
                set_urgent_inline(self.tcb, value)
            leave(self.owner.host)

    @property
    def urgent_1122(self) -> bool:
        cdef bint on = False
        with nogil:
            enter(self.owner.host)
            if self.tcb != NULL and self.tcb.extras != NULL:
                on = self.tcb.extras.urgent_1122
            unlock(self.owner.host)
        return on

    @urgent_1122.setter
    def urgent_1122(self, on: bool) -> None:
        cdef bint value = on
        with nogil:
            enter(self.owner.host)
            if self.tcb != NULL and need_extras(self.tcb) != NULL:
                self.tcb.extras.urgent_1122 = value
            unlock(self.owner.host)

    def set_keepalive(self, bint on, idle: int = 0, interval: int = 0, count: int = 0) -> None:
        """SND-8; 0 stands for the configured value."""
        cdef int64_t wait = checked_duration("idle", idle)
        cdef int64_t between = checked_duration("interval", interval)
        cdef uint8_t probes = count
        with nogil:
            enter(self.owner.host)
            if self.tcb != NULL:
                set_keepalive(self.tcb, on, wait or self.tcb.transport.tunables.keepalive_time,
                              between or self.tcb.transport.tunables.keepalive_interval,
                              probes or <uint8_t> self.tcb.transport.tunables.keepalive_count,
                              host_time(self.owner.host))
            leave(self.owner.host)

    @property
    def user_timeout(self) -> int | None:
        cdef int64_t duration = 0
        with nogil:
            enter(self.owner.host)
            if self.tcb != NULL and self.tcb.extras != NULL:
                duration = self.tcb.extras.user_timeout
            unlock(self.owner.host)
        return None if duration == NEVER else duration

    @user_timeout.setter
    def user_timeout(self, duration: int | None) -> None:
        cdef int64_t limit = NEVER if duration is None else checked_duration("user_timeout", duration)
        with nogil:
            enter(self.owner.host)
            if self.tcb != NULL:
                set_user_timeout(self.tcb, limit, host_time(self.owner.host))
            leave(self.owner.host)

    def advertise_user_timeout(self, duration: int) -> None:
        """Sends the user timeout option (RFC 5482), and honours the peer's from now on."""
        cdef int64_t advertised = checked_duration("duration", duration)
        with nogil:
            enter(self.owner.host)
            if self.tcb != NULL:
                enable_timeout_option(self.tcb, advertised, host_time(self.owner.host))
            leave(self.owner.host)

    def set_syn_timing(self, initial_rto: int, retries: int) -> None:
        """First SYN time-out in ns and number of further SYNs."""
        cdef int64_t rto = initial_rto
        cdef uint8_t most = retries
        with nogil:
            enter(self.owner.host)
            if self.tcb != NULL and not is_synchronized(self.tcb):
                self.tcb.span.syn_rto = rto
                self.tcb.syn_retries = most
            leave(self.owner.host)

    def tcp_info(self) -> dict[str, int]:
        """The fields of the kernel's struct tcp_info that the core knows."""
        cdef tcp_info_t info
        cdef bint found = False
        with nogil:
            enter(self.owner.host)
            if self.tcb != NULL:
                fill_tcp_info(self.tcb, host_time(self.owner.host), &info)
                found = True
            unlock(self.owner.host)
        return known_fields(info) if found else {}

    def info(self) -> dict[str, int]:
        """Variables of the connection under their RFC names."""
        cdef tcb_t copy
        cdef uint32_t stretches = 0
        cdef bint found = False
        with nogil:
            enter(self.owner.host)
            if self.tcb != NULL:
                copy = self.tcb[0]
                # read under the lock: `flight` belongs to the connection
                stretches = copy.flight.sent.count if copy.flight != NULL else 0
                found = True
            unlock(self.owner.host)
        if not found:
            return {}
        return connection_info(&copy, stretches)


cdef dict connection_info(const tcb_t* tcb, uint32_t stretches):
    return {
        "state": tcb.state, "iss": tcb.iss, "snd_una": tcb.snd_una, "snd_nxt": tcb.snd_nxt,
        "snd_wnd": tcb.snd_wnd, "max_snd_wnd": tcb.max_snd_wnd, "irs": tcb.irs, "rcv_nxt": tcb.rcv_nxt,
        "rcv_wnd": receive_window(tcb), "snd_mss": tcb.snd_mss, "eff_mss": tcb.eff_mss,
        "snd_wind_shift": tcb.snd_wind_shift, "rcv_wind_shift": tcb.rcv_wind_shift,
        "timestamps": tcb.timestamps, "cwnd": tcb.cwnd, "ssthresh": tcb.ssthresh, "flight": flight_size(tcb),
        "srtt": tcb.rtt.srtt, "rttvar": tcb.rtt.rttvar, "rto": tcb.rtt.rto, "backoff": tcb.backoff,
        "retries": tcb.retries, "in_recovery": tcb.phase == PHASE_RECOVERY, "dupacks": tcb.dupacks,
        "phase": tcb.phase, "sack": tcb.sack, "ecn": (tcb.ecn & ECN_SENDS) != 0,
        "ecn_accurate": (tcb.ecn & ECN_ACCURATE) != 0, "in_flight": tcb.in_flight,
        "sacked": tcb.sacked, "recover": tcb.recover, "delivered": tcb.delivered, "lost": tcb.lost,
        "min_rtt": tcb.min_rtt, "pacing_rate": tcb.pacing_rate, "stretches": stretches,
        "soft_error": tcb.soft_error, "reordering_seen": tcb.reordering_seen, "reordering_steps": tcb.reordering_steps,
    }


cdef list algorithm_names():
    return [algorithm_at(place).name.decode() for place in range(algorithm_count())]


cdef const congestion_t* algorithm_argument(object name) except NULL:
    """The algorithm of that name; None: the default."""
    cdef const congestion_t* algorithm
    if name is None:
        return algorithm_at(0)
    algorithm = algorithm_named(name.encode())
    if algorithm == NULL:
        raise ValueError(f"congestion is {name!r}, but must be one of {', '.join(algorithm_names())}")
    return algorithm


cdef uint32_t checked_size(str name, object size) except? 0xffffffff:
    if not 0 <= size <= 0x3fffffff:
        raise ValueError(f"{name} is {size}, but must be between 0 and {0x3fffffff} bytes")
    return size


cdef int64_t checked_duration(str name, object duration) except? -1:
    if not 0 <= duration < 1 << 62:
        raise ValueError(f"{name} is {duration} ns, but must be between 0 and {(1 << 62) - 1}")
    return duration
