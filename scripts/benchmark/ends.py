"""The ends that are compared: each a server in a namespace of its own, and a namespace where the client runs."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Any

from scripts.benchmark.programs import Programs
from tapdev import Namespace, VethLab, clean, link
from tapdev.claim import claim_and_make

ROOT = Path(__file__).resolve().parents[2]
# What is measured is the tree that this file belongs to, wherever another one is installed.
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "cython"), str(ROOT)])}
PATIENCE = 20.0  # seconds for a program to begin or to end
REMINDER = 0.5  # seconds after which a program is asked again to end


class EndFailed(RuntimeError):
    """A program did not start, ended, or told nonsense; the message says which and what it said."""


class LeftOut(RuntimeError):
    """Something cannot be measured here; the message is the reason."""


@dataclass(frozen=True)
class Site:
    """What all ends share: compiled programs, bytes of IP packet, congestion control of the kernel's sockets."""

    programs: Programs
    mtu: int
    congestion: str


@dataclass
class End:
    """One end that answers: where the client runs, the server's address, its processes, the measured one first."""

    name: str
    client: Namespace
    address: str
    processes: list["subprocess.Popen[str]"]
    spinner: int | None = None  # a thread beside the application

    def place(self, processors: set[int]) -> None:
        """Lets every thread of the processes run on these processors only."""
        for process in self.processes:
            for thread in os.listdir(f"/proc/{process.pid}/task"):
                with contextlib.suppress(ProcessLookupError):
                    os.sched_setaffinity(int(thread), processors)

    def rest(self) -> None:
        """Stops the processes, so that they take no processor time from who is measured."""
        self._signal(signal.SIGSTOP)

    @contextlib.contextmanager
    def awake(self) -> Iterator[None]:
        """Lets the processes run for the block."""
        self._signal(signal.SIGCONT)
        try:
            yield
        finally:
            self._signal(signal.SIGSTOP)

    def check(self) -> None:
        """Raises EndFailed when a process has ended."""
        for process in self.processes:
            if process.poll() is not None:
                raise EndFailed(f"{self.name}: a process ended with status {process.returncode}")

    def _signal(self, number: int) -> None:
        for process in self.processes:
            process.send_signal(number)


@contextlib.contextmanager
def running(namespace: Namespace, command: list[str], **options: Any) -> Iterator["subprocess.Popen[str]"]:
    """Starts a program inside and ends it with the block; its stderr is told when it ends too early."""
    with tempfile.TemporaryFile("w+") as errors:
        given: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": errors, "stdin": subprocess.DEVNULL, **options}
        with namespace.popen(command, text=True, cwd=ROOT, env=ENVIRONMENT, **given) as process:
            try:
                yield process
            except EndFailed as failure:
                errors.seek(0)
                said = errors.read().strip().splitlines()
                raise EndFailed(f"{failure}: {said[-1]}" if said else str(failure)) from None
            finally:
                _end(process)


def _end(process: "subprocess.Popen[str]") -> None:
    """Ends a process, which may be stopped."""
    process.send_signal(signal.SIGCONT)
    for _ in range(int(PATIENCE / REMINDER)):
        # A thread that goes on again at this moment may take the signal, and Python's main thread sleeps on.
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(REMINDER)
            return
    process.kill()


def wait_for_line(process: "subprocess.Popen[str]", wanted: str) -> list[str]:
    """Reads stdout up to the line `wanted`; returns the lines before it. Raises EndFailed."""
    assert process.stdout is not None
    lines: list[str] = []
    impatience = threading.Timer(PATIENCE, process.kill)
    impatience.start()
    try:
        for line in process.stdout:
            if line.strip() == wanted:
                return lines
            lines.append(line.strip())
    finally:
        impatience.cancel()
    raise EndFailed(f"{process.args!r} ended before it was ready")


@contextlib.contextmanager
def veth(name: str, site: Site, *options: str) -> Iterator[End]:
    """The kernel's TCP behind a veth pair."""
    with VethLab(mtu=site.mtu) as lab:
        command = [str(site.programs.server), "--congestion", site.congestion, *options]
        with running(lab.server, command) as server:
            wait_for_line(server, "ready")
            yield End(name, lab.client, str(lab.server_address), [server])


@contextlib.contextmanager
def on_tap(name: str, site: Site, command: Callable[[IPv4Address], list[str]]) -> Iterator[End]:
    """A program that makes the device tap0 in the namespace where the client runs, too, and prints `ready`."""
    clean()
    claim, namespace = claim_and_make(lambda claim: Namespace.create(claim.name))
    with contextlib.closing(claim), namespace:
        kernel, address = claim.network[1], claim.network[2]
        with running(namespace, command(address)) as server:
            lines = wait_for_line(server, "ready")
            with namespace.routes() as route:
                link.set_up(route, "lo")
                link.set_mtu(route, "tap0", site.mtu)
                link.add_address(route, "tap0", IPv4Interface(f"{kernel}/{claim.network.prefixlen}"))
                link.set_up(route, "tap0")
            spinner = next((int(line.split()[1]) for line in lines if line.startswith("spinner ")), None)
            yield End(name, namespace, str(address), [server], spinner)


def ceiling(name: str, site: Site, *options: str) -> AbstractContextManager[End]:
    """The C program without a stack."""
    program = str(site.programs.ceiling)
    return on_tap(name, site, lambda address: [program, "tap0", str(address), "--mtu", str(site.mtu), *options])


def ours(
    name: str, site: Site, *options: str, program: tuple[str, ...] = ("-m", "stack.cli")
) -> AbstractContextManager[End]:
    """`wspstack services`."""

    def command(address: IPv4Address) -> list[str]:
        start = [sys.executable, *program, "services", "--tap", "tap0", "--address", f"{address}/24"]
        return [*start, "--mtu", str(site.mtu), *options]

    return on_tap(name, site, command)
