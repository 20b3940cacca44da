#!/usr/bin/env python3
"""Sends hostile frames to hosts with live connections; says what was found, with the seed that repeats it.

Examples:
  scripts/fuzz.py --frames 1000000 --sanitize     the campaign: under AddressSanitizer, UBSan and the leak check
  scripts/fuzz.py --frames 50000                  quickly, with the ordinary core
  scripts/fuzz.py --seed 7 --setting tun          again, as it was

A run is determined by the seed, the number of frames and the setting: the digest of all that the victim sent tells
whether two runs were the same. The exit status is 0 when nothing was found.
"""

import argparse
import os
import secrets
import shlex
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def read_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=20_000, metavar="N", help="hostile frames (%(default)s)")
    parser.add_argument("--seed", type=int, metavar="S", help="repeats a run (default: a new one, printed)")
    parser.add_argument("--setting", action="append", default=[], metavar="NAME", help="one setting; may be repeated")
    parser.add_argument("--sanitize", action="store_true", help="with sanitizers and leak check, built if need be")
    parser.add_argument("--plant-leak", action="store_true", help="lose a host: the leak check must find it")
    options = parser.parse_args(arguments)
    if options.frames < 1:
        parser.error(f"--frames is {options.frames}, but must be at least 1")
    if options.seed is None:
        options.seed = secrets.randbits(32)
    return options


def run_sanitized(options: argparse.Namespace) -> int:
    """Builds the sanitized core and runs this program with it; returns the exit status."""
    built = subprocess.run(
        [sys.executable, "scripts/build.py", "--sanitize", "address"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    if built.returncode:
        return built.returncode
    # the printed line begins with the assignments that let an ordinary Python load the modules
    words = shlex.split(built.stdout.strip().splitlines()[-1])
    environment = dict(word.split("=", 1) for word in words if "=" in word)
    environment["ASAN_OPTIONS"] = "detect_leaks=1:halt_on_error=1:abort_on_error=0"
    # the end of the process is not what is looked at: the interpreter leaves a good deal behind there
    environment["LSAN_OPTIONS"] = "exitcode=0:report_objects=0"
    command = [sys.executable, __file__, "--frames", str(options.frames), "--seed", str(options.seed)]
    command += [word for name in options.setting for word in ("--setting", name)]
    command += ["--plant-leak"] if options.plant_leak else []
    status = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}).returncode
    if status:
        print(f"fuzz: found something (status {status}); repeat it with --seed {options.seed}", file=sys.stderr)
    return 1 if status else 0


def plant_leak() -> None:
    """Makes a host that no reference leads to and that is never freed."""
    import ctypes

    from netcore.engine import Engine

    lost = Engine(address="192.0.2.1", prefix=24, seed=bytes(16))
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(lost))


def run_here(options: argparse.Namespace) -> int:
    """Runs the campaign in this process; returns the exit status."""
    from tests.hostile import campaign, leaks

    def say(line: str) -> None:
        print(line, flush=True)

    try:
        settings = campaign.named(options.setting)
    except ValueError as error:
        print(f"fuzz: {error}", file=sys.stderr)
        return 2
    say(f"seed {options.seed}")
    started = time.monotonic()
    try:
        campaign.run(options.seed, options.frames, settings, say)
    except AssertionError as error:
        print(f"fuzz: {error}\nfuzz: repeat it with --frames {options.frames} --seed {options.seed}", file=sys.stderr)
        return 1
    if options.plant_leak:
        plant_leak()
    seconds = time.monotonic() - started
    say(f"{options.frames} frames in {seconds:.1f} s, {options.frames / seconds:.0f} a second: nothing found")
    if leaks.is_available():
        found = leaks.find_leaks()
        for record in found:
            print(record, file=sys.stderr)
        say(f"leaks of the core: {len(found)}")
        sys.stdout.flush()
        # what the interpreter leaves behind at its end is not asked about
        os._exit(1 if found else 0)
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Reads the command line and runs; returns the exit status."""
    options = read_arguments(arguments)
    return run_sanitized(options) if options.sanitize else run_here(options)


if __name__ == "__main__":
    sys.exit(main())
