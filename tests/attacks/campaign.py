"""Runs an attack beside two live streams and holds what the stack did against its bounds."""

import random
from collections.abc import Callable, Iterator

from tests.attacks.blind import BLIND
from tests.attacks.crowd import Services
from tests.attacks.ground import BUFFER, Ground, Outcome, ground
from tests.attacks.own import HOLES, OWN, PEERS, BackwardBytes

KIBI = 1 << 10
CHALLENGE_INTERVAL = 0.5  # seconds, SEG-8
# Both streams: what is sent, and what is received in chunks that are a quarter full at least.
STREAMS = 2 * (BUFFER + 4 * BUFFER)
CHUNK = 2048  # bytes that a hole takes at least
RECORD = 256  # bytes, more than that of a stretch that was sent
FRAGMENTS = (4 << 20) + 256 * 2 * KIBI  # reassembly_memory, and the records of reassembly_datagrams
GROWTH = 48 << 20  # bytes of the process, attacker included
PINGS = "of 5 pings in three fragments answered"
PING = ("ping", "-n", "-q", "-c", "5", "-i", "0.01", "-s", "4000")

# Bytes on the account of the stack beyond those of the streams.
MEMORY: dict[str, int] = {
    "fragment overlaps": FRAGMENTS,
    "hole flood": PEERS * HOLES * CHUNK,
    "backward bytes": PEERS * (2 * BackwardBytes.MOST + CHUNK),
    "duplicate ACKs": PEERS * (OWN["duplicate ACKs"].size * 5 // 4),
    "SACK flood": PEERS * (OWN["SACK flood"].size * 5 // 4) + PEERS // 2 * OWN["SACK flood"].size // 64 * RECORD,
    "tiny MSS": PEERS * OWN["tiny MSS"].size * (5 * 64 // 4 + RECORD) // 64,
    "shrinking windows": PEERS * (OWN["shrinking windows"].size * 5 // 4),
}
# Attacks that bring no ACK but the challenges that RFC 5961 allows.
CHALLENGED = ("blind RST", "blind SYN", "ACK flood")
ATTACKS = [*BLIND, *OWN]


def run(name: str, frames: int, seed: int = 1, *, timestamps: bool = False) -> Outcome:
    """Runs one attack of about so many frames. AssertionError when a stream stalls or a byte of one is wrong.

    timestamps: whether the live connections have them, so that most forged segments lack what a segment must have.
    """
    source = random.Random(seed)
    with ground(timestamps=timestamps) as place:
        if name in BLIND:
            outcome = place.attack(BLIND[name](place, frames, source), frames)
        else:
            kind = OWN[name]
            with Services(place, kind.size) as services:
                attack = kind(place, services, source)
                outcome = place.attack(attack.bursts(frames), frames)
                attack.verify(outcome)
        if name == "fragment overlaps":
            outcome.told[PINGS] = ping(place)
    return outcome


def ping(place: Ground) -> int:
    """How many pings larger than a packet are answered while the attack's datagrams are waited for; of 5."""
    told = place.host.run(*PING, place.host.address)
    return int(told.stdout.partition(" received")[0].split()[-1])


def challenges_allowed(outcome: Outcome) -> int:
    """How many challenge ACKs the live connections and the attacker's own may have sent in the time it took."""
    return round(outcome.held["connections"] * (outcome.seconds / CHALLENGE_INTERVAL + 1))


def exceeded(name: str, outcome: Outcome) -> Iterator[str]:
    """Yields the bounds that the stack did not keep, each with its value."""
    counters = outcome.counters
    legitimate = counters["FramesIn"] - outcome.frames
    bounds: list[tuple[str, int, int]] = [
        ("bytes on the stack's account", outcome.memory, STREAMS + MEMORY.get(name, 0)),
        ("bytes that the process grew by", outcome.grown, GROWTH),
        ("challenge ACKs", counters["TCPChallengeACK"], challenges_allowed(outcome)),
        ("frames that wait to leave", outcome.held["frames"], 0),
        ("connections reset", counters["EstabResets"], 0),
        ("connections timed out", counters["TCPAbortOnTimeout"], 0),
    ]
    if name in BLIND:
        bounds.append(("connections", outcome.held["connections"], 2))
        bounds.append(("ACKs", counters["TCPPureAcks"], counters["FramesIn"]))
        bounds.append(("forged segments that were kept", counters["TCPOFOQueue"], 0))
    if name in CHALLENGED:
        bounds.append(("ACKs", counters["TCPPureAcks"], 2 * legitimate + challenges_allowed(outcome)))
    if name == "ICMP, false quotes":
        bounds.append(("paths taken for smaller", outcome.held["path_searches"], 0))
    if name == "duplicate ACKs":
        episodes = counters["TCPRenoRecovery"] + counters["TCPTimeouts"]
        bounds.append(("segments sent again", counters["RetransSegs"], 2 * episodes))
    if name == "hole flood":
        bounds.append(("holes", counters["TCPOFOQueue"], PEERS * HOLES))
    for what, found, most in bounds:
        if found > most:
            yield f"{what}: {found:,}, at most {most:,}"


Figure = tuple[str, Callable[[Outcome], str]]


def grown(name: str) -> Callable[[Outcome], str]:
    """The figure of a counter."""
    return lambda outcome: f"{outcome.counters[name]:,}"


FIGURES: list[Figure] = [
    ("frames sent", lambda outcome: f"{outcome.frames:,}"),
    ("a second", lambda outcome: f"{outcome.frames / outcome.seconds:,.0f}"),
    ("µs a frame", lambda outcome: f"{outcome.microseconds_per_frame:.1f}"),
    ("frames out", grown("FramesOut")),
    ("TCPChallengeACK", grown("TCPChallengeACK")),
    ("TCPACKSkippedChallenge", grown("TCPACKSkippedChallenge")),
    ("account, KiB", lambda outcome: f"{outcome.memory // KIBI:,}"),
    ("grown, KiB", lambda outcome: f"{outcome.grown // KIBI:,}"),
    ("streams, MiB", lambda outcome: f"{sum(outcome.moved.values()) / KIBI**2:,.1f}"),
]
