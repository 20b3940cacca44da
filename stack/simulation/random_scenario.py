"""A scenario in which everything is drawn from one seed."""

from itertools import pairwise

from netcore.engine import tunable_names
from stack.simulation.dice import Dice
from stack.simulation.random_flows import random_flows
from stack.simulation.random_hosts import random_hosts
from stack.simulation.random_links import Weather, random_link, random_weather
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
    return scenario


def _join(dice: Dice, weather: Weather, scenario: Scenario) -> None:
    """Makes the links: hosts at random switches, and the switches in a row."""
    names, switches = list(scenario.hosts), scenario.switches
    if not switches:
        scenario.links.append(LinkPlan((names[0], names[1]), **random_link(dice, weather, access=False)))
        return
    for one, other in pairwise(switches):
        scenario.links.append(LinkPlan((one, other), **random_link(dice, weather, access=False)))
    for number, name in enumerate(names):
        # the ends of the row are never bare
        place = dice.pick(switches) if number > 1 else switches[-number]
        scenario.links.append(LinkPlan((name, place), **random_link(dice, weather, access=len(switches) > 1)))
