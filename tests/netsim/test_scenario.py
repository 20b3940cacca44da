"""Scenarios as data: what is written is read again, what is wrong is said, captures replay, and violations shrink."""

import json
from pathlib import Path
from typing import Any

import pytest

from netcore.endpoint import OK
from stack.simulation.random_scenario import random_scenario
from stack.simulation.recording import difference, read_recording, record, run_recorded
from stack.simulation.running import Outcome, build, finish, run
from stack.simulation.scenario import FlowPlan, LinkPlan, Scenario, ScenarioError, load_scenario, read_scenario
from stack.simulation.shrinking import shrink

MILLISECOND = 1_000_000
SECOND = 1_000_000_000


def pair(**link: Any) -> Scenario:
    return Scenario(
        seed=3,
        hosts={"left": {}, "right": {"receive_buffer": 30_000}},
        links=[LinkPlan(("left", "right"), {"delay": 5 * MILLISECOND, **link})],
        flows=[FlowPlan("left", "right", send=100_000, reply=2_000)],
    )


@pytest.mark.parametrize("seed", range(30))
def test_scenario_that_was_written_is_read_again(seed: int) -> None:
    scenario = random_scenario(seed)
    again = read_scenario(scenario.to_json())
    assert again.to_json() == scenario.to_json()
    assert run(again).trace_hash == run(scenario).trace_hash


def test_scenario_by_hand_needs_only_what_is_not_as_usual(tmp_path: Path) -> None:
    path = tmp_path / "scenario.json"
    path.write_text('{"seed": 1, "hosts": {"a": {}, "b": {"mtu": 576}}, "links": [{"ends": ["a", "b"]}],'
                    '"flows": [{"client": "a", "server": "b", "send": 5000}]}')  # fmt: skip
    outcome = run(load_scenario(path))
    assert outcome.received == 5000
    assert outcome.violation is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sed": 1}, "sed: "),
        ({"seed": "one"}, "seed: "),
        ({"links": [{"ends": ["left"]}]}, "links.0.ends"),
        ({"links": [{"ends": ["left", "nowhere"]}]}, "link 0: there is no host or switch 'nowhere'"),
        ({"links": [{"ends": ["left", "right"], "both": {"lost": 1}}]}, "link 0: .*lost"),
        ({"links": [{"ends": ["left", "right"], "both": {"loss": -1}}]}, "link 0: loss .*-1"),
        ({"hosts": {"left": {"mtuu": 1}, "right": {}}}, "left: .*mtuu"),
        ({"hosts": {"left": {"congestion": "vegas"}, "right": {}}}, "left: .*vegas"),
        ({"flows": [{"client": "left", "server": "nobody"}]}, "flow 0: there is no host .*'nobody'"),
        ({"flows": [{"client": "left", "server": "right", "client_habits": {"sloth": 1}}]}, "flow 0: .*sloth"),
        ({"switches": ["left"]}, "left: .*already"),
        ({"start": 1 << 63}, f"start {1 << 63}, "),
        ({"flows": [{"client": "left", "server": "right", "start": 1 << 63}]}, "flow 0: "),
    ],
)
def test_what_is_wrong_in_a_scenario_is_said_in_one_line(change: dict[str, Any], said: str) -> None:
    data = json.loads(pair().to_json()) | change
    with pytest.raises(ScenarioError, match=said) as failure:
        run(read_scenario(json.dumps(data)))
    assert "\n" not in str(failure.value)


# ---- what comes of a run


def test_patient_hosts_that_fail_violate_delivery() -> None:
    # sends at its first try and twice more, and the link is down for longer than that
    scenario = pair(blackouts=[(20 * MILLISECOND, 100 * SECOND)])
    scenario.hosts["left"] = {"data_retries": 2}
    scenario.patient = True
    outcome = run(scenario)
    assert outcome.violation is not None
    assert outcome.violation.invariant in ("delivery", "liveness")


def test_hosts_that_may_give_up_violate_nothing() -> None:
    scenario = pair(blackouts=[(20 * MILLISECOND, 100 * SECOND)])
    scenario.hosts["left"] = {"data_retries": 2}
    outcome = run(scenario)
    assert outcome.violation is None
    assert outcome.failed == 1


def test_run_that_needs_too_many_events_is_endless() -> None:
    scenario = pair()
    scenario.events = 10
    outcome = run(scenario)
    assert outcome.violation is not None
    assert outcome.violation.invariant == "endless"
    assert outcome.events == 10


def test_peer_of_an_abort_that_was_lost_leaves_no_memory() -> None:
    # the reset is lost, and who only receives never finds out
    scenario = pair(blackouts=[(25 * MILLISECOND, 100 * SECOND)])
    scenario.flows = [FlowPlan("left", "right", send=1, client_habits={"end": "abort", "burst": 1, "think": 1})]
    outcome = run(scenario)
    assert outcome.violation is None


@pytest.mark.parametrize("link", [{}, {"loss": 200_000}, {"blackouts": [(0, 2 * SECOND)]}])
def test_ends_that_open_at_the_same_time_have_one_connection(link: dict[str, Any]) -> None:
    scenario = pair(**link)
    scenario.flows[0].together = True
    network = build(scenario)
    outcome = finish(scenario, network)
    assert outcome.violation is None
    assert outcome.received == 102_000
    for host in network.hosts.values():
        assert host.counters()["ActiveOpens"] == 1
        assert host.counters()["PassiveOpens"] == 0


