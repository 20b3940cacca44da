"""Scripted runs of two hosts in memory; of one of them, repeated alone, the instructions are counted.

    runs.py

makes every run with both hosts, then repeats each host's part of it with a fresh host of the same seed, which is handed
the same frames and calls. Around what counts it calls getsid, where callgrind writes down what it has counted so far.
Prints a line for each count: its name, and how many units (segments, round trips, connections) it covers.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    ROOT = Path(__file__).parents[2]
    sys.path[:0] = [str(ROOT), str(ROOT / "cython")]

from netcore.endpoint import Endpoint
from netcore.engine import Engine
from netcore.listener import Listener

OURS, THEIRS = "10.0.0.1", "10.0.0.2"
TARGET = (bytes((10, 0, 0, 1)), 80)
SECOND, MICROSECOND = 1_000_000_000, 1000
TRIP = 100 * MICROSECOND  # from one exchange to the next
TWO_MSL = 61 * SECOND
BATCH = 32  # frames handed over at once, as by a loop
WRITE = 262_144
WARM_UP = 2_000_000  # bytes, until windows have opened
BULK = 4_000_000  # bytes that count
ROUNDS = 500  # round trips
PARALLEL, CONNECTIONS = 16, 256

Options = dict[str, Any]
SUPERFRAMES: Options = {"vnet_header": True, "offloads": True}


def mark() -> None:
    """Callgrind is told to stop at this function."""
    os.getsid(0)


class Host:
    """One host, and its diary: what was done to it, to be done again."""

    def __init__(self, address: str, options: Options) -> None:
        self.address, self.options = address, options
        self.engine = Engine(address=address, prefix=8, seed=address.encode().ljust(16, b"."), **options)
        self.diary: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []
        self.listener: Listener | None = None
        self.ends: list[Endpoint] = []
        self.buffer = bytearray(WRITE)
        self.sent: list[bytes] = []

    def do(self, act: Callable[..., Any], *arguments: Any) -> Any:
        """Does it and writes it down."""
        self.diary.append((act, arguments))
        return act(self, *arguments)

    def again(self) -> None:
        """Repeats the diary with a fresh host, between two marks what followed the entry `begin`."""
        other = Host(self.address, self.options)
        for act, arguments in self.diary:
            act(other, *arguments)
        mark()
        assert other.sent == self.sent, "a host of the same seed did something else"


def begin(_: Host) -> None:
    """From here on it counts."""
    mark()


def listen(host: Host) -> None:
    """Opens the listener."""
    listener = host.engine.listen(None, TARGET[1], PARALLEL)
    assert isinstance(listener, Listener)
    host.listener = listener


def connect(host: Host, port: int) -> None:
    """Begins a connection from this port."""
    end = host.engine.connect(port, TARGET)
    assert isinstance(end, Endpoint)
    host.ends.append(end)


def accept(host: Host) -> None:
    """Takes one finished connection."""
    assert host.listener is not None
    end = host.listener.accept()
    assert isinstance(end, Endpoint)
    host.ends.append(end)


def send(host: Host, index: int, size: int) -> int:
    """As much of `size` bytes as the connection takes."""
    return host.ends[index].send(host.buffer[:size])


def receive(host: Host, index: int) -> int:
    """Whatever there is."""
    return host.ends[index].receive_into(host.buffer)


def close(host: Host, index: int) -> None:
    """The program's close."""
    host.ends[index].close()


def forget(host: Host) -> None:
    """The program's connections are closed, and it lets go of them."""
    host.ends.clear()


def arrive(host: Host, frames: list[bytes], now: int) -> None:
    """A batch of frames."""
    host.engine.frames_arrive(frames, now)


def advance(host: Host, now: int) -> None:
    """Time passes."""
    host.engine.advance(now)


def leave(host: Host) -> list[bytes]:
    """What the host sends."""
    frames = host.engine.frames_to_send()
    host.sent += frames
    return frames


