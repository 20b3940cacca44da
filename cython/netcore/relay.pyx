"""Frames from one descriptor to another through impairments, both ways, without the GIL."""

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from netcore.impair cimport Impairment, impair_due, impair_give, impair_put, impair_take
from netcore.posix cimport (
    EAGAIN, EFD_CLOEXEC, EFD_NONBLOCK, EINTR, POLLIN, PR_GET_TIMERSLACK, PR_SET_TIMERSLACK, close, count_on, count_up,
    errno, eventfd, free, iovec, load_acquire, load_count, malloc, memset, monotonic_clock, poll_until, pollfd, prctl,
    read, store_release, timespec, write, writev,
)
from netcore.storage.chunks cimport LARGE_CHUNK, chunk_t
from netcore.storage.deadlines cimport NEVER
from netcore.wire.vnet cimport VNET_HEADER_LENGTH, parse_vnet, vnet_header_t

import threading

cdef enum:
    # frames read in one go: a superframe of 64 KiB takes 50 µs to cut, and frames that are due wait meanwhile
    BATCH = 8
    # ns: a frame that leaves this much after its time counts as late
    LATE = 1000000
    # ns between two looks at Python's signals in the main thread while the relay never rests
    ATTENTION = 100000000


cdef int take_in(direction_t* direction, uint8_t* frame) noexcept nogil:
    """Reads at most BATCH frames; how many. -1: the device is gone."""
    cdef vnet_header_t vnet
    cdef iovec piece
    cdef ssize_t size
    cdef uint32_t skip = VNET_HEADER_LENGTH if direction.source_header else 0
    cdef int count = 0
    while count < BATCH:
        size = read(direction.source, frame, LARGE_CHUNK)
        if size <= 0:
            if size < 0 and errno == EINTR:
                continue
            # a device never gives a frame of nothing: it is the end of a socket whose other end was closed
            if size == 0 or errno != EAGAIN:
                return -1
            break
        count += 1
        if <uint32_t> size <= skip:
            continue
        count_up(&direction.frames)
        count_on(&direction.octets, size - skip)
        if direction.impair == NULL:
            if write(direction.target, frame, size) < 0:
                count_up(&direction.refused)
            else:
                count_up(&direction.delivered)
                count_on(&direction.delivered_octets, size - skip)
            continue
        memset(&vnet, 0, sizeof(vnet))
        if skip:
            parse_vnet(frame, &vnet)
        piece.iov_base = frame + skip
        piece.iov_len = size - skip
        # the time of this frame and not of the batch: its delay begins now
        impair_put(direction.impair, &piece, 1, <uint32_t> piece.iov_len, &vnet, monotonic_clock())
    return count


cdef void give_out(direction_t* direction) noexcept nogil:
    """Writes what is due. A frame that the target does not take is lost, as on any link."""
    cdef uint8_t header[VNET_HEADER_LENGTH]
    cdef iovec pieces[2]
    cdef chunk_t* chunk
    cdef int64_t now, due
    if direction.impair == NULL:
        return
    now = monotonic_clock()
    due = impair_due(direction.impair)
    if due > now:
        return
    memset(header, 0, VNET_HEADER_LENGTH)
    pieces[0].iov_base = header
    pieces[0].iov_len = VNET_HEADER_LENGTH if direction.target_header else 0
    chunk = impair_take(direction.impair, now)
    while chunk != NULL:
        if now - due > LATE:
            count_up(&direction.late)
        if now - due > <int64_t> direction.latest:
            count_on(&direction.latest, now - due - direction.latest)
        pieces[1].iov_base = chunk.data + chunk.start
        pieces[1].iov_len = chunk.end - chunk.start
        if writev(direction.target, pieces, 2) < 0:
            count_up(&direction.refused)
        else:
            count_up(&direction.delivered)
            count_on(&direction.delivered_octets, pieces[1].iov_len)
        impair_give(direction.impair, chunk)
        due = impair_due(direction.impair)
        chunk = impair_take(direction.impair, now)


cdef int64_t due_of(const direction_t* direction) noexcept nogil:
    return impair_due(direction.impair) if direction.impair != NULL else NEVER


cdef dict counters_of(direction_t* direction, Impairment impairment):
    cdef dict told = {
        "frames": load_count(&direction.frames), "bytes": load_count(&direction.octets),
        "delivered": load_count(&direction.delivered), "delivered_bytes": load_count(&direction.delivered_octets),
        "refused": load_count(&direction.refused),
        "late": load_count(&direction.late), "latest": load_count(&direction.latest),
    }
    if impairment is not None:
        told.update(impairment.counters())
    return told


