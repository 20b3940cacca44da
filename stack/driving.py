"""Drivers: what lets time pass and frames move while a call of the provider waits.

The provider asks for three things only: the engine, the time, and `waiter().wait(watches, deadline)`. LiveDriver
answers with a loop thread on a device; HandDriver and PairDriver with virtual time, which jumps from event to event, so
that blocking calls work without a thread and take no longer than their computation.
"""

import heapq
import itertools
import logging
import signal
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from typing_extensions import Buffer

from netcore.endpoint import Endpoint
from netcore.engine import Engine
from netcore.impair import Impairment
from netcore.listener import Listener
from netcore.loop import Loop
from netcore.simulator import Pair
from netcore.waiter import Waiter

LOG = logging.getLogger("wspstack.driving")

Watch = tuple[Endpoint | Listener, int]

SECOND = 1_000_000_000

# A peer that keeps its window closed is probed for ever (RFC 9293 3.8.6.1): virtual time would run on without an end.
PATIENCE = 4 * 3600 * SECOND


class NothingScheduled(RuntimeError):
    """A call waits under virtual time, and no frame, time-out or scheduled action is left that could end the wait."""


class Wakeable(Protocol):
    """What ends a wait from outside."""

    def wake(self) -> None:
        """Ends the wait in progress, or else the next one."""


class Wait(Wakeable, Protocol):
    """What a thread waits with."""

    def wait(self, watches: Sequence[Watch], deadline: int | None) -> bool:
        """Waits until a watch has one of its readiness bits, or `wake`, or `deadline` (ns); False in the last case."""

    def receive_into(self, endpoint: Endpoint, buffer: Buffer, watches: Sequence[Watch], deadline: int | None) -> int:
        """Waits as `wait`; text of `endpoint` that comes meanwhile may go straight to `buffer`.

        Returns how many bytes it was; 0 when a watch is ready; -1 when `deadline` has come.
        """


class WholeFrames:
    """A wait whose frames are handed in whole, so that no text goes past its connection's queue."""

    def wait(self, watches: Sequence[Watch], deadline: int | None) -> bool:
        """As `Wait.wait`."""
        raise NotImplementedError

    def receive_into(self, endpoint: Endpoint, buffer: Buffer, watches: Sequence[Watch], deadline: int | None) -> int:
        """As `wait`: 0, or -1 for False."""
        return 0 if self.wait(watches, deadline) else -1


class Driver(Protocol):
    """What the provider needs of a driver."""

    @property
    def engine(self) -> Engine:
        """The host."""

    def now(self) -> int:
        """The host's time in ns."""

    def waiter(self) -> Wait:
        """What the calling thread waits with."""


class _ThreadWaiter:
    """Closes its Waiter when the thread that owns it ends."""

    def __init__(self, engine: Engine) -> None:
        self.waiter = Waiter(engine)

    def __del__(self) -> None:
        self.waiter.close()


