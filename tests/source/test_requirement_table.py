"""The table of requirements counts what was tested in other processes and in the run before."""

import subprocess
import sys
from pathlib import Path

import pytest

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
