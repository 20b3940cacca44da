"""`wspstack plot`: pictures of TCP connections, out of a capture or of a run that is simulated for it."""

import contextlib
import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stack.cli.failures import one_line_failures

if TYPE_CHECKING:
    from stack.plotting.connections import Connection, EndFilter
    from stack.plotting.figure import Look
    from stack.plotting.flow import Flow

EXAMPLES = """\b
Examples:
  wspstack plot out.pcapng
      its largest connection, in the direction that has more bytes, as out.png
  wspstack plot out.pcapng --list
  wspstack plot out.pcapng --connection 3 --direction both --output three.svg
  wspstack plot out.pcapng --end 10.0.0.7 --end :443 --all
      a picture each for the connections that have such ends
  wspstack plot out.pcapng --from 1.2 --to 1.5 --size 16x9 --title "A lost segment"
  wspstack plot --simulate "rate=10M delay=20ms loss=1% queue=60k algorithm=cubic bytes=2M seed=7"
      with cwnd, ssthresh and what was lost on the way, which no capture shows
  wspstack simulate draw 7 > seven.json && wspstack plot --scenario seven.json
  wspstack plot --simulate "rate=20M delay=10ms queue=50k flows=2 every=1s bytes=5M" --output two.svg
"""

SIMULATE = """A line of NAME=VALUE: rate, delay, loss, queue and the other faults of a link (A/B: there and back);
bytes, reply, flows, every (time between their starts), algorithm, seed; habits of the server, as stall_after=50k
stall=2s; and tunables of the hosts, as sack=0 or receive_buffer=32k."""

FORMATS = ("png", "svg", "pdf")
DIRECTIONS = ("auto", "forward", "backward", "both")
EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)
LONGEST = 1e9  # seconds: no connection lasts as long
LISTED = 100  # connections that --list prints without --all
INSTALL = "pictures need matplotlib: pip install 'wspstack[plot]', or in a checkout .venv/bin/pip install -e '.[plot]'"


def picture_size(text: str) -> tuple[float, float]:
    """Returns width and height in inches. Raises click.BadParameter."""
    width, _, height = text.partition("x")
    try:
        size = float(width), float(height)
    except ValueError:
        size = 0.0, 0.0
    if not all(4 <= side <= 60 for side in size):
        raise click.BadParameter(f"{text!r}: width and height in inches are needed, 4 to 60 each, as 12x10")
    return size