class LiveDriver:
    """Drives `engine` on `descriptor`: a call that waits does it in its own thread, and a thread of ours otherwise.

    inbound, outbound, busy_poll, thread_switch: as for `netcore.loop.Loop`.
    on_failure: called in the loop's thread with the error when the loop ends by one (the device went away).
    """

    def __init__(
        self,
        engine: Engine,
        descriptor: int,
        *,
        inbound: Impairment | None = None,
        outbound: Impairment | None = None,
        busy_poll: int = 0,
        thread_switch: int = -1,
        on_failure: Callable[[Exception], None] | None = None,
    ) -> None:
        self._engine = engine
        self._loop = Loop(
            engine,
            descriptor,
            inbound=inbound,
            outbound=outbound,
            busy_poll=busy_poll,
            thread_switch=thread_switch,
        )
        self._on_failure = on_failure
        self._local = threading.local()
        self._waiters: weakref.WeakSet[_ThreadWaiter] = weakref.WeakSet()
        self._thread: threading.Thread | None = None

    @property
    def engine(self) -> Engine:
        """The host."""
        return self._engine

    def now(self) -> int:
        """The monotonic clock in ns."""
        return self._engine.now

    def waiter(self) -> Wait:
        """The Waiter of the calling thread; made on the first call, closed when the thread ends."""
        try:
            waiter: Waiter = self._local.waiter
        except AttributeError:
            owner = _ThreadWaiter(self._engine)
            self._waiters.add(owner)
            self._local.owner = owner
            waiter = self._local.waiter = owner.waiter
        return waiter

    def start(self) -> None:
        """Starts the loop's thread. Raises RuntimeError the second time."""
        if self._thread is not None:
            raise RuntimeError("the loop was started already: make a new LiveDriver")
        self._thread = threading.Thread(target=self._run, name="wspstack-loop", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the loop, waits for its thread and closes the waiters; the second time it does nothing."""
        thread = self._thread
        if thread is not None and thread.is_alive():
            self._loop.stop()
            thread.join()
        self._loop.close()
        for owner in list(self._waiters):
            owner.waiter.close()

    def counters(self) -> dict[str, int]:
        """Counters of the loop."""
        return self._loop.counters()

    def _run(self) -> None:
        # Signals are for the main thread: with all of them blocked here, Ctrl-C interrupts the call that waits there.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self._loop.run()
        except Exception as error:
            LOG.error("the loop ended: %s", error)
            if self._on_failure is not None:
                self._on_failure(error)


class Agenda:
    """Actions that are to happen at given times, in the order of their times and then of their entry."""

    def __init__(self) -> None:
        self._items: list[tuple[int, int, Callable[[], object]]] = []
        self._serial = itertools.count()

    def add(self, time: int, action: Callable[[], object]) -> None:
        """Enters `action` for `time` (ns)."""
        heapq.heappush(self._items, (time, next(self._serial), action))

    def next_time(self) -> int | None:
        """The time (ns) of the first action, None when there is none."""
        return self._items[0][0] if self._items else None

    def take(self) -> Callable[[], object]:
        """Takes the first action out."""
        return heapq.heappop(self._items)[2]


class _VirtualTime(WholeFrames):
    """The wait of the drivers under virtual time, over `_next_time` and `_carry_out`. For one thread only."""

    def __init__(self, patience: int) -> None:
        self._wakes = 0
        self._patience = patience
        self._agenda = Agenda()

    def now(self) -> int:
        """The virtual time in ns."""
        raise NotImplementedError

    def _next_time(self) -> int | None:
        """The time (ns) of the next event of any kind."""
        raise NotImplementedError

    def _carry_out(self, time: int) -> None:
        """Lets time pass to `time`, which is not later than the next event's, and carries out what is due by then."""
        raise NotImplementedError

    def wake(self) -> None:
        """Ends the waits in progress."""
        self._wakes += 1

    def wait(self, watches: Sequence[Watch], deadline: int | None) -> bool:
        """Lets virtual time pass until a watch is ready, `wake` is called (True), or `deadline` (ns) has come (False).

        Raises NothingScheduled when no event is left and there is no deadline, or after the driver's patience.
        """
        wakes = self._wakes
        end = self.now() + self._patience
        while True:
            if self._wakes != wakes or any(handle.readiness & bits for handle, bits in watches):
                return True
            time = self._next_time()
            if deadline is not None and (time is None or time > deadline):
                if deadline > self.now():
                    self._carry_out(deadline)
                return self._wakes != wakes or any(handle.readiness & bits for handle, bits in watches)
            if time is None:
                raise NothingScheduled("nothing is scheduled that could end this wait: the call would hang for ever")
            if time > end:
                raise NothingScheduled(f"{self._patience // SECOND} virtual seconds have not ended this wait")
            self._carry_out(max(time, self.now()))

    def run_until(self, time: int) -> None:
        """Carries out everything due by `time` (ns) and sets the clock to it."""
        while (following := self._next_time()) is not None and following <= time:
            self._carry_out(max(following, self.now()))
        if time > self.now():
            self._carry_out(time)

    def run(self, duration: int) -> None:
        """Lets `duration` (ns) pass."""
        self.run_until(self.now() + duration)


class HandDriver(_VirtualTime):
    """One host without a device: the program is the link and the peer, and time is virtual.

    Frames that the host sends are kept, with their times, until `take_sent`, and handed to the responder, if any.
    patience: ns of virtual time after which a wait without deadline raises NothingScheduled.
    """

    def __init__(self, engine: Engine, *, patience: int = PATIENCE) -> None:
        super().__init__(patience)
        self._engine = engine
        self._respond: Callable[[bytes], Iterable[bytes] | None] | None = None
        self._sent: list[tuple[int, bytes]] = []

    @property
    def engine(self) -> Engine:
        """The host."""
        return self._engine

    def now(self) -> int:
        """The virtual time in ns."""
        return self._engine.now

    def waiter(self) -> "HandDriver":
        """The driver itself."""
        return self

    def at(self, time: int, action: Buffer | Callable[[], object]) -> None:
        """Schedules a frame to arrive, or a callable to be called, at `time` (ns, not before now)."""
        if callable(action):
            self._agenda.add(time, action)
        else:
            self._agenda.add(time, lambda: self._engine.frame_arrives(action, self.now()))

    def after(self, delay: int, action: Buffer | Callable[[], object]) -> None:
        """Schedules as `at`, `delay` ns from now."""
        self.at(self.now() + delay, action)

    def respond(self, callback: Callable[[bytes], Iterable[bytes] | None] | None) -> None:
        """Sets the scripted peer: called with each frame the host sends; the frames it returns arrive at once.

        It may schedule others. None takes it away.
        """
        self._respond = callback

    def take_sent(self) -> list[tuple[int, bytes]]:
        """Takes the frames sent since the last call, with the time (ns) each left."""
        self._pump()
        sent, self._sent = self._sent, []
        return sent

    def _pump(self) -> None:
        while frames := self._engine.frames_to_send():
            for frame in frames:
                self._sent.append((self.now(), frame))
                if self._respond is not None:
                    for answer in self._respond(frame) or ():
                        self.at(self.now(), answer)

    def _next_time(self) -> int | None:
        self._pump()
        return _earlier(self._agenda.next_time(), self._engine.next_deadline())

    def _carry_out(self, time: int) -> None:
        self._engine.advance(time)
        while (due := self._agenda.next_time()) is not None and due <= time:
            self._agenda.take()()
        self._pump()


class PairDriver(_VirtualTime):
    """Two hosts and the link between them under one virtual clock; `left` and `right` are the drivers of the sides.

    forward, backward, latency: as for `netcore.simulator.Pair`. patience: as for HandDriver.
    """

    def __init__(
        self,
        left: Engine,
        right: Engine,
        *,
        forward: Impairment | None = None,
        backward: Impairment | None = None,
        latency: int = 1000,
        patience: int = PATIENCE,
    ) -> None:
        super().__init__(patience)
        self.pair = Pair(left, right, forward=forward, backward=backward, latency=latency)
        self.left = PairSide(self, left)
        self.right = PairSide(self, right)

    def now(self) -> int:
        """The virtual time in ns."""
        return self.pair.now

    def at(self, time: int, action: Callable[[], object]) -> None:
        """Schedules a callable for `time` (ns, not before now)."""
        self._agenda.add(time, action)

    def after(self, delay: int, action: Callable[[], object]) -> None:
        """Schedules a callable `delay` ns from now."""
        self.at(self.now() + delay, action)

    def _next_time(self) -> int | None:
        return _earlier(self._agenda.next_time(), self.pair.next_event())

    def _carry_out(self, time: int) -> None:
        self.pair.run_until(time)
        while (due := self._agenda.next_time()) is not None and due <= time:
            self._agenda.take()()


class PairSide:
    """The driver of one host of a pair."""

    def __init__(self, pair: PairDriver, engine: Engine) -> None:
        self.pair = pair
        self._engine = engine

    @property
    def engine(self) -> Engine:
        """The host of this side."""
        return self._engine

    def now(self) -> int:
        """The virtual time in ns."""
        return self.pair.now()

    def waiter(self) -> PairDriver:
        """The pair's driver."""
        return self.pair


def _earlier(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
