"""Hosts of a random scenario: whatever changes how a connection behaves, away from its default now and then."""

from netcore.engine import congestion_names
from stack.simulation.dice import Dice
from stack.simulation.scenario import Settings

MILLISECOND = 1_000_000
SECOND = 1_000_000_000

MTUS = (1500, 1500, 1500, 1500, 1492, 1280, 1006, 576, 296, 100, 4000, 9000, 65535)
SWITCHES = ("timestamps", "window_scaling", "sack", "frto")

# for longer than any outage of a random scenario: whoever fails all the same has given up too early. TIME-WAIT is to
# outlast the time-outs of the other end's FIN, to which a reset would be the answer.
PATIENCE: Settings = {
    "syn_retries": 200,
    "synack_retries": 200,
    "data_retries": 200,
    "neighbor_tries": 4000,
    "user_timeout": 24 * 3600 * SECOND,
    "fin_wait_2": 1200 * SECOND,
    "msl": 600 * SECOND,
}


def random_hosts(dice: Dice, count: int, *, patient: bool, tunables: dict[str, int]) -> dict[str, Settings]:
    """Returns `count` hosts by name; all have Ethernet headers, or none."""
    ethernet = dice.chance(70)
    # of one make, or each of its own
    alike = dice.chance(40)
    hosts: dict[str, Settings] = {}
    model: Settings = {}
    for number in range(count):
        if not (alike and number):
            model = _host(dice)
            model["ethernet"] = ethernet
            if patient:
                model.update(PATIENCE)
        own = {name: value for name, value in model.items() if name in tunables or name in ARGUMENTS}
        hosts[f"h{number + 1}"] = own
    return hosts


ARGUMENTS = {"mtu", "ethernet", "vnet_header", "offloads", "congestion"}


def _host(dice: Dice) -> Settings:
    host: Settings = {"congestion": dice.pick(congestion_names())}
    if dice.chance(40):
        host["mtu"] = dice.pick(MTUS)
    if dice.chance(30):
        host["vnet_header"] = True
        host["offloads"] = dice.chance(70)
        if dice.chance(20):
            host["maximum_superframe"] = dice.scale(3000, 65160)
    for name in SWITCHES:
        if dice.chance(25):
            host[name] = 0
    if dice.chance(25):
        host["pacing"] = 1
    if dice.chance(50):
        host["ecn"] = dice.pick((0, 1, 1, 3, 3))
    if dice.chance(40):
        host["receive_buffer"] = dice.scale(100 if dice.chance(10) else 1000, 1 << 20)
    if dice.chance(30):
        host["send_buffer"] = dice.scale(1 if dice.chance(10) else 1000, 1 << 20)
    if dice.chance(30):
        host["initial_window"] = dice.pick((1, 2, 3, 4, 10, 20, 40))
    if dice.chance(30):
        host["delayed_ack"] = dice.scale(MILLISECOND, 500 * MILLISECOND)
    if dice.chance(20):
        host["quick_acks"] = dice.between(0, 16)
    if dice.chance(30):
        host["rto_minimum"] = dice.scale(5 * MILLISECOND, SECOND)
    if dice.chance(15):
        host["rto_initial"] = dice.scale(100 * MILLISECOND, 3 * SECOND)
        host["syn_rto"] = dice.scale(100 * MILLISECOND, 3 * SECOND)
    if dice.chance(15):
        # RFC 6298 2.5: no less than 60 s; what is sent again each 2 s fills a slow link for ever
        host["rto_maximum"] = dice.scale(60 * SECOND, 120 * SECOND)
        host["persist_maximum"] = dice.scale(2 * SECOND, 120 * SECOND)
    if dice.chance(20):
        host["maximum_holes"] = dice.scale(1, 128)
    if dice.chance(15):
        host["neighbor_lifetime"] = dice.scale(10 * MILLISECOND, 10 * SECOND)
    if dice.chance(10):
        host["neighbor_queue"] = dice.scale(1, 64)
    if dice.chance(15):
        host["msl"] = dice.scale(MILLISECOND, 30 * SECOND)
    if dice.chance(10):
        host["syn_protection"] = 0
    if dice.chance(5):
        host["memory_limit"] = dice.scale(1 << 18, 1 << 24)
    return host
