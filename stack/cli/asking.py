"""What `ss` and `stat` share: which running stack is meant, and how what it says is laid out."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import click
from rich.console import Console
from rich.table import Table

_PIPE_WIDTH = 1000  # columns: what is read by a program is never cut

stack_option: Callable[[Any], Any] = click.option(
    "--stack",
    "wanted",
    metavar="STACK",
    help="Which one, where several run: its address, its process, or the path of its socket.",
)
json_option: Callable[[Any], Any] = click.option("--json", "as_json", is_flag=True, help="Write JSON.")


@contextlib.contextmanager
def control_failures() -> Iterator[None]:
    """Raises click.ClickException in place of what a control socket may refuse."""
    from stack.observation.places import ControlError

    try:
        yield
    except ControlError as error:
        raise click.ClickException(str(error)) from error


def table_of(*columns: tuple[str, bool]) -> Table:
    """Returns an empty table without lines; columns: heading, and whether it holds numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading, numeric in columns:
        table.add_column(heading, justify="right" if numeric else "left", no_wrap=True)
    return table


def lines_of(table: Table) -> list[str]:
    """Returns the heading and a line for each row, coloured where stdout is a terminal."""
    console = Console(highlight=False)
    console = Console(highlight=False, width=max(console.width, _PIPE_WIDTH))
    with console.capture() as captured:
        console.print(table)
    return [line.rstrip() for line in captured.get().splitlines()]