def seconds(text: str) -> float:
    """Returns a number of seconds. Raises click.BadParameter."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not abs(number) <= LONGEST:
        raise click.BadParameter(f"{text!r}: seconds are needed, as 1.25")
    return number


def time_span(text: str) -> float:
    """Returns a number of seconds above 0. Raises click.BadParameter."""
    number = seconds(text)
    if number <= 0:
        raise click.BadParameter(f"{text!r}: more than 0 seconds are needed, as 0.1")
    return number


def picture_file(text: str) -> Path:
    """Returns the path of a picture. Raises click.BadParameter."""
    path = Path(text)
    if path.suffix.removeprefix(".").lower() not in FORMATS:
        raise click.BadParameter(f"{text!r}: the name must end in one of: {', '.join('.' + name for name in FORMATS)}")
    if not path.absolute().parent.is_dir():
        raise click.BadParameter(f"{text!r}: there is no such folder")
    return path


@click.command(epilog=EXAMPLES)
@click.argument("capture", metavar="[CAPTURE]", required=False, type=EXISTING)
@click.option("--simulate", "recipe", metavar="LINE", help=SIMULATE)
@click.option(
    "--scenario",
    type=EXISTING,
    metavar="FILE",
    help="A scenario, or a capture of `wspstack simulate`, to be run again.",
)
@click.option("-o", "--output", type=picture_file, metavar="FILE", help="A .png, .svg or .pdf (CAPTURE's name .png).")
@click.option("--list", "listing", is_flag=True, help="List the connections and draw nothing.")
@click.option("-n", "--connection", "numbers", type=int, multiple=True, metavar="N", help="By its number in the list.")
@click.option(
    "--end", "ends", multiple=True, metavar="END", help="With this end: ADDRESS, :PORT or ADDRESS:PORT; all must fit."
)
@click.option("--all", "every", is_flag=True, help="All that fit, a picture each; otherwise the largest.")
@click.option(
    "--direction",
    type=click.Choice(DIRECTIONS),
    default="auto",
    show_default=True,
    help="Forward is client to server; auto: the one with more bytes.",
)
@click.option("--from", "begin", type=seconds, metavar="S", help="Seconds since the connection's first segment.")
@click.option("--to", "end", type=seconds, metavar="S", help="Seconds since the connection's first segment.")
@click.option("--size", type=picture_size, default="12x10", show_default=True, metavar="WxH", help="Inches.")
@click.option("--dpi", type=click.IntRange(20, 1200), default=110, show_default=True, help="Dots an inch (png).")
@click.option("--title", help="Instead of the ends of the connection.")
@click.option("--absolute/--relative", help="Sequence numbers as in the headers, or from 0 (default).")
@click.option("--window", type=time_span, metavar="S", help="Seconds over which rates are taken.")
def plot(
    capture: Path | None,
    recipe: str | None,
    scenario: Path | None,
    output: Path | None,
    listing: bool,
    every: bool,
    direction: str,
    **rest: Any,
) -> None:
    """Draw a connection as a time-sequence graph: out of CAPTURE (pcap or pcapng, of any tool), or simulated for it.

    Segments, ACKs, SACK blocks, the window's edge and what was sent again, above bytes in flight, round trips and rates
    on the same time axis. All is as seen where the capture was made: at the sender, flight and round trips are its own.
    """
    if sum(source is not None for source in (capture, recipe, scenario)) != 1:
        raise click.UsageError("one of CAPTURE, --simulate LINE and --scenario FILE is needed")
    with plotting_failures():
        filters = _filters(rest.pop("ends"))
        found = _of_capture(capture) if capture is not None else _of_run(recipe, scenario)
        chosen = _choose(found, rest.pop("numbers"), filters, every or listing or recipe is not None)
        if listing:
            _print_list([one.connection for one in chosen], every)
        else:
            _draw_all(chosen, output or _default_name(capture or scenario), direction, _look(**rest))


@dataclass(frozen=True)
class Drawable:
    """A connection, and what gives a direction of it: forward or not."""

    connection: "Connection"
    flow: "Callable[[bool], Flow]"


@contextlib.contextmanager
def plotting_failures() -> Iterator[None]:
    """Raises click.ClickException in place of what is missing on the machine or wrong with the input."""
    try:
        import matplotlib  # noqa: F401
        import numpy  # noqa: F401
    except ImportError as error:
        raise click.ClickException(INSTALL) from error
    from stack.plotting.links import LinkUnknown
    from stack.plotting.recipe import RecipeError
    from stack.plotting.records import CaptureUnreadable
    from stack.plotting.view import NothingToShow

    try:
        yield
    except RecipeError as error:
        raise click.BadParameter(str(error), param_hint="'--simulate'") from error
    except (LinkUnknown, CaptureUnreadable, NothingToShow) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{error.filename or 'the picture'}: {error.strerror or error}") from error


def _look(begin: float | None, end: float | None, size: tuple[float, float], dpi: int, **rest: Any) -> "Look":
    from stack.plotting.figure import Look

    return Look(begin, end, size, dpi, rest["title"], rest["absolute"], rest["window"])


def _default_name(source: Path | None) -> Path:
    if source is None:
        return Path("simulated.png")
    return Path(f"{source.name.removesuffix('.gz').rpartition('.')[0] or source.name}.png")


def _filters(ends: tuple[str, ...]) -> "list[EndFilter]":
    from stack.plotting.connections import EndFilter, NoSuchEnd

    try:
        return [EndFilter(text) for text in ends]
    except NoSuchEnd as error:
        raise click.BadParameter(str(error), param_hint="'--end'") from error


def _of_capture(capture: Path) -> list[Drawable]:
    from stack.plotting.connections import find_connections
    from stack.plotting.decoding import decode
    from stack.plotting.records import read_records

    records = read_records(capture)
    for note in records.notes:
        click.echo(f"wspstack: {capture}: {note}", err=True)
    connections = find_connections(decode(records))
    if not connections:
        raise click.ClickException(f"{capture}: no TCP segments among its {len(records)} frames")
    return [Drawable(one, functools.partial(_analysed, one)) for one in connections]


def _analysed(connection: "Connection", forward: bool) -> "Flow":
    from stack.plotting.analysis import analyse

    return analyse(connection, forward=forward)


def _of_run(line: str | None, scenario: Path | None) -> list[Drawable]:
    with one_line_failures():
        from stack.plotting.recipe import read_recipe
        from stack.plotting.simulated import run, run_scenario
        from stack.simulation.scenario import ScenarioError

        try:
            observed = run(read_recipe(line or "")) if scenario is None else run_scenario(scenario)
        except ScenarioError as error:
            raise click.ClickException(str(error)) from error
    return [Drawable(replace(one.at_client, number=number), one.flow) for number, one in enumerate(observed, 1)]


def _choose(found: list[Drawable], numbers: tuple[int, ...], filters: "list[EndFilter]", every: bool) -> list[Drawable]:
    missing = [number for number in numbers if not 1 <= number <= len(found)]
    if missing:
        raise click.ClickException(f"there is no connection {missing[0]}, but 1 to {len(found)} (--list)")
    fitting = [one for one in found if all(each.matches(one.connection) for each in filters)]
    if numbers:
        fitting = [one for one in fitting if one.connection.number in numbers]
    if not fitting:
        wanted = " and ".join(str(each) for each in filters)
        raise click.ClickException(f"no connection{' of these numbers' if numbers else ''} has {wanted} (--list)")
    if every or numbers or len(fitting) == 1:
        return fitting
    largest = max(fitting, key=lambda one: one.connection.bytes)
    number = largest.connection.number
    click.echo(f"the largest of {len(fitting)} connections, number {number}; for others: --list, --all")
    return [largest]


def _print_list(connections: "list[Connection]", every: bool) -> None:
    from stack.plotting.flow import SECOND
    from stack.plotting.summary import quantity

    first = min(one.start for one in connections)
    shown = connections if every else connections[:LISTED]
    width = max(len(str(one)) for one in shown)
    click.echo(f"{'n':>4}  {'client → server':{width}}  {'begins':>9}  {'lasts':>9}  {'forward':>8}  {'backward':>8}")
    for one in shown:
        begins, lasts = (one.start - first) / SECOND, (one.end - one.start) / SECOND
        forward, backward = (f"{quantity(count)}B" for count in (one.forward_bytes, one.backward_bytes))
        click.echo(f"{one.number:>4}  {one!s:{width}}  {begins:>7.3f} s  {lasts:>7.3f} s  {forward:>8}  {backward:>8}")
    if len(shown) < len(connections):
        click.echo(f"and {len(connections) - len(shown)} more: --list --all")


def _draw_all(chosen: list[Drawable], output: Path, direction: str, look: "Look") -> None:
    for one in chosen:
        number = f"-{one.connection.number}" if len(chosen) > 1 else ""
        larger = one.connection.forward_bytes >= one.connection.backward_bytes
        forward = larger if direction == "auto" else direction != "backward"
        _draw(one.flow(forward), output.with_stem(f"{output.stem}{number}"), look)
        if direction == "both":
            _draw(one.flow(False), output.with_stem(f"{output.stem}{number}-backward"), look)


def _draw(flow: "Flow", path: Path, look: "Look") -> None:
    from stack.plotting.figure import draw
    from stack.plotting.summary import summary

    draw(flow, path, look)
    click.echo(f"{path}: {flow}: {summary(flow)}")
    for note in flow.notes:
        click.echo(f"{path}: note: {note}")
