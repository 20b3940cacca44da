"""Conversations written down line by line, as frames of a capture, and read back as connections."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from stack.plotting.analysis import analyse
from stack.plotting.connections import Connection, find_connections
from stack.plotting.decoding import decode
from stack.plotting.flow import Flow
from stack.plotting.links import ETHERNET
from stack.plotting.records import records_of

MS = 1_000_000
CLIENT, SERVER = "10.0.0.1", "10.0.0.2"
CLIENT_PORT, SERVER_PORT = 40_000, 80
MSS = 1000

# with addresses: otherwise scapy asks the machine's network for them
ETHER = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")


@dataclass
class Talk:
    """A conversation. Sequence numbers are relative to the initial ones `client_isn` and `server_isn`."""

    client_isn: int = 1000
    server_isn: int = 5000
    scale: int | None = 7
    frames: list[tuple[int, bytes]] = field(default_factory=list)

    def data(self, time: float, seq: int, length: int = MSS, ack: int = 1, flags: str = "A", **more: Any) -> None:
        """A segment of the client. time: ms."""
        self._add(time, True, seq, ack, flags, length, **more)

    def ack(self, time: float, ack: int, seq: int = 1, flags: str = "A", length: int = 0, **more: Any) -> None:
        """A segment of the server. time: ms. sack: pairs of relative sequence numbers."""
        self._add(time, False, seq, ack, flags, length, **more)

    def handshake(self, round_trip: float = 10) -> None:
        """SYN at 0, SYN,ACK after a round trip (ms), then ACK."""
        options = [("MSS", 1460), *([("WScale", self.scale)] if self.scale is not None else [])]
        self.data(0, 0, 0, 0, "S", options=options)
        self.ack(round_trip, 1, 0, "SA", options=options)
        self.data(round_trip, 1, 0)

    def _add(
        self,
        time: float,
        client: bool,
        seq: int,
        ack: int,
        flags: str,
        length: int,
        *,
        window: int = 1000,
        sack: Sequence[tuple[int, int]] = (),
        stamps: tuple[int, int] | None = None,
        options: Sequence[Any] = (),
    ) -> None:
        own, other = (self.client_isn, self.server_isn) if client else (self.server_isn, self.client_isn)
        listed = list(options)
        if stamps is not None:
            listed += [("NOP", None), ("NOP", None), ("Timestamp", stamps)]
        if sack:
            edges = tuple((other + edge) % 2**32 for block in sack for edge in block)
            listed += [("NOP", None), ("NOP", None), ("SAck", edges)]
        source, destination = (CLIENT, SERVER) if client else (SERVER, CLIENT)
        sport, dport = (CLIENT_PORT, SERVER_PORT) if client else (SERVER_PORT, CLIENT_PORT)
        segment = TCP(
            sport=sport,
            dport=dport,
            seq=(own + seq) % 2**32,
            ack=(other + ack) % 2**32 if "A" in flags else 0,
            flags=flags,
            window=window,
            options=listed,
        )
        frame = ETHER / IP(src=source, dst=destination) / segment / bytes(length)
        self.frames.append((round(time * MS), bytes(frame)))

    def connection(self) -> Connection:
        """The one connection that the frames make."""
        (found,) = connections_of(self.frames)
        return found

    def flow(self, forward: bool = True) -> Flow:
        """The analysis of one direction."""
        return analyse(self.connection(), forward=forward)


def connections_of(frames: Iterable[tuple[int, bytes]]) -> list[Connection]:
    """The connections of Ethernet frames."""
    return find_connections(decode(records_of(frames, ETHERNET)))
