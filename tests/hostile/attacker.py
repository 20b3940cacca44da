"""What the attacker sends: one frame at a time, from a seed, with what it has seen of the victim's answers in mind."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from netcore.endpoint import Endpoint
from netcore.wire import decode
from tests.hostile.cast import (
    ACK,
    ARP_TYPE,
    BROADCAST_MAC,
    FIN,
    FRIEND,
    FRIEND_MAC,
    GATEWAY,
    ICMP,
    IPV4_TYPE,
    PRIVATE_PORT,
    PSH,
    PUBLIC_PORTS,
    RST,
    STRANGER_MAC,
    STRANGERS,
    SYN,
    TCP,
    UDP,
    URG,
    VICTIM,
    VICTIM_MAC,
    Link,
    octets,
)  # fmt: skip
from tests.hostile.feedback import (
    ECN_FIELDS,
    MARKED_FLAGS,
    MARKED_OPENINGS,
    MOST_OPTIONS,
    SACK_PERMITTED,
    cookie_option,
    sack_blocks,
    timeout_option,
    with_option,
)  # fmt: skip
from tests.hostile.mending import EVERYTHING, mended
from tests.hostile.mutations import mutate, splice
from tests.hostile.pieces import in_pieces
from tests.hostile.signed import SIGNED_PORT, SIGNED_STRANGER, digest_option, false_signature

WORD = 1 << 32
BAD_SOURCES = [
    VICTIM, bytes(4), bytes([255] * 4), bytes([127, 0, 0, 1]), bytes([224, 0, 0, 1]), bytes([10, 9, 0, 255]),
    bytes([10, 9, 0, 0]), bytes([240, 1, 2, 3]), GATEWAY,
]  # fmt: skip
BAD_OPTIONS = [
    bytes([2, 0, 1, 1]), bytes([8, 1, 1, 1]), bytes([2, 4, 5, 180, 8, 10, 0, 0]), bytes([1, 1, 1, 3]),
    bytes([254, 255, 0, 0]), bytes([5, 40, 0, 0]),
]  # fmt: skip
FLAGS = (ACK, ACK, ACK, ACK | PSH, ACK | PSH, ACK | FIN, ACK | RST, RST, SYN, SYN | ACK, FIN, 0, ACK | URG, 0xFF)
# what the quoted packet of an ICMP error would have to do with: (type, code)
ICMP_ERRORS = ((3, 0), (3, 1), (3, 2), (3, 3), (3, 4), (4, 0), (5, 1), (11, 0), (11, 1), (12, 0))


@dataclass
class View:
    """What the victim's last segment to a stranger told: where each side is, in absolute numbers."""

    local_port: int
    remote: bytes
    remote_port: int
    seq: int = 0
    ack: int = 0
    window: int = 0
    timestamp: int | None = None


