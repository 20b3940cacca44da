"""Forged and hostile frames beside live streams that arrive whole; scripts/attacks.py is the long form."""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.attacks.campaign import ATTACKS, FIGURES, PINGS, exceeded, run
from tests.attacks.ground import Outcome
from tests.attacks.own import HOLES, PEERS
from tests.attacks.storm import RETRANSMISSIONS, storm
from tests.source.sources import ROOT

pytestmark = pytest.mark.live

FRAMES = int(os.environ.get("WSPSTACK_ATTACK_FRAMES", 4000))

# What shows that the attack came as far as what answers it: a counter, and how many of its frames that counted.
REACHED: dict[str, Callable[[Outcome], bool]] = {
    "blind RST": lambda outcome: skipped(outcome) >= outcome.frames // 2,
    "blind SYN": lambda outcome: skipped(outcome) >= outcome.frames,
    "blind data": lambda outcome: skipped(outcome) >= outcome.frames // 2,
    "ACK flood": lambda outcome: skipped(outcome) >= outcome.frames,
    "shut windows": lambda outcome: outcome.counters["FramesIn"] >= outcome.frames,
    "ICMP, false quotes": lambda outcome: outcome.counters["OutOfWindowIcmps"] >= outcome.frames // 2,
    "ICMP, true quotes": lambda outcome: outcome.counters["IcmpInMsgs"] >= outcome.frames,
    "fragment overlaps": lambda outcome: outcome.counters["ReasmFails"] >= outcome.frames // 4,
    "hole flood": lambda outcome: outcome.counters["TCPOFOQueue"] == PEERS * HOLES,
    "backward bytes": lambda outcome: outcome.counters["TCPOFOQueue"] >= outcome.frames * 9 // 10,
    "duplicate ACKs": lambda outcome: outcome.counters["TCPRenoRecovery"] >= PEERS // 2,
    "SACK flood": lambda outcome: outcome.counters["TCPDSACKRecv"] > 0,
    "tiny MSS": lambda outcome: outcome.told["bytes of text a segment"] <= 65,
    "shrinking windows": lambda outcome: outcome.told["segments to the attacker"] > 0,
}


def skipped(outcome: Outcome) -> int:
    """Forged segments that were worth a challenge ACK, sent or not."""
    return outcome.counters["TCPChallengeACK"] + outcome.counters["TCPACKSkippedChallenge"]


@pytest.mark.requirement(
    "SEG-3", "SEG-4", "SEG-5", "SEG-6", "SEG-7", "SEG-8", "SEG-13", "SEG-15", "TCPX-4", "TCPX-5", "LIM-4"
)
@pytest.mark.parametrize("name", ATTACKS)
def test_live_streams_arrive_whole_and_bounds_hold_under_attack(name: str) -> None:
    outcome = run(name, FRAMES)
    print(", ".join(f"{title} {figure(outcome)}" for title, figure in FIGURES), outcome.told)
    assert list(exceeded(name, outcome)) == []
    assert REACHED[name](outcome), {name: count for name, count in outcome.counters.items() if count}


@pytest.mark.requirement("TCPX-1")
@pytest.mark.parametrize("name", ["blind data", "ACK flood"])
def test_forged_segments_without_timestamps_bring_nothing_on_connections_that_have_them(name: str) -> None:
    outcome = run(name, FRAMES, timestamps=True)
    assert list(exceeded(name, outcome)) == []
    assert outcome.counters["TCPTSMissing"] == outcome.frames
    assert skipped(outcome) == 0


def test_pings_in_fragments_are_answered_while_forged_fragments_fill_the_table() -> None:
    outcome = run("fragment overlaps", FRAMES)
    assert outcome.held["reassembling"] == 256
    assert outcome.told[PINGS] == 5


@pytest.mark.requirement("SEG-3", "SEG-6", "SEG-8")
def test_the_kernel_and_we_put_out_of_step_exchange_no_more_than_timers_bring() -> None:
    outcome = storm()
    print(outcome)
    assert outcome.sent_again >= RETRANSMISSIONS
    # the forged text, what our program says to it, the client's text, our own first copies; then an answer to each copy
    assert outcome.segments_in + outcome.segments_out <= 8 + 6 * outcome.sent_again


def test_the_command_prints_a_row_for_each_attack_and_what_it_saw() -> None:
    command = [sys.executable, "scripts/attacks.py", "--frames", "1000", "--markdown"]
    command += ["--only", "blind SYN", "--only", "fragment overlaps"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert told.returncode == 0, told.stdout + told.stderr
    rows = {row.split("|")[1].strip(): row.split("|")[2:-1] for row in told.stdout.splitlines() if row.startswith("|")}
    assert list(rows) == ["attack", "---", "blind SYN", "fragment overlaps"]
    counted = dict(zip(map(str.strip, rows["attack"]), map(str.strip, rows["blind SYN"]), strict=True))
    assert counted["frames sent"] == "1,000"
    assert int(counted["TCPChallengeACK"]) + int(counted["TCPACKSkippedChallenge"]) == 1000
    assert "fragment overlaps: 5 of 5 pings in three fragments answered" in told.stdout
    assert "2 attacks" in told.stdout
