"""`wspstack stat`: the counters of a running stack, as nstat(8) shows the kernel's."""

import fnmatch
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from stack.cli.asking import control_failures, json_option, lines_of, stack_option, table_of
from stack.cli.ending import Ending
from stack.cli.failures import one_line_failures

EXAMPLES = """\b
Examples:
  wspstack stat                            what is not zero
  wspstack stat 'TcpExt*' --all            a table of the kernel's, zeros too
  wspstack stat TcpInSegs TcpRetransSegs --interval 1
      what they grew by in each second, until Ctrl-C
  wspstack stat --interval 5 --count 3 --json
      three JSON documents, one a line
"""

_Tables = Mapping[str, Mapping[str, int]]


@click.command(epilog=EXAMPLES)
@click.argument("patterns", metavar="[NAME]...", nargs=-1)
@click.option("-a", "--all", "zeros", is_flag=True, help="Those that are zero too.")
@click.option(
    "--interval", type=click.FloatRange(0.01, 86400), metavar="SECONDS", help="Show what they grew by, again and again."
)
@click.option("--count", type=click.IntRange(1), metavar="N", help="So many intervals; until Ctrl-C unless given.")
@json_option
@stack_option
def stat(
    patterns: tuple[str, ...],
    zeros: bool,
    interval: float | None,
    count: int | None,
    as_json: bool,
    wanted: str | None,
) -> None:
    """Show the counters of a running stack under the names of the kernel's snmp and netstat tables.

    NAME is a table and a counter as nstat has them (TcpRetransSegs), or a pattern (TcpExt*). Counters that the kernel
    has not are in the table Wspstack.
    """
    if count is not None and interval is None:
        raise click.UsageError("--count goes with --interval")
    with one_line_failures(), control_failures():
        from stack.observation.asking import ask, find_stack

        path = find_stack(wanted)

        def read() -> tuple[dict[str, Any], _Tables]:
            document = ask(path, get="counters")
            return document, _chosen(document["counters"], patterns)

        document, tables = read()
        if interval is None:
            _show(document, tables, zeros, as_json, None)
            return

        def show(document: Mapping[str, Any], tables: _Tables, seconds: float) -> None:
            _show(document, tables, zeros, as_json, seconds)

        with Ending() as ending:
            _watch(read, tables, interval, count, ending, show)


def _watch(
    read: Callable[[], tuple[dict[str, Any], _Tables]],
    before: _Tables,
    interval: float,
    count: int | None,
    ending: Ending,
    show: Callable[[Mapping[str, Any], _Tables, float], None],
) -> None:
    shown = 0
    begun = time.monotonic()
    while not ending.wished and (count is None or shown < count):
        if ending.wait_for(interval):
            return
        document, now = read()
        instant = time.monotonic()
        show(document, _grown(before, now), instant - begun)
        before, begun, shown = now, instant, shown + 1


def _chosen(tables: _Tables, patterns: Sequence[str]) -> _Tables:
    """Raises click.BadParameter for a pattern that means nothing."""
    names = [f"{table}{name}" for table, counters in tables.items() for name in counters]
    for pattern in patterns:
        if not fnmatch.filter(names, pattern):
            raise click.BadParameter(f"no counter {pattern!r}: `wspstack stat --all` has them", param_hint="NAME")
    return {
        table: {
            name: value
            for name, value in counters.items()
            if not patterns or any(fnmatch.fnmatchcase(f"{table}{name}", pattern) for pattern in patterns)
        }
        for table, counters in tables.items()
    }


def _grown(before: _Tables, now: _Tables) -> _Tables:
    return {
        table: {name: value - before.get(table, {}).get(name, 0) for name, value in counters.items()}
        for table, counters in now.items()
    }


def _show(document: Mapping[str, Any], tables: _Tables, zeros: bool, as_json: bool, seconds: float | None) -> None:
    shown = {
        table: {name: value for name, value in counters.items() if value or zeros} for table, counters in tables.items()
    }
    if as_json:
        head: dict[str, Any] = {"stack": document["stack"]}
        if seconds is not None:
            head["seconds"] = round(seconds, 6)
        whole = {**head, "counters": {table: counters for table, counters in shown.items() if counters}}
        click.echo(json.dumps(whole, indent=None if seconds is not None else 2))
        return
    rates = [("per second", True)] if seconds is not None else []
    layout = table_of(("Counter", False), ("Grown by" if rates else "Value", True), *rates)
    for table, counters in shown.items():
        for name, value in counters.items():
            rate = [f"{value / seconds:.1f}"] if seconds else []
            layout.add_row(f"{table}{name}", str(value), *rate)
    for line in lines_of(layout):
        click.echo(line)
