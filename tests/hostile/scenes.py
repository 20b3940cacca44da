"""Fuzz inputs written by hand: one for each thing that an attacker may go about, to begin a search with."""

from tests.hostile.cast import ACK, FIN, PSH, RST, SYN, URG
from tests.hostile.feedback import AE, CWR, ECE
from tests.hostile.inputs import (
    Again,
    Arp,
    Blind,
    Call,
    Flood,
    Fragment,
    Live,
    Made,
    Pause,
    Quote,
    RawFrame,
    RawPacket,
    Record,
    Segment,
    Settings,
    Virtio,
    encode,
)  # fmt: skip

# a server among the strangers, and calls by their number (tests.hostile.program)
SERVER = 12
ACCEPT, SEND, RECEIVE, SHUTDOWN_SEND, SHUTDOWN_RECEIVE, CLOSE, ABORT, LOSE = range(8)
SET_BUFFER, SET_OPTION, CONNECT, SET_LISTENER, DECIDE, RESTART, LOOK, PATIENCE = range(8, 16)
OPENING, STAMPED, FROM_LAST = Segment.OPENING, Segment.STAMPED, Segment.FROM_LAST
SECOND = Pause(10, 0)
# a stranger's Fast Open cookie, or the wish for one
COOKIE = bytes([34, 0])


def segment(
    flags: int, *, who: int = 0, mode: int = 0, seq: int = 0, ack: int = 0, text: int = 0, marks: int = 0,
    window: int = 65535, tail: bytes = b"",
) -> Segment:  # fmt: skip
    """A segment that is as expected but for what is said."""
    return Segment(who, mode, flags & 0xFF, marks | (4 if flags & AE else 0), seq, ack, window, text, tail)


def opened(who: int = 0, mode: int = OPENING, syn_flags: int = SYN, tail: bytes = b"") -> list[Record]:
    """A stranger's connection, accepted by the program."""
    return [
        segment(syn_flags, who=who, mode=mode, tail=tail),
        segment(ACK, who=who, mode=mode & 1),
        Call(ACCEPT, who % 3, 0),
    ]


def blocks(*edges: int) -> bytes:
    """Edges of SACK blocks beside the victim's next number."""
    return b"".join(edge.to_bytes(2, "big", signed=True) for edge in edges)


