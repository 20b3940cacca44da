"""The tables on the terminal: what was measured, and what became of the targets."""

from collections.abc import Mapping

from rich.table import Table

from scripts.benchmark.measures import NAMES, Measure, Target
from scripts.benchmark.summary import Verdict

Spread = Mapping[str, float]


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        words = heading.lstrip("<")
        table.add_column(words, justify="left" if heading.startswith("<") else "right", no_wrap=True)
    return table


def _number(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}"


def _range(spread: Spread, digits: int) -> str:
    return f"{_number(spread['least'], digits)}–{_number(spread['most'], digits)}"


def _cell(spread: Spread | None, digits: int) -> str:
    return "" if spread is None else _number(spread["median"], digits)


def figure_table(summary: Mapping[str, Mapping[str, Mapping[str, Spread]]], measures: Mapping[str, Measure]) -> Table:
    """One line an end and measure: median, least to most, the end point's processor time and memory."""
    table = _table("<measure", "<end", "median", "<unit", "from–to", "p99", "processor time", "<for", "peak MiB")
    for name, ends in summary.items():
        measure, shown = measures[name], name
        for end, figures in ends.items():
            cpu, value = figures.get("cpu"), figures["value"]
            table.add_row(
                shown,
                end,
                _cell(value, measure.digits),
                measure.unit,
                _range(value, measure.digits),
                _cell(figures.get("p99"), 1),
                _cell(cpu, 3 if measure.cpu_unit == "s/GB" else 1),
                measure.cpu_unit if cpu else "",
                _cell(figures.get("memory"), 0),
            )
            shown = ""
    return table


def _digits(target: Target, measure: Measure) -> int:
    return measure.digits if target.against is None else 2


def verdict_table(verdicts: list[Verdict], measures: Mapping[str, Measure]) -> Table:
    """One line a target: what was asked, the median ratio and its spread, whether it is met."""
    table = _table("<target", "<figure", "<asked", "measured", "from–to", "<verdict")
    for verdict in verdicts:
        target, spread = verdict.target, verdict.measured
        figure = measures[verdict.measure].unit if target.figure == "value" else target.figure
        style = {True: "green", False: "red", None: "dim"}[verdict.met]
        table.add_row(
            verdict.measure,
            figure,
            target.words,
            _cell(spread, _digits(target, measures[verdict.measure])),
            "" if spread is None else _range(spread, _digits(target, measures[verdict.measure])),
            f"[{style}]{verdict.word}[/{style}]",
        )
    return table


def markdown(
    summary: Mapping[str, Mapping[str, Mapping[str, Spread]]], measures: Mapping[str, Measure], verdicts: list[Verdict]
) -> str:
    """The two tables in Markdown."""
    lines = ["| target | asked | measured | from–to | |", "|---|---|---|---|---|"]
    for verdict in verdicts:
        measure, target, spread = measures[verdict.measure], verdict.target, verdict.measured
        figure = "" if target.figure == "value" else f", {NAMES[target.figure]}"
        digits = _digits(target, measure)
        told = ("", "") if spread is None else (_cell(spread, digits), _range(spread, digits))
        lines.append(f"| {verdict.measure}{figure} | {target.words} | {' | '.join(told)} | {verdict.word} |")
    lines += [
        "",
        "| measure | end | median | from–to | p99 | processor time | peak MiB |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, ends in summary.items():
        measure = measures[name]
        for end, figures in ends.items():
            value, cpu = figures["value"], figures.get("cpu")
            spent = f"{_cell(cpu, 3 if measure.cpu_unit == 's/GB' else 1)} {measure.cpu_unit}" if cpu else ""
            lines.append(
                f"| {name} | {end} | {_cell(value, measure.digits)} {measure.unit} | {_range(value, measure.digits)} "
                f"| {_cell(figures.get('p99'), 1)} | {spent} | {_cell(figures.get('memory'), 0)} |"
            )
    return "\n".join(lines) + "\n"
