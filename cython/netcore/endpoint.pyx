"""Endpoint, Listener and Waiter: calls from any thread, each one short stay under the host's lock without the GIL."""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_CheckBuffer, PyObject_GetBuffer
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from netcore.drive cimport HostHandle, enter, host_time, leave, unlock
from netcore.host cimport host_t
from netcore.posix cimport (
    EFD_CLOEXEC, EFD_NONBLOCK, POLLIN, calloc, close, eventfd, free, iovec, malloc, memcpy, monotonic_clock,
    poll_until, pollfd, pthread_mutex_destroy, pthread_mutex_init, pthread_mutex_lock, pthread_mutex_unlock, read,
    replace_pointer, timespec, write,
)
from netcore.storage.chunks cimport chunk_give_list, chunk_t
from netcore.storage.links cimport list_append, list_remove
from netcore.tcp.backlog cimport accept_oldest, close_listener, occupancy, set_backlog
from netcore.tcp.calls cimport (
    abort_call, close_connection, connection_readiness, may_receive, may_send, receive_chunks, receive_text, send_text,
    shut_receive, shut_send,
)
from netcore.tcp.lifecycle cimport let_go
from netcore.tcp.tcb cimport (
    CLOSED, ENDPOINT_CONNECTION, ENDPOINT_LISTENER, READY_ACCEPTABLE, READY_CONNECTED, READY_FAILED, READY_GONE, READY_PEER_CLOSED,
    READY_READABLE, READY_SENT, READY_WRITABLE, STATUS_ABORTED, STATUS_HANDLE_CLOSED, STATUS_INVALID, STATUS_IN_USE,
    STATUS_NOT_CONNECTED, STATUS_NO_BUFFERS, STATUS_OK, STATUS_REFUSED, STATUS_RESET, STATUS_SHUT_DOWN,
    STATUS_TIMED_OUT, STATUS_UNREACHABLE, STATUS_WOULD_BLOCK, Status, endpoint_t, flight_size, listener_t,
    receive_window, tcb_t, want_output,
)
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

STATUS_NAMES = {
    OK: "OK", WOULD_BLOCK: "WOULD_BLOCK", NOT_CONNECTED: "NOT_CONNECTED", RESET: "RESET", ABORTED: "ABORTED",
    TIMED_OUT: "TIMED_OUT", REFUSED: "REFUSED", SHUT_DOWN: "SHUT_DOWN", IN_USE: "IN_USE", NO_BUFFERS: "NO_BUFFERS",
    UNREACHABLE: "UNREACHABLE", INVALID: "INVALID", HANDLE_CLOSED: "HANDLE_CLOSED",
}

cdef enum:
    # bytes copied under one stay in the lock, so that a huge send does not stall every connection
    SLICE = 262144
    # from this size on bytes are received without holding the lock for the copy
    UNLOCKED_COPY = 16384
    # a signal that slipped in just before the sleep is noticed after this long
    SIGNAL_CHECK = 200000000
    BUFFERS_MOST = 1024


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


cdef int listener_readiness(const listener_t* listener) noexcept nogil:
    return READY_ACCEPTABLE if listener.finished.count else 0


cdef int endpoint_readiness(const endpoint_t* endpoint) noexcept nogil:
    if endpoint.kind == ENDPOINT_CONNECTION:
        return connection_readiness(<tcb_t*> endpoint.owner)
    return listener_readiness(<listener_t*> endpoint.owner)


cdef void push_released(host_t* host, endpoint_t* endpoint) noexcept nogil:
    """Lock-free, since a handle may die anywhere: with the GIL held, even inside another call's allocation."""
    cdef void* head = host.released
    endpoint.handle = NULL
    while True:
        endpoint.release_next = <endpoint_t*> head
        if replace_pointer(<void**> &host.released, &head, endpoint):
            return


