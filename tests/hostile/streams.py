"""Live connections: two hosts that send each other a known stream and look at every byte that comes."""

import random
from dataclasses import dataclass, field

from netcore.endpoint import OK, WOULD_BLOCK, Endpoint, status_name

# of a prime length, so that a byte that is lost or repeated shows at once
PATTERN = random.Random(1982).randbytes(65521)
DOUBLED = PATTERN + PATTERN


class Disturbed(AssertionError):
    """A live connection lost, changed or repeated something, or ended."""


@dataclass
class Flow:
    """One direction of a live connection."""

    name: str
    sender: Endpoint
    receiver: Endpoint
    sent: int = 0
    received: int = 0
    paused: int = 0
    _buffer: bytearray = field(default_factory=lambda: bytearray(65521))

    def send(self, size: int) -> None:
        """Sends the next `size` bytes of the stream if the sender takes them."""
        at = self.sent % len(PATTERN)
        taken = self.sender.send(DOUBLED[at : at + size])
        if taken == WOULD_BLOCK:
            return
        if taken != size:
            raise Disturbed(f"{self.name}: send gave {status_name(taken)} after {self.sent} bytes")
        self.sent += size

    def receive(self) -> bool:
        """Reads what is there and compares it; True at the end of the stream."""
        while True:
            count = self.receiver.receive_into(self._buffer)
            if count == WOULD_BLOCK:
                return False
            if count < 0:
                raise Disturbed(f"{self.name}: receive gave {status_name(count)} after {self.received} bytes")
            if count == 0:
                return True
            at = self.received % len(PATTERN)
            if memoryview(self._buffer)[:count] != memoryview(DOUBLED)[at : at + count]:
                raise Disturbed(f"{self.name}: wrong bytes within {count} after {self.received}")
            self.received += count


class LiveConnection:
    """Both flows of one connection."""

    def __init__(self, name: str, victim_end: Endpoint, friend_end: Endpoint) -> None:
        self.name = name
        self.victim_end = victim_end
        self.friend_end = friend_end
        self.flows = (
            Flow(f"{name} from the victim", victim_end, friend_end),
            Flow(f"{name} to the victim", friend_end, victim_end),
        )

    def work(self, source: random.Random) -> None:
        """Each program sends a little and reads, now and then one stops reading for a while: its window closes."""
        for flow in self.flows:
            if source.random() < 0.5:
                flow.send(source.choice((1, 100, 1448, 3000, 9000)))
            if flow.paused:
                flow.paused -= 1
            elif source.random() < 0.002:
                flow.paused = source.choice((10, 100, 300))
            elif flow.receive():
                raise Disturbed(f"{flow.name}: the stream ended after {flow.received} bytes")
        self.check()

    def check(self) -> None:
        """Both ends live.

        Raises:
            Disturbed: one has ended.
        """
        for end, endpoint in (("the victim's", self.victim_end), ("the friend's", self.friend_end)):
            if endpoint.status != OK:
                raise Disturbed(f"{self.name}: {end} end is {status_name(endpoint.status)}")

    def is_delivered(self) -> bool:
        """True when every byte that was sent has been read on the other side."""
        for flow in self.flows:
            flow.paused = 0
            flow.receive()
        return all(flow.sent == flow.received for flow in self.flows)
