"""Where one fuzz input is played: a victim, a friend with a live connection, sixteen strangers, and what must hold."""

import random
from collections import deque
from collections.abc import Iterable

from netcore.endpoint import Endpoint
from netcore.engine import Engine, congestion_names, tunable_names
from netcore.listener import Listener
from netcore.service import service_kinds
from netcore.wire import decode
from tests.hostile import inputs
from tests.hostile.attacker import Attacker
from tests.hostile.cast import (
    ARP_TYPE,
    FIN,
    FRIEND,
    FRIEND_MAC,
    GATEWAY,
    ICMP,
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
from tests.hostile.crafting import Crafting
from tests.hostile.inputs import MTUS, Record, Settings
from tests.hostile.program import HELD_MOST, Program
from tests.hostile.signed import SIGNED_PORT, share_keys
from tests.hostile.streams import Disturbed, LiveConnection

MILLISECOND = 1_000_000
SECOND = 1_000_000_000
BACKLOG = 8
# tunables of a victim that has little of everything
LIMITS = {
    "maximum_holes": 4, "challenge_interval": 1, "reassembly_datagrams": 4, "reassembly_datagrams_of_source": 2,
    "reassembly_memory": 8192, "neighbor_limit": 8, "neighbor_queue": 2, "data_retries": 3,
    "path_mtu_lifetime": SECOND, "path_probe_interval": SECOND, "fast_open_pending": 1, "fast_open_servers": 1,
    "fast_open_retry": SECOND, "fast_open_reset_life": SECOND, "fast_open_key_life": 10 * SECOND,
}  # fmt: skip
DEFAULTS = tunable_names()
# time-outs that one pause lets pass before it is cut short
HOPS = 300
# kinds of signatures, for the setting from 1 on
SIGNATURES = ("md5", "hmac-sha-1-96", "aes-128-cmac-96")
# what the victim may send to strangers without text beside one packet for each that comes in and each call: a fixed
# allowance, and so much for each time-out
FREELY = 8
# states of RFC 9293 as the core counts them
LISTEN, SYN_RECEIVED, TIME_WAIT = 1, 3, 10


class Arena:
    """Plays the records of one input. Everything follows from the input.

    Raises AssertionError, Disturbed among them, when something does not hold that must.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.link = Link(not settings.bare, bool(settings.virtio or settings.offloads))
        self.mtu = MTUS[settings.mtu]
        self.now = SECOND
        self.attacker = Attacker(self.link, random.Random(0), self.mtu)
        self.victim = self.make_victim()
        self.friend = self.host(FRIEND, FRIEND_MAC)
        self.to_victim: deque[bytes] = deque()
        self.to_friend: deque[bytes] = deque()
        self.crafting = Crafting(self.link, self.attacker, bool(settings.signed))
        # hostile frames in; what came out to strangers without text; time-outs and calls, which explain some of it
        self.frames = 0
        self.answers = 0
        self.causes = 0
        self.states: set[int] = set()
        if settings.signed:
            share_keys(self.victim, self.friend, SIGNATURES[settings.signed - 1])
        self.live = self.open_live()
        self.attacker.live = [self.live.victim_end]
        # before the live connection there was no listener that a stranger could have found
        self.program = Program(
            self.victim,
            2 if settings.cookies else BACKLOG,
            bool(settings.conditional),
            bool(settings.fast_open),
            (None, *service_kinds())[settings.served],
        )

    def make_victim(self) -> Engine:
        """The victim as the settings say."""
        settings = self.settings
        names = congestion_names()
        tunables = {
            "timestamps": 1 - settings.no_timestamps, "sack": 1 - settings.no_sack, "ecn": settings.ecn,
            "window_scaling": 1 - settings.no_scaling, "frto": 1 - settings.no_frto, "pacing": settings.pacing,
            "path_mtu_discovery": 1 - settings.no_path_discovery,
        }  # fmt: skip
        if settings.tight:
            tunables |= LIMITS
        if settings.small_buffers:
            tunables |= {"send_buffer": 4000, "receive_buffer": 3000}
        if settings.cookies:
            tunables |= {"syn_flood_age": MILLISECOND}
        return self.host(VICTIM, VICTIM_MAC, names[settings.congestion % len(names)], **tunables)

    def host(self, address: bytes, mac: bytes, congestion: str | None = None, **tunables: int) -> Engine:
        """A host by hand on the link."""
        host = Engine(
            address=".".join(map(str, address)), prefix=24, gateway=".".join(map(str, GATEWAY)), mac=mac,
            seed=mac + bytes(10), mtu=self.mtu, ethernet=self.link.ethernet, vnet_header=self.link.vnet,
            offloads=bool(self.settings.offloads), congestion=congestion, **tunables,
        )  # fmt: skip
        host.advance(self.now)
        return host

    def open_live(self) -> LiveConnection:
        """The connection that must not be hurt; the friend has opened it."""
        listener = self.victim.listen(None, PRIVATE_PORT, 1)
        assert isinstance(listener, Listener)
        near = self.friend.connect(SIGNED_PORT, (VICTIM, PRIVATE_PORT))
        assert isinstance(near, Endpoint)
        self.exchange()
        endpoint = listener.accept()
        assert isinstance(endpoint, Endpoint), "the live connection was not made"
        listener.close()
        live = LiveConnection("the live connection", endpoint, near)
        for flow in live.flows:
            flow.send(1000)
        self.exchange()
        return live

    # ---- what befalls the victim

    def play(self, records: Iterable[Record]) -> None:
        """Plays all records, one after the other."""
        for record in records:
            self.step(record)

    def step(self, record: Record) -> None:
        """Plays one record; what it causes at once happens as well."""
        match record:
            case inputs.Pause():
                self.pass_time(record.duration)
            case inputs.Call():
                self.causes += 1 + HELD_MOST * (record.who in (11, 13))
                self.program.call(record.who, record.handle, record.amount)
            case inputs.Live():
                self.work(record)
            case _:
                # the blind segments have been thought about one by one
                thought_about = isinstance(record, inputs.Blind)
                for frame in self.crafting.frames(record):
                    if thought_about or not self.is_the_friends_word(frame):
                        self.arrive(frame)
        self.exchange()
        self.look()

    def arrive(self, frame: bytes) -> None:
        """A hostile frame."""
        self.frames += 1
        self.crafting.saw(frame)
        self.victim.frame_arrives(frame, self.now)

    def is_the_friends_word(self, frame: bytes) -> bool:
        """True for what could pass for the friend's own; for a fragment in its name, several of which could."""
        if FRIEND not in frame:
            return False
        header = decode.parse_ipv4(frame[self.link.head :])
        piece = header is not None and header["source"] == FRIEND and header["is_fragment"]
        return piece or self.link.may_hurt_the_friend(frame)

    def work(self, record: inputs.Live) -> None:
        """The live connection: one side sends, and the other reads unless it pauses."""
        flow = self.live.flows[record.who & 1]
        flow.send(record.amount)
        if record.who & 4:
            self.collect()
            (self.to_friend, self.to_victim)[record.who & 1].clear()
        self.exchange()
        if not record.who & 2:
            flow.receive()
        self.live.check()

    def pass_time(self, duration: int) -> None:
        """Lets `duration` ns pass on both hosts, from time-out to time-out, `HOPS` of them at most."""
        self.exchange()
        end = self.now + duration
        for _ in range(HOPS):
            deadlines = [due for due in (self.victim.next_deadline(), self.friend.next_deadline()) if due is not None]
            self.now = max(self.now, min([end, *deadlines]))
            # one time-out may send for many connections
            self.causes += HELD_MOST
            self.victim.advance(self.now)
            self.friend.advance(self.now)
            self.exchange()
            if self.now == end:
                break

    def look(self) -> None:
        """What must hold at any time; which states there are."""
        usage = self.victim.usage()
        self.states.update(endpoint.state for endpoint in self.program.held)
        for state, name in ((LISTEN, "listeners"), (SYN_RECEIVED, "half_open"), (TIME_WAIT, "time_wait")):
            if usage[name]:
                self.states.add(state)
        limits = LIMITS if self.settings.tight else DEFAULTS
        assert usage["half_open"] <= BACKLOG * len(PUBLIC_PORTS), usage
        assert usage["neighbors"] <= limits["neighbor_limit"], usage
        assert usage["reassembling"] <= limits["reassembly_datagrams"], usage
        allowed = self.frames + self.causes + FREELY
        assert self.answers <= allowed, f"{self.answers} packets without text for {self.frames} frames, over {allowed}"

    # ---- the network

    def exchange(self) -> None:
        """Frames of both hosts arrive until none is on its way."""
        self.collect()
        while self.to_friend or self.to_victim:
            for queue, host in ((self.to_friend, self.friend), (self.to_victim, self.victim)):
                while queue:
                    host.frame_arrives(queue.popleft(), self.now)
            self.collect()

    def collect(self) -> None:
        """Takes what both hosts send; what the victim sends to strangers is seen by them and answered by nobody."""
        self.to_victim.extend(self.friend.frames_to_send())
        for frame in self.victim.frames_to_send():
            self.route(frame)

    def route(self, frame: bytes) -> None:
        """To the friend or the strangers."""
        kind = self.link.kind(frame)
        packet = frame[self.link.head :]
        if kind == ARP_TYPE:
            self.route_arp(frame, packet)
            return
        assert kind == IPV4_TYPE, f"the victim sent Ethernet type {kind:#x}"
        header = decode.parse_ipv4(packet)
        assert header is not None, f"the victim sent a bad IPv4 packet: {packet[:60].hex()}"
        assert header["source"] == VICTIM, f"the victim sent a packet from {header['source'].hex()}"
        assert self.settings.offloads or len(packet) <= self.mtu, f"a packet of {len(packet)} bytes"
        if header["destination"] == FRIEND:
            self.to_friend.append(frame)
            return
        self.crafting.saw(frame)
        if header["protocol"] == TCP:
            segment = decode.parse_tcp(header["payload"])
            assert segment is not None, f"the victim sent a bad segment: {packet[:80].hex()}"
            self.answers += not segment["payload"] and not segment["flags"] & FIN
            self.crafting.saw_segment(header["destination"], segment)
            self.crafting.saw_cookie(header["destination"], header["payload"])
        else:
            assert header["protocol"] == ICMP, f"the victim sent protocol {header['protocol']}"
            self.answers += header["fragment"] & 0x1FFF == 0

    def route_arp(self, frame: bytes, packet: bytes) -> None:
        """To the friend, or answered for a stranger."""
        request = decode.parse_arp(packet)
        assert request is not None, f"the victim sent a bad ARP packet: {packet.hex()}"
        self.to_friend.append(frame)
        wanted = request["target_address"]
        if request["operation"] == 2:
            self.answers += 1
        elif (wanted in STRANGERS or wanted == GATEWAY) and not self.settings.unresolved:
            answer = decode.build_arp(2, STRANGER_MAC, wanted, VICTIM_MAC, VICTIM)
            self.victim.frame_arrives(self.link.frame(answer, kind=ARP_TYPE), self.now)

    # ---- the end

    def finish(self) -> None:
        """Peace: every byte of the live connection arrives, it closes in order, and nothing is left of anything."""
        patience = 20
        while not self.live.is_delivered() and patience:
            before = [flow.received for flow in self.live.flows]
            self.exchange()
            if not self.live.is_delivered() and before == [flow.received for flow in self.live.flows]:
                patience -= 1
                self.pass_time(100 * SECOND)
        for flow in self.live.flows:
            if flow.sent != flow.received:
                raise Disturbed(f"{flow.name}: {flow.received} of {flow.sent} bytes arrived")
        self.live.check()
        for end in (self.live.victim_end, self.live.friend_end):
            end.shutdown_send()
            self.pass_time(SECOND)
        for flow in self.live.flows:
            if not flow.receive():
                raise Disturbed(f"{flow.name}: no end of the stream")
        self.live.victim_end.close()
        self.live.friend_end.close()
        for host in (self.victim, self.friend):
            assert host.counters()["IllegalTransitions"] == 0, "a transition that RFC 9293 does not know"
        self.program.end()
        self.victim.abort_all()
        # all time-outs there are: TIME-WAIT, neighbors that never answer, what is left of datagrams
        for _ in range(2):
            self.pass_time(1000 * SECOND)
        usage = self.victim.usage()
        del usage["neighbors"]
        assert not any(usage.values()), f"left behind: {usage}"


def play(octets: bytes) -> Arena:
    """Plays one input from beginning to end; returns the arena as it is then."""
    settings, records = inputs.decode(octets)
    arena = Arena(settings)
    arena.play(records)
    arena.finish()
    return arena
