"""Frames beside those of a real stream: of the same connection or nearly so, none of which may change the stream.

Each takes a genuine frame of text as its pattern. What a receiver may accept carries the true bytes of its place in the
stream; what carries others has something that the receiver must refuse it for.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from netcore.wire import decode
from tests.link.wire import ACK, ALL, FIN, HOST, HOST_MAC, IPV4, OTHER, OTHER_MAC, PEER, PEER_MAC, PSH, RST, SYN, TCP

URG = 32
WORD = 1 << 32
VNET, ETHERNET, IP, HEADER = 10, 14, 20, 20
TIMESTAMPS = b"\1\1\x08\x0a"
DATA_VALID = 2


@dataclass
class Forger:
    """Makes frames for a stream whose first byte has the sequence number `base`."""

    source: random.Random
    text: bytes
    vnet: bool
    base: int
    # how much of the text has been sent: the peer takes no ACK for more
    sent: int = 0
    # of the pattern: place in the stream, length, TCP fields
    place: int = 0
    length: int = 0
    fields: dict[str, Any] = field(default_factory=dict)
    stamps: bytes = b""

    def follow(self, frame: bytes, sent: int) -> None:
        """Takes a genuine frame of text as the pattern of what comes next."""
        self.sent = sent
        packet = decode.parse_ipv4(frame[(VNET if self.vnet else 0) + ETHERNET :])
        assert packet is not None
        segment = decode.parse_tcp(packet["payload"])
        assert segment is not None
        self.fields = dict(segment)
        self.place = (segment["seq"] - self.base) % WORD
        self.length = len(segment["payload"])
        self.stamps = packet["payload"][24:32]

    def frame(self) -> bytes:
        """One of the kinds below."""
        return self.source.choice(KINDS)(self)

    # ---- parts

    def garbage(self, size: int) -> bytes:
        return self.source.randbytes(size)

    def some(self) -> int:
        return self.source.choice((1, 2, 3, 100, 1447, 1448, 1449, self.length, self.source.randint(1, 9000)))

    def true(self, place: int, size: int) -> bytes:
        return self.text[place : min(place + size, self.sent)]

    def segment(self, place: int, text: bytes, flags: int = ACK | PSH, **changes: Any) -> bytes:
        options = changes.get("options", TIMESTAMPS + self.stamps)
        return decode.build_tcp(
            changes.get("source_port", self.fields["source_port"]), self.fields["destination_port"],
            (self.base + place) % WORD, changes.get("ack", self.fields["ack"]), flags, self.fields["window"], text,
            options=options, urgent=changes.get("urgent", 0), addresses=(PEER, HOST),
        )  # fmt: skip

    def packet(self, segment: bytes, **changes: Any) -> bytes:
        return decode.build_ipv4(PEER, HOST, TCP, segment, identification=self.source.getrandbits(16), **changes)

    def link(self, packet: bytes, *, to: bytes = HOST_MAC, kind: int = IPV4, virtio: bytes = bytes(10)) -> bytes:
        return (virtio if self.vnet else b"") + decode.build_ethernet(to, PEER_MAC, kind, packet)

    def plain(self, place: int, text: bytes, flags: int = ACK | PSH, **changes: Any) -> bytes:
        return self.link(self.packet(self.segment(place, text, flags, **changes)))

    def refused(self) -> bytes:
        """The stamps of long ago, for which whatever it is is refused (PAWS)."""
        stamp = (int.from_bytes(self.stamps[:4]) - (1 << 30)) % WORD
        return TIMESTAMPS + stamp.to_bytes(4) + self.stamps[4:]

    # ---- kinds

    def repeats_with_other_bytes(self) -> bytes:
        size = min(self.some(), self.place)
        return self.plain(self.place - size, self.garbage(size))

    def overlaps_with_other_bytes(self) -> bytes:
        size = min(self.some(), self.place)
        return self.plain(self.place - size, self.garbage(size) + self.true(self.place, self.some()))

    def is_ahead(self) -> bytes:
        place = min(self.place + self.some(), self.sent)
        return self.plain(place, self.true(place, self.some()))

    def is_right(self) -> bytes:
        return self.plain(self.place, self.true(self.place, self.some()))

    def is_large(self) -> bytes:
        return self.plain(self.place, self.true(self.place, 60_000))

    def is_outside_the_window(self) -> bytes:
        return self.plain(self.place + self.source.choice((1 << 30, -(1 << 30))), self.garbage(self.some()))

    def acknowledges_what_was_never_sent(self) -> bytes:
        return self.plain(self.place, self.garbage(self.some()), ack=(self.fields["ack"] + 1_000_000) % WORD)

    def has_syn(self) -> bytes:
        return self.plain(self.place, self.garbage(self.some()), self.source.choice((SYN, SYN | ACK, SYN | ACK | URG)))

    def has_reset_within_the_window(self) -> bytes:
        return self.plain(self.sent + 1, self.garbage(self.some()), RST | self.source.choice((0, ACK)))

    def has_no_ack(self) -> bytes:
        return self.plain(self.place, self.garbage(self.some()), self.source.choice((0, PSH, FIN, URG)))

    def has_a_wrong_checksum(self) -> bytes:
        flags = ACK | self.source.choice((0, PSH, FIN, RST, URG, SYN))
        segment = bytearray(self.segment(self.place, self.garbage(self.some()), flags, urgent=1))
        segment[16] ^= 1 << self.source.randrange(8)
        return self.link(self.packet(bytes(segment)))

    def is_of_long_ago(self) -> bytes:
        flags = ACK | self.source.choice((0, PSH, FIN, URG))
        return self.plain(self.place, self.garbage(self.some()), flags, options=self.refused(), urgent=2)

    def has_no_timestamps(self) -> bytes:
        options = self.source.choice((b"", bytes([1]) * 12, bytes([1]) * 40))
        return self.plain(self.place, self.garbage(self.some()), options=options)

    def has_its_options_in_another_order(self) -> bytes:
        options = TIMESTAMPS[2:] + self.stamps + bytes([1, 1])
        return self.plain(self.place, self.true(self.place, self.some()), options=options)

    def has_more_options(self) -> bytes:
        options = TIMESTAMPS + self.stamps + bytes([1]) * (4 * self.source.randint(1, 7))
        return self.plain(self.place, self.true(self.place, self.some()), options=options)

    def is_a_fragment(self) -> bytes:
        segment = self.segment(self.place, self.garbage(self.some()))
        return self.link(self.packet(segment, fragment=self.source.choice((0x2000, 0x2001, 1, 185, 0x1FFF))))

    def is_padded(self) -> bytes:
        packet = self.packet(self.segment(self.place, self.true(self.place, self.some())))
        return self.link(packet + self.garbage(self.some()))

    def says_it_is_longer(self) -> bytes:
        return self.of_length(self.source.randint(1, 60))

    def says_it_is_shorter(self) -> bytes:
        """Text to the end of the frame, less of it to the end of the packet: the checksum is wrong."""
        return self.of_length(-self.source.randint(1, 60))

    def of_length(self, change: int) -> bytes:
        packet = bytearray(self.packet(self.segment(self.place, self.garbage(self.some()))))
        packet[2:4] = max(0, int.from_bytes(packet[2:4]) + change).to_bytes(2)
        packet[10:12] = bytes(2)
        packet[10:12] = decode.checksum(bytes(packet[:IP])).to_bytes(2)
        return self.link(bytes(packet))

    def has_a_wrong_offset(self) -> bytes:
        # where it makes text of options or options of text: one of these has a length that none can have (SEG-13)
        segment = bytearray(self.segment(self.place, b"\x22\0" + self.garbage(self.some())))
        segment[12] = self.source.choice((0, 1, 4, 5, 6, 9, 15)) << 4
        segment[16:18] = bytes(2)
        segment[16:18] = decode.transport_checksum(PEER, HOST, TCP, bytes(segment)).to_bytes(2)
        return self.link(self.packet(bytes(segment)))

    def has_another_first_octet(self) -> bytes:
        packet = bytearray(self.packet(self.segment(self.place, self.garbage(self.some()))))
        packet[0] = self.source.choice((0x44, 0x46, 0x4F, 0x65, 0x05))
        return self.link(bytes(packet))

    def is_for_somebody_else(self) -> bytes:
        segment = self.segment(self.place, self.garbage(self.some()))
        packet = decode.build_ipv4(*self.source.choice(((PEER, OTHER), (OTHER, HOST), (HOST, HOST))), TCP, segment)
        return self.link(packet)

    def is_of_another_link(self) -> bytes:
        packet = self.packet(self.segment(self.place, self.garbage(self.some())))
        to, kind = self.source.choice(((OTHER_MAC, IPV4), (ALL, IPV4), (HOST_MAC, 0x8100), (HOST_MAC, 0x86DD)))
        return self.link(packet, to=to, kind=kind)

    def is_of_another_protocol(self) -> bytes:
        segment = self.segment(self.place, self.garbage(self.some()))
        return self.link(decode.build_ipv4(PEER, HOST, self.source.choice((1, 17, 2, 132)), segment))

    def is_of_another_port(self) -> bytes:
        return self.plain(self.place, self.garbage(self.some()), source_port=self.fields["source_port"] ^ 0x4000)

    def is_cut_off(self) -> bytes:
        frame = self.plain(self.place, self.garbage(self.some()))
        return frame[: self.source.randrange(1, len(frame))]

    def is_a_strange_superframe(self) -> bytes:
        """The text is right; what the device says of it is odd."""
        packet = self.packet(self.segment(self.place, self.true(self.place, self.some())))
        virtio = decode.build_vnet(
            flags=self.source.choice((0, DATA_VALID)), gso_type=self.source.choice((0, 1, 1, 3, 4, 0x81, 255)),
            hdr_len=self.source.choice((0, 1, 66, 65535)), gso_size=self.source.choice((0, 1, 3, 1447, 65535)),
        )  # fmt: skip
        return self.link(packet, virtio=virtio)


KINDS: tuple[Callable[[Forger], bytes], ...] = (
    Forger.repeats_with_other_bytes, Forger.overlaps_with_other_bytes, Forger.is_ahead, Forger.is_right,
    Forger.is_large, Forger.is_outside_the_window, Forger.acknowledges_what_was_never_sent, Forger.has_syn,
    Forger.has_reset_within_the_window, Forger.has_no_ack, Forger.has_a_wrong_checksum, Forger.is_of_long_ago,
    Forger.has_no_timestamps, Forger.has_its_options_in_another_order, Forger.has_more_options, Forger.is_a_fragment,
    Forger.is_padded, Forger.says_it_is_longer, Forger.says_it_is_shorter, Forger.has_a_wrong_offset,
    Forger.has_another_first_octet, Forger.is_for_somebody_else, Forger.is_of_another_link,
    Forger.is_of_another_protocol, Forger.is_of_another_port, Forger.is_cut_off, Forger.is_a_strange_superframe,
)  # fmt: skip
