"""The faults that can be planted into the core, and the sources with all of them behind a switch.

``planted/*.toml`` is the table: slips that a programmer could make, no mutants that change nothing or break everything
at once. Each fault names the lines it stands for; when a change of the core outdates them, the build with faults and
the tests say which fault it was. Numbers are never used again.
"""

import itertools
import tomllib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
TABLE = FOLDER / "planted"
SWITCH = FOLDER / "faults.pxd"
# what the table writes for "this fault is planted"
MARK = "PLANTED"
SOURCES = ("*.py", "*.pyi", "*.pxd", "*.pyx", "py.typed")
VARIABLE = "WSPSTACK_FAULT"


class OutdatedFaultError(Exception):
    """A fault of the table does not fit the sources; says which and why."""


@dataclass(frozen=True)
class Fault:
    """One slip that a programmer could make.

    Attributes:
        number: as WSPSTACK_FAULT gives it.
        name: what is wrong.
        area: the part of the core, for the table.
        file: the source, below cython/netcore.
        original: the lines as they are; they occur once.
        planted: the lines with the switch; PLANTED stands for "this fault is planted".
    """

    number: int
    name: str
    area: str
    file: str
    original: str
    planted: str


def read_faults(table: Path = TABLE) -> list[Fault]:
    """Returns the faults of all files in the folder `table`, in the order of their numbers.

    Raises:
        OutdatedFaultError: a number is used twice, or a fault has no switch or changes nothing.
    """
    entries = [entry for path in sorted(table.glob("*.toml")) for entry in tomllib.loads(path.read_text())["fault"]]
    faults = sorted((Fault(**entry) for entry in entries), key=lambda each: each.number)
    for before, fault in itertools.pairwise(faults):
        if before.number == fault.number:
            raise OutdatedFaultError(f"fault {fault.number} stands twice: {before.name}; {fault.name}")
    for fault in faults:
        if MARK not in fault.planted or fault.number < 1:
            raise OutdatedFaultError(f"fault {fault.number} ({fault.name}) has no {MARK}, or no number from 1 on")
    return faults


def place_of(fault: Fault, text: str) -> int:
    """Returns where in the text of its file the original lines of a fault begin.

    Raises:
        OutdatedFaultError: they are not there, or more than once.
    """
    count = text.count(fault.original)
    if count != 1:
        raise OutdatedFaultError(
            f"fault {fault.number} ({fault.name}): its lines occur {count} times in cython/netcore/{fault.file}, "
            "but must occur once; see tests/faults/planted"
        )
    place = text.index(fault.original)
    if (place and text[place - 1] != "\n") or not fault.original.endswith("\n"):
        raise OutdatedFaultError(f"fault {fault.number} ({fault.name}): its lines are not whole ones")
    return place


def plant(text: str, faults: list[Fault]) -> str:
    """Returns the text of one file with all its faults behind their switches.

    Raises:
        OutdatedFaultError: the lines of a fault are not there once, or two faults share some.
    """
    places = sorted(((place_of(fault, text), fault) for fault in faults), key=lambda each: each[0])
    parts = []
    at = 0
    for place, fault in places:
        if place < at:
            raise OutdatedFaultError(f"fault {fault.number} ({fault.name}) stands on lines of another fault")
        parts += [text[at:place], fault.planted.replace(MARK, f"planted({fault.number})")]
        at = place + len(fault.original)
    whole = "".join([*parts, text[at:]])
    return import_switch(whole) if faults else whole


def import_switch(text: str) -> str:
    """Adds the import of the switch before the first import of the core's."""
    line = "from netcore.faults cimport planted\n"
    place = text.find("\nfrom ") + 1
    return text[:place] + line + text[place:]


def write_if_new(path: Path, text: str) -> None:
    """Writes a file that is not so already: what did not change is not built again."""
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def plant_sources(package: Path, target: Path, faults: list[Fault]) -> None:
    """Writes the sources of a package with all faults into a folder, and removes what is no longer there.

    Args:
        package: cython/netcore.
        target: the folder that becomes a netcore with faults.
        faults: those of the table.

    Raises:
        OutdatedFaultError: a fault does not fit its source.
    """
    wanted = {path.relative_to(package) for pattern in SOURCES for path in package.rglob(pattern)}
    for fault in faults:
        if Path(fault.file) not in wanted:
            raise OutdatedFaultError(f"fault {fault.number} ({fault.name}): there is no cython/netcore/{fault.file}")
    for relative in sorted(wanted):
        text = (package / relative).read_text()
        write_if_new(target / relative, plant(text, [each for each in faults if Path(each.file) == relative]))
    write_if_new(target / SWITCH.name, SWITCH.read_text())
    for pattern in SOURCES:
        for path in target.rglob(pattern):
            if path.relative_to(target) not in wanted and path.name != SWITCH.name:
                path.unlink()
