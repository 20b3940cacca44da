"""What each congestion control algorithm makes of a link: the share of it, the queue, the other flows, the pauses."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.netsim.bulk import MEGABIT, MILLISECOND, SECOND, Bulk

ALGORITHMS = ["cubic", "newreno", "bbr"]
RATE = 20 * MEGABIT
# bandwidth-delay product of the link that Bulk has without further arguments, bytes
PRODUCT = 50_000


@pytest.fixture
def bulk() -> Iterator[Callable[..., Bulk]]:
    """Makes emulated links; afterwards nothing may be left of the connections."""
    made: list[Bulk] = []

    def make(congestion: str, **arguments: Any) -> Bulk:
        made.append(Bulk(congestion, **arguments))
        return made[-1]

    yield make
    for one in made:
        one.finish()


def share(delivered: int, duration: int, rate: int = RATE) -> float:
    """Delivered bytes as a part of what the link carries in the time."""
    return delivered * 8 * SECOND / duration / rate


@pytest.mark.requirement("REC-5")
@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("superframes", [False, True])
def test_one_flow_fills_the_link(bulk, name, superframes):
    run = bulk(name, offloads=superframes, vnet_header=superframes)
    run.open()
    run.run(3 * SECOND)
    [delivered] = run.run(10 * SECOND)
    # headers take 3.5 %, PROBE_RTT of bbr 2 %
    assert share(delivered, 10 * SECOND) > 0.92
    assert run.sender.counters()["TCPTimeouts"] == 0


@pytest.mark.requirement("REC-5")
@pytest.mark.parametrize(("name", "most"), [("bbr", 1.4), ("cubic", 8), ("newreno", 8)])
def test_deep_buffer_is_left_empty_by_bbr_alone(bulk, name, most):
    run = bulk(name, queue=6 * PRODUCT)
    flow = run.open()
    run.run(20 * SECOND)
    stretched = flow.info()["srtt"] / flow.info()["min_rtt"]
    assert most / 4 < stretched < most


@pytest.mark.requirement("REC-5")
@pytest.mark.parametrize(("name", "least", "most"), [("bbr", 0.85, 1), ("cubic", 0.1, 0.4), ("newreno", 0.1, 0.4)])
def test_random_loss_is_no_congestion_to_bbr_alone(bulk, name, least, most):
    run = bulk(name, queue=8 * PRODUCT, link={"loss": 10_000})
    run.open()
    run.run(2 * SECOND)
    [delivered] = run.run(20 * SECOND)
    assert least < share(delivered, 20 * SECOND) < most


@pytest.mark.requirement("REC-5")
@pytest.mark.parametrize("name", ALGORITHMS)
def test_flow_that_comes_later_gets_its_share(bulk, name):
    run = bulk(name)
    run.open()
    run.run(5 * SECOND)
    run.open()
    run.run(20 * SECOND)
    first, second = run.run(20 * SECOND)
    assert share(first + second, 20 * SECOND) > 0.9
    assert 0.5 < first / second < 2


@pytest.mark.requirement("REC-5")
def test_cubic_recovers_faster_than_newreno_on_a_long_fat_link(bulk):
    """RFC 9438 1: what the algorithm is for. 50 Mbit/s, 200 ms, a loss now and then."""
    delivered = {}
    for name in ("cubic", "newreno"):
        run = bulk(name, rate=50 * MEGABIT, delay=100 * MILLISECOND, queue=1_250_000, link={"loss": 100})
        run.open()
        run.run(5 * SECOND)
        [delivered[name]] = run.run(40 * SECOND)
    assert delivered["cubic"] > 1.3 * delivered["newreno"]


@pytest.mark.requirement("REC-6")
@pytest.mark.parametrize("name", ["cubic", "newreno"])
def test_paced_flow_fills_the_link_too(bulk, name):
    run = bulk(name, pacing=1)
    flow = run.open()
    run.run(3 * SECOND)
    [delivered] = run.run(10 * SECOND)
    assert flow.info()["pacing_rate"] > 0
    assert share(delivered, 10 * SECOND) > 0.92


@pytest.mark.requirement("REC-5")
@pytest.mark.parametrize("before", ALGORITHMS)
@pytest.mark.parametrize("after", ALGORITHMS)
def test_algorithm_changed_in_mid_flow_goes_on(bulk, before, after):
    run = bulk(before)
    flow = run.open()
    run.run(3 * SECOND)
    flow.congestion = after
    assert flow.congestion == after
    [delivered] = run.run(10 * SECOND)
    assert share(delivered, 10 * SECOND) > 0.85
    assert run.sender.counters()["TCPTimeouts"] == 0


@pytest.mark.requirement("REC-5")
@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("pause", [SECOND // 2, 30 * SECOND])
def test_flow_that_paused_is_soon_as_fast_as_before(bulk, name, pause):
    """RFC 7661 keeps the window, bbr its model: five times the bandwidth-delay product in under nine round trips."""
    run = bulk(name, queue=2 * PRODUCT)
    run.open(30 * PRODUCT)
    run.run(3 * SECOND + pause)
    assert run.received == [30 * PRODUCT]
    run.budgets[0] = 5 * PRODUCT
    [delivered] = run.run(9 * 20 * MILLISECOND)
    assert delivered == 5 * PRODUCT


@pytest.mark.requirement("REC-5")
def test_slow_application_does_not_make_bbr_believe_in_a_slow_path(bulk):
    """Samples that the application limited do not lower the bandwidth of the model (4.1.1.4)."""
    run = bulk("bbr")
    flow = run.open()
    run.run(3 * SECOND)
    run.budgets[0] = 0
    run.run(SECOND)
    full = flow.info()["pacing_rate"]
    assert full * 8 > RATE * 0.7
    for _ in range(400):
        run.budgets[0] = 1000
        run.run(20 * MILLISECOND)
    assert flow.info()["pacing_rate"] * 8 > RATE * 0.7