cdef class BufferSet:
    """One buffer or a sequence of them, held while the call lasts."""
    cdef Py_buffer views[16]
    cdef Py_buffer* many
    cdef iovec* pieces
    cdef iovec few[16]
    cdef int count
    cdef uint64_t total

    def __cinit__(self):
        self.many = self.views
        self.pieces = self.few

    cdef int take(self, object data, int flags) except -1:
        cdef Py_ssize_t size
        if PyObject_CheckBuffer(data):
            self.add(data, flags)
            return 0
        size = len(data)
        if size > BUFFERS_MOST:
            raise ValueError(f"{size} buffers in one call, at most {BUFFERS_MOST} are taken")
        if size > 16:
            self.many = <Py_buffer*> calloc(size, sizeof(Py_buffer))
            self.pieces = <iovec*> calloc(size, sizeof(iovec))
            if self.many == NULL or self.pieces == NULL:
                raise MemoryError
        for item in data:
            self.add(item, flags)
        return 0

    cdef int add(self, object data, int flags) except -1:
        PyObject_GetBuffer(data, &self.many[self.count], flags)
        self.pieces[self.count].iov_base = self.many[self.count].buf
        self.pieces[self.count].iov_len = <size_t> self.many[self.count].len
        self.total += <uint64_t> self.many[self.count].len
        self.count += 1
        return 0

    def __dealloc__(self):
        cdef int i
        for i in range(self.count):
            PyBuffer_Release(&self.many[i])
        if self.many != self.views:
            free(self.many)
        if self.pieces != self.few:
            free(self.pieces)


cdef Endpoint wrap_connection(HostHandle owner, tcb_t* tcb):
    cdef Endpoint endpoint = Endpoint.__new__(Endpoint)
    endpoint.owner = owner
    endpoint.tcb = tcb
    tcb.endpoint.handle = <void*> endpoint
    return endpoint


cdef Listener wrap_listener(HostHandle owner, listener_t* listener):
    cdef Listener handle = Listener.__new__(Listener)
    handle.owner = owner
    handle.listener = listener
    listener.endpoint.handle = <void*> handle
    return handle


cdef int64_t send_pieces(Endpoint self, const iovec* pieces, int count, uint64_t total) noexcept nogil:
    cdef host_t* host = self.owner.host
    cdef int64_t status = STATUS_OK
    cdef uint64_t room = 0
    cdef uint64_t at = 0
    cdef uint64_t size
    cdef int i = 0
    pthread_mutex_lock(&self.send_mutex)
    enter(host)
    status = may_send(self.tcb, total) if self.tcb != NULL else STATUS_HANDLE_CLOSED
    room = SLICE
    while status == STATUS_OK and i < count:
        size = pieces[i].iov_len - at
        if size > room:
            size = room
        if size and not send_text(self.tcb, <const uint8_t*> pieces[i].iov_base + at, size):
            status = STATUS_NO_BUFFERS
            break
        at += size
        room -= size
        if at == pieces[i].iov_len:
            i += 1
            at = 0
        if room == 0 and i < count:
            leave(host)
            enter(host)
            room = SLICE
            if self.tcb == NULL:
                status = STATUS_HANDLE_CLOSED
            elif self.tcb.status != STATUS_OK:
                status = self.tcb.status
            elif self.tcb.fin_queued:
                status = STATUS_SHUT_DOWN
    leave(host)
    pthread_mutex_unlock(&self.send_mutex)
    return <int64_t> total if status == STATUS_OK else status


cdef void scatter(const chunk_t* chunk, const iovec* pieces, int count) noexcept nogil:
    """Copies a list of chunks into the buffers in order; they are large enough."""
    cdef uint64_t at = 0
    cdef uint64_t taken = 0
    cdef uint64_t size
    cdef int i = 0
    while chunk != NULL and i < count:
        size = chunk.end - chunk.start - taken
        if size > pieces[i].iov_len - at:
            size = pieces[i].iov_len - at
        memcpy(<uint8_t*> pieces[i].iov_base + at, chunk.data + chunk.start + taken, size)
        at += size
        taken += size
        if taken == chunk.end - chunk.start:
            chunk = chunk.next
            taken = 0
        if at == pieces[i].iov_len:
            i += 1
            at = 0


cdef uint64_t copy_under_lock(tcb_t* tcb, const iovec* pieces, int count) noexcept nogil:
    cdef uint64_t done = 0
    cdef uint64_t size
    cdef int i
    for i in range(count):
        size = receive_text(tcb, <uint8_t*> pieces[i].iov_base, pieces[i].iov_len)
        done += size
        if size < pieces[i].iov_len:
            break
    return done


