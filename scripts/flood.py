#!/usr/bin/env python3
"""Floods a listener with spoofed SYNs while real clients fetch from it, with SYN protection and without.

Examples:
  scripts/flood.py                  20 seconds each, at the highest rate that passes without drops
  scripts/flood.py --seconds 5

The rate is measured first: three quarters of what the loop reads, less if the device's queue drops frames at that.
The exit status is 0 when with protection every client was served.
"""

import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tapdev import LabUnavailable
from tests.live.listener_flood import Outcome, clients_during_flood

KIBI = 1 << 10


def rows(outcome: Outcome) -> list[tuple[str, str]]:
    """What is told of one flood: a name and its figure."""
    watch, counters = outcome.watch, outcome.watch.counters
    return [
        ("SYNs a second", f"{outcome.sent['sent'] / outcome.sent['seconds']:,.0f}"),
        ("SYNs", f"{outcome.sent['sent']:,}"),
        ("dropped by the device", f"{outcome.sent['dropped']:,}"),
        ("clients served", f"{outcome.served:,}"),
        ("clients failed", f"{len(outcome.failures):,}"),
        ("longest client, s", f"{outcome.longest:.2f}"),
        ("loop: ns a frame", f"{watch.nanoseconds_per_frame:,.0f}"),
        ("loop: share of a processor", f"{watch.busy / watch.seconds:.0%}"),
        ("cookies sent", f"{counters['SyncookiesSent']:,}"),
        ("cookies answered", f"{counters['SyncookiesRecv']:,}"),
        ("SYNs refused", f"{counters['ListenOverflows']:,}"),
        ("most connections", f"{max(watch.connections):,}"),
        ("memory before, KiB", f"{watch.resident[0] // KIBI:,}"),
        ("memory grown, KiB", f"{watch.grown // KIBI:,}"),
    ]


@click.command(help=__doc__, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seconds", type=click.FloatRange(1, 300), default=20, show_default=True, help="Of each flood.")
def main(seconds: float) -> None:
    """The command."""
    console = Console()
    try:
        protected = clients_during_flood(seconds, say=console.print)
        bare = clients_during_flood(seconds, protection=False, rate=protected.rate)
    except LabUnavailable as error:
        raise click.ClickException(str(error)) from None
    table = Table(box=None, pad_edge=False)
    for heading in ("", "protection", "without"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for (name, with_it), (_, without) in zip(rows(protected), rows(bare), strict=True):
        table.add_row(name, with_it, without)
    console.print(table)
    for failure in sorted(set(protected.failures)):
        console.print(f"{protected.failures.count(failure)} times {failure}")
    sys.exit(1 if protected.failures else 0)


if __name__ == "__main__":
    main()
