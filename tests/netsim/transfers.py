"""Whole streams between two hosts under one virtual clock, both ways at once, over a link that does its worst."""

from dataclasses import dataclass, field
from typing import Any

from netcore.endpoint import OK, WOULD_BLOCK, Endpoint, status_name
from netcore.engine import Engine, state_name
from netcore.impair import Impairment
from netcore.listener import Listener
from netcore.simulator import Pair

MILLISECOND = 1_000_000
SECOND = 1_000_000_000
LEFT = "10.0.0.1"
RIGHT = "10.0.0.2"
PORT = 80
# a transfer that has made no progress for this long of virtual time is stalled: more than any row of back-offs that
# the losses of these tests cause
STALLED = 600 * SECOND


def stream(seed: int, size: int) -> bytes:
    """`size` bytes that differ from seed to seed and do not repeat with the size of segments."""
    block = bytes((seed * 131 + at * 7 + at // 251) & 0xFF for at in range(min(size, 65521)))
    return (block * (size // max(len(block), 1) + 1))[:size]


@dataclass
class Side:
    """One end: what it sends, what it got, how it writes and reads."""

    engine: Engine
    text: bytes
    write_size: int = 20_000
    read_size: int = 50_000
    endpoint: Endpoint | None = None
    sent: int = 0
    shut: bool = False
    ended: bool = False
    received: bytearray = field(default_factory=bytearray)

    def work(self) -> bool:
        """Writes and reads what can be; True when anything went on."""
        endpoint = self.endpoint
        if endpoint is None:
            return False
        before = (self.sent, self.shut, self.ended, len(self.received))
        assert endpoint.status == OK, f"{status_name(endpoint.status)} in {state_name(endpoint.state)}"
        while self.sent < len(self.text):
            count = endpoint.send(memoryview(self.text)[self.sent : self.sent + self.write_size])
            if count < 0:
                break
            self.sent += count
        if self.sent == len(self.text) and not self.shut and endpoint.shutdown_send() == OK:
            self.shut = True
        buffer = bytearray(self.read_size)
        while not self.ended:
            count = endpoint.receive_into(buffer)
            if count <= 0:
                assert count in (0, WOULD_BLOCK, -2), status_name(count)
                self.ended = count == 0
                break
            self.received += buffer[:count]
        return before != (self.sent, self.shut, self.ended, len(self.received))


@dataclass
class Transfer:
    """Both directions of one connection. `run` ends when each side has all of the other's text and the FINs."""

    seed: int
    sizes: tuple[int, int] = (60_000, 60_000)
    link: dict[str, Any] = field(default_factory=dict)
    left: dict[str, Any] = field(default_factory=dict)
    right: dict[str, Any] = field(default_factory=dict)
    sides: dict[str, Any] = field(default_factory=dict)
    record: bool = False
    start: int = 0

    def __post_init__(self) -> None:
        engines = [
            Engine(address=address, prefix=24, seed=b"%016d" % (2 * self.seed + number), **arguments)
            for number, (address, arguments) in enumerate(((LEFT, self.left), (RIGHT, self.right)))
        ]
        for engine in engines:
            engine.advance(self.start)
        mtu = min(engine.mtu for engine in engines)
        self.impairments = [Impairment(seed=2 * self.seed + number, **{"mtu": mtu, **self.link}) for number in (0, 1)]
        self.pair = Pair(engines[0], engines[1], forward=self.impairments[0], backward=self.impairments[1])
        self.pair.record(self.record)
        self.client = Side(engines[0], stream(self.seed, self.sizes[0]), **self.sides)
        self.server = Side(engines[1], stream(self.seed + 1, self.sizes[1]), **self.sides)

    def __str__(self) -> str:
        sides = [
            f"{side.sent} of {len(side.text)} sent, {len(side.received)} received, "
            f"{side.endpoint.info() if side.endpoint else 'no connection'}"
            for side in (self.client, self.server)
        ]
        return f"seed {self.seed}, {self.link}: " + "; ".join(sides)

    def connect(self) -> Listener:
        """Starts the active open; the listener of the other side."""
        listener = self.server.engine.listen(None, PORT, 4)
        assert isinstance(listener, Listener)
        endpoint = self.client.engine.connect(40_000, (bytes((10, 0, 0, 2)), PORT))
        assert isinstance(endpoint, Endpoint)
        endpoint.set_syn_timing(SECOND, 12)
        self.client.endpoint = endpoint
        return listener

    def run(self) -> "Transfer":
        """Carries it out to the end and checks everything that must hold then."""
        try:
            listener = self.connect()
            self.until_done(listener)
            self.check()
        except AssertionError as failure:
            raise AssertionError(f"{self}: {failure}") from failure
        return self

    def until_done(self, listener: Listener) -> None:
        progress = self.pair.now
        while True:
            if self.server.endpoint is None:
                accepted = listener.accept()
                self.server.endpoint = accepted if isinstance(accepted, Endpoint) else None
            moved = [side.work() for side in (self.client, self.server)]
            if self.client.ended and self.server.ended and self.client.shut and self.server.shut:
                break
            if any(moved):
                progress = self.pair.now
            assert self.pair.step(), "nothing is scheduled, yet the transfer is not done"
            assert self.pair.now - progress < STALLED, "stalled"
        listener.close()

    def check(self) -> None:
        """Bytes equal, memory back, no counter that must stay zero."""
        assert bytes(self.client.received) == self.server.text
        assert bytes(self.server.received) == self.client.text
        for side in (self.client, self.server):
            assert side.endpoint is not None
            side.endpoint.close()
        # the last ACKs, retransmitted FINs and TIME-WAIT
        self.pair.run_until(self.pair.now + 1000 * SECOND)
        for side in (self.client, self.server):
            usage = side.engine.usage()
            left = {name: count for name, count in usage.items() if count and name != "neighbors"}
            assert not left, f"left over: {left}"
            assert side.engine.counters()["IllegalTransitions"] == 0
            assert side.engine.counters()["TCPAbortOnTimeout"] == 0
