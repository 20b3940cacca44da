"""A flow in numbers: the line under the title of its picture."""

import numpy as np

from stack.plotting.flow import SECOND, Flow, Kind

PREFIXES = ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k"))


def summary(flow: Flow) -> str:
    """Returns one line: bytes, time, goodput, what was sent again, round trips."""
    parts = [f"{quantity(delivered(flow))}B in {duration(flow.duration)}"]
    if rate := mean_goodput(flow):
        parts.append(f"goodput {quantity(rate)}bit/s")
    total = int((flow.sent.length > 0).sum())
    if total:
        again = int(np.isin(flow.sent.kind, (Kind.RETRANSMISSION, Kind.NEEDLESS)).sum())
        needless = int((flow.sent.kind == Kind.NEEDLESS).sum())
        text = f"{again} of {total} segments sent again"
        parts.append(f"{text}, {needless} needlessly" if needless else text)
    samples = flow.round_trips.best().value
    if len(samples):
        parts.append(f"RTT least {duration(int(samples.min()))}, median {duration(int(np.median(samples)))}")
    return " · ".join(parts)


def delivered(flow: Flow) -> int:
    """Returns the payload that was acknowledged, or, where no ACKs were captured, the payload sent once."""
    fresh = flow.sent.of(Kind.NEW, Kind.REORDERED)
    payload = int(fresh.length.sum())
    if not len(flow.acknowledgements):
        return payload
    if not len(flow.sent):
        return int(flow.acknowledgements.ack.max() - flow.acknowledgements.ack[0])
    controls = sum(1 for mark in flow.marks if mark.name == "FIN" and mark.sequence <= flow.acknowledgements.ack.max())
    first = max(int(flow.sent.start[0]), 1)
    return max(int(flow.acknowledgements.ack.max()) - first - min(controls, 1), 0)


def mean_goodput(flow: Flow) -> float:
    """Returns bits a second from the first segment to the last ACK that moved forward; 0 when nothing was delivered."""
    acknowledgements = flow.acknowledgements
    if not len(acknowledgements) or not len(flow.sent):
        return 0.0
    last = int(acknowledgements.time[int(np.argmax(acknowledgements.ack))])
    time = last - int(flow.sent.time[0])
    return delivered(flow) * 8 * SECOND / time if time > 0 else 0.0


def quantity(value: float) -> str:
    """Returns a number with the prefix of its unit, ready for the unit: `4.2 M`."""
    for size, prefix in PREFIXES:
        if value >= size:
            return f"{value / size:.3g} {prefix}"
    return f"{value:.3g} "


def duration(time: int) -> str:
    """Returns ns as a person says it."""
    if time >= SECOND:
        return f"{time / SECOND:.3g} s"
    return f"{time / 1_000_000:.3g} ms" if time >= 1_000_000 else f"{time / 1000:.3g} µs"
