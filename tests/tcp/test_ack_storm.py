"""Two hosts that somebody has put out of step with each other: what they say about it comes to an end (RFC 5961)."""

import heapq
from itertools import count

import pytest

from netcore.endpoint import Endpoint
from netcore.engine import Engine
from netcore.listener import Listener
from netcore.wire import decode

MILLISECOND, SECOND = 1_000_000, 1_000_000_000
ADDRESSES = (bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2]))
PORT = 80
TCP, PSH, ACK = 6, 8, 16
FORGED = b"forged octets"


class Pair:
    """Two hosts on a link without loss, under one clock, with a connection between them."""

    def __init__(self, delay: int, timestamps: int) -> None:
        self.delay, self.now, self.sent = delay, SECOND, 0
        self.hosts = [
            Engine(
                address=f"10.0.0.{number}", prefix=24, seed=bytes([number] * 16), ethernet=False, timestamps=timestamps
            )
            for number in (1, 2)
        ]
        self.coming: list[tuple[int, int, int, bytes]] = []  # when, which, to whom, what
        self.order = count()
        self.clocks = [0, 0]  # the newest timestamp that each has sent
        for host in self.hosts:
            host.advance(self.now)
        listener = self.hosts[1].listen(None, PORT, 1)
        assert isinstance(listener, Listener)
        first = self.hosts[0].connect(4000, (ADDRESSES[1], PORT))
        self.run(10 * SECOND)
        second = listener.accept()
        assert isinstance(first, Endpoint)
        assert isinstance(second, Endpoint)
        self.ends = [first, second]

    def run(self, duration: int) -> int:
        """Lets time pass; how many packets were sent meanwhile."""
        end, before = self.now + duration, self.sent
        while True:
            for number, host in enumerate(self.hosts):
                for packet in host.frames_to_send():
                    self.sent += 1
                    self.note(number, packet)
                    heapq.heappush(self.coming, (self.now + self.delay, next(self.order), 1 - number, packet))
            dues = [due for host in self.hosts if (due := host.next_deadline()) is not None]
            if self.coming:
                dues.append(self.coming[0][0])
            self.now = max(self.now, min([end, *dues]))
            for host in self.hosts:
                host.advance(self.now)
            while self.coming and self.coming[0][0] <= self.now:
                _, _, number, packet = heapq.heappop(self.coming)
                self.hosts[number].frame_arrives(packet, self.now)
            if self.now >= end:
                return self.sent - before

    def note(self, number: int, packet: bytes) -> None:
        """What somebody on the path sees of a host's clock."""
        fields = decode.parse_ipv4(packet)
        assert fields is not None
        segment = decode.parse_tcp(fields["payload"])
        assert segment is not None
        if segment["timestamps"] is not None:
            self.clocks[number] = segment["timestamps"][0]

    def forge(self, victim: int) -> None:
        """Text for one of them that seems to come from the other, with every number right."""
        info, other = self.ends[victim].info(), 1 - victim
        options = decode.build_options(timestamps=(self.clocks[other], 0)) if info["timestamps"] else b""
        segment = decode.build_tcp(
            self.ends[other].local[1], self.ends[victim].local[1], info["rcv_nxt"], info["snd_una"], PSH | ACK, 65535,
            FORGED, options=options, addresses=(ADDRESSES[other], ADDRESSES[victim]),
        )  # fmt: skip
        self.hosts[victim].frame_arrives(decode.build_ipv4(ADDRESSES[other], ADDRESSES[victim], TCP, segment), self.now)
        assert self.ends[victim].readable_bytes == len(FORGED)

    def counted(self, name: str) -> int:
        """A counter of both."""
        return sum(host.counters()[name] for host in self.hosts)


@pytest.mark.requirement("SEG-3", "SEG-6", "SEG-8")
@pytest.mark.parametrize("delay", [0, 1, 100, 249], ids="{} ms".format)
@pytest.mark.parametrize("victims", [(0,), (1,), (0, 1)])
def test_two_idle_hosts_out_of_step_are_silent_soon(delay: int, victims: tuple[int, ...]) -> None:
    pair = Pair(delay * MILLISECOND, timestamps=0)
    for victim in victims:
        pair.forge(victim)
    # each ACK is news of a number that the other has never sent, or has passed
    assert pair.run(5 * SECOND) <= 4 * len(victims)
    assert pair.run(60 * SECOND) == 0


@pytest.mark.requirement("SEG-8")
@pytest.mark.parametrize("delay", [251, 499, 501, 1000], ids="{} ms".format)
@pytest.mark.parametrize("victims", [(0,), (1,), (0, 1)])
def test_two_idle_hosts_far_apart_and_out_of_step_say_no_more_than_the_limit(
    delay: int, victims: tuple[int, ...]
) -> None:
    # A round trip longer than the limit's interval cannot be told from a peer that asks anew each time (SND-8).
    pair = Pair(delay * MILLISECOND, timestamps=0)
    for victim in victims:
        pair.forge(victim)
    for _ in range(6):
        # one challenge in 500 ms each
        assert pair.run(10 * SECOND) <= 2 * 20


@pytest.mark.requirement("SEG-3", "SEG-6", "SEG-8")
@pytest.mark.parametrize("timestamps", [0, 1])
@pytest.mark.parametrize("delay", [0, 1, 100, 400], ids="{} ms".format)
def test_two_hosts_out_of_step_that_have_text_to_send_exchange_no_more_than_their_timers_bring(
    delay: int, timestamps: int
) -> None:
    pair = Pair(delay * MILLISECOND, timestamps)
    for victim in (0, 1):
        pair.forge(victim)
    for end in pair.ends:
        end.send(b"text")
    minute = pair.run(60 * SECOND)
    timers = pair.counted("TCPTimeouts") + pair.counted("TCPLossProbes")
    challenges = pair.counted("TCPChallengeACK")
    assert challenges <= 2 * (60_000 // 500 + 1)
    # what is sent again is answered once (SEG-3), and challenges answer the answers
    assert minute <= 2 * (timestamps + 4) + 2 * timers + challenges
    assert timers <= 24
