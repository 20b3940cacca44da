"""Spoofed SYNs against a live listener while clients on the kernel's sockets are served (LISTEN-74 to 78)."""

import contextlib
import hashlib
import json
import random
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stack.applications.server import Server
from stack.applications.stream import StreamSocket
from tapdev import link
from tests.live.host import LiveHost, live_host, wait_until

FETCHERS = Path(__file__).with_name("listener_fetchers.py")
FLOODER = Path(__file__).with_name("listener_flooder.py")
PORT = 4200
BACKLOG = 128
CLIENTS = 200
WORKERS = 20
SIZE = 20_000  # bytes that each client fetches
NUMBER = 8  # bytes that it says first
QUEUE = 16384  # frames that the device keeps for the loop: what comes while another program has its processor
GENTLE = 2000  # SYNs a second, enough to fill the queue and to enter the mode
SHARE = 0.75  # of what the loop reads
SPOOFED = "198.18.0.0/15"
LOOP = "wspstack-loop"
CLIENT_PATIENCE = 250  # seconds


class Source:
    """Answers the number that a client says with a stream of the client's own, and closes."""

    def __init__(self) -> None:
        self.octets = random.Random(7).randbytes(SIZE)

    def stream(self, number: bytes) -> bytes:
        """What the client of this number gets."""
        return number + self.octets

    def serve(self, connection: StreamSocket) -> None:
        """The program of one connection."""
        number, buffer = b"", bytearray(NUMBER)
        while len(number) < NUMBER and (count := connection.receive_into(buffer)):
            number += buffer[:count]
        connection.send(self.stream(number))
        connection.close()

    def count_right(self, sums: dict[str, str]) -> int:
        """How many of the clients got their stream whole."""
        return sum(
            hashlib.sha256(self.stream(int(number).to_bytes(NUMBER, "big"))).hexdigest() == digest
            for number, digest in sums.items()
        )


class Flood:
    """The flooder's program in the namespace."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def begin(self, rate: int, seconds: float) -> None:
        """Starts to send; `end` has to follow."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{rate} {seconds}\n")
        self.process.stdin.flush()

    def end(self) -> dict[str, Any]:
        """Waits until the sending is over; what was sent, and dropped by the device."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the flooder has ended"
        told: dict[str, Any] = json.loads(line)
        return told

    def run(self, rate: int, seconds: float) -> dict[str, Any]:
        """Sends and waits."""
        self.begin(rate, seconds)
        return self.end()


@contextlib.contextmanager
def flooder(host: LiveHost, port: int = PORT) -> Iterator[Flood]:
    """Gives the flooder. Answers to the addresses that it uses end in the namespace."""
    with host.lab.inside.routes() as route:
        route.route("add", dst=SPOOFED, type="blackhole")
        link.set_queue_length(route, host.lab.tap.name, QUEUE)
    command = [sys.executable, str(FLOODER), host.lab.tap.name, host.stack.engine.mac.hex(":"), host.address, str(port)]
    with host.lab.popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Flood(process)
        finally:
            process.kill()


def resident() -> int:
    """Bytes of this process that are in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@dataclass
class Watch:
    """What the host did between two moments."""

    seconds: float = 0.0
    busy: float = 0.0  # seconds of processor time of the loop
    counters: dict[str, int] = field(default_factory=dict)
    resident: list[int] = field(default_factory=list)
    connections: list[int] = field(default_factory=list)

    @property
    def grown(self) -> int:
        """Bytes by which the process was larger at its largest than at the beginning."""
        return max(self.resident) - self.resident[0]

    @property
    def frames_per_second(self) -> float:
        """Frames that the loop read."""
        return self.counters["FramesIn"] / self.seconds

    @property
    def nanoseconds_per_frame(self) -> float:
        """Processor time of the loop."""
        return self.busy / self.counters["FramesIn"] * 1e9


