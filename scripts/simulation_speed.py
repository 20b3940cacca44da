#!/usr/bin/env python3
"""Measures the simulator: TCP segments delivered to hosts per second of one core, data and ACKs, nothing recorded."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "cython"))

from netcore.simulator import Simulator

MILLISECOND = 1_000_000
GIGABIT = 1_000_000_000

EXAMPLES = """\b
Examples:
  scripts/simulation_speed.py
  scripts/simulation_speed.py --megabytes 1000
"""


def bulk(check: bool, size: int, **arguments: Any) -> Simulator:
    """One transfer of `size` bytes between two hosts, 10 ms apart."""
    sim = Simulator(seed=1, check=check)
    one, other = sim.host(**arguments), sim.host(**arguments)
    sim.link(one, other, delay=5 * MILLISECOND, rate=GIGABIT, queue=1_000_000)
    sim.flow(one, other, send=size)
    return sim


def crowd(check: bool, size: int, **both: Any) -> Simulator:
    """Ten transfers both ways at once over three links and two switches."""
    sim = Simulator(seed=1, check=check)
    left, right = sim.switch(), sim.switch()
    sim.link(left, right, delay=5 * MILLISECOND, rate=GIGABIT, queue=500_000, **both)
    for _ in range(10):
        one, other = sim.host(), sim.host()
        sim.link(one, left, delay=MILLISECOND)
        sim.link(right, other, delay=MILLISECOND)
        sim.flow(one, other, send=size // 20, reply=size // 20)
    return sim


def small_lives(count: int) -> float:
    """Seconds that a simulator of four hosts and three short transfers takes from its making to its end."""
    start = time.process_time()
    for seed in range(count):
        sim = Simulator(seed=seed, check=True)
        switch = sim.switch()
        hosts = [sim.host() for _ in range(4)]
        for host in hosts:
            sim.link(host, switch, delay=5 * MILLISECOND, rate=10_000_000, loss=10_000)
        for host in hosts[1:]:
            sim.flow(hosts[0], host, send=30_000, reply=10_000)
        sim.run()
        sim.settle()
    return (time.process_time() - start) / count


@click.command(help=__doc__, epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--megabytes", type=click.IntRange(1), default=300, show_default=True, help="Transferred in each case.")
def main(megabytes: int) -> None:
    """The command."""
    size = megabytes * 1_000_000
    cases: list[tuple[str, Callable[[], Simulator]]] = [
        ("bulk", lambda: bulk(False, size)),
        ("bulk, checked", lambda: bulk(True, size)),
        ("bulk, superframes", lambda: bulk(False, size, vnet_header=True, offloads=True)),
        ("10 flows, 3 hops", lambda: crowd(False, size)),
        ("10 flows, checked", lambda: crowd(True, size)),
        ("10 flows, 1 % loss, checked", lambda: crowd(True, size // 4, loss=10_000)),
    ]
    for name, make in cases:
        sim = make()
        start = time.process_time()
        sim.run()
        seconds = time.process_time() - start
        counters = sim.counters()
        print(
            f"{name:28} {counters['segments'] / seconds / 1e6:5.2f} million segments/s, "
            f"{counters['frames'] / seconds / 1e6:5.2f} million frames/s, "
            f"{sim.now / 1e9 / seconds:6.1f} times real time"
        )
    print(f"{'small lives':28} {1 / small_lives(200):5.0f} seeds/s, made, run, checked and settled")


if __name__ == "__main__":
    main()
