"""Whether a planted fault is found: by the campaign's seeds, or by the tests that need no device and no live network.

Each search is a process of its own, with the build of ``scripts/build.py --faults`` and one fault planted. A crash, a
hang and memory without end count as found: nobody would overlook them.
"""

import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.faults.planting import VARIABLE, Fault

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "faults"
# tests that run the same everywhere, in the order in which most is found soonest
SUITE = ("tests/tcp", "tests/netsim", "tests/link", "tests/wsp", "tests/storage", "tests/wire", "tests/hostile")
# those of them that run in real time: what they find may be the machine's doing
REAL_TIME = ("tests/tcp/test_listener_cost.py", "tests/tcp/test_listener_threads.py", "tests/link/test_threads.py",
             "tests/link/test_loop.py", "tests/link/test_stop.py", "tests/link/test_relay.py",
             "tests/wsp/test_live.py", "tests/wsp/test_live_listener.py")  # fmt: skip
# seeds that are tried before the suite, which takes longer than they do
FEW = 300
# and those that one process runs after it
MANY = 2000
# seconds without a result after which a search counts as hanging
PATIENCE = 1200
TEST_PATIENCE = 100
# bytes of address space; no test needs as many
MEMORY = 6 << 30

TEST = re.compile(r"^(tests/\S+\.py::.+?)(?: (?:PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS|Fatal).*)?$", re.MULTILINE)
FAILED = re.compile(r"^(tests/\S+\.py::.+?) (?:FAILED|ERROR)", re.MULTILINE)


class JudgeError(Exception):
    """A search could not be made; says why."""


@dataclass(frozen=True)
class Verdict:
    """What came of one fault.

    Attributes:
        fault: which one; None: no fault was planted.
        found: by what, the name of an invariant or of a test; empty: by nothing.
        seeds: how many seeds of the campaign were tried.
        seconds: how long it took.
    """

    fault: Fault | None
    found: str
    seeds: int
    seconds: float


def run(command: list[str], fault: Fault | None, patience: float) -> tuple[int | None, str]:
    """Runs a program of this environment with the build with faults.

    Returns its exit status (None: it was ended because it hung) and what it printed.
    """
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    environment["PYTHONPATH"] = f"{BUILD}{os.pathsep}{ROOT}"
    if fault is not None:
        environment[VARIABLE] = str(fault.number)
    process = subprocess.Popen(
        [sys.executable, "-P", *command],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    resource.prlimit(process.pid, resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        output, _ = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        return None, output
    return process.returncode, output


def search_seeds(fault: Fault | None, first: int, last: int) -> tuple[str, int]:
    """Runs the campaign's seeds from `first` to `last` - 1 until one finds something; what, and how many were run.

    Raises:
        JudgeError: the campaign cannot be run.
    """
    status, output = run(["-m", "tests.faults.seeds", str(first), str(last)], fault, PATIENCE)
    if "begins" not in output:
        raise JudgeError(f"the campaign could not do its work (status {status}):\n{output[-2000:]}")
    lines = [line.split(" ", 1) for line in output.splitlines() if re.match(r"\d+ ", line)]
    tried = int(lines[-1][0]) + 1 - first if lines else 0
    words = lines[-1][1] if lines else ""
    if status is None:
        return f"hang, seed {first + tried}", tried + 1
    if status == 0:
        return "", last - first
    if status == 1 and words.startswith("finds "):
        return f"{words.removeprefix('finds ')}, seed {first + tried - 1}", tried
    return f"crash (status {status}), seed {first + tried}", tried + 1


def search_suite(fault: Fault | None, tests: tuple[str, ...] = SUITE) -> str:
    """Runs the tests until one fails; which.

    Raises:
        JudgeError: pytest did not run them.
    """
    number = fault.number if fault is not None else 0
    chosen = [name for name in tests if (ROOT / name).exists()]
    command = ["-m", "pytest", "-x", "-v", "--tb=no", "--no-header", "--color=no", "--failed-first"]
    command += [f"--ignore={name}" for name in REAL_TIME]
    command += ["-o", f"cache_dir=build/faults-cache/{number}", "-m", "not live and not campaign and not packaging"]
    # a loop of the core without end hears no signal
    command += [f"--timeout={TEST_PATIENCE}", "--timeout-method=thread", "-p", "no:randomly", "--hypothesis-seed=0"]
    status, output = run([*command, *chosen], fault, PATIENCE)
    if status == 0:
        return ""
    failed = FAILED.findall(output)
    if status == 1 and failed:
        return str(failed[0])
    if status is not None and status > 1 and "Timeout" not in output:
        raise JudgeError(f"pytest could not do its work (status {status}):\n{output[-2000:]}")
    begun = TEST.findall(output)
    how = "hang" if status is None or "Timeout" in output else f"crash (status {status})"
    return f"{how}, {begun[-1]}" if begun else f"{how}, before the first test: {output[-300:]}"


def judge(fault: Fault | None, seeds: int) -> Verdict:
    """Looks for one fault: with a few seeds, with the suite, with all seeds."""
    begun = time.monotonic()
    tried = 0
    found = ""
    for first, last in ranges(seeds):
        found, count = search_seeds(fault, first, last)
        tried += count
        if not found and first == 0:
            found = search_suite(fault)
        if found:
            break
    if not seeds:
        found = search_suite(fault)
    return Verdict(fault, found, tried, time.monotonic() - begun)


def ranges(seeds: int) -> Iterator[tuple[int, int]]:
    """Yields the parts of the seeds that are tried one after another."""
    first, last = 0, min(FEW, seeds)
    while first < last:
        yield first, last
        first, last = last, min(last + MANY, seeds)
