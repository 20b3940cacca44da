"""Compiles the C programs of the benchmark."""

import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).parent / "programs"
PARTS = {
    "client": ("client.c", "client_streams.c", "client_echo.c", "client_connects.c", "client_hold.c"),
    "server": ("server.c",),
    "ceiling": ("ceiling.c",),
}
COMPILERS = ("cc", "gcc", "clang")
# Both run on the machine they are compiled on, and the ceiling is to be as high as it can be.
ARGUMENTS = ("-std=gnu11", "-O3", "-march=native", "-Wall", "-Wextra")


class CannotCompile(RuntimeError):
    """There is no compiler, or it refuses; the message is for people."""


@dataclass(frozen=True)
class Programs:
    """Where the compiled programs are."""

    client: Path
    server: Path
    ceiling: Path


def compiler() -> list[str]:
    """Returns the command of the C compiler: $CC, or the first that is installed. Raises CannotCompile."""
    named = shlex.split(os.environ.get("CC", ""))
    for command in [named] if named else [[name] for name in COMPILERS]:
        if shutil.which(command[0]):
            return command
    if named:
        raise CannotCompile(f"$CC is {shlex.join(named)}, which is not installed: install it or unset CC")
    raise CannotCompile(f"no C compiler: none of {', '.join(COMPILERS)} is installed; apt-get install gcc")


def compile_programs(folder: Path) -> Programs:
    """Compiles all of them into `folder`. Raises CannotCompile."""
    command = compiler()
    for name, parts in PARTS.items():
        arguments = [*command, *ARGUMENTS, "-o", str(folder / name), *(str(SOURCES / part) for part in parts)]
        result = subprocess.run(arguments, capture_output=True, text=True)
        if result.returncode:
            lines = result.stderr.strip().splitlines()
            reason = next((line for line in lines if "error" in line), lines[-1] if lines else "no reason given")
            raise CannotCompile(f"{command[0]} does not compile {name}: {reason}")
    return Programs(*(folder / name for name in PARTS))
