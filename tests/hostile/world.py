"""The victim, the friend, the network between them and the program on the victim: everything but the attacker."""

import hashlib
import random
from collections import deque
from dataclasses import dataclass

from netcore.endpoint import SEND_URGENT, Endpoint
from netcore.engine import Engine
from netcore.listener import Listener
from netcore.wire import decode
from tests.hostile.attacker import Attacker
from tests.hostile.cast import (
    ARP_TYPE,
    FRIEND,
    FRIEND_MAC,
    GATEWAY,
    IPV4_TYPE,
    PRIVATE_PORT,
    PUBLIC_PORTS,
    STRANGER_MAC,
    STRANGERS,
    TCP,
    VICTIM,
    VICTIM_MAC,
    Link,
)  # fmt: skip
from tests.hostile.feedback import cookie_in
from tests.hostile.signed import SIGNED_PORT, share_keys
from tests.hostile.streams import Disturbed, LiveConnection
from tests.hostile.tally import Tally

MILLISECOND = 1_000_000
SECOND = 1_000_000_000
MEMORY_LIMIT = 64 << 20
# handles that the program on the victim keeps, its backlogs, and what those handles leave behind until it times out
HELD_MOST = 96
BACKLOG = 32
CONNECTIONS_MOST = 4000


@dataclass(frozen=True)
class Setting:
    """One way to set up the victim and its link."""

    name: str
    ethernet: bool = True
    vnet: bool = False
    offloads: bool = False
    mtu: int = 1500
    timestamps: bool = True
    ecn: int = 2
    signature: str = "md5"


SETTINGS = (
    Setting("plain", signature="hmac-sha-1-96"),
    Setting("offloads", vnet=True, offloads=True),
    Setting("tun", ethernet=False, vnet=True, offloads=True, mtu=9000, ecn=3, signature="aes-128-cmac-96"),
    Setting("small", mtu=576, timestamps=False, ecn=1),
)


