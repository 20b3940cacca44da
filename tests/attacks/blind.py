"""Attacks of one who knows two live connections by address and port, and guesses or knows some of the rest.

Each is a generator of bursts of frames: it is given the ground, how many frames there shall be, and a source of random
numbers. What it draws on of the connections' own variables is what the attacker is taken to have guessed; in each
segment one thing at least is wrong that the RFCs say is enough.
"""

import random
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address

from netcore.wire import decode
from tests.attacks.ground import Flow, Ground

WORD = 1 << 32
FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
ICMP, TCP, UDP = 1, 6, 17
IPV4_TYPE = 0x0800
BURST = 64
MORE = 0x2000  # fragments follow

Bursts = Iterator[list[bytes]]
Maker = Callable[[random.Random], bytes]


class Forger:
    """Makes frames to the stack, from whomever."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.victim = IPv4Address(ground.host.address).packed
        self.client = IPv4Address(str(ground.host.lab.kernel_address)).packed
        self._head = (ground.engine.mac, ground.tap.own_mac)

    def frame(self, packet: bytes) -> bytes:
        """A packet to the stack as it comes from the link."""
        return decode.build_ethernet(*self._head, IPV4_TYPE, packet)

    def segment(
        self,
        flow: Flow,
        seq: int,
        ack: int,
        flags: int,
        text: bytes = b"",
        *,
        window: int = 65535,
        options: bytes = b"",
    ) -> bytes:
        """A segment that seems to come from the client."""
        octets = decode.build_tcp(
            flow.port, flow.server.port, seq % WORD, ack % WORD, flags, window, text, options=options,
            addresses=(self.client, self.victim),
        )  # fmt: skip
        return self.frame(decode.build_ipv4(self.client, self.victim, TCP, octets))

    def icmp(self, source: bytes, kind: int, code: int, rest: bytes, quoted: bytes) -> bytes:
        """An ICMP message."""
        return self.frame(decode.build_ipv4(source, self.victim, ICMP, decode.build_icmp(kind, code, rest, quoted)))

    def quote(self, flow: Flow, seq: int, length: int = 1500) -> bytes:
        """The head of a segment of ours, as an ICMP error brings it back; `length` is what its header says."""
        segment = decode.build_tcp(flow.server.port, flow.port, seq % WORD, 0, ACK, 500)
        packet = bytearray(decode.build_ipv4(self.victim, self.client, TCP, segment[:8]))
        packet[2:4] = length.to_bytes(2, "big")
        packet[10:12] = bytes(2)
        packet[10:12] = decode.checksum(packet[:20]).to_bytes(2, "big")
        return bytes(packet)


def spoofed(source: random.Random) -> bytes:
    """An address of 198.18.0.0/15."""
    return bytes((198, source.choice((18, 19)), source.randrange(256), source.randrange(1, 255)))


def bursts(make: Callable[[int], bytes], frames: int) -> Bursts:
    """`frames` frames, made one by one."""
    for first in range(0, frames, BURST):
        yield [make(number) for number in range(first, min(frames, first + BURST))]


def blind_reset(ground: Ground, frames: int, source: random.Random) -> Bursts:
    """RST through all sequence numbers, and everywhere in the window but at its edge (RFC 5961 3)."""
    forger = Forger(ground)
    stride = WORD // frames

    def make(number: int) -> bytes:
        flags = RST if number % 2 else RST | ACK
        if number % 4 < 2:
            flow = ground.flows[number // 4 % 2]
            seq = number * stride + source.randrange(stride)
            if flow is ground.down and seq == flow.info["rcv_nxt"]:
                seq += 1
            return forger.segment(flow, seq, source.getrandbits(32), flags)
        info = ground.down.info
        return forger.segment(
            ground.down, info["rcv_nxt"] + 1 + source.randrange(info["rcv_wnd"] - 1), source.getrandbits(32), flags
        )

    return bursts(make, frames)


def blind_syn(ground: Ground, frames: int, source: random.Random) -> Bursts:
    """SYN and SYN,ACK with any number, the one expected next among them (RFC 5961 4)."""
    forger = Forger(ground)

    def make(number: int) -> bytes:
        flow = ground.flows[number % 2]
        near = flow.info["rcv_nxt"] + source.choice((-1, 0, 1, 1000))
        seq = near if number % 4 < 2 else source.getrandbits(32)
        flags = source.choice((SYN, SYN | ACK, SYN | FIN, SYN | PSH | ACK))
        return forger.segment(flow, seq, source.getrandbits(32), flags, options=decode.build_options(mss=1460))

    return bursts(make, frames)


def blind_data(ground: Ground, frames: int, source: random.Random) -> Bursts:
    """Text and FIN in the window with an ACK out of range (RFC 5961 5), and outside the window with a right one."""
    forger = Forger(ground)

    def make(number: int) -> bytes:
        text = b"\xa5" * source.choice((1, 100, 1460))
        flags = source.choice((ACK, ACK | PSH, ACK | FIN, ACK | URG))
        if number % 2:
            info = ground.down.info
            ack = info["snd_nxt"] + (1 << 28) + source.randrange(1 << 30)
            if number % 4 == 1:
                ack = info["snd_una"] - info["max_snd_wnd"] - (1 << 20) - source.randrange(1 << 30)
            seq = info["rcv_nxt"] + source.choice((0, source.randrange(info["rcv_wnd"])))
            return forger.segment(ground.down, seq, ack, flags, text)
        flow = ground.flows[number // 2 % 2]
        info = flow.info
        seq = info["rcv_nxt"] + (1 << 26) + source.randrange(WORD - (1 << 27))
        return forger.segment(flow, seq, info["snd_una"], flags, text)

    return bursts(make, frames)


def ack_flood(ground: Ground, frames: int, source: random.Random) -> Bursts:
    """Bare ACKs of what was never sent, of what is long past, and from outside the window (RFC 5961 5).

    A host that answered each would start a storm between the two.
    """
    forger = Forger(ground)

    def make(number: int) -> bytes:
        flow = ground.flows[number % 2]
        info = flow.info
        seq, ack = info["rcv_nxt"], info["snd_una"]
        if number % 3 == 0:
            ack = info["snd_nxt"] + (1 << 28) + source.randrange(1 << 30)
        elif number % 3 == 1:
            ack -= info["max_snd_wnd"] + (1 << 20) + source.randrange(1 << 30)
        else:
            seq += (1 << 26) + source.randrange(WORD - (1 << 27))
        return forger.segment(flow, seq, ack, ACK)

    return bursts(make, frames)


def shut_windows(ground: Ground, frames: int, source: random.Random) -> Bursts:
    """ACKs in order that shut or shrink the window, as one on the path may send: what the client says next counts."""
    forger = Forger(ground)

    def make(number: int) -> bytes:
        info = ground.down.info
        return forger.segment(ground.down, info["rcv_nxt"], info["snd_una"], ACK, window=source.choice((0, 0, 1, 10)))

    return bursts(make, frames)


# kind, code, second half of the header: all that says that something was not delivered, and some that says nothing
ERRORS = [
    *((3, code, bytes(4)) for code in range(16) if code != 4),
    *((3, 4, bytes((0, 0)) + mtu.to_bytes(2, "big")) for mtu in (0, 1, 68, 296, 576, 1280, 1499, 65535)),
    (4, 0, bytes(4)),
    *((5, code, bytes((198, 18, 0, 1))) for code in range(4)),
    (11, 0, bytes(4)),
    (11, 1, bytes(4)),
    (12, 0, bytes((20, 0, 0, 0))),
]


def false_quotes(ground: Ground, frames: int, source: random.Random) -> Bursts:
    """ICMP errors of every kind that quote what is not in flight, of these connections and of none (RFC 5927 4)."""
    forger = Forger(ground)

    def make(number: int) -> bytes:
        flow = ground.flows[number % 2]
        info = flow.info
        seq = info["snd_nxt"] + (1 << 28) + source.randrange(1 << 30)
        if number % 4 == 1:
            seq = info["snd_una"] - 1 - source.randrange(1 << 30)
        quoted = forger.quote(flow, seq, source.choice((40, 576, 1500, 65535)))
        if number % 8 == 7:
            quoted = quoted[: source.choice((0, 10, 20, 24))]
        elif number % 8 == 6:
            quoted = quoted[:20] + source.randbytes(8)
        kind, code, rest = ERRORS[number // 8 % len(ERRORS)]
        return forger.icmp(source.choice((spoofed(source), forger.client)), kind, code, rest, quoted)

    return bursts(make, frames)


def true_quotes(ground: Ground, frames: int, source: random.Random) -> Bursts:
    """The same errors, of one who has guessed what is in flight.

    Nothing ends (RFC 5927 5), and the path is taken for small at worst, down to a bound (RFC 5927 7).
    """
    forger = Forger(ground)

    def make(number: int) -> bytes:
        info = ground.down.info
        seq = info["snd_una"] + source.randrange(max(1, (info["snd_nxt"] - info["snd_una"]) % WORD))
        kind, code, rest = ERRORS[number % len(ERRORS)]
        return forger.icmp(spoofed(source), kind, code, rest, forger.quote(ground.down, seq))

    return bursts(make, frames)


def overlapping_fragments(ground: Ground, frames: int, source: random.Random) -> Bursts:
    """Fragments that overlap, contradict each other, end twice, or never end (RFC 1858, RFC 3128, RFC 5722).

    They are of datagrams of many hosts and of the client, with segments of the live connections in them.
    """
    forger = Forger(ground)

    def datagram(number: int) -> list[bytes]:
        flow = ground.flows[number % 2]
        sender = forger.client if number % 2 else spoofed(source)
        protocol = source.choice((TCP, TCP, ICMP, UDP))
        body = source.randbytes(1400)
        if protocol == TCP:
            info = flow.info
            body = decode.build_tcp(
                flow.port, flow.server.port, info["rcv_nxt"], info["snd_una"], ACK, 65535, source.randbytes(1380)
            )
        cuts = source.choice(
            (
                ((0, 64, True), (56, 200, False)),  # overlap at a border
                ((0, 200, True), (8, 64, True)),  # inside
                ((0, 64, True), (0, 64, True), (0, 80, True)),  # again, then longer
                ((16, 80, False), (96, 160, False)),  # two ends
                ((64, 1384, True),),  # never a beginning
                ((0, 8, True), (8, 24, True)),  # a TCP header in two
                ((0, 1384, True),),  # never an end
                ((8184 * 8, 8184 * 8 + 400, False),),  # beyond 65,535
            )
        )
        identification = source.getrandbits(16)
        pieces = []
        for start, end, more in cuts:
            part = source.randbytes(end - start) if start >= len(body) or source.random() < 0.5 else body[start:end]
            packet = decode.build_ipv4(
                sender, forger.victim, protocol, part, identification=identification,
                fragment=(start // 8) | (MORE if more else 0),
            )  # fmt: skip
            pieces.append(forger.frame(packet))
        return pieces

    def made() -> Bursts:
        count = number = 0
        while count < frames:
            burst: list[bytes] = []
            while len(burst) < BURST:
                burst += datagram(number)
                number += 1
            count += len(burst)
            yield burst

    return made()


BLIND: dict[str, Callable[[Ground, int, random.Random], Bursts]] = {
    "blind RST": blind_reset,
    "blind SYN": blind_syn,
    "blind data": blind_data,
    "ACK flood": ack_flood,
    "shut windows": shut_windows,
    "ICMP, false quotes": false_quotes,
    "ICMP, true quotes": true_quotes,
    "fragment overlaps": overlapping_fragments,
}
