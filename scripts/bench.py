#!/usr/bin/env python3
"""Measures the stack over TAP beside the kernel over veth, in interleaved rounds, and prints medians and ratios.

The kernel's client is the same for both. Its peer is a kernel server in a second namespace, joined by a veth pair; or
`wspstack services`, a Python application on the stack. The kernel's sockets use cubic, which does not pace itself.
"""

import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv" / "bin" / "python"

try:
    import click
    from rich.console import Console
    from rich.table import Table

    from tapdev import LabUnavailable, Namespace, VethLab, clean, link
    from tapdev.claim import claim_and_make
except ModuleNotFoundError as missing:
    if ENVIRONMENT.exists() and Path(sys.prefix) != ENVIRONMENT.parents[1]:
        os.execv(ENVIRONMENT, [str(ENVIRONMENT), *sys.argv])
    sys.exit(f"bench: {missing}: make the environment with ./scripts/run --once, then try again")

KERNEL_ENDS = ROOT / "scripts" / "kernel_ends.py"
PATIENCE = 30.0  # seconds for a program to end
PREFERENCE = "-20"  # the strongest nice value
IDLE = 0.25  # processors that others may keep busy before a measurement is called disturbed


@dataclass(frozen=True)
class Measure:
    """One thing that is measured: the client's action, how many connections, and where the floor is.

    floor: the least ratio to the kernel's figure; None where less is better and no floor is set.
    """

    meaning: str
    action: str
    connections: int = 1
    unit: str = "Gbit/s"
    floor: float | None = 0.25


MEASURES = {
    "up": Measure("kernel client sends, one connection", "up"),
    "down": Measure("kernel client receives, one connection", "down"),
    "up8": Measure("kernel client sends, eight connections", "up", 8),
    "down8": Measure("kernel client receives, eight connections", "down", 8),
    "echo": Measure("one byte there and back, median", "echo", unit="µs", floor=None),
}
DEFAULT = ("up", "down", "echo")


@dataclass(frozen=True)
class End:
    """What is measured against: its name, where the client runs, the server's address, and its process."""

    name: str
    client: Namespace
    address: str
    server: "subprocess.Popen[str]"

    def measure(self, measure: Measure, seconds: float, warm_up: float, congestion: str) -> dict[str, Any]:
        """Runs the client once and returns what it tells. Raises click.ClickException when it fails."""
        command = [sys.executable, str(KERNEL_ENDS), measure.action, self.address, "--congestion", congestion]
        command += ["--connections", str(measure.connections), "--seconds", str(seconds), "--warm-up", str(warm_up)]
        with preferred(self.client, command, stderr=subprocess.PIPE) as client:
            output, errors = client.communicate(timeout=PATIENCE + seconds + warm_up)
        if self.server.poll() is not None:
            raise click.ClickException(f"the server of {self.name} ended with status {self.server.returncode}")
        if client.returncode:
            raise click.ClickException(f"{self.name}: {errors.strip()}")
        told: dict[str, Any] = json.loads(output)
        told["value"] = told["median"] if "median" in told else told["bytes"] * 8e-9 / told["seconds"]
        return told


@contextlib.contextmanager
def preferred(namespace: Namespace, command: list[str], **options: Any) -> Iterator["subprocess.Popen[str]"]:
    """Starts a program that the scheduler prefers to what else runs, as far as we may; ends it with the block."""
    # A session of its own is a group of its own for the scheduler (sched(7), autogroup), where nice values count.
    options = {"stdout": subprocess.PIPE, "text": True, "cwd": ROOT, "start_new_session": True, **options}
    with namespace.popen(command, **options) as process:
        try:
            with contextlib.suppress(OSError):
                Path(f"/proc/{process.pid}/autogroup").write_text(PREFERENCE)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()


@contextlib.contextmanager
def started(namespace: Namespace, command: list[str]) -> Iterator["subprocess.Popen[str]"]:
    """Starts a server and waits for its line `ready`."""
    with preferred(namespace, command) as process:
        assert process.stdout is not None
        if not any(line.strip() == "ready" for line in process.stdout):
            raise click.ClickException(f"{' '.join(command[1:])}: ended before it was ready")
        yield process


@contextlib.contextmanager
def kernel_end(mtu: int, congestion: str) -> Iterator[End]:
    """Gives the kernel's server behind a veth pair."""
    with VethLab(mtu=mtu) as lab:
        address = str(lab.server_address)
        command = [sys.executable, str(KERNEL_ENDS), "serve", address, "--congestion", congestion]
        with started(lab.server, command) as server:
            yield End("veth", lab.client, address, server)


@contextlib.contextmanager
def stack_end(mtu: int) -> Iterator[End]:
    """Gives `wspstack services` behind a TAP device."""
    clean()
    claim, namespace = claim_and_make(lambda claim: Namespace.create(claim.name))
    with contextlib.closing(claim), namespace:
        kernel, address = claim.network[1], claim.network[2]
        command = [sys.executable, "-m", "stack.cli", "services", "--tap", "tap0", "--address", f"{address}/24"]
        with started(namespace, [*command, "--mtu", str(mtu)]) as server:
            with namespace.routes() as route:
                link.set_mtu(route, "tap0", mtu)
                link.add_address(route, "tap0", IPv4Interface(f"{kernel}/24"))
                link.set_up(route, "tap0")
            yield End("wspstack", namespace, str(address), server)


