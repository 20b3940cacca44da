#!/usr/bin/env python3
"""Searches for inputs that reach new code of the core: libFuzzer (atheris) with clang's edge counters and sanitizers.

Examples:
  scripts/fuzz_guided.py --seconds 600                 from the stored corpus on, into build/fuzzing/corpus
  scripts/fuzz_guided.py --seconds 600 --jobs 2        two searches that share what they find
  scripts/fuzz_guided.py --keep                        what was found, minimised, becomes the stored corpus
  scripts/fuzz.py --replay build/fuzzing/crash-NAME    what happens in an input that was found to be bad

An input is a byte string that tests/hostile/inputs.py explains. What must hold while one is played is in
tests/hostile/arena.py; an input for which it does not hold, and one that a sanitizer stops, is written to a file and
ends the search with exit status 1. It needs clang and the optional dependencies [fuzz]; the core is built into
build/fuzzer. The suite replays the stored corpus (tests/hostile/corpus.zip) with whatever core it runs.
"""

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

FOLDER = ROOT / "build" / "fuzzing"
INSIDE = "WSPSTACK_FUZZING"


def read_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60, metavar="N", help="how long to search (%(default)s)")
    parser.add_argument("--runs", type=int, default=-1, metavar="N", help="inputs at most (no limit)")
    parser.add_argument("--corpus", type=Path, default=FOLDER / "corpus", metavar="DIR", help="what was found so far")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="searches at once (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the engine (0: a new one)")
    parser.add_argument("--keep", action="store_true", help="no search: minimise into the stored corpus")
    options = parser.parse_args(arguments)
    for name, least in (("seconds", 1), ("jobs", 1)):
        if getattr(options, name) < least:
            parser.error(f"--{name} is {getattr(options, name)}, but must be at least {least}")
    options.corpus = options.corpus.resolve()
    return options


def environment() -> dict[str, str]:
    """Builds the core with edge counters; returns the environment in which it is used.

    Raises:
        SystemExit: it could not be built.
    """
    command = [sys.executable, "scripts/build.py", "--sanitize", "fuzzer", "--announce"]
    built = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if built.returncode:
        raise SystemExit(built.returncode)
    # the printed line begins with the assignments that let an ordinary Python load the modules
    words = shlex.split(built.stdout.strip().splitlines()[-1])
    values = dict(word.split("=", 1) for word in words if "=" in word)
    library = values["LD_PRELOAD"]
    if not Path(library).exists():
        raise SystemExit(f"fuzz: there is no {library}; install the optional dependencies: pip install -e .[fuzz]")
    return {**os.environ, **values, INSIDE: "1"}


def search(options: argparse.Namespace, seeds: Path) -> int:
    """Runs the searches; returns 1 when one of them found something."""
    options.corpus.mkdir(parents=True, exist_ok=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    common = [
        f"-max_total_time={options.seconds}", f"-runs={options.runs}", f"-artifact_prefix={FOLDER}/", "-timeout=300",
        "-rss_limit_mb=0", "-print_final_stats=1", "-use_value_profile=0", "-reload=5",
    ]  # fmt: skip
    around = environment()
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, *common, f"-seed={options.seed + job if options.seed else 0}",
             str(options.corpus), str(seeds)],
            env=around,
        )
        for job in range(options.jobs)
    ]  # fmt: skip
    statuses = [process.wait() for process in processes]
    if any(statuses):
        print(f"fuzz: found something, see {FOLDER}; scripts/fuzz.py --replay FILE tells the story", file=sys.stderr)
    return int(any(statuses))


def minimise(options: argparse.Namespace, seeds: Path) -> int:
    """Makes the stored corpus of what there is: as few and small inputs as reach the same edges."""
    from tests.hostile import corpus

    with tempfile.TemporaryDirectory() as chosen:
        command = [sys.executable, __file__, "-merge=1", "-use_counters=0", "-rss_limit_mb=0", chosen, str(seeds)]
        command += [str(options.corpus)] if options.corpus.exists() else []
        status = subprocess.run(command, env=environment()).returncode
        if status:
            return 1
        folders = [seeds, *([options.corpus] if options.corpus.exists() else [])]
        others = [path.read_bytes() for folder in folders for path in folder.iterdir()]
        kept = corpus.store([path.read_bytes() for path in Path(chosen).iterdir()], others)
    print(f"fuzz: kept {kept} inputs, {corpus.STORED.stat().st_size} bytes in {corpus.STORED}")
    return 0


def run_engine() -> int:
    """Runs libFuzzer in this process with the arguments as they are."""
    import atheris

    from tests.hostile import arena, record_mutations

    # libFuzzer starts itself again to merge, by a shell and this name
    arguments = [shlex.join([sys.executable, __file__]), *sys.argv[1:]]
    atheris.Setup(arguments, lambda octets: arena.play(octets) and None, custom_mutator=record_mutations.mutate)
    atheris.Fuzz()
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Reads the command line and searches; returns the exit status."""
    if os.environ.get(INSIDE):
        return run_engine()
    from tests.hostile import corpus

    options = read_arguments(arguments)
    with tempfile.TemporaryDirectory() as seeds:
        corpus.unpack(Path(seeds))
        return minimise(options, Path(seeds)) if options.keep else search(options, Path(seeds))


if __name__ == "__main__":
    sys.exit(main())
