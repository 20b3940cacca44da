#!/usr/bin/env python3
"""Judges the tests and the campaign: plants faults into the core, one at a time, and tells what finds each.

Examples:
  scripts/faults.py                       every fault, 20,000 seeds at most for each
  scripts/faults.py --only 21 --only 37   two of them
  scripts/faults.py --seeds 0             the tests alone
  scripts/faults.py --resume table.jsonl  what was found is written there, and what stands there is not looked for again

The table of faults is tests/faults/planted. For each, some hundred seeds of the campaign are tried, then the tests of
its area (tests/faults/areas.toml), then the other seeds, then all tests that need no device, up to the first that finds
it. The exit status is 1 when less than 95 % are found, 2 when something is found although no fault is planted, or when
a fault does not fit the sources any more.
"""

import argparse
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from rich.console import Console  # noqa: E402
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: E402
from rich.table import Table  # noqa: E402

from tests.faults.judge import Verdict, judge  # noqa: E402
from tests.faults.planting import Fault, read_faults  # noqa: E402
from tests.faults.verdicts import Verdicts  # noqa: E402

ENOUGH = 95


def read_arguments(arguments: list[str] | None, faults: list[Fault]) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", type=int, default=[], metavar="N", help="one fault; may be repeated")
    parser.add_argument("--seeds", type=int, default=20_000, metavar="N", help="seeds for each fault (%(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="at once (%(default)s)")
    parser.add_argument("--resume", type=Path, metavar="FILE", help="keep the verdicts there, go on from them")
    parser.add_argument("--list", action="store_true", help="print the faults and end")
    options = parser.parse_args(arguments)
    known = {fault.number for fault in faults}
    for number in options.only:
        if number not in known:
            parser.error(f"there is no fault {number}; --list prints those there are")
    if options.seeds < 0 or options.jobs < 1:
        parser.error(f"--seeds {options.seeds} --jobs {options.jobs}: at least 0 seeds and 1 job")
    if options.resume is not None and not options.resume.absolute().parent.is_dir():
        parser.error(f"--resume {options.resume}: there is no folder {options.resume.absolute().parent}")
    return options


def judge_all(faults: list[Fault | None], seeds: int, jobs: int, kept: Verdicts, console: Console) -> list[Verdict]:
    """Judges all that `kept` has no verdict of, with a progress bar; the verdicts in the order of the faults."""
    verdicts: dict[Fault | None, Verdict] = kept.read(faults, seeds)
    missing = [fault for fault in faults if fault not in verdicts]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress, ThreadPoolExecutor(jobs) as pool:
        task = progress.add_task("faults", total=len(faults), completed=len(verdicts))
        for future in as_completed([pool.submit(judge, fault, seeds) for fault in missing]):
            verdict = future.result()
            verdicts[verdict.fault] = verdict
            kept.append(verdict)
            missed = sum(not each.found for each in verdicts.values() if each.fault is not None)
            progress.update(task, advance=1, description=f"faults, {missed} missed")
    return [verdicts[fault] for fault in faults]


def print_table(verdicts: list[Verdict], console: Console) -> None:
    """Prints what found each fault."""
    table = Table("fault", "area", "what is wrong", "found by", "seeds", "s", box=None, header_style="bold")
    for column in (0, 4, 5):
        table.columns[column].justify = "right"
    for verdict in verdicts:
        if verdict.fault is not None:
            found = verdict.found.replace("[", r"\[") or "[bold red]nothing"
            row = (str(verdict.fault.number), verdict.fault.area, verdict.fault.name, found)
            table.add_row(*row, str(verdict.seeds), f"{verdict.seconds:.0f}")
    console.print(table)


def main(arguments: list[str] | None = None) -> int:
    """Builds the core with faults, judges them, prints the table; returns the exit status."""
    faults = read_faults()
    options = read_arguments(arguments, faults)
    console = Console(width=None if sys.stdout.isatty() else 200)
    if options.list:
        for fault in faults:
            console.print(f"{fault.number:4} {fault.area:16} {fault.name}", highlight=False)
        return 0
    # in the background of a shell this program would ignore it, and with it each test that sends it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if subprocess.run([sys.executable, "scripts/build.py", "--faults"], cwd=ROOT, stdout=subprocess.DEVNULL).returncode:
        return 2
    chosen = [fault for fault in faults if not options.only or fault.number in options.only]
    kept = Verdicts(options.resume)
    verdicts = judge_all([None, *chosen], options.seeds, options.jobs, kept, console)
    print_table(verdicts, console)
    if verdicts[0].found:
        console.print(f"no fault is planted, yet there is one: {verdicts[0].found}", style="bold red", markup=False)
        return 2
    found = sum(bool(verdict.found) for verdict in verdicts[1:])
    console.print(f"found: {found} of {len(chosen)}, {100 * found / len(chosen):.1f} %")
    return 0 if 100 * found >= ENOUGH * len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