def busy_processors(seconds: float) -> float:
    """Returns how many processors were busy during the next `seconds`."""

    def used() -> int:
        fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        return sum(fields) - fields[3] - fields[4]

    before = used()
    time.sleep(seconds)
    return (used() - before) / os.sysconf("SC_CLK_TCK") / seconds


def wait_for_idleness(seconds: float) -> float:
    """Waits until others leave the machine alone, or `seconds`; returns how many processors they still keep busy."""
    deadline = time.monotonic() + seconds
    while (busy := busy_processors(0.2)) > IDLE and time.monotonic() < deadline:
        pass
    return busy


def run_rounds(ends: list[End], names: list[str], options: dict[str, Any], console: Console) -> list[dict[str, Any]]:
    """Measures every end once a round, one after the other, so that what changes on the machine meets them alike."""
    rows: list[dict[str, Any]] = []
    with console.status("") as status:
        for number in range(options["rounds"]):
            for name in names:
                for end in ends if number % 2 == 0 else ends[::-1]:
                    status.update(f"round {number + 1} of {options['rounds']}: {name} over {end.name}")
                    busy = wait_for_idleness(options["idle_wait"])
                    told = end.measure(MEASURES[name], options["seconds"], options["warm_up"], options["congestion"])
                    rows.append({"round": number, "measure": name, "end": end.name, "busy_before": busy, **told})
    return rows


def spread(values: list[float]) -> dict[str, float]:
    """Returns median, least and most."""
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def summarize(rows: list[dict[str, Any]], names: list[str]) -> dict[str, Any]:
    """Returns for each measure the spread of both ends and of the ratios within a round."""
    summary: dict[str, Any] = {}
    for name in names:
        values = {
            end: {row["round"]: row["value"] for row in rows if (row["measure"], row["end"]) == (name, end)}
            for end in ("veth", "wspstack")
        }
        ratios = [values["wspstack"][number] / value for number, value in values["veth"].items()]
        summary[name] = {end: spread(list(values[end].values())) for end in values} | {"ratio": spread(ratios)}
    return summary


def show(summary: dict[str, Any], console: Console) -> None:
    """Prints the table."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("measure", "unit", "veth", "from–to", "wspstack", "from–to", "ratio", "from–to", "floor"):
        table.add_column(heading, justify="left" if heading in ("measure", "unit", "floor") else "right", no_wrap=True)
    for name, figures in summary.items():
        cells: list[str] = []
        for each, digits in (("veth", 1), ("wspstack", 1), ("ratio", 2)):
            values = figures[each]
            cells.append(f"{values['median']:.{digits}f}")
            cells.append(f"{values['least']:.{digits}f}–{values['most']:.{digits}f}")
        floor, verdict = MEASURES[name].floor, ""
        if floor is not None:
            verdict = f"{floor} {'met' if figures['ratio']['median'] >= floor else 'MISSED'}"
        table.add_row(name, MEASURES[name].unit, *cells, verdict)
    console.print(table)


EXAMPLES = "\b\nMeasures:\n" + "\n".join(f"  {name:6} {measure.meaning}" for name, measure in MEASURES.items())


@click.command(help=__doc__, epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", metavar="[NAME]...", nargs=-1, type=click.Choice(list(MEASURES)))
@click.option("--rounds", type=click.IntRange(1, 100), default=5, show_default=True)
@click.option("--seconds", type=click.FloatRange(0.1, 60), default=1.5, show_default=True, help="Of one measurement.")
@click.option(
    "--warm-up", type=click.FloatRange(0, 10), default=0.4, show_default=True, help="Seconds left out before."
)
@click.option(
    "--idle-wait", type=click.FloatRange(0, 60), default=2, show_default=True, help="Most seconds to wait for others."
)
@click.option("--mtu", type=click.IntRange(576, 65521), default=1500, show_default=True, help="Bytes a packet.")
@click.option("--congestion", default="cubic", show_default=True, help="Of the kernel's sockets.")
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write every figure to FILE.")
def main(names: tuple[str, ...], file: Path | None, **options: Any) -> None:
    """The command."""
    chosen = list(dict.fromkeys(names or DEFAULT))
    console = Console()
    try:
        with kernel_end(options["mtu"], options["congestion"]) as kernel, stack_end(options["mtu"]) as stack:
            rows = run_rounds([kernel, stack], chosen, options, console)
    except LabUnavailable as error:
        raise click.ClickException(str(error)) from None
    summary = summarize(rows, chosen)
    show(summary, console)
    disturbed = sum(row["busy_before"] > IDLE for row in rows)
    if disturbed:
        console.print(f"{disturbed} of {len(rows)} measurements were disturbed: other programs kept the machine busy")
    if file is not None:
        machine = {"kernel": platform.release(), "processors": os.cpu_count(), "python": platform.python_version()}
        file.write_text(json.dumps({"machine": machine, **options, "summary": summary, "measurements": rows}, indent=1))


if __name__ == "__main__":
    main()