@contextlib.contextmanager
def watching(host: LiveHost) -> Iterator[Watch]:
    """Fills a Watch by the end of the block."""
    (loop,) = (thread for thread in threading.enumerate() if thread.name == LOOP)
    assert loop.ident is not None
    clock = time.pthread_getcpuclockid(loop.ident)
    watch, ended = Watch(), threading.Event()

    def look() -> None:
        while not ended.is_set():
            watch.resident.append(resident())
            watch.connections.append(host.usage()["connections"])
            ended.wait(0.1)

    before, busy, start = host.stack.engine.counters(), time.clock_gettime(clock), time.monotonic()
    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield watch
    finally:
        ended.set()
        watcher.join()
    watch.seconds, watch.busy = time.monotonic() - start, time.clock_gettime(clock) - busy
    after = host.stack.engine.counters()
    watch.counters = {name: after[name] - before[name] for name in after}


def rate_without_drops(host: LiveHost, flood: Flood, seconds: float) -> tuple[int, int]:
    """What the loop reads a second when more comes than it can read, and a rate at which nothing is dropped.

    The second is SHARE of the first; less when that was still too much, be it for what else runs on the machine.
    """
    with watching(host) as watch:
        flood.run(0, seconds)
    read = int(watch.frames_per_second)
    rate = int(read * SHARE)
    while flood.run(rate, seconds)["dropped"] and rate > GENTLE:
        rate = int(rate * SHARE)
    return read, rate


@dataclass
class Outcome:
    """What came of a flood."""

    read: int  # frames a second that the loop could read at most
    rate: int  # SYNs a second that were sent
    sent: dict[str, Any]
    watch: Watch
    failures: list[str]
    served: int  # clients that fetched a stream whole
    under_attack: bool  # at the end
    longest: float  # seconds that a client took


def clients_during_flood(
    seconds: float, *, protection: bool = True, rate: int | None = None, say: Callable[[str], None] = print
) -> Outcome:
    """Floods a listener for `seconds` while CLIENTS fetch a stream each, and again until the flood is over.

    rate: SYNs a second; None: measured first.
    """
    source = Source()
    served, failures, longest = 0, [], 0.0
    with live_host(syn_protection=protection) as host, flooder(host) as flood:

        def fetch() -> None:
            nonlocal served, longest
            command = [sys.executable, str(FETCHERS), host.address, str(PORT), str(CLIENTS), str(WORKERS)]
            result = host.run(*command, seconds=CLIENT_PATIENCE)
            assert result.returncode == 0, result.stderr
            told = json.loads(result.stdout)
            failures.extend(told["failures"])
            served += source.count_right(told["sums"])
            longest = max(longest, told["longest"])

        with Server(host.stack.provider, PORT, source.serve, name="flooded", backlog=BACKLOG) as server:
            fetch()  # threads and pools are there from now on
            assert (served, failures) == (CLIENTS, [])
            counters = host.stack.engine.counters

            def in_mode() -> bool:
                flood.run(GENTLE, 0.2)
                return counters()["SynFloodsBegun"] > counters()["SynFloodsEnded"]

            if protection:
                wait_until(in_mode, 30, lambda: "the mode is not entered")
            else:
                flood.run(GENTLE, 2.0)
            read = 0
            if rate is None:
                read, rate = rate_without_drops(host, flood, min(1.5, seconds / 3))
                say(f"the loop reads {read} SYNs a second; {rate} a second pass without drops")

            served, longest = 0, 0.0
            with watching(host) as watch:
                flood.begin(rate, seconds)
                end = time.monotonic() + seconds
                fetch()
                while time.monotonic() < end:
                    fetch()
                sent = flood.end()
            under_attack = counters()["SynFloodsBegun"] > counters()["SynFloodsEnded"]
            wait_until(lambda: server.connections == 0, 30, lambda: f"{server.connections} connections do not end")
        assert counters()["IllegalTransitions"] == 0
    return Outcome(read, rate, sent, watch, failures, served, under_attack, longest)
