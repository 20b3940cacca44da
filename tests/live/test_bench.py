"""The benchmark runs and tells figures; what they are is for people to judge."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
SECONDS = 100


def bench(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Runs scripts/bench.py."""
    command = [sys.executable, str(ROOT / "scripts" / "bench.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)


def test_bench_tells_figures_of_both_ends(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    quick = ["--rounds", "2", "--seconds", "0.1", "--warm-up", "0.1", "--idle-wait", "0", "--json", str(file)]
    result = bench("up", "down8", "echo", *quick)
    assert result.returncode == 0, result.stderr
    told = json.loads(file.read_text())
    assert list(told["summary"]) == ["up", "down8", "echo"]
    assert len(told["measurements"]) == 2 * 2 * 3
    for name, figures in told["summary"].items():
        assert name in result.stdout
        for end in ("veth", "wspstack", "ratio"):
            assert 0 < figures[end]["least"] <= figures[end]["median"] <= figures[end]["most"]


def test_bench_of_an_unknown_measure_is_refused_in_one_line() -> None:
    result = bench("sideways")
    assert result.returncode == 2
    assert "'sideways' is not one of" in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
