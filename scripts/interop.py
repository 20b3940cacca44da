#!/usr/bin/env python3
"""Carries streams between our stack and the kernel over bad links, beside kernel to kernel, and prints a table.

Each of the kernel's reno, cubic and bbr sends to the kernel and to us, and our newreno, cubic and bbr send to the
kernel, over each link: every byte has to arrive. The link is the same for all (`wspstack relay`), and who is compared
runs one after the other. Verdicts on REC-8 follow the table where its links were run.
"""

import contextlib
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv" / "bin" / "python"
sys.path.insert(0, str(ROOT))

try:
    import click
    from rich.console import Console
    from rich.table import Table

    from stack.relaying import PRIORITY
    from tapdev import LabUnavailable
    from tests.interop.links import LINKS
    from tests.interop.transfers import (
        OUR_NAMES,
        WAYS,
        Laboratory,
        Result,
        TransferFailed,
        kernel_algorithms,
        our_algorithms,
    )
except ModuleNotFoundError as missing:
    if ENVIRONMENT.exists() and Path(sys.prefix) != ENVIRONMENT.parents[1]:
        os.execv(ENVIRONMENT, [str(ENVIRONMENT), *sys.argv])
    sys.exit(f"interop: {missing}: make the environment with ./scripts/run --once, then try again")

WIDTH = 120  # columns that the table needs
LATE = 0.02  # share of packets delivered late beyond which a transfer is called disturbed
GOODPUT_FLOOR = 0.9  # of the kernel's, REC-8
SPURIOUS_CEILING = 0.01  # of the segments, REC-8


@dataclass
class Cell:
    """All transfers of one way, with one algorithm (the kernel's name), over one link."""

    link: str
    algorithm: str
    way: str
    results: list[Result] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def median(self, name: str) -> float:
        """The median of one of Result's figures."""
        values: list[float] = [getattr(result, name) for result in self.results]
        return statistics.median(values)

    @property
    def disturbed(self) -> bool:
        """Whether the machine was too busy to keep the link's times."""
        return bool(self.results) and self.median("late") > LATE


def missing_algorithms() -> dict[tuple[str, str], str]:
    """Returns why a way with an algorithm cannot be carried: (way, algorithm) to a reason."""
    missing: dict[tuple[str, str], str] = {}
    kernels, ours = kernel_algorithms(), our_algorithms()
    for theirs, our in OUR_NAMES.items():
        for way in WAYS:
            if way != "uk" and theirs not in kernels:
                missing[way, theirs] = f"the kernel has no {theirs}"
            if way == "uk" and our not in ours:
                missing[way, theirs] = f"our core has no {our}"
    return missing


def carry_all(
    links: list[str], algorithms: list[str], ways: list[str], options: dict[str, Any], console: Console
) -> Iterator[Cell]:
    """Carries everything, each cell once a round, and gives the cells of a link and an algorithm when it is through."""
    missing = missing_algorithms()
    rounds = options["rounds"]
    for reason in dict.fromkeys(missing[each] for each in missing if each[1] in algorithms and each[0] in ways):
        console.print(f"left out: {reason}")
    with Laboratory(options["mtu"]) as laboratory, console.status("") as status:
        for name in links:
            chosen = LINKS[name]
            if options["seconds"] is not None:
                chosen = replace(chosen, seconds=options["seconds"])
            for algorithm in algorithms:
                cells = {way: Cell(name, algorithm, way) for way in ways if (way, algorithm) not in missing}
                for number in range(rounds):
                    # the other way round every second time, so that what changes on the machine meets them alike
                    for way in list(cells)[:: 1 if number % 2 == 0 else -1]:
                        status.update(f"{name}, {algorithm}, {WAYS[way]}, round {number + 1} of {rounds}")
                        try:
                            result = laboratory.transfer(way, algorithm, chosen, options["seed"] + number)
                            cells[way].results.append(result)
                        except TransferFailed as failure:
                            cells[way].failures.append(str(failure))
                yield from cells.values()


