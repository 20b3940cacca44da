"""Hosts that run out of memory, and readers that let their window close: whatever can go on does."""

import pytest

from netcore.endpoint import OK
from netcore.simulator import Simulator

MILLISECOND = 1_000_000
SECOND = 1_000_000_000
LITTLE = 300_000


@pytest.mark.requirement("LIM-2")
@pytest.mark.parametrize("write_size", [1000, 3000, 65536])
def test_two_hosts_full_of_what_each_has_to_send_to_the_other_both_deliver_it(write_size: int) -> None:
    sim = Simulator(seed=1, check=True)
    one, other = (sim.host(memory_limit=LITTLE, send_buffer=1 << 20) for _ in range(2))
    sim.link(one, other, delay=5 * MILLISECOND, rate=50_000_000, queue=100_000)
    habits = {"write_size": write_size}
    flows = [
        sim.flow(*ends, send=1_000_000, reply=1_000_000, client_habits=habits, server_habits=habits)
        for ends in ((one, other), (other, one), (one, other))
    ]
    assert sim.run()
    assert all(end.status == OK and end.received == 1_000_000 for flow in flows for end in (flow.client, flow.server))
    assert sim.now < 10 * SECOND
    sim.settle()


@pytest.mark.requirement("LIM-2", "LISTEN-50")
def test_who_is_refused_for_want_of_memory_gets_through_when_there_is_some() -> None:
    sim = Simulator(seed=2, check=True)
    full, other = sim.host(memory_limit=LITTLE, send_buffer=1 << 20), sim.host(syn_retries=0)
    sim.link(full, other, delay=MILLISECOND)
    slow = {"stall_after": 1, "stall": 20 * SECOND}
    filling = sim.flow(full, other, send=1_000_000, client_habits={"write_size": 1000}, server_habits=slow)
    late = [sim.flow(*ends, send=10, reply=10, start=10 * SECOND) for ends in ((full, other), (other, full))]
    assert sim.run()
    assert all(end.status == OK for flow in (filling, *late) for end in (flow.client, flow.server))
    assert full.counters()["ListenOverflows"] > 0
    assert all(flow.client.connected_at > 20 * SECOND for flow in late)
    sim.settle()


@pytest.mark.requirement("SEG-2", "SND-5")
def test_closed_window_one_way_does_not_stop_the_other_way() -> None:
    sim = Simulator(seed=3, check=True)
    one, other = sim.host(receive_buffer=4000), sim.host(receive_buffer=4000)
    sim.link(one, other, delay=50 * MILLISECOND)
    stalled = {"stall_after": 1000, "stall": 100 * SECOND}
    flow = sim.flow(one, other, send=100_000, reply=100_000, server_habits=stalled)
    assert sim.run()
    assert flow.client.ended_at < 10 * SECOND
    assert flow.server.received == 100_000


@pytest.mark.requirement("SEG-2")
def test_two_ends_that_fill_each_others_window_take_the_acks_that_come_from_its_right_edge() -> None:
    """The first segment of each is too large for the path: what follows it fills the window, and it comes again."""
    sim = Simulator(seed=4, check=True)
    one, other = sim.host(receive_buffer=1460), sim.host(receive_buffer=1460)
    sim.link(one, other, delay=MILLISECOND, mtu=945)
    flow = sim.flow(one, other, send=1459, reply=1459, together=True)
    assert sim.run()
    assert all(end.status == OK and end.received == 1459 for end in (flow.client, flow.server))
