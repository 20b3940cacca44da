"""One script's run as an outcome: passed, failed, not supported; and the words that tell it."""

import enum
import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from stack.packetdrill.failures import ScriptProblem, Unsupported
from stack.packetdrill.parsing import load
from stack.packetdrill.running import Trace, run
from stack.packetdrill.script import SECOND, Place


class Verdict(enum.Enum):
    """What came of a script."""

    PASSED = "passed"
    FAILED = "FAILED"
    UNSUPPORTED = "not supported"


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of one file.

    message: where and why it ended, in words; place: where. duration: virtual ns. notes: what had no effect.
    trace: each event as it happened, in a line, if that was asked for.
    """

    path: Path
    verdict: Verdict
    message: str = ""
    duration: int = 0
    notes: tuple[tuple[Place, str], ...] = ()
    place: Place | None = None
    trace: tuple[str, ...] = ()

    def fields(self) -> dict[str, Any]:
        """The report as JSON has it."""
        return {
            "file": str(self.path),
            "verdict": self.verdict.value.lower(),
            "line": self.place and self.place.line,
            "column": self.place and self.place.column,
            "message": self.message,
            "virtual_seconds": self.duration / SECOND,
            "notes": [{"line": place.line, "column": place.column, "note": note} for place, note in self.notes],
        }


def run_file(
    path: Path,
    overrides: Mapping[str, str | None] | None = None,
    symbols: Mapping[str, str] | None = None,
    trace: Trace | None = None,
) -> Report:
    """Reads and runs the script of a file. Raises OSError.

    overrides: options that count more than its own. symbols: what stands for names of its own. trace: told of
    each event as it happens, in a line.
    """
    try:
        result = run(load(path, symbols), overrides, trace)
    except Unsupported as problem:
        return Report(path, Verdict.UNSUPPORTED, str(problem), place=problem.place)
    except ScriptProblem as problem:
        kind = "" if problem.kind == "failed" else f"{problem.kind}: "
        message = f"{problem.path}:{problem.place}: {kind}{problem.message}"
        return Report(path, Verdict.FAILED, message, place=problem.place)
    return Report(path, Verdict.PASSED, "", result.duration, tuple(result.notes))


def run_files(
    paths: Sequence[Path],
    overrides: Mapping[str, str | None] | None = None,
    symbols: Mapping[str, str] | None = None,
    jobs: int = 1,
    trace: bool = False,
) -> Iterator[Report]:
    """Yields the outcome of each file in the order given, as `run_file` does. Raises OSError.

    jobs: how many processes run them. trace: each report has its events.
    """
    run_one = partial(_run_traced, overrides=overrides, symbols=symbols, trace=trace)
    if jobs == 1 or len(paths) < 2:
        yield from map(run_one, paths)
        return
    # a process of its own kind each: the core's threads are none that a fork could take along
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(paths)), context) as pool:
        yield from pool.map(run_one, paths, chunksize=max(1, len(paths) // (jobs * 8)))


def _run_traced(
    path: Path, overrides: Mapping[str, str | None] | None, symbols: Mapping[str, str] | None, trace: bool
) -> Report:
    lines: list[str] = []
    report = run_file(path, overrides, symbols, lines.append if trace else None)
    return replace(report, trace=tuple(lines)) if lines else report
