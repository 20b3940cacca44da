"""Makes frames of the records of a fuzz input, with what the strangers have seen of the victim in mind."""

import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import replace

from netcore.wire import decode
from tests.hostile import inputs
from tests.hostile.attacker import Attacker, View
from tests.hostile.cast import (
    ACK,
    ARP_TYPE,
    GATEWAY,
    ICMP,
    IPV4_TYPE,
    PUBLIC_PORTS,
    RST,
    STRANGER_MAC,
    TCP,
    UDP,
    VICTIM,
    VICTIM_MAC,
    Link,
)  # fmt: skip
from tests.hostile.feedback import AE, FAST_OPEN, MOST_OPTIONS, NO_OPERATION, SACK_PERMITTED, cookie_in, with_option
from tests.hostile.inputs import Record, Segment
from tests.hostile.mending import mended
from tests.hostile.program import ACTIVE_PORT, FIRST_SERVER, PEERS, SERVER_PORT
from tests.hostile.signed import SIGNED_STRANGER, digest_option

WORD = 1 << 32
REMEMBERED = 16
# data of a fragment of a segment, in bytes
PIECE = 256
# options that begin so have the Fast Open cookie there that the stranger has been given, or ask for one
OWN_COOKIE = bytes([FAST_OPEN, 0])
OPENING_OPTIONS = decode.build_options(mss=1460, window_scale=7)


