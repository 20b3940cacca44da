"""The panels under the time-sequence graph: what is under way, round trips, rates."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter

from stack.plotting import palette
from stack.plotting.columns import Floats, Integers
from stack.plotting.flow import SECOND, Flow, Kind, Phase, Series
from stack.plotting.rates import goodput, sending_rate
from stack.plotting.summary import duration
from stack.plotting.thinning import thinned
from stack.plotting.view import View

HEADROOM = 1.12
PHASES = {
    Phase.REDUCING: ("reducing", palette.REORDERED),
    Phase.RECOVERY: ("recovery", palette.RECOVERY),
    Phase.LOSS: ("loss", palette.RETRANSMISSION),
}
STRIPES = 600  # places across the picture, each of which has one at most
MOST_STRIPES = 200  # more would colour it all


def draw_window(axes: Axes, flow: Flow, view: View) -> None:
    """Draws bytes in flight, the receiver's window, and of a simulated run the congestion window."""
    axes.yaxis.set_major_formatter(EngFormatter(unit="B"))
    axes.set_ylabel("under way")
    samples = flow.samples
    heights = [_curve(axes, view, flow.flight, "sent, not acknowledged", palette.SEGMENT, fill=True)]
    if samples is not None:
        draw_phases(axes, samples.phase, view)
        heights.append(_curve(axes, view, samples.in_flight, "in flight", palette.ACK))
        heights.append(_curve(axes, view, samples.cwnd, "cwnd", palette.CWND, width=1.4))
        beyond = 4 * max(heights)  # ssthresh before the first loss is as good as infinite
        finite = samples.ssthresh.value < beyond if beyond else samples.ssthresh.value > 0
        threshold = Series(samples.ssthresh.time[finite], samples.ssthresh.value[finite])
        heights.append(_curve(axes, view, threshold, "ssthresh", palette.SSTHRESH, style="--"))
    top = max(heights) * HEADROOM
    offered = _offered(flow)
    if _in_view(offered, view).min(initial=1 << 62) < top:
        _curve(axes, view, offered, "receiver's window", palette.WINDOW, width=1.0)
    axes.set_ylim(0, top or 1)
    if samples is None:
        axes.plot([], [], " ", label="(a capture does not show cwnd)")


def draw_phases(axes: Axes, phase: Series, view: View) -> None:
    """Colours the ground where the sender reduces its window or mends a loss."""
    if not len(phase):
        return
    begins = np.clip(phase.time, view.begin, view.end) / SECOND
    ends = np.append(begins[1:], view.end / SECOND)
    for kind, (label, colour) in PHASES.items():
        chosen = (phase.value == kind) & (ends > begins)
        spans = list(zip(begins[chosen].tolist(), (ends - begins)[chosen].tolist(), strict=True))
        if spans:
            axes.broken_barh(
                spans, (0, 1), transform=axes.get_xaxis_transform(), color=colour, alpha=0.25, linewidth=0, label=label
            )


def draw_round_trips(axes: Axes, flow: Flow, view: View) -> None:
    """Draws the samples of the round trip and, of a simulated run, the sender's own estimate."""
    axes.yaxis.set_major_formatter(EngFormatter(unit="s"))
    axes.set_ylabel("RTT")
    trips = flow.round_trips
    highest = 0.0
    for series, label, colour in (
        (trips.by_timestamps, "by timestamps", palette.FAINT),
        (trips.by_sequence, "by ACK", palette.SEGMENT),
        (trips.by_sack, "by SACK", palette.SACK),
    ):
        index = thinned(series.time, series.value, view.begin, view.end, view.columns)
        index = index[(series.time[index] >= view.begin) & (series.time[index] <= view.end)]
        if len(index):
            highest = max(highest, float(np.max(series.value[index])) / SECOND)
            axes.plot(
                series.time[index] / SECOND,
                series.value[index] / SECOND,
                "o",
                color=colour,
                markersize=2.5,
                markeredgewidth=0,
                label=label,
            )
    if flow.samples is not None:
        srtt = Series(flow.samples.srtt.time, flow.samples.srtt.value)
        highest = max(highest, _curve(axes, view, srtt, "srtt", palette.CWND, width=1.2, unit=SECOND))
    axes.set_ylim(0, highest * HEADROOM or 1)


def draw_rates(axes: Axes, flow: Flow, view: View) -> None:
    """Draws bits a second: sent, acknowledged, and of a simulated run the pacing rate."""
    axes.yaxis.set_major_formatter(EngFormatter(unit="bit/s"))
    axes.set_ylabel("rate")
    over = f"over {duration(view.window)}"
    highest = 0.0
    for (time, rate), label, colour, width in (
        (sending_rate(flow, view.begin, view.end, view.window), f"sent, {over}", palette.SEGMENT, 1.0),
        (goodput(flow, view.begin, view.end, view.window), f"acknowledged, {over}", palette.ACK, 1.4),
    ):
        if len(time):
            highest = max(highest, float(rate.max()) * 8)
            axes.plot(time / SECOND, rate * 8, color=colour, linewidth=width, label=label)
    if flow.samples is not None and len(flow.samples.pacing_rate):
        bits = Series(flow.samples.pacing_rate.time, flow.samples.pacing_rate.value * 8)
        _curve(axes, view, bits, "pacing rate", palette.CWND, style="--")
    axes.set_ylim(0, highest * HEADROOM or 1)


def draw_stripes(axes: Axes, flow: Flow, view: View) -> None:
    """Draws faint red lines where something was sent again, so that the panels can be read together."""
    chosen = flow.sent.of(Kind.RETRANSMISSION)
    times = chosen.time[(chosen.time >= view.begin) & (chosen.time <= view.end)]
    _, first = np.unique((times - view.begin) * STRIPES // (view.end - view.begin), return_index=True)
    times = times[first]
    if 0 < len(times) <= MOST_STRIPES:
        across = axes.get_xaxis_transform()
        axes.vlines(times / SECOND, 0, 1, transform=across, color=palette.RETRANSMISSION, alpha=0.13, zorder=0)


def _offered(flow: Flow) -> Series:
    acknowledgements = flow.acknowledgements
    known = acknowledgements.edge >= 0
    return Series(acknowledgements.time[known], (acknowledgements.edge - acknowledgements.ack)[known])


def _curve(
    axes: Axes,
    view: View,
    series: Series,
    label: str,
    colour: str,
    *,
    width: float = 1.0,
    style: str = "-",
    fill: bool = False,
    unit: int = 1,
) -> float:
    """Draws steps; returns the highest value in view, in units of the axis."""
    index = thinned(series.time, series.value, view.begin, view.end, view.columns)
    if not len(index):
        return 0.0
    time: Floats = series.time[index] / SECOND
    value: Floats = series.value[index] / unit
    # the last value holds to the edge of the picture
    last = min(view.end, max(int(series.time[-1]), view.end)) / SECOND
    time, value = np.append(time, max(last, float(time[-1]))), np.append(value, value[-1])
    axes.plot(time, value, drawstyle="steps-post", color=colour, linewidth=width, linestyle=style, label=label)
    if fill:
        axes.fill_between(time, value, step="post", color=colour, alpha=0.15, linewidth=0)
    return float(_in_view(series, view).max(initial=0)) / unit


def _in_view(series: Series, view: View) -> Integers:
    first = max(int(np.searchsorted(series.time, view.begin, side="right")) - 1, 0)
    return series.value[first : int(np.searchsorted(series.time, view.end, side="right"))]
