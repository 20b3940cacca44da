"""Two hosts and a link, from event to event without the GIL; the same seeds give the same run (LIM-5)."""

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t
from netcore.device cimport device_inject
from netcore.drive cimport enter, leave, next_deadline, run_deadlines, unlock
from netcore.engine cimport Engine
from netcore.host cimport host_t
from netcore.impair cimport Impairment, impair_due, impair_give, impair_put, impair_take
from netcore.impairment cimport impair_t
from netcore.posix cimport iovec, malloc, memcpy, memset
from netcore.storage.captures cimport captured_octets, captured_t, captures_append, captures_clear
from netcore.storage.chunks cimport chunk_give, chunk_t
from netcore.storage.deadlines cimport NEVER
from netcore.storage.frames cimport frame_queue_take
from netcore.wire.vnet cimport VNET_HEADER_LENGTH, parse_vnet, vnet_header_t

cdef enum:
    LARGEST_FRAME = 66000


@cython.final
cdef class Pair:
    """Joins two hand-driven engines."""

    def __cinit__(self, Engine left not None, Engine right not None, *, Impairment forward=None,
                  Impairment backward=None, latency: int = 1000):
        if left.host.live or right.host.live:
            raise ValueError("an engine with a loop cannot be paired: its time is the clock's")
        if left.host.interface.ethernet != right.host.interface.ethernet:
            raise ValueError("both engines must use Ethernet headers, or neither")
        self.left = left
        self.right = right
        self.forward = forward if forward is not None else Impairment(seed=0, delay=latency, mtu=65535)
        self.backward = backward if backward is not None else Impairment(seed=0, delay=latency, mtu=65535)
        if self.forward is self.backward:
            raise ValueError("each direction needs an Impairment of its own")
        self.forward.impair.ethernet = self.backward.impair.ethernet = left.host.interface.ethernet
        self.clock = max(left.host.now, right.host.now)

    def __dealloc__(self):
        captures_clear(&self.records)

    @property
    def now(self) -> int:
        return self.clock

    def next_event(self) -> int | None:
        """Time (ns) of the next frame arrival or time-out at either host; None: nothing will ever happen."""
        cdef int64_t time
        with nogil:
            time = self.next_time()
        return None if time == NEVER else time

    def step(self) -> bool:
        """Carries out all that happens at the next event time. False: nothing is scheduled."""
        cdef int64_t time
        with nogil:
            time = self.next_time()
            if time != NEVER:
                self.carry_out(time)
        return time != NEVER

    def run_until(self, int64_t time) -> None:
        """Carries out everything due by `time` (ns) and sets the clock to it."""
        cdef int64_t due
        if time < self.clock:
            raise ValueError(f"time goes back from {self.clock} to {time} ns")
        with nogil:
            due = self.next_time()
            while due <= time:
                self.carry_out(due)
                due = self.next_time()
            self.carry_out(time)

    def record(self, on: bool = True) -> None:
        """Keeps a copy of every frame as it arrives."""
        self.records.on = on

    def recorded(self) -> list[tuple[int, str, bytes]]:
        """Takes the copies: (arrival time in ns, who receives it, frame)."""
        cdef captured_t* item = self.records.first
        frames = []
        while item != NULL:
            frames.append((item.time, "right" if item.outbound else "left",
                           (<char*> captured_octets(item))[:item.length]))
            item = item.next
        captures_clear(&self.records)
        return frames

    cdef void collect(self, host_t* host, impair_t* link) noexcept nogil:
        """What the host has sent goes onto the link at the time it was sent."""
        cdef chunk_t* chunk
        cdef vnet_header_t vnet
        cdef iovec piece
        cdef uint32_t skip = VNET_HEADER_LENGTH if host.device.vnet_header else 0
        memset(&vnet, 0, sizeof(vnet))
        enter(host)
        chunk = frame_queue_take(&host.device.outgoing)
        while chunk != NULL:
            if skip:
                parse_vnet(chunk.data, &vnet)
            piece.iov_base = chunk.data + skip
            piece.iov_len = chunk.end - skip
            impair_put(link, &piece, 1, chunk.end - skip, &vnet, self.clock)
            chunk_give(&host.transport.pool, chunk)
            chunk = frame_queue_take(&host.device.outgoing)
        unlock(host)

    cdef void deliver(self, host_t* host, impair_t* link, bint to_right) noexcept nogil:
        cdef uint8_t octets[66000]
        cdef captured_t* item
        cdef uint32_t skip = VNET_HEADER_LENGTH if host.device.vnet_header else 0
        cdef uint32_t length
        cdef chunk_t* chunk = impair_take(link, self.clock)
        if chunk == NULL:
            return
        enter(host)
        while chunk != NULL:
            length = chunk.end - chunk.start
            if self.records.on:
                item = <captured_t*> malloc(sizeof(captured_t) + length)
                if item != NULL:
                    item.time = self.clock
                    item.outbound = to_right
                    item.length = length
                    memcpy(captured_octets(item), chunk.data + chunk.start, length)
                    captures_append(&self.records, item)
            if length + skip <= LARGEST_FRAME:
                memset(octets, 0, skip)
                memcpy(octets + skip, chunk.data + chunk.start, length)
                device_inject(host, octets, length + skip, self.clock)
            impair_give(link, chunk)
            chunk = impair_take(link, self.clock)
        leave(host)

    cdef void tick(self, host_t* host) noexcept nogil:
        enter(host)
        host.now = self.clock
        if next_deadline(host) <= self.clock:
            run_deadlines(host, self.clock)
        leave(host)

    cdef int64_t next_time(self) noexcept nogil:
        cdef int64_t time
        cdef int64_t other
        self.collect(self.left.host, self.forward.impair)
        self.collect(self.right.host, self.backward.impair)
        time = impair_due(self.forward.impair)
        other = impair_due(self.backward.impair)
        time = other if other < time else time
        enter(self.left.host)
        other = next_deadline(self.left.host)
        unlock(self.left.host)
        time = other if other < time else time
        enter(self.right.host)
        other = next_deadline(self.right.host)
        unlock(self.right.host)
        time = other if other < time else time
        return time if time > self.clock else self.clock if time != NEVER else NEVER

    cdef void carry_out(self, int64_t time) noexcept nogil:
        """Everything that is due at `time`: time-outs first, then arrivals, left before right."""
        self.clock = time
        self.tick(self.left.host)
        self.tick(self.right.host)
        self.collect(self.left.host, self.forward.impair)
        self.collect(self.right.host, self.backward.impair)
        self.deliver(self.left.host, self.backward.impair, False)
        self.deliver(self.right.host, self.forward.impair, True)
