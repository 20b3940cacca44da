"""Many seeds: nothing is found, what there is would be found, and each finding comes with what repeats it."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stack.simulation.campaign import Campaign, Report
from stack.simulation.random_scenario import random_scenario
from stack.simulation.running import run
from tests.netsim import trials

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "scripts/campaign.py"]
SEEDS = 2_000


def campaign(*arguments: str, timeout: int = 300) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*COMMAND, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=timeout)


@pytest.mark.requirement("LIM-5", "LIM-3", "LIM-4", "SND-5", "SND-6", "SND-10", "REC-1", "REC-2", "REC-5", "TCPX-1")
@pytest.mark.timeout(300)
def test_random_networks_violate_nothing() -> None:
    result = campaign("--seeds", str(SEEDS), "--collect")
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.startswith(f"{SEEDS:,} seeds")
    # a campaign that does nothing would find nothing as well
    found = re.search(
        r"^simulated: ([\d,]+) segments.*^received: ([\d,]+) bytes", result.stdout, re.MULTILINE | re.DOTALL
    )
    assert found is not None
    assert int(found[1].replace(",", "")) > 50 * SEEDS
    assert int(found[2].replace(",", "")) > 20_000 * SEEDS


@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_twenty_thousand_random_networks_violate_nothing(request: pytest.FixtureRequest) -> None:
    if "campaign" not in request.config.getoption("-m"):
        pytest.skip("a campaign of minutes, run by -m campaign: scripts/campaign.py --seeds 20000")
    result = campaign("--from", str(SEEDS), "--seeds", "20000", "--collect", timeout=3500)
    print(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        # a number that processes cannot share would never be reached
        (["--from", str(10**24)], "--from"),
        (["--seed", "1", "--json", "/nowhere/scenario.json"], "/nowhere/scenario.json: No such file or directory"),
    ],
)
def test_arguments_that_cannot_be_met_are_refused_in_words(arguments: list[str], said: str) -> None:
    result = campaign(*arguments, timeout=60)
    assert result.returncode != 0
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_scenarios_differ_in_all_that_matters() -> None:
    scenarios = [random_scenario(seed) for seed in range(400)]
    hosts = [host for scenario in scenarios for host in scenario.hosts.values()]
    links = [link for scenario in scenarios for link in scenario.links]
    flows = [flow for scenario in scenarios for flow in scenario.flows]
    settings = [way for link in links for way in (link.both, link.forward, link.backward)]
    spells = [*settings, *(change for way in settings for _, change in way.get("changes", ()))]
    habits = [end for flow in flows for end in (flow.client_habits, flow.server_habits)]
    assert {len(scenario.switches) for scenario in scenarios} >= {0, 1, 2, 3, 4, 5, 6}
    assert {len(scenario.flows) for scenario in scenarios} == {1, 2, 3, 4, 6, 8}
    for name in ("sack", "timestamps", "window_scaling", "frto", "pacing", "mtu", "offloads", "initial_window"):
        assert len({host.get(name) for host in hosts}) > 1, name
    assert {host["congestion"] for host in hosts} == {"cubic", "newreno", "bbr"}
    for name in ("loss", "burst_begin", "duplicate", "corrupt", "truncate", "reorder", "jitter", "mtu", "rate", "queue",
                 "ecn_bytes", "blackouts", "changes"):  # fmt: skip
        assert any(name in spell for spell in spells), name
    for name in ("stall", "read_pause", "think", "nodelay", "wait", "receive_buffer", "send_buffer"):
        assert any(name in habit for habit in habits), name
    assert {flow.backlog for flow in flows} == {1, 2, 4, 65536}
    assert {flow.together for flow in flows} == {False, True}
    assert any(scenario.start for scenario in scenarios)
    assert {host.get("ecn") for host in hosts} == {None, 0, 1, 3}
    assert {habit.get("end", "shut") for habit in habits} == {"shut", "close", "abort", "wait"}


def test_no_frame_meets_two_links_that_flip_bits() -> None:
    # two wrong bits may leave a checksum right
    for seed in range(400):
        links = random_scenario(seed).links
        assert sum("corrupt" in str(link) for link in links) <= 1


@pytest.mark.requirement("LIM-5")
def test_random_scenarios_are_the_same_in_every_run() -> None:
    for seed in range(20):
        assert random_scenario(seed) == random_scenario(seed)
        assert run(random_scenario(seed)).trace_hash == run(random_scenario(seed)).trace_hash


def run_trials(trial: object, **options: object) -> Report:
    return Campaign(range(10, 60), jobs=2, trial=trial, **options).run()  # type: ignore[arg-type]


@pytest.mark.requirement("LIM-5")
def test_number_of_processes_and_order_do_not_matter() -> None:
    one, two = (Campaign(range(100, 160), jobs=jobs).run() for jobs in (1, 2))
    assert one.complete
    assert two.complete
    assert one.totals.seeds == two.totals.seeds == 60
    assert one.totals.fingerprint == two.totals.fingerprint != 0
    assert one.totals.events == two.totals.events


def test_violations_are_collected_when_asked_for() -> None:
    report = run_trials(trials.violating, collect=True)
    assert [(finding.seed, finding.kind) for finding in report.findings] == [
        (trials.BAD, "retransmission_armed"),
        (trials.BAD + 3, "retransmission_armed"),
    ]
    assert f"seed {trials.BAD}" in report.findings[0].text
    assert report.complete


def test_first_violation_ends_the_campaign() -> None:
    report = Campaign(range(10, 5000), jobs=1, trial=trials.violating).run()
    assert [finding.seed for finding in report.findings] == [trials.BAD]
    assert not report.complete
    assert report.totals.seeds < 1000


def test_seed_that_kills_its_process_is_found_and_the_others_are_run() -> None:
    report = run_trials(trials.crashing, collect=True)
    assert [(finding.seed, finding.kind) for finding in report.findings] == [(trials.BAD, "crash")]
    assert "-9" in report.findings[0].text


def test_seed_that_never_ends_is_found() -> None:
    report = run_trials(trials.hanging, collect=True, hanging=1.0)
    assert [(finding.seed, finding.kind) for finding in report.findings] == [(trials.BAD, "hang")]


def test_campaign_ends_after_its_time() -> None:
    report = Campaign(range(10**9), jobs=2, seconds=0.2).run()
    assert not report.complete
    assert report.findings == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_ends_the_campaign_with_its_figures(number: signal.Signals) -> None:
    process = subprocess.Popen(
        [*COMMAND, "--seeds", "10000000", "--jobs", "2"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "seeds 0 to 9999999 on 2 processes\n"
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "not all that were asked for" in output
    assert "violations: 0" in output
    assert "Traceback" not in errors


def test_one_seed_is_replayed_with_its_scenario_and_its_frames(tmp_path: Path) -> None:
    scenario, frames = tmp_path / "scenario.json", tmp_path / "out.pcapng"
    first = campaign("--seed", "7", "--replay", "--json", str(scenario), "--pcap", str(frames))
    assert first.returncode == 0
    again = campaign("--seed", "7", "--replay")
    assert first.stdout == again.stdout
    assert re.match(r"seed 7: trace [0-9a-f]{16}, .* no violation$", again.stdout)
    assert scenario.stat().st_size > 100
    assert frames.stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("--replay",), "--seed"), (("--seeds", "0"), "0"), (("--seed", "7", "--shrink", "x.json"), "violates nothing")],
)
def test_wrong_argument_is_said(arguments: tuple[str, ...], said: str) -> None:
    result = campaign(*arguments)
    assert result.returncode == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr
