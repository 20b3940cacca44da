#!/usr/bin/env python3
"""Runs random scenarios in the simulator, one for each seed, and looks for violations of its invariants."""

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "cython")]

if TYPE_CHECKING:
    from stack.simulation.campaign import Finding, Report, Totals

SHOWN = 20  # findings printed at most
LAST_SEED = (1 << 62) - 1  # processes share them as 64-bit integers

EXAMPLES = """\b
Examples:
  scripts/campaign.py                                2,000 seeds on all processors, until the first violation
  scripts/campaign.py --seeds 1000000 --collect      a million of them, and all that is found
  scripts/campaign.py --from 5000 --seconds 60       as many as a minute allows
  scripts/campaign.py --seed 12345 --replay          one again, as it was
  scripts/campaign.py --seed 12345 --replay --pcap out.pcapng --json scenario.json
  scripts/campaign.py --seed 12345 --shrink small.json
"""


@click.command(help=__doc__, epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seeds", type=click.IntRange(1, LAST_SEED), default=2000, show_default=True, help="How many.")
@click.option("--from", "first", type=click.IntRange(0, LAST_SEED), default=0, show_default=True, help="The first one.")
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, show_default=True, help="Processes.")
@click.option("--seconds", type=click.FloatRange(0), help="End after so long.")
@click.option("--collect", is_flag=True, help="Do not stop at the first violation.")
@click.option("--seed", type=click.IntRange(0), metavar="S", help="Run only this one, here.")
@click.option("--replay", is_flag=True, help="Say what came of it (with --seed; the default there).")
@click.option("--pcap", type=click.Path(dir_okay=False, path_type=Path), help="Write its frames there (with --seed).")
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Its scenario (with --seed).")
@click.option("--shrink", type=click.Path(dir_okay=False, path_type=Path), help="A smaller one that violates it too.")
def main(
    seeds: int,
    first: int,
    jobs: int,
    seconds: float | None,
    collect: bool,
    seed: int | None,
    replay: bool,
    pcap: Path | None,
    file: Path | None,
    shrink: Path | None,
) -> None:
    """The command."""
    if seed is not None:
        try:
            sys.exit(replay_seed(seed, pcap, file, shrink))
        except OSError as error:
            raise click.ClickException(f"{error.filename}: {error.strerror}") from error
    if replay or pcap or file or shrink:
        raise click.UsageError("--replay, --pcap, --json and --shrink need --seed")
    report = run_campaign(range(first, first + seeds), jobs, seconds, collect)
    for finding in report.findings[:SHOWN]:
        print(describe(finding))
    if len(report.findings) > SHOWN:
        print(f"... and {len(report.findings) - SHOWN} more")
    print(summary(report))
    sys.exit(130 if report.interrupted else 1 if report.findings else 0)


def run_campaign(seeds: range, jobs: int, seconds: float | None, collect: bool) -> "Report":
    """Runs the campaign under a progress bar; told to end (SIGTERM), it ends as by Ctrl-C, with its figures."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from stack.simulation.campaign import Campaign

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=len(seeds), start=False)

        def progress(totals: "Totals", findings: int) -> None:
            if not bar.tasks[task].started:
                bar.start_task(task)
                bar.console.print(f"seeds {seeds.start} to {seeds.stop - 1} on {jobs} processes", highlight=False)
            words = f"{totals.segments:,} segments, {findings} found"
            bar.update(task, completed=totals.seeds, description=words)

        return Campaign(seeds, jobs=jobs, collect=collect, seconds=seconds, progress=progress).run()


def describe(finding: "Finding") -> str:
    """What was found, and the command that shows it again."""
    return f"seed {finding.seed}: {finding.text}\n  again: python scripts/campaign.py --seed {finding.seed} --replay"


def summary(report: "Report") -> str:
    """The figures of a campaign."""
    totals = report.totals
    seconds = max(totals.seconds, 1e-9)
    partly = "" if report.complete else " (not all that were asked for)"
    lines = [
        f"{totals.seeds:,} seeds in {report.elapsed:.1f} s on {report.jobs} processes{partly}",
        f"a second and core: {totals.seeds / seconds:,.0f} seeds, {totals.segments / seconds:,.0f} segments",
        f"simulated: {totals.segments:,} segments, {totals.frames:,} frames, {totals.events:,} events",
        f"received: {totals.received:,} bytes on {totals.connections:,} connections, {totals.failed:,} of which failed",
        f"virtual time: {totals.time / 86400e9:,.1f} days",
        f"fingerprint: {totals.fingerprint:016x}",
        f"violations: {len(report.findings)}",
    ]
    return "\n".join(lines)


def replay_seed(seed: int, pcap: Path | None, file: Path | None, shrink: Path | None) -> int:
    """Runs one seed in this process; returns the exit status."""
    from stack.simulation.random_scenario import random_scenario
    from stack.simulation.recording import record
    from stack.simulation.running import run
    from stack.simulation.shrinking import shrink as shrink_scenario

    scenario = random_scenario(seed)
    if file is not None:
        file.write_text(scenario.to_json() + "\n")
    outcome = run(scenario) if pcap is None else record(scenario, pcap)
    print(f"seed {seed}: {outcome}")
    if shrink is not None:
        if outcome.violation is None:
            raise click.UsageError(f"--shrink: seed {seed} violates nothing")
        smaller = shrink_scenario(scenario, outcome.violation.invariant)
        shrink.write_text(smaller.to_json() + "\n")
        print(f"wrote {shrink}: {run(smaller)}")
        print(f"  again: wspstack simulate run {shrink}")
    return 1 if outcome.violation else 0


if __name__ == "__main__":
    main()
