"""A path between a host and a scripted peer that takes packets of some size, and what was sent over it."""

from tests.tcp.icmp_errors import narrow
from tests.tcp.scripted_peer import MILLISECOND, SECOND, Peer
from tests.tcp.segments import Segment

RTT = 20 * MILLISECOND
TEXT = bytes(number % 251 for number in range(400_000))


def sizes(segments: list[Segment]) -> list[int]:
    """The text of each segment that has any, in octets."""
    return [len(segment.text) for segment in segments if segment.text]


class Path:
    """The network between: packets larger than `mtu` do not pass, what passes is acknowledged after a round trip."""

    def __init__(self, peer: Peer, mtu: int, *, tells: bool = True, duplicates: bool = False) -> None:
        self.peer, self.mtu, self.tells = peer, mtu, tells
        self.received = bytearray(len(TEXT) * 2)
        self.have: set[int] = set()
        self.end = 0
        self.largest = 0
        self.told = 0
        self.duplicates = duplicates

    def round_trip(self) -> list[int]:
        """One round trip; the sizes of the segments that were sent."""
        segments = [segment for segment in self.peer.take() if segment.text]
        self.peer.host.advance(RTT)
        news = 0
        for segment in segments:
            if segment.packet.len > self.mtu:
                if self.tells:
                    self.told += 1
                    narrow(self.peer, self.mtu, segment.seq, segment.packet.len)
                continue
            self.largest = max(self.largest, len(segment.text))
            start = segment.seq - 1
            self.received[start : start + len(segment.text)] = segment.text
            self.have.update(range(start, start + len(segment.text)))
            while self.end in self.have:
                self.end += 1
            blocks = self.blocks() if self.peer.sack else ()
            self.peer.send("A", ack=self.end + 1, blocks=blocks)
            news += 1
        return sizes(segments)

    def blocks(self) -> list[tuple[int, int]]:
        """The stretches beyond the first hole, latest first."""
        found: list[tuple[int, int]] = []
        at = self.end
        beyond = sorted(number for number in self.have if number > at) if len(self.have) > at else []
        for number in beyond:
            if found and found[-1][1] == number + 1:
                found[-1] = (found[-1][0], number + 2)
            else:
                found.append((number + 1, number + 2))
        return found[-1:-4:-1]

    def carry(self, amount: int, rounds: int = 200) -> None:
        """Runs until so many bytes have arrived."""
        for _ in range(rounds):
            if self.end >= amount:
                break
            if not self.round_trip():
                self.peer.host.advance(min(self.peer.host.until_deadline(), SECOND))
        assert self.end >= amount, (self.end, amount)
        assert self.received[:amount] == TEXT[:amount]
