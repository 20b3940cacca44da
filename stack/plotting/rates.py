"""Bytes under way, and bytes a second over a sliding window."""

import numpy as np

from stack.plotting.columns import Floats, Integers, latest
from stack.plotting.flow import SECOND, Acknowledgements, Flow, Sent, Series, empty_series

STEPS = 600  # points of a curve
SHARE = 50  # the window is this part of the time shown, where nothing else is asked for
SHORTEST_WINDOW = 1_000_000  # ns


def bytes_in_flight(sent: Sent, acknowledgements: Acknowledgements) -> Series:
    """Returns the bytes sent and not acknowledged, after each event, as seen where the capture was made."""
    if not len(sent) or not len(acknowledgements):
        return empty_series()
    time = np.unique(np.concatenate((sent.time, acknowledgements.time)))
    low = int(min(sent.start[0], acknowledgements.ack[0]))
    high = latest(sent.time, np.maximum.accumulate(sent.end), time, low)
    acknowledged = latest(acknowledgements.time, np.maximum.accumulate(acknowledgements.ack), time, low)
    return Series(time, np.maximum(high - acknowledged, 0))


def window_for(flow: Flow, begin: int, end: int) -> int:
    """Returns ns over which a rate is taken when nobody says: a part of the time shown, and two round trips or more."""
    samples = flow.round_trips.best().value
    trip = int(np.median(samples)) if len(samples) else 0
    return max((end - begin) // SHARE, 2 * trip, SHORTEST_WINDOW)


def sending_rate(flow: Flow, begin: int, end: int, window: int) -> tuple[Floats, Floats]:
    """Returns times (ns) and bytes a second of payload sent, every transmission counted."""
    total = np.cumsum(flow.sent.length)
    return _rate(flow.sent.time, total, 0, begin, end, window)


def goodput(flow: Flow, begin: int, end: int, window: int) -> tuple[Floats, Floats]:
    """Returns times (ns) and bytes a second that were acknowledged for the first time."""
    acknowledgements = flow.acknowledgements
    if not len(acknowledgements):
        return np.zeros(0), np.zeros(0)
    total = np.maximum.accumulate(acknowledgements.ack)
    return _rate(acknowledgements.time, total, int(total[0]), begin, end, window)


def _rate(time: Integers, total: Integers, least: int, begin: int, end: int, window: int) -> tuple[Floats, Floats]:
    grid = np.linspace(begin, end, STEPS).astype(np.int64)
    earlier = np.maximum(grid - window, 0)
    amount = latest(time, total, grid, least) - latest(time, total, earlier, least)
    return grid.astype(np.float64), amount * SECOND / np.maximum(grid - earlier, window / 4)