def scenes() -> dict[str, bytes]:
    """The inputs by their names."""
    accurate = SYN | AE | CWR | ECE
    stories: dict[str, tuple[Settings, list[Record]]] = {
        "active-close": (Settings(), [
            *opened(mode=3), segment(ACK | PSH, mode=1, text=500), Call(RECEIVE, 0, 1001), Call(SEND, 0, 5000),
            segment(ACK, mode=1), Call(SHUTDOWN_SEND, 0, 0), segment(ACK, mode=1), segment(ACK | FIN, mode=1),
            segment(ACK | FIN, mode=1, seq=-1), SECOND, segment(SYN, mode=1, seq=100),
        ]),
        "passive-close": (Settings(no_timestamps=1), [
            *opened(1), segment(ACK | FIN, who=1, text=10), Call(LOOK, 0, 0), Call(RECEIVE, 0, 99),
            Call(CLOSE, 0, 0), segment(ACK, who=1),
        ]),
        "simultaneous-close": (Settings(), [
            *opened(2), Call(SHUTDOWN_SEND, 0, 0), segment(ACK | FIN, who=2, ack=-1), Call(LOOK, 0, 0),
            segment(ACK, who=2),
        ]),
        "last-ack": (Settings(), [
            *opened(), segment(ACK | FIN), Call(SHUTDOWN_SEND, 0, 0), Call(LOOK, 0, 0), Pause(11, 9), segment(ACK),
        ]),
        "active-open": (Settings(), [
            Call(CONNECT, 0, 0), segment(SYN | ACK, who=SERVER, mode=OPENING), Call(SEND, 0, 3000),
            segment(ACK, who=SERVER), segment(RST, who=SERVER),
        ]),
        "simultaneous-open": (Settings(), [
            Call(CONNECT, 1, 0), segment(SYN, who=13, mode=OPENING), Call(LOOK, 0, 0),
            segment(SYN | ACK, who=13, seq=-1), segment(ACK, who=13), Call(ABORT, 0, 0),
        ]),
        "refused": (Settings(), [
            Call(CONNECT, 0, 3), segment(RST | ACK, who=SERVER), Pause(9, 9), segment(RST | ACK, who=SERVER), SECOND,
            Call(CONNECT, 2, 1), Quote(14, 3, 3, 0, 0, 28, 2), SECOND, SECOND,
        ]),
        "lost-and-reported": (Settings(), [
            *opened(mode=3), Call(SEND, 0, 30000), segment(ACK, mode=5, ack=-14480, tail=blocks(-13000, -11000)),
            segment(ACK, mode=5, ack=-14480, tail=blocks(-9000, -5000, -13000, -11000)),
            segment(ACK, mode=5, ack=-14480, tail=blocks(-3000, 0, -9000, -5000)), Pause(7, 9), segment(ACK, mode=1),
            segment(ACK, mode=5, tail=blocks(-9000, -8000)), SECOND,
        ]),
        "reneged": (Settings(), [
            *opened(), Call(SEND, 0, 9000), segment(ACK, mode=4, ack=-9000, tail=blocks(-7000, 0)), SECOND, SECOND,
            segment(ACK, ack=-7000), SECOND, segment(ACK),
        ]),
        "holes": (Settings(tight=1), [
            *opened(), segment(ACK, seq=200, text=100), Flood(0, 6, 200, 0), segment(ACK, seq=150, text=400),
            segment(ACK, text=3000 % 2048), Call(RECEIVE, 0, 9999),
        ]),
        "slow-reader": (Settings(small_buffers=1), [
            *opened(), segment(ACK | PSH, text=1400), Flood(0, 4, 0, 0), Pause(6, 200), Call(SET_BUFFER, 0, 100),
            Call(RECEIVE, 0, 3001), segment(ACK | PSH, text=1),
        ]),
        "closed-window": (Settings(), [
            *opened(), segment(ACK, window=0), Call(SEND, 0, 2000), Pause(12, 60), segment(ACK, window=1), SECOND,
            segment(ACK, window=65535), segment(ACK | URG, text=3, marks=8), Call(SHUTDOWN_RECEIVE, 0, 0),
            segment(ACK, text=9),
        ]),
        "silent-peer": (Settings(tight=1), [
            *opened(), Call(SEND, 0, 5000), Call(CLOSE, 0, 0), *[Pause(13, 9)] * 3,
        ]),
        "blind": (Settings(), [
            *[Blind(fault, 100 + fault) for fault in range(9)], Live(0, 9000), Live(1, 9000), Blind(5, 3), Live(7, 99),
        ]),
        "resets-at-the-edges": (Settings(), [
            *opened(), segment(RST, seq=1), segment(SYN, seq=5), segment(RST, seq=-1), segment(ACK, ack=9),
            segment(ACK, ack=-32000), segment(RST),
        ]),
        "marked": (Settings(ecn=1), [
            *opened(syn_flags=SYN | ECE | CWR), Call(SEND, 0, 20000), segment(ACK | ECE),
            segment(ACK | CWR, text=99, marks=3), segment(ACK, text=99, marks=1), Call(SEND, 0, 20000),
            segment(ACK | ECE), SECOND,
        ]),
        "marked-accurately": (Settings(ecn=3), [
            *opened(syn_flags=accurate), Call(SEND, 0, 20000), segment(ACK | CWR, ack=-10000),
            segment(ACK | AE | ECE, text=400, marks=3), segment(ACK | AE | CWR | ECE), SECOND,
            Call(CONNECT, 0, 0), segment(SYN | ACK | CWR, who=SERVER, mode=OPENING, marks=2), Call(SEND, 1, 9000),
            segment(ACK | AE, who=SERVER),
        ]),
        "errors-that-quote": (Settings(), [
            *opened(), Call(SEND, 0, 5000), Quote(0, 3, 4, 600, -5000, 28, 2), Quote(0, 3, 1, 0, -1448, 48, 0),
            Quote(0, 3, 4, 68, 0, 28, 1), Quote(1, 3, 3, 0, 0, 28, 1), Quote(1, 11, 0, 0, 77, 27, 3), Live(0, 5000),
            Quote(2, 12, 0, 0, -1, 64, 0), Quote(2, 4, 0, 0, -1, 20, 0), Quote(2, 5, 1, 9, -1, 20, 0), SECOND,
            Live(0, 9000), segment(ACK),
        ]),
        "segment-in-pieces": (Settings(), [
            *opened(), segment(ACK | PSH, mode=Segment.PIECES, text=1400), Call(RECEIVE, 0, 1501),
            segment(ACK | PSH, mode=Segment.PIECES | STAMPED, text=600, marks=3),
        ]),
        "pieces-that-overlap": (Settings(tight=1), [
            Fragment(0, 0, 1, 0x2000, bytes(64)), Fragment(0, 0, 1, 0x2004, bytes(64)), Fragment(0, 0, 1, 8, bytes(9)),
            Fragment(1, 0, 2, 0x2000, bytes([8, 0, 0xF7, 0xFF]) + bytes(12)), Fragment(1, 0, 2, 2, bytes(8)),
            Fragment(2, 0, 3, 0x3FFF, bytes(99)), Fragment(3, 1, 3, 0x2000, bytes(8)),
            Fragment(3, 1, 2, 0x2000, bytes(8)), Fragment(3, 1, 1, 0x2000, bytes(8)), Pause(13, 9),
        ]),
        "echo": (Settings(bare=1), [
            RawPacket(15, bytes.fromhex("4500002000000000400100000a0900100a090001") + b"\x08" + bytes(11)),
            RawPacket(15, bytes.fromhex("4600002400000000401100000a0900100a09000101010100") + bytes(12)),
            RawPacket(15, bytes.fromhex("4500002000000000408400000a0900100a090001") + bytes(12)),
            RawPacket(15, bytes.fromhex("4700002400000000400100000a0900100a09000107070400000000000800") + bytes(10)),
            RawPacket(15, bytes.fromhex("4700002400000000400600000a0900100a09000107ff000000000000") + bytes(20)),
            RawPacket(15, bytes.fromhex("4600002400000000400600000a0900100a09000183040400") + bytes(20)),
            RawFrame(0, bytes(19)), Made(11, 5), Made(9, 3),
        ]),
        "superframe": (Settings(virtio=1, offloads=1), [
            *opened(mode=3), Virtio(0, 1, 1, 66, 1448, 0, 0), segment(ACK, mode=Segment.LONG | 1, text=900),
            Virtio(0, 1, 1, 0, 0, 34, 16), segment(ACK, text=100), Call(RECEIVE, 0, 65535), Call(SEND, 0, 60000),
            segment(ACK, mode=1),
        ]),
        "neighbors": (Settings(unresolved=1), [
            Arp(0, 1, 0, 0), Arp(1, 2, 0, 0), Arp(2, 1, 30, 0), Arp(3, 0, 0, 9), segment(SYN, who=3, mode=2),
            segment(ACK, who=4), SECOND, Arp(3, 2, 0, 0), segment(SYN, who=3, mode=2), SECOND, SECOND, SECOND,
        ]),
        "conditional": (Settings(conditional=1), [
            segment(SYN, who=2, mode=2), Call(DECIDE, 2, 2), segment(SYN, who=5, mode=2), Call(DECIDE, 2, 4),
            segment(ACK, who=2), segment(ACK, who=5), Call(DECIDE, 2, 1), segment(SYN, who=8, mode=2), Pause(12, 4),
        ]),
        "flooded": (Settings(cookies=1), [
            segment(SYN, who=0, mode=2), segment(SYN, who=3, mode=3), SECOND, segment(SYN, who=6, mode=3),
            segment(ACK, who=6, mode=1), Call(ACCEPT, 0, 0), segment(SYN, who=9, mode=2), segment(ACK, who=9, ack=1),
            SECOND, SECOND,
        ]),
        "listener-shrinks": (Settings(), [
            segment(SYN, who=0, mode=2), segment(SYN, who=3, mode=2), segment(ACK, who=3), Call(SET_LISTENER, 0, 1),
            Call(SET_LISTENER, 0, 9), segment(SYN, who=6, mode=2), Call(SET_LISTENER, 0, 0), Call(RESTART, 0, 0),
            segment(SYN, who=0, mode=2), Call(RESTART, 0, 1),
        ]),
        "handles-let-go": (Settings(no_path_discovery=1, congestion=2), [
            *opened(), *opened(3), *opened(6), segment(ACK, text=10), Call(CLOSE, 0, 0), segment(ACK, who=3, text=5),
            Call(LOSE, 0, 0), Call(SET_OPTION, 0, 6), Call(SET_OPTION, 0, 10), Call(SET_OPTION, 0, 4),
            Call(SEND, 0, 40000), Call(ABORT, 0, 0),
        ]),
        "signed": (Settings(signed=1), [
            *opened(), segment(ACK | PSH, text=200), Call(RECEIVE, 0, 999), *[Blind(9, seed) for seed in range(9)],
            Live(0, 3000), Live(1, 3000),
            segment(SYN, who=3, tail=bytes([19, 18]) + bytes(16)), segment(ACK | FIN),
        ]),
        "signed-otherwise": (Settings(signed=2), [
            *opened(3), Call(CONNECT, 0, 0), *[Blind(9, seed) for seed in range(9)], Live(0, 3000), Live(1, 3000),
            Quote(0, 3, 4, 600, 0, 28, 1), segment(ACK, who=3, tail=bytes([29, 16, 1, 2]) + bytes(12)),
        ]),
        "narrower-path": (Settings(tight=1), [
            *opened(mode=3), Call(SEND, 0, 40000), Quote(0, 3, 4, 1000, -14480, 28, 0),
            segment(ACK, mode=5, ack=-9000, tail=blocks(-7000, -5000)), segment(ACK, mode=1), Call(SEND, 0, 40000),
            *[segment(ACK, mode=1)] * 3, SECOND, Call(SEND, 0, 40000), segment(ACK, mode=1), Call(SEND, 0, 40000),
            segment(ACK, mode=5, ack=-6000, tail=blocks(-4000, 0)), segment(ACK, mode=1), SECOND, SECOND,
            Call(SEND, 0, 40000), Quote(0, 3, 4, 0, -9000, 28, 4), SECOND, segment(ACK, mode=1),
        ]),
        "probe-lost": (Settings(tight=1), [
            *opened(mode=3), Call(SEND, 0, 40000), Quote(0, 3, 4, 1000, -14480, 28, 0), segment(ACK, mode=1),
            Call(SEND, 0, 40000), *[segment(ACK, mode=1)] * 4, SECOND, Call(SEND, 0, 40000),
            *[segment(ACK, mode=5 | FROM_LAST, tail=blocks(1448, 3000))] * 2,
            segment(ACK, mode=5 | FROM_LAST, tail=blocks(1448, 6000)), SECOND, segment(ACK, mode=1),
        ]),
        "black-hole": (Settings(mtu=2), [
            *opened(mode=3), Call(SEND, 0, 40000), *[SECOND] * 6, segment(ACK, mode=1, ack=-500), SECOND,
            segment(ACK, mode=1), SECOND, Pause(13, 99), Call(SEND, 0, 40000), *[SECOND] * 3,
        ]),
        "answer-in-pieces": (Settings(mtu=3, no_path_discovery=1), [
            RawPacket(15, bytes.fromhex("4500002000000000400100000a0900100a090001") + b"\x08" + bytes(999)), SECOND,
            *opened(), Call(SEND, 0, 3000), segment(ACK), SECOND,
        ]),
        "newreno-loses": (Settings(congestion=1, ecn=1, no_sack=1), [
            *opened(syn_flags=SYN | ECE | CWR, mode=3), Call(SEND, 0, 50000), segment(ACK, mode=1, ack=-14480),
            *[segment(ACK, mode=1 | FROM_LAST)] * 5, segment(ACK, mode=1 | FROM_LAST, ack=2000),
            segment(ACK, mode=1), segment(ACK | ECE, mode=1), Call(SEND, 0, 40000), SECOND,
            segment(ACK, mode=1, ack=-1448), SECOND, SECOND, segment(ACK, mode=1), Call(SEND, 0, 9000),
            segment(ACK, mode=1), segment(ACK, ack=-9000), Call(SET_BUFFER, 0, 9001), Call(SET_BUFFER, 0, 20000),
        ]),
        "bbr-over-a-while": (Settings(congestion=2), [
            *opened(mode=3), *[record for _ in range(24) for record in (
                Call(SEND, 0, 40000), Pause(8, 1), segment(ACK, mode=1), Pause(9, 9), segment(ACK | ECE, mode=1),
            )], Call(SEND, 0, 20000), SECOND, segment(ACK, mode=5, ack=-9000, tail=blocks(-4000, 0)),
        ]),
        "signed-to-the-end": (Settings(signed=1), [
            *opened(), Call(SHUTDOWN_SEND, 0, 0), segment(ACK), segment(ACK | FIN), segment(ACK | FIN, seq=-1),
            segment(SYN, seq=1000), segment(RST),
        ]),
        "early-text": (Settings(fast_open=1), [
            segment(SYN, mode=OPENING, tail=COOKIE), segment(ACK), segment(RST),
            segment(SYN, mode=OPENING, tail=COOKIE, text=300), Call(ACCEPT, 0, 0), Call(RECEIVE, 0, 999),
            segment(ACK), segment(SYN, who=3, mode=OPENING, tail=COOKIE, text=9),
            segment(SYN, who=6, tail=bytes([34, 10]) + bytes(8), text=9),
        ]),
        "early-text-refused": (Settings(fast_open=1, tight=1), [
            segment(SYN, mode=OPENING, tail=COOKIE), segment(RST, seq=0),
            segment(SYN, who=3, mode=OPENING, tail=COOKIE), segment(RST, who=3),
            segment(SYN, mode=OPENING, tail=COOKIE, text=300),
            segment(SYN, who=3, mode=OPENING, tail=COOKIE, text=300), segment(RST), SECOND,
            segment(SYN, who=3, mode=OPENING, tail=COOKIE, text=300), SECOND,
        ]),
        "early-text-sent": (Settings(), [
            Call(CONNECT, 4, 0), segment(SYN | ACK, who=SERVER, mode=OPENING, tail=bytes([34, 10]) + b"cookie!!"),
            Call(ABORT, 0, 0), Call(CONNECT, 12, 8), segment(SYN | ACK, who=SERVER, mode=OPENING, ack=-100),
            SECOND, segment(ACK, who=SERVER), Call(CONNECT, 13, 0), Call(CONNECT, 30, 0), SECOND, SECOND,
        ]),
        "urgent": (Settings(), [
            *opened(), segment(ACK | URG, text=5, marks=5 << 3), Call(LOOK, 0, 0), Call(RECEIVE, 0, 1),
            Call(RECEIVE, 0, 0), Call(RECEIVE, 0, 99), segment(ACK | URG, text=5, marks=8),
            Call(SET_OPTION, 0, 2), Call(SET_OPTION, 0, 3),
            segment(ACK | URG, text=9, marks=2 << 3), Call(RECEIVE, 0, 99), Call(SEND, 0, 100), segment(ACK),
        ]),
        "patience": (Settings(tight=1), [
            *opened(tail=bytes([28, 4, 0, 100])), *opened(3), *opened(6), Call(PATIENCE, 0, 0), Call(PATIENCE, 1, 5),
            Call(PATIENCE, 2, 3), Call(SEND, 1, 100), Call(SEND, 2, 100),
            segment(ACK, who=6, tail=bytes([28, 4, 0, 9])), *[Pause(12, 200)] * 3, segment(ACK, seq=-1),
            *[Pause(12, 200)] * 3,
        ]),
        "said-again": (Settings(mtu=1, no_sack=1), [
            *opened(mode=3), Again(3, 40, 1, 2), segment(ACK, mode=1, text=9), Again(3, 40, 9, 255),
            Again(0, 12, 14, 8),
            Again(2, 33, 60, 255), segment(ACK, mode=1, tail=bytes([1, 1, 8, 10])), segment(ACK, text=5),
            segment(ACK, mode=Segment.WRONG_SUM, text=5),
        ]),
    }  # fmt: skip
    return {name: encode(settings, records) for name, (settings, records) in stories.items()}
