"""`wspstack simulate`: scenarios of hosts and links in the simulator, their captures, and runs that repeat them."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stack.cli.failures import one_line_failures

if TYPE_CHECKING:
    from stack.simulation.scenario import Scenario

EXAMPLES = """\b
Examples:
  wspstack simulate draw 12345 > scenario.json
      the random scenario of a seed, to be read and edited
  wspstack simulate run scenario.json --pcap out.pcapng
      runs it, checks every invariant, and writes what arrived at the end of each link
  wspstack simulate replay out.pcapng
      runs what is in a capture again: every frame must come again, at its time
  wspstack plot out.pcapng
      draws it
"""

RUN_EXAMPLES = """\b
Examples:
  wspstack simulate run scenario.json
  wspstack simulate run scenario.json --pcap out.pcapng --link 0 --link 2
  wspstack simulate draw 7 | wspstack simulate run -
"""

REPLAY_EXAMPLES = """\b
Examples:
  wspstack simulate replay out.pcapng
  wspstack simulate replay out.pcapng --json scenario.json
      and the scenario goes into a file
"""

DRAW_EXAMPLES = """\b
Examples:
  wspstack simulate draw 12345
"""

VIOLATED = 1  # exit status

FILE = click.Path(dir_okay=False, path_type=Path)
EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path, allow_dash=True)


@click.group(epilog=EXAMPLES)
def simulate() -> None:
    """Run hosts and links under a virtual clock, without a device and without root.

    A scenario is a JSON file: hosts, switches, links with faults, and connections. Every run of it gives the same
    frames at the same times. The exit status is 1 when an invariant was violated.
    """


@contextlib.contextmanager
def _scenario_failures() -> Iterator[None]:
    """Raises click.ClickException for scenarios and files that are wrong."""
    with one_line_failures():
        from stack.simulation.scenario import ScenarioError

        try:
            yield
        except ScenarioError as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            raise click.ClickException(f"{error.filename}: {error.strerror}") from error


@simulate.command(epilog=RUN_EXAMPLES)
@click.argument("file", metavar="SCENARIO", type=EXISTING)
@click.option("--pcap", type=FILE, metavar="FILE", help="Write the frames there; the file can be replayed.")
@click.option("--link", "links", type=click.IntRange(0), multiple=True, help="Only those of this link; repeatable.")
@click.option("--check/--no-check", default=True, help="Try the invariants after each event (default: on).")
def run(file: Path, pcap: Path | None, links: tuple[int, ...], check: bool) -> int:
    """Run the scenario of a JSON file ('-': standard input)."""
    if links and pcap is None:
        raise click.UsageError("--link chooses what --pcap writes: give both")
    with _scenario_failures():
        from stack.simulation.recording import record
        from stack.simulation.running import run as run_scenario
        from stack.simulation.scenario import load_scenario, read_scenario

        scenario = read_scenario(sys.stdin.read(), "stdin") if str(file) == "-" else load_scenario(file)
        if pcap is None:
            outcome = run_scenario(scenario, check=check)
        else:
            outcome = record(scenario, pcap, links=list(links) or None, check=check)
    click.echo(str(outcome))
    return VIOLATED if outcome.violation else 0


@simulate.command(epilog=REPLAY_EXAMPLES)
@click.argument("capture", metavar="CAPTURE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "file", type=FILE, metavar="FILE", help="Write its scenario there.")
def replay(capture: Path, file: Path | None) -> int:
    """Run the scenario of a capture again and compare every frame.

    The exit status is 1 when a frame differs, as it does when another version of the core made the capture, or when an
    invariant is violated.
    """
    with _scenario_failures():
        from stack.simulation.recording import difference, read_recording, run_recorded

        recording = read_recording(capture)
        if file is not None:
            _write(recording.scenario, file)
        outcome, frames = run_recorded(recording.scenario, links=recording.links)
    click.echo(str(outcome))
    different = difference(recording, outcome, frames)
    click.echo(f"not the same run: {different}" if different else f"the same {len(frames)} frames at the same times")
    return VIOLATED if outcome.violation or different else 0


@simulate.command(epilog=DRAW_EXAMPLES)
@click.argument("seed", type=click.IntRange(0))
def draw(seed: int) -> None:
    """Print the random scenario of SEED, as the campaign runs it."""
    with one_line_failures():
        from stack.simulation.random_scenario import random_scenario

        click.echo(random_scenario(seed).to_json())


def _write(scenario: "Scenario", file: Path) -> None:
    file.write_text(scenario.to_json() + "\n")
