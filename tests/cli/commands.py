"""Runs `wspstack` as a process of its own, as a person does."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tapdev.tap import DEVICE_VARIABLE, device_path

COMMAND = [sys.executable, "-m", "stack.cli"]
ROOT = Path(__file__).parents[2]
SECONDS = 90  # for a command to end; far above what it needs


def require_device() -> None:
    """Skips the test where no TAP device can be had."""
    path = device_path()
    if not os.access(path, os.R_OK | os.W_OK):
        pytest.skip(f"{path} is missing or forbidden to user {os.geteuid()}")


def without_device() -> dict[str, str]:
    """An environment in which the machine gives no TAP device."""
    return {**os.environ, DEVICE_VARIABLE: "/dev/net/missing"}


def wspstack(*arguments: str, prefix: Sequence[str] = (), **options: Any) -> "subprocess.CompletedProcess[str]":
    """Runs a command to its end with its output captured; `prefix` stands before it."""
    command = [*prefix, *COMMAND, *arguments]
    options = {"cwd": ROOT, "capture_output": True, "text": True, "timeout": SECONDS, **options}
    return subprocess.run(command, check=False, **options)


class Running:
    """A command that has said `ready`: the process, and the lines it said before."""

    def __init__(self, process: "subprocess.Popen[str]", lines: list[str]) -> None:
        self.process = process
        self.lines = lines

    def line(self, word: str) -> str:
        """What follows `word` at the beginning of a line."""
        (found,) = (line.removeprefix(word).strip() for line in self.lines if line.startswith(f"{word} "))
        return found

    def inside(self) -> list[str]:
        """What to put before a command to run it where the stack can be reached."""
        words = self.line("try").split()
        return words[: words.index("curl")]

    def end(self, number: int) -> tuple[int, str]:
        """Sends a signal and returns the exit status and what stderr had."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, errors


@contextlib.contextmanager
def running(*arguments: str, prefix: Sequence[str] = (), **options: Any) -> Iterator[Running]:
    """Starts a command, waits for its line `ready`, ends it with SIGKILL if the test did not end it."""
    options = {"cwd": ROOT, **options}
    process = subprocess.Popen(
        [*prefix, *COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )
    with process:
        try:
            lines = []
            assert process.stdout is not None
            assert process.stderr is not None
            for line in process.stdout:
                lines.append(line.rstrip("\n"))
                if lines[-1] == "ready":
                    break
            else:
                pytest.fail(f"no line 'ready': {process.stderr.read()}")
            yield Running(process, lines)
        finally:
            process.kill()
