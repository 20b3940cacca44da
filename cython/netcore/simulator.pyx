"""The network under one virtual clock: how it runs, and what must hold meanwhile."""

cimport cython

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t, uint32_t, uint64_t
from netcore.engine cimport Engine
from netcore.impair cimport Impairment
from netcore.liveness cimport arrival_bound, check_arrivals
from netcore.network cimport network_enter, network_leave, network_next, network_run
from netcore.observed cimport Observed
from netcore.storage.deadlines cimport NEVER
from netcore.topology cimport dotted
from netcore.violation cimport violate, violation_t

cdef enum:
    # events between two looks at the keyboard
    SLICE = 1 << 20
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


@cython.no_gc_clear
@cython.final
cdef class Simulator(Observed):
    """Hosts, switches and links under one virtual clock. See the stub for what each call means."""

    def __cinit__(self, *, seed: int, check: bool = False, start: int = 0, events: int | None = None):
        self.most_events = ~(<uint64_t> 0) if events is None else events
        self.network.checker.on = self.network.traffic.checked = self.checking = check

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
