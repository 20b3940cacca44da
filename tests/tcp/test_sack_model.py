"""A transfer to a model of a receiver behind a bad link: what the sender keeps of it against a naive board of segments.

The link loses, doubles and reorders text and ACKs; the board is a set of segment numbers that knows only what the ACKs
said that came through.
"""

import heapq
import random
from typing import Any

import pytest

from tests.tcp.flights import MSS, at, established, start_before_wrap
from tests.tcp.scripted_peer import MILLISECOND, SECOND, Peer
from tests.tcp.segments import Segment

pytestmark = pytest.mark.requirement("REC-1", "REC-2")

SEGMENTS = 90
WAY = 10 * MILLISECOND  # one way


class Receiver:
    """Takes segments whole; what it has, and what its next ACK says (RFC 2018, RFC 2883, RFC 7323 4.3)."""

    def __init__(self) -> None:
        self.have: set[int] = set()
        self.recent: list[int] = []
        self.echo = 0

    @property
    def first_missing(self) -> int:
        """The number of the first segment that is missing."""
        return next(number for number in range(SEGMENTS + 1) if number not in self.have)

    def run(self, number: int) -> tuple[int, int]:
        """The run of segments around this one."""
        first, behind = number, number + 1
        while first - 1 in self.have:
            first -= 1
        while behind in self.have:
            behind += 1
        return first, behind

    def arrive(self, number: int, tsval: int) -> tuple[int, list[tuple[int, int]], int]:
        """A segment comes; the ACK's number, blocks and echo."""
        twice = number in self.have
        if number <= self.first_missing:
            self.echo = max(self.echo, tsval)
        self.have.add(number)
        self.recent = [number, *(each for each in self.recent if each != number)][:20]
        ack = self.first_missing
        blocks = [(number, number + 1)] if twice else []
        runs = []
        for each in self.recent:
            run = self.run(each)
            if run[0] > ack and run not in runs:
                runs.append(run)
        return ack, (blocks + runs)[:3], self.echo


class Board:
    """What a sender knows by the ACKs alone."""

    def __init__(self) -> None:
        self.una = 0
        self.sacked: set[int] = set()

    def learn(self, ack: int, blocks: list[tuple[int, int]]) -> None:
        """An ACK came through."""
        duplicate = blocks and (
            blocks[0][1] <= ack or (len(blocks) > 1 and blocks[1][0] <= blocks[0][0] and blocks[0][1] <= blocks[1][1])
        )
        self.una = max(self.una, ack)
        for first, behind in blocks[1:] if duplicate else blocks:
            self.sacked.update(range(first, behind))
        self.sacked = {number for number in self.sacked if number >= self.una}


class Transfer:
    """One run; times are the host's."""

    def __init__(self, host: Any, peer: Peer, endpoint: Any, source: random.Random) -> None:
        self.host, self.peer, self.endpoint, self.source = host, peer, endpoint, source
        self.loss = source.choice([0.0, 0.02, 0.1, 0.25])
        self.double = source.choice([0.0, 0.05])
        self.jitter = source.choice([0, 1, 8]) * MILLISECOND
        self.receiver = Receiver()
        self.board = Board()
        self.events: list[tuple[int, int, Any]] = []
        self.order = 0
        self.highest = 0
        self.again = 0

    def dispatch(self, what: Any) -> None:
        """Puts something on its way: lost, doubled and delayed as it happens."""
        if self.source.random() < self.loss:
            return
        for _ in range(2 if self.source.random() < self.double else 1):
            self.order += 1
            due = self.host.now + WAY + (self.source.randrange(self.jitter) if self.jitter else 0)
            heapq.heappush(self.events, (due, self.order, what))

    def look(self) -> None:
        """Takes what was sent and checks it, and what the sender keeps."""
        for segment in self.peer.take():
            self.check_segment(segment)
        info = self.endpoint.info()
        flight = self.highest - self.board.una
        assert info["flight"] == flight * MSS
        assert info["sacked"] == len(self.board.sacked) * MSS
        assert info["delivered"] == (self.board.una + len(self.board.sacked)) * MSS
        # the rest is in flight or waits to go again
        assert 0 <= info["in_flight"] <= info["flight"] - info["sacked"]
        assert info["stretches"] <= flight
        assert self.host.counter("RetransSegs") == self.again

    def check_segment(self, segment: Segment) -> None:
        """Full segments, in order when new, and none that is known to have arrived."""
        assert (segment.seq - 1) % MSS == 0
        assert len(segment.text) % MSS == 0
        first = (segment.seq - 1) // MSS
        for number in range(first, first + len(segment.text) // MSS):
            part = segment.text[(number - first) * MSS : (number - first + 1) * MSS]
            assert part == bytes([number]) * MSS
            if number < self.highest:
                self.again += 1
                assert number >= self.board.una
                assert number not in self.board.sacked
            else:
                assert number == self.highest
                self.highest += 1
            self.dispatch((number, segment.options.get("Timestamp", (0, 0))[0]))

    def step(self) -> None:
        """Whatever happens next: a time-out, a segment's arrival or that of an ACK."""
        deadline = self.host.engine.next_deadline()
        if not self.events or (deadline is not None and deadline < self.events[0][0]):
            assert deadline is not None, "nothing is on its way and no time-out is armed"
            self.host.advance(deadline - self.host.now)
            return
        due, _, what = heapq.heappop(self.events)
        self.host.advance(max(due - self.host.now, 0))
        self.look()
        if len(what) == 2:
            self.dispatch(self.receiver.arrive(*what))
            return
        ack, blocks, echo = what
        self.board.learn(ack, blocks)
        self.peer.tsecr = echo
        self.peer.send("A", ack=at(ack), blocks=[(at(first), at(behind)) for first, behind in blocks])


@pytest.mark.parametrize("congestion", ["newreno", "cubic"])
@pytest.mark.parametrize("seed", range(10))
def test_sender_knows_what_the_acks_have_told(make_host, seed, congestion):
    source = random.Random(seed)
    frames = {"vnet_header": True, "offloads": True} if seed % 3 == 2 else {}
    wrap = {} if seed % 2 else {"distance": 40 * MSS}

    def make(**arguments):
        return make_host(congestion=congestion, path_mtu_discovery=0, **frames, **arguments)

    host = start_before_wrap(make, **wrap) if wrap else make()
    peer, endpoint = established(host, round_trip=2 * WAY, timestamps=seed % 4 < 2)
    transfer = Transfer(host, peer, endpoint, source)
    endpoint.send(b"".join(bytes([number]) * MSS for number in range(SEGMENTS)))
    transfer.look()
    end = host.now + 600 * SECOND
    while endpoint.buffered_bytes:
        transfer.step()
        transfer.look()
        assert host.now < end, "the transfer stands still"
    assert transfer.board.una == SEGMENTS
    assert endpoint.info()["stretches"] == 0
