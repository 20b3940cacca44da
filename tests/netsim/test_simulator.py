"""The simulator: what it is made of, one seed is one run, applications of the core and of Python, what can be seen."""

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from netcore.endpoint import OK, RESET, TIMED_OUT, Endpoint
from netcore.engine import Engine
from netcore.flows import Flow
from netcore.impair import Impairment
from netcore.listener import Listener
from netcore.observed import SAMPLE_FIELDS
from netcore.simulator import Pair, Simulator

MILLISECOND = 1_000_000
SECOND = 1_000_000_000
ROUGH: dict[str, Any] = {
    "delay": 5 * MILLISECOND, "jitter": MILLISECOND, "loss": 20_000, "duplicate": 20_000, "corrupt": 20_000,
    "truncate": 5_000, "reorder": 30_000, "rate": 50_000_000, "queue": 100_000,
}  # fmt: skip


def dumbbell(seed: int, *, check: bool = True, pairs: int = 3, **bottleneck: Any) -> tuple[Simulator, list[Flow]]:
    """Flows of several pairs of hosts, which share one way in the middle, both ways at once."""
    sim = Simulator(seed=seed, check=check)
    left, right = sim.switch("left"), sim.switch("right")
    sim.link(left, right, **bottleneck)
    flows = []
    for number in range(pairs):
        client, server = sim.host(), sim.host()
        sim.link(client, left, delay=MILLISECOND)
        sim.link(right, server, delay=(number + 1) * MILLISECOND)
        flows.append(sim.flow(client, server, send=200_000, reply=100_000, start=number * 10 * MILLISECOND))
    return sim, flows


def finish(sim: Simulator, flows: list[Flow]) -> int:
    """Runs to the end, checks that every byte has arrived, and gives the hash."""
    assert sim.run()
    sim.settle()
    for flow in flows:
        for end, other in ((flow.client, flow.server), (flow.server, flow.client)):
            assert end.status == OK
            assert end.done
            assert end.ended
            assert end.received == other.sent
    return sim.trace_hash


# ---- one seed is one run


@pytest.mark.requirement("LIM-5")
def test_same_seed_gives_the_same_hash_and_another_seed_another() -> None:
    hashes = [finish(*dumbbell(seed, **ROUGH)) for seed in (1, 2, 3, 1, 2, 3)]
    assert hashes[:3] == hashes[3:]
    assert len(set(hashes)) == 3


@pytest.mark.requirement("LIM-5")
def test_another_process_gives_the_same_hash() -> None:
    program = "from tests.netsim import test_simulator as t; print(t.finish(*t.dumbbell(7, **t.ROUGH)))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert int(found.stdout) == finish(*dumbbell(7, **ROUGH))


@pytest.mark.requirement("LIM-5")
@pytest.mark.parametrize("kind", ["checks", "steps", "slices", "recording", "watching"])
def test_looking_at_a_run_does_not_change_it(kind: str) -> None:
    plain, flows = dumbbell(5, check=False, **ROUGH)
    sim, _ = dumbbell(5, check=kind == "checks", **ROUGH)
    expected = finish(plain, flows)
    if kind == "recording":
        sim.record()
    if kind == "watching":
        sim.watch(flows[0].client)
    while kind == "steps" and sim.step():
        pass
    while kind == "slices" and sim.next_event() is not None:
        sim.run_until(sim.now + 3_333_333)
    sim.run()
    sim.settle()
    assert sim.trace_hash == expected
    if kind not in ("steps", "slices"):
        assert sim.counters() == plain.counters()


def test_link_that_does_other_things_gives_another_hash() -> None:
    assert finish(*dumbbell(5, delay=MILLISECOND)) != finish(*dumbbell(5, delay=MILLISECOND + 1))


# ---- what it is made of


