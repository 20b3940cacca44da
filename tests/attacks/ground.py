"""Two live streams between the kernel and a stack of ours, and what the stack does while they are attacked.

`down` goes from us to the kernel's client, which sends nothing at all, so that what we expect next of it never moves:
the best of cases for an attacker. `up` goes the other way.
"""

import contextlib
import hashlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netcore.endpoint import Endpoint
from stack.applications.server import Server
from stack.applications.stream import StreamSocket
from tests.attacks.client import PAUSE, pieces
from tests.attacks.taps import Tap
from tests.live.host import LiveHost, live_host, wait_until
from tests.live.listener_flood import LOOP, resident

CLIENT = Path(__file__).with_name("client.py")
DOWN_PORT, UP_PORT = 4300, 4301
PATIENCE = 60  # seconds for a stream that should move
BUFFER = 256 << 10  # bytes, of each connection in each direction, so that the memory of the streams has a bound
STEPS = 10  # of an attack; the streams must move in each
STRIDE = 128 << 10  # bytes that each stream must move in a step
AHEAD = 1024  # frames that the attacker may be ahead of the stack
SET_TIMESTAMPS = "import sys; open('/proc/sys/net/ipv4/tcp_timestamps', 'w').write(sys.argv[1])"
BASELINE = 4 << 20  # bytes of each stream that are measured without an attack


@dataclass
class Flow:
    """One of the two streams: our end, and the kernel's."""

    server: "FlowServer"
    process: "subprocess.Popen[str]"
    port: int  # the client's

    @property
    def endpoint(self) -> Endpoint:
        """Our end's connection."""
        assert self.server.endpoint is not None
        return self.server.endpoint

    @property
    def info(self) -> dict[str, int]:
        """Its variables, by their RFC names."""
        found = self.endpoint.info()
        assert found, "the connection has ended"
        return found

    @property
    def moved(self) -> int:
        """Bytes that our program has sent or received so far."""
        return self.server.moved


class FlowServer:
    """Our program at one end of a stream."""

    def __init__(self, host: LiveHost, port: int) -> None:
        self.host, self.port = host, port
        self.endpoint: Endpoint | None = None
        self.moved = 0
        self.digest = hashlib.sha256()
        self.stop = threading.Event()
        self.ended = threading.Event()
        self.failure: BaseException | None = None

    def serve(self, connection: StreamSocket) -> None:
        """The program of the connection."""
        self.endpoint = self.host.stack.service_provider.descriptors.live[connection.handle].endpoint
        try:
            (self._send if self.port == DOWN_PORT else self._receive)(connection)
        except BaseException as error:
            self.failure = error
        finally:
            self.ended.set()

    def _send(self, connection: StreamSocket) -> None:
        for piece in pieces(1):
            if self.stop.is_set():
                break
            connection.send(piece)
            self.digest.update(piece)
            self.moved += len(piece)
            time.sleep(PAUSE)
        connection.shutdown_send()
        assert connection.receive_into(bytearray(1)) == 0, "the client has said something"
        connection.close()

    def _receive(self, connection: StreamSocket) -> None:
        buffer = bytearray(1 << 20)
        while received := connection.receive_into(buffer):
            self.digest.update(memoryview(buffer)[:received])
            self.moved += received
        connection.finish()


@dataclass
class Outcome:
    """What an attack did."""

    frames: int = 0
    octets: int = 0  # of the frames
    seconds: float = 0.0
    moved: dict[str, int] = field(default_factory=dict)  # bytes of each stream meanwhile
    counters: dict[str, int] = field(default_factory=dict)  # what each has grown by
    held: dict[str, int] = field(default_factory=dict)  # most of each count of Engine.usage
    busy: float = 0.0  # seconds of processor time of the loop
    quiet: float = 0.0  # of these, what the streams need alone
    grown: int = 0  # bytes by which the process, attacker included, was larger at its largest than at the beginning
    told: dict[str, Any] = field(default_factory=dict)  # what the attack itself saw

    @property
    def memory(self) -> int:
        """The most bytes on the stack's account at any time, those of the streams included."""
        return self.held["chunks"]

    @property
    def microseconds_per_frame(self) -> float:
        """Processor time that a frame of the attack cost."""
        return max(0.0, self.busy - self.quiet) * 1e6 / max(1, self.frames)


