"""What a listener costs: nothing that stays, and nothing that grows with its queue (LISTEN-51, LIM-1)."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tcp import listener_cost
from tests.tcp.listener_cost import ROUND, Turnover, resident, time_of_syn

ROOT = Path(__file__).parents[2]
SHORT, LONG = 10, 60_000
CONNECTIONS = 20_000
CAMPAIGN = 1_000_000
WARM_UP = 4  # rounds, until every pool has what it needs
MEBI = 1 << 20
# Of these functions, with all that they call, the instructions are counted.
ENTRIES = ("__pyx_pw_7netcore_6engine_6Engine_*frames_arrive", "__pyx_pw_7netcore_6engine_6Engine_*frames_to_send")


def is_campaign(request: pytest.FixtureRequest) -> bool:
    """Whether `-m campaign` was given."""
    return "campaign" in request.config.getoption("-m")


def turn_over(connections: int) -> None:
    """Makes, accepts and closes so many connections; AssertionError when anything of them stays."""
    hosts = Turnover()
    for _ in range(WARM_UP):
        hosts.round()
    held, before = hosts.held(), resident()
    for _ in range(connections // ROUND):
        hosts.round()
    grown = resident() - before
    print(f"{connections} connections: {grown / 1024:.0f} KiB more in memory, {before / MEBI:.0f} MiB before")
    assert hosts.held() == held
    assert hosts.server.counters()["PassiveOpens"] == connections + WARM_UP * ROUND
    assert hosts.server.counters()["ListenOverflows"] == 0
    # a leak of as little as the smallest record for each of them would be more
    assert grown < MEBI


@pytest.mark.requirement("LISTEN-52", "SND-10")
def test_thousands_of_connections_leave_memory_where_it_was() -> None:
    turn_over(CONNECTIONS)


@pytest.mark.campaign
@pytest.mark.timeout(1800)
@pytest.mark.requirement("LISTEN-52", "SND-10")
def test_million_connections_leave_memory_where_it_was(request: pytest.FixtureRequest) -> None:
    if not is_campaign(request):
        pytest.skip("a campaign of a minute, run by -m campaign")
    turn_over(CAMPAIGN)


@pytest.mark.requirement("LISTEN-51")
def test_syn_into_a_long_queue_costs_what_it_costs_in_a_short_one() -> None:
    short, long = (time_of_syn(queue, rounds=200) for queue in (SHORT, LONG))
    print(f"a SYN into a queue of {SHORT}: {short:.0f} ns, of {LONG}: {long:.0f} ns, ratio {long / short:.2f}")
    # a walk through the queue would cost a thousand times as much; caches and neighbors on the machine cost a little
    assert long < 10 * short


@pytest.mark.requirement("LISTEN-38", "LISTEN-51")
def test_queue_of_the_largest_backlog_is_exact() -> None:
    most = listener_cost.LARGEST_BACKLOG
    engine, listener = listener_cost.filled(most)
    engine.frames_arrive(listener_cost.syns(most, 1), engine.now)
    (refusal,) = engine.frames_to_send()
    assert refusal[33] == 0x14  # RST, ACK
    assert listener.occupancy == most
    assert engine.counters()["ListenOverflows"] == 1
    listener.close()
    assert engine.usage()["half_open"] == engine.usage()["connections"] == 0


def instructions(queue: int, folder: Path) -> float:
    """Instructions from SYN to SYN,ACK, the mean of a queue that grows to `queue`."""
    count = 100
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/{queue}", "--collect-atstart=no"]
    command += [f"--toggle-collect={entry}" for entry in ENTRIES]
    command += [sys.executable, listener_cost.__file__, "syns", str(queue), str(count)]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    (total,) = (line.split()[-1] for line in result.stderr.splitlines() if "Collected :" in line)
    return int(total) / (queue + count)


@pytest.mark.campaign
@pytest.mark.timeout(1800)
@pytest.mark.requirement("LISTEN-51")
def test_instructions_of_a_syn_do_not_depend_on_the_queue(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    if not is_campaign(request):
        pytest.skip("a campaign of minutes, run by -m campaign")
    if shutil.which("valgrind") is None:
        pytest.skip("the program valgrind is missing: it comes with the package valgrind")
    short, long = (instructions(queue, tmp_path) for queue in (1000, LONG))
    print(f"instructions from SYN to SYN,ACK: {short:.0f} in a queue of 1000, {long:.0f} in one of {LONG}")
    assert long < 1.25 * short
