"""A campaign: many seeds, each with its random scenario, on several processes; what was found and what it cost.

A process of its own for each job, so that a crash is a finding like any other: the seed at hand is in shared memory.
"""

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from stack.simulation.running import Outcome

CHUNK = 16  # seeds that a worker takes at a time
REPORT_EVERY = 0.2  # seconds
HANGING = 120.0  # seconds of the machine's time after which a seed is given up
GRACE = 5.0  # seconds a worker has to finish its seed when the campaign ends
NOTHING = -1  # no seed

MASK = (1 << 64) - 1


@dataclass(slots=True)
class Totals:
    """Sums over seeds.

    fingerprint: of all their traces, in whatever order they ran. time: virtual, ns. seconds: of processors.
    """

    seeds: int = 0
    fingerprint: int = 0
    time: int = 0
    events: int = 0
    frames: int = 0
    segments: int = 0
    received: int = 0
    failed: int = 0
    connections: int = 0
    seconds: float = 0.0

    def count(self, outcome: Outcome, connections: int) -> None:
        """Adds a seed's run."""
        self.seeds += 1
        self.connections += connections
        self.fingerprint += outcome.trace_hash * 0x9E3779B97F4A7C15 & MASK
        for name in ("time", "events", "frames", "segments", "received", "failed"):
            setattr(self, name, getattr(self, name) + getattr(outcome, name))

    def add(self, other: "Totals") -> None:
        """Adds another's sums."""
        for item in fields(self):
            setattr(self, item.name, getattr(self, item.name) + getattr(other, item.name))
        self.fingerprint &= MASK


@dataclass(slots=True)
class Finding:
    """A seed that did what it must not. kind: the invariant's name, or crash, hang, or that of an exception."""

    seed: int
    kind: str
    text: str


@dataclass(slots=True)
class Report:
    """What a campaign has found. elapsed: seconds of the clock. complete: all seeds were run."""

    jobs: int
    totals: Totals = field(default_factory=Totals)
    findings: list[Finding] = field(default_factory=list)
    elapsed: float = 0.0
    complete: bool = False
    interrupted: bool = False


def try_seed(seed: int, totals: Totals) -> Finding | None:
    """Runs the random scenario of a seed, adds what it cost, and returns what was found."""
    from stack.simulation.random_scenario import random_scenario
    from stack.simulation.running import run

    try:
        scenario = random_scenario(seed)
        outcome = run(scenario)
    except Exception as error:
        totals.seeds += 1
        return Finding(seed, type(error).__name__, f"{type(error).__name__}: {error}")
    totals.count(outcome, len(scenario.flows))
    if outcome.violation is None:
        return None
    return Finding(seed, outcome.violation.invariant, str(outcome.violation))


# ---- in a worker


Trial = Callable[[int, Totals], Finding | None]
"""Runs a seed, adds what it cost, and returns what was found; at the top of a module, for processes to find it."""


def _work(place: int, shared: "_Shared", pipe: Connection, chunk: range, trial: Trial) -> None:
    """Runs `chunk`, then others, until none is left or the campaign ends."""
    # the keyboard speaks to the campaign, which then tells its workers
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    totals, reported = Totals(), time.monotonic()
    spent = time.process_time()
    while chunk or (chunk := shared.take()):
        for seed in chunk:
            if shared.stop.value:
                break
            shared.current[place] = seed
            finding = trial(seed, totals)
            shared.current[place] = NOTHING
            if finding or time.monotonic() - reported > REPORT_EVERY:
                totals.seconds, spent = time.process_time() - spent, time.process_time()
                pipe.send((totals, finding))
                totals, reported = Totals(), time.monotonic()
            if finding and not shared.collect:
                shared.stop.value = 1
        chunk = range(0)
    totals.seconds = time.process_time() - spent
    pipe.send((totals, None))
    pipe.close()


class _Shared:
    """What campaign and workers share: the next seed, whether to stop, and which seed each worker is at."""

    def __init__(self, context: Any, seeds: range, jobs: int, collect: bool) -> None:
        self.collect = collect
        self._next = context.Value("q", seeds.start)
        self._seeds = seeds
        self.stop = context.Value("b", 0, lock=False)
        self.current = context.Array("q", [NOTHING] * jobs, lock=False)

    def take(self) -> range:
        """Takes a chunk; it is empty when none is left."""
        with self._next.get_lock():
            first: int = self._next.value
            chunk = range(first, first if self.stop.value else min(first + CHUNK, self._seeds.stop))
            self._next.value = chunk.stop
            return chunk

    def rest_of_chunk(self, seed: int) -> range:
        """What is left of its chunk behind `seed`."""
        return range(seed + 1, min(seed + CHUNK - (seed - self._seeds.start) % CHUNK, self._seeds.stop))


