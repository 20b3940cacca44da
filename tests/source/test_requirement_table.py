"""The table of requirements counts what was tested in other processes and in the run before."""

import subprocess
import sys
from pathlib import Path

import pytest

from scripts import check
from tests.source.sources import ROOT

TEST = """
import pytest


@pytest.mark.requirement("SEG-1")
def test_passing():
    pass


@pytest.mark.requirement("SEG-2")
def test_skipped():
    pytest.skip("a reason")
"""


@pytest.mark.parametrize("processes", [[], ["--numprocesses=1"]], ids=["one process", "a process beside it"])
def test_notes_get_what_was_tested_and_keep_what_was_before(tmp_path: Path, processes: list[str]) -> None:
    (tmp_path / "test_two.py").write_text(TEST)
    notes = tmp_path / "notes"
    notes.write_text("SEG-3")
    options = ["-q", "-p", "no:cacheprovider", "-p", "tests.conftest", "--rootdir", str(tmp_path), "--requirements"]
    command = [sys.executable, "-m", "pytest", *options, "--tested", str(notes), *processes, str(tmp_path)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert result.returncode == 0, result.stdout + result.stderr
    assert notes.read_text().split() == ["SEG-1", "SEG-3"]
    (total,) = (line for line in result.stdout.splitlines() if line.startswith("requirements without a test:"))
    missing, known = (int(word) for word in total.split() if word.isdigit())
    assert missing == known - 2


def test_second_part_of_a_whole_run_takes_no_word_for_a_file_to_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pytest looks for its settings where the first word lies that is a path; the first part has written the notes."""
    runs: list[list[str]] = []

    def run(arguments: list[str]) -> int:
        runs.append([word for word in arguments if Path(word).exists()])
        (notes,) = (word for word in arguments if word.endswith("/requirements"))
        Path(notes.removeprefix("--tested=")).write_text("SEG-1")
        return 0

    monkeypatch.setattr(check, "run_pytest", run)
    assert check.run_tests([]) == 0
    assert runs == [[], []]
