"""Analysis of one direction of a connection: segments in, `Flow` out. Knows nothing of files and of pictures."""

import numpy as np

from stack.plotting.acknowledging import read_acknowledgements, read_sacks
from stack.plotting.columns import Integers, latest
from stack.plotting.connections import Connection
from stack.plotting.decoding import FIN, RST, SYN, Segments
from stack.plotting.flow import Flow, Kind, Mark, SenderSamples, Sent
from stack.plotting.rates import bytes_in_flight
from stack.plotting.round_trips import handshake, measure
from stack.plotting.sequence import Line, place
from stack.plotting.transmissions import classify

MOST_MARKS = 200


def analyse(connection: Connection, *, forward: bool = True, samples: SenderSamples | None = None) -> Flow:
    """Analyses the data that went from client to server, or with `forward` False from server to client."""
    sender, receiver = connection.forward, connection.backward
    if not forward:
        sender, receiver = receiver, sender
    line = place(sender, receiver)
    sent = _sent(sender, line, connection)
    genuine = np.flatnonzero(sender.flags & RST == 0)
    highest = np.maximum.accumulate(line.end[genuine]) if len(genuine) else genuine
    acknowledgements = read_acknowledgements(line, connection.start, sender.rank[genuine], highest)
    return Flow(
        connection.client if forward else connection.server,
        connection.server if forward else connection.client,
        connection.start,
        line.base,
        connection.end - connection.start,
        sent,
        acknowledgements,
        read_sacks(line, connection.start),
        bytes_in_flight(sent, acknowledgements),
        measure(sent, line, connection.start, sender),
        _marks(sender, receiver, line, connection.start),
        _notes(sender, receiver, line),
        samples,
    )


def _sent(sender: Segments, line: Line, connection: Connection) -> Sent:
    """Returns the segments that take sequence numbers, and the keep-alives that take none."""
    takes = (line.end > line.start) & (sender.flags & RST == 0)
    reach = latest(sender.rank[takes], _reach(line.end[takes]), sender.rank, -1)
    alive = (sender.flags & (SYN | FIN | RST) == 0) & (sender.length == 0) & (line.start == reach - 1) & (reach > 1)
    chosen = np.flatnonzero(takes | alive)
    time, start, end, rank = sender.time[chosen], line.start[chosen], line.end[chosen], sender.rank[chosen]
    acknowledged = latest(line.acking.rank, _reach(line.ack), rank, -1)
    edge = latest(line.acking.rank, line.edge, rank, -1)
    trip = handshake(connection.forward, connection.backward)
    kind = classify(time, start, end, sender.options.tsval[chosen], acknowledged, edge, trip)
    empty = end == start
    kind[empty & (kind == Kind.NEW)] = Kind.PROBE
    return Sent(time - connection.start, start, end, sender.length[chosen], kind)


def _reach(values: Integers) -> Integers:
    return np.maximum.accumulate(values) if len(values) else values


def _marks(sender: Segments, receiver: Segments, line: Line, origin: int) -> tuple[Mark, ...]:
    marks = []
    for flag, name in ((SYN, "SYN"), (FIN, "FIN"), (RST, "RST")):
        for index in np.flatnonzero(sender.flags & flag)[:MOST_MARKS].tolist():
            marks.append(Mark(int(sender.time[index]) - origin, int(line.end[index]), name))
    for index in np.flatnonzero(receiver.flags & RST)[:MOST_MARKS].tolist():
        reach = int(latest(line.acking.rank, _reach(line.ack), receiver.rank[index : index + 1], 0)[0])
        marks.append(Mark(int(receiver.time[index]) - origin, reach, "RST"))
    return tuple(sorted(marks, key=lambda mark: mark.time))


def _notes(sender: Segments, receiver: Segments, line: Line) -> tuple[str, ...]:
    notes = []
    if not len(receiver):
        notes.append("nothing from the receiver was captured: no ACKs, no flight, no RTT")
    elif not line.scale_known:
        notes.append("the handshake was not captured: the scale of the window is not known, so no window is drawn")
    if not len(sender):
        notes.append("nothing from the sender was captured: ACKs alone")
    return tuple(notes)
