#!/usr/bin/env python3
"""Sends hostile frames to hosts with live connections; says what was found, with the command that repeats it.

Examples:
  scripts/fuzz.py --frames 1000000 --sanitize     the campaign: under AddressSanitizer, UBSan and the leak check
  scripts/fuzz.py --frames 50000                  quickly, with the ordinary core
  scripts/fuzz.py --seed 7 --setting tun          again, as it was
  scripts/fuzz.py --replay FILE                   tells what an input found by scripts/fuzz_guided.py does

A campaign begins with the stored corpus of the guided search. Then come portions: runs of at most 250,000 frames on one
setting, each in a process and with a seed of its own, --jobs of them at once; --skip goes on where a campaign was
interrupted. A portion is determined by its seed, number of frames and setting: the digest of all that the victim sent
tells whether two runs were the same. The exit status is 0 when nothing was found.
"""

import argparse
import json
import os
import secrets
import shlex
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
LAST = ROOT / "build" / "fuzzing" / "last"

if TYPE_CHECKING:
    from tests.hostile.campaign import Portion


def read_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--frames", type=int, default=20_000, metavar="N", help="hostile frames (%(default)s)")
    parser.add_argument("--seed", type=int, metavar="S", help="repeats a run (default: a new one, printed)")
    parser.add_argument("--setting", action="append", default=[], metavar="NAME", help="one setting; may be repeated")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="portions at once (%(default)s)")
    parser.add_argument("--skip", type=int, default=0, metavar="N", help="portions that are done already")
    parser.add_argument("--sanitize", action="store_true", help="with sanitizers and leak check, built if need be")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="play one input of the guided search and tell it")
    parser.add_argument("--corpus", action="store_true", help="play the stored corpus of the guided search, no more")
    parser.add_argument("--plant-leak", action="store_true", help="lose a host: the leak check must find it")
    # a portion: what it counted goes here
    parser.add_argument("--tally", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    for name, least in (("frames", 1), ("jobs", 1), ("skip", 0)):
        if getattr(options, name) < least:
            parser.error(f"--{name} is {getattr(options, name)}, but must be at least {least}")
    if options.seed is None:
        if options.skip:
            parser.error(f"--skip {options.skip} needs the --seed of the campaign that was interrupted")
        options.seed = secrets.randbits(32)
    return options


def run_sanitized(arguments: list[str]) -> int:
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
    command = [sys.executable, __file__, *(word for word in arguments if word != "--sanitize")]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}).returncode


def plant_leak() -> None:
    """Makes a host that no reference leads to and that is never freed."""
    import ctypes

    from netcore.engine import Engine

    lost = Engine(address="192.0.2.1", prefix=24, seed=bytes(16))
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(lost))


def run_replay(path: Path) -> int:
    """Plays one input and tells what happens; returns the exit status."""
    from tests.hostile.replay import replay

    try:
        octets = path.read_bytes()
    except OSError as error:
        print(f"fuzz: cannot read {path}: {error.strerror}", file=sys.stderr)
        return 2
    try:
        # each line at once: the last one before a fault says where it was
        replay(octets, lambda line: print(line, flush=True))
    except AssertionError as error:
        print(f"fuzz: {error}", file=sys.stderr)
        return 1
    return 0


def run_corpus() -> int:
    """Plays the stored corpus in this process; returns the exit status."""
    from tests.hostile import arena, corpus

    LAST.parent.mkdir(parents=True, exist_ok=True)
    found = corpus.stored()
    for name, octets in found.items():
        # a sanitizer says nothing of the input that it ends this process at
        LAST.write_bytes(octets)
        try:
            arena.play(octets)
        except AssertionError as error:
            print(f"fuzz: {name}: {error}", file=sys.stderr)
            return 1
    print(f"stored corpus: {len(found)} inputs")
    return 0


def run_portion(options: argparse.Namespace) -> int:
    """Runs one portion in this process; returns the exit status."""
    from tests.hostile import campaign, leaks

    try:
        result = campaign.run_setting(campaign.named(options.setting)[0], options.seed, options.frames)
    except AssertionError as error:
        print(f"fuzz: {error}", file=sys.stderr)
        return 1
    print(result.line())
    options.tally.write_text(json.dumps(result.kinds))
    if options.plant_leak:
        plant_leak()
    if leaks.is_available():
        found = leaks.find_leaks()
        for record in found:
            print(record, file=sys.stderr)
        sys.stdout.flush()
        # what the interpreter leaves behind at its end is not asked about
        os._exit(1 if found else 0)
    return 0


def run_campaign(options: argparse.Namespace) -> int:
    """Runs all portions, each in a process of its own; returns the exit status."""
    from tests.hostile import campaign, leaks
    from tests.hostile.tally import Tally

    try:
        settings = campaign.named(options.setting)
    except ValueError as error:
        print(f"fuzz: {error}", file=sys.stderr)
        return 2
    portions = campaign.portions(options.seed, options.frames, settings)
    tally = Tally()
    done = 0
    print(f"seed {options.seed}, portions {len(portions)}", flush=True)
    started = time.monotonic()
    if not options.skip and subprocess.run([sys.executable, __file__, "--corpus"], cwd=ROOT).returncode:
        print(f"fuzz: the stored corpus found something; see it with --replay {LAST}", file=sys.stderr)
        return 1

    def play(portion: "Portion") -> tuple["Portion", list[str], int, dict[str, list[int]]]:
        with tempfile.NamedTemporaryFile() as counted:
            words = ["--frames", str(portion.frames), "--seed", str(portion.seed), "--setting", portion.setting]
            words += ["--plant-leak"] if options.plant_leak else []
            command = [sys.executable, __file__, *words, "--tally", counted.name]
            ended = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
            print(ended.stdout, end="", flush=True)
            kinds = json.loads(Path(counted.name).read_text()) if ended.returncode == 0 else {}
        return portion, words, ended.returncode, kinds

    with ThreadPoolExecutor(options.jobs) as pool:
        for number, (portion, words, status, kinds) in enumerate(pool.map(play, portions[options.skip :]), 1):
            if status:
                pool.shutdown(cancel_futures=True)
                words += ["--sanitize"] if leaks.is_available() else []
                print(
                    f"fuzz: found something (status {status}); repeat it: scripts/fuzz.py {shlex.join(words)}",
                    file=sys.stderr,
                )
                return 1
            tally.add(kinds)
            done += portion.frames
            if number % 10 == 0:
                skip = options.skip + number
                print(f"{skip} portions done; the rest: --skip {skip} --seed {options.seed}", flush=True)
    seconds = time.monotonic() - started
    print("\n".join(tally.lines()))
    print(f"{done} frames in {seconds:.1f} s, {done / seconds:.0f} a second: nothing found")
    if leaks.is_available():
        print("leaks of the core: 0")
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Reads the command line and runs; returns the exit status."""
    options = read_arguments(arguments)
    if options.sanitize:
        return run_sanitized(sys.argv[1:] if arguments is None else arguments)
    if options.replay:
        return run_replay(options.replay)
    if options.corpus:
        return run_corpus()
    return run_portion(options) if options.tally else run_campaign(options)


if __name__ == "__main__":
    sys.exit(main())
