"""Peers of one listener that say SYN and perhaps no more: crowds of them, the cookies they get, floods of bytes."""

import random
import struct
from collections.abc import Iterator

from netcore.listener import Listener
from tests.tcp.scripted_peer import MILLISECOND, OUR_ADDRESS, OUR_PORT, SECOND, Host, Peer, packed
from tests.tcp.segments import Segment, wanted

AGE = SECOND  # SYN_FLOOD_AGE
FIRST_PORT = 50_000


def crowd(host: Host, count: int, first: int = FIRST_PORT, **peer: object) -> list[Peer]:
    """Peers of neighboring ports, none of which has said anything."""
    return [Peer(host, port=first + number, **peer) for number in range(count)]  # type: ignore[arg-type]


def half_open(host: Host, count: int, first: int = FIRST_PORT, **peer: object) -> list[Peer]:
    """Peers that sent SYN, got SYN,ACK and stay silent."""
    peers = crowd(host, count, first, **peer)
    for each in peers:
        each.send("S")
        each.expect(wanted("SA", seq=0, ack=1))
    return peers


def finished(host: Host, count: int, first: int = FIRST_PORT, **peer: object) -> list[Peer]:
    """Peers whose handshake is done and that nobody has accepted."""
    peers = half_open(host, count, first, **peer)
    for each in peers:
        each.send("A")
        each.expect_nothing()
    return peers


def listener_under_attack(host: Host, backlog: int = 4) -> tuple[Listener, list[Peer]]:
    """A listener that has just entered the mode, and the half-open peers that fill its queue (LISTEN-74)."""
    listener = host.listen(backlog=backlog)
    before = half_open(host, backlog, first=FIRST_PORT - backlog)
    host.advance(AGE + MILLISECOND)
    host.take_packets()  # the SYN,ACKs again
    cookie_for(Peer(host, port=FIRST_PORT - backlog - 1))
    assert listener.under_attack
    return listener, before


def cookie_for(peer: Peer) -> Segment:
    """The peer sends SYN; the SYN,ACK, which is all that is sent and leaves nothing behind (LISTEN-75)."""
    usage = peer.host.engine.usage()
    sent = peer.host.counter("SyncookiesSent")
    peer.send("S")
    (answer,) = peer.expect(wanted("SA", seq=0, ack=1))
    assert peer.host.counter("SyncookiesSent") == sent + 1, "this was no cookie"
    assert peer.host.engine.usage() == usage
    return answer


def expect_refusal(peer: Peer) -> None:
    """The peer sends SYN and gets the one RST,ACK of LISTEN-50."""
    peer.send("S")
    (answer,) = peer.take()
    assert (answer.flags, answer.packet["TCP"].seq, answer.ack) == ("RA", 0, 1)
    peer.host.expect_silence()


def spoofed_syns(seed: int, count: int, port: int = OUR_PORT) -> Iterator[bytes]:
    """IPv4 packets with a SYN each, from random addresses off the link; built without scapy, which is slow."""
    source = random.Random(seed)
    us = packed(OUR_ADDRESS)
    for _ in range(count):
        address = bytes((198, 18 + source.getrandbits(1), source.getrandbits(8), source.getrandbits(8)))
        ports = struct.pack(">HH", source.randrange(1024, 65536), port)
        tcp = ports + struct.pack(">IIBBHHH", source.getrandbits(32), 0, 6 << 4, 2, 64240, 0, 0) + b"\2\4\5\xb4"
        pseudo = address + us + struct.pack(">BBH", 0, 6, len(tcp))
        tcp = tcp[:16] + struct.pack(">H", checksum(pseudo + tcp)) + tcp[18:]
        header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0) + address + us
        yield header[:10] + struct.pack(">H", checksum(header)) + header[12:] + tcp


def checksum(octets: bytes) -> int:
    """The Internet checksum of an even number of octets (RFC 1071)."""
    total: int = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    total = (total >> 16) + (total & 0xFFFF)
    return ~((total >> 16) + total) & 0xFFFF