class Pair:
    """Two hosts in memory."""

    def __init__(self, options: Options) -> None:
        self.server, self.client = Host(OURS, options), Host(THEIRS, options)
        self.now = SECOND
        for host in (self.server, self.client):
            host.do(advance, self.now)
        self.server.do(listen)

    def exchange(self) -> int:
        """What each has to say goes to the other, batch by batch; how many frames there were."""
        self.now += TRIP
        going, coming = self.client.do(leave), self.server.do(leave)
        for host, frames in ((self.server, going), (self.client, coming)):
            for start in range(0, len(frames), BATCH):
                host.do(arrive, frames[start : start + BATCH], self.now)
        return len(going) + len(coming)

    def settle(self) -> None:
        """Until both are silent."""
        while self.exchange():
            pass

    def begin(self) -> None:
        """From here on it counts, when it is done again."""
        for host in (self.server, self.client):
            host.diary.append((begin, ()))

    def open(self) -> None:
        """One connection, accepted."""
        self.client.do(connect, 2000)
        self.settle()
        self.server.do(accept)

    def counter(self, host: Host, name: str) -> int:
        """Its value."""
        return host.engine.counters()[name]

    def pour(self, size: int) -> None:
        """The client sends `size` bytes, the server takes them."""
        got = 0
        while got < size:
            if size > got:
                self.client.do(send, 0, WRITE)
            self.exchange()
            while (count := self.server.do(receive, 0)) > 0:
                got += count
        # what is under way arrives, so that no half batch is left
        for _ in range(2):
            self.exchange()
            self.server.do(receive, 0)


def count(name: str, units: int, host: Host) -> None:
    """Repeats the host's part of a run."""
    host.again()
    print(name, units)


def bulk(options: Options, unit: str) -> None:
    """A stream one way, for both of its ends: by the segments of data, or by the frames that carry many."""
    pair = Pair(options)
    pair.open()
    pair.pour(WARM_UP)
    pair.begin()
    before = len(pair.client.sent)
    pair.pour(BULK)
    frames = len(pair.client.sent) - before
    assert pair.counter(pair.client, "RetransSegs") == 0
    count(f"send-{unit}", frames, pair.client)
    count(f"receive-{unit}", frames, pair.server)


def echo() -> None:
    """One byte to and fro; the end that answers."""
    pair = Pair(SUPERFRAMES)
    pair.open()
    for number in range(2 * ROUNDS):
        if number == ROUNDS:
            pair.begin()
        pair.client.do(send, 0, 1)
        pair.exchange()
        assert pair.server.do(receive, 0) == 1
        pair.server.do(send, 0, 1)
        pair.exchange()
        assert pair.client.do(receive, 0) == 1
    count("echo", ROUNDS, pair.server)


def connections() -> None:
    """Connections with a byte each way, from SYN to the end of TIME-WAIT, which the client has."""
    pair = Pair(SUPERFRAMES)
    for first in range(0, PARALLEL + CONNECTIONS, PARALLEL):
        if first == PARALLEL:
            pair.begin()
        for number in range(PARALLEL):
            pair.client.do(connect, 2000 + first + number)
        pair.settle()
        for number in range(PARALLEL):
            pair.client.do(send, number, 1)
        pair.settle()
        for number in range(PARALLEL):
            pair.server.do(accept)
            assert pair.server.do(receive, number) == 1
            pair.server.do(send, number, 1)
        pair.settle()
        for number in range(PARALLEL):
            assert pair.client.do(receive, number) == 1
            pair.client.do(close, number)
        pair.settle()
        for number in range(PARALLEL):
            assert pair.server.do(receive, number) == 0
            pair.server.do(close, number)
        pair.settle()
        pair.now += TWO_MSL
        for host in (pair.server, pair.client):
            host.do(forget)
            host.do(advance, pair.now)
    for host in (pair.server, pair.client):
        usage = host.engine.usage()
        assert usage["connections"] == usage["time_wait"] == 0
    count("accept", CONNECTIONS, pair.server)
    count("connect", CONNECTIONS, pair.client)


def main() -> None:
    """Every run."""
    bulk({}, "segment")
    bulk(SUPERFRAMES, "superframe")
    echo()
    connections()


if __name__ == "__main__":
    main()
