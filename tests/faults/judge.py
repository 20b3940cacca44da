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
import tomllib
from dataclasses import dataclass
from pathlib import Path

from tests.faults.planting import FOLDER, VARIABLE, Fault

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "faults"
# tests that run the same everywhere, in the order in which most is found soonest
SUITE = ("tests/tcp", "tests/netsim", "tests/link", "tests/wsp", "tests/storage", "tests/wire", "tests/hostile")
# those of them that run in real time: what they find may be the machine's doing
REAL_TIME = ("tests/tcp/test_listener_cost.py", "tests/tcp/test_listener_threads.py", "tests/link/test_threads.py",
             "tests/link/test_loop.py", "tests/link/test_stop.py", "tests/link/test_relay.py",
             "tests/wsp/test_live.py", "tests/wsp/test_live_listener.py")  # fmt: skip
# for each area of the table the tests that are about it, which are tried before all the others
AREAS = FOLDER / "areas.toml"
# seeds that are tried before any test: they cost a second
FEW = 500
# and those that one process runs after the tests of the fault's area
MANY = 2500
# seconds without a result after which a search counts as hanging; undisturbed, the suite takes two minutes, MANY seeds
# a few seconds, the longest test five
SUITE_PATIENCE = 1200
SEEDS_PATIENCE = 120
TEST_PATIENCE = 100
# bytes of address space; no test needs as many
MEMORY = 6 << 30

OUTCOME = r"(?:PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS|Fatal|\+{3})"
TEST = re.compile(rf"^(tests/\S+\.py::.+?)(?: +{OUTCOME}.*)?$", re.MULTILINE)
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
    status, output = run(["-m", "tests.faults.seeds", str(first), str(last)], fault, SEEDS_PATIENCE)
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
    status, output = run([*command, *chosen], fault, SUITE_PATIENCE)
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


def read_areas(table: Path = AREAS) -> dict[str, tuple[str, ...]]:
    """Returns for each area of the table of faults the files of the tests that are about it."""
    return {area: tuple(files) for area, files in tomllib.loads(table.read_text()).items()}


def judge(fault: Fault | None, seeds: int) -> Verdict:
    """Looks for one fault, the cheapest first: by a few seeds, the tests of its area, all seeds, all tests.

    Without a fault nothing may be found by any of them.
    """
    begun = time.monotonic()
    few = min(FEW, seeds)
    found, tried = search_seeds(fault, 0, few) if few else ("", 0)
    if not found and fault is not None:
        found = search_suite(fault, read_areas()[fault.area])
    for first in range(few, seeds, MANY):
        if found:
            break
        found, count = search_seeds(fault, first, min(first + MANY, seeds))
        tried += count
    return Verdict(fault, found or search_suite(fault), tried, time.monotonic() - begun)