cdef int64_t receive_pieces(Endpoint self, const iovec* pieces, int count, uint64_t total, bint peek) noexcept nogil:
    cdef host_t* host = self.owner.host
    cdef chunk_t* chunks = NULL
    cdef chunk_t* chunk
    cdef int64_t result
    cdef bint ended = False
    enter(host)
    result = may_receive(self.tcb, &ended) if self.tcb != NULL else STATUS_HANDLE_CLOSED
    if result == STATUS_OK and not ended and total:
        if peek:
            result = <int64_t> peek_pieces(self.tcb, pieces, count)
        else:
            if total >= UNLOCKED_COPY:
                chunks = receive_chunks(self.tcb, total)
            if chunks == NULL:
                result = <int64_t> copy_under_lock(self.tcb, pieces, count)
    leave(host)
    if chunks != NULL:
        chunk = chunks
        while chunk != NULL:
            result += chunk.end - chunk.start
            chunk = chunk.next
        scatter(chunks, pieces, count)
        enter(host)
        chunk_give_list(&host.transport.pool, chunks)
        unlock(host)
    return result


cdef uint64_t peek_pieces(tcb_t* tcb, const iovec* pieces, int count) noexcept nogil:
    """Copies from the head without taking; the walk restarts for each buffer, peeking is not a bulk path."""
    cdef uint64_t done = 0
    cdef uint64_t skip, at, size, part
    cdef chunk_t* chunk
    cdef int i
    for i in range(count):
        skip = done
        at = 0
        chunk = tcb.receive_queue.head
        while chunk != NULL and at < pieces[i].iov_len:
            size = chunk.end - chunk.start
            if skip >= size:
                skip -= size
                chunk = chunk.next
                continue
            part = size - skip
            if part > pieces[i].iov_len - at:
                part = pieces[i].iov_len - at
            memcpy(<uint8_t*> pieces[i].iov_base + at, chunk.data + chunk.start + skip, part)
            at += part
            skip = 0
            chunk = chunk.next
        done += at
        if at < pieces[i].iov_len:
            break
    return done


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
        if PyObject_CheckBuffer(data):
            PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
            piece.iov_base = view.buf
            piece.iov_len = <size_t> view.len
            with nogil:
                result = send_pieces(self, &piece, 1, piece.iov_len)
            PyBuffer_Release(&view)
            return result
        buffers = BufferSet.__new__(BufferSet)
        buffers.take(data, PyBUF_SIMPLE)
        with nogil:
            result = send_pieces(self, buffers.pieces, buffers.count, buffers.total)
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
                result = receive_pieces(self, &piece, 1, piece.iov_len, peek)
            PyBuffer_Release(&view)
            return result
        buffers = BufferSet.__new__(BufferSet)
        buffers.take(buffer, PyBUF_WRITABLE)
        with nogil:
            result = receive_pieces(self, buffers.pieces, buffers.count, buffers.total, peek)
        return result

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
        return self.tcb == NULL

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
        if self.tcb == NULL:
            return b"\0\0\0\0", 0
        return pack_address(&self.tcb.entry.local), self.tcb.entry.local_port

    @property
    def remote(self) -> tuple[bytes, int]:
        if self.tcb == NULL:
            return b"\0\0\0\0", 0
        return pack_address(&self.tcb.entry.remote), self.tcb.entry.remote_port

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
                size = self.tcb.receive_queue.length
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
        return self.tcb.send_limit if self.tcb != NULL else 0

    @send_buffer.setter
    def send_buffer(self, size: int) -> None:
        cdef uint32_t limit = checked_size("send_buffer", size)
        with nogil:
            enter(self.owner.host)
            if self.tcb != NULL:
                self.tcb.send_limit = limit
            leave(self.owner.host)

    @property
    def receive_buffer(self) -> int:
        return self.tcb.receive_limit if self.tcb != NULL else 0

    @receive_buffer.setter
    def receive_buffer(self, size: int) -> None:
        cdef uint32_t limit = checked_size("receive_buffer", size)
        with nogil:
            enter(self.owner.host)
            if self.tcb != NULL:
                # OPT-22: a buffer of nothing would stop every transfer, so one segment always fits
                self.tcb.receive_limit = limit if limit > self.tcb.transport.local_mss else self.tcb.transport.local_mss
            leave(self.owner.host)

    @property
    def nodelay(self) -> bool:
        return self.tcb != NULL and self.tcb.nodelay

    @nodelay.setter
    def nodelay(self, on: bool) -> None:
        cdef bint value = on
        with nogil:
            enter(self.owner.host)
            if self.tcb != NULL:
                self.tcb.nodelay = value
                want_output(self.tcb)
            leave(self.owner.host)

    def set_syn_timing(self, initial_rto: int, retries: int) -> None:
        """First SYN time-out in ns and number of further SYNs."""
        cdef int64_t rto = initial_rto
        cdef uint8_t most = retries
        with nogil:
            enter(self.owner.host)
            if self.tcb != NULL:
                self.tcb.syn_rto = rto
                self.tcb.syn_retries = most
            leave(self.owner.host)

    def info(self) -> dict[str, int]:
        """Variables of the connection under their RFC names."""
        cdef tcb_t copy
        with nogil:
            enter(self.owner.host)
            if self.tcb != NULL:
                copy = self.tcb[0]
            unlock(self.owner.host)
        if self.tcb == NULL:
            return {}
        return {
            "state": copy.state, "iss": copy.iss, "snd_una": copy.snd_una, "snd_nxt": copy.snd_nxt,
            "snd_wnd": copy.snd_wnd, "max_snd_wnd": copy.max_snd_wnd, "irs": copy.irs, "rcv_nxt": copy.rcv_nxt,
            "rcv_wnd": receive_window(&copy), "snd_mss": copy.snd_mss, "eff_mss": copy.eff_mss,
            "snd_wind_shift": copy.snd_wind_shift, "rcv_wind_shift": copy.rcv_wind_shift,
            "timestamps": copy.timestamps, "cwnd": copy.cwnd, "ssthresh": copy.ssthresh, "flight": flight_size(&copy),
            "srtt": copy.rtt.srtt, "rttvar": copy.rtt.rttvar, "rto": copy.rtt.rto, "backoff": copy.backoff,
            "retries": copy.retries, "in_recovery": copy.in_recovery, "dupacks": copy.dupacks,
        }


