"""Where the machine gives no TAP device: run shows the main job in memory, the others say what is missing."""

import random
import signal
from pathlib import Path

import pytest

from tests.cli.commands import running, without_device, wspstack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "file.bin").write_bytes(random.Random(1).randbytes(2_000_001))
    return tmp_path


def test_run_once_proves_itself_in_memory(folder: Path) -> None:
    result = wspstack("run", "--once", "--dir", str(folder), env=without_device())
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("\n") == 1
    assert "/dev/net/missing" in result.stderr
    assert "2,000,001 bytes" in result.stdout
    assert "matches" in result.stdout


def test_run_once_in_memory_on_a_bad_link_proves_itself(folder: Path) -> None:
    result = wspstack("run", "--once", "--dir", str(folder), "--loss", "1", "--reorder", "2", env=without_device())
    assert result.returncode == 0, result.stderr
    assert "matches" in result.stdout


def test_run_in_memory_stays_until_a_signal(folder: Path) -> None:
    with running("run", "--dir", str(folder), env=without_device()) as command:
        assert command.end(signal.SIGTERM)[0] == 0


def test_run_command_says_in_one_line_that_it_cannot(folder: Path) -> None:
    result = wspstack("run", "--dir", str(folder), "--", "true", env=without_device())
    assert (result.returncode, result.stdout) == (125, "")
    assert result.stderr.count("\n") == 1
    assert "/dev/net/missing" in result.stderr


@pytest.mark.parametrize("arguments", [("serve", "."), ("services",), ("services", "--tap", "tap0")])
def test_other_commands_say_in_one_line_what_is_missing(arguments: tuple[str, ...]) -> None:
    result = wspstack(*arguments, env=without_device())
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1
    assert "/dev/net/missing" in result.stderr