# ---- the campaign


@dataclass(slots=True)
class _Worker:
    place: int
    process: BaseProcess
    pipe: Connection
    seed: int = NOTHING
    since: float = 0.0


class Campaign:
    """Runs `seeds` on `jobs` processes.

    collect: goes on after a finding. seconds: of the clock after which it ends; None: when all seeds are done.
    progress: called now and then with the totals so far and the number of findings.
    hanging: seconds of the clock after which a seed is given up.
    """

    def __init__(
        self,
        seeds: range,
        *,
        jobs: int,
        collect: bool = False,
        seconds: float | None = None,
        progress: Callable[[Totals, int], None] | None = None,
        hanging: float = HANGING,
        trial: Trial = try_seed,
    ) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._shared = _Shared(self._context, seeds, jobs, collect)
        self._seeds = seeds
        self._seconds = seconds
        self._progress = progress
        self._hanging = hanging
        self._trial = trial
        self._workers: list[_Worker] = []
        self.report = Report(jobs)

    def run(self) -> Report:
        """Runs it; an interrupt by the keyboard ends it early and cleanly."""
        begun = time.monotonic()
        with ExitStack() as undo:
            undo.callback(self._end)
            try:
                for place in range(self.report.jobs):
                    self._start(place, range(0))
                self._watch(begun)
            except KeyboardInterrupt:
                self.report.interrupted = True
                self._shared.stop.value = 1
                with _deaf():
                    self._watch(begun, until=time.monotonic() + GRACE)
        self.report.elapsed = time.monotonic() - begun
        self.report.complete = self.report.totals.seeds >= len(self._seeds)
        self.report.findings.sort(key=lambda finding: finding.seed)
        return self.report

    def _start(self, place: int, chunk: range) -> None:
        pipe, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=_work, args=(place, self._shared, theirs, chunk, self._trial), daemon=True
        )
        process.start()
        theirs.close()
        self._workers.append(_Worker(place, process, pipe))

    def _watch(self, begun: float, until: float | None = None) -> None:
        """Takes what workers report until all have ended."""
        while self._workers:
            for ready in wait([worker.pipe for worker in self._workers], timeout=REPORT_EVERY):
                self._take(next(worker for worker in self._workers if worker.pipe is ready))
            now = time.monotonic()
            if self._seconds is not None and now - begun > self._seconds:
                self._shared.stop.value = 1
            for worker in list(self._workers):
                self._look_after(worker, now)
            if self._progress is not None:
                self._progress(self.report.totals, len(self.report.findings))
            if until is not None and now > until:
                return

    def _take(self, worker: _Worker) -> None:
        try:
            totals, finding = worker.pipe.recv()
        except EOFError:
            self._workers.remove(worker)
            worker.process.join()
            status = worker.process.exitcode
            if status:
                self._replace(worker, "crash", f"the process ended with status {status}")
            return
        self.report.totals.add(totals)
        if finding is not None:
            self._found(finding)

    def _look_after(self, worker: _Worker, now: float) -> None:
        """Gives up a seed that takes no end."""
        seed = self._shared.current[worker.place]
        if seed != worker.seed or seed == NOTHING:
            worker.seed, worker.since = seed, now
        elif now - worker.since > self._hanging:
            worker.process.kill()
            worker.process.join()
            self._workers.remove(worker)
            self._replace(worker, "hang", f"no end after {self._hanging:g} s")

    def _replace(self, worker: _Worker, kind: str, text: str) -> None:
        """A worker has gone with the seed at hand; the rest of its chunk is run by another."""
        seed = self._shared.current[worker.place]
        self._shared.current[worker.place] = NOTHING
        if seed == NOTHING:
            raise RuntimeError(f"a worker came to no seed: {text}")
        self.report.totals.seeds += 1
        self._found(Finding(seed, kind, f"{kind}: {text}"))
        if not self._shared.stop.value:
            self._start(worker.place, self._shared.rest_of_chunk(seed))

    def _found(self, finding: Finding) -> None:
        self.report.findings.append(finding)
        if not self._shared.collect:
            self._shared.stop.value = 1

    def _end(self) -> None:
        for worker in self._workers:
            worker.process.terminate()
            worker.process.join()
            worker.pipe.close()


@contextmanager
def _deaf() -> Iterator[None]:
    """A second Ctrl-C does not interrupt the end."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
