"""Attacks of peers that have connections of their own and break the rules on them, beside the two live streams."""

import random
import struct
from abc import ABC, abstractmethod
from typing import ClassVar

from netcore.wire import decode
from tests.attacks.blind import ACK, BURST, FIN, WORD, Bursts
from tests.attacks.crowd import SACK_PERMITTED, SINK_PORT, SOURCE_PORT, Crowd, Peer, Services
from tests.attacks.ground import Ground, Outcome

PEERS = 16
HOLES = 128  # SEG-15
SMALLEST_MSS = 64  # SEG-13
SHIFT = 4  # of the window of a peer that wants much at once


class OwnConnections(ABC):
    """One attack: it opens connections, attacks on them, and then looks whether they were served all the same.

    size: bytes that the source sends to each.
    """

    size: ClassVar[int] = 0

    def __init__(self, ground: Ground, services: Services, source: random.Random) -> None:
        self.ground, self.services, self.source = ground, services, source
        self.crowd = Crowd(ground, source)
        self.peers: list[Peer] = []
        self.segments = 0

    @abstractmethod
    def bursts(self, frames: int) -> Bursts:
        """Opens the connections and yields about so many frames."""

    @abstractmethod
    def verify(self, outcome: Outcome) -> None:
        """What has to hold afterwards; adds to `outcome.told`."""

    def fetch_the_rest(self) -> None:
        """Each peer takes the rest of its stream as an honest one does; AssertionError unless it is right."""

        def acknowledge() -> None:
            for peer in self.peers:
                if not peer.ended:
                    self.ground.tap.send(peer.frame(ACK))

        self.crowd.until(
            lambda: all(peer.ended for peer in self.peers), "a stream to an attacker does not end", acknowledge
        )
        self.dismiss()

    def acknowledge(self, enough: int) -> None:
        """What has come, of each peer with no more text than `enough`."""
        for peer in self.peers:
            if len(peer.text) <= enough:
                self.ground.tap.send(peer.frame(ACK))

    def dismiss(self) -> None:
        """Ends connections whose stream is over; AssertionError unless it is right."""
        assert all(bytes(peer.text) == self.services.stream for peer in self.peers), "a byte is wrong"
        self.segments += sum(peer.segments for peer in self.peers)
        self.crowd.say(lambda peer: peer.frame(ACK | FIN))
        self.crowd.peers.clear()
        self.peers = []


