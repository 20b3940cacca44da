"""The helper of a live host: its thread drives when no caller does; the GIL is never taken in between."""

cimport cython
from libc.stdint cimport uint64_t
from netcore.drive cimport enter, unlock
from netcore.engine cimport Engine
from netcore.host cimport host_t
from netcore.impair cimport Impairment
from netcore.leading cimport help
from netcore.posix cimport EFD_CLOEXEC, EFD_NONBLOCK, close, eventfd, store_release, write
from netcore.receive_thread cimport let_go_of_switch


cdef enum:
    # a second: whoever wants more wants a loop that never sleeps, and would find that it cannot be ended
    LONGEST_BUSY_POLL = 1000000000


@cython.no_gc_clear
@cython.final
cdef class Loop:
    """Drives an engine on a device descriptor."""

    def __cinit__(self, Engine engine not None, descriptor: int, *, Impairment inbound=None,
                  Impairment outbound=None, busy_poll: int = 0, thread_switch: int = -1):
        cdef host_t* host = engine.host
        if host.live:
            raise ValueError("this engine has a loop already")
        if descriptor < -1:
            raise ValueError(f"descriptor is {descriptor}, but must be an open device or -1")
        if inbound is not None and inbound is outbound:
            raise ValueError("each direction needs an Impairment of its own")
        if not 0 <= busy_poll <= LONGEST_BUSY_POLL:
            raise ValueError(f"busy_poll is {busy_poll} ns, but must be 0 to {LONGEST_BUSY_POLL}")
        self.engine = engine
        self.inbound = inbound
        self.outbound = outbound
        host.lead.helper.descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
        if host.lead.helper.descriptor < 0:
            raise OSError("no event descriptor for the loop: raise the limit of open files")
        if inbound is not None:
            inbound.impair.ethernet = host.interface.ethernet
            host.device.inbound = inbound.impair
        if outbound is not None:
            outbound.impair.ethernet = host.interface.ethernet
            host.device.outbound = outbound.impair
        host.device.descriptor = descriptor
        host.device.thread.switch_descriptor = thread_switch
        host.lead.busy_poll = busy_poll
        host.live = True

    def __dealloc__(self):
        if self.engine is not None and self.engine.host != NULL:
            with nogil:
                self.detach()

    cdef void detach(self) noexcept nogil:
        cdef host_t* host = self.engine.host
        cdef uint64_t one = 1
        # calls of other threads may be on their way through the device
        enter(host)
        if not self.detached:
            self.detached = True
            host.device.inbound = NULL
            host.device.outbound = NULL
            let_go_of_switch(host)
            # frames of calls that come later go nowhere
            host.device.descriptor = -1
            close(host.lead.helper.descriptor)
            host.lead.helper.descriptor = -1
            if host.lead.leader != NULL:
                # a caller that leads has nothing to lead any more
                write(host.lead.leader.descriptor, &one, 8)
        unlock(host)

    def close(self) -> None:
        """Lets go of the device and of the loop's own descriptor, once `run` has ended; the host loses its link."""
        if self.running:
            raise RuntimeError("the loop is running: stop it, and close it when run has returned")
        with nogil:
            self.detach()

    def run(self) -> None:
        """Runs without the GIL until `stop`; OSError when the device is gone."""
        cdef host_t* host = self.engine.host
        cdef bint closed
        cdef bint lost = False
        self.running = True
        with nogil:
            enter(host)
            closed = self.detached
            unlock(host)
            if not closed:
                help(host, &self.stopping)
                enter(host)
                lost = host.lead.lost
                unlock(host)
        self.running = False
        if closed:
            raise RuntimeError("this loop is closed")
        if lost:
            raise OSError("the device is gone: its descriptor gives nothing but errors")

    def stop(self) -> None:
        """Ends `run` soon; from any thread."""
        cdef host_t* host = self.engine.host
        cdef uint64_t one = 1
        store_release(&self.stopping, 1)
        # under the lock, or `close` in another thread might close the descriptor meanwhile
        with nogil:
            enter(host)
            if not self.detached:
                write(host.lead.helper.descriptor, &one, 8)
            unlock(host)

    def counters(self) -> dict[str, int]:
        """What the drive did."""
        cdef host_t* host = self.engine.host
        cdef uint64_t wakeups, batches, turns, reads, writes, write_errors
        cdef bint lost
        with nogil:
            enter(host)
            wakeups = host.lead.wakeups
            batches = host.lead.batches
            turns = host.lead.turns
            lost = host.lead.lost
            reads = host.device.reads
            writes = host.device.writes
            write_errors = host.device.write_errors
            unlock(host)
        return {
            "wakeups": wakeups, "batches": batches, "turns": turns, "reads": reads, "writes": writes,
            "write_errors": write_errors, "device_lost": lost,
        }