@pytest.mark.parametrize("shape", ["star", "parking lot", "line"])
def test_any_tree_carries_streams_between_all_its_hosts(shape: str) -> None:
    sim = Simulator(seed=3, check=True)
    switches = [sim.switch() for _ in range({"star": 1, "parking lot": 4, "line": 6}[shape])]
    for one, other in pairwise(switches):
        sim.link(one, other, rate=100_000_000, delay=MILLISECOND)
    hosts = []
    for number in range(8):
        hosts.append(sim.host())
        sim.link(hosts[-1], switches[number % len(switches)], delay=MILLISECOND)
    flows = [
        sim.flow(client, server, send=20_000, reply=5_000)
        for client in hosts
        for server in hosts
        if client is not server
    ]
    finish(sim, flows)
    assert all(switch.counters["forwarded"] > 100 for switch in switches)
    assert all(switch.counters["unknown"] == 0 for switch in switches)


@pytest.mark.parametrize("arguments", [{"ethernet": False}, {"vnet_header": True, "offloads": True}, {"mtu": 9000}])
def test_every_kind_of_host_talks_through_a_switch(arguments: dict[str, Any]) -> None:
    sim = Simulator(seed=4, check=True)
    switch = sim.switch()
    hosts = [sim.host(**arguments) for _ in range(3)]
    for host in hosts:
        sim.link(host, switch, delay=MILLISECOND, loss=10_000)
    flows = [sim.flow(hosts[0], host, send=300_000, reply=300_000) for host in hosts[1:]]
    finish(sim, flows)


def test_two_simulators_stand_beside_each_other() -> None:
    one, other = dumbbell(1, delay=MILLISECOND), dumbbell(1, delay=MILLISECOND)
    while one[0].step() and other[0].step():
        assert one[0].trace_hash == other[0].trace_hash


def test_what_cannot_be_joined_is_refused() -> None:
    sim = Simulator(seed=1)
    one, other, third = sim.host(), sim.host(), sim.host()
    switch, second = sim.switch(), sim.switch()
    sim.link(one, switch)
    with pytest.raises(ValueError, match=r"10\.0\.0\.1 has a link already"):
        sim.link(one, second)
    sim.link(switch, second)
    with pytest.raises(ValueError, match="links must form a tree"):
        sim.link(second, switch)
    with pytest.raises(ValueError, match="links must form a tree"):
        sim.link(second, second)
    with pytest.raises(ValueError, match="is no host or switch of this simulator"):
        sim.link(Simulator(seed=1).switch(), second)
    impairment = Impairment(seed=1)
    with pytest.raises(ValueError, match="each direction needs an Impairment of its own"):
        sim.link(other, second, forward=impairment, backward=impairment)
    sim.link(other, second, forward=impairment)
    with pytest.raises(ValueError, match="part of a link or device already"):
        sim.link(third, second, forward=impairment)
    with pytest.raises(ValueError, match=r"a host with the address 10\.0\.0\.1"):
        sim.host("10.0.0.1")
    with pytest.raises(ValueError, match="simulator drives this engine"):
        Simulator(seed=1).add(one)


def test_hosts_with_and_without_ethernet_are_not_joined() -> None:
    sim = Simulator(seed=1)
    sim.link(sim.host(), sim.host(ethernet=False))
    with pytest.raises(ValueError, match="must use Ethernet headers, or none"):
        sim.step()


def test_engine_is_free_when_its_simulator_is_gone() -> None:
    engine = Engine(address="10.0.0.1", prefix=8, seed=bytes(16))
    sim = Simulator(seed=1)
    sim.link(sim.add(engine), sim.host())
    flow = sim.flow(engine, sim.host("10.0.0.9"), send=10)
    sim.run_until(SECOND)
    del sim, flow
    assert engine.usage()["connections"] == 0
    again = Simulator(seed=1, start=2 * SECOND)
    assert again.add(engine).now == 2 * SECOND


# ---- applications


