"""Simulator: hosts, switches and links under one virtual clock; the code of the hosts is the code of production.

A run is a function of its seed and of the calls made: the same seed gives the same frames at the same times, and the
same `trace_hash`, on any machine (LIM-5). Between two calls from Python everything happens without the GIL.
"""

from array import array
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self, final

from typing_extensions import Buffer

from netcore.endpoint import Endpoint
from netcore.engine import Engine
from netcore.impair import Impairment

@final
class Switch:
    """A learning-free Ethernet switch: it knows where each host is, and floods what is for all. From Simulator.switch.

    It forwards at once: the rate and the queue of a port are those of the link behind it.
    """

    @property
    def name(self) -> str: ...
    @property
    def counters(self) -> dict[str, int]:
        """Frames forwarded, flooded (to all), and unknown: dropped because no host has the destination address."""

@final
class Link:
    """A link of two directions between two nodes. From Simulator.link."""

    @property
    def number(self) -> int:
        """Its place in the order of making, from 0."""
    @property
    def ends(self) -> tuple[Engine | Switch, Engine | Switch]: ...
    @property
    def forward(self) -> Impairment:
        """From ends[0] to ends[1]."""
    @property
    def backward(self) -> Impairment: ...
    def inject(self, frame: Buffer, forward: bool = True) -> None:
        """A frame that nobody has sent enters the link now, at ends[0] or (forward False) at ends[1]."""

class Frame(NamedTuple):
    """A frame as it arrived at the end of a link."""

    time: int  # of arrival, ns
    link: int  # Link.number
    forward: bool  # False: from ends[1] to ends[0]
    octets: bytes

class Violation(AssertionError):
    """An invariant that did not hold. The run has stopped at the event after which it was found.

    str() of it says all of it in one line.
    """

    invariant: str  # its name, such as "snd_nxt_in_window"; see INVARIANTS
    host: str  # address of the host, "" when no host is to blame
    connection: str  # "10.0.0.1:40000 > 10.0.0.2:80", "" when it is about no connection
    time: int  # virtual time, ns
    event: int  # number of the event in this run
    values: dict[str, int]  # what was compared, and the connection's variables
    seed: int
    def __init__(
        self, invariant: str, host: str, connection: str, time: int, event: int, values: dict[str, int], seed: int
    ) -> None: ...

INVARIANTS: Mapping[str, str]
"""Name and meaning of every invariant."""

@final
class Application:
    """One end of a connection played by the core: it writes a pattern, reads and verifies the other end's. From
    Simulator.flow and Simulator.play; see there for its habits."""

    @property
    def engine(self) -> Engine: ...
    @property
    def sent(self) -> int:
        """Bytes of the pattern taken by the connection."""
    @property
    def received(self) -> int:
        """Bytes received, all of them equal to the pattern (else the run stopped with Violation)."""
    @property
    def ended(self) -> bool:
        """It has received the end of the other's stream."""
    @property
    def done(self) -> bool:
        """It has sent and received all, or has failed, and has let go of the connection."""
    @property
    def status(self) -> int:
        """OK, or the terminal status with which the connection failed (netcore.endpoint)."""
    @property
    def connected_at(self) -> int:
        """Time (ns) of the handshake's end as this end saw it; 0: not yet."""
    @property
    def first_byte_at(self) -> int: ...
    @property
    def ended_at(self) -> int:
        """Time (ns) when the end of the other's stream was read; 0: not yet."""
    @property
    def done_at(self) -> int: ...
    def info(self) -> dict[str, int]:
        """Endpoint.info of its connection as it is, or as it was when it let go of it."""

@final
class Flow:
    """Both ends of one connection played by the core. From Simulator.flow."""

    @property
    def client(self) -> Application: ...
    @property
    def server(self) -> Application: ...
    @property
    def done(self) -> bool: ...
    @property
    def goodput(self) -> int:
        """Bits per second of both streams, from the flow's start to the later `ended_at`; 0 while it is not over."""

