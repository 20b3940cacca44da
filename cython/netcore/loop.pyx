"""The nogil drive: waits for frames, wake-ups and the next deadline; the GIL is never taken in between."""

cimport cython
from libc.stdint cimport int64_t, uint64_t
from netcore.device cimport device_due, device_read, device_settle
from netcore.drive cimport enter, next_deadline, run_deadlines, settle, unlock
from netcore.engine cimport Engine
from netcore.host cimport host_t
from netcore.impair cimport Impairment
from netcore.posix cimport (
    EFD_CLOEXEC, EFD_NONBLOCK, POLLIN, close, eventfd, load_acquire, monotonic_clock, poll_until, pollfd, read,
    store_release, timespec, write,
)
from netcore.storage.deadlines cimport NEVER

cdef enum:
    # frames handled in one stay in the lock
    BATCH = 32
    # While connections live the loop looks at its deadlines this often (ns) at least, so that calls which arm a later
    # one, as every send does, need not wake it.
    LONGEST_SLEEP = 10000000


@cython.no_gc_clear
@cython.final
cdef class Loop:
    """Drives an engine on a device descriptor."""

    def __cinit__(self, Engine engine not None, descriptor: int, *, Impairment inbound=None,
                  Impairment outbound=None):
        cdef host_t* host = engine.host
        if host.live:
            raise ValueError("this engine has a loop already")
        if descriptor < -1:
            raise ValueError(f"descriptor is {descriptor}, but must be an open device or -1")
        if inbound is not None and inbound is outbound:
            raise ValueError("each direction needs an Impairment of its own")
        self.engine = engine
        self.inbound = inbound
        self.outbound = outbound
        host.wake_descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
        if host.wake_descriptor < 0:
            raise OSError("no event descriptor for the loop: raise the limit of open files")
        if inbound is not None:
            inbound.impair.ethernet = host.interface.ethernet
            host.device.inbound = inbound.impair
        if outbound is not None:
            outbound.impair.ethernet = host.interface.ethernet
            host.device.outbound = outbound.impair
        host.device.descriptor = descriptor
        host.live = True

    def __dealloc__(self):
        if self.engine is not None and self.engine.host != NULL:
            with nogil:
                self.detach()

    cdef void detach(self) noexcept nogil:
        cdef host_t* host = self.engine.host
        # calls of other threads may be on their way through the device
        enter(host)
        if not self.detached:
            self.detached = True
            host.device.inbound = NULL
            host.device.outbound = NULL
            # frames of calls that come later go nowhere
            host.device.descriptor = -1
            close(host.wake_descriptor)
            host.wake_descriptor = -1
            host.sleeping_until = 0
        unlock(host)

    def close(self) -> None:
        """Lets go of the device and of the loop's own descriptor, once `run` has ended; the host loses its link."""
        if self.running:
            raise RuntimeError("the loop is running: stop it, and close it when run has returned")
        with nogil:
            self.detach()

    def run(self) -> None:
        """Runs without the GIL until `stop`; OSError when the device is gone."""
        if self.detached:
            raise RuntimeError("this loop is closed")
        self.running = True
        with nogil:
            self.drive()
        self.running = False
        if self.device_lost:
            raise OSError("the device is gone: its descriptor gives nothing but errors")

    def stop(self) -> None:
        """Ends `run` soon; from any thread."""
        cdef uint64_t one = 1
        store_release(&self.stopping, 1)
        if not self.detached:
            write(self.engine.host.wake_descriptor, &one, 8)

    def counters(self) -> dict[str, int]:
        """What the drive did."""
        cdef host_t* host = self.engine.host
        cdef uint64_t wakeups, batches, reads, writes, write_errors
        with nogil:
            enter(host)
            wakeups = self.wakeups
            batches = self.batches
            reads = host.device.reads
            writes = host.device.writes
            write_errors = host.device.write_errors
            unlock(host)
        return {
            "wakeups": wakeups, "batches": batches, "reads": reads, "writes": writes, "write_errors": write_errors,
            "device_lost": self.device_lost,
        }

    cdef void drive(self) noexcept nogil:
        while not load_acquire(&self.stopping) and not self.device_lost:
            if self.step() < BATCH and not self.device_lost:
                self.rest()

    cdef int step(self) noexcept nogil:
        """One batch of frames and the time-outs that are due; how many frames. Decides how long the rest may be."""
        cdef host_t* host = self.engine.host
        cdef int64_t now, due
        cdef int count = 0
        enter(host)
        self.wakeups += self.rested
        self.rested = False
        host.sleeping_until = 0
        # taken once a batch, at the descriptor: the time of arrival is what RTT samples need
        now = monotonic_clock()
        if host.device.descriptor >= 0 and not self.device_lost:
            count = device_read(host, BATCH, now)
            if count < 0:
                self.device_lost = True
                count = 0
        device_settle(host, now)
        run_deadlines(host, now)
        settle(host, now)
        self.batches += 1
        if count < BATCH:
            due = next_deadline(host)
            if device_due(host) < due:
                due = device_due(host)
            if host.transport.tcbs.in_use and due > now + LONGEST_SLEEP:
                due = now + LONGEST_SLEEP
            host.sleeping_until = self.rest_until = due
        unlock(host)
        return count

    cdef void rest(self) noexcept nogil:
        cdef host_t* host = self.engine.host
        cdef pollfd entries[2]
        cdef timespec timeout
        cdef uint64_t value
        cdef int64_t left = 0
        cdef int64_t due = self.rest_until
        cdef int count = 1
        entries[0].fd = host.wake_descriptor
        entries[0].events = POLLIN
        entries[0].revents = 0
        if host.device.descriptor >= 0 and not self.device_lost:
            entries[1].fd = host.device.descriptor
            entries[1].events = POLLIN
            entries[1].revents = 0
            count = 2
        if due == NEVER:
            poll_until(entries, count, NULL)
        else:
            left = due - monotonic_clock()
            if left < 0:
                left = 0
            timeout.tv_sec = left // 1_000_000_000
            timeout.tv_nsec = left % 1_000_000_000
            poll_until(entries, count, &timeout)
        self.rested = True
        if entries[0].revents & POLLIN:
            read(host.wake_descriptor, &value, 8)