cdef uint32_t checked_size(str name, object size) except? 0xffffffff:
    if not 0 <= size <= 0x3fffffff:
        raise ValueError(f"{name} is {size}, but must be between 0 and {0x3fffffff} bytes")
    return size


@cython.no_gc_clear
@cython.final
cdef class Listener:
    """A listening port. Made by Engine.listen only."""

    def __dealloc__(self):
        if self.listener != NULL:
            push_released(self.owner.host, &self.listener.endpoint)
            self.listener = NULL

    def accept(self) -> Endpoint | int:
        """The oldest finished connection, WOULD_BLOCK, or RESET (ACPT-7)."""
        cdef tcb_t* tcb = NULL
        cdef int status = STATUS_WOULD_BLOCK
        with nogil:
            enter(self.owner.host)
            if self.listener == NULL:
                status = STATUS_HANDLE_CLOSED
            else:
                tcb = accept_oldest(self.listener)
            if tcb != NULL and tcb.state == CLOSED and tcb.status != STATUS_OK:
                let_go(tcb)
                tcb = NULL
                status = STATUS_RESET
            leave(self.owner.host)
        return wrap_connection(self.owner, tcb) if tcb != NULL else status

    def set_backlog(self, backlog: int) -> None:
        """New capacity; the excess is reset (LISTEN-57, 58)."""
        cdef uint32_t most = backlog
        with nogil:
            enter(self.owner.host)
            if self.listener != NULL:
                set_backlog(self.listener, most)
            leave(self.owner.host)

    def close(self) -> None:
        """Ends listening; queued and half-open connections are reset (LISTEN-73)."""
        cdef listener_t* listener
        with nogil:
            enter(self.owner.host)
            listener = self.listener
            self.listener = NULL
            if listener != NULL:
                close_listener(listener)
            leave(self.owner.host)

    @property
    def closed(self) -> bool:
        return self.listener == NULL

    @property
    def backlog(self) -> int:
        return self.listener.backlog if self.listener != NULL else 0

    @property
    def occupancy(self) -> int:
        cdef uint32_t count = 0
        with nogil:
            enter(self.owner.host)
            if self.listener != NULL:
                count = occupancy(self.listener)
            unlock(self.owner.host)
        return count

    @property
    def finished(self) -> int:
        return self.listener.finished.count if self.listener != NULL else 0

    @property
    def readiness(self) -> int:
        cdef int ready = READY_GONE
        with nogil:
            enter(self.owner.host)
            if self.listener != NULL:
                ready = listener_readiness(self.listener)
            unlock(self.owner.host)
        return ready

    @property
    def local(self) -> tuple[bytes, int]:
        if self.listener == NULL:
            return b"\0\0\0\0", 0
        return pack_address(&self.listener.local), self.listener.local_port


