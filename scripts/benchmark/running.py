"""Measures: rounds in which every end has its turn, so that what changes on the machine meets them alike."""

import contextlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.benchmark.ends import ENVIRONMENT, PATIENCE, ROOT, End, EndFailed, LeftOut, Site
from scripts.benchmark.measures import CLIENT, OTHERS, Measure
from scripts.benchmark.recipes import RECIPES
from tapdev import LabUnavailable

IDLE = 0.25  # processors that others may keep busy before a measurement is called disturbed
MEBI = 1 << 20


@dataclass(frozen=True)
class Pace:
    """How long and how often: seconds of a measurement, before it, and at most spent waiting for a quiet machine."""

    rounds: int
    seconds: float
    warm_up: float
    idle_wait: float


@dataclass
class Run:
    """What came of it: a row for each measurement, what was left out and why, what failed."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


def figures(measure: Measure, told: Mapping[str, Any]) -> dict[str, float]:
    """Returns the figures of what a client told: value, and cpu of the end point for each unit of work; percentiles."""
    watched = told["watched_cpu"][0]
    if "bytes" in told:
        found = {"value": told["bytes"] * 8e-9 / told["seconds"], "cpu": watched * 1e9 / told["bytes"]}
    elif measure.action == "echo":
        found = {"value": told["median"], "p99": told["p99"], "cpu": watched * 1e6 / told["exchanges"]}
    else:
        found = {"value": told["connections"] / told["seconds"], "p99": told["p99"]}
        found["cpu"] = watched * 1e6 / told["connections"]
    if "spinner_share" in told:
        # What the spinning thread took of all processors, the rate may have lost, and no more.
        found["corrected"] = found["value"] / (1 - told["spinner_share"])
    return found


def busy_seconds() -> float:
    """Seconds that all processors together were busy, or were kept from us, since the machine started."""
    ticks = [int(text) for text in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def processor_seconds(process: int) -> float:
    """Seconds that a process took with all its threads, those that have ended included."""
    return time.clock_gettime(~process << 3 | 2)  # the clock that clock_getcpuclockid(3) names


def thread_seconds(process: int, thread: int) -> float:
    """Seconds that one thread of a process took."""
    return int(Path(f"/proc/{process}/task/{thread}/schedstat").read_text().split()[0]) * 1e-9


def forget_peak(process: int) -> None:
    """Lets the peak of resident memory begin anew, where the kernel allows it (proc(5), clear_refs)."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{process}/clear_refs").write_text("5")


def peak_memory(process: int) -> float:
    """MiB of resident memory, at most, of a process."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / MEBI
    return 0.0


def wait_for_idleness(seconds: float) -> float:
    """Waits until others leave the machine alone, or `seconds`; returns how many processors they still keep busy."""
    deadline = time.monotonic() + seconds
    while True:
        before, start = busy_seconds(), time.monotonic()
        time.sleep(0.1)
        busy = (busy_seconds() - before) / (time.monotonic() - start)
        if busy <= IDLE or time.monotonic() >= deadline:
            return busy


def placed(end: End, measure: Measure) -> list[str]:
    """Puts the end where the measure wants it; returns the client's arguments for its own place. Raises LeftOut."""
    processors = sorted(os.sched_getaffinity(0))
    # a proxy and the server behind it need both
    crowded = len(processors) < 2 or len(end.processes) > 1
    if measure.placement == "free" or (measure.placement == "steady" and crowded):
        end.place(set(processors))
        return []
    if measure.placement == "apart" and len(processors) < 2:
        raise LeftOut("needs two processors")
    end.place({processors[-1]})
    return ["--processor", str(processors[-1] if measure.placement == "together" else processors[0])]