def figures(cell: Cell | None) -> list[str]:
    """Goodput, seconds, retransmissions and what was spurious of them, as the table has them."""
    if cell is None:
        return ["", "", "", ""]
    if cell.failures:
        return ["FAILED", "", "", ""]
    mark = "*" if cell.disturbed else ""
    return [
        f"{cell.median('goodput'):.2f}{mark}",
        f"{cell.median('seconds'):.1f}",
        f"{cell.median('retransmitted'):.0f}",
        f"{cell.median('spurious'):.0f}",
    ]


def rows(cells: list[Cell]) -> Iterator[list[str]]:
    """Yields the rows of the table: link, algorithm, the figures of each way, our goodput by the kernel's."""
    found = {(cell.link, cell.algorithm, cell.way): cell for cell in cells}
    for link, algorithm in dict.fromkeys((cell.link, cell.algorithm) for cell in cells):
        three = [found.get((link, algorithm, way)) for way in WAYS]
        row = [link, algorithm, *(text for cell in three for text in figures(cell))]
        for cell in three[1:]:
            row.append(ratio_text(cell, three[0]))
        yield row


def ratio(cell: Cell | None, reference: Cell | None) -> float | None:
    """Goodput by goodput, None when one of them is missing."""
    if cell is None or reference is None or not cell.results or not reference.results:
        return None
    return cell.median("goodput") / reference.median("goodput")


def ratio_text(cell: Cell | None, reference: Cell | None) -> str:
    """The same for the table."""
    value = ratio(cell, reference)
    return "" if value is None else f"{value:.2f}"


FIGURES = ("Mbit/s", "s", "retr", "spur")
HEADINGS = [
    "link",
    "algorithm",
    *(f"{way} {name}" for way in WAYS for name in FIGURES),
    *(f"{way}/kk" for way in ("ku", "uk")),
]
LEGEND = (
    "kk: kernel to kernel; ku: kernel to us; uk: us to kernel, with our newreno for reno. Mbit/s: goodput; s: seconds"
    " to the end of the stream; retr: segments sent again; spur: of these, beyond what the link lost. ku/kk, uk/kk:"
    " goodput by the kernel's own. *: the machine was too busy to keep the link's times."
)


def go_first() -> None:
    """Puts us and all that we start before the machine's other programs, as far as we may.

    The kernel's TCP works in whatever context is at hand and is hardly held up by a busy machine; a program, as our
    stack is one, waits for its turn.
    """
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY - 1))


def show(cells: list[Cell], console: Console, markdown: bool) -> None:
    """Prints the table and what it means."""
    if markdown:
        console.print("| " + " | ".join(HEADINGS) + " |", soft_wrap=True)
        console.print("|" + "---|" * 2 + "---:|" * (len(HEADINGS) - 2), soft_wrap=True)
        for row in rows(cells):
            console.print("| " + " | ".join(row) + " |", soft_wrap=True)
    else:
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
        for heading in HEADINGS:
            side = "left" if heading in HEADINGS[:2] else "right"
            table.add_column(heading.replace(" ", "\n"), justify=side, no_wrap=True)  # type: ignore[arg-type]
        for row in rows(cells):
            table.add_row(*row)
        console.print(table)
    console.print()
    console.print(LEGEND, soft_wrap=True)


