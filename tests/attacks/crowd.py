"""Connections of an attacker's own, from addresses of 198.18.0.0/15: peers that need not keep any rule."""

import itertools
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from netcore.endpoint import Endpoint
from netcore.wire import decode
from stack.applications.server import Server
from stack.applications.stream import EntryFailed, StreamSocket
from tests.attacks.blind import ACK, FIN, IPV4_TYPE, PSH, RST, SYN, TCP, WORD
from tests.attacks.ground import PATIENCE, Ground

if TYPE_CHECKING:
    from netcore.wire.decode import TcpFields

SINK_PORT, SOURCE_PORT = 4302, 4303
SACK_PERMITTED = b"\1\1\4\2"
BACKLOG = 200


def stream(size: int) -> bytes:
    """What the source sends."""
    return random.Random(3).randbytes(size)


class Services:
    """Our programs for the attacker: a sink that reads to the end, a source that sends `size` bytes to each.

    read: what the sink has read, by the peer's port. endpoints: our ends, by the peer's port. A context manager.
    """

    def __init__(self, ground: Ground, size: int = 0) -> None:
        self.ground, self.stream = ground, stream(size)
        self.read: dict[int, bytes] = {}
        self.endpoints: dict[int, Endpoint] = {}
        provider = ground.host.stack.provider
        self._servers = [
            Server(provider, port, serve, name=f"attacked-{port}", backlog=BACKLOG)
            for port, serve in ((SINK_PORT, self._sink), (SOURCE_PORT, self._source))
        ]

    def _register(self, connection: StreamSocket) -> int:
        descriptors = self.ground.host.stack.service_provider.descriptors
        endpoint = descriptors.live[connection.handle].endpoint
        assert endpoint is not None
        port = endpoint.remote[1]
        self.endpoints[port] = endpoint
        return port

    def _sink(self, connection: StreamSocket) -> None:
        port, read, buffer = self._register(connection), bytearray(), bytearray(1 << 16)
        while count := connection.receive_into(buffer):
            read += buffer[:count]
        self.read[port] = bytes(read)

    def _source(self, connection: StreamSocket) -> None:
        self._register(connection)
        try:
            connection.send(self.stream)
            connection.finish()
        except EntryFailed:
            connection.close()

    def __enter__(self) -> "Services":
        for server in self._servers:
            server.start()
        return self

    def __exit__(self, *exception: object) -> None:
        for server in self._servers:
            server.stop()


@dataclass
class Peer:
    """One connection of the attacker's, in whose name anything may be sent.

    next: the number that it sends next. text: what came in order; segments: in how many segments on the wire, copies
    counted. answers: segments and superframes that came.
    """

    crowd: "Crowd"
    address: bytes
    port: int
    remote_port: int
    next: int
    irs: int = 0
    opened: bool = False
    ended: bool = False
    reset: bool = False
    answers: int = 0
    text: bytearray = field(default_factory=bytearray)
    beyond: dict[int, bytes] = field(default_factory=dict)
    segments: int = 0

    @property
    def expected(self) -> int:
        """The first of our numbers that has not come."""
        return (self.irs + self.opened + len(self.text) + self.ended) % WORD

    def frame(
        self,
        flags: int,
        text: bytes = b"",
        *,
        offset: int = 0,
        ack: int | None = None,
        window: int = 65535,
        options: bytes = b"",
    ) -> bytes:
        """A segment of this connection. offset: from what would be sent next; ack None: what is expected."""
        segment = decode.build_tcp(
            self.port, self.remote_port, (self.next + offset) % WORD, self.expected if ack is None else ack % WORD,
            flags, window, text, options=options, addresses=(self.address, self.crowd.victim),
        )  # fmt: skip
        packet = decode.build_ipv4(self.address, self.crowd.victim, TCP, segment)
        return decode.build_ethernet(*self.crowd.head, IPV4_TYPE, packet)

    def take(self, segment: "TcpFields", gso_size: int) -> None:
        """A segment of ours has come, or a superframe of segments with `gso_size` bytes each."""
        self.answers += 1
        self.reset |= bool(segment["flags"] & RST)
        text = segment["payload"]
        if segment["flags"] & SYN:
            self.irs, self.opened = segment["seq"], True
            return
        self.segments += -(-len(text) // (gso_size or len(text) or 1))
        place = (segment["seq"] - self.irs - 1) % WORD
        if text:
            self.keep(place, text)
        if segment["flags"] & FIN and place + len(text) == len(self.text):
            self.ended = True

    def keep(self, place: int, text: bytes) -> None:
        """Text at a place of the stream; AssertionError when it contradicts what came before."""
        known = bytes(self.text[place : place + len(text)])
        assert text[: len(known)] == known, "a byte was sent again as another"
        if place > len(self.text):
            self.beyond[place] = max(text, self.beyond.get(place, b""), key=len)
            return
        self.text += text[len(known) :]
        for place in sorted(self.beyond):
            if place > len(self.text):
                break
            self.keep(place, self.beyond.pop(place))


class Crowd:
    """All connections of the attacker's."""

    def __init__(self, ground: Ground, source: random.Random) -> None:
        self.ground, self.source = ground, source
        self.victim = IPv4Address(ground.host.address).packed
        self.head = (ground.engine.mac, ground.tap.own_mac)
        self.peers: dict[tuple[bytes, int], Peer] = {}
        self._ports = itertools.cycle(range(1024, 65536))

    def hear(self) -> int:
        """Takes what the stack has sent; how many frames."""
        packets = self.ground.tap.receive()
        for octets, gso_size in packets:
            packet = decode.parse_ipv4(octets)
            if packet is None or packet["protocol"] != TCP:
                continue
            segment = decode.parse_tcp(packet["payload"])
            assert segment is not None, "the stack has sent a segment that is malformed"
            peer = self.peers.get((packet["destination"], segment["destination_port"]))
            if peer is not None:
                peer.take(segment, gso_size)
        return len(packets)

    def say(self, make: Callable[[Peer], bytes]) -> None:
        """Each peer sends a segment."""
        for peer in self.peers.values():
            self.ground.tap.send(make(peer))

    def until(self, condition: Callable[[], object], what: str, act: Callable[[], object] = lambda: None) -> None:
        """Hears, and acts, until a condition holds; AssertionError with `what` if it does not come to that."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, what
            if not self.hear():
                time.sleep(0.001)
            act()

    def open(self, port: int, options: Sequence[bytes]) -> list[Peer]:
        """Makes a connection to a port for each of the options of its SYN, each from an address of its own."""
        peers = []
        for number, each in enumerate(options):
            address = bytes((198, 18, 1 + number // 250, 1 + number % 250))
            peer = Peer(self, address, next(self._ports), port, self.source.getrandbits(32))
            self.peers[address, peer.port] = peer
            self.ground.tap.send(peer.frame(SYN, options=each))
            peers.append(peer)
        self.until(lambda: all(peer.opened for peer in peers), "a connection of the attacker's is not accepted")
        for peer in peers:
            peer.next = (peer.next + 1) % WORD
            self.ground.tap.send(peer.frame(ACK))
        return peers

    def finish_text(self, peers: list[Peer], text: bytes, piece: int = 1000) -> None:
        """Each peer sends the text in order as an honest one does, and ends."""
        for peer in peers:
            for start in range(0, len(text), piece):
                self.ground.tap.send(peer.frame(ACK | PSH, text[start : start + piece], offset=start))
            self.ground.tap.send(peer.frame(ACK | FIN, offset=len(text)))
