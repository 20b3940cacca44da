"""The same seed is the same run, to the byte and to the nanosecond (LIM-5)."""

import pytest

from tests.netsim.test_streams import HOSTS, LINKS
from tests.netsim.transfers import Transfer

pytestmark = pytest.mark.requirement("LIM-5")


def trace(seed, kind, link):
    """Every frame of a run with the time of its arrival."""
    transfer = Transfer(seed, link=LINKS[link], left=HOSTS[kind], right=HOSTS[kind], record=True).run()
    return transfer.pair.recorded(), transfer.client.engine.counters(), transfer.server.engine.counters()


@pytest.mark.parametrize("kind", ["plain", "offloads", "bare"])
@pytest.mark.parametrize("link", ["clean", "everything", "heavy loss"])
@pytest.mark.parametrize("seed", [1, 99])
def test_same_seed_gives_the_same_trace(seed, kind, link):
    first = trace(seed, kind, link)
    assert len(first[0]) > 20
    assert trace(seed, kind, link) == first


@pytest.mark.parametrize("link", ["clean", "everything"])
def test_different_seeds_give_different_traces(link):
    traces = [trace(seed, "plain", link)[0] for seed in range(1, 6)]
    for position, one in enumerate(traces):
        assert one not in traces[:position]


def test_times_of_a_trace_never_go_back():
    frames, _, _ = trace(3, "plain", "everything")
    times = [time for time, _, _ in frames]
    assert times == sorted(times)
    assert {side for _, side, _ in frames} == {"left", "right"}