@cython.no_gc_clear
@cython.final
cdef class Relay:
    """See the stub."""

    def __cinit__(self, left: int, right: int, *, Impairment forward=None, Impairment backward=None,
                  left_header: bool = False, right_header: bool = False, ethernet: bool = True):
        self.wake_descriptor = -1
        for name, descriptor in (("left", left), ("right", right)):
            if descriptor < 0:
                raise ValueError(f"{name} is {descriptor}, but must be an open descriptor")
        if left == right:
            raise ValueError(f"left and right are both descriptor {left}: a path has two ends")
        if forward is not None and forward is backward:
            raise ValueError("each direction needs an Impairment of its own")
        if left_header != right_header:
            # what one end leaves undone the other cannot be told: it is done in between
            forward = Impairment(seed=0) if forward is None else forward
            backward = Impairment(seed=0) if backward is None else backward
        self.forward_impairment = forward
        self.backward_impairment = backward
        self.forward.source = self.backward.target = left
        self.forward.target = self.backward.source = right
        self.forward.source_header = self.backward.target_header = left_header
        self.forward.target_header = self.backward.source_header = right_header
        if forward is not None:
            forward.impair.ethernet = ethernet
            self.forward.impair = forward.impair
        if backward is not None:
            backward.impair.ethernet = ethernet
            self.backward.impair = backward.impair
        self.frame = <uint8_t*> malloc(LARGE_CHUNK)
        if self.frame == NULL:
            raise MemoryError
        self.wake_descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
        if self.wake_descriptor < 0:
            raise OSError("no event descriptor for the relay: raise the limit of open files")

    def __dealloc__(self):
        if self.wake_descriptor >= 0:
            close(self.wake_descriptor)
        free(self.frame)

    def run(self) -> None:
        cdef long slack
        cdef bint attentive = threading.current_thread() is threading.main_thread()
        if self.running:
            raise RuntimeError("the relay is running already")
        self.running = True
        # A thread's timers may be late by 50 µs unless it asks for better (prctl(2)): half a frame at 100 Mbit/s.
        slack = prctl(PR_GET_TIMERSLACK, 0)
        prctl(PR_SET_TIMERSLACK, 1)
        try:
            while not load_acquire(&self.stopping) and self.lost == NULL:
                self.attentive_until = monotonic_clock() + ATTENTION if attentive else NEVER
                with nogil:
                    self.drive()
                PyErr_CheckSignals()
        finally:
            self.running = False
            prctl(PR_SET_TIMERSLACK, slack)
        if self.lost != NULL:
            side = "left" if self.lost == &self.forward else "right"
            raise OSError(f"the {side} device is gone: its descriptor gives nothing but errors")

    def stop(self) -> None:
        cdef uint64_t one = 1
        store_release(&self.stopping, 1)
        write(self.wake_descriptor, &one, 8)

    def counters(self) -> dict[str, dict[str, int]]:
        return {
            "forward": counters_of(&self.forward, self.forward_impairment),
            "backward": counters_of(&self.backward, self.backward_impairment),
        }

    @property
    def wakeups(self) -> int:
        return load_count(&self._wakeups)

    cdef void drive(self) noexcept nogil:
        """Until stopped, until a device is gone, or until Python should look at its signals."""
        cdef int from_left, from_right
        cdef int64_t due
        while not load_acquire(&self.stopping):
            from_left = take_in(&self.forward, self.frame)
            from_right = take_in(&self.backward, self.frame)
            if from_left < 0 or from_right < 0:
                self.lost = &self.forward if from_left < 0 else &self.backward
                return
            give_out(&self.forward)
            give_out(&self.backward)
            if from_left == BATCH or from_right == BATCH:
                if self.attentive_until != NEVER and monotonic_clock() > self.attentive_until:
                    return
                continue
            due = due_of(&self.forward)
            if due_of(&self.backward) < due:
                due = due_of(&self.backward)
            if self.rest(due):
                return

    cdef bint rest(self, int64_t due) noexcept nogil:
        """Until a frame comes, `due` or a stop; True when Python should look at its signals."""
        cdef pollfd entries[3]
        cdef timespec timeout
        cdef int64_t left
        cdef int count
        entries[0].fd = self.forward.source
        entries[1].fd = self.backward.source
        entries[2].fd = self.wake_descriptor
        for count in range(3):
            entries[count].events = POLLIN
            entries[count].revents = 0
        if self.attentive_until < due:
            due = self.attentive_until
        if due == NEVER:
            count = poll_until(entries, 3, NULL)
        else:
            left = due - monotonic_clock()
            if left <= 0:
                # frames may come faster than they can be looked at: the next round reads them anyway
                return self.attentive_until <= due
            timeout.tv_sec = left // 1_000_000_000
            timeout.tv_nsec = left % 1_000_000_000
            count = poll_until(entries, 3, &timeout)
        count_up(&self._wakeups)
        return (count < 0 and errno == EINTR) or (self.attentive_until <= due and count == 0)
