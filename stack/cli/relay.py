"""`wspstack relay`: two namespaces, or two devices, joined by a link as bad as one likes."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from stack.cli import logs
from stack.cli.ending import Ending
from stack.cli.failures import one_line_failures
from stack.cli.host import note
from stack.cli.impairments import LinkFaults, fault_options
from stack.cli.inside import own_failures, run_command
from stack.cli.options import MTU_LIMIT

if TYPE_CHECKING:
    from stack.relaying import End, RunningRelay
    from tapdev import Namespace, PathLab, Tap

EXAMPLES = """\b
Examples:
  wspstack relay --delay 10 --rate 100 --loss 1
      two namespaces 20 ms apart; the printed lines tell how to run a program in either; until Ctrl-C
  wspstack relay --rate 100/10 --queue 64 -- ping -c 3 10.77.0.2
      100 Mbit/s from left to right, 10 back; a command in the left namespace; its exit status is handed back
  wspstack relay --delay 20 --server 'iperf3 -s -1' -- sh -c 'iperf3 -c $WSPSTACK_RIGHT -C bbr'
      a server in the right namespace, and a client once it listens; both find the addresses in their environment
  wspstack relay --reorder 5 --reorder-by 0.5 --json counters.json
      what happened to the frames, for a program
  wspstack relay --left tap0 --right blue/tap1 --duplicate 1
      joins two TAP devices, of this namespace and of one called blue; made if missing, configured by you
