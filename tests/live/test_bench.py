"""The benchmark runs and tells figures; what they are is for people to judge."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tapdev.netns import NAMES

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
SECONDS = 100
OWN = ("--end", "veth", "--end", "ceiling", "--end", "wspstack")
QUICK = ("--rounds", "1", "--seconds", "0.3", "--warm-up", "0.1", "--idle-wait", "0")


def bench(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Runs scripts/bench.py."""
    command = [sys.executable, str(ROOT / "scripts" / "bench.py"), *arguments]
    surroundings = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False, env=surroundings)


def test_bench_tells_figures_of_every_end_and_leaves_no_namespace(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    before = set(NAMES.iterdir()) if NAMES.exists() else set()
    result = bench("up", "echo-across", "connect", *OWN, *QUICK, "--json", str(file))
    assert result.returncode == 0, result.stderr
    told = json.loads(file.read_text())
    assert list(told["summary"]) == ["up", "echo-across", "connect"]
    for name, ends in told["summary"].items():
        assert name in result.stdout
        assert {"veth", "ceiling", "wspstack"} <= set(ends) or name in "".join(told["left_out"])
        for figures in ends.values():
            assert 0 < figures["value"]["least"] <= figures["value"]["median"] <= figures["value"]["most"]
            assert figures["memory"]["median"] > 0
    assert {target["verdict"] for target in told["targets"]} <= {"met", "MISSED", "not measured"}
    for target in told["targets"]:
        assert target["words"] in result.stdout
    assert (set(NAMES.iterdir()) if NAMES.exists() else set()) <= before


def test_bench_without_a_compiler_says_what_to_do() -> None:
    result = bench("up", *QUICK, CC="no-such-compiler")
    assert result.returncode == 1
    assert result.stderr == "Error: $CC is no-such-compiler, which is not installed: install it or unset CC\n"


def test_bench_without_a_device_says_what_is_left_out(tmp_path: Path) -> None:
    missing = str(tmp_path / "tun")
    result = bench("up", *QUICK, WSPSTACK_TUN_DEVICE=missing)
    assert result.returncode == 1
    assert result.stderr.startswith(f"Error: nothing can be measured: {missing} is missing")


def test_bench_of_an_unknown_measure_is_refused_in_one_line() -> None:
    result = bench("sideways")
    assert result.returncode == 2
    assert "'sideways' is not one of" in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


def test_bench_into_a_folder_that_is_not_there_is_refused_before_it_begins(tmp_path: Path) -> None:
    result = bench("up", "--json", str(tmp_path / "missing" / "figures.json"))
    assert result.returncode == 2
    assert "there is no such folder" in result.stderr