cdef bint attach(place_t* place) noexcept nogil:
    """Under the lock: True when the handle is closed or ready already, else the watch is in place."""
    cdef endpoint_t* endpoint
    if place.slot[0] == NULL:
        return True
    if place.kind == ENDPOINT_CONNECTION:
        endpoint = &(<tcb_t*> place.slot[0]).endpoint
    else:
        endpoint = &(<listener_t*> place.slot[0]).endpoint
    if endpoint_readiness(endpoint) & place.watch.mask:
        return True
    list_append(&endpoint.watches, &place.watch.link, &place.watch)
    return False


cdef bint sleep_until(int descriptor, int64_t deadline) noexcept nogil:
    """Sleeps until the descriptor is readable, the deadline has come, a signal, or SIGNAL_CHECK is over."""
    cdef pollfd entry
    cdef timespec timeout
    cdef int64_t left = SIGNAL_CHECK
    if deadline >= 0:
        left = deadline - monotonic_clock()
        if left < 0:
            left = 0
        if left > SIGNAL_CHECK:
            left = SIGNAL_CHECK
    entry.fd = descriptor
    entry.events = POLLIN
    entry.revents = 0
    timeout.tv_sec = 0
    timeout.tv_nsec = left
    return poll_until(&entry, 1, &timeout) > 0


@cython.final
cdef class Waiter:
    """What one thread waits with, on a live host."""

    def __cinit__(self, HostHandle engine not None):
        self.owner = engine
        self.waiter.descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
        if self.waiter.descriptor < 0:
            raise OSError("no event descriptor to wait with: raise the limit of open files")

    def __dealloc__(self):
        self.close()

    def wait(self, watches, deadline: int | None) -> bool:
        """True: a watch is ready or `wake` was called. False: the deadline has come."""
        cdef int64_t until = -1 if deadline is None else deadline
        cdef tuple handles = tuple(watches)
        cdef int count = <int> len(handles)
        cdef bint ready = False
        cdef place_t* places = <place_t*> calloc(count + 1, sizeof(place_t))
        if places == NULL:
            raise MemoryError
        try:
            self.fill(handles, places)
            with nogil:
                ready = self.attach_all(places, count)
            while not ready:
                with nogil:
                    ready = sleep_until(self.waiter.descriptor, until)
                PyErr_CheckSignals()
                if until >= 0 and monotonic_clock() >= until:
                    break
        finally:
            with nogil:
                self.detach_all(places, count)
            free(places)
        return ready

    cdef int fill(self, tuple handles, place_t* places) except -1:
        """Where each handle keeps its pointer: read under the lock, since another thread may close it meanwhile."""
        cdef int i
        for i in range(len(handles)):
            handle, mask = handles[i]
            places[i].watch.waiter = &self.waiter
            places[i].watch.mask = mask
            if isinstance(handle, Endpoint):
                places[i].kind = ENDPOINT_CONNECTION
                places[i].slot = <void**> &(<Endpoint> handle).tcb
            elif isinstance(handle, Listener):
                places[i].kind = ENDPOINT_LISTENER
                places[i].slot = <void**> &(<Listener> handle).listener
            else:
                raise TypeError(f"{handle!r} is neither an Endpoint nor a Listener")
        return 0

    cdef bint attach_all(self, place_t* places, int count) noexcept nogil:
        cdef bint ready = False
        cdef int i
        enter(self.owner.host)
        for i in range(count):
            if attach(&places[i]):
                ready = True
                break
        unlock(self.owner.host)
        return ready

    cdef void detach_all(self, place_t* places, int count) noexcept nogil:
        cdef uint64_t value
        cdef int i
        enter(self.owner.host)
        for i in range(count):
            list_remove(&places[i].watch.link)
        list_remove(&self.waiter.waking_link)
        self.waiter.signalled = False
        read(self.waiter.descriptor, &value, 8)
        unlock(self.owner.host)

    def wake(self) -> None:
        """Ends the wait in progress, or else the next one; from any thread."""
        cdef uint64_t one = 1
        if self.waiter.descriptor >= 0:
            write(self.waiter.descriptor, &one, 8)

    def close(self) -> None:
        if self.waiter.descriptor >= 0:
            close(self.waiter.descriptor)
            self.waiter.descriptor = -1
