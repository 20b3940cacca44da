"""A scenario in which everything is drawn from one seed."""

from dataclasses import replace
from itertools import pairwise

from netcore.engine import tunable_names
from stack.simulation.dice import Dice
from stack.simulation.random_flows import LARGE_BACKLOG, random_flows
from stack.simulation.random_hosts import random_hosts
from stack.simulation.random_links import Weather, random_link, random_weather
from stack.simulation.running import build
from stack.simulation.scenario import LinkPlan, Scenario

_TUNABLES = tunable_names()


def random_scenario(seed: int) -> Scenario:
    """Returns the scenario of `seed`: the same for every run of one version of the core."""
    dice = Dice(seed)
    shape = dice.pick(("pair", "pair", "pair", "pair", "star", "star", "dumbbell", "dumbbell", "chain"))
    patient = dice.chance(85)
    hosts = random_hosts(dice, 2 if shape == "pair" else dice.between(2, 6), patient=patient, tunables=_TUNABLES)
    mtu = max(host.get("mtu", 1500) for host in hosts.values())
    weather = random_weather(dice, mtu=mtu, ethernet=hosts["h1"]["ethernet"])
    switches = {"pair": 0, "star": 1, "dumbbell": 2, "chain": dice.between(3, 6)}[shape]
    scenario = Scenario(
        seed=seed,
        hosts=hosts,
        switches=[f"s{number + 1}" for number in range(switches)],
        links=[],
        flows=random_flows(dice, hosts, healed=weather.healed),
        patient=patient,
    )
    _join(dice, weather, scenario)
    if any(plan.backlog < LARGE_BACKLOG for plan in scenario.flows):
        _guard(dice, scenario)
    if dice.chance(4):
        scenario.start = _start_before_a_wrap(dice, scenario)
    return scenario


def _guard(dice: Dice, scenario: Scenario) -> None:
    """Whether listeners whose queues are soon full use cookies, which is no matter for the patient.

    Under attack a listener drops half-open connections without a word when a cookie needs their slot (LISTEN-75), and
    the peer of one that thinks it is connected gets a reset (LISTEN-76).
    """
    scenario.patient = scenario.patient and dice.chance(80)
    if scenario.patient:
        for host in scenario.hosts.values():
            host["syn_protection"] = 0


def _start_before_a_wrap(dice: Dice, scenario: Scenario) -> int:
    """Returns a time (ns) at which the first connection begins so that the numbers of one end pass zero on the way.

    Initial sequence numbers go up by one each 4 us (RFC 9293 3.4.1): a run from time 0 tells them.
    """
    network = build(scenario, check=False)
    flow = network.flows[0]
    ends = (flow.client, flow.server)
    while not (flow.client.connected_at or flow.done) and network.simulator.step():
        pass
    end = dice.pick(ends)
    first = end.info().get("iss", 0)
    before = dice.scale(1, 50_000)
    return (0x1_0000_0000 - before - first) % 0x1_0000_0000 * 4000


def _join(dice: Dice, weather: Weather, scenario: Scenario) -> None:
    """Makes the links: hosts at random switches, and the switches in a row."""
    names, switches = list(scenario.hosts), scenario.switches
    if not switches:
        scenario.links.append(LinkPlan((names[0], names[1]), **random_link(dice, weather, access=False)))
        return
    # the ends of the row are never bare
    places = [switches[-number] if number < 2 else dice.pick(switches) for number in range(len(names))]
    pairs = [(pair, False) for pair in pairwise(switches)]
    pairs += [(pair, len(switches) > 1) for pair in zip(names, places, strict=True)]
    # two wrong bits may leave the checksum right, so no frame meets more than one link that flips one
    flipping = dice.between(0, len(pairs) - 1)
    true = replace(weather, faults=weather.faults - {"corrupt"})
    for number, (ends, access) in enumerate(pairs):
        settings = random_link(dice, weather if number == flipping else true, access=access)
        scenario.links.append(LinkPlan(ends, **settings))