class World:
    """One victim under attack, wholly determined by the setting and the seed.

    Raises Disturbed when a live connection suffers, AssertionError when a bound is passed.
    """

    def __init__(self, setting: Setting, seed: int) -> None:
        self.setting = setting
        self.source = random.Random(f"{setting.name} {seed}")
        self.link = Link(setting.ethernet, setting.vnet)
        self.now = SECOND
        self.attacker = Attacker(self.link, self.source, setting.mtu)
        self.victim = self.host(VICTIM, VICTIM_MAC)
        self.friend = self.host(FRIEND, FRIEND_MAC)
        self.to_victim: deque[bytes] = deque()
        self.to_friend: deque[bytes] = deque()
        self.digest = hashlib.sha256()
        self.tally = Tally()
        self.held: list[Endpoint] = []
        self.peak_chunks = 0
        self.peak_connections = 0
        self.states: set[int] = set()
        self.private = self.listen(PRIVATE_PORT)
        self.friends_listener = self.friend.listen(None, PRIVATE_PORT, 8)
        self.listeners = [self.listen(port) for port in PUBLIC_PORTS]
        share_keys(self.victim, self.friend, setting.signature)
        for listener in self.listeners:
            listener.fast_open = True
        self.live = [self.passive_connection(port) for port in (50001, 50003, SIGNED_PORT)]
        self.live.append(self.active_connection(50002))
        self.attacker.live = [connection.victim_end for connection in self.live]

    def host(self, address: bytes, mac: bytes) -> Engine:
        """A host by hand on the link."""
        return Engine(
            address=".".join(map(str, address)), prefix=24, gateway=".".join(map(str, GATEWAY)),
            mac=mac, seed=self.source.randbytes(16), mtu=self.setting.mtu, ethernet=self.setting.ethernet,
            vnet_header=self.setting.vnet, offloads=self.setting.offloads, timestamps=int(self.setting.timestamps),
            memory_limit=MEMORY_LIMIT, send_buffer=65536, receive_buffer=131072, neighbor_limit=64,
            ecn=self.setting.ecn,
        )  # fmt: skip

    def listen(self, port: int) -> Listener:
        """A listener of the victim."""
        listener = self.victim.listen(None, port, BACKLOG)
        assert isinstance(listener, Listener)
        return listener

    def passive_connection(self, port: int) -> LiveConnection:
        """A connection that the friend opened."""
        near = self.friend.connect(port, (VICTIM, PRIVATE_PORT))
        assert isinstance(near, Endpoint)
        return LiveConnection(f"connection {port}", self.accepted(self.private), near)

    def active_connection(self, port: int) -> LiveConnection:
        """A connection that the victim opened."""
        near = self.victim.connect(port, (FRIEND, PRIVATE_PORT))
        assert isinstance(near, Endpoint)
        assert isinstance(self.friends_listener, Listener)
        return LiveConnection(f"connection {port}", near, self.accepted(self.friends_listener))

    def accepted(self, listener: Listener) -> Endpoint:
        """Lets time pass until a listener has a connection."""
        for _ in range(1000):
            self.exchange(lossless=True)
            self.pass_time(MILLISECOND)
            endpoint = listener.accept()
            if isinstance(endpoint, Endpoint):
                return endpoint
        raise Disturbed("a connection between victim and friend was not made")

    # ---- the network

    def exchange(self, *, lossless: bool = False) -> None:
        """Frames of both hosts go on their way; the network loses, repeats and reorders a few."""
        self.collect()
        for queue, host in ((self.to_friend, self.friend), (self.to_victim, self.victim)):
            for _ in range(len(queue)):
                frame = queue.popleft()
                fate = 1.0 if lossless else self.source.random()
                if fate < 0.003:
                    continue
                if fate < 0.006:
                    queue.append(frame)
                    continue
                if fate < 0.009:
                    host.frame_arrives(frame, self.now)
                host.frame_arrives(frame, self.now)
        self.collect()

    def collect(self) -> None:
        """Takes what both hosts send; what the victim sends to strangers goes to the attacker."""
        for frame in self.friend.frames_to_send():
            self.to_victim.append(frame)
        for frame in self.victim.frames_to_send():
            self.digest.update(frame)
            self.route(frame)

    def route(self, frame: bytes) -> None:
        """To the friend, or to the attacker, who also answers for its strangers' addresses."""
        if self.source.random() < 0.1:
            self.attacker.saw(frame)
        kind = self.link.kind(frame)
        packet = frame[self.link.head :]
        if kind == ARP_TYPE:
            request = decode.parse_arp(packet)
            assert request is not None, f"the victim sent a bad ARP packet: {packet.hex()}"
            self.to_friend.append(frame)
            wanted = request["target_address"]
            if request["operation"] == 1 and (wanted in STRANGERS or wanted == GATEWAY) and self.source.random() < 0.7:
                answer = decode.build_arp(2, STRANGER_MAC, wanted, VICTIM_MAC, VICTIM)
                self.victim.frame_arrives(self.link.frame(answer, kind=ARP_TYPE), self.now)
            return
        assert kind == IPV4_TYPE, f"the victim sent Ethernet type {kind:#x}"
        header = decode.parse_ipv4(packet)
        assert header is not None, f"the victim sent a bad IPv4 packet: {packet[:60].hex()}"
        assert header["source"] == VICTIM, f"the victim sent a packet from {header['source'].hex()}"
        assert self.setting.offloads or len(packet) <= self.setting.mtu, f"a packet of {len(packet)} bytes"
        if header["destination"] == FRIEND:
            self.to_friend.append(frame)
        elif header["protocol"] == TCP:
            segment = decode.parse_tcp(header["payload"])
            assert segment is not None, f"the victim sent a bad segment: {packet[:80].hex()}"
            self.attacker.saw_segment(header["destination"], segment)
            cookie = cookie_in(header["payload"])
            if cookie:
                self.attacker.cookies[header["destination"]] = cookie

    def pass_time(self, duration: int) -> None:
        """Lets `duration` ns pass on both hosts."""
        self.now += duration
        self.victim.advance(self.now)
        self.friend.advance(self.now)

    # ---- the program on the victim

    def program(self) -> None:
        """Uses the connections of strangers in every way a program can."""
        source = self.source
        listener = source.choice(self.listeners)
        if source.random() < 0.7:
            endpoint = listener.accept()
            if isinstance(endpoint, Endpoint):
                self.held.append(endpoint)
        if source.random() < 0.05:
            listener.set_backlog(source.choice((0, 1, BACKLOG)))
        if source.random() < 0.1:
            port = source.randrange(20000, 20100)
            endpoint = self.victim.connect(
                port,
                (source.choice(STRANGERS), source.randrange(1, 200)),
                fast_open=source.random() < 0.5,
                data=b"\xa5" * source.choice((0, 100, 3000)),
                user_timeout_option=source.choice((0, 0, 100 * SECOND)),
            )
            if isinstance(endpoint, Endpoint):
                self.held.append(endpoint)
        while len(self.held) > HELD_MOST:
            self.drop(source.randrange(len(self.held)))
        for _ in range(3):
            if self.held:
                self.use(source.randrange(len(self.held)))

    def use(self, index: int) -> None:
        """One call on one connection of a stranger."""
        endpoint = self.held[index]
        self.states.add(endpoint.state)
        pick = self.source.random()
        if pick < 0.35:
            endpoint.send(b"\xa5" * self.source.choice((1, 100, 5000, 40000)))
        elif pick < 0.7:
            endpoint.receive_into(bytearray(self.source.choice((1, 1000, 70000))), peek=self.source.random() < 0.1)
        elif pick < 0.78:
            endpoint.shutdown_send()
        elif pick < 0.79:
            endpoint.shutdown_receive()
        elif pick < 0.85:
            endpoint.receive_buffer = self.source.choice((0, 1, 3000, 131072))
        elif pick < 0.88:
            endpoint.nodelay = self.source.random() < 0.5
        elif pick < 0.91:
            self.drop(index)
        elif pick < 0.93:
            endpoint.send(b"\xa5" * self.source.choice((1, 3000)), SEND_URGENT)
        elif pick < 0.95:
            endpoint.receive_urgent(bytearray(1), peek=self.source.random() < 0.1)
        elif pick < 0.96:
            endpoint.urgent_inline = self.source.random() < 0.5
        elif pick < 0.97:
            endpoint.urgent_1122 = self.source.random() < 0.5
        elif pick < 0.98:
            endpoint.set_keepalive(self.source.random() < 0.9, self.source.choice((1, 3 * SECOND)), SECOND, 9)
        elif pick < 0.99:
            endpoint.user_timeout = self.source.choice((None, 0, SECOND, 20 * SECOND))
        else:
            endpoint.advertise_user_timeout(self.source.choice((SECOND, 5000 * SECOND)))

    def drop(self, index: int) -> None:
        """Lets go of a connection: by close, by abort, or by losing the handle."""
        endpoint = self.held.pop(index)
        pick = self.source.random()
        if pick < 0.4:
            endpoint.close()
        elif pick < 0.7:
            endpoint.abort()

    # ---- the run

    def attack(self, frames: int) -> None:
        """Sends `frames` hostile frames while everybody goes on with their work."""
        sent = 0
        while sent < frames:
            batch = min(self.source.randint(1, 32), frames - sent)
            for _ in range(batch):
                frame = self.attacker.next_frame()
                self.tally.hand_in(self.victim, self.attacker.kind, frame, self.now)
            sent += batch
            self.round()

    def round(self) -> None:
        """Between two batches of hostile frames: programs, network, time, and a look at the bounds."""
        self.program()
        for connection in self.live:
            connection.work(self.source)
        self.exchange()
        pick = self.source.random()
        if pick < 0.001:
            self.pass_time(70 * SECOND)
        elif pick < 0.02:
            self.pass_time(self.source.choice((40, 250, 1100, 3000)) * MILLISECOND)
        else:
            self.pass_time(self.source.choice((1000, 50_000, MILLISECOND, 3 * MILLISECOND)))
        self.victim.events()
        self.check_bounds()

    def check_bounds(self) -> None:
        """Memory and connections are within what the settings allow; no transition was illegal."""
        usage = self.victim.usage()
        self.peak_chunks = max(self.peak_chunks, usage["chunks"])
        self.peak_connections = max(self.peak_connections, usage["connections"])
        assert usage["chunks"] <= MEMORY_LIMIT + (4 << 20), usage
        assert usage["connections"] <= CONNECTIONS_MOST, usage
        assert usage["half_open"] <= BACKLOG * (len(self.listeners) + 1), usage
        assert usage["neighbors"] <= 64, usage

    def finish(self) -> None:
        """Peace: every byte arrives, both sides close in order, and nothing is left of anything."""
        for _ in range(3000):
            self.exchange(lossless=True)
            delivered = [connection.is_delivered() for connection in self.live]
            if all(delivered):
                break
            self.pass_time(50 * MILLISECOND)
        for connection in self.live:
            for flow in connection.flows:
                if flow.sent != flow.received:
                    raise Disturbed(f"{flow.name}: {flow.received} of {flow.sent} bytes arrived")
            connection.check()
            connection.victim_end.shutdown_send()
        self.settle(20)
        for connection in self.live:
            connection.friend_end.shutdown_send()
        self.settle(20)
        for connection in self.live:
            for flow in connection.flows:
                if not flow.receive():
                    raise Disturbed(f"{flow.name}: no end of the stream")
            connection.victim_end.close()
            connection.friend_end.close()
        counters = self.victim.counters()
        assert counters["IllegalTransitions"] == 0, counters
        assert self.friend.counters()["IllegalTransitions"] == 0
        self.held.clear()
        for listener in (*self.listeners, self.private):
            listener.close()
        self.victim.abort_all()
        # all time-outs there are: TIME-WAIT, neighbors that never answer
        for _ in range(100):
            self.pass_time(10 * SECOND)
            self.victim.frames_to_send()
            self.friend.frames_to_send()
        usage = self.victim.usage()
        del usage["neighbors"]
        assert not any(usage.values()), f"left behind: {usage}"

    def settle(self, rounds: int) -> None:
        """Lets frames and a little time pass."""
        for _ in range(rounds):
            self.exchange(lossless=True)
            self.pass_time(10 * MILLISECOND)
