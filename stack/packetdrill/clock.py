"""The driver of a script's host: virtual time in steps, and calls that block while the script goes on.

A call that the script says blocks runs in a thread of its own, but never beside the script: it gets the turn when what
it waits for has come, and gives it back when it waits again or returns. So the provider's own blocking bodies are what
is tested, and the order of everything is the same in each run.
"""

import threading
from collections.abc import Callable, Sequence

from netcore.engine import Engine
from stack.driving import Wait, Watch, WholeFrames


class WouldBlock(Exception):
    """A call that the script says returns at once has nothing to return."""


class Abandoned(BaseException):
    """Ends a call that still waits when its script is over."""


def _ready(watches: Sequence[Watch]) -> bool:
    return any(handle.readiness & bits for handle, bits in watches)


class BlockingCall(WholeFrames):
    """One call in a thread of its own; `finished` is the time (ns) of its return, None while it waits."""

    def __init__(self, clock: "Clock", body: Callable[[], object]) -> None:
        self.finished: int | None = None
        self._clock = clock
        self._body = body
        self._mine = threading.Semaphore(0)
        self._theirs = threading.Semaphore(0)
        self._watches: Sequence[Watch] = ()
        self._deadline: int | None = None
        self._woken = False
        self._abandoned = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="packetdrill-call", daemon=True)
        self._thread.start()

    @property
    def deadline(self) -> int | None:
        """The time (ns) at which its own wait ends without success."""
        return self._deadline

    def due(self) -> bool:
        """Whether it has something to go on for."""
        if self.finished is not None:
            return False
        now = self._clock.now()
        return self._woken or _ready(self._watches) or (self._deadline is not None and self._deadline <= now)

    def proceed(self) -> None:
        """Gives it the turn until it waits again or has returned. Raises what its body raised."""
        self._mine.release()
        self._theirs.acquire()
        if self.finished is not None:
            self._thread.join()
            if self._error is not None and not isinstance(self._error, Abandoned):
                raise self._error

    def abandon(self) -> None:
        """Ends it where it waits."""
        if self.finished is None:
            self._abandoned = True
            self.proceed()

    def wake(self) -> None:
        """Lets its wait end."""
        self._woken = True

    def wait(self, watches: Sequence[Watch], deadline: int | None) -> bool:
        """Called in its own thread, as `stack.driving.Wait` says."""
        self._watches, self._deadline = watches, deadline
        if not self.due():
            self._theirs.release()
            self._mine.acquire()
        self._deadline = None
        if self._abandoned:
            raise Abandoned
        woken, self._woken = self._woken, False
        return woken or _ready(watches)

    def _run(self) -> None:
        self._mine.acquire()
        self._clock.of_thread.call = self
        try:
            if not self._abandoned:
                self._body()
        except BaseException as error:
            self._error = error
        self.finished = self._clock.now()
        self._theirs.release()


class _OfThread(threading.local):
    call: BlockingCall | None = None


class Clock(WholeFrames):
    """Virtual time of one engine, driven by the script; `stack.driving.Driver` for the provider.

    start: ns on the engine's clock of the script's time 0. tolerance: ns that a call which returns at once may take.
    """

    def __init__(self, engine: Engine, start: int, tolerance: int) -> None:
        self._engine = engine
        self.start = start
        self.tolerance = tolerance
        self.of_thread = _OfThread()
        self.sent: list[tuple[int, bytes]] = []
        self._calls: list[BlockingCall] = []
        self._woken = False
        engine.advance(start)

    @property
    def engine(self) -> Engine:
        """The host."""
        return self._engine

    def now(self) -> int:
        """The engine's time, ns."""
        return self._engine.now

    def waiter(self) -> Wait:
        """What the calling thread waits with."""
        return self.of_thread.call or self

    def wake(self) -> None:
        """Ends the wait of a call that returns at once."""
        self._woken = True

    def wait(self, watches: Sequence[Watch], deadline: int | None) -> bool:
        """The wait of a call that the script says returns at once. Raises WouldBlock when that is not so."""
        end = self.now() + self.tolerance
        last = end if deadline is None else min(end, deadline)
        self._woken = False
        while not self._woken and not _ready(watches):
            if not self.step(last):
                if deadline is not None and deadline <= end:
                    self.run_until(deadline)
                    return _ready(watches)
                raise WouldBlock
        return True

    # ---- time

    def begin(self, body: Callable[[], object]) -> BlockingCall:
        """Starts a call that may block; it runs up to its first wait."""
        call = BlockingCall(self, body)
        self._calls.append(call)
        call.proceed()
        self.settle()
        return call

    def abandon(self) -> None:
        """Ends every call that still waits."""
        for call in self._calls:
            call.abandon()
        self._calls.clear()

    def settle(self) -> None:
        """Collects what was sent and lets calls go on, until neither changes anything."""
        while True:
            frames = self._engine.frames_to_send()
            self.sent += [(self.now(), frame) for frame in frames]
            due = next((call for call in self._calls if call.due()), None)
            if due is None and not frames:
                self._calls = [call for call in self._calls if call.finished is None]
                return
            if due is not None:
                due.proceed()

    def next_event(self) -> int | None:
        """The time (ns) of the next time-out of the engine or of a call; None: nothing will happen of itself."""
        times = [call.deadline for call in self._calls if call.finished is None]
        return min((time for time in (self._engine.next_deadline(), *times) if time is not None), default=None)

    def step(self, last: int) -> bool:
        """Lets time pass to the next event if it comes by `last` (ns); False when there is none."""
        self.settle()
        time = self.next_event()
        if time is None or time > last:
            return False
        self._engine.advance(max(time, self.now()))
        self.settle()
        return True

    def run_until(self, time: int) -> None:
        """Lets time pass to `time` (ns)."""
        while self.step(time):
            pass
        if time > self.now():
            self._engine.advance(time)
            self.settle()
