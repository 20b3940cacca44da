"""Simulator: hosts, switches and links under one virtual clock; the code of the hosts is the code of production.

A run is a function of its seed and of the calls made: the same seed gives the same frames at the same times, and the
same `trace_hash`, on any machine (LIM-5). Between two calls from Python everything happens without the GIL.
"""

from collections.abc import Mapping
from typing import Self, final

from netcore.engine import Engine
from netcore.impair import Impairment
from netcore.observed import Observed

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
class Simulator(Observed):
    """Hosts, switches and links under one virtual clock: see Topology for these, Flows for the connections that are
    played, Observed for what is recorded.

    seed: of everything random that the simulator makes (hosts, links, patterns).
    check: invariants are tried after every event; a violation raises Violation from the call that runs.
    start: the clock's first time in ns.
    events: most events; when there are as many, run, run_until and settle raise Violation "endless". None: no bound.
    """

    def __new__(cls, *, seed: int, check: bool = False, start: int = 0, events: int | None = None) -> Self: ...

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

    # ---- what must hold
    @property
    def trace_hash(self) -> int:
        """64 bits over every frame delivered at the end of any link: time, link, direction, length, first 96 octets."""
    def counters(self) -> dict[str, int]:
        """events, frames (delivered at link ends), segments (TCP segments delivered to hosts)."""
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
