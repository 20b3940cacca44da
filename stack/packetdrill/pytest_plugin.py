"""pytest collects `.pkt` files: each script is a test. Registered as an entry point, so an installed stack brings it.

A script that needs what the stack does not have is skipped, with the reason.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest


class ScriptFile(pytest.File):
    """One `.pkt` file."""

    def collect(self) -> Iterator["ScriptItem"]:
        """Yields the one test of the file."""
        yield ScriptItem.from_parent(self, name=self.path.stem)


class ScriptDiffers(Exception):
    """A script failed; the message is its report."""


class ScriptItem(pytest.Item):
    """The run of one script."""

    def runtest(self) -> None:
        """Runs the script. Raises ScriptDiffers."""
        from stack.packetdrill.reporting import Verdict, run_file

        report = run_file(self.path, self._overrides())
        if report.notes:
            self.add_report_section("call", "notes", "\n".join(f"{place}: {note}" for place, note in report.notes))
        if report.verdict is Verdict.UNSUPPORTED:
            pytest.skip(report.message)
        if report.verdict is Verdict.FAILED:
            raise ScriptDiffers(report.message)

    def _overrides(self) -> dict[str, str | None]:
        pairs = (each.partition("=") for each in self.config.getini("packetdrill_options"))
        return {name: value if equals else None for name, equals, value in pairs}

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
        """The report alone: where in this program the script failed helps nobody."""
        if isinstance(excinfo.value, ScriptDiffers):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the test is, and its name."""
        return self.path, 0, f"packetdrill script {self.path.name}"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the ini option packetdrill_options."""
    parser.addini("packetdrill_options", "options of every .pkt script, as tolerance_usecs=10000", "linelist")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ScriptFile | None:
    """Collects a `.pkt` file."""
    return ScriptFile.from_parent(parent, path=file_path) if file_path.suffix == ".pkt" else None