class HoleFlood(OwnConnections):
    """Single bytes with a gap before each, as many as the window takes, and other bytes in their place (SEG-15)."""

    LENGTH = 4000  # bytes of the stream

    def bursts(self, frames: int) -> Bursts:
        self.peers = self.crowd.open(SINK_PORT, [decode.build_options(mss=1460) + SACK_PERMITTED] * PEERS)
        for first in range(0, frames, BURST):
            burst = []
            for number in range(first, min(frames, first + BURST)):
                place = 2 * (number // PEERS % 30_000) + 1
                burst.append(self.peers[number % PEERS].frame(ACK, b"H", offset=place))
            yield burst
            self.crowd.hear()

    def verify(self, outcome: Outcome) -> None:
        outcome.told["answers to the attacker"] = sum(peer.answers for peer in self.peers)
        text = bytearray(b"." * self.LENGTH)
        self.crowd.finish_text(self.peers, bytes(text))
        held = min(outcome.frames // PEERS, HOLES)
        text[1 : 2 * held : 2] = b"H" * held
        read = self.services.read
        self.crowd.until(lambda: all(peer.ended for peer in self.peers), f"only {len(read)} streams ended")
        self.crowd.say(lambda peer: peer.frame(ACK, offset=self.LENGTH + 1))
        # SEG-7: what came first stays; SEG-15: of what came beyond the bound there is nothing
        assert set(read.values()) == {bytes(text)}


class BackwardBytes(OwnConnections):
    """A stream byte by byte, a segment for each, from its end to its beginning: one hole, and ever so many pieces."""

    MOST = 30_000  # bytes of a stream, which a window takes

    def bursts(self, frames: int) -> Bursts:
        self.peers = self.crowd.open(SINK_PORT, [decode.build_options(mss=1460) + SACK_PERMITTED] * PEERS)
        self.length = min(self.MOST, max(1, frames // PEERS))
        for first in range(0, frames, BURST):
            burst = []
            for number in range(first, min(frames, first + BURST)):
                # the first byte comes last of all, or what follows would no longer be out of order
                place = max(1, self.length - 1 - number // PEERS % self.length)
                burst.append(self.peers[number % PEERS].frame(ACK, bytes([place % 251]), offset=place))
            yield burst
            self.crowd.hear()

    def verify(self, outcome: Outcome) -> None:
        text = bytes(place % 251 for place in range(self.length))
        self.crowd.say(lambda peer: peer.frame(ACK, text[:1]))
        self.crowd.say(lambda peer: peer.frame(ACK | FIN, offset=self.length))
        self.crowd.until(lambda: all(peer.ended for peer in self.peers), "a stream does not end")
        self.crowd.say(lambda peer: peer.frame(ACK, offset=self.length + 1))
        assert set(self.services.read.values()) == {text}


class DuplicateAcks(OwnConnections):
    """One ACK over and over, with nothing to tell: each says that a segment has left the network, and none has."""

    size = 512 << 10
    HONEST = 64 << 10  # bytes that are acknowledged first

    def bursts(self, frames: int) -> Bursts:
        options = decode.build_options(mss=1460, window_scale=SHIFT)
        self.peers = self.crowd.open(SOURCE_PORT, [options] * PEERS)
        self.crowd.until(
            lambda: all(len(peer.text) > self.HONEST for peer in self.peers),
            "no stream",
            lambda: self.acknowledge(self.HONEST),
        )
        stand = [peer.expected for peer in self.peers]
        for first in range(0, frames, BURST):
            places = (number % PEERS for number in range(first, min(frames, first + BURST)))
            yield [self.peers[place].frame(ACK, ack=stand[place]) for place in places]
            self.crowd.hear()
        self.flight = max(self.services.endpoints[peer.port].info()["flight"] for peer in self.peers)

    def verify(self, outcome: Outcome) -> None:
        outcome.told["bytes in flight at most"] = self.flight
        outcome.told["segments sent again"] = outcome.counters["RetransSegs"]
        self.fetch_the_rest()


def sack(*blocks: tuple[int, int]) -> bytes:
    """The option, in a multiple of 4 octets."""
    words = [each % WORD for block in blocks for each in block]
    return bytes((1, 1, 5, 2 + 4 * len(words))) + struct.pack(f">{len(words)}I", *words)


class SackFlood(OwnConnections):
    """SACK blocks of every other of the smallest segments, of bytes, of what was never sent, inside out, long past."""

    size = 512 << 10
    HONEST = 128 << 10  # bytes that are acknowledged, so that much is on its way then

    def bursts(self, frames: int) -> Bursts:
        options = [
            decode.build_options(mss=SMALLEST_MSS if number % 2 else 1460, window_scale=SHIFT) + SACK_PERMITTED
            for number in range(PEERS)
        ]
        self.peers = self.crowd.open(SOURCE_PORT, options)
        self.crowd.until(
            lambda: all(len(peer.text) > self.HONEST for peer in self.peers),
            "no stream",
            lambda: self.acknowledge(self.HONEST),
        )
        stand = [peer.expected for peer in self.peers]
        self.most = 0
        for first in range(0, frames, BURST):
            burst = []
            for number in range(first, min(frames, first + BURST)):
                peer, ack = self.peers[number % PEERS], stand[number % PEERS]
                flight = (peer.expected - ack) % WORD
                lie = self.comb(ack, flight, number // PEERS) if number % 2 else self.lie(ack, flight)
                burst.append(peer.frame(ACK, ack=ack, options=lie))
            yield burst
            self.crowd.hear()
            ends = (self.services.endpoints[peer.port] for peer in self.peers[:2])
            self.most = max(self.most, *(end.info()["stretches"] for end in ends))

    def comb(self, una: int, flight: int, number: int) -> bytes:
        """The option of one ACK: of every other small segment, four at a time."""
        first = number * 8 * SMALLEST_MSS % max(flight, 1)
        starts = (una + first + (2 * place + 1) * SMALLEST_MSS for place in range(4))
        return sack(*((start, start + SMALLEST_MSS) for start in starts))

    def lie(self, una: int, flight: int) -> bytes:
        """The option of one ACK, of four blocks, of a sort."""
        place = self.source.randrange
        sort = place(6)
        if sort == 0:
            return sack(*((una + 2 + start, una + 3 + start) for start in (place(flight or 1) for _ in range(4))))
        if sort == 1:
            return sack(*((una + flight + (1 << 24) + place(1 << 28), una + (1 << 29)) for _ in range(4)))
        if sort == 2:
            return sack((una + 9, una + 1), (una, una), (una + 5, una + 4), (una + (1 << 31), una))
        if sort == 3:
            return sack((una - 5000, una - 4000), (una - (1 << 30), una), (una - 1, una + 1))
        if sort == 4:
            return sack(*((una + start, una + start + 1) for start in range(2 + 8 * place(1000), 60_000, 15_000)))
        return sack((una + 1 + place(flight or 1), una + flight), (una + 2, una + 3))

    def verify(self, outcome: Outcome) -> None:
        outcome.told["stretches of one scoreboard at most"] = self.most
        self.fetch_the_rest()


class TinySegments(OwnConnections):
    """Peers that announce a maximum segment size of nothing or next to nothing, and have a stream sent to them."""

    size = 64 << 10
    SIZES = (0, 1, 2, 8, 40, 63, 64, 65)

    def bursts(self, frames: int) -> Bursts:
        count = self.streams = 0
        while count < frames:
            options = [decode.build_options(mss=self.SIZES[number % len(self.SIZES)]) for number in range(PEERS)]
            self.peers = self.crowd.open(SOURCE_PORT, options)
            acked = [0] * PEERS
            while count < frames and not all(peer.ended for peer in self.peers):
                burst = []
                for number, peer in enumerate(self.peers):
                    if peer.answers > acked[number]:
                        acked[number] = peer.answers
                        burst.append(peer.frame(ACK))
                count += len(burst)
                yield burst
                self.crowd.hear()
            self.streams += len(self.peers)
            if count < frames:
                self.dismiss()

    def verify(self, outcome: Outcome) -> None:
        self.fetch_the_rest()
        outcome.told["segments to the attacker"] = self.segments
        outcome.told["bytes of text a segment"] = self.streams * self.size // self.segments


class ShrinkingWindows(OwnConnections):
    """Peers that take back the window they gave, shut it, and open it by a byte or two, at each ACK."""

    size = 64 << 10
    WINDOWS = (0, 0, 0, 1, 2, 63, 535, 1459, 1460, 5000, 65535)

    def bursts(self, frames: int) -> Bursts:
        self.peers = self.crowd.open(SOURCE_PORT, [decode.build_options(mss=1460) + SACK_PERMITTED] * PEERS)
        for first in range(0, frames, BURST):
            yield [
                self.peers[number % PEERS].frame(ACK, window=self.source.choice(self.WINDOWS))
                for number in range(first, min(frames, first + BURST))
            ]
            self.crowd.hear()

    def verify(self, outcome: Outcome) -> None:
        self.fetch_the_rest()
        outcome.told["segments to the attacker"] = self.segments
        outcome.told["bytes of text a segment"] = PEERS * self.size // self.segments


OWN: dict[str, type[OwnConnections]] = {
    "hole flood": HoleFlood,
    "backward bytes": BackwardBytes,
    "duplicate ACKs": DuplicateAcks,
    "SACK flood": SackFlood,
    "tiny MSS": TinySegments,
    "shrinking windows": ShrinkingWindows,
}
