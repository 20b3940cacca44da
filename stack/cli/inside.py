"""Runs the user's command inside a namespace, with its streams, signals and exit status as if it ran by itself."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any, Protocol, Self

import click

from stack.cli.host import note

NOT_STARTED, NOT_RUNNABLE, NOT_FOUND = 125, 126, 127  # as env(1) and timeout(1) have them


class Place(Protocol):
    """Where a command can be run: a Lab or a Namespace of tapdev."""

    def popen(self, argv: list[str], **options: Any) -> "subprocess.Popen[Any]":
        """As subprocess.Popen."""


class NotStarted(click.ClickException):
    """A COMMAND was given, and there is nothing for it to talk to."""

    exit_code = NOT_STARTED


@contextlib.contextmanager
def own_failures(before_command: bool) -> Iterator[None]:
    """Gives failures a status of their own when a COMMAND, whose status would be handed back, has not run yet."""
    try:
        yield
    except click.UsageError:
        raise
    except click.ClickException as error:
        if before_command:
            raise NotStarted(error.message) from error
        raise


def run_command(place: Place, command: tuple[str, ...], variables: dict[str, str]) -> int:
    """Runs `command` inside `place` on our standard streams and returns its exit status, 128+N for signal N.

    variables: put into its environment, beside our own.
    """
    # The server's first flush must not mix with what the command writes.
    sys.stdout.flush()
    with _Forwarding() as forwarding:
        try:
            process = place.popen(list(command), env={**os.environ, **variables})
        except FileNotFoundError:
            note(f"no such command: {command[0]}")
            return NOT_FOUND
        except OSError as error:
            note(f"{command[0]} cannot be run: {error.strerror}")
            return NOT_RUNNABLE
        forwarding.to(process)
        status = process.wait()
    return status if status >= 0 else 128 - status


class _Forwarding:
    """Hands signals sent to us on to the command; one that comes before the command runs is kept for it."""

    NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self) -> None:
        self._process: subprocess.Popen[Any] | None = None
        self._kept: list[int] = []
        self._before: list[Any] = []

    def __enter__(self) -> Self:
        self._before = [signal.signal(number, self._forward) for number in self.NUMBERS]
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in zip(self.NUMBERS, self._before, strict=True):
            signal.signal(number, handler)

    def to(self, process: "subprocess.Popen[Any]") -> None:
        """From now on, and for what was kept: to `process`."""
        self._process = process
        while self._kept:
            process.send_signal(self._kept.pop(0))

    def _forward(self, number: int, frame: FrameType | None) -> None:
        # The terminal sends Ctrl-C to the whole foreground group: the command has it already.
        if number == signal.SIGINT and _in_foreground():
            return
        if self._process is None:
            self._kept.append(number)
        else:
            self._process.send_signal(number)


def _in_foreground() -> bool:
    try:
        descriptor = os.open("/dev/tty", os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(descriptor)