class Ground:
    """A live host with its two streams and an attacker."""

    def __init__(self, host: LiveHost, tap: Tap, down: Flow, up: Flow) -> None:
        self.host, self.tap, self.down, self.up = host, tap, down, up
        self.engine = host.stack.engine
        self._held: dict[str, int] = {}
        (loop,) = (thread for thread in threading.enumerate() if thread.name == LOOP)
        assert loop.ident is not None
        self._clock = time.pthread_getcpuclockid(loop.ident)
        self._per_byte = 0.0

    @property
    def flows(self) -> list[Flow]:
        """Both."""
        return [self.down, self.up]

    def look(self) -> None:
        """Notes what the stack holds now."""
        for name, count in {**self.engine.usage(), "resident": resident()}.items():
            self._held[name] = max(count, self._held.get(name, 0))

    def await_progress(self, amount: int = STRIDE) -> None:
        """Waits until each stream has moved by so many bytes more; AssertionError when one does not."""
        start = [flow.moved for flow in self.flows]

        def moved() -> bool:
            self.look()
            return all(flow.moved - before >= amount for flow, before in zip(self.flows, start, strict=True))

        wait_until(moved, PATIENCE, lambda: f"a stream does not move: {[flow.info for flow in self.flows]}")

    def await_frames(self, count: int) -> None:
        """Waits until the stack has read so many frames since it began; AssertionError when it does not."""
        deadline = time.monotonic() + PATIENCE
        while self.engine.counters()["FramesIn"] < count:
            assert time.monotonic() < deadline, "the stack does not read what the attacker has sent"
            time.sleep(0.0005)

    def measure_quiet(self) -> None:
        """Measures what the streams cost the loop alone, by byte."""
        before, moved = time.clock_gettime(self._clock), sum(flow.moved for flow in self.flows)
        self.await_progress(BASELINE)
        spent = time.clock_gettime(self._clock) - before
        self._per_byte = spent / (sum(flow.moved for flow in self.flows) - moved)

    def attack(self, bursts: Iterable[list[bytes]], frames: int) -> Outcome:
        """Sends the bursts, about `frames` frames in all, and returns what came of it.

        After each tenth both streams must have moved on.
        """
        outcome, step = Outcome(), max(1, frames // STEPS)
        with self.watching(outcome):
            begun, due = self.engine.counters()["FramesIn"], step
            for burst in bursts:
                for frame in burst:
                    self.tap.send(frame)
                    outcome.octets += len(frame)
                outcome.frames += len(burst)
                self.await_frames(begun + outcome.frames - AHEAD)
                self.look()
                if outcome.frames >= due:
                    due += step
                    self.await_progress()
            self.await_progress()
        return outcome

    @contextlib.contextmanager
    def watching(self, outcome: Outcome) -> Iterator[None]:
        """Fills what the stack tells into an outcome."""
        self._held, begun = {}, resident()
        self.look()
        before, moved = self.engine.counters(), {flow.server.port: flow.moved for flow in self.flows}
        busy, start = time.clock_gettime(self._clock), time.monotonic()
        yield
        outcome.busy = time.clock_gettime(self._clock) - busy
        outcome.seconds = time.monotonic() - start
        after = self.engine.counters()
        outcome.counters = {name: after[name] - before[name] for name in after}
        outcome.moved = {
            name: flow.moved - moved[flow.server.port] for name, flow in zip(("down", "up"), self.flows, strict=True)
        }
        outcome.quiet = self._per_byte * sum(outcome.moved.values())
        outcome.held = dict(self._held)
        outcome.grown = self._held["resident"] - begun

    def finish(self) -> None:
        """Ends both streams. AssertionError unless every byte of both arrived as it was sent."""
        self.down.server.stop.set()
        for flow in self.flows:
            told, _ = flow.process.communicate("\n", timeout=PATIENCE)
            assert flow.server.ended.wait(PATIENCE), "our program does not end"
            assert flow.server.failure is None, flow.server.failure
            found = json.loads(told)
            assert found == {"bytes": flow.moved, "sha256": flow.server.digest.hexdigest()}


def open_flow(host: LiveHost, port: int, undo: contextlib.ExitStack) -> Flow:
    """Starts one stream."""
    server = FlowServer(host, port)
    undo.enter_context(Server(host.stack.provider, port, server.serve, name=f"flow-{port}"))
    way = "down" if port == DOWN_PORT else "up"
    process = undo.enter_context(
        host.lab.popen(
            [sys.executable, str(CLIENT), way, host.address, str(port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
    )  # fmt: skip
    undo.callback(process.kill)
    assert process.stdout is not None
    return Flow(server, process, int(process.stdout.readline()))


@contextlib.contextmanager
def ground(*, timestamps: bool = False, **tunables: int) -> Iterator[Ground]:
    """Gives the ground with both streams flowing; at the end every byte of both must have arrived.

    timestamps: whether the kernel's client asks for them. Without, an attacker has less to guess.
    """
    buffers = {"send_buffer": BUFFER, "receive_buffer": BUFFER}
    with contextlib.ExitStack() as undo:
        host = undo.enter_context(live_host(tunables=buffers | tunables))
        told = host.run(sys.executable, "-c", SET_TIMESTAMPS, str(int(timestamps)))
        assert told.returncode == 0, told.stderr
        tap = undo.enter_context(Tap(host.lab))
        place = Ground(host, tap, open_flow(host, DOWN_PORT, undo), open_flow(host, UP_PORT, undo))
        place.measure_quiet()
        yield place
        place.finish()
        assert place.engine.counters()["IllegalTransitions"] == 0
