#!/usr/bin/env python3
"""Measures the stack beside the kernel and beside what the machine can do, in interleaved rounds, and judges targets.

The client is a C program on kernel sockets, the same for all ends: `veth`, a C server on the kernel's TCP in another
namespace; `ceiling`, a C program that answers on a TAP device without a stack; `wspstack`, our services in Python;
slirp4netns and pasta where they are installed. Each round starts every end anew, and its turn comes in alternating
order. A target is judged by the median over the rounds of the ratio within a round. Without root or a TAP device what
needs none is measured.
"""

import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv" / "bin" / "python"
sys.path.insert(0, str(ROOT))

try:
    import click
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from scripts.benchmark.ends import Site
    from scripts.benchmark.measures import DEFAULT, MEASURES, Measure
    from scripts.benchmark.preference import preferred
    from scripts.benchmark.programs import CannotCompile, compile_programs
    from scripts.benchmark.recipes import RECIPES
    from scripts.benchmark.running import IDLE, Pace, Rounds, Run
    from scripts.benchmark.summary import Verdict, judge, summarize
    from scripts.benchmark.table import figure_table, markdown, verdict_table
    from tapdev import Lab, LabUnavailable
except ModuleNotFoundError as missing:
    if PYTHON.exists() and Path(sys.prefix) != PYTHON.parents[1]:
        os.execv(PYTHON, [str(PYTHON), *sys.argv])
    sys.exit(f"bench: {missing}: make the environment with ./scripts/run --once, then try again")

FORMATS = (".png", ".svg", ".pdf")
WIDTH = 120  # columns that the tables need
EXAMPLES = "\b\nMeasures:\n" + "\n".join(
    f"  {name:18}{measure.meaning}{' (only when named)' if measure.asked else ''}" for name, measure in MEASURES.items()
)


def reason_for_no_lab() -> str | None:
    """Returns why there can be no namespace with a TAP device, None if there can."""
    try:
        with Lab():
            return None
    except LabUnavailable as error:
        return str(error)


def measure_all(measures: Mapping[str, Measure], site: Site | None, pace: Pace, console: Console) -> Run:
    """Runs the rounds with a bar that tells how far they are."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    total = sum(len(measure.ends) * (1 if measure.asked else pace.rounds) for measure in measures.values())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=total)
        begun = 0

        def step(words: str) -> None:
            nonlocal begun
            progress.update(task, description=words, completed=begun)
            begun += 1

        return Rounds(site, pace, step).run(measures)


def document(run: Run, measures: Mapping[str, Measure], verdicts: list[Verdict], options: dict[str, Any]) -> str:
    """Returns everything as JSON."""
    targets = [{**asdict(verdict), "words": verdict.target.words, "verdict": verdict.word} for verdict in verdicts]
    told = {"machine": machine(), "options": options, "targets": targets, "summary": summarize(run.rows, measures)}
    return json.dumps({**told, "left_out": run.left_out, "failures": run.failures, "measurements": run.rows}, indent=1)


def machine() -> dict[str, Any]:
    """Returns what the figures depend on."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    model = models[0].partition(":")[2].strip() if models else platform.machine()
    versions = {"kernel": platform.release(), "python": platform.python_version()}
    return {"processor": model, "processors": len(os.sched_getaffinity(0)), **versions}