class Attacker:
    """Makes hostile frames. `live` are the victim's ends of the connections that must not be hurt."""

    def __init__(self, link: Link, source: random.Random, mtu: int) -> None:
        self.link = link
        self.source = source
        self.mtu = mtu
        self.live: list[Endpoint] = []
        self.views: dict[tuple[int, bytes, int], View] = {}
        self.corpus: list[bytes] = []
        self.pieces: list[bytes] = []
        self.cookies: dict[bytes, bytes] = {}
        # what the last frame was, by the name of its maker
        self.kind = ""
        choices: list[tuple[int, Callable[[], bytes]]] = [
            (4, self.noise),
            (10, self.altered),
            (10, self.mended),
            (6, self.spliced),
            (18, self.blind_segment),
            (30, self.segment_of_a_stranger),
            (12, self.feedback_of_a_stranger),
            (8, self.opening),
            (5, self.stray_segment),
            (5, self.odd_packet),
            (4, self.icmp),
            (5, self.fragment),
            (8, self.piece),
            (2, self.udp),
            (5, self.arp),
        ]
        if link.vnet:
            choices.append((8, self.odd_virtio_header))
        self.weights = [weight for weight, _ in choices]
        self.makers = [maker for _, maker in choices]

    def next_frame(self) -> bytes:
        """One hostile frame. Whatever could pass for the friend's own word is replaced by noise."""
        maker = self.source.choices(self.makers, self.weights)[0]
        self.kind = maker.__name__
        frame = maker()
        # the blind segments have been thought about one by one
        if maker != self.blind_segment and self.link.may_hurt_the_friend(frame):
            frame = self.noise()
        return frame

    def saw(self, frame: bytes) -> None:
        """A frame of the victim, or one to it: it may be altered and sent again."""
        if len(self.corpus) < 256:
            self.corpus.append(frame)
        else:
            self.corpus[self.source.randrange(256)] = frame

    def saw_segment(self, address: bytes, segment: "decode.TcpFields") -> None:
        """A segment that the victim sent to a stranger."""
        key = (segment["source_port"], address, segment["destination_port"])
        if segment["flags"] & RST:
            self.views.pop(key, None)
            return
        view = self.views.get(key)
        if view is None:
            if len(self.views) >= 512:
                self.views.pop(next(iter(self.views)))
            view = self.views[key] = View(*key)
        view.seq = (segment["seq"] + segment["seg_len"]) % WORD
        view.ack = segment["ack"]
        view.window = segment["window"]
        view.timestamp = segment["timestamps"][0] if segment["timestamps"] else None

    # ---- without knowledge

    def noise(self) -> bytes:
        """Random octets, sometimes behind a right link header."""
        body = self.source.randbytes(self.source.choice((0, 1, 9, 20, 60, 200, self.mtu)))
        if self.source.random() < 0.5:
            return self.link.frame(body, kind=self.source.choice((IPV4_TYPE, ARP_TYPE, 0x86DD, 0x8100)))
        return body

    def altered(self) -> bytes:
        """A frame of the past with some damage."""
        return mutate(self.source.choice(self.corpus), self.source) if self.corpus else self.noise()

    def mended(self) -> bytes:
        """A frame of the past with some damage that no checksum tells, from a stranger now."""
        frame = self.altered()
        head = self.link.head
        return frame[:head] + mended(frame[head:], EVERYTHING, self.source.choice(STRANGERS))

    def spliced(self) -> bytes:
        """The head of one frame of the past and the tail of another."""
        if not self.corpus:
            return self.noise()
        return splice(self.source.choice(self.corpus), self.source.choice(self.corpus), self.source)

    # ---- TCP

    def options(self, timestamp: tuple[int, int] | None = None) -> bytes:
        """Options: the right ones, odd ones, or bad ones."""
        pick = self.source.random()
        if pick < 0.03:
            return false_signature(self.source)
        if pick < 0.08:
            added = timeout_option(self.source) if pick < 0.055 else cookie_option(None, self.source)
            return with_option(decode.build_options(timestamps=timestamp), added)
        if pick < 0.6:
            return decode.build_options(timestamps=timestamp)
        if pick < 0.8:
            values = {
                "mss": self.source.choice((None, 0, 1, 63, 64, 65, 536, 1460, 65535)),
                "window_scale": self.source.choice((None, 0, 7, 14, 15, 255)),
            }
            return decode.build_options(mss=values["mss"], window_scale=values["window_scale"], timestamps=timestamp)
        if pick < 0.9:
            return self.source.choice(BAD_OPTIONS)
        return self.source.randbytes(4 * self.source.randrange(11))

    def segment(
        self, remote: bytes, remote_port: int, local_port: int, seq: int, ack: int, flags: int, window: int,
        text: bytes, options: bytes, *, good_sum: bool = True, tos: int = 0,
    ) -> bytes:  # fmt: skip
        """A frame with a segment to the victim, its checksum right or surely wrong."""
        urgent = self.source.choice((0, 0, 0, 1, 65535))
        if remote == SIGNED_STRANGER and self.source.random() < 0.9:
            numbers = (seq % WORD, ack % WORD)
            options = digest_option((remote_port, local_port), numbers, flags, window, text, options, urgent)
        segment = decode.build_tcp(
            remote_port, local_port, seq % WORD, ack % WORD, flags, window, text, options=options,
            addresses=(remote, VICTIM), urgent=urgent,
        )  # fmt: skip
        if not good_sum:
            wrong = int.from_bytes(segment[16:18], "big") ^ (1 << self.source.randrange(16))
            segment = segment[:16] + wrong.to_bytes(2, "big") + segment[18:]
        mac = FRIEND_MAC if remote == FRIEND else STRANGER_MAC
        return self.link.frame(decode.build_ipv4(remote, VICTIM, TCP, segment, tos=tos), source=mac)

    def text(self) -> bytes:
        """Text of a segment."""
        return b"\xa5" * self.source.choice((0, 0, 1, 2, 100, 536, 1448, self.mtu - 60))

    def blind_segment(self, fault: int | None = None) -> bytes:
        """A segment of a live connection that is wrong in one way at least, and right in all others.

        The attacker even knows the sequence numbers, and puts one thing wrong that RFC 9293, 5961 and 7323 say is
        enough for the segment to change nothing, or the signature of one that is signed; `fault` (0 to 9) chooses
        which.
        """
        live = [endpoint for endpoint in self.live if not endpoint.closed]
        if not live:
            return self.noise()
        if fault is None:
            fault = self.source.randrange(10)
        signed = [endpoint for endpoint in live if endpoint.remote[1] == SIGNED_PORT]
        endpoint = self.source.choice(signed if fault == 9 and signed else live)
        info = endpoint.info()
        local_port, (remote, remote_port) = endpoint.local[1], endpoint.remote
        inside = self.source.choice((0, 0, 1, info["rcv_wnd"] // 2))
        seq, ack = info["rcv_nxt"] + inside, info["snd_una"]
        flags = self.source.choice((ACK, ACK | PSH, ACK | FIN))
        text = self.text()
        now = self.source.getrandbits(32)
        options = decode.build_options(timestamps=(now, 0)) if info["timestamps"] else b""
        good_sum = True
        if fault == 0:
            good_sum = False
        elif fault == 1:
            ack = info["snd_nxt"] + self.source.choice((1, 2, 1000, 1 << 30))
        elif fault == 2:
            ack = info["snd_una"] - info["max_snd_wnd"] - self.source.choice((1, 2, 70000, 1 << 30))
        elif fault == 3:
            # before the window, all of it; right behind it
            seq = info["rcv_nxt"] - len(text) - self.source.choice((1, 2, 1 << 20))
            if self.source.random() < 0.5:
                seq = info["rcv_nxt"] + info["rcv_wnd"] + self.source.choice((0, 1, 1 << 20))
                seq += info["rcv_wnd"] == 0
            flags = self.source.choice(FLAGS)
        elif fault == 4:
            flags = self.source.choice((SYN, SYN | ACK, SYN | FIN | ACK))
        elif fault == 5:
            flags = self.source.choice((RST, RST | ACK))
            seq = info["rcv_nxt"] + self.source.choice((-1, 1, 2, 1000, 1 << 30))
        elif fault == 6:
            flags = self.source.choice((0, PSH, FIN, URG | FIN))
        elif fault == 7:
            options = self.source.choice(BAD_OPTIONS)
        elif fault == 9:
            options = with_option(options, false_signature(self.source))
        elif info["timestamps"]:
            options = b""
        else:
            good_sum = False
        return self.segment(
            remote, remote_port, local_port, seq, ack, flags, self.source.choice((0, 1, 65535)), text, options,
            good_sum=good_sum,
        )  # fmt: skip

    def segment_of_a_stranger(self) -> bytes:
        """A well-summed segment near the edges of what the victim expects."""
        if not self.views:
            return self.opening()
        view = self.source.choice(list(self.views.values()))
        text = self.text()
        near = self.source.choice((0, 0, 0, 0, 1, -1, 2, 100, -100, view.window, view.window - 1, 70000, 1 << 31))
        far = self.source.choice((0, 0, 0, 0, -1, 1, -1000, 1000, 1 << 30, 1 << 31))
        stamp = None
        if view.timestamp is not None and self.source.random() < 0.95:
            stamp = (self.source.choice((0, 1, view.timestamp, WORD - 1)), view.timestamp)
            if self.source.random() < 0.6:
                # a stranger's clock may say what it likes as long as it goes on
                stamp = (view.seq, self.source.choice((0, view.timestamp, view.timestamp - 1 if view.timestamp else 0)))
        return self.segment(
            view.remote, view.remote_port, view.local_port, view.ack + near, view.seq + far,
            self.source.choice(FLAGS), self.source.choice((0, 1, 2, 500, 8000, 65535)), text, self.options(stamp),
        )  # fmt: skip

    def feedback_of_a_stranger(self) -> bytes:
        """What a receiver reports of segments and marks, and what none would: SACK blocks, echoes, marks on itself."""
        if not self.views:
            return self.opening()
        source = self.source
        view = source.choice(list(self.views.values()))
        stamp = None if view.timestamp is None else (view.seq, source.choice((0, view.timestamp)))
        options = decode.build_options(timestamps=stamp)
        if source.random() < 0.8:
            options = with_option(options, sack_blocks(view.seq, source, MOST_OPTIONS - len(options)))
        ack = view.seq - source.choice((0, 0, 1, 536, 1448, 5000, 20_000))
        flags = source.choice(MARKED_FLAGS) if source.random() < 0.5 else ACK
        text = self.text() if source.random() < 0.3 else b""
        return self.segment(
            view.remote, view.remote_port, view.local_port, view.ack + source.choice((0, 0, 0, 1448)), ack, flags,
            source.choice((0, 500, 65535, 65535)), text, options, tos=source.choice(ECN_FIELDS),
        )  # fmt: skip

    def opening(self) -> bytes:
        """A SYN to a listener, or one that should be none."""
        remote = self.source.choice(STRANGERS) if self.source.random() < 0.9 else self.source.choice(BAD_SOURCES)
        port = self.source.choice(PUBLIC_PORTS)
        flags = self.source.choice((SYN, SYN, SYN, SYN, SYN | FIN, SYN | RST, SYN | URG | PSH))
        stamp = (self.source.getrandbits(32), 0) if self.source.random() < 0.5 else None
        if self.source.random() < 0.3:
            flags = self.source.choice(MARKED_OPENINGS)
        options = self.options(stamp)
        if self.source.random() < 0.5:
            options = with_option(options, SACK_PERMITTED)
        if self.source.random() < 0.4:
            options = with_option(options, cookie_option(self.cookies.get(remote), self.source))
        if self.source.random() < 0.1:
            options = with_option(options, timeout_option(self.source))
        seq = self.source.choice((0, WORD - 1, self.source.getrandbits(32)))
        return self.segment(
            remote, self.source.randrange(1024, 1100), port, seq, self.source.choice((0, 1)), flags,
            self.source.choice((0, 1, 65535)), self.text(), options, tos=self.source.choice(ECN_FIELDS),
        )  # fmt: skip

    def stray_segment(self) -> bytes:
        """A segment to no connection: the victim may answer with RST, once, and must not otherwise."""
        remote = self.source.choice(STRANGERS + BAD_SOURCES)
        port = self.source.choice((0, 1, PRIVATE_PORT, *PUBLIC_PORTS, 65535))
        flags = self.source.choice([flag for flag in FLAGS if not flag & SYN])
        return self.segment(
            remote, self.source.randrange(65536), port, self.source.getrandbits(32), self.source.getrandbits(32), flags,
            self.source.randrange(65536), self.text(), self.options(),
        )  # fmt: skip

    # ---- everything else

    def odd_packet(self) -> bytes:
        """IPv4 with fragments, options, odd lengths, protocols and addresses; or in a frame for somebody else."""
        source = self.source.choice(STRANGERS + BAD_SOURCES)
        destination = self.source.choice((VICTIM, VICTIM, bytes([10, 9, 0, 255]), bytes([224, 0, 0, 1]), STRANGERS[0]))
        protocol = self.source.choice((TCP, ICMP, UDP, 0, 2, 47, 132, 255))
        packet = bytearray(
            decode.build_ipv4(
                source,
                destination,
                protocol,
                octets(self.source, 1480),
                ttl=self.source.choice((0, 1, 255)),
                fragment=self.source.choice((0, 0, 0x2000, 0x2001, 0x1FFF, 0x4000, 0x8000, 0xFFFF)),
            )
        )
        pick = self.source.random()
        if pick < 0.2:
            packet[0] = self.source.choice((0x44, 0x40, 0x4F, 0x46, 0x65, 0x05))
        elif pick < 0.4:
            packet[2:4] = self.source.choice((0, 19, 20, len(packet) + 1, 65535)).to_bytes(2, "big")
        if pick < 0.4:
            packet[10:12] = bytes(2)
            packet[10:12] = decode.checksum(packet[: max(20, (packet[0] & 15) * 4)]).to_bytes(2, "big")
        mac = self.source.choice((VICTIM_MAC, VICTIM_MAC, BROADCAST_MAC, bytes.fromhex("01005e000001"), FRIEND_MAC))
        return self.link.frame(bytes(packet), destination=mac)

    def fragment(self) -> bytes:
        """A piece of one of few datagrams: what comes together overlaps, contradicts itself, or makes a whole."""
        start = self.source.choice((0, 0, 1, 2, 8, 8188, self.source.randrange(8192)))
        more = self.source.choice((0, 0x2000, 0x2000))
        body = octets(self.source, self.source.choice((8, 16, 64, 1480)))
        sender, protocol = self.source.choice(STRANGERS + BAD_SOURCES), self.source.choice((ICMP, ICMP, TCP, UDP))
        if self.source.random() < 0.5:
            # the whole of it fits: 8 octets each, from one of few
            sender, protocol = self.source.choice(STRANGERS[:3]), ICMP
            start, body = self.source.randrange(3), decode.build_icmp(8, 0, b"abcd", bytes(16))
            body, more = body[8 * start : 8 * start + 8], 0x2000 * (start < 2)
        packet = decode.build_ipv4(
            sender, VICTIM, protocol, body,
            tos=self.source.choice((0, 0, 0, 2, 3)), identification=self.source.randrange(3), fragment=start | more,
        )  # fmt: skip
        return self.link.frame(packet)

    def piece(self) -> bytes:
        """The next fragment of a segment of a stranger."""
        if not self.pieces:
            frame = self.source.choice((self.segment_of_a_stranger, self.feedback_of_a_stranger, self.opening))()
            packet = frame[self.link.head :]
            self.pieces = [self.link.frame(part) for part in in_pieces(packet, self.source)]
        return self.pieces.pop()

    def icmp(self) -> bytes:
        """Echo, and errors that quote segments of live connections and others."""
        source = self.source.choice(STRANGERS + BAD_SOURCES)
        if self.source.random() < 0.4:
            message = decode.build_icmp(8, self.source.choice((0, 0, 1)), b"abcd", octets(self.source, self.mtu))
        else:
            live = [endpoint for endpoint in self.live if not endpoint.closed]
            quote = self.source.randbytes(28)
            if live and self.source.random() < 0.8:
                endpoint = self.source.choice(live)
                info = endpoint.info()
                port, (remote, remote_port) = endpoint.local[1], endpoint.remote
                segment = decode.build_tcp(port, remote_port, info["snd_una"], info["rcv_nxt"], ACK, 100)
                quoted = bytearray(decode.build_ipv4(VICTIM, remote, TCP, segment))
                quoted[2:4] = self.source.choice((40, 1500, 65535)).to_bytes(2, "big")
                quote = bytes(quoted[: self.source.choice((20, 28, 40))])
            kind, code = self.source.choice(ICMP_ERRORS)
            rest = self.source.choice((bytes(4), bytes([0, 0, 0, 68]), bytes([0, 0, 4, 176]), self.source.randbytes(4)))
            message = decode.build_icmp(kind, code, rest, quote)
        if self.source.random() < 0.1:
            message = mutate(message, self.source)
        return self.link.frame(decode.build_ipv4(source, VICTIM, ICMP, message))

    def udp(self) -> bytes:
        """A datagram: its port is unreachable."""
        body = self.source.randbytes(8) + octets(self.source, self.mtu - 40)
        return self.link.frame(decode.build_ipv4(self.source.choice(STRANGERS + BAD_SOURCES), VICTIM, UDP, body))

    def arp(self) -> bytes:
        """Requests, answers nobody asked for, and what is no ARP at all; the friend's address is left alone."""
        sender = self.source.choice(STRANGERS + BAD_SOURCES + [bytes([10, 9, 0, self.source.randrange(3, 256)])])
        packet = decode.build_arp(
            self.source.choice((1, 1, 2, 2, 0, 3, 9)),
            self.source.choice((STRANGER_MAC, bytes(6), BROADCAST_MAC, VICTIM_MAC, self.source.randbytes(6))),
            sender,
            self.source.choice((bytes(6), VICTIM_MAC)),
            self.source.choice((VICTIM, VICTIM, FRIEND, sender)),
        )
        if self.source.random() < 0.1:
            packet = packet[: self.source.randrange(28)]
        destination = self.source.choice((VICTIM_MAC, BROADCAST_MAC))
        return self.link.frame(packet + bytes(18), kind=ARP_TYPE, destination=destination)

    def odd_virtio_header(self) -> bytes:
        """A frame of strangers behind any virtio header: superframes, partial sums, offsets that lead outside."""
        maker = self.source.choice((self.segment_of_a_stranger, self.opening, self.odd_packet, self.icmp, self.noise))
        frame = maker()
        header = decode.build_vnet(
            flags=self.source.choice((0, 1, 2, 3, 255)),
            gso_type=self.source.choice((0, 1, 3, 4, 5, 0x81, 255)),
            hdr_len=self.source.choice((0, 54, 66, 65535)),
            gso_size=self.source.choice((0, 1, 500, 1448, 65535)),
            csum_start=self.source.choice((0, 34, 20, 65535)),
            csum_offset=self.source.choice((0, 16, 65535)),
        )
        if maker == self.segment_of_a_stranger and self.source.random() < 0.3 and self.views:
            frame = self.superframe(self.source.choice(list(self.views.values())))
        return header + frame[10:]

    def superframe(self, view: View) -> bytes:
        """As much text as one frame can carry."""
        stamp = None if view.timestamp is None else (view.seq, view.timestamp)
        text = b"\x5a" * self.source.choice((2000, 16384, 40000, 65000))
        return self.segment(
            view.remote, view.remote_port, view.local_port, view.ack + self.source.choice((0, 0, 1, 3000)), view.seq,
            ACK | PSH, 65535, text, decode.build_options(timestamps=stamp),
        )  # fmt: skip
