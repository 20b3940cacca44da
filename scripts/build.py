#!/usr/bin/env python3
"""Builds the core (cython/netcore) in place, only what changed. Several may run at once: a file lock orders them.

Each variant has folders of its own:

  plain                 modules beside their sources in cython/netcore
  --sanitize address    AddressSanitizer and UndefinedBehaviorSanitizer: a complete netcore in build/address
  --sanitize thread     ThreadSanitizer: a complete netcore in build/thread
  --sanitize fuzzer     as address, by clang with the edge counters of libFuzzer: a complete netcore in build/fuzzer
  --coverage            line trace for the Cython plugin of coverage.py: a complete netcore in build/coverage
  --faults              the faults of tests/faults behind switches: a complete netcore in build/faults

A variant other than plain is used by putting its folder first on PYTHONPATH; the line to run is printed.
--annotate only translates, and writes Cython's HTML report of Python interaction to build/annotate/.

setup.py reads these environment variables, which pip and other front ends can set as well:

  WSPSTACK_SANITIZE=address|thread|fuzzer   as --sanitize; fuzzer needs CC to be clang
  WSPSTACK_COVERAGE=1                as --coverage
  WSPSTACK_ANNOTATE=1                as --annotate: no module is made
  WSPSTACK_WITHOUT_CORE=1            no extension modules: an editable installation whose core this program builds
  WSPSTACK_SOURCE=FOLDER             where netcore's sources are (default: cython)
  WSPSTACK_JOBS=N                    translations and compilations at once (default: the processors)
  WSPSTACK_BUILD_DIR=PATH            where the generated C goes (default: build/cython-plain)
  CFLAGS, LDFLAGS                    added to the compiler's and the linker's arguments, such as CFLAGS=-march=native
"""

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
PACKAGE = ROOT / "cython" / "netcore"
PRELOAD = {"address": ("libasan.so", "libubsan.so"), "thread": ("libtsan.so",), "fuzzer": ("asan_with_fuzzer.so",)}
PYTHON_FILES = ("*.py", "*.pyi", "*.pxd", "*.pyx", "py.typed")


