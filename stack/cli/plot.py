"""`wspstack plot`: pictures of TCP connections out of a capture."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from stack.plotting.connections import Connection
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
"""

FORMATS = ("png", "svg", "pdf")
DIRECTIONS = ("auto", "forward", "backward", "both")
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


def picture_file(text: str) -> Path:
    """Returns the path of a picture. Raises click.BadParameter."""
    path = Path(text)
    if path.suffix.removeprefix(".").lower() not in FORMATS:
        raise click.BadParameter(f"{text!r}: the name must end in one of: {', '.join('.' + name for name in FORMATS)}")
    if not path.absolute().parent.is_dir():
        raise click.BadParameter(f"{text!r}: there is no such folder")
    return path


@click.command(epilog=EXAMPLES)
@click.argument("capture", metavar="CAPTURE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
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
@click.option("--from", "begin", type=float, metavar="S", help="Seconds since the connection's first segment.")
@click.option("--to", "end", type=float, metavar="S", help="Seconds since the connection's first segment.")
@click.option("--size", type=picture_size, default="12x10", show_default=True, metavar="WxH", help="Inches.")
@click.option("--dpi", type=click.IntRange(20, 1200), default=110, show_default=True, help="Dots an inch (png).")
@click.option("--title", help="Instead of the ends of the connection.")
@click.option("--absolute/--relative", help="Sequence numbers as in the headers, or from 0 (default).")
@click.option(
    "--window", type=click.FloatRange(min=0, min_open=True), metavar="S", help="Seconds over which rates are taken."
)
def plot(capture: Path, output: Path | None, listing: bool, every: bool, direction: str, **rest: Any) -> None:
    """Draw a connection out of CAPTURE (pcap or pcapng, of any tool) as a time-sequence graph.

    Segments, ACKs, SACK blocks, the window's edge and what was sent again, above bytes in flight, round trips and rates
    on the same time axis. All is as seen where the capture was made: at the sender, flight and round trips are its own.
    """
    with plotting_failures():
        chosen = _choose(capture, rest["numbers"], rest["ends"], every or listing)
        if listing:
            _print_list(chosen, every)
            return
        output = output or Path(f"{capture.name.removesuffix('.gz').rpartition('.')[0] or capture.name}.png")
        _draw_all(chosen, output, direction, _look(**rest))


@contextlib.contextmanager
def plotting_failures() -> Iterator[None]:
    """Raises click.ClickException in place of what is missing on the machine or wrong with the input."""
    try:
        import matplotlib  # noqa: F401
        import numpy  # noqa: F401
    except ImportError as error:
        raise click.ClickException(INSTALL) from error
    from stack.plotting.links import LinkUnknown
    from stack.plotting.records import CaptureUnreadable
    from stack.plotting.view import NothingToShow

    try:
        yield
    except (LinkUnknown, CaptureUnreadable, NothingToShow) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{error.filename or 'the picture'}: {error.strerror or error}") from error


def _look(begin: float | None, end: float | None, size: tuple[float, float], dpi: int, **rest: Any) -> "Look":
    from stack.plotting.figure import Look

    return Look(begin, end, size, dpi, rest["title"], rest["absolute"], rest["window"])


def _choose(capture: Path, numbers: tuple[int, ...], ends: tuple[str, ...], every: bool) -> "list[Connection]":
    from stack.plotting.connections import EndFilter, NoSuchEnd, find_connections
    from stack.plotting.decoding import decode
    from stack.plotting.records import read_records

    try:
        filters = [EndFilter(text) for text in ends]
    except NoSuchEnd as error:
        raise click.BadParameter(str(error), param_hint="'--end'") from error
    records = read_records(capture)
    for note in records.notes:
        click.echo(f"wspstack: {capture}: {note}", err=True)
    connections = find_connections(decode(records))
    if not connections:
        raise click.ClickException(f"{capture}: no TCP segments among its {len(records)} frames")
    missing = [number for number in numbers if not 1 <= number <= len(connections)]
    if missing:
        raise click.ClickException(f"{capture}: no connection {missing[0]}: it has {len(connections)} (--list)")
    fitting = [one for one in connections if all(each.matches(one) for each in filters)]
    if numbers:
        return [one for one in fitting if one.number in numbers] or _none(capture, ends)
    if not fitting:
        _none(capture, ends)
    if every or len(fitting) == 1:
        return fitting
    largest = max(fitting, key=lambda one: one.bytes)
    click.echo(f"the largest of {len(fitting)} connections, number {largest.number}; for others: --list, --all")
    return [largest]


def _none(capture: Path, ends: tuple[str, ...]) -> "list[Connection]":
    raise click.ClickException(f"{capture}: no connection has {' and '.join(ends)} (--list)")


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


def _draw_all(connections: "list[Connection]", output: Path, direction: str, look: "Look") -> None:
    from stack.plotting.analysis import analyse

    flows: list[tuple[str, Flow]] = []
    for one in connections:
        number = f"-{one.number}" if len(connections) > 1 else ""
        forward = one.forward_bytes >= one.backward_bytes if direction == "auto" else direction != "backward"
        flows.append((number, analyse(one, forward=forward)))
        if direction == "both":
            flows.append((f"{number}-backward", analyse(one, forward=False)))
    for suffix, flow in flows:
        draw_picture(flow, output.with_name(f"{output.stem}{suffix}{output.suffix}"), look)


def draw_picture(flow: "Flow", path: Path, look: "Look") -> None:
    """Draws one picture and says what is in it."""
    from stack.plotting.figure import draw
    from stack.plotting.summary import summary

    draw(flow, path, look)
    click.echo(f"{path}: {flow}: {summary(flow)}")
    for note in flow.notes:
        click.echo(f"{path}: note: {note}")
