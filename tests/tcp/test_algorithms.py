"""The registry of congestion control algorithms, and what all of them have in common."""

import random

import pytest

from stack.config import ConfigurationError, StackConfig
from tests.tcp.scripted_peer import OUR_PORT, PEER_PORT, Peer

ALGORITHMS = ["cubic", "newreno", "bbr"]
MSS = 1000
SECOND = 1_000_000_000
MILLISECOND = 1_000_000


@pytest.mark.requirement("REC-5")
def test_registry_knows_the_algorithms_and_cubic_is_the_first(congestion):
    assert congestion.names() == ALGORITHMS


@pytest.mark.requirement("REC-5")
@pytest.mark.parametrize("name", ["", "reno", "cubi", "cubicc", "CUBIC"])
def test_name_of_no_algorithm_is_found_nowhere(congestion, name):
    with pytest.raises(LookupError):
        congestion.Controller(name)


@pytest.mark.requirement("REC-5")
@pytest.mark.parametrize("name", [None, *ALGORITHMS])
def test_new_connections_use_the_algorithm_of_the_stack(make_host, name):
    host = make_host(congestion=name)
    assert Peer(host).open_passively().congestion == (name or "cubic")
    assert Peer(host, port=PEER_PORT + 1, our_port=OUR_PORT + 1).open_actively().congestion == (name or "cubic")


@pytest.mark.requirement("REC-5")
def test_algorithm_of_one_connection_is_not_that_of_another(host):
    one = Peer(host).open_passively()
    other = Peer(host, port=PEER_PORT + 1).open_passively()
    one.congestion = "bbr"
    assert (one.congestion, other.congestion) == ("bbr", "cubic")


@pytest.mark.requirement("REC-5")
@pytest.mark.parametrize("name", ["", "reno", "CUBIC"])
def test_unknown_algorithm_is_refused_with_the_names_there_are(make_host, name):
    endpoint = Peer(make_host()).open_passively()
    with pytest.raises(ValueError, match="cubic"):
        endpoint.congestion = name
    assert endpoint.congestion == "cubic"
    with pytest.raises(ValueError, match="cubic"):
        make_host(congestion=name)
    with pytest.raises(ConfigurationError, match=r"congestion.*must be one of cubic, newreno, bbr"):
        StackConfig(address="10.0.0.1", prefix=24, congestion=name)


@pytest.mark.requirement("REC-5")
@pytest.mark.parametrize("name", ALGORITHMS)
def test_connection_begins_with_the_initial_window(congestion, name):
    # RFC 6928; RFC 5681 3.1 where the SYN was lost
    assert congestion.Controller(name, initial_window=10).cwnd == 10 * MSS
    assert congestion.Controller(name, initial_window=4).cwnd == 4 * MSS
    assert congestion.Controller(name, syn_lost=True).cwnd == MSS


@pytest.mark.requirement("REC-5")
@pytest.mark.parametrize("before", ALGORITHMS)
@pytest.mark.parametrize("after", ALGORITHMS)
def test_change_of_the_algorithm_keeps_the_windows(congestion, before, after):
    one = congestion.Controller(before)
    one.cwnd, one.ssthresh = 77 * MSS, 55 * MSS
    one.flight = 77 * MSS
    one.use(after)
    assert (one.name, one.cwnd, one.ssthresh) == (after, 77 * MSS, 55 * MSS)
    if before != after:
        # who paces itself does, and nobody is left with the pace of another
        assert (one.pacing_rate > 0) == (after == "bbr")


@pytest.mark.requirement("REC-5")
@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("seed", range(20))
def test_windows_stay_within_bounds_whatever_happens(congestion, name, seed):
    """Random events with random sizes, the absurd ones that only a forged peer could cause included."""
    source = random.Random(seed)
    one = congestion.Controller(name, mss=source.choice((64, 536, 1460, 9000, 65535)), seed=seed)
    for _ in range(2000):
        one.now += source.choice((0, 1, 1000, MILLISECOND, 100 * MILLISECOND, SECOND, 1000 * SECOND))
        one.srtt = source.choice((0, 1000, 50 * MILLISECOND, 60 * SECOND))
        one.cwnd_limited = source.random() < 0.7
        one.flight = source.choice((0, 1, one.cwnd // 2, one.cwnd, 1 << 30))
        one.phase = source.randrange(4) if name == "bbr" else source.choice((0, 3))
        one.retries = source.choice((0, 0, 3))
        event = source.random()
        if event < 0.8:
            size = source.choice((0, 1, 1460, 65160, 1 << 24, 1 << 30))
            one.ack(
                size,
                delivered=source.choice((0, size, 1 << 30)),
                lost=source.choice((0, 0, 1460, 1 << 30)),
                rtt=source.choice((0, 1, MILLISECOND, 3600 * SECOND)),
                round_start=source.random() < 0.3,
                rate=source.choice((None, 1, 10**6, 10**12)),
                interval=source.choice((1, MILLISECOND, 90 * SECOND)),
                app_limited=source.random() < 0.3,
                prior_in_flight=one.flight,
            )
        else:
            source.choice((one.loss, one.ecn, one.timeout, one.recovered, one.undo, one.idle, one.restart))()
        assert 1 <= one.cwnd <= (1 << 30) + 65535
        assert one.ssthresh >= 1
        if name == "bbr":
            assert one.pacing_rate > 0
