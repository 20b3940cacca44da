"""mypy finds nothing. What it reads and how strictly stands in pyproject.toml."""

import subprocess
import sys

import pytest

from tests.source.sources import ROOT


@pytest.mark.timeout(300)
def test_python_sources_pass_mypy() -> None:
    result = subprocess.run([sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, f"\n{result.stdout}{result.stderr}"
