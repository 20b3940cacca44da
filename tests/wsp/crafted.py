"""A peer made of crafted packets: what the host sends is read, what arrives is written by the test (scapy)."""

from typing import Any

from scapy.layers.inet import IP, TCP
from scapy.packet import Raw

from stack.assembly import make_engine
from stack.driving import HandDriver
from tests.wsp.hosts import Caller, make_config

HOST = "10.0.0.1"
PEER = "10.0.0.7"


class CraftedPeer:
    """One host on bare IP packets, driven by hand, and the other end of its link."""

    def __init__(self, **fields: Any) -> None:
        config = make_config(HOST, kind="tun", **fields)
        self.driver = HandDriver(make_engine(config))
        self.host = Caller(self.driver, config)

    def arrive(
        self, flags: str, port: int, to: int, seq: int, ack: int = 0, data: bytes = b"", window: int = 65535
    ) -> None:
        """A segment from `port` of the peer to port `to` of the host arrives now."""
        segment = TCP(sport=port, dport=to, flags=flags, seq=seq, ack=ack, window=window)
        packet = IP(src=PEER, dst=HOST) / segment
        self.driver.engine.frame_arrives(bytes(packet / Raw(data) if data else packet), self.driver.now())

    def sent(self) -> list[tuple[int, Any]]:
        """The segments that the host has sent since the last call, as (time in ns, scapy TCP layer)."""
        return [(time, IP(frame)[TCP]) for time, frame in self.driver.take_sent()]

    def flags(self) -> list[str]:
        """The flags of the segments that the host has sent since the last call."""
        return [str(segment.flags) for _, segment in self.sent()]

    def established(self, port: int, to: int, seq: int = 1000) -> tuple[int, int]:
        """Does the peer's side of a handshake; returns the next sequence number of each side, the peer's first."""
        self.arrive("S", port, to, seq)
        ((_, answer),) = self.sent()
        assert answer.flags == "SA"
        self.arrive("A", port, to, seq + 1, answer.seq + 1)
        return seq + 1, answer.seq + 1
