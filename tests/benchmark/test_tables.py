"""How scripts/bench.py shows its figures."""

import io
from pathlib import Path

from rich.console import Console

from scripts.benchmark.figure import draw
from scripts.benchmark.measures import MEASURES
from scripts.benchmark.summary import Row, judge, summarize
from scripts.benchmark.table import figure_table, markdown, verdict_table

ROWS: list[Row] = [
    {"round": number, "measure": measure, "end": end, "value": value * (number + 1), "cpu": 0.25, "memory": 50.0}
    for number in range(3)
    for measure, end, value in (
        ("up", "veth", 10.0),
        ("up", "ceiling", 20.0),
        ("up", "wspstack", 12.0),
        ("calls", "wspstack", 600.0),
    )
]
CHOSEN = {name: MEASURES[name] for name in ("up", "calls", "connect")}


def printed(table: object) -> str:
    """The text of a table."""
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(table)
    return console.export_text()


def test_figures_are_shown_with_their_spread() -> None:
    (line,) = (line for line in printed(figure_table(summarize(ROWS, CHOSEN), CHOSEN)).splitlines() if "veth" in line)
    assert line.split() == ["up", "veth", "20.0", "Gbit/s", "10.0–30.0", "0.250", "s/GB", "50"]


def test_verdicts_are_shown_also_of_what_was_not_measured() -> None:
    lines = printed(verdict_table(judge(ROWS, CHOSEN), CHOSEN)).splitlines()
    words = [" ".join(line.split()) for line in lines]
    assert "up Gbit/s ≥ 1.2 × veth 1.20 1.20–1.20 met" in words
    assert "up Gbit/s ≥ 0.8 × ceiling 0.60 0.60–0.60 MISSED" in words
    assert "calls ns ≤ 1,000 1,200 600–1,800 MISSED" in words
    assert "connect per s ≥ 1 × veth not measured" in words


def test_markdown_has_both_tables() -> None:
    text = markdown(summarize(ROWS, CHOSEN), CHOSEN, judge(ROWS, CHOSEN))
    assert "| up | ≥ 0.8 × ceiling | 0.60 | 0.60–0.60 | MISSED |" in text
    assert "| up, processor time | ≤ 1.5 × ceiling | 1.00 | 1.00–1.00 | met |" in text
    assert "| connect | ≥ 1 × veth |  |  | not measured |" in text
    assert "| up | wspstack | 24.0 Gbit/s | 12.0–36.0 |  | 0.250 s/GB | 50 |" in text


def test_picture_leaves_out_measures_without_figures(tmp_path: Path) -> None:
    path = tmp_path / "figures.svg"
    draw(summarize(ROWS, CHOSEN), CHOSEN, judge(ROWS, CHOSEN), "a machine", path)
    text = path.read_text()
    assert "up, Gbit/s" in text
    assert "calls, ns" in text
    assert "connect" not in text
