"""The picture of a run: a panel a measure, a bar an end, with the spread and the marks that the targets set."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from scripts.benchmark.measures import Measure
from scripts.benchmark.summary import Verdict
from stack.plotting import palette
from stack.plotting.figure import STYLE

COLUMNS = 4
LEAST_ROWS = 3
PANEL = (3.4, 2.3)  # inches
RESOLUTION = 110  # dots an inch
OURS, MACHINE, OTHERS = palette.SEGMENT, palette.FAINT, palette.GRID
MISSED = palette.RETRANSMISSION

Spreads = Mapping[str, Mapping[str, Mapping[str, float]]]


def draw(
    summary: Mapping[str, Spreads], measures: Mapping[str, Measure], verdicts: list[Verdict], title: str, path: Path
) -> None:
    """Draws what was measured into a file whose format its name tells. Raises OSError and ValueError (the format)."""
    names = [name for name, ends in summary.items() if ends]
    rows = max(-(-len(names) // COLUMNS), 1)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(PANEL[0] * min(max(len(names), 1), COLUMNS), PANEL[1] * rows + 0.4), dpi=RESOLUTION)
        figure.set_layout_engine("constrained")
        FigureCanvasAgg(figure)
        figure.suptitle(title, fontsize=10)
        for place, name in enumerate(names):
            axes = figure.add_subplot(rows, min(len(names), COLUMNS), place + 1)
            _draw_measure(axes, name, measures[name], summary[name], verdicts)
        figure.savefig(path, format=path.suffix.removeprefix(".").lower())


def _draw_measure(axes: Axes, name: str, measure: Measure, ends: Spreads, verdicts: list[Verdict]) -> None:
    values = [spreads["value"] for spreads in ends.values()]
    medians = [value["median"] for value in values]
    errors = [
        [value["median"] - value["least"] for value in values],
        [value["most"] - value["median"] for value in values],
    ]
    colours = [_colour(end) for end in ends]
    places = range(len(values) - 1, -1, -1)
    axes.barh(places, medians, xerr=errors, color=colours, height=0.7, error_kw={"ecolor": palette.TEXT, "lw": 0.8})
    axes.set_yticks(list(places), list(ends))
    axes.set_title(f"{name}, {measure.unit}", fontsize=9)
    # Bars are of one height whether there are many or one.
    axes.set_ylim(min(len(values) - LEAST_ROWS, 0) - 0.6, len(values) - 0.4)
    axes.grid(visible=False, axis="y")
    marks = [
        _draw_target(axes, verdict, list(ends), medians)
        for verdict in verdicts
        if verdict.measure == name and verdict.target.figure == "value"
    ]
    axes.set_xlim(0, max([*marks, *(value["most"] for value in values)]) * 1.08)


def _draw_target(axes: Axes, verdict: Verdict, ends: list[str], medians: list[float]) -> float:
    """Marks on our bar where the target lies, by the medians; returns where that is."""
    target = verdict.target
    if target.end not in ends or (target.against is not None and target.against not in ends):
        return 0.0
    where = target.bound * (1.0 if target.against is None else medians[ends.index(target.against)])
    place = len(ends) - 1 - ends.index(target.end)
    colour = MISSED if verdict.met is False else palette.ACK
    axes.plot([where, where], [place - 0.45, place + 0.45], color=colour, linewidth=2)
    return where


def _colour(end: str) -> str:
    if end.startswith("wspstack"):
        return OURS
    return MACHINE if end.startswith(("veth", "ceiling")) else OTHERS