"""

LISTENING = 10.0  # seconds a server has until it listens
PAUSE = 0.02  # seconds between two looks at it
GRACE = 2.0  # seconds a server has to end


def _place(text: str) -> tuple[str | None, str]:
    """Reads [NETNS/]TAP."""
    namespace, slash, name = text.rpartition("/")
    if not 0 < len(name.encode()) <= 15 or (slash and not namespace):
        raise click.BadParameter(f"{text!r}: a device name of 1 to 15 octets is needed, as tap0 or NETNS/tap0")
    return (namespace if slash else None), name


@click.command(epilog=EXAMPLES)
@click.option("--left", type=_place, metavar="[NETNS/]TAP", help="Join this device, not a namespace of the relay's.")
@click.option("--right", type=_place, metavar="[NETNS/]TAP", help="The other one.")
@click.option("--server", metavar="COMMAND", help="Run this in the right namespace, in a shell, until the relay ends.")
@click.option("--mtu", type=click.IntRange(576, MTU_LIMIT), default=1500, show_default=True, help="Bytes a packet.")
@click.option("--offloads/--no-offloads", default=True, help="Superframes from the kernel's TCP (default: on).")
@click.option(
    "--json", "file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write the counters there."
)
@click.option("--log", "levels", type=logs.chosen_levels, metavar="SUBSYSTEM=LEVEL", help="Messages to stderr.")
@fault_options
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def relay(
    left: tuple[str | None, str] | None,
    right: tuple[str | None, str] | None,
    server: str | None,
    mtu: int,
    offloads: bool,
    file: Path | None,
    levels: dict[str, int] | None,
    faults: LinkFaults,
    command: tuple[str, ...],
) -> int:
    """Join two namespaces by a link with faults, until Ctrl-C, or run COMMAND over it.

    Makes the namespaces left and right, each with a TAP device, and takes frames from each to the other with the loss,
    delay, rate and so on of the options: any programs in them meet over a link that the kernel's own tools need netem
    for. A/B gives a fault different values from left to right and from right to left. Superframes are cut to packets
    before anything happens to them. At the end it prints what happened to the frames.
    """
    logs.configure(levels)
    if (left is None) != (right is None):
        raise click.UsageError("--left and --right belong together: give both or neither")
    if left is not None and (command or server):
        raise click.UsageError("COMMAND and --server need the relay's own namespaces: leave out --left and --right")
    if file is not None and not file.absolute().parent.is_dir():
        raise click.BadParameter(f"{file}: there is no such folder", param_hint="'--json'")
    with Ending() as ending, own_failures(bool(command)), one_line_failures(), contextlib.ExitStack() as undo:
        if left is not None and right is not None:
            left_tap, right_tap = (
                undo.enter_context(_device(place, offloads, faults.any, undo)) for place in (left, right)
            )
            running = undo.enter_context(_running(left_tap, right_tap, faults, mtu, ending))
            click.echo(f"left     device {left_tap.name}")
            click.echo(f"right    device {right_tap.name}")
            return _stay(running, faults, file, ending)
        lab = undo.enter_context(_lab(mtu, offloads, faults.any))
        running = undo.enter_context(_running(lab.left_tap, lab.right_tap, faults, mtu, ending))
        return _in_lab(lab, running, server, command, faults, file, ending)


def _wanted(impaired: bool) -> Any:
    """What the kernel may leave undone: what an Impairment can do in its place, or everything when nobody must."""
    from tapdev import Offload

    return Offload.CSUM | Offload.TSO4 if impaired else Offload.ALL


def _lab(mtu: int, offloads: bool, impaired: bool) -> "PathLab":
    from tapdev import PathLab

    return PathLab(mtu=mtu, vnet=offloads, wanted=_wanted(impaired))


def _device(place: tuple[str | None, str], offloads: bool, impaired: bool, undo: contextlib.ExitStack) -> "Tap":
    from tapdev import Namespace, Tap

    namespace, name = place
    if namespace is None:
        return Tap.open(name, vnet=offloads, wanted=_wanted(impaired))
    inside = undo.enter_context(Namespace.join(namespace))
    return inside.open_tap(name, vnet=offloads, wanted=_wanted(impaired), existing=None)


def _running(left: "End", right: "End", faults: LinkFaults, mtu: int, ending: Ending) -> "RunningRelay":
    from stack.relaying import RunningRelay

    forward, backward = faults.impairments(mtu) or (None, None)

    def failed(error: OSError) -> None:
        ending.fail(click.ClickException(str(error)))

    return RunningRelay(left, right, forward=forward, backward=backward, on_failure=failed)


def _in_lab(
    lab: "PathLab",
    running: "RunningRelay",
    server: str | None,
    command: tuple[str, ...],
    faults: LinkFaults,
    file: Path | None,
    ending: Ending,
) -> int:
    addresses = {"WSPSTACK_LEFT": str(lab.left_address), "WSPSTACK_RIGHT": str(lab.right_address)}
    with contextlib.ExitStack() as undo:
        if server is not None:
            undo.enter_context(_server(lab.right, server, addresses, ending, own_output=not command))
        if command:
            if ending.wished:
                return 128 + signal.SIGTERM  # told to end before the command could be started
            status = run_command(lab.left, command, addresses)
            _tell(running, file)
            return status
        for word, namespace, address in (
            ("left", lab.left, lab.left_address),
            ("right", lab.right, lab.right_address),
        ):
            place = f"a user namespace (process {namespace.pid})" if lab.rootless else f"namespace {namespace.name}"
            click.echo(f"{word:8} {address}/{lab.prefix}, {place}")
        click.echo(f"try      {lab.left.enter_hint} ping {lab.right_address}")
        click.echo(f"         {lab.right.enter_hint} ping {lab.left_address}")
        return _stay(running, faults, file, ending)


def _stay(running: "RunningRelay", faults: LinkFaults, file: Path | None, ending: Ending) -> int:
    click.echo(f"link     {faults if faults.any else 'no faults'}")
    click.echo("stop     Ctrl-C")
    click.echo("ready")
    try:
        ending.wait()
    finally:
        _tell(running, file)
    return 0


@contextlib.contextmanager
def _server(
    place: "Namespace", command: str, variables: dict[str, str], ending: Ending, *, own_output: bool
) -> Iterator[None]:
    """Runs a server and returns when it listens; ends it with the block."""
    # What COMMAND writes to stdout is COMMAND's alone.
    output = None if own_output else subprocess.DEVNULL
    process = place.popen(
        ["sh", "-c", command], env={**os.environ, **variables}, stdin=subprocess.DEVNULL, stdout=output
    )
    with process:
        try:
            deadline = time.monotonic() + LISTENING
            while not _listens(place.pid) and not ending.wished:
                if process.poll() is not None:
                    raise click.ClickException(f"--server: {command!r} ended with status {process.returncode}")
                if time.monotonic() > deadline:
                    note(f"--server: {command!r} does not listen on any port after {LISTENING:g} s")
                    break
                time.sleep(PAUSE)
            yield
        finally:
            process.terminate()
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                process.kill()


def _listens(process: int) -> bool:
    """Whether any socket in the network namespace of `process` listens (TCP) or is bound (UDP)."""
    for table, state in (("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{process}/net/{table}").read_text().splitlines()[1:]:
                if line.split()[3] == state:
                    return True
    return False


MEANINGS = {
    "frames": "frames taken, superframes as one",
    "bytes": "bytes taken",
    "seen": "packets these were cut to",
    "passed": "packets put on the way",
    "delivered": "frames delivered",
    "delivered_bytes": "bytes delivered",
    "refused": "not taken by the receiving device",
    "overflowed": "dropped, the queue was full",
    "late": "delivered over 1 ms late, the machine was busy",
    "latest": "ns by which the latest was late",
}


def _tell(running: "RunningRelay", file: Path | None) -> None:
    running.stop()
    counters = running.counters()
    if file is not None:
        file.write_text(json.dumps(counters, indent=1) + "\n")
    table = Table(box=None, header_style="", pad_edge=False)
    for heading in ("", "left to right", "right to left"):
        table.add_column(heading, justify="right" if heading else "left")
    names = dict.fromkeys([*counters["forward"], *counters["backward"]])
    for name in sorted(names, key=lambda name: [*MEANINGS, name].index(name)):
        values = [counters[way].get(name, 0) for way in ("forward", "backward")]
        table.add_row(MEANINGS.get(name, name), *(f"{value:,}" for value in values))
    Console(stderr=True, soft_wrap=True, highlight=False).print(table)