def verdicts(cells: list[Cell]) -> Iterator[tuple[str, bool]]:
    """Yields what REC-8 says of our senders, and whether it is so."""
    found = {(cell.link, cell.algorithm, cell.way): cell for cell in cells}
    for algorithm, ours in OUR_NAMES.items():
        value = ratio(found.get(("loss-1", algorithm, "uk")), found.get(("loss-1", algorithm, "kk")))
        if value is not None:
            text = f"{ours} at 1 % loss, 20 ms, 100 Mbit/s: {value:.2f} of the kernel's goodput, {GOODPUT_FLOOR} needed"
            yield text, value >= GOODPUT_FLOOR
    for algorithm, ours in OUR_NAMES.items():
        cell = found.get(("reorder", algorithm, "uk"))
        if cell is not None and cell.results:
            value = cell.median("spurious_share")
            said = f"{value:.2%} sent again for nothing, {SPURIOUS_CEILING:.0%} allowed"
            text = f"{ours} at 5 % reordering by up to 4: {said}"
            yield text, value < SPURIOUS_CEILING


EXAMPLES = (
    "\b\nExamples:\n  scripts/interop.py                                  all, in about ten minutes\n"
    "  scripts/interop.py --only loss-1 --only reorder --rounds 5     what REC-8 says, with medians\n"
    "  scripts/interop.py --only burst --way uk --algorithm cubic\n"
    "\n\b\nLinks:\n" + "\n".join(f"  {name:10} {link.meaning}" for name, link in LINKS.items())
)


@click.command(help=__doc__, epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--only", multiple=True, type=click.Choice(list(LINKS)), help="This link; may be repeated.")
@click.option(
    "--algorithm", multiple=True, type=click.Choice(list(OUR_NAMES)), help="This one (reno: our newreno too)."
)
@click.option("--way", multiple=True, type=click.Choice(list(WAYS)), help="This way: kk, ku or uk.")
@click.option("--rounds", type=click.IntRange(1, 100), default=1, show_default=True, help="Transfers of each cell.")
@click.option("--seconds", type=click.FloatRange(0.05, 600), help="That a sender sends; without it as the link has it.")
@click.option("--seed", type=click.IntRange(0, 2**32), default=1, show_default=True, help="Of the links' faults.")
@click.option("--mtu", type=click.IntRange(576, 9000), default=1500, show_default=True, help="Bytes a packet.")
@click.option("--markdown", is_flag=True, help="A table for a document.")
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write every figure to FILE.")
def main(
    only: tuple[str, ...],
    algorithm: tuple[str, ...],
    way: tuple[str, ...],
    markdown: bool,
    file: Path | None,
    **options: Any,
) -> None:
    """The command."""
    console, begun = Console(highlight=False), time.monotonic()
    console.width = max(console.width, WIDTH)
    cells: list[Cell] = []
    go_first()
    try:
        for cell in carry_all(
            list(dict.fromkeys(only or LINKS)),
            list(dict.fromkeys(algorithm or OUR_NAMES)),
            list(dict.fromkeys(way or WAYS)),
            options,
            console,
        ):
            cells.append(cell)
    except LabUnavailable as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        console.print("interrupted: what there is")
    show(cells, console, markdown)
    console.print()
    judged = list(verdicts(cells))
    for text, met in judged:
        console.print(f"REC-8 {'met' if met else 'MISSED'}: {text}", soft_wrap=True)
    failures = [(cell, failure) for cell in cells for failure in cell.failures]
    for cell, failure in failures:
        console.print(f"FAILED: {cell.link}, {cell.algorithm}, {WAYS[cell.way]}: {failure}", soft_wrap=True)
    carried = sum(len(cell.results) for cell in cells)
    octets = sum(result.bytes for cell in cells for result in cell.results)
    console.print(
        f"{carried} streams, {octets / 1e6:.0f} MB, all as they were sent; {time.monotonic() - begun:.0f} s"
        if not failures
        else f"{len(failures)} of {carried + len(failures)} streams FAILED",
    )
    if file is not None:
        machine = {"kernel": platform.release(), "processors": os.cpu_count(), "python": platform.python_version()}
        told = [asdict(cell) for cell in cells]
        verdict = [{"text": text, "met": met} for text, met in judged]
        file.write_text(json.dumps({"machine": machine, **options, "verdicts": verdict, "cells": told}, indent=1))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
