"""Long and marked paths with default settings: buffers that grow with them, queues that mark instead of dropping."""

from typing import Any

import pytest

from netcore.engine import congestion_names
from netcore.flows import Flow
from netcore.simulator import Simulator

MILLISECOND = 1_000_000
SECOND = 1_000_000_000
RATE = 100_000_000  # bits per second
ROUND_TRIP = 200 * MILLISECOND
IN_FLIGHT = RATE // 8 * ROUND_TRIP // SECOND  # bytes that fill the way


def upload(size: int, *, link: dict[str, Any], seed: int = 1, **host: Any) -> tuple[Simulator, Flow]:
    """One flow over one link; both hosts have the same settings."""
    sim = Simulator(seed=seed, check=True)
    client, server = sim.host(**host), sim.host(**host)
    sim.link(client, server, **link)
    return sim, sim.flow(client, server, send=size)


def rate_while_full(sim: Simulator, flow: Flow, start: int, duration: int) -> int:
    """Bits per second that arrive in the `duration` from `start` on."""
    sim.run_until(start)
    before = flow.server.received
    sim.run_until(start + duration)
    return (flow.server.received - before) * 8 * SECOND // duration


# a queue that nothing overflows: this is about the windows, not about what follows a loss
LONG: dict[str, Any] = {"rate": RATE, "delay": ROUND_TRIP // 2, "queue": 20 * IN_FLIGHT}


@pytest.mark.requirement("TCPX-2")
@pytest.mark.parametrize("settings", [{}, {"timestamps": 0}, {"sack": 0}, {"congestion": "newreno"}], ids=str)
def test_default_buffers_fill_a_long_path(settings: dict[str, Any]) -> None:
    sim, flow = upload(80_000_000, link=LONG, **settings)
    # the headers take 52 to 66 of 1500 bytes
    assert rate_while_full(sim, flow, 4 * SECOND, 2 * SECOND) > RATE * 9 // 10
    assert sim.run()
    sim.settle()


@pytest.mark.requirement("TCPX-2")
@pytest.mark.parametrize("name", ["send_buffer", "receive_buffer"])
def test_small_fixed_buffer_does_not_fill_a_long_path(name: str) -> None:
    sim, flow = upload(80_000_000, link=LONG, **{name: 65536})
    rate = rate_while_full(sim, flow, 4 * SECOND, 2 * SECOND)
    # its size each round trip; a sender takes what the simulator's program writes at once beyond it
    assert 65536 * 8 * SECOND // ROUND_TRIP * 9 // 10 < rate < RATE // 10


@pytest.mark.requirement("TCPX-2")
def test_buffers_of_a_short_path_stay_small() -> None:
    sim, flow = upload(10_000_000, link={"rate": RATE, "delay": MILLISECOND // 2, "queue": 25_000})
    samples = sim.watch(flow.server)
    assert sim.run()
    # 25 kB for the way and its queue: the buffers they begin with are enough
    assert max(samples.take()["rcv_wnd"]) <= 256 << 10
    assert flow.goodput > RATE * 8 // 10


@pytest.mark.requirement("REC-7")
@pytest.mark.parametrize("congestion", congestion_names())
def test_queue_that_marks_loses_nothing(congestion: str) -> None:
    link = {"rate": RATE, "delay": 10 * MILLISECOND, "queue": 4_000_000, "ecn_bytes": 250_000}
    sim, flow = upload(20_000_000, link=link, congestion=congestion, ecn=1)
    samples = sim.watch(flow.client)
    assert sim.run()
    columns = samples.take()
    assert max(columns["retransmits"]) == 0
    if congestion != "bbr":
        # the mark, and not the length of the queue, ended slow start
        assert max(columns["cwnd"]) < 1_500_000
        assert 1 in columns["phase"]
        assert flow.goodput > RATE * 8 // 10
    sim.settle()


@pytest.mark.requirement("REC-7")
def test_queue_that_marks_drops_what_does_not_take_part() -> None:
    link = {"rate": RATE, "delay": 10 * MILLISECOND, "queue": 120_000, "ecn_bytes": 60_000}
    for ecn in (0, 1):
        sim, flow = upload(5_000_000, link=link, congestion="newreno", ecn=ecn)
        samples = sim.watch(flow.client)
        assert sim.run()
        marked = flow.server.engine.counters()["InCEPkts"]
        assert (marked > 0) == (ecn == 1)
        assert (1 in samples.take()["phase"]) == (ecn == 1)
