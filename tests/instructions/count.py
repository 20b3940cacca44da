"""Counts the core's instructions in the scripted runs by callgrind, and keeps their ceilings, which only go down.

Examples:
  python -m tests.instructions.count                what each run takes, beside its ceiling
  python -m tests.instructions.count --write        lowers the ceilings that are too high
  python -m tests.instructions.count --functions    where the instructions go
"""

import argparse
import collections
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.instructions import runs

ROOT = Path(__file__).parents[2]
CEILINGS = Path(__file__).with_name("ceilings.txt")
# What handles segments and packets. The drivers are not among it: a run by hand has others than a device.
COUNTED = re.compile(r"/netcore/(tcp/\w+|tcp/congestion/\w+|ip/\w+|ingress|egress|neighbors|paths|icmp)\.[^/]*so$")
# Functions of the core: Cython's wrappers, Python and the C library depend on their versions and on the processor, and
# so do the wide loops of checksums (netcore.lanes).
FUNCTION = re.compile(r"__pyx_f_7netcore_(.+)")
TOLERANCE = 0.02  # of a ceiling: compilers differ by a little
# More of it for a core that guards its stack, as Debian's Python has its extensions compiled and others do not.
GUARD, GUARD_TOLERANCE = b"__stack_chk_fail", 0.06
SLACK = 0.01  # a ceiling so much higher than what is counted is to be lowered

HEAD = """\
# Instructions of the core (tcp, ip, ingress, egress) for each segment, frame, round trip or connection of the scripted
# runs (runs.py), counted by callgrind. They only go down: python -m tests.instructions.count --write
"""


@dataclass(frozen=True)
class Count:
    """What one run took: so many units, and instructions by function."""

    name: str
    units: int
    functions: dict[str, int]

    @property
    def each(self) -> float:
        """Instructions for one unit."""
        return sum(self.functions.values()) / self.units


def missing() -> str:
    """What keeps it from being counted here; empty: nothing."""
    if shutil.which("valgrind") is None:
        return "the program valgrind is missing: it comes with the package valgrind"
    if os.uname().machine != "x86_64":
        return f"the ceilings are those of x86_64, and this is {os.uname().machine}"
    return ""


def own_costs(lines: Iterator[str]) -> dict[str, int]:
    """Instructions of the core's functions, without what they call, in a file that callgrind wrote."""
    names: dict[tuple[str, str], str] = {}
    costs: collections.Counter[str] = collections.Counter()
    library = function = ""
    skip = False
    for line in lines:
        kind, equals, value = line.rstrip().partition("=")
        if equals and kind in ("ob", "fn"):
            number, _, name = value.partition(" ")
            name = names.setdefault((kind, number), name)
            if kind == "ob":
                library = name
            else:
                function = name
        elif equals:
            # objects and functions that are called are named like others, and the line behind `calls` is their cost
            number, _, name = value.partition(" ")
            if name and kind in ("cob", "cfn"):
                names.setdefault((kind[1:], number), name)
            skip = kind == "calls"
        elif line[:1].isdigit() or line[:1] in "+-*":
            own = FUNCTION.match(function)
            if not skip and own and COUNTED.search(library):
                costs[own[1]] += int(line.split()[1])
            skip = False
    return dict(costs)


def counts() -> list[Count]:
    """Makes the runs under callgrind, with the core that is built in this folder."""
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    environment.update(PYTHONHASHSEED="0", PYTHONPATH=f"{ROOT / 'cython'}:{ROOT}")
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/part", "--dump-before=getsid"]
        result = subprocess.run(
            [*command, sys.executable, runs.__file__], cwd=ROOT, env=environment, capture_output=True, text=True
        )
        if result.returncode:
            raise RuntimeError(f"the scripted runs failed under valgrind:\n{result.stderr}")
        found = []
        for index, line in enumerate(result.stdout.splitlines()):
            name, units = line.split()
            # part 1 is what went before the first mark; of each run the first part is its preparation
            with open(f"{folder}/part.{2 * index + 2}") as part:
                found.append(Count(name, int(units), own_costs(part)))
    return found


def ceilings() -> dict[str, int]:
    """The stored ceilings."""
    lines = (line.split("#")[0].split() for line in CEILINGS.read_text().splitlines()) if CEILINGS.exists() else ()
    return {line[0]: int(line[1]) for line in lines if line}


def tolerance() -> float:
    """By how much of a ceiling it may be exceeded."""
    modules = (ROOT / "cython" / "netcore").glob("ingress.*.so")
    return GUARD_TOLERANCE if any(GUARD in module.read_bytes() for module in modules) else TOLERANCE


def is_exceeded(count: Count, ceiling: int, more: float = TOLERANCE) -> bool:
    """Whether a run takes more than it may."""
    return count.each > ceiling * (1 + more)


def is_too_high(count: Count, ceiling: int) -> bool:
    """Whether a ceiling is to be lowered."""
    return count.each < ceiling * (1 - SLACK)


def judgement(count: Count, ceiling: int | None, more: float = TOLERANCE) -> str:
    """One line: what was counted, and what it means."""
    text = f"{count.name:20} {count.each:10.1f} {count.units:6} times"
    if ceiling is None:
        return f"{text}  no ceiling yet: --write"
    text += f"  ceiling {ceiling:6}"
    if is_exceeded(count, ceiling, more):
        return f"{text}  {count.each / ceiling - 1:+.1%}: slower than it was"
    if is_too_high(count, ceiling):
        return f"{text}  {count.each / ceiling - 1:+.1%}: lower it (--write)"
    return text


def write(found: list[Count], stored: dict[str, int], may_rise: bool) -> None:
    """Stores the ceilings, each the lower of the stored and the counted."""
    lines = []
    for count in found:
        ceiling = round(count.each)
        if not may_rise and count.name in stored:
            ceiling = min(ceiling, stored[count.name])
        lines.append(f"{count.name:20} {ceiling:7}\n")
    CEILINGS.write_text(HEAD + "".join(lines))


def main() -> int:
    """The command; its status is 1 when a ceiling is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="lower the ceilings to what is counted")
    parser.add_argument("--raise", dest="may_rise", action="store_true", help="with --write: raise them too")
    parser.add_argument("--functions", action="store_true", help="print the functions, those that take most first")
    options = parser.parse_args()
    if reason := missing():
        parser.error(reason)
    found, stored, more = counts(), ceilings(), tolerance()
    for count in found:
        print(judgement(count, stored.get(count.name), more))
        if options.functions:
            for name, cost in sorted(count.functions.items(), key=lambda item: -item[1]):
                if cost >= count.units:
                    print(f"{cost / count.units:12.1f}  {name}")
    if options.write:
        write(found, stored, options.may_rise)
        return 0
    return int(any(is_exceeded(count, stored[count.name], more) for count in found if count.name in stored))


if __name__ == "__main__":
    sys.exit(main())
