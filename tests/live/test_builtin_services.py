"""Servers inside the core, with clients of the kernel, while Python is busy."""

import contextlib
import json
import mmap
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from netcore.impair import Impairment
from stack.applications.services import DISCARD_PORT, ECHO_PORT, SOURCE_PORT
from stack.serving import BuiltinService
from tests.live.host import SECONDS, LiveHost, live_host, wait_until

pytestmark = pytest.mark.live

CLIENTS = Path(__file__).with_name("clients_of_services.py")
PORTS = {"echo": ECHO_PORT, "discard": DISCARD_PORT, "source": SOURCE_PORT}
SIZE = 20_000_000
CONVERSATIONS = 500
FOREVER = 1000.0  # seconds for which no thread asks another for the interpreter


@contextlib.contextmanager
def three_services(host: LiveHost) -> Iterator[dict[str, BuiltinService]]:
    """Echo, discard and source at their ports."""
    with contextlib.ExitStack() as undo:
        yield {name: undo.enter_context(host.stack.serve(name, port)) for name, port in PORTS.items()}


@contextlib.contextmanager
def clients(host: LiveHost, shared: Path, size: int, conversations: int) -> Iterator["tuple[Any, mmap.mmap]"]:
    """The process, which waits for the first of the flags, and the flags."""
    shared.write_bytes(bytes(2))
    command = [sys.executable, str(CLIENTS), host.address, str(shared), str(size), str(conversations)]
    with (
        shared.open("r+b") as file,
        mmap.mmap(file.fileno(), 2) as flags,
        host.lab.popen(command, stdout=subprocess.PIPE, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "here\n"
            yield process, flags
        finally:
            process.kill()


def wait_until_none_is_open(services: dict[str, BuiltinService]) -> None:
    """Waits until every connection has ended."""
    wait_until(lambda: not any(each.counters()["open"] for each in services.values()), SECONDS, lambda: "still open")


def results(process: Any) -> dict[str, int]:
    """What the clients tell when they have ended."""
    output, _ = process.communicate(timeout=SECONDS)
    told: dict[str, int] = json.loads(output)
    return told


def spin(flags: mmap.mmap) -> bool:
    """Computes until the clients have ended. It makes no call that would let go of the interpreter's lock."""
    limit = time.monotonic() + SECONDS
    flags[0] = 1
    while not flags[1]:
        if time.monotonic() > limit:
            return False
    return True


class Onlooker:
    """A thread that wants the interpreter a thousand times a second, and counts how often it got it."""

    def __init__(self) -> None:
        self.turns = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.001):
            self.turns += 1


@contextlib.contextmanager
def interpreter_kept() -> Iterator[None]:
    """From here on no thread is given the interpreter unless this one lets go of it."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(FOREVER)
    try:
        time.sleep(0.05)  # whoever asked under the old rule has had it
        yield
    finally:
        sys.setswitchinterval(before)


def test_services_need_no_python_thread_to_get_the_interpreter(tmp_path: Path) -> None:
    """The lock is held from before the first SYN to after the last RST: what is done then is done without it."""
    with live_host() as host, three_services(host) as services, Onlooker() as onlooker:
        with clients(host, tmp_path / "flags", SIZE, CONVERSATIONS) as (process, flags):
            with interpreter_kept():
                before = onlooker.turns
                finished = spin(flags)
                turns = onlooker.turns - before
            told = results(process)
        assert finished, "the clients did not end"
        assert turns == 0
        assert told == {"echo": SIZE, "discard": SIZE, "source": SIZE, "conversations": CONVERSATIONS}
        wait_until_none_is_open(services)
        counters = {name: service.counters() for name, service in services.items()}
        host.settle(listeners=3)
    assert counters["echo"]["sent"] == SIZE + CONVERSATIONS
    assert counters["discard"]["received"] == SIZE
    assert counters["source"]["sent"] >= SIZE
    assert counters["echo"]["accepted"] == 1 + CONVERSATIONS
    assert counters["echo"]["failed"] == CONVERSATIONS


@pytest.mark.parametrize("faults", ["none", "bad link", "no offloads"])
def test_services_answer_kernel_clients(tmp_path: Path, faults: str) -> None:
    impairments: dict[str, Any] = {}
    if faults == "bad link":
        for number, way in enumerate(("inbound", "outbound")):
            impairments[way] = Impairment(seed=number, loss=10_000, reorder=20_000, duplicate=10_000, corrupt=5_000)
    size, conversations = (1_000_000, 20) if impairments else (5_000_000, 100)
    with live_host(offloads=faults != "no offloads", **impairments) as host, three_services(host) as services:
        with clients(host, tmp_path / "flags", size, conversations) as (process, flags):
            flags[0] = 1
            told = results(process)
        assert told == {"echo": size, "discard": size, "source": size, "conversations": conversations}
        assert services["echo"].counters()["sent"] == size + conversations
    assert host.stack.counters()["IllegalTransitions"] == 0


def test_peer_that_stops_reading_holds_up_nobody_else(tmp_path: Path) -> None:
    with live_host() as host, three_services(host) as services:
        stuck = """if 1:
            import socket, sys
            source, echo = (socket.create_connection((sys.argv[1], port)) for port in (19, 7))
            echo.setblocking(False)
            sent = 0
            try:
                while True:
                    sent += echo.send(bytes(65536))
            except BlockingIOError:
                pass
            print("stuck", flush=True)
            sys.stdin.read()"""
        command = [sys.executable, "-c", stuck, host.address]
        with host.lab.popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as peer:
            assert peer.stdout is not None
            assert peer.stdout.readline() == "stuck\n"
            with clients(host, tmp_path / "flags", 1_000_000, 20) as (process, flags):
                flags[0] = 1
                told = results(process)
            assert told == {"echo": 1_000_000, "discard": 1_000_000, "source": 1_000_000, "conversations": 20}
            assert services["echo"].counters()["open"] >= 1
            assert services["source"].counters()["open"] == 1
            peer.kill()
        wait_until_none_is_open(services)


def test_stack_that_stops_ends_what_is_served() -> None:
    with live_host() as host, three_services(host):
        client = """if 1:
            import socket, sys
            echo = socket.create_connection((sys.argv[1], 7))
            echo.sendall(b"x")
            print(echo.recv(1).decode(), flush=True)
            print(echo.recv(1), flush=True)"""
        command = [sys.executable, "-c", client, host.address]
        with host.lab.popen(command, stdout=subprocess.PIPE, text=True) as peer:
            assert peer.stdout is not None
            assert peer.stdout.readline() == "x\n"
            host.stack.stop()
            assert peer.stdout.readline() == "b''\n"