class Crafting:
    """Frames of records.

    attacker: makes some of them and keeps what has been seen of connections. signed: one stranger signs its segments.
    """

    def __init__(self, link: Link, attacker: Attacker, signed: bool = False) -> None:
        self.signed = signed
        self.link = link
        self.attacker = attacker
        self.seen: deque[bytes] = deque(maxlen=REMEMBERED)
        self.last: Segment | None = None
        self.virtio: bytes | None = None
        self.clock = 0
        # the last ACK of each stranger
        self.acked: dict[int, int] = {}

    def frames(self, record: Record) -> Iterator[bytes]:
        """The frames that a record says, none for records of another sort."""
        match record:
            case inputs.RawFrame():
                yield record.octets
            case inputs.RawPacket():
                yield self.frame(mended(record.octets, record.who, PEERS[0]))
            case inputs.Segment():
                self.last = record
                yield from self.segment(record)
            case inputs.Flood():
                yield from self.flood(record)
            case inputs.Quote():
                yield from self.quote(record)
            case inputs.Fragment():
                packet = decode.build_ipv4(
                    PEERS[record.who], VICTIM, (ICMP, TCP, UDP, record.protocol)[record.protocol & 3], record.octets,
                    identification=record.identification & 3, fragment=record.field & 0xBFFF,
                )  # fmt: skip
                yield self.frame(packet)
            case inputs.Again():
                yield from self.again(record)
            case inputs.Virtio():
                self.virtio = decode.build_vnet(
                    flags=record.flags, gso_type=record.gso_type, hdr_len=record.hdr_len, gso_size=record.gso_size,
                    csum_start=record.csum_start, csum_offset=record.csum_offset,
                )  # fmt: skip
            case inputs.Arp():
                yield self.arp(record)
            case inputs.Blind():
                self.attacker.source.seed(record.seed)
                # the last fault is a false signature, which is none where nothing is signed
                yield self.attacker.blind_segment(record.who % (10 if self.signed else 9))
            case inputs.Made():
                self.attacker.source.seed(record.seed)
                makers = self.attacker.makers
                maker = makers[record.who % len(makers)]
                if maker != self.attacker.blind_segment:
                    yield maker()

    def frame(self, packet: bytes, kind: int = IPV4_TYPE) -> bytes:
        """A frame from a stranger; behind the virtio header that a record gave, if one did."""
        vnet, self.virtio = self.virtio or bytes(10), None
        return self.link.frame(packet, kind=kind, vnet=vnet)

    # ---- what has been seen

    def saw(self, frame: bytes) -> None:
        """A frame between the victim and strangers."""
        self.seen.append(frame)

    def saw_cookie(self, address: bytes, octets: bytes) -> None:
        """A segment of the victim to a stranger: it may bring a Fast Open cookie."""
        if cookie := cookie_in(octets):
            self.attacker.cookies[address] = cookie

    def saw_segment(self, address: bytes, segment: "decode.TcpFields") -> None:
        """A segment of the victim to a stranger: its numbers count unless it repeats what was there."""
        key = (segment["source_port"], address, segment["destination_port"])
        known = self.attacker.views.get(key)
        if known is not None and not segment["flags"] & RST:
            end = (segment["seq"] + segment["seg_len"]) % WORD
            if (end - known.seq) % WORD > WORD // 2:
                return
        self.attacker.saw_segment(address, segment)

    def view(self, who: int) -> View:
        """What the stranger `who` knows of its connection."""
        if who >= FIRST_SERVER:
            key = (ACTIVE_PORT + who, PEERS[who], SERVER_PORT)
        else:
            key = (PUBLIC_PORTS[who % len(PUBLIC_PORTS)], PEERS[who], 1024 + who)
        # numbers of every second stranger are about to pass the end of the circle
        return self.attacker.views.get(key) or View(*key, ack=WORD - 256 if who & 1 else 4096)

    # ---- TCP

    def segment(self, record: Segment) -> Iterator[bytes]:
        """A segment, whole or in pieces."""
        view = self.view(record.who)
        mode = record.mode
        seq = (view.ack + (record.seq << (16 if mode & Segment.FAR else 0))) % WORD
        base = self.acked.get(record.who, view.seq) if mode & Segment.FROM_LAST else view.seq
        ack = self.acked[record.who] = (base + record.ack) % WORD
        flags = record.flags | (AE if record.marks & 4 else 0)
        text = b"\x5a" * length(record)
        ports, numbers = (view.remote_port, view.local_port), (seq, ack if flags & ACK else 0)
        options, urgent = self.options(record, view, base), record.marks >> 3
        if self.signed and view.remote == SIGNED_STRANGER:
            options = digest_option(ports, numbers, flags, record.window, text, options, urgent)
        segment = decode.build_tcp(
            *ports, *numbers, flags, record.window, text, options=options, urgent=urgent,
            addresses=(view.remote, VICTIM),
        )  # fmt: skip
        if mode & Segment.WRONG_SUM:
            segment = segment[:16] + bytes([segment[16] ^ 1]) + segment[17:]
        tos = record.marks & 3
        if mode & Segment.PIECES and len(segment) > PIECE:
            for at in range(0, len(segment), PIECE):
                more = 0x2000 if at + PIECE < len(segment) else 0
                packet = decode.build_ipv4(
                    view.remote, VICTIM, TCP, segment[at : at + PIECE], tos=tos, identification=seq & 0xFFFF,
                    fragment=at // 8 | more,
                )  # fmt: skip
                yield self.frame(packet)
        else:
            yield self.frame(decode.build_ipv4(view.remote, VICTIM, TCP, segment, tos=tos))

    def options(self, record: Segment, view: View, base: int) -> bytes:
        """The options of a segment, as many as there is room for. base: the number that edges of blocks are beside."""
        options = b""
        if record.mode & Segment.STAMPED:
            # a stranger's clock may say what it likes as long as it goes on
            self.clock += 1
            options = decode.build_options(timestamps=(self.clock, view.timestamp or 0))
        if record.mode & Segment.OPENING:
            options = with_option(options, OPENING_OPTIONS + SACK_PERMITTED)
        if not record.mode & Segment.BLOCKS:
            tail = record.tail
            if tail.startswith(OWN_COOKIE):
                cookie = self.attacker.cookies.get(view.remote, b"")
                tail = bytes([FAST_OPEN, 2 + len(cookie)]) + cookie + tail[len(OWN_COOKIE) :]
            tail += b"\0" * (-len(tail) % 4)
            return with_option(options, tail)
        most = (MOST_OPTIONS - len(options) - 4) // 8
        pairs = list(struct.iter_unpack("!hh", record.tail[: len(record.tail) // 4 * 4]))[:most]
        if not pairs:
            return options
        body = b"".join(struct.pack("!II", (base + left) % WORD, (base + right) % WORD) for left, right in pairs)
        return options + NO_OPERATION + bytes([5, 2 + len(body)]) + body

    def flood(self, record: inputs.Flood) -> Iterator[bytes]:
        """The last segment with other numbers."""
        for time in range(1, record.count % 64 + 1):
            if self.last is not None:
                seq, ack = (
                    (first + time * step + 0x8000) % 0x10000 - 0x8000
                    for first, step in ((self.last.seq, record.seq), (self.last.ack, record.ack))
                )
                yield from self.segment(replace(self.last, seq=seq, ack=ack))

    # ---- everything else

    def quote(self, record: inputs.Quote) -> Iterator[bytes]:
        """An ICMP error that quotes a segment of the victim."""
        if record.live & 1:
            endpoint = self.attacker.live[0]
            info = endpoint.info()
            remote, remote_port = endpoint.remote
            view = View(endpoint.local[1], remote, remote_port, seq=info["snd_una"], ack=info["rcv_nxt"])
        else:
            view = self.view(record.who)
        seq = (view.seq + record.seq) % WORD
        segment = decode.build_tcp(view.local_port, view.remote_port, seq, view.ack, ACK, 100)
        quoted = bytearray(decode.build_ipv4(VICTIM, view.remote, TCP, segment + bytes(24)))
        # of a packet as long as the link takes, or as any
        quoted[2:4] = (0xFFFF if record.live & 4 else self.attacker.mtu).to_bytes(2, "big")
        quote = bytes(quoted[: record.size % 65])
        message = decode.build_icmp(record.kind, record.code, record.rest.to_bytes(4, "big"), quote)
        router = GATEWAY if record.live & 2 else PEERS[record.who]
        yield self.frame(decode.build_ipv4(router, VICTIM, ICMP, message))

    def again(self, record: inputs.Again) -> Iterator[bytes]:
        """A frame of before, changed."""
        if not self.seen:
            return
        changed = bytearray(self.seen[record.index % len(self.seen)])
        if changed:
            changed[record.place % len(changed)] ^= record.change
        frame = bytes(changed)
        head = self.link.head
        if self.link.kind(frame) == IPV4_TYPE and record.who:
            frame = frame[:head] + mended(frame[head:], record.who, PEERS[record.index & 15])
        yield frame

    def arp(self, record: inputs.Arp) -> bytes:
        """An ARP packet."""
        sender = VICTIM[:3] + bytes([record.sender]) if record.sender else PEERS[record.who]
        target = VICTIM[:3] + bytes([record.target]) if record.target else VICTIM
        packet = decode.build_arp(record.operation % 4, STRANGER_MAC, sender, VICTIM_MAC, target)
        return self.frame(packet, kind=ARP_TYPE)


def length(record: Segment) -> int:
    """Bytes of text of a segment."""
    return min(record.text << 5, 60_000) if record.mode & Segment.LONG else record.text % 2048
