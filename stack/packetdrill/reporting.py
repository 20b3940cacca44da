"""One script's run as an outcome: passed, failed, not supported; and the words that tell it."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stack.packetdrill.failures import ScriptProblem, Unsupported
from stack.packetdrill.parsing import load
from stack.packetdrill.running import Trace, run
from stack.packetdrill.script import Place


class Verdict(enum.Enum):
    """What came of a script."""

    PASSED = "passed"
    FAILED = "FAILED"
    UNSUPPORTED = "not supported"


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of one file. message: where and why it ended. duration: virtual ns. notes: what had no effect."""

    path: Path
    verdict: Verdict
    message: str = ""
    duration: int = 0
    notes: tuple[tuple[Place, str], ...] = ()


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
        return Report(path, Verdict.UNSUPPORTED, str(problem))
    except ScriptProblem as problem:
        kind = "" if problem.kind == "failed" else f"{problem.kind}: "
        return Report(path, Verdict.FAILED, f"{problem.path}:{problem.place}: {kind}{problem.message}")
    return Report(path, Verdict.PASSED, "", result.duration, tuple(result.notes))
