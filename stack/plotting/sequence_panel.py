"""The time-sequence graph: segments as bars, ACKs and the window's right edge as steps, SACK blocks, and marks."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, FuncFormatter

from stack.plotting import palette
from stack.plotting.columns import SPAN, Booleans, Integers
from stack.plotting.flow import SECOND, Flow, Kind
from stack.plotting.thinning import merged_bars, thinned
from stack.plotting.view import View

ARROWS = 250  # segments in view up to which their ends are drawn, when half of them
TALL = 0.015  # are longer than this part of the height
FEW_LOST = 30  # are crossed out boldly
MANY = 500  # of one kind: they are seen without being drawn thick
ROWS = 1500  # bars closer than this part of the height are one

STYLES = {
    Kind.NEW: ("segment", palette.SEGMENT, 3.0),
    Kind.REORDERED: ("overtaken", palette.REORDERED, 4.0),
    Kind.NEEDLESS: ("sent again, needlessly", palette.NEEDLESS, 5.0),
    Kind.RETRANSMISSION: ("sent again", palette.RETRANSMISSION, 6.0),
    Kind.PROBE: ("probe", palette.PROBE, 5.0),
}
MARKERS = {"SYN": ("o", palette.ACK), "FIN": ("s", palette.TEXT), "RST": ("X", palette.TEXT)}


def draw_sequence(axes: Axes, flow: Flow, view: View) -> None:
    """Draws the graph into `axes`."""
    low, high = _limits(flow, view)
    axes.set_ylim(low, high)
    if view.absolute:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{int(flow.base + value) % SPAN}"))
        axes.set_ylabel("sequence number")
    else:
        axes.yaxis.set_major_formatter(EngFormatter(unit="B"))
        axes.set_ylabel("bytes since the beginning")
    tolerance = max(int((high - low) / ROWS), 0)
    _draw_window(axes, flow, view)
    _draw_acknowledgements(axes, flow, view)
    _draw_sacks(axes, flow, view, tolerance)
    _draw_segments(axes, flow, view, tolerance)
    _draw_lost(axes, flow, view)
    _draw_marks(axes, flow, view)


def _limits(flow: Flow, view: View) -> tuple[float, float]:
    acknowledged = _moving(flow.acknowledgements.ack)
    lows, highs = [], []
    for time, low, high in (
        (flow.sent.time, flow.sent.start, flow.sent.end),
        (flow.acknowledgements.time, acknowledged, acknowledged),
    ):
        seen = (time >= view.begin) & (time <= view.end)
        if seen.any():
            lows.append(int(low[seen].min()))
            highs.append(int(high[seen].max()))
    if not lows:
        return 0.0, 1.0
    margin = max((max(highs) - min(lows)) * 0.04, 1.0)
    return min(lows) - margin, max(highs) + margin


def _moving(values: Integers) -> Integers:
    return np.maximum.accumulate(values) if len(values) else values


def _draw_segments(axes: Axes, flow: Flow, view: View, tolerance: int) -> None:
    seen = (flow.sent.time >= view.begin) & (flow.sent.time <= view.end)
    low, high = axes.get_ylim()
    tall = flow.sent.end[seen] - flow.sent.start[seen] > (high - low) * TALL
    arrows = len(tall) <= ARROWS and bool(np.median(tall) if len(tall) else False)
    for kind, (label, colour, order) in STYLES.items():
        chosen = flow.sent.of(kind)
        width = 1.4 if kind is Kind.NEW or len(chosen) > MANY else 3.0
        _bars(axes, view, (chosen.time, chosen.start, chosen.end), label, colour, width, order, tolerance)
        if arrows:
            shown = chosen.where((chosen.time >= view.begin) & (chosen.time <= view.end))
            for place in (shown.start, shown.end):
                axes.plot(shown.time / SECOND, place, "_", color=colour, markersize=5, zorder=order)


def _bars(
    axes: Axes,
    view: View,
    bars: tuple[Integers, Integers, Integers],
    label: str,
    colour: str,
    width: float,
    order: float,
    tolerance: int,
) -> None:
    time, low, high = merged_bars(*bars, view.begin, view.end, view.columns, tolerance)
    if not len(time):
        return
    # one curve with gaps is drawn in a fraction of the time of so many lines, and is a fraction of the file
    points = np.full((len(time), 3, 2), np.nan)
    points[:, :2, 0] = (time / SECOND)[:, None]
    points[:, 0, 1], points[:, 1, 1] = low, high
    x, y = points.reshape(-1, 2).T
    # projecting ends: a segment less than a pixel high is still seen
    axes.plot(x, y, color=colour, linewidth=width, solid_capstyle="projecting", label=label, zorder=order)


def _draw_acknowledgements(axes: Axes, flow: Flow, view: View) -> None:
    acknowledgements = flow.acknowledgements
    moving = _moving(acknowledgements.ack)
    _steps(axes, view, acknowledgements.time, moving, "ACK", palette.ACK, 1.2)
    time = acknowledgements.time
    _points(axes, view, time, moving, acknowledgements.duplicate, "duplicate ACK", "|", palette.ACK, 3.5)
    _points(axes, view, time, moving, acknowledgements.closed, "window closed", "$0$", palette.WINDOW, 7)


def _draw_window(axes: Axes, flow: Flow, view: View) -> None:
    acknowledgements = flow.acknowledgements
    known = acknowledgements.edge >= 0
    current = known & (acknowledgements.ack == _moving(acknowledgements.ack))
    edge = acknowledgements.edge[current]
    time = acknowledgements.time[current]
    if len(edge):
        seen = (time >= view.begin) & (time <= view.end)
        if seen.any() and edge[seen].min() <= axes.get_ylim()[1]:
            _steps(axes, view, time, edge, "right edge of the window", palette.WINDOW, 1.0)


def _steps(axes: Axes, view: View, time: Integers, value: Integers, label: str, colour: str, width: float) -> None:
    index = thinned(time, value, view.begin, view.end, view.columns)
    if len(index):
        axes.plot(
            time[index] / SECOND,
            value[index],
            drawstyle="steps-post",
            color=colour,
            linewidth=width,
            label=label,
            zorder=2,
        )


def _points(
    axes: Axes,
    view: View,
    time: Integers,
    value: Integers,
    chosen: Booleans,
    label: str,
    marker: str,
    colour: str,
    size: float,
) -> None:
    time, value = time[chosen], value[chosen]
    index = thinned(time, value, view.begin, view.end, view.columns)
    index = index[(time[index] >= view.begin) & (time[index] <= view.end)]
    if len(index):
        axes.plot(
            time[index] / SECOND,
            value[index],
            marker=marker,
            linestyle="none",
            color=colour,
            markersize=size,
            markeredgewidth=0.6,
            label=label,
            zorder=2.5,
        )


def _draw_sacks(axes: Axes, flow: Flow, view: View, tolerance: int) -> None:
    sacks = flow.sacks
    for chosen, label, colour, width, order in (
        (~sacks.duplicate, "SACK block", palette.SACK, 1.0, 2.2),
        (sacks.duplicate, "DSACK block", palette.DSACK, 2.2, 4.5),
    ):
        bars = sacks.time[chosen], sacks.left[chosen], sacks.right[chosen]
        _bars(axes, view, bars, label, colour, width, order, tolerance)


def _draw_lost(axes: Axes, flow: Flow, view: View) -> None:
    if flow.lost is None:
        return
    gone = flow.sent.where(flow.lost & (flow.sent.time >= view.begin) & (flow.sent.time <= view.end))
    if len(gone):
        axes.plot(
            gone.time / SECOND,
            (gone.start + gone.end) / 2,
            marker="x",
            linestyle="none",
            color=palette.LOST,
            markersize=6 if len(gone) <= FEW_LOST else 4,
            markeredgewidth=1.4 if len(gone) <= FEW_LOST else 0.9,
            label="lost on the way",
            zorder=6.5,
        )


def _draw_marks(axes: Axes, flow: Flow, view: View) -> None:
    shown = [mark for mark in flow.marks if view.shows(mark.time)]
    for name, (marker, colour) in MARKERS.items():
        chosen = [mark for mark in shown if mark.name == name]
        if chosen:
            axes.plot(
                [mark.time / SECOND for mark in chosen],
                [mark.sequence for mark in chosen],
                marker=marker,
                color=colour,
                markerfacecolor="white" if name != "RST" else colour,
                markersize=6 if name != "RST" else 8,
                label=name,
                linestyle="none",
                zorder=7,
            )
