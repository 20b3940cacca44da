"""Every invariant can be violated, and then the run stops and says which, where, when and by what.

Some are violated by a crafted situation; those that no peer and no link can bring about, by the simulator's own hook.
"""

import pickle

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from netcore.endpoint import TIMED_OUT, Endpoint
from netcore.flows import Flow
from netcore.listener import Listener
from netcore.simulator import INVARIANTS, Simulator, Violation
from netcore.topology import Link

MILLISECOND = 1_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND


def transfer(*, check: bool = True, send: int = 100_000, **link: int) -> tuple[Simulator, Flow]:
    """Two hosts, one link, one stream each way."""
    sim = Simulator(seed=1, check=check)
    one, other = sim.host(), sim.host()
    sim.link(one, other, delay=5 * MILLISECOND, **link)  # type: ignore[arg-type]
    return sim, sim.flow(one, other, send=send, reply=send // 2)


@pytest.mark.parametrize("name", INVARIANTS)
def test_violation_of_any_invariant_stops_the_run_and_is_reported(name: str) -> None:
    sim, _ = transfer()
    sim.violate(name)
    if name == "memory":
        assert sim.run()
    with pytest.raises(Violation) as caught:
        (sim.settle if name == "memory" else sim.run)()
    violation = caught.value
    assert violation.invariant == name
    assert violation.time == sim.now
    assert violation.seed == 1
    assert violation.event == sim.counters()["events"]
    assert f"{name} violated at {sim.now} ns" in str(violation)
    if violation.connection:
        assert violation.connection.split()[0].startswith("10.0.0.")
        assert violation.host == violation.connection.split(":")[0]
        assert violation.values
    copy = pickle.loads(pickle.dumps(violation))
    assert str(copy) == str(violation)


def test_violation_is_raised_again_by_every_later_run() -> None:
    sim, _ = transfer()
    sim.violate("send_order")
    for _ in range(3):
        with pytest.raises(Violation, match="send_order"):
            sim.run()
    now = sim.now
    with pytest.raises(Violation, match="send_order"):
        sim.step()
    assert sim.now == now


def test_nothing_is_checked_unless_asked_for() -> None:
    sim, flow = transfer(check=False)
    for name in INVARIANTS:
        sim.violate(name)
    assert sim.run()
    assert flow.server.received == 100_000


def test_unknown_invariant_is_refused() -> None:
    with pytest.raises(ValueError, match="beauty is no invariant; known are send_order"):
        Simulator(seed=1).violate("beauty")


# ---- brought about


def idle_transfer() -> tuple[Simulator, Flow, Link]:
    """A connection in ESTABLISHED on which nothing is under way for seconds: the client thinks."""
    sim = Simulator(seed=1, check=True)
    one, other = sim.host(timestamps=0), sim.host(timestamps=0)
    link = sim.link(one, other, delay=5 * MILLISECOND)
    habits = {"burst": 10_000, "think": 10 * SECOND}
    flow = sim.flow(one, other, send=20_000, client_habits=habits)
    sim.run_until(5 * SECOND)
    assert flow.server.received == 10_000
    return sim, flow, link


def forged(flow: Flow, flags: str, text: bytes) -> bytes:
    """What the client would send next, if it sent this."""
    server = flow.server.info()
    ethernet = Ether(src=flow.client.engine.mac, dst=flow.server.engine.mac)
    segment = TCP(sport=10_000, dport=80, seq=server["rcv_nxt"], ack=server["snd_nxt"], flags=flags, window=1000)
    return bytes(ethernet / IP(src="10.0.0.1", dst="10.0.0.2") / segment / text)


@pytest.mark.parametrize(
    ("flags", "text", "invariant"),
    [("PA", b"surprise", "stream_bytes"), ("FA", b"", "stream_length"), ("R", b"", "delivery")],
)
def test_forged_segment_that_fits_is_found(flags: str, text: bytes, invariant: str) -> None:
    sim, flow, link = idle_transfer()
    link.inject(forged(flow, flags, text))
    with pytest.raises(Violation) as caught:
        sim.run()
    assert caught.value.invariant == invariant
    if invariant == "stream_bytes":
        assert caught.value.connection == "10.0.0.2:80 > 10.0.0.1:10000"
        assert caught.value.time == 5 * SECOND + 5 * MILLISECOND
        assert caught.value.values["offset"] == 10_000


def test_application_that_waits_for_nothing_hangs() -> None:
    sim, _ = transfer(send=100)
    one, other = sim.host(), sim.host()
    sim.link(one, other)
    flow = sim.flow(one, other, send=10, reply=10, server_habits={"wait": 11})
    with pytest.raises(Violation) as caught:
        sim.run()
    assert caught.value.invariant == "liveness"
    assert caught.value.values["received"] in (0, 10)
    assert flow.server.received == 10


def test_link_that_stays_dead_is_no_violation() -> None:
    sim = Simulator(seed=1, check=True)
    one, other = sim.host(), sim.host()
    sim.link(one, other, delay=MILLISECOND, rate=10_000_000, changes=[(100 * MILLISECOND, {"down": 1})])
    flow = sim.flow(one, other, send=50_000_000)
    # the server has nothing to send and so no way to find out
    assert not sim.run()
    assert flow.client.status == TIMED_OUT
    assert sim.now > 5 * MINUTE


def test_connection_that_nobody_closes_is_memory_not_given_back() -> None:
    sim, _ = transfer()
    listener = sim.host("10.0.0.9").listen(None, 80, 1)
    assert isinstance(listener, Listener)
    client = sim.host()
    endpoint = client.connect(1234, (bytes((10, 0, 0, 9)), 80))
    assert isinstance(endpoint, Endpoint)
    assert sim.run()
    endpoint.set_syn_timing(SECOND, 100)
    with pytest.raises(Violation, match="memory") as caught:
        sim.settle()
    assert caught.value.host == client.address
    assert caught.value.values["connections"] == 1
    endpoint.close()


def test_bound_holds_with_room_and_says_when() -> None:
    for faults in ({}, {"loss": 50_000}, {"blackouts": [(SECOND // 10, 3 * SECOND)]}, {"rate": 1_000_000}):
        sim, flow = transfer(**faults)  # type: ignore[arg-type]
        bound = sim.deadline
        assert sim.run()
        assert flow.server.ended_at < bound < 24 * 60 * MINUTE
