"""Flows of a simulated run as they are drawn: what a capture at each host shows, and what only the sender knows."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from netcore.engine import Engine
from netcore.flows import Application
from netcore.flows import Flow as Played
from netcore.observed import Samples
from netcore.simulator import Simulator, Violation
from netcore.topology import Switch
from stack.plotting.analysis import analyse
from stack.plotting.columns import Booleans, Integers
from stack.plotting.connections import Connection, find_connections
from stack.plotting.decoding import decode
from stack.plotting.flow import Flow, SenderSamples, Sent, Series
from stack.plotting.links import ETHERNET, RAW
from stack.plotting.recipe import Recipe, RecipeError
from stack.plotting.records import SECTION_HEADER, records_of
from stack.plotting.sequence import initial_number
from stack.simulation.recording import recorded_scenario
from stack.simulation.running import build
from stack.simulation.scenario import ScenarioError, load_scenario

MOST_OCTETS = 1 << 28  # of frames that a host keeps
LONGEST = 4 * 3600 * 1_000_000_000  # ns of virtual time
NO_THRESHOLD = (1 << 31) - 1  # of ssthresh: none so far (RFC 5681 3.1: arbitrarily high)


@dataclass(frozen=True)
class Observed:
    """A connection of a simulated run: as captured at either host, with the variables of either end.

    at_server: None when nothing of it arrived there. samples: the columns of `netcore.simulator.Samples`.
    """

    at_client: Connection
    at_server: Connection | None
    client_samples: dict[str, "array[int]"]
    server_samples: dict[str, "array[int]"]
    notes: tuple[str, ...]

    def flow(self, forward: bool) -> Flow:
        """Returns what went from client to server, or with `forward` False back."""
        near, far = (self.at_client, self.at_server) if forward else (self.at_server, self.at_client)
        columns = self.client_samples if forward else self.server_samples
        near = near or self.at_client
        flow = analyse(near, forward=forward, samples=_samples(columns, near.start))
        arrived = analyse(far, forward=forward).sent if far is not None else None
        return replace(flow, lost=_lost(flow.sent, arrived), notes=flow.notes + self.notes)


def run(recipe: Recipe) -> list[Observed]:
    """Runs what a recipe tells, to the end of all its flows. Raises RecipeError for what gives none."""
    simulator = Simulator(seed=recipe.seed)
    try:
        clients = [simulator.host(**recipe.hosts) for _ in range(recipe.flows)]
        server = simulator.host(**recipe.hosts)
        near: Engine | Switch = clients[0]
        if len(clients) > 1:
            near = simulator.switch()
            for client in clients:
                simulator.link(client, near)
        simulator.link(near, server, forward=recipe.forward, backward=recipe.backward, **recipe.both)
        flows = [
            simulator.flow(
                client,
                server,
                send=recipe.send,
                reply=recipe.reply,
                start=number * recipe.interval,
                client_habits=recipe.client_habits,
                server_habits=recipe.server_habits,
            )
            for number, client in enumerate(clients)
        ]
    except (ValueError, TypeError) as error:
        raise RecipeError(f"the simulator refuses it: {error}") from error
    observed = observe(simulator, flows)
    if not observed:
        raise RecipeError("no segment was sent: not even ARP passes this link")
    return observed


def run_scenario(path: Path) -> list[Observed]:
    """Runs a scenario file, or that of a capture which `wspstack simulate` has written, with all checks.

    A violation ends the run and is a note of each of its connections. Raises OSError and ScenarioError.
    """
    with path.open("rb") as file:
        recorded = file.read(4) == SECTION_HEADER
    scenario = recorded_scenario(path) if recorded else load_scenario(path)
    network = build(scenario)
    bare = not all(host.get("ethernet", True) for host in scenario.hosts.values())
    observed = observe(network.simulator, network.flows, link=RAW if bare else ETHERNET)
    if not observed:
        raise ScenarioError(f"{path}: no flow of it sends a segment")
    return observed


def observe(
    simulator: Simulator, flows: Sequence[Played], *, until: int = LONGEST, link: int = ETHERNET
) -> list[Observed]:
    """Runs a simulator whose flows are made and whose first event is to come; returns its connections in their order.

    until: ns of virtual time after which nobody waits. link: type of the links: ETHERNET, or RAW for bare IP packets.
    """
    hosts = {end.engine for flow in flows for end in (flow.client, flow.server)}
    for host in hosts:
        host.start_capture(MOST_OCTETS)
    watched: list[tuple[Samples, Samples]] = [
        (simulator.watch(flow.client), simulator.watch(flow.server)) for flow in flows
    ]
    violation = ""
    finished = False
    try:
        finished = simulator.run(until)
        if finished:
            simulator.settle()  # who has sent all is done before the last ACKs arrive
    except Violation as error:
        violation = str(error)
    captured = {host: _connections(host, link) for host in hosts}
    observed = []
    for flow, samples in zip(flows, watched, strict=True):
        notes = (violation,) if violation else _notes(flow, finished)
        number = _initial_number(flow.client)
        at_client = _named(captured[flow.client.engine], number)
        if at_client is not None:
            at_server = _named(captured[flow.server.engine], number)
            observed.append(Observed(at_client, at_server, samples[0].take(), samples[1].take(), notes))
    return observed


def _connections(host: Engine, link: int) -> list[Connection]:
    frames = [(time, octets) for time, _, octets in host.captured()]
    host.stop_capture()
    return find_connections(decode(records_of(frames, link)))


def _initial_number(client: Application) -> int:
    return client.info().get("iss", -1)


def _named(connections: list[Connection], number: int) -> Connection | None:
    """The connection whose client began with this sequence number: ports may be used again."""
    return next((one for one in connections if initial_number(one.forward) == number), None)


def _notes(flow: Played, finished: bool) -> tuple[str, ...]:
    notes = []
    if not finished and not flow.done:
        notes.append("the run was ended before the connection was")
    if any(end.engine.counters().get("CaptureDrops", 0) for end in (flow.client, flow.server)):
        notes.append(f"the first {MOST_OCTETS >> 20} MiB of frames are here, the rest is not: shorten the run")
    return tuple(notes)


def _samples(columns: dict[str, "array[int]"], origin: int) -> SenderSamples:
    time = np.array(columns["time"], dtype=np.int64) - origin

    def series(name: str, least: int = 0, most: int | None = None) -> Series:
        value = np.array(columns[name], dtype=np.int64)
        kept = value > least if most is None else (value > least) & (value < most)
        changed = np.ones(len(value), dtype=bool)
        changed[1:] = value[1:] != value[:-1]
        kept &= changed
        return Series(time[kept], value[kept])

    return SenderSamples(
        cwnd=series("cwnd"),
        ssthresh=series("ssthresh", most=NO_THRESHOLD),
        in_flight=series("in_flight", least=-1),
        srtt=series("srtt"),
        rto=series("rto"),
        pacing_rate=series("pacing_rate"),
        phase=series("phase", least=-1),
    )


def _lost(sent: Sent, arrived: Sent | None) -> Booleans:
    """Returns which segments did not arrive: transmissions of a range for which there are too few arrivals of it.

    An arrival belongs to the latest transmission that can have caused it, as the shortest way that was seen tells.
    """
    if arrived is None:
        return np.ones(len(sent), dtype=bool)
    lost = np.zeros(len(sent), dtype=bool)
    both = np.concatenate((sent.start, arrived.start)), np.concatenate((sent.end, arrived.end))
    names, group = np.unique(np.stack(both, axis=1), return_inverse=True, axis=0)
    ours, theirs = group[: len(sent)], group[len(sent) :]
    transmissions, arrivals = (np.bincount(side, minlength=len(names)) for side in (ours, theirs))
    way = _shortest_way(sent.time, arrived.time, ours, theirs, (transmissions == 1) & (arrivals == 1))
    for name in np.flatnonzero(transmissions > arrivals).tolist():
        lost[ours == name] = _without_arrival(sent.time[ours == name] + way, arrived.time[theirs == name])
    return lost


def _shortest_way(sent: Integers, arrived: Integers, ours: Integers, theirs: Integers, once: Booleans) -> int:
    """The least time (ns) between a transmission and its arrival, of those that there is no doubt about."""
    leaving = np.zeros(len(once), dtype=np.int64)
    coming = leaving.copy()
    leaving[ours], coming[theirs] = sent, arrived
    return int((coming - leaving)[once].min(initial=1 << 62)) if once.any() else 0


def _without_arrival(earliest: Integers, arrivals: Integers) -> Booleans:
    free = np.ones(len(earliest), dtype=bool)
    for arrival in arrivals[::-1].tolist():
        candidates = np.flatnonzero(free & (earliest <= arrival))
        if len(candidates):
            free[candidates[-1]] = False
    return free
