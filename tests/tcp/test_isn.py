"""Initial sequence numbers: a clock of 4 us plus a keyed hash of the four-tuple."""

from itertools import pairwise

import pytest

from tests.tcp.scripted_peer import MICROSECOND, OUR_PORT, PEER_PORT, SECOND, Peer
from tests.tcp.segments import MODULUS

pytestmark = pytest.mark.requirement("SND-1")


def number(make_host, *, start=10 * SECOND, port=PEER_PORT, our_port=OUR_PORT, address="10.0.0.2", seed=b"s" * 16):
    """The initial sequence number of a passive open at `start`."""
    host = make_host(start=start, seed=seed)
    host.listen(our_port)
    peer = Peer(host, port=port, our_port=our_port, address=address)
    peer.send("S")
    peer.take()
    assert peer.base is not None
    return peer.base


@pytest.mark.parametrize(("later", "steps"), [(0, 0), (3999, 0), (4000, 1), (8000, 2), (SECOND, 250_000)])
def test_number_of_one_four_tuple_goes_up_by_one_every_4_us(make_host, later, steps):
    first = number(make_host)
    assert (number(make_host, start=10 * SECOND + later) - first) % MODULUS == steps


def test_clock_goes_round_without_a_jump(make_host):
    round_trip = MODULUS * 4 * MICROSECOND
    assert number(make_host, start=10 * SECOND + round_trip) == number(make_host)
    assert (number(make_host, start=10 * SECOND + round_trip + 4000) - number(make_host)) % MODULUS == 1


def test_every_part_of_the_four_tuple_and_the_secret_changes_the_number(make_host):
    numbers = {
        number(make_host),
        number(make_host, port=40001),
        number(make_host, our_port=81),
        number(make_host, address="10.0.0.3"),
        number(make_host, seed=b"t" * 16),
        number(make_host, seed=b"s" * 17),
    }
    assert len(numbers) == 6


def test_numbers_of_neighboring_ports_are_not_close_to_each_other(make_host):
    host = make_host()
    host.listen(backlog=300)
    bases = []
    for port in range(20000, 20200):
        peer = Peer(host, port=port)
        peer.send("S")
        peer.take()
        bases.append(peer.base)
    differences = [(later - earlier) % MODULUS for earlier, later in pairwise(bases)]
    assert min(differences) > 10_000
    # spread over the whole space: each eighth has its share
    for eighth in range(8):
        assert 8 <= sum(base >> 29 == eighth for base in bases) <= 50


def test_active_and_passive_opens_use_the_same_rule(make_host):
    host = make_host(seed=b"s" * 16)
    peer = Peer(host)
    host.connect(OUR_PORT, PEER_PORT)
    peer.take()
    assert peer.base == number(make_host)


def test_same_seed_and_time_give_the_same_number(make_host):
    assert number(make_host) == number(make_host)