@pytest.mark.parametrize(
    ("client", "server"),
    [
        ({"write_size": 1000, "nodelay": 1}, {"read_size": 700}),
        ({"burst": 10_000, "think": 50 * MILLISECOND}, {"read_size": 3000, "read_pause": 5 * MILLISECOND}),
        ({"send_buffer": 5000}, {"receive_buffer": 4000}),
        ({"end": "wait"}, {"wait": 60_000}),
        ({}, {"stall_after": 20_000, "stall": 20 * SECOND}),
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_applications_of_any_habits_transfer_all(seed: int, client: dict[str, int], server: dict[str, int]) -> None:
    sim = Simulator(seed=seed, check=True)
    one, other = sim.host(), sim.host(receive_buffer=10_000)
    sim.link(one, other, delay=3 * MILLISECOND, loss=20_000 * (seed - 1))
    flow = sim.flow(one, other, send=60_000, reply=40_000, client_habits=client, server_habits=server)
    finish(sim, [flow])
    if "think" in client:
        assert flow.server.ended_at > 5 * 50 * MILLISECOND
    if "stall" in server:
        assert flow.server.ended_at > 20 * SECOND
        assert one.counters()["TCPWinProbe"] > 0
    if "wait" in server:
        assert flow.client.first_byte_at > flow.server.first_byte_at


def test_client_that_closes_at_once_loses_nothing() -> None:
    sim = Simulator(seed=1, check=True)
    one, other = sim.host(), sim.host()
    sim.link(one, other, delay=3 * MILLISECOND, loss=50_000)
    flow = sim.flow(one, other, send=300_000, client_habits={"end": "close"})
    assert sim.run()
    assert flow.server.received == 300_000
    assert flow.client.done_at < flow.server.ended_at
    sim.settle()


def test_client_that_aborts_is_no_violation() -> None:
    sim = Simulator(seed=1, check=True)
    one, other = sim.host(), sim.host()
    sim.link(one, other, delay=3 * MILLISECOND)
    flow = sim.flow(one, other, send=300_000, client_habits={"end": "abort"})
    assert sim.run()
    assert flow.server.status == RESET
    sim.settle()


def test_server_that_is_out_of_reach_ends_the_flow() -> None:
    sim = Simulator(seed=1, check=True)
    one, other = sim.host(neighbor_tries=20), sim.host()
    sim.link(one, other, loss=1_000_000)
    flow = sim.flow(one, other, send=10)
    assert sim.run()
    assert flow.client.status == TIMED_OUT
    assert flow.done


def test_scripted_programs_see_the_clock_of_the_simulator() -> None:
    sim = Simulator(seed=1, check=True)
    client, server = sim.host(), sim.host()
    sim.link(client, server, delay=10 * MILLISECOND)
    listener = server.listen(None, 80, 5)
    assert isinstance(listener, Listener)
    endpoint = client.connect(1234, (bytes((10, 0, 0, 2)), 80))
    assert isinstance(endpoint, Endpoint)
    while not listener.waiting:
        assert sim.step()
        assert client.now == server.now == sim.now
    accepted = listener.accept()
    assert isinstance(accepted, Endpoint)
    assert endpoint.send(b"hello") == 5
    sim.run_until(sim.now + SECOND)
    buffer = bytearray(10)
    assert accepted.receive_into(buffer) == 5
    assert buffer[:5] == b"hello"
    assert client.now == server.now == sim.now


def test_endpoints_of_a_program_are_handed_to_the_core() -> None:
    sim = Simulator(seed=1, check=True)
    client, server = sim.host(), sim.host()
    sim.link(client, server, delay=10 * MILLISECOND, loss=20_000)
    listener = server.listen(None, 80, 5)
    assert isinstance(listener, Listener)
    endpoint = client.connect(1234, (bytes((10, 0, 0, 2)), 80))
    assert isinstance(endpoint, Endpoint)
    source = sim.play(endpoint, send=100_000, expect=50_000, stream=4)
    assert endpoint.closed
    while not listener.waiting:
        assert sim.step()
    accepted = listener.accept()
    assert isinstance(accepted, Endpoint)
    sink = sim.play(accepted, send=50_000, expect=100_000, stream=4)
    assert sim.run()
    assert (source.received, sink.received) == (50_000, 100_000)
    listener.close()
    sim.settle()


# ---- what can be seen


def test_recorded_frames_are_those_of_the_links_asked_for() -> None:
    sim, flows = dumbbell(2, delay=5 * MILLISECOND)
    links = [sim.link(sim.host(), sim.switch()) for _ in range(2)]
    sim.record([links[0]])
    sim.record()
    finish(sim, flows)
    frames = sim.recorded()
    assert [frame.time for frame in frames] == sorted(frame.time for frame in frames)
    assert {frame.link for frame in frames} == set(range(7))
    assert len(frames) == sim.counters()["frames"]
    middle = [Ether(frame.octets) for frame in frames if frame.link == 0 and frame.forward]
    segments = [packet[TCP] for packet in middle if TCP in packet and packet[IP].src == "10.0.0.1"]
    assert sum(len(segment.payload) for segment in segments) >= 200_000
    assert sim.recorded() == []


def test_recording_stops_at_its_limit() -> None:
    sim, flows = dumbbell(2, delay=5 * MILLISECOND)
    sim.record(limit=10_000)
    finish(sim, flows)
    assert 5_000 < sum(len(frame.octets) for frame in sim.recorded()) <= 10_000


def test_samples_show_the_connection_over_time() -> None:
    sim, flows = dumbbell(2, delay=5 * MILLISECOND, rate=50_000_000)
    samples = sim.watch(flows[0].client)
    short = sim.watch(flows[0].server, limit=10)
    finish(sim, flows)
    columns = samples.take()
    assert tuple(columns) == SAMPLE_FIELDS
    assert len(columns["time"]) > 50
    assert list(columns["time"]) == sorted(columns["time"])
    assert 199_000 < columns["snd_una"][-1] <= 200_002
    assert list(columns["snd_una"]) == sorted(columns["snd_una"])
    assert max(columns["rcv_nxt"]) in (100_001, 100_002)
    assert all(flight <= cwnd for flight, cwnd in zip(columns["flight"], columns["cwnd"], strict=True) if cwnd)
    assert 10 * MILLISECOND < max(columns["srtt"]) < 100 * MILLISECOND
    assert len(samples) == 0
    assert len(short) == 10
    assert short.dropped > 10


def test_goodput_is_what_a_slow_link_lets_through() -> None:
    sim = Simulator(seed=1)
    one, other = sim.host(), sim.host(receive_buffer=65_535)
    sim.link(one, other, rate=10_000_000, delay=MILLISECOND)
    flow = sim.flow(one, other, send=3_000_000)
    assert flow.goodput == 0
    assert sim.run()
    assert 9_000_000 < flow.goodput < 10_000_000


def test_run_stops_at_its_limit() -> None:
    sim, flows = dumbbell(2, rate=1_000_000)
    assert not sim.run(SECOND)
    assert sim.now == SECOND
    assert not flows[0].done
    finish(sim, flows)


def test_pair_and_simulator_carry_the_same_frames() -> None:
    def hosts() -> list[Engine]:
        return [Engine(address=f"10.0.0.{number}", prefix=8, seed=bytes(16)) for number in (1, 2)]

    found = []
    for make in (Pair, Simulator):
        left, right = hosts()
        runner: Pair | Simulator
        if make is Pair:
            runner = Pair(left, right, forward=Impairment(seed=1, delay=5), backward=Impairment(seed=2, delay=5))
        else:
            runner = Simulator(seed=0)
            runner.add(left), runner.add(right)
            runner.link(left, right, forward=Impairment(seed=1, delay=5), backward=Impairment(seed=2, delay=5))
        runner.record()
        listener = right.listen(None, 80, 5)
        assert isinstance(listener, Listener)
        endpoint = left.connect(1234, (bytes((10, 0, 0, 2)), 80))
        assert isinstance(endpoint, Endpoint)
        runner.run_until(SECOND)
        assert endpoint.send(bytes(100_000)) == 100_000
        runner.run_until(2 * SECOND)
        found.append([frame[-1] for frame in runner.recorded()])
    assert found[0] == found[1]
    assert len(found[0]) > 70


def test_sample_of_the_readme_runs_as_written() -> None:
    text = (Path(__file__).resolve().parents[2] / "README.md").read_text()
    [sample] = re.findall(r"^    from netcore\.simulator(?:.*\n(?:(?=\n)|(?=    )))+", text, re.MULTILINE)
    program = re.sub(r"^    ", "", sample, flags=re.MULTILINE)
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    goodput, retransmitted, trace_hash = found.stdout.split()
    assert int(goodput) > 1_000_000
    assert int(retransmitted) > 50
    assert re.fullmatch("0x[0-9a-f]{10,16}", trace_hash)
