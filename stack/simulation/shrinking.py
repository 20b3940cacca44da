"""Makes a scenario that violates an invariant smaller while it still does: what is left is what matters."""

import copy
import dataclasses
from collections.abc import Callable, Iterator

from stack.simulation.random_hosts import PATIENCE
from stack.simulation.running import run
from stack.simulation.scenario import LinkPlan, Scenario, ScenarioError, Settings

# what must stay: hosts join only those of one kind, and whoever is not patient may fail
NEEDED = {"ethernet", *PATIENCE}
# violations that a link with more faults at its end has by itself
NEEDING_HEALTH = {"liveness", "delivery"}
# what a healed link has less of, and what it has more of
WORSE, BETTER = ("loss", "burst_begin", "corrupt", "truncate", "down"), ("mtu", "rate", "queue")

Cut = Callable[[Scenario], Iterator[Scenario]]
"""Yields scenarios with one thing less."""


def shrink(scenario: Scenario, invariant: str, *, tries: int = 3000) -> Scenario:
    """Returns the smallest scenario found within `tries` runs that still violates `invariant`."""
    health = _health(scenario) if invariant in NEEDING_HEALTH else None
    smaller = True
    while smaller and tries > 0:
        smaller = False
        for cut in CUTS:
            found: Scenario | None = scenario
            while found is not None and tries > 0:
                found = None
                for candidate in cut(scenario):
                    tries -= 1
                    if (health is None or _is_healthy(candidate, health)) and _violates(candidate, invariant):
                        scenario, found, smaller = candidate, candidate, True
                        break
                    if tries <= 0:
                        break
    return scenario


def _violates(scenario: Scenario, invariant: str) -> bool:
    try:
        outcome = run(scenario)
    except ScenarioError:
        return False
    return outcome.violation is not None and outcome.violation.invariant == invariant


# ---- what links are like in the end


def _final(link: LinkPlan) -> Iterator[Settings]:
    """Yields what each direction does after its last change."""
    for own in (link.forward, link.backward):
        settings = {**link.both, **own}
        for _, change in settings.get("changes", ()):
            settings.update(change)
        yield settings


def _health(scenario: Scenario) -> dict[str, int]:
    """The worst of what all links do in the end."""
    last = [settings for link in scenario.links for settings in _final(link)]
    health = {name: max(settings.get(name, 0) for settings in last) for name in WORSE}
    return health | {name: min(settings.get(name, 1 << 40) or 1 << 40 for settings in last) for name in BETTER}


def _is_healthy(scenario: Scenario, health: dict[str, int]) -> bool:
    found = _health(scenario)
    return all(found[name] <= health[name] for name in WORSE) and all(found[name] >= health[name] for name in BETTER)


# ---- cuts


def _fewer_flows(scenario: Scenario) -> Iterator[Scenario]:
    for number in reversed(range(len(scenario.flows))):
        if len(scenario.flows) > 1:
            smaller = copy.deepcopy(scenario)
            del smaller.flows[number]
            yield smaller


def _fewer_hosts(scenario: Scenario) -> Iterator[Scenario]:
    """Leaves out hosts without a flow."""
    busy = {name for flow in scenario.flows for name in (flow.client, flow.server)}
    for name in scenario.hosts:
        if name not in busy:
            smaller = copy.deepcopy(scenario)
            del smaller.hosts[name]
            smaller.links = [link for link in smaller.links if name not in link.ends]
            yield smaller


def _fewer_switches(scenario: Scenario) -> Iterator[Scenario]:
    """Joins the neighbors of a switch that has two."""
    for name in scenario.switches:
        links = [link for link in scenario.links if name in link.ends]
        if len(links) > 2:
            continue
        smaller = copy.deepcopy(scenario)
        smaller.switches.remove(name)
        smaller.links = [link for link in smaller.links if name not in link.ends]
        if len(links) == 2:
            ends = [next(end for end in link.ends if end != name) for link in links]
            for kept in links:
                yield _with_link(smaller, LinkPlan((ends[0], ends[1]), kept.both, kept.forward, kept.backward))
        else:
            yield smaller


def _with_link(scenario: Scenario, link: LinkPlan) -> Scenario:
    wider = copy.deepcopy(scenario)
    wider.links.append(copy.deepcopy(link))
    return wider


def _fewer_faults(scenario: Scenario) -> Iterator[Scenario]:
    for number, link in enumerate(scenario.links):
        for name in ("both", "forward", "backward"):
            for settings in _less(getattr(link, name)):
                smaller = copy.deepcopy(scenario)
                setattr(smaller.links[number], name, settings)
                yield smaller


def _fewer_tunables(scenario: Scenario) -> Iterator[Scenario]:
    for host, arguments in scenario.hosts.items():
        for settings in _less(arguments):
            smaller = copy.deepcopy(scenario)
            smaller.hosts[host] = settings
            yield smaller


def _fewer_habits(scenario: Scenario) -> Iterator[Scenario]:
    for number, flow in enumerate(scenario.flows):
        for name in ("client_habits", "server_habits"):
            for settings in _less(getattr(flow, name)):
                smaller = copy.deepcopy(scenario)
                setattr(smaller.flows[number], name, settings)
                yield smaller


def _fewer_bytes(scenario: Scenario) -> Iterator[Scenario]:
    if scenario.start:
        yield dataclasses.replace(copy.deepcopy(scenario), start=0)
    for number, flow in enumerate(scenario.flows):
        if flow.backlog != 65536:
            smaller = copy.deepcopy(scenario)
            smaller.flows[number].backlog = 65536
            yield smaller
        for name in ("start", "reply", "send"):
            value = getattr(flow, name)
            for less in sorted({0, value // 2, value * 9 // 10, max(0, value - 1)} - {value}):
                smaller = copy.deepcopy(scenario)
                setattr(smaller.flows[number], name, less)
                yield smaller


def _less(settings: Settings) -> Iterator[Settings]:
    """Yields settings with nothing that can be left out, then with one thing less, lists with one item less."""
    needed = {name: value for name, value in settings.items() if name in NEEDED}
    if len(needed) + 1 < len(settings):
        yield needed
    for name in [name for name in settings if name not in needed]:
        yield {other: value for other, value in settings.items() if other != name}
    for name, value in settings.items():
        if isinstance(value, list) and len(value) > 1:
            for place in range(len(value)):
                yield settings | {name: value[:place] + value[place + 1 :]}


CUTS: tuple[Cut, ...] = (
    _fewer_flows, _fewer_hosts, _fewer_faults, _fewer_tunables, _fewer_habits, _fewer_switches, _fewer_bytes,
)  # fmt: skip
