"""Simulated runs as they are drawn: what the capture shows agrees with what the core counted."""

from pathlib import Path

import numpy as np
import pytest

from netcore.simulator import Simulator
from stack.plotting.flow import Kind
from stack.plotting.recipe import RecipeError, read_recipe
from stack.plotting.simulated import Observed, observe, run, run_scenario
from stack.plotting.summary import delivered
from stack.simulation.recording import record
from stack.simulation.scenario import FlowPlan, LinkPlan, Scenario, ScenarioError, load_scenario

LOSSY = "rate=10M delay=20ms loss=1%/0% queue=60k algorithm=cubic bytes=1M seed=7"


def one(line: str) -> Observed:
    (observed,) = run(read_recipe(line))
    return observed


def test_all_bytes_are_delivered_and_the_clean_run_sends_nothing_again() -> None:
    flow = one("rate=100M delay=5ms bytes=300k").flow(True)
    assert delivered(flow) == 300_000
    assert set(flow.sent.kind.tolist()) == {Kind.NEW}
    assert flow.lost is not None
    assert not flow.lost.any()
    assert flow.round_trips.best().value.min() >= 10_000_000
    assert flow.notes == ()


def test_same_line_gives_the_same_flow() -> None:
    first, second = one(LOSSY).flow(True), one(LOSSY).flow(True)
    assert first.sent.time.tolist() == second.sent.time.tolist()
    assert one(LOSSY.replace("seed=7", "seed=8")).flow(True).sent.time.tolist() != first.sent.time.tolist()


def test_what_was_lost_is_what_was_sent_again() -> None:
    flow = one(LOSSY).flow(True)
    assert delivered(flow) == 1_000_000
    assert flow.lost is not None
    lost = flow.sent.where(flow.lost)
    again = flow.sent.of(Kind.RETRANSMISSION, Kind.NEEDLESS)
    assert len(lost) > 5
    assert set(lost.start.tolist()) <= set(again.start.tolist())
    assert len(again) >= len(lost)


def test_counters_of_the_core_agree_with_the_capture() -> None:
    observed = one(LOSSY)
    flow = observed.flow(True)
    again = int(np.isin(flow.sent.kind, (Kind.RETRANSMISSION, Kind.NEEDLESS)).sum())
    assert again == observed.client_samples["retransmits"][-1]
    assert flow.sent.end.max() == observed.client_samples["snd_nxt"][-1]


def test_samples_are_the_senders_and_begin_with_the_connection() -> None:
    samples = one(LOSSY).flow(True).samples
    assert samples is not None
    for series in (samples.cwnd, samples.ssthresh, samples.srtt, samples.rto, samples.in_flight, samples.phase):
        assert len(series)
        assert (np.diff(series.time) >= 0).all()
    assert samples.cwnd.value[0] == 10 * 1448
    assert samples.ssthresh.value.max() < 1_000_000
    assert {0, 2} <= set(samples.phase.value.tolist())


def test_backward_flow_is_seen_from_the_server() -> None:
    observed = one("rate=10M delay=20ms loss=0%/1% bytes=0 reply=500k seed=5")
    flow = observed.flow(False)
    assert delivered(flow) == 500_000
    assert str(flow.sender) == "10.0.0.2:80"
    assert flow.lost is not None
    assert flow.lost.any()
    assert flow.samples is not None
    assert flow.samples.cwnd.value.max() > 14_480
    assert flow.round_trips.best().value.min() >= 40_000_000


def test_flows_share_the_link_and_have_their_own_connections() -> None:
    observed = run(read_recipe("rate=20M delay=5ms flows=3 every=50ms bytes=200k"))
    flows = [each.flow(True) for each in observed]
    assert [str(flow.sender.address) for flow in flows] == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    assert [delivered(flow) for flow in flows] == [200_000] * 3
    starts = [flow.origin for flow in flows]
    assert starts == sorted(starts)
    assert starts[2] - starts[0] >= 90_000_000


def test_closed_window_is_probed() -> None:
    flow = one("rate=10M delay=5ms bytes=300k stall_after=50k stall=3s receive_buffer=32k").flow(True)
    assert flow.acknowledgements.closed.any()
    assert Kind.PROBE in flow.sent.kind.tolist()
    assert delivered(flow) == 300_000


def test_network_that_passes_nothing_shows_the_syns_that_were_lost() -> None:
    flow = one("delay=5ms blackout=7ms-4000s").flow(True)  # ARP has passed
    assert flow.lost is not None
    assert flow.lost.all()
    assert flow.sent.kind.tolist() == [Kind.NEW, *[Kind.RETRANSMISSION] * (len(flow.sent) - 1)]


@pytest.mark.parametrize(
    ("line", "said"), [("queue=99G", "queue"), ("write_size=1M", "write_size"), ("loss=100%", "not even ARP")]
)
def test_what_gives_no_run_is_said(line: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        run(read_recipe(line))


def scenario_file(folder: Path) -> Path:
    """A scenario of two flows over one lossy link."""
    scenario = Scenario(
        seed=5,
        hosts={"one": {}, "two": {}},
        links=[LinkPlan(("one", "two"), {"delay": 10_000_000, "rate": 10_000_000}, forward={"loss": 10_000})],
        flows=[FlowPlan("one", "two", send=200_000), FlowPlan("two", "one", send=50_000, port=81)],
    )
    path = folder / "scenario.json"
    path.write_text(scenario.to_json())
    return path


def test_scenario_and_its_capture_give_the_same_flows(tmp_path: Path) -> None:
    path = scenario_file(tmp_path)
    record(load_scenario(path), tmp_path / "run.pcapng")
    first, second = run_scenario(path), run_scenario(tmp_path / "run.pcapng")
    assert [delivered(each.flow(True)) for each in first] == [200_000, 50_000]
    for one, other in zip(first, second, strict=True):
        assert one.flow(True).sent.time.tolist() == other.flow(True).sent.time.tolist()
        assert one.client_samples == other.client_samples


def test_what_is_no_scenario_is_said(tmp_path: Path) -> None:
    path = tmp_path / "scenario.json"
    for content in (b"{}", b"", b"\x0a\x0d\x0d\x0a", b"\xff\xfe"):
        path.write_bytes(content)
        with pytest.raises(ScenarioError, match=r"scenario\.json"):
            run_scenario(path)


def test_violation_ends_the_run_and_is_said_in_the_picture() -> None:
    simulator = Simulator(seed=1, check=True, events=60)
    client, server = simulator.host(), simulator.host()
    simulator.link(client, server, delay=5_000_000, rate=10_000_000)
    (observed,) = observe(simulator, [simulator.flow(client, server, send=10_000_000)])
    flow = observed.flow(True)
    assert len(flow.sent) > 10
    assert len(flow.notes) == 1
    assert "endless" in flow.notes[0]
