"""Clients made of crafted segments, and the exact frames that a host must answer with: these and nothing else.

A Client is one port of the peer. It builds what it sends with scapy and tells what it expects as Frame: port, flags,
sequence number, acknowledgement and length of the text. `CraftedClients.expect` compares everything the host has sent
since the last look with a list of them.
"""

from dataclasses import dataclass, field
from typing import Any

from tests.wsp.crafted import CraftedPeer

MODULUS = 1 << 32


@dataclass(frozen=True, order=True)
class Frame:
    """One segment from the host: the client's port, flags as scapy has them, numbers, length of the text in bytes."""

    port: int
    flags: str
    seq: int
    ack: int
    length: int = 0


@dataclass
class Client:
    """One port of the peer. iss: initial sequence number; theirs: the host's, once its SYN,ACK has come."""

    clients: "CraftedClients"
    port: int
    to: int = 80
    iss: int = 1000
    theirs: int | None = None
    sent: int = field(default=0)

    # ---- sending

    def syn(self, data: bytes = b"") -> None:
        self.clients.arrive("S", self.port, self.to, self.iss, data=data)
        self.sent = 1

    def ack(self, received: int = 1) -> None:
        """Acknowledges `received` sequence numbers of the host's, its SYN included."""
        self.clients.arrive("A", self.port, self.to, self.next, self.at(received))

    def data(self, text: bytes) -> None:
        self.clients.arrive("PA", self.port, self.to, self.next, self.at(1), data=text)
        self.sent += len(text)

    def fin(self) -> None:
        self.clients.arrive("FA", self.port, self.to, self.next, self.at(1))
        self.sent += 1

    def reset(self) -> None:
        self.clients.arrive("R", self.port, self.to, self.next)

    # ---- what the host is to answer

    @property
    def next(self) -> int:
        """Our next sequence number."""
        return (self.iss + self.sent) % MODULUS

    def at(self, offset: int) -> int:
        """The host's sequence number `offset` behind its initial one."""
        assert self.theirs is not None, "no SYN,ACK has come"
        return (self.theirs + offset) % MODULUS

    def syn_ack(self) -> Frame:
        """SYN,ACK; its number is taken over from what comes, once."""
        if self.theirs is None:
            self.theirs = self.clients.peek_seq(self.port)
        return Frame(self.port, "SA", self.theirs, (self.iss + 1) % MODULUS)

    def refusal(self, length: int = 1) -> Frame:
        """LISTEN-50: RST,ACK with sequence number 0 that acknowledges SEG.SEQ + SEG.LEN."""
        return Frame(self.port, "RA", 0, (self.iss + length) % MODULUS)

    def reset_of_connection(self) -> Frame:
        """The RST of an abort, at SND.NXT and with the ACK that synchronized states have."""
        return Frame(self.port, "RA", self.at(1), self.next)

    def acknowledgement(self) -> Frame:
        """A bare ACK of all that we sent."""
        return Frame(self.port, "A", self.at(1), self.next)

    # ---- whole exchanges

    def half_open(self) -> "Client":
        """SYN, and its SYN,ACK comes back."""
        self.syn()
        self.clients.expect(self.syn_ack)
        return self

    def connect(self) -> "Client":
        """A whole handshake; the host says nothing to the last ACK."""
        self.half_open()
        self.ack()
        self.clients.expect()
        return self


class CraftedClients(CraftedPeer):
    """A host on bare IP packets, driven by hand, and clients of it."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        self._frames: list[tuple[int, Any]] = []
        self._ports = iter(range(4000, 60000))

    def client(self, to: int = 80) -> Client:
        """A client at a port of its own."""
        port = next(self._ports)
        return Client(self, port, to, iss=port * 100_000)

    def engine_connections(self) -> int:
        """Connections of any state that the host holds, requests included."""
        return self.driver.engine.usage()["connections"]

    def collect(self) -> None:
        self._frames += self.sent()

    def peek_seq(self, port: int) -> int:
        """The sequence number of the oldest frame to `port` that has not been expected yet."""
        self.collect()
        found = [segment.seq for _, segment in self._frames if segment.dport == port]
        assert found, f"nothing was sent to port {port}"
        return int(found[0])

    def take(self) -> list[tuple[int, Frame]]:
        """Every frame sent since the last look, with its time in ns."""
        self.collect()
        taken, self._frames = self._frames, []
        return [(time, frame_of(segment)) for time, segment in taken]

    def expect(self, *expected: Any) -> list[int]:
        """Exactly these frames have been sent, and nothing else; returns their times. In any order of ports.

        A Frame, or a callable that gives one (it may look at what came).
        """
        wanted = sorted(each() if callable(each) else each for each in expected)
        found = sorted((frame, time) for time, frame in self.take())
        assert [frame for frame, _ in found] == wanted
        return [time for _, time in found]

    def silent_for(self, duration: int) -> None:
        """Nothing at all is sent now nor in `duration` ns of virtual time."""
        self.driver.run(duration)
        self.expect()


def frame_of(segment: Any) -> Frame:
    """Returns what a test compares of a scapy TCP segment."""
    return Frame(segment.dport, str(segment.flags), segment.seq, segment.ack, len(bytes(segment.payload)))
