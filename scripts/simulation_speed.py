#!/usr/bin/env python3
"""Measures the simulator: TCP segments delivered to hosts per second of one core, data and ACKs, nothing recorded."""

import json
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
  scripts/simulation_speed.py --case bulk --json     one case: segments and frames per second
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
@click.option("--case", "chosen", help="Only the case of this name.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON in place of words.")
def main(megabytes: int, chosen: str | None, as_json: bool) -> None:
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
    if chosen is not None:
        cases = [case for case in cases if case[0] == chosen] or cases
        if len(cases) > 1:
            names = ", ".join(repr(name) for name, _ in cases)
            raise click.BadParameter(f"{chosen!r} is none of {names}", param_hint="'--case'")
    told: dict[str, dict[str, float]] = {}
    for name, make in cases:
        sim = make()
        start = time.process_time()
        sim.run()
        seconds = time.process_time() - start
        counters = sim.counters()
        rates = {kind: counters[kind] / seconds for kind in ("segments", "frames")}
        told[name] = {**rates, "speed": sim.now / 1e9 / seconds}
        if not as_json:
            print(
                f"{name:28} {rates['segments'] / 1e6:5.2f} million segments/s, "
                f"{rates['frames'] / 1e6:5.2f} million frames/s, {told[name]['speed']:6.1f} times real time"
            )
    if as_json:
        print(json.dumps(told))
    elif chosen is None:
        print(f"{'small lives':28} {1 / small_lives(200):5.0f} seeds/s, made, run, checked and settled")


if __name__ == "__main__":
    main()
