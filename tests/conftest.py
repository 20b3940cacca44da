"""Requirement IDs: checks the markers against tests/requirements.toml and prints what has no test yet.

``--requirements`` ends a run with the table; in a full run an ID counts as tested when a test that names it ran and was
not skipped. ``--requirements=only`` prints the table from the collection alone and runs nothing. ``--tested`` carries
what was tested from one run to the next.
"""

import signal
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# Collects .pkt scripts. An installed stack registers the same name as an entry point, and it is loaded once.
pytest_plugins = ["stack.packetdrill.pytest_plugin"]

LIST = Path(__file__).parent / "requirements.toml"
LINE = 120
PROPERTY = "requirement"  # of a report: reports come back from the processes of pytest-xdist, tests do not


def expand(numbers: str) -> Iterator[str]:
    """Yields the second parts of IDs that a line such as ``1-3 3a 5`` means: 1, 2, 3, 3a, 5."""
    for part in numbers.split():
        first, dash, last = part.partition("-")
        yield from [str(number) for number in range(int(first), int(last) + 1)] if dash else [part]


def read_requirements() -> dict[str, list[str]]:
    """Returns the IDs of each section in their order, keyed by the section's name."""
    sections = tomllib.loads(LIST.read_text())
    return {name: [f"{name}-{number}" for number in expand(section["numbers"])] for name, section in sections.items()}


def compact(identifiers: list[str]) -> str:
    """Returns IDs of one section with runs drawn together: ``SEG-1..3 SEG-7`` becomes ``1..3 7``."""
    runs: list[list[str]] = []
    for identifier in identifiers:
        suffix = identifier.partition("-")[2]
        previous = runs[-1][-1] if runs else ""
        if previous.isdigit() and suffix.isdigit() and int(suffix) == int(previous) + 1:
            runs[-1].append(suffix)
        else:
            runs.append([suffix])
    return " ".join(run[0] if len(run) == 1 else f"{run[0]}..{run[-1]}" for run in runs)


def wrap(words: str, indent: str) -> Iterator[str]:
    """Yields lines of at most LINE columns; all but the first begin with ``indent``."""
    return iter(textwrap.wrap(words, LINE, subsequent_indent=indent))


def table(tested: set[str]) -> Iterator[str]:
    """Yields the lines of the table: sections with the most untested IDs first, whole sections drawn together last."""
    missing = {
        section: [identifier for identifier in identifiers if identifier not in tested]
        for section, identifiers in REQUIREMENTS.items()
    }
    yield f"requirements without a test: {sum(map(len, missing.values()))} of {len(KNOWN)}"
    for section, identifiers in sorted(missing.items(), key=lambda item: -len(item[1])):
        if identifiers:
            count = f"{len(identifiers):3} of {len(REQUIREMENTS[section]):3}  {section:7}"
            yield from wrap(f"{count} {compact(identifiers)}", " " * len(count) + " ")
    complete = [section for section, identifiers in missing.items() if not identifiers]
    if complete:
        yield from wrap(f"all tested: {' '.join(complete)}", " " * 12)


REQUIREMENTS = read_requirements()
KNOWN = {identifier for identifiers in REQUIREMENTS.values() for identifier in identifiers}


def named_requirements(item: pytest.Item) -> set[str]:
    """Returns the IDs in the markers of a test.

    Raises:
        pytest.UsageError: a marker names an ID that tests/requirements.toml does not have.
    """
    named: set[str] = set()
    for marker in item.iter_markers("requirement"):
        for identifier in marker.args:
            if identifier not in KNOWN:
                hint = "is not in tests/requirements.toml"
                raise pytest.UsageError(f"{item.nodeid}: requirement {identifier!r} {hint}; write it as SEG-4")
            named.add(identifier)
    return named


class RequirementTable:
    """Gathers which IDs were tested and prints the table.

    Args:
        asked: ``run`` or ``only`` as in --requirements, None for no table.
        notes: The file of --tested, None for none.
    """

    def __init__(self, asked: str | None, notes: Path | None) -> None:
        self.asked = asked
        self.notes = notes
        self.named: set[str] = set()
        self.tested: set[str] = set(notes.read_text().split()) if notes is not None and notes.exists() else set()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Reads the markers of every collected test."""
        self.named = set().union(*map(named_requirements, items))

    def pytest_runtestloop(self) -> bool | None:
        """Runs nothing when only the table is asked for."""
        return True if self.asked == "only" else None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Counts a test that came as far as its call and was not skipped."""
        if report.when == "call" and not report.skipped:
            self.tested.update(str(identifier) for name, identifier in report.user_properties if name == PROPERTY)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Prints the table before the closing line, and writes the notes."""
        if self.notes is not None:
            self.notes.write_text(" ".join(sorted(self.tested)))
        if self.asked is None:
            return
        terminalreporter.section("requirements")
        for line in table(self.named if self.asked == "only" else self.tested):
            terminalreporter.write_line(line)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds --requirements and --tested."""
    parser.addoption(
        "--requirements",
        nargs="?",
        const="run",
        choices=("run", "only"),
        help="print the requirement IDs without a test; 'only': from the collection, running nothing",
    )
    parser.addoption(
        "--tested",
        type=Path,
        metavar="FILE",
        help="count the requirement IDs in FILE as tested, and add those that this run tests",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Checks the markers in every run, prints the table when asked."""
    # the background of a shell ignores it, and so would every program that a test interrupts
    signal.signal(signal.SIGINT, signal.default_int_handler)
    asked, notes = config.getoption("--requirements"), config.getoption("--tested")
    if asked or notes:
        config.pluginmanager.register(RequirementTable(asked, notes), "requirement-table")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuses an unknown ID whether or not the table is asked for, and gives the IDs to the reports."""
    for item in items:
        item.user_properties += [(PROPERTY, identifier) for identifier in sorted(named_requirements(item))]