@final
class Samples:
    """What was recorded of one connection. From Simulator.watch.

    A sample is taken after each event at which one of its fields (but time) had changed.
    """

    @property
    def dropped(self) -> int:
        """Samples not kept because `limit` of them were waiting to be taken."""
    def __len__(self) -> int: ...
    def take(self) -> dict[str, array[int]]:
        """Takes the samples: one array of int64 for each name in `SAMPLE_FIELDS`, all of one length."""

SAMPLE_FIELDS: tuple[str, ...]
"""time (ns), state, snd_una, snd_nxt, snd_wnd, rcv_nxt, rcv_wnd (sequence numbers less iss or irs), cwnd, ssthresh,
flight, in_flight, sacked, queued (bytes in the send queue), unread (bytes in the receive queue), srtt, rttvar, rto,
min_rtt (ns), backoff, phase (0 open, 1 reducing, 2 recovery, 3 loss), delivered, lost (bytes in all), pacing_rate (in
bytes per second), retransmits, timeouts (the host's counters RetransSegs, TCPTimeouts)."""

@final
class Simulator:
    """Hosts, switches and links under one virtual clock.

    seed: of everything random that the simulator makes (hosts, links, patterns).
    check: invariants are tried after every event; a violation raises Violation from the call that runs.
    start: the clock's first time in ns.
    events: most events; when there are as many, run, run_until and settle raise Violation "endless". None: no bound.
    """

    def __new__(cls, *, seed: int, check: bool = False, start: int = 0, events: int | None = None) -> Self: ...

    # ---- what there is: before the first event
    def host(self, address: str | None = None, *, prefix: int = 8, **arguments: Any) -> Engine:
        """Makes a host. address None: 10.0.0.1, 10.0.0.2 ... `arguments` are those of Engine, tunables included; its
        seed comes from the simulator's unless given."""
    def add(self, engine: Engine) -> Engine:
        """Takes in an engine that the caller has made. Its time must not be later than the simulator's.

        Raises ValueError when a loop or another simulator drives it, or when its address or MAC is here already.
        """
    def switch(self, name: str = "") -> Switch:
        """Makes a switch."""
    def link(
        self,
        one: Engine | Switch,
        other: Engine | Switch,
        *,
        forward: Impairment | Mapping[str, Any] | None = None,
        backward: Impairment | Mapping[str, Any] | None = None,
        **both: Any,
    ) -> Link:
        """Joins two nodes. `both` are arguments of Impairment for each direction; `forward` (one to other) and
        `backward` override them for theirs, or are an Impairment made by the caller. Seeds come from the simulator's
        and the link's number unless given.

        Raises ValueError: a host has one link; a link that closes a circle; hosts with and without Ethernet.
        """

    # ---- applications in the core
    def flow(
        self,
        client: Engine,
        server: Engine,
        *,
        send: int = 0,
        reply: int = 0,
        port: int = 80,
        start: int = 0,
        backlog: int = 65536,
        together: bool = False,
        client_habits: Mapping[str, Any] | None = None,
        server_habits: Mapping[str, Any] | None = None,
    ) -> Flow:
        """A connection from `client` to `server`, opened at `start` (ns, absolute), on which `send` bytes go up and
        `reply` bytes come down at the same time. The listener on `port` is made with the first flow to it, and
        has this flow's `backlog`. together: there is no listener, but `server` opens the same connection from `port` at
        the same time (RFC 9293 3.5, simultaneous open); nothing may listen there.

        Habits (each end's own):
        write_size: bytes given to the connection in one call (1 to 65,536; 65,536).
        burst, think: after every `burst` bytes it waits `think` ns; 0: never.
        wait: bytes it wants to have received before it sends the first (a reply after a request); 0.
        read_size, read_pause: most bytes of one read, and ns between two reads; 0: all there is, at once.
        stall_after, stall: once it has read `stall_after` bytes it reads nothing for `stall` ns (zero window).
        end: what it does after its last byte: "shut" its direction and close after the other's end (the default),
            "close" at once (its peer must not send), "abort" (RST), "wait" (for the other's end, then close).
        nodelay: 1 turns off Nagle's algorithm. send_buffer, receive_buffer: bytes; 0: the host's tunables.
        """
    def play(
        self, endpoint: Endpoint, *, send: int = 0, expect: int = 0, stream: int = 0, **habits: Any
    ) -> Application:
        """Hands an endpoint (connecting, connected or accepted) to an application in the core; the handle is closed.

        It sends `send` bytes of the pattern of stream number 2 * stream and expects `expect` bytes of 2 * stream + 1
        when it connected, the other way round when it was accepted: two ends with the same `stream` fit together.
        """

    # ---- time
    @property
    def now(self) -> int:
        """The virtual time in ns. Every host's time is the same when a call returns."""
    def next_event(self) -> int | None:
        """Time (ns) of the next event; None: nothing will ever happen."""
    def step(self) -> bool:
        """Carries out all that happens at the next event's time. False: nothing is scheduled."""
    def run_until(self, time: int) -> None:
        """Carries out everything due by `time` (ns) and sets the clock to it."""
    def run(self, limit: int | None = None) -> bool:
        """Runs until all applications are done. True when they are.

        False: `limit` (ns of the clock) came first, or nothing is scheduled any more. With check, an application that
        is not done at `deadline`, or when nothing is scheduled, raises Violation "liveness", and one whose connection
        failed though nobody aborted it and the links let enough through, "delivery".
        """
    def settle(self) -> None:
        """After `run`: lets time pass until every TIME-WAIT and timer is over (at most an hour of virtual time).

        With check, raises Violation "memory" when a host then still holds connections, chunks or frames.
        """
    @property
    def deadline(self) -> int:
        """Time (ns) by which everything must have arrived: from the last change of any link, the time-outs and retries
        of the hosts, the bytes and the slowest link's rate, and the loss of the links after their last change."""

    # ---- what can be seen
    @property
    def trace_hash(self) -> int:
        """64 bits over every frame delivered at the end of any link: time, link, direction, length, first 96 octets."""
    def counters(self) -> dict[str, int]:
        """events, frames (delivered at link ends), segments (TCP segments delivered to hosts)."""
    def record(self, links: Sequence[Link] | None = None, *, limit: int = 1 << 30) -> None:
        """Keeps a copy of every frame that arrives at the end of these links (None: all), at most `limit` bytes."""
    def recorded(self) -> list[Frame]:
        """Takes the copies, in the order of arrival."""
    def watch(self, watched: Endpoint | Application, *, limit: int = 1_000_000) -> Samples:
        """Records the variables of a connection from now on, at most `limit` samples that nobody has taken.

        An Application may be watched before it is connected.
        """
    def violate(self, invariant: str) -> None:
        """Makes the next check of this invariant fail: for tests of the checks."""

@final
class Pair:
    """Two hosts and one link: a Simulator with short words. Frames that one sends arrive at the other after
    `forward`'s (left to right) or `backward`'s (right to left) impairment; without one, after `latency` ns.
    """

    def __new__(
        cls,
        left: Engine,
        right: Engine,
        *,
        forward: Impairment | None = None,
        backward: Impairment | None = None,
        latency: int = 1000,
    ) -> Self: ...
    @property
    def now(self) -> int: ...
    def next_event(self) -> int | None:
        """Time (ns) of the next frame arrival or time-out at either host; None: nothing will ever happen."""
    def step(self) -> bool:
        """Carries out all that happens at the next event time. False: nothing is scheduled."""
    def run_until(self, time: int) -> None:
        """Carries out everything due by `time` (ns) and sets the clock to it."""
    def record(self, on: bool = True) -> None:
        """Keeps a copy of every frame as it arrives."""
    def recorded(self) -> list[tuple[int, str, bytes]]:
        """Takes the copies: (arrival time in ns, "left" or "right" = who receives it, frame)."""
