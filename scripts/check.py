#!/usr/bin/env python3
"""Runs the checks of the project: all of them, or the steps that are named.

Examples:
  scripts/test                          everything that CI does
  scripts/test lint types               two steps
  scripts/test tests -- -k retransmit   arguments after -- go to pytest, which then is one process
  scripts/test --list                   the steps
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Each step of pytest: what it shows, and the arguments that choose it.
STEPS: dict[str, tuple[str, list[str]]] = {
    "lint": ("ruff and cython-lint find nothing", ["tests/source/test_lint.py"]),
    "types": ("mypy finds nothing", ["tests/source/test_types.py"]),
    "stubs": ("the .pyi stubs say what the built modules have", ["tests/source/test_stubs.py"]),
    "layers": ("imports follow the order of the layers", ["tests/source/test_layers.py"]),
    "annotation": ("no Python in functions that run without the GIL", ["tests/source/test_annotation.py"]),
    "packaging": ("sdist, wheel and installation into an empty environment", ["tests/source/test_packaging.py"]),
    "source": ("all of the above and the other checks of the sources", ["tests/source"]),
    "tests": ("every test of behaviour", ["tests", "--ignore=tests/source"]),
    "requirements": ("print the requirement IDs without a test, run nothing", ["--requirements=only"]),
}

# Tests without a device share the processors file by file: hardly one of them watches a clock. The others have the
# machine to themselves, for there programs on both sides of a device keep it busy, and the kernel's timers run.
BESIDE = ["-m", "not live", "--numprocesses=auto", "--dist=loadfile", "--no-loadscope-reorder"]
ALONE = ["-m", "live"]


def list_steps() -> None:
    """Prints the steps by name."""
    print(f"{'build':13} build the core, only what changed")
    for name, (meaning, _) in STEPS.items():
        print(f"{name:13} {meaning}")


def build() -> int:
    """Builds the core and returns the exit status."""
    return subprocess.run([sys.executable, "scripts/build.py"], cwd=ROOT).returncode


def run_pytest(arguments: list[str]) -> int:
    """Runs pytest with the arguments and returns its exit status (5: no test was found, a failure too)."""
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=ROOT).returncode


def run_tests(arguments: list[str]) -> int:
    """Runs the tests without and those with a device, each as it suits them, then prints the requirements' table.

    Returns:
        The exit status of the first of the two that fails; both are run.
    """
    with tempfile.TemporaryDirectory(prefix="tested-") as folder:
        # one word: pytest takes a word that names a file for what is to be tested, and looks for its settings there
        told = [f"--tested={folder}/requirements"]
        statuses = [run_pytest([*arguments, *told, *BESIDE]), run_pytest([*arguments, *told, *ALONE, "--requirements"])]
    return next(filter(None, statuses), 0)


def main(arguments: list[str]) -> int:
    """Reads the command line, runs the steps, returns the exit status of the first that fails."""
    arguments, extra = split_at_dashes(arguments)
    parser = argparse.ArgumentParser(
        prog="scripts/test", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("steps", nargs="*", metavar="STEP", help="a step to run (default: everything)")
    parser.add_argument("--list", action="store_true", help="print the steps and end")
    options = parser.parse_args(arguments)
    if options.list:
        list_steps()
        return 0
    for name in options.steps:
        if name != "build" and name not in STEPS:
            parser.error(f"{name} is no step; choose from: build {' '.join(STEPS)}")
    status = build()
    if status:
        return status
    if not options.steps:
        return run_pytest(["--requirements", *extra]) if extra else run_tests([])
    chosen = [name for name in options.steps if name != "build"]
    if not chosen:
        print("build: up to date")
    for name in chosen:
        chosen_by = STEPS[name][1]
        status = run_tests(chosen_by) if name == "tests" and not extra else run_pytest([*chosen_by, *extra])
        if status:
            return status
    return 0


def split_at_dashes(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Returns the arguments before and after the first ``--``."""
    if "--" not in arguments:
        return arguments, []
    place = arguments.index("--")
    return arguments[:place], arguments[place + 1 :]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
