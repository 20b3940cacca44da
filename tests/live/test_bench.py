"""The benchmark runs and tells figures; what they are is for people to judge."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scripts.benchmark.programs import compile_programs
from tapdev.netns import NAMES

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
SECONDS = 100
OWN = ("--end", "veth", "--end", "ceiling", "--end", "wspstack")
MEASURED = ["up", "echo-across", "connect", "calls"]
QUICK = ("--rounds", "1", "--seconds", "0.3", "--warm-up", "0.1", "--idle-wait", "0")


def bench(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Runs scripts/bench.py."""
    command = [sys.executable, str(ROOT / "scripts" / "bench.py"), *arguments]
    surroundings = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False, env=surroundings)


@dataclass
class Benched:
    """A run with everything that can be written."""

    stdout: str
    told: dict[str, Any]  # the JSON
    picture: bytes
    left: set[Path]  # namespaces


@pytest.fixture(scope="module")
def benched(tmp_path_factory: pytest.TempPathFactory) -> Benched:
    """Runs a measure of every kind."""
    folder = tmp_path_factory.mktemp("bench")
    file, picture = folder / "figures.json", folder / "figures.png"
    before = set(NAMES.iterdir()) if NAMES.exists() else set()
    result = bench(*MEASURED, *OWN, *QUICK, "--json", str(file), "--plot", str(picture))
    assert result.returncode == 0, result.stderr
    left = (set(NAMES.iterdir()) if NAMES.exists() else set()) - before
    return Benched(result.stdout, json.loads(file.read_text()), picture.read_bytes(), left)


def test_bench_tells_figures_of_every_end_and_leaves_no_namespace(benched: Benched) -> None:
    told = benched.told
    assert list(told["summary"]) == MEASURED
    for name, ends in told["summary"].items():
        assert name in benched.stdout
        assert name == "calls" or {"veth", "ceiling", "wspstack"} <= set(ends) or name in "".join(told["left_out"])
        for figures in ends.values():
            assert 0 < figures["value"]["least"] <= figures["value"]["median"] <= figures["value"]["most"]
            assert name == "calls" or figures["memory"]["median"] > 0
    assert {target["verdict"] for target in told["targets"]} <= {"met", "MISSED", "not measured"}
    for target in told["targets"]:
        assert target["words"] in benched.stdout
    assert benched.left == set()


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


def test_idle_connections_of_the_kernel_cost_what_a_connection_may(tmp_path: Path) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("the program gcc is missing: it comes with the package gcc")
    programs = compile_programs(tmp_path)
    command = [sys.executable, str(ROOT / "scripts" / "benchmark" / "idle.py"), "kernel", "2000", str(programs.client)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "cython"), str(ROOT)])}
    result = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, env=environment, check=False)
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["connections"] == 2000
    assert 500 < told["core_bytes"] <= 1100
    assert told["engine"]["connections"] == 3000


def test_thread_that_spins_beside_the_server_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    result = bench("bulk-builtin", "--end", "wspstack-spun", *QUICK, "--json", str(file))
    assert result.returncode == 0, result.stderr
    (row,) = json.loads(file.read_text())["measurements"]
    assert 0 < row["told"]["spinner_share"] < 1
    assert row["corrected"] > row["value"]


def test_picture_is_drawn_of_what_was_measured(benched: Benched) -> None:
    assert benched.picture.startswith(b"\x89PNG")


def test_picture_of_an_unknown_kind_is_refused_before_it_begins(tmp_path: Path) -> None:
    result = bench("calls", "--plot", str(tmp_path / "figures.doc"))
    assert result.returncode == 2
    assert "the name has to end in .png or .svg or .pdf" in result.stderr