def test_clients_beyond_a_small_backlog_come_again() -> None:
    scenario = pair()
    scenario.flows = [FlowPlan("left", "right", send=1000, backlog=1) for _ in range(5)]
    network = build(scenario)
    assert finish(scenario, network).received == 5000
    assert network.hosts["right"].counters()["ListenOverflows"] > 0


def test_times_of_a_scenario_count_from_its_start() -> None:
    scenario = pair(changes=[(SECOND, {"loss": 0})], loss=1_000_000)
    scenario.flows[0].start = MILLISECOND
    for scenario.start in (0, 1_000_000 * SECOND):
        network = build(scenario)
        outcome = finish(scenario, network)
        assert outcome.received == 102_000
        assert scenario.start + SECOND < network.flows[0].client.connected_at < scenario.start + 10 * SECOND
        assert outcome.time < 1000 * SECOND


def test_numbers_of_some_random_scenarios_pass_zero() -> None:
    found = 0
    for scenario in map(random_scenario, range(250)):
        if scenario.start:
            network = build(scenario)
            finish(scenario, network)
            for end in (network.flows[0].client, network.flows[0].server):
                found += end.info().get("snd_nxt", 1 << 32) < end.info().get("iss", 0)
    assert found > 1


# ---- captures


@pytest.mark.parametrize("seed", [1, 2, 5, 8])
def test_run_that_was_recorded_replays_frame_for_frame(seed: int, tmp_path: Path) -> None:
    scenario = random_scenario(seed)
    outcome = record(scenario, tmp_path / "out.pcapng")
    assert outcome.trace_hash == run(scenario).trace_hash
    recording = read_recording(tmp_path / "out.pcapng")
    again, frames = run_recorded(recording.scenario, links=recording.links)
    assert len(frames) == outcome.frames > 0
    assert difference(recording, again, frames) is None
    assert recording.scenario.to_json() == scenario.to_json()


def test_recording_of_some_links_holds_their_frames_alone(tmp_path: Path) -> None:
    scenario = pair()
    scenario.switches = ["middle"]
    scenario.links = [LinkPlan(("left", "middle")), LinkPlan(("middle", "right"), {"delay": MILLISECOND})]
    record(scenario, tmp_path / "out.pcapng", links=[1])
    recording = read_recording(tmp_path / "out.pcapng")
    assert {frame.link for frame in recording.frames} == {1}
    again, frames = run_recorded(recording.scenario, links=recording.links)
    assert difference(recording, again, frames) is None
    with pytest.raises(ScenarioError, match="there is no link 2"):
        record(scenario, tmp_path / "out.pcapng", links=[2])


def test_replay_that_differs_says_where(tmp_path: Path) -> None:
    record(pair(), tmp_path / "out.pcapng")
    recording = read_recording(tmp_path / "out.pcapng")
    other, frames = run_recorded(pair(delay=5 * MILLISECOND + 1))
    assert "frame 1 is another" in str(difference(recording, other, frames))
    same, frames = run_recorded(pair())
    assert f"{len(frames)} frames then, {len(frames) - 1} now" == difference(recording, same, frames[:-1])
    assert "trace" in str(difference(recording, Outcome(), frames))


def test_capture_names_links_and_has_the_times_of_the_run(tmp_path: Path) -> None:
    from pcapng import FileScanner, blocks

    record(pair(), tmp_path / "out.pcapng")
    with (tmp_path / "out.pcapng").open("rb") as file:
        found = list(FileScanner(file))
    interface = next(block for block in found if isinstance(block, blocks.InterfaceDescription))
    packets = [block for block in found if isinstance(block, blocks.EnhancedPacket)]
    assert interface.options["if_name"] == "left - right"
    assert packets[0].timestamp == pytest.approx(0.005)
    assert packets[0].options["epb_flags"].inout == "outbound"


def test_scenario_longer_than_an_option_goes_into_several(tmp_path: Path) -> None:
    scenario = pair(changes=[(at, {"loss": at % 7}) for at in range(1, 4000)])
    assert len(scenario.to_json(indent=None)) > 70_000
    record(scenario, tmp_path / "out.pcapng")
    assert read_recording(tmp_path / "out.pcapng").scenario.to_json() == scenario.to_json()


def test_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"
    for content, said in ((b"", "empty"), (b"no capture", "not a whole pcapng file")):
        path.write_bytes(content)
        with pytest.raises(ScenarioError, match=said):
            read_recording(path)
    record(pair(), path)
    path.write_bytes(path.read_bytes().replace(b"wspstack simulation", b"wspstack emulations", 1))
    with pytest.raises(ScenarioError, match="no scenario"):
        read_recording(path)


# ---- shrinking


def test_violation_shrinks_to_what_matters() -> None:
    scenario = random_scenario(8)
    scenario.events = 12
    outcome = run(scenario)
    assert outcome.violation is not None
    assert outcome.violation.invariant == "endless"
    smaller = shrink(scenario, "endless", tries=300)
    found = run(smaller)
    assert found.violation is not None
    assert found.violation.invariant == "endless"
    assert len(smaller.to_json()) < len(scenario.to_json())
    assert len(smaller.flows) == 1
    assert len(smaller.hosts) == 2


def test_network_can_be_looked_at_before_and_after() -> None:
    scenario = pair()
    network = build(scenario)
    samples = network.simulator.watch(network.flows[0].client)
    outcome = finish(scenario, network)
    assert outcome.received == 102_000
    assert network.flows[0].server.status == OK
    assert len(samples) > 5
