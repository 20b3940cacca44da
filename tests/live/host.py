"""A live host for a test: the stack at one end of a TAP device, in this process, and the kernel at the other."""

import contextlib
import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netcore.impair import Impairment
from stack.applications.stream import StreamSocket
from stack.assembly import Stack
from stack.config import StackConfig
from tapdev import Lab

PEER = Path(__file__).with_name("peer.py")
SECONDS = 100  # for a client to end; far above what it needs
PAUSE = 0.01  # seconds between two looks at a condition


@dataclass
class LiveHost:
    """A running Stack and the Lab it stands in; real clients run inside the lab."""

    lab: Lab
    stack: Stack

    @property
    def address(self) -> str:
        """The stack's address, dotted."""
        return str(self.lab.stack_address)

    def peer(
        self, *arguments: object, seconds: float = SECONDS, while_paused: Callable[[], object] | None = None
    ) -> dict[str, Any]:
        """Runs tests/live/peer.py inside, `arguments[0]` its action, and returns what it tells.

        while_paused: called when the peer's reader has stopped, which goes on when this returns.
        """
        action, *rest = map(str, arguments)
        command = [sys.executable, str(PEER), action, self.address, *rest]
        with self.lab.popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            try:
                if while_paused is not None:
                    assert process.stdout is not None
                    line = process.stdout.readline()
                    assert line == "paused\n", line
                    while_paused()
                output, _ = process.communicate("\n", timeout=seconds)
            finally:
                process.kill()
        assert process.returncode == 0
        told: dict[str, Any] = json.loads(output)
        return told

    def run(self, *command: str, seconds: float = SECONDS, **options: Any) -> "subprocess.CompletedProcess[Any]":
        """Runs a program inside to its end and returns what came of it; its output is text unless said otherwise."""
        options = {"capture_output": True, "text": True, "timeout": seconds, **options}
        return self.lab.run(list(command), **options)

    def kernel_counters(self) -> dict[str, int]:
        """The kernel's own counters inside (nstat), all of them, since the namespace was made."""
        told = self.run("nstat", "--json", "--ignore", "--zeros", "--noupdate")
        assert told.returncode == 0, told.stderr
        counters: dict[str, int] = json.loads(told.stdout)["kernel"]
        return counters

    def usage(self) -> dict[str, int]:
        """What the engine holds now."""
        return self.stack.engine.usage()

    def settle(self, seconds: float = SECONDS, **expected: int) -> dict[str, int]:
        """Waits until the engine holds nothing but TIME-WAIT records and neighbors, and returns what it holds.

        expected: other counts than 0 that are meant, by their name in `usage`.
        """

        def rest() -> dict[str, int]:
            held = {name: count for name, count in self.usage().items() if name not in ("time_wait", "neighbors")}
            return {name: count for name, count in held.items() if count != expected.get(name, 0)}

        wait_until(lambda: not rest(), seconds, lambda: f"still held: {rest()}")
        return self.usage()


def wait_until(condition: Callable[[], object], seconds: float, what: Callable[[], str]) -> None:
    """Waits for a condition; AssertionError with `what()` when `seconds` have not brought it."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(PAUSE)


@contextlib.contextmanager
def live_host(
    *,
    mtu: int = 1500,
    inbound: Impairment | None = None,
    outbound: Impairment | None = None,
    offloads: bool = True,
    rootless: bool | None = None,
    **config: Any,
) -> Iterator[LiveHost]:
    """Gives a started host in a lab of its own; stops it and removes the lab.

    config: fields of StackConfig. inbound, outbound: faults of the link, as seen from the stack. offloads: whether the
    device has a virtio header and all that comes with it.
    """
    with Lab(mtu=mtu, vnet=offloads, rootless=rootless) as lab:
        settings = StackConfig(address=str(lab.stack_address), prefix=lab.prefix, mtu=mtu, offloads=offloads, **config)
        with Stack(settings, tap=lab.tap, inbound=inbound, outbound=outbound) as stack:
            yield LiveHost(lab, stack)


@contextlib.contextmanager
def serving(
    host: LiveHost, port: int, serve: Callable[[StreamSocket], Any], *, connections: int = 1
) -> "Iterator[queue.SimpleQueue[Any]]":
    """Accepts `connections` at `port`, one after another, and runs `serve` for each in a thread of the test's own.

    Gives a queue of what `serve` returned or raised. All are served when the block ends.
    """
    results: queue.SimpleQueue[Any] = queue.SimpleQueue()
    listener = StreamSocket.listening(host.stack.provider, port)

    def work() -> None:
        try:
            for _ in range(connections):
                results.put(serve(listener.accept()))
        except BaseException as error:
            results.put(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield results
        thread.join(SECONDS)
        assert not thread.is_alive(), "the server has not ended"
    finally:
        listener.close()