@contextmanager
def build_lock() -> Iterator[None]:
    """Holds the one lock of the build folder; says so when another build must end first."""
    BUILD.mkdir(exist_ok=True)
    with (BUILD / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("build: waiting for another build to end", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def recipe() -> str:
    """Returns a digest of what no time stamp tells: build rules, flags, the versions of Cython and Python."""
    parts = [(ROOT / "setup.py").read_text(), version("Cython"), sys.version]
    parts += [os.environ.get(name, "") for name in ("CC", "CFLAGS", "LDFLAGS")]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def sources_digest(sources: Path) -> str:
    """Returns a digest of the names and contents of everything in a package that is not made by a build."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in PYTHON_FILES for path in sources.rglob(pattern)}):
        digest.update(f"{path.relative_to(sources)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def is_complete(package: Path, sources: Path) -> bool:
    """Tells whether every .pyx file has its extension module for this Python, and no module is without its file."""
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    wanted = {path.relative_to(sources).with_suffix(suffix) for path in sources.rglob("*.pyx")}
    return wanted == {path.relative_to(package) for path in package.rglob(f"*{suffix}")}


def backdate_generated(folder: Path, started: float) -> None:
    """Dates generated C back to the start of the build (seconds since the epoch).

    A source that was edited while it was being translated is thereby newer than its C and is translated again.
    """
    for path in folder.rglob("*.c"):
        if path.stat().st_mtime > started:
            os.utime(path, (started, started))


def outputs(variant: str) -> Iterator[Path]:
    """Yields the generated C and the extension modules of a variant, the copies in setuptools' own folder included."""
    yield from (BUILD / ("annotate" if variant == "annotate" else f"cython-{variant}")).rglob("*.c")
    if variant == "plain":
        yield from PACKAGE.rglob("*.so")
        yield from BUILD.glob("lib.*/**/*.so")
    else:
        yield from (BUILD / variant).rglob("*.so")


def expire(variant: str) -> None:
    """Dates all outputs of a variant to 1970, so that each is made again, be it over several failing builds."""
    for path in outputs(variant):
        os.utime(path, (0, 0))


def remove_orphans(package: Path) -> None:
    """Removes extension modules whose source is gone: they would hide a deletion or a rename."""
    for module in package.rglob("*.so"):
        relative = module.relative_to(package)
        source = PACKAGE / relative.parent / (relative.name.split(".")[0] + ".pyx")
        if not source.exists():
            module.unlink()


def copy_python_files(target: Path, sources: Path) -> None:
    """Copies what is no extension module into a variant's folder and removes what the source no longer has."""
    wanted = {path.relative_to(sources) for pattern in PYTHON_FILES for path in sources.rglob(pattern)}
    for relative in wanted:
        copy = target / relative
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(sources / relative, copy)
    for pattern in PYTHON_FILES:
        for path in target.rglob(pattern):
            if path.relative_to(target) not in wanted:
                path.unlink()


def plant_faults() -> Path:
    """Writes the sources with the faults of tests/faults behind switches; returns the package's folder.

    Raises:
        SystemExit: a fault does not fit the sources any more.
    """
    sys.path.insert(0, str(ROOT))
    from tests.faults.planting import OutdatedFaultError, plant_sources, read_faults

    sources = BUILD / "faults-source" / "netcore"
    try:
        plant_sources(PACKAGE, sources, read_faults())
    except OutdatedFaultError as error:
        raise SystemExit(f"build: {error}") from error
    return sources


def run_setup(arguments: list[str], environment: dict[str, str], verbose: bool) -> int:
    """Runs setup.py; its output is shown when it fails, or always if asked. Returns the exit status."""
    command = [sys.executable, "setup.py", "--verbose" if verbose else "--quiet", *arguments]
    result = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=None if verbose else subprocess.PIPE,
        stderr=None if verbose else subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if result.stdout and (result.returncode or "warning:" in result.stdout):
        print(result.stdout.strip(), file=sys.stderr)
    return result.returncode


def clang() -> str:
    """Returns the compiler command of the fuzzer variant: clang, through ccache when CC goes through it.

    Raises:
        SystemExit: there is no clang.
    """
    found = [path for folder in os.get_exec_path() for path in Path(folder).glob("clang-[0-9]*")]
    numbered = [path.name for path in found if path.name.removeprefix("clang-").isdecimal()]
    newest = max(numbered, key=lambda name: int(name.removeprefix("clang-")), default=None)
    compiler = "clang" if shutil.which("clang") else newest
    if compiler is None:
        raise SystemExit("build: --sanitize fuzzer needs clang and its run-time library: apt install clang")
    return f"ccache {compiler}" if os.environ.get("CC", "").startswith("ccache ") else compiler


def sanitizer_environment(kind: str) -> str:
    """Returns the assignments that let an ordinary Python load modules built with a sanitizer."""
    libraries = []
    for name in PRELOAD[kind]:
        if kind == "fuzzer":
            # atheris brings libFuzzer and AddressSanitizer in one library, beside its package
            libraries.append(sysconfig.get_path("platlib") + f"/{name}")
            continue
        found = subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True)
        libraries.append(found.stdout.strip())
    options = {
        "address": "ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 PYTHONMALLOC=malloc",
        "fuzzer": "ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 PYTHONMALLOC=malloc",
        "thread": "TSAN_OPTIONS=halt_on_error=1",
    }
    return f'LD_PRELOAD="{" ".join(libraries)}" {options[kind]}'


def build(variant: str, *, force: bool, jobs: int, verbose: bool, announce: bool) -> int:
    """Builds one variant: ``plain``, ``address``, ``thread``, ``coverage``, ``faults``, ``annotate``.

    Returns the exit status.
    """
    folder = BUILD / ("annotate" if variant == "annotate" else f"cython-{variant}")
    environment = {"WSPSTACK_JOBS": str(jobs), "WSPSTACK_BUILD_DIR": folder.relative_to(ROOT).as_posix()}
    if variant in PRELOAD:
        environment["WSPSTACK_SANITIZE"] = variant
        if variant == "fuzzer":
            environment["CC"] = clang()
    elif variant in ("coverage", "annotate"):
        environment[f"WSPSTACK_{variant.upper()}"] = "1"
    package = sources = PACKAGE
    arguments = ["build_ext"]
    with build_lock():
        if variant == "faults":
            sources = plant_faults()
            environment["WSPSTACK_SOURCE"] = sources.parent.relative_to(ROOT).as_posix()
        if variant == "plain":
            arguments += ["--inplace"]
        elif variant != "annotate":
            package = BUILD / variant / "netcore"
            copy_python_files(package, sources)
            arguments += ["--build-lib", f"build/{variant}", "--build-temp", f"build/temp-{variant}"]
        stamp = BUILD / f".stamp-{variant}-{sys.implementation.cache_tag}"
        rules, contents, started = recipe(), sources_digest(sources), time.time()
        built_by, built_from = stamp.read_text().split() if stamp.exists() else ("", "")
        complete = variant == "annotate" or is_complete(package, sources)
        if not force and complete and (built_by, built_from) == (rules, contents):
            return 0
        if announce:
            print("building the core (the first time takes a few minutes)", file=sys.stderr)
        if force or built_by != rules:
            expire(variant)
            stamp.write_text(f"{rules} expired")
        remove_orphans(package)
        status = run_setup(arguments, environment, verbose)
        backdate_generated(folder, started)
        stamp.write_text(f"{rules} {contents if status == 0 else 'failed'}")
    return status


def main(arguments: list[str] | None = None) -> int:
    """Reads the command line and builds; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    variant = parser.add_mutually_exclusive_group()
    variant.add_argument("--sanitize", choices=sorted(PRELOAD), help="build with sanitizers into a folder of its own")
    variant.add_argument("--coverage", action="store_true", help="build with line trace into a folder of its own")
    variant.add_argument("--faults", action="store_true", help="build with planted faults into a folder of its own")
    variant.add_argument("--annotate", action="store_true", help="write the HTML report of Python interaction")
    parser.add_argument("--force", action="store_true", help="build everything, changed or not")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="work at once (%(default)s)")
    parser.add_argument("--announce", action="store_true", help="say so when there is something to build")
    parser.add_argument("--verbose", action="store_true", help="show every command")
    options = parser.parse_args(arguments)
    switches = {"coverage": options.coverage, "faults": options.faults, "annotate": options.annotate}
    chosen = options.sanitize or next((name for name, on in switches.items() if on), "plain")
    status = build(chosen, force=options.force, jobs=options.jobs, verbose=options.verbose, announce=options.announce)
    if status:
        print("build: failed", file=sys.stderr)
        return status
    if options.sanitize:
        print(f"{sanitizer_environment(chosen)} PYTHONPATH={BUILD / chosen} {sys.executable} -m pytest")
    elif options.faults:
        print(f"WSPSTACK_FAULT=1 PYTHONPATH={BUILD / chosen} {sys.executable} -m pytest")
    elif options.coverage:
        print(f"PYTHONPATH={BUILD / chosen} {sys.executable} -m pytest")
    elif options.annotate:
        print("build/annotate/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
