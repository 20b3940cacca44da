"""Servers inside the core over bad links, under virtual time and all invariants."""

import random

import pytest

from netcore.endpoint import Endpoint
from netcore.engine import Engine
from netcore.simulator import Simulator
from stack.applications.services import character_pattern

MILLISECOND = 1_000_000
SIZE = 150_000
BAD = {
    "delay": 3 * MILLISECOND, "jitter": MILLISECOND, "loss": 20_000, "duplicate": 20_000, "corrupt": 10_000,
    "reorder": 30_000, "rate": 50_000_000, "queue": 100_000,
}  # fmt: skip


def pair(seed: int) -> tuple[Simulator, Engine, Engine]:
    """A client and a server with a bad link between them."""
    sim = Simulator(seed=seed, check=True)
    client, server = sim.host(), sim.host()
    sim.link(client, server, **BAD)
    return sim, client, server


def connected(sim: Simulator, client: Engine, server: Engine, port: int, local_port: int = 40_000) -> Endpoint:
    """A connection under way."""
    endpoint = client.connect(local_port, (server.local_addresses()[0], port))
    assert isinstance(endpoint, Endpoint)
    return endpoint


def read(endpoint: Endpoint) -> bytes:
    """What is there."""
    buffer = bytearray(1 << 20)
    count = endpoint.receive_into(buffer)
    return bytes(buffer[: max(count, 0)])


def echoed(seed: int) -> int:
    """Sends through an echo, which must give it all back; returns the hash of the run."""
    sim, client, server = pair(seed)
    service = server.serve("echo", None, 7, 5)
    assert not isinstance(service, int)
    endpoint = connected(sim, client, server, 7)
    dice = random.Random(seed)
    said, answered, sent = dice.randbytes(SIZE), b"", 0
    while len(answered) < SIZE:
        sim.run_until(sim.now + 5 * MILLISECOND)
        size = dice.choice((1, 100, 5000, 40_000))
        if sent < SIZE and endpoint.send(said[sent : sent + size]) > 0:
            sent += size
        answered += read(endpoint)
    assert answered == said
    endpoint.close()
    while service.counters()["open"]:
        sim.run_until(sim.now + 5 * MILLISECOND)
    service.close()
    sim.settle()
    return sim.trace_hash


@pytest.mark.parametrize("seed", range(6))
def test_echo_over_a_bad_link_gives_everything_back(seed: int) -> None:
    echoed(seed)


@pytest.mark.requirement("LIM-5")
def test_service_does_the_same_for_the_same_seed() -> None:
    assert echoed(1) == echoed(1)


@pytest.mark.parametrize("seed", range(3))
def test_source_over_a_bad_link_is_one_pattern(seed: int) -> None:
    sim, client, server = pair(seed)
    service = server.serve("source", None, 19, 5)
    assert not isinstance(service, int)
    endpoint = connected(sim, client, server, 19)
    got = b""
    while len(got) < 4 * SIZE:
        sim.run_until(sim.now + 5 * MILLISECOND)
        got += read(endpoint)
    pattern = character_pattern(1 << 20)
    assert got == pattern[: len(got)]
    endpoint.abort()
    service.close()
    sim.settle()


@pytest.mark.parametrize("seed", range(3))
def test_discard_over_a_bad_link_takes_everything_of_many(seed: int) -> None:
    sim, client, server = pair(seed)
    service = server.serve("discard", None, 9, 20)
    assert not isinstance(service, int)
    endpoints = [connected(sim, client, server, 9, 40_000 + number) for number in range(8)]
    left = dict.fromkeys(endpoints, 40_000)
    while service.counters()["received"] < 8 * 40_000:
        sim.run_until(sim.now + 5 * MILLISECOND)
        for endpoint in endpoints:
            if left[endpoint] and endpoint.send(bytes(20_000)) > 0:
                left[endpoint] -= 20_000
    for endpoint in endpoints:
        endpoint.close()
    while service.counters()["open"]:
        sim.run_until(sim.now + 5 * MILLISECOND)
    assert service.counters()["accepted"] == 8
    service.close()
    sim.settle()
