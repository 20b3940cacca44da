#!/usr/bin/env python3
"""Measures what a listener costs on hosts in memory: SYNs into short and long queues, refusals, cookies, connections.

Examples:
  scripts/listener_cost.py
  scripts/listener_cost.py --connections 1000000     the campaign: memory has to be where it was
"""

import sys
import time
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.tcp.listener_cost import ROUND, Turnover, resident, time_of_refusal, time_of_syn

QUEUES = (10, 1000, 60_000)
WARM_UP = 4  # rounds


@click.command(help=__doc__, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--connections", type=click.IntRange(ROUND), default=50_000, show_default=True, help="Made and closed.")
@click.option("--rounds", type=click.IntRange(1), default=2000, show_default=True, help="Batches of 64 SYNs.")
def main(connections: int, rounds: int) -> None:
    """The command."""
    figures = [time_of_syn(queue, rounds) for queue in QUEUES]
    for queue, figure in zip(QUEUES, figures, strict=True):
        ratio = figure / figures[0]
        print(f"SYN into a queue of {queue:6}: {figure:6.0f} ns, {ratio:.2f} of that into a queue of {QUEUES[0]}")
    print(f"SYN to RST of a full queue: {time_of_refusal(False, rounds):6.0f} ns, its frame fetched")
    print(f"SYN to its cookie:          {time_of_refusal(True, rounds):6.0f} ns, its frame fetched")
    hosts = Turnover()
    for _ in range(WARM_UP):
        hosts.round()
    before, start = resident(), time.perf_counter()
    for _ in range(connections // ROUND):
        hosts.round()
    seconds = time.perf_counter() - start
    grown = (resident() - before) >> 10
    print(f"{connections} connections: {seconds / connections * 1e6:.1f} us each, {grown} KiB more memory")


if __name__ == "__main__":
    main()
