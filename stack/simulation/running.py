"""Runs a scenario in the simulator of the core."""

from dataclasses import dataclass

from netcore.endpoint import OK, status_name
from netcore.engine import Engine
from netcore.flows import Flow
from netcore.simulator import Simulator, Violation
from netcore.topology import Link, Switch
from stack.simulation.scenario import FlowPlan, Scenario, ScenarioError

# virtual time (ns) after which nobody waits for the end of a scenario whose hosts may give up
LONGEST = 4 * 3600 * 1_000_000_000


@dataclass(slots=True)
class Network:
    """A scenario that has been built, its first event still to come. Links and flows in the scenario's order."""

    simulator: Simulator
    hosts: dict[str, Engine]
    links: list[Link]
    flows: list[Flow]


@dataclass(slots=True)
class Outcome:
    """What came of a run.

    trace_hash: over every frame; the same for every run of the scenario by the same core. time: virtual, ns.
    received: bytes that applications got. failed: connections that ended by a reset or a time-out.
    violation: the invariant that did not hold; None: all did.
    """

    trace_hash: int = 0
    time: int = 0
    events: int = 0
    frames: int = 0
    segments: int = 0
    received: int = 0
    failed: int = 0
    violation: Violation | None = None

    def __str__(self) -> str:
        kept = f"VIOLATION {self.violation}" if self.violation else "no violation"
        return (
            f"trace {self.trace_hash:016x}, {self.time / 1e9:.3f} s, {self.events} events, {self.frames} frames, "
            f"{self.segments} segments, {self.received} bytes received, {self.failed} connections failed: {kept}"
        )


def build(scenario: Scenario, *, check: bool = True) -> Network:
    """Builds the network of a scenario. Raises ScenarioError that says what cannot be built."""
    try:
        simulator = Simulator(seed=scenario.seed, check=check, start=scenario.start, events=scenario.events)
    except (ValueError, OverflowError) as error:
        raise ScenarioError(f"start {scenario.start}, events {scenario.events}: {error}") from None
    ends: dict[str, Engine | Switch] = {}
    network = Network(simulator, {}, [], [])
    origin = {"origin": scenario.start} if scenario.start else {}
    place = ""
    try:
        for place, arguments in scenario.hosts.items():
            ends[place] = network.hosts[place] = simulator.host(**arguments)
        for place in scenario.switches:
            if place in ends:
                raise ValueError("a host or switch of this name is here already")
            ends[place] = simulator.switch(place)
        for number, link in enumerate(scenario.links):
            place = f"link {number}"
            one, other = (ends[name] for name in link.ends)
            network.links.append(
                simulator.link(one, other, forward=link.forward, backward=link.backward, **origin, **link.both)
            )
        for number, flow in enumerate(scenario.flows):
            place = f"flow {number}"
            network.flows.append(_flow(network, flow, scenario.start))
    except KeyError as error:
        raise ScenarioError(f"{place}: there is no host or switch {error}") from None
    except (TypeError, ValueError, OverflowError) as error:
        raise ScenarioError(f"{place}: {error}") from None
    return network


def _flow(network: Network, plan: FlowPlan, start: int) -> Flow:
    return network.simulator.flow(
        network.hosts[plan.client],
        network.hosts[plan.server],
        send=plan.send,
        reply=plan.reply,
        port=plan.port,
        start=start + plan.start,
        backlog=plan.backlog,
        together=plan.together,
        client_habits=plan.client_habits,
        server_habits=plan.server_habits,
    )


def finish(scenario: Scenario, network: Network) -> Outcome:
    """Runs a built network to its end and looks at what has come of it."""
    simulator = network.simulator
    outcome = Outcome()
    try:
        if scenario.patient:
            simulator.run()
            _check_patience(scenario, network)
        else:
            # whoever gives up lets the other end wait for ever, which is nobody's fault
            simulator.run_until(min(simulator.deadline, scenario.start + LONGEST))
        if not all(flow.done for flow in network.flows):
            # an end whose peer is gone and that only receives finds out from a keepalive or never (RFC 9293 3.8.4)
            for host in network.hosts.values():
                host.abort_all()
        simulator.settle()
    except Violation as violation:
        outcome.violation = violation
    counters = simulator.counters()
    outcome.trace_hash = simulator.trace_hash
    outcome.time = simulator.now - scenario.start
    outcome.events, outcome.frames, outcome.segments = (counters[name] for name in ("events", "frames", "segments"))
    for flow in network.flows:
        outcome.received += flow.client.received + flow.server.received
        outcome.failed += flow.client.status != OK or flow.server.status != OK
    return outcome


def run(scenario: Scenario, *, check: bool = True) -> Outcome:
    """Builds and runs a scenario."""
    return finish(scenario, build(scenario, check=check))


def is_rude(plan: FlowPlan) -> bool:
    """Whether an end of the connection resets it, or closes on what the other still sends."""
    client, server = plan.client_habits.get("end", "shut"), plan.server_habits.get("end", "shut")
    return (
        "abort" in (client, server) or (client == "close" and plan.reply > 0) or (server == "close" and plan.send > 0)
    )


def _check_patience(scenario: Scenario, network: Network) -> None:
    """Raises Violation when a connection failed that nobody reset."""
    simulator = network.simulator
    for plan, flow in zip(scenario.flows, network.flows, strict=True):
        if is_rude(plan):
            continue
        for side, host in ((flow.client, plan.client), (flow.server, plan.server)):
            if side.status != OK:
                raise Violation(
                    "delivery",
                    network.hosts[host].address,
                    f"{plan.client} > {plan.server}:{plan.port}, {host}: {status_name(side.status)}",
                    simulator.now,
                    simulator.counters()["events"],
                    {"sent": side.sent, "received": side.received},
                    scenario.seed,
                )
