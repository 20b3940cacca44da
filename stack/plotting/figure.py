"""The whole picture of a flow: four panels over one time axis, written to a file. Needs no display."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from stack.plotting import palette
from stack.plotting.flow import SECOND, Flow
from stack.plotting.panels import draw_rates, draw_round_trips, draw_stripes, draw_window
from stack.plotting.rates import window_for
from stack.plotting.sequence_panel import draw_sequence
from stack.plotting.summary import summary
from stack.plotting.view import View, span_of

MARGIN, TITLE, LINE, LEGEND_COLUMN = 0.12, 0.27, 0.17, 1.1  # inches

# What comes first in a legend; the rest follows as it was drawn.
LEGEND = (
    "segment",
    "sent again",
    "sent again, needlessly",
    "overtaken",
    "probe",
    "lost on the way",
    "ACK",
    "duplicate ACK",
)

STYLE: Any = {
    "font.size": 9.0,
    "axes.edgecolor": palette.FAINT,
    "axes.labelcolor": palette.TEXT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": palette.GRID,
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "text.color": palette.TEXT,
    "xtick.color": palette.QUIET,
    "ytick.color": palette.QUIET,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "legend.handlelength": 1.4,
    "legend.columnspacing": 1.2,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "wspstack",  # the same run gives the same file
}


@dataclass(frozen=True)
class Look:
    """How a picture is to be made.

    begin, end: seconds since the connection's first segment; None: all of it. size: inches. resolution: dots an inch.
    title: None: the ends of the connection. absolute: sequence numbers as they stand in the headers. window: seconds
    over which rates are taken, None: chosen by the time shown.
    """

    begin: float | None = None
    end: float | None = None
    size: tuple[float, float] = (12.0, 10.0)
    resolution: int = 110
    title: str | None = None
    absolute: bool = False
    window: float | None = None


def draw(flow: Flow, path: Path, look: Look | None = None) -> None:
    """Draws `flow` into a file whose format its name tells: png, svg or pdf.

    Raises NothingToShow when nothing lies between the times asked for, and OSError when the file cannot be written.
    """
    look = look or Look()
    begin, end = span_of(flow, look.begin, look.end)
    window = window_for(flow, begin, end) if look.window is None else max(round(look.window * SECOND), 1)
    view = View(begin, end, int(look.size[0] * look.resolution * 2), look.absolute, window)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=look.size, dpi=look.resolution)
        figure.set_layout_engine("constrained", rect=(0, 0, 1, _title(figure, flow, look)))
        FigureCanvasAgg(figure)
        panels = figure.subplots(4, 1, sharex=True, height_ratios=(3.2, 1.2, 1.0, 1.0))
        draw_sequence(panels[0], flow, view)
        for axes, painter in zip(panels[1:], (draw_window, draw_round_trips, draw_rates), strict=True):
            painter(axes, flow, view)
            draw_stripes(axes, flow, view)
        for axes in panels:
            _legend(axes, max(int(look.size[0] / LEGEND_COLUMN), 2))
        figure.align_ylabels(panels)
        margin = (end - begin) * 0.01
        panels[0].set_xlim((begin - margin) / SECOND, (end + margin) / SECOND)
        panels[-1].set_xlabel("seconds since the first segment")
        kind = path.suffix.removeprefix(".").lower()
        metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
        figure.savefig(path, format=kind, metadata=metadata)


def _legend(axes: Axes, columns: int) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        pairs = sorted(zip(labels, handles, strict=True), key=lambda pair: _place(pair[0]))
        axes.legend(
            [handle for _, handle in pairs],
            [label for label, _ in pairs],
            loc="lower right",
            bbox_to_anchor=(1.0, 0.99),
            ncols=min(len(labels), columns),
            borderaxespad=0.0,
            borderpad=0.2,
        )


def _place(label: str) -> int:
    return LEGEND.index(label) if label in LEGEND else len(LEGEND)


def _title(figure: Figure, flow: Flow, look: Look) -> float:
    """Writes title and summary; returns where the panels may end, as a part of the height."""
    height = look.size[1]
    part = look.begin is not None or look.end is not None
    lines = [f"{'whole connection: ' if part else ''}{summary(flow)}", *flow.notes]
    if look.title is not None:
        lines.insert(0, str(flow))
    figure.text(
        MARGIN / look.size[0], 1 - MARGIN / height, look.title or str(flow), va="top", fontsize=13, fontweight="bold"
    )
    top = MARGIN + TITLE
    text = "\n".join(lines)
    figure.text(MARGIN / look.size[0], 1 - top / height, text, va="top", color=palette.QUIET, linespacing=1.3)
    return 1 - (top + LINE * len(lines) + MARGIN / 2) / height
