"""scripts/bootstrap: what is missing is named with the package that brings it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.source.sources import ROOT

# What the functions under test call themselves.
NEEDED = ("bash", "dirname", "readlink", "basename", "grep", "id", "mkdir", "cat", "head", "mktemp", "rm", "tail")


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Returns a folder that is all of PATH: the needed programs and none of the clients."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in NEEDED:
        found = shutil.which(name)
        assert found, f"{name} is part of every Debian"
        (folder / name).symlink_to(found)
    return folder


def program(folder: Path, name: str, script: str = "exit 0") -> None:
    """Puts a shell script of that name into the folder."""
    path = folder / name
    path.unlink(missing_ok=True)
    path.write_text(f"#!/bin/bash\n{script}\n")
    path.chmod(0o755)


def bash(code: str, path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs code after sourcing scripts/bootstrap."""
    command = ["bash", "-euo", "pipefail", "-c", f'source "{ROOT}/scripts/bootstrap"; {code}']
    clean = {"PATH": str(path), "HOME": str(path), **environment}
    return subprocess.run(command, env=clean, stdin=subprocess.DEVNULL, capture_output=True, text=True)


def test_missing_clients_are_named_by_their_packages(programs: Path) -> None:
    result = bash("missing_clients curl tshark nmap ab arping nc ping ip", programs)
    expected = "curl tshark nmap apache2-utils arping netcat-openbsd iputils-ping iproute2"
    assert result.stdout.split() == expected.split()


def test_present_client_is_not_named(programs: Path) -> None:
    program(programs, "ab")
    program(programs, "nc", "echo 'OpenBSD netcat' >&2")
    assert bash("missing_clients ab nc curl", programs).stdout.split() == ["curl"]


def test_netcat_of_another_kind_is_named(programs: Path) -> None:
    program(programs, "nc", "echo 'GNU netcat' >&2; exit 1")
    assert bash("missing_clients nc", programs).stdout.split() == ["netcat-openbsd"]


def test_missing_compiler_is_named_with_the_c_library(programs: Path) -> None:
    result = bash(f"PYTHON={sys.executable}; missing_build_packages", programs)
    assert result.stdout.split()[:2] == ["gcc", "libc6-dev"]


def test_compiler_without_headers_is_told_from_no_compiler(programs: Path) -> None:
    program(programs, "gcc", "exit 1")
    result = bash(f"PYTHON={sys.executable}; missing_build_packages", programs)
    assert result.stdout.split()[0] == "libc6-dev"


def test_ordinary_user_is_told_the_one_line_to_run(programs: Path) -> None:
    program(programs, "id", "echo 1000")
    program(programs, "apt-get", "echo called >&2")
    result = bash("install_packages gcc curl || echo refused", programs)
    assert result.stderr == "missing; run: sudo apt-get install --no-install-recommends gcc curl\n"
    assert result.stdout == "refused\n"


def test_root_installs_and_fetches_the_lists_when_that_fails(programs: Path, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    program(programs, "id", "echo 0")
    program(programs, "apt-get", f'echo "$1 $DEBIAN_FRONTEND" >>{calls}; [ $(grep -c . {calls}) != 1 ]')
    result = bash("install_packages gcc", programs)
    assert result.returncode == 0, result.stderr
    assert calls.read_text().splitlines() == [
        "install noninteractive",
        "update noninteractive",
        "install noninteractive",
    ]


def test_installation_that_fails_is_shown(programs: Path) -> None:
    program(programs, "id", "echo 0")
    program(programs, "apt-get", "echo 'E: no such package'; exit 100")
    result = bash("install_packages gcc || echo refused", programs)
    assert "E: no such package" in result.stderr
    assert "could not install: gcc" in result.stderr
    assert result.stdout == "refused\n"


def test_interpreter_asked_for_and_too_old_is_refused_with_its_name(programs: Path) -> None:
    program(programs, "python3.9", "exit 1")
    result = bash("find_python", programs, PYTHON="python3.9")
    assert result.returncode == 1
    assert "PYTHON=python3.9 is no Python 3.11 or later" in result.stderr


def test_no_interpreter_names_the_packages(programs: Path, tmp_path: Path) -> None:
    result = bash(f"VENV={tmp_path}/none; find_python", programs)
    assert result.returncode == 1
    assert "apt-get install python3 python3-dev python3-venv" in result.stderr


def test_checkout_that_cannot_be_written_is_said(programs: Path, tmp_path: Path) -> None:
    root = tmp_path / "checkout"
    root.write_text("a file where the folder should be: unwritable for root, too")
    result = bash(f"ROOT={root}; need_writable", programs)
    assert result.returncode == 1
    assert f"cannot write in {root} as" in result.stderr


@pytest.mark.parametrize("command", ["scripts/run", "scripts/test", ".ci/run"])
def test_command_is_executable_and_parses(command: str) -> None:
    assert os.access(ROOT / command, os.X_OK)
    assert subprocess.run(["bash", "-n", str(ROOT / command)]).returncode == 0


def test_ci_calls_the_test_command_and_nothing_else() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert len(lines) == 2
    assert lines[1].endswith('/scripts/test"')


def test_steps_are_listed_without_preparing_anything(tmp_path: Path) -> None:
    result = subprocess.run([str(ROOT / "scripts/test"), "--list"], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0
    assert {"build", "lint", "types", "stubs", "tests"} <= {line.split()[0] for line in result.stdout.splitlines()}
    assert result.stderr == ""


def test_unknown_step_is_refused_with_the_names(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "check.py"), "lnit"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 2
    assert "lnit is no step; choose from: build lint" in result.stderr
