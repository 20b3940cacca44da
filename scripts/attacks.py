#!/usr/bin/env python3
"""Attacks a stack over a TAP device beside live streams of the kernel, and tells what it cost.

Two streams run all the while between the kernel and the stack, one each way. After each tenth of an attack both must
have moved on, and at its end every byte of both must have arrived as it was sent. The exit status is 0 when that is so
and memory, holes and challenge ACKs kept to their bounds. docs/attacks.md says what each attack is.
"""

import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tapdev import LabUnavailable
from tests.attacks.campaign import ATTACKS, FIGURES, exceeded, run
from tests.attacks.ground import Outcome

WIDTH = 130  # columns that the table needs
EXAMPLES = (
    "\b\nExamples:\n  scripts/attacks.py                                   all, 20,000 frames each, in a minute\n"
    '  scripts/attacks.py --frames 1000000 --only "blind RST"\n'
    "\n\b\nAttacks:\n" + "\n".join(f"  {name}" for name in ATTACKS)
)
LEGEND = (
    "µs a frame: processor time of the stack's loop beyond what the streams need alone. account: the most bytes that"
    " the stack held, those of the streams included (LIM-2). grown: the process at its largest, the attacker's own"
    " memory and the program's threads included. streams: what they carried meanwhile."
)


def show(outcomes: dict[str, Outcome], console: Console, markdown: bool) -> None:
    """Prints the table and what it means."""
    headings = ["attack", *(title for title, _ in FIGURES)]
    rows = [[name, *(figure(outcome) for _, figure in FIGURES)] for name, outcome in outcomes.items()]
    if markdown:
        for row in (headings, ["---", *["---:"] * len(FIGURES)], *rows):
            console.print("| " + " | ".join(row) + " |", soft_wrap=True)
    else:
        table = Table(box=None, pad_edge=False)
        for heading in headings:
            table.add_column(
                heading,
                justify="left" if heading == "attack" else "right",
                no_wrap=heading == "attack",
                overflow="fold",
            )
        for row in rows:
            table.add_row(*row)
        console.print(table)
    console.print()
    console.print(LEGEND, soft_wrap=True)


@click.command(help=__doc__, epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--frames", type=click.IntRange(1000, 10**8), default=20_000, show_default=True, help="Of each attack.")
@click.option("--only", multiple=True, type=click.Choice(ATTACKS), help="This attack; may be repeated.")
@click.option("--seed", type=click.IntRange(0, 2**32), default=1, show_default=True, help="Of what is drawn at random.")
@click.option("--timestamps", is_flag=True, help="The live connections have them: forged segments have more to guess.")
@click.option("--markdown", is_flag=True, help="A table for a document.")
def main(frames: int, only: tuple[str, ...], seed: int, timestamps: bool, markdown: bool) -> None:
    """The command."""
    console = Console(highlight=False)
    console.width = max(console.width, WIDTH)
    outcomes: dict[str, Outcome] = {}
    failures: list[str] = []
    try:
        with console.status("") as status:
            for name in dict.fromkeys(only or ATTACKS):
                status.update(name)
                try:
                    outcomes[name] = run(name, frames, seed, timestamps=timestamps)
                except AssertionError as error:
                    failures.append(f"{name}: {error}")
                    continue
                failures += [f"{name}: {what}" for what in exceeded(name, outcomes[name])]
    except LabUnavailable as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        console.print("interrupted: what there is")
    show(outcomes, console, markdown)
    for name, outcome in outcomes.items():
        for what, count in outcome.told.items():
            console.print(f"{name}: {count:,} {what}")
    for failure in failures:
        console.print(f"FAILED: {failure}", soft_wrap=True)
    if not failures:
        moved = sum(sum(outcome.moved.values()) for outcome in outcomes.values())
        console.print(f"\n{len(outcomes)} attacks, {moved / 1e6:.0f} MB of streams as they were sent, bounds kept")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