def run_client(end: End, measure: Measure, site: Site, pace: Pace) -> dict[str, Any]:
    """Runs the client once against an end and returns a row. Raises EndFailed and LeftOut."""
    assert measure.action is not None
    end.check()
    watched = end.processes[0].pid
    command = [str(site.programs.client), measure.action, end.address, "--congestion", site.congestion]
    command += ["--connections", str(measure.connections), "--watch", str(watched), *placed(end, measure)]
    command += ["--seconds", str(pace.seconds), "--warm-up", str(pace.warm_up)]
    with end.awake():
        forget_peak(watched)
        known = _known_seconds(end)
        machine, start = busy_seconds(), time.monotonic()
        spun = thread_seconds(watched, end.spinner) if end.spinner is not None else 0.0
        patience = PATIENCE + pace.seconds + pace.warm_up
        try:
            result = end.client.run(command, capture_output=True, text=True, timeout=patience)
        except subprocess.TimeoutExpired:
            raise EndFailed(f"{end.name}: the client did not end in {patience:g} seconds") from None
        end.check()
        elapsed = time.monotonic() - start
        others = (busy_seconds() - machine - (_known_seconds(end) - known)) / elapsed
        if result.returncode:
            raise EndFailed(f"{end.name}: the client says: {result.stderr.strip()}")
        told: dict[str, Any] = json.loads(result.stdout)
        if end.spinner is not None:
            share = (thread_seconds(watched, end.spinner) - spun) / elapsed / len(os.sched_getaffinity(0))
            told["spinner_share"] = share
        return {**figures(measure, told), "memory": peak_memory(watched), "busy_during": others, "told": told}


def _known_seconds(end: End) -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = time.process_time() + children.ru_utime + children.ru_stime
    return own + sum(processor_seconds(process.pid) for process in end.processes)


def run_program(measure: Measure, site: Site | None) -> dict[str, Any]:
    """Runs a measure that needs no ends and returns a row. Raises EndFailed."""
    client = "" if site is None else str(site.programs.client)
    script, *arguments = (client if argument == CLIENT else argument for argument in measure.program)
    command = [sys.executable, str(ROOT / "scripts" / script), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, cwd=ROOT)
    if result.returncode:
        said = result.stderr.strip().splitlines()
        raise EndFailed(f"{script} ended with status {result.returncode}: {said[-1] if said else 'it said nothing'}")
    told: dict[str, Any] = json.loads(result.stdout)
    assert measure.value is not None
    return {"value": measure.value(told), "told": told}


class Rounds:
    """Runs measures round by round; `step` is called with what comes next before each measurement."""

    def __init__(self, site: Site | None, pace: Pace, step: Callable[[str], None]) -> None:
        self._site = site
        self._pace = pace
        self._step = step
        self.result = Run()

    def run(self, measures: Mapping[str, Measure]) -> Run:
        """Runs all of them and returns what came of it."""
        for number in range(self._pace.rounds):
            # Every round starts its ends anew: what chance decided at the start of one is not in all the others.
            with contextlib.ExitStack() as undo:
                ends: dict[str, End | None] = {}
                for name, measure in measures.items():
                    if measure.asked and number:
                        continue
                    for end in measure.ends if number % 2 == 0 else measure.ends[::-1]:
                        self._step(f"round {number + 1} of {self._pace.rounds}: {name}, {end}")
                        self._measure_once(number, name, measure, end, ends, undo)
        return self.result

    def _measure_once(
        self,
        number: int,
        name: str,
        measure: Measure,
        end_name: str,
        ends: dict[str, End | None],
        undo: contextlib.ExitStack,
    ) -> None:
        try:
            end = self._end(end_name, ends, undo) if measure.action is not None else None
            busy = wait_for_idleness(self._pace.idle_wait)
            if end is not None:
                assert self._site is not None
                row = run_client(end, measure, self._site, self._pace)
            elif measure.action is None:
                row = run_program(measure, self._site)
            else:
                return
        except LeftOut as reason:
            self.result.left_out.setdefault(f"{name}, {end_name}", str(reason))
        except EndFailed as failure:
            if end_name in OTHERS:
                self.result.left_out.setdefault(f"{name}, {end_name}", str(failure))
            else:
                self.result.failures.append(f"round {number + 1}, {name}: {failure}")
        else:
            self.result.rows.append({"round": number, "measure": name, "end": end_name, "busy_before": busy, **row})

    def _end(self, name: str, ends: dict[str, End | None], undo: contextlib.ExitStack) -> End | None:
        """Returns a running end, None when it could not be started in this round, which is told once."""
        if name not in ends:
            assert self._site is not None
            ends[name] = None
            try:
                end = undo.enter_context(RECIPES[name](name, self._site))
            except (LabUnavailable, OSError) as error:
                raise EndFailed(f"{name}: {error}") from None
            end.rest()
            ends[name] = end
        return ends[name]