@click.command(help=__doc__, epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", metavar="[NAME]...", nargs=-1, type=click.Choice(list(MEASURES)))
@click.option("--end", "ends", multiple=True, type=click.Choice(list(RECIPES)), help="Only this end; may be repeated.")
@click.option("--rounds", type=click.IntRange(1, 100), default=5, show_default=True)
@click.option("--seconds", type=click.FloatRange(0.1, 60), default=1.0, show_default=True, help="Of one measurement.")
@click.option(
    "--warm-up", type=click.FloatRange(0, 10), default=0.5, show_default=True, help="Seconds left out before."
)
@click.option(
    "--idle-wait", type=click.FloatRange(0, 60), default=2, show_default=True, help="Most seconds to wait for others."
)
@click.option("--mtu", type=click.IntRange(576, 65521), default=1500, show_default=True, help="Bytes a packet.")
@click.option("--congestion", default="cubic", show_default=True, help="Of the kernel's sockets.")
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write every figure to FILE.")
@click.option("--plot", "picture", type=click.Path(dir_okay=False, path_type=Path), help="Draw the figures (png, svg).")
@click.option("--markdown", "page", type=click.Path(dir_okay=False, path_type=Path), help="Write the tables to FILE.")
@click.option("--check", is_flag=True, help="A target that is missed makes the exit status 1.")
def main(
    names: tuple[str, ...],
    ends: tuple[str, ...],
    file: Path | None,
    picture: Path | None,
    page: Path | None,
    check: bool,
    **options: Any,
) -> None:
    """The command."""
    for option, path in (("--json", file), ("--plot", picture), ("--markdown", page)):
        if path is not None and not path.absolute().parent.is_dir():
            raise click.BadParameter(f"{path}: there is no such folder", param_hint=f"'{option}'")
    draw = painter(picture)
    measures = {name: MEASURES[name] for name in names or DEFAULT}
    if ends:
        measures = {name: replace(measure, ends=chosen(measure, ends)) for name, measure in measures.items()}
    console = Console(soft_wrap=True, highlight=False)
    console.width = max(console.width, WIDTH)
    pace = Pace(*(options[name] for name in ("rounds", "seconds", "warm_up", "idle_wait")))
    need_lab = {name for name, measure in measures.items() if measure.needs_lab}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, preferred():
        site, reason = None, reason_for_no_lab() if need_lab else None
        if need_lab and reason is None:
            try:
                site = Site(compile_programs(Path(folder)), options["mtu"], options["congestion"])
            except CannotCompile as error:
                raise click.ClickException(str(error)) from None
        runnable = {name: measure for name, measure in measures.items() if reason is None or name not in need_lab}
        if not runnable:
            raise click.ClickException(f"nothing can be measured: {reason}")
        run = measure_all(runnable, site, pace, console)
    if reason is not None:
        run.left_out |= dict.fromkeys(sorted(need_lab), reason)
    verdicts = judge(run.rows, measures)
    report(run, measures, verdicts, console)
    if file is not None:
        file.write_text(document(run, measures, verdicts, options))
    if page is not None:
        page.write_text(markdown(summarize(run.rows, measures), measures, verdicts))
    if picture is not None:
        title = "{processor}, {processors} processors, Linux {kernel}, Python {python}".format(**machine())
        draw(summarize(run.rows, measures), measures, verdicts, f"{title}; {pace.rounds} rounds", picture)
    if run.failures or (check and any(verdict.met is False for verdict in verdicts)):
        raise SystemExit(1)


def painter(picture: Path | None) -> Callable[..., None]:
    """Returns what draws the picture; before anything is measured it is certain that it can be drawn."""
    if picture is None:
        return lambda *_: None
    if picture.suffix not in FORMATS:
        raise click.BadParameter(f"{picture}: the name has to end in {' or '.join(FORMATS)}", param_hint="'--plot'")
    try:
        from scripts.benchmark.figure import draw
    except ModuleNotFoundError as error:
        raise click.ClickException(f"--plot: {error}: pip install -e '.[plot]'") from None
    return draw


def chosen(measure: Measure, ends: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the ends of a measure that were asked for; a measure without ends stays what it is."""
    return tuple(end for end in measure.ends if end in ends or measure.action is None)


def report(run: Run, measures: Mapping[str, Measure], verdicts: list[Verdict], console: Console) -> None:
    """Prints the tables and what has to be said beside them."""
    console.print(figure_table(summarize(run.rows, measures), measures))
    if verdicts:
        console.print()
        console.print(verdict_table(verdicts, measures))
    disturbed = sum(row["busy_before"] > IDLE or row.get("busy_during", 0) > IDLE for row in run.rows)
    if disturbed:
        console.print(f"{disturbed} of {len(run.rows)} measurements were disturbed: other programs were busy, too")
    for what, reason in run.left_out.items():
        console.print(f"left out: {what}: {reason}", markup=False)
    for failure in run.failures:
        click.echo(f"bench: {failure}", err=True)


if __name__ == "__main__":
    main()
