"""Connections of a random scenario: how much goes which way, how applications write and read, and how they end."""

from stack.simulation.dice import Dice
from stack.simulation.scenario import FlowPlan, Settings

MICROSECOND = 1_000
MILLISECOND = 1_000_000
SECOND = 1_000_000_000

LARGE_BACKLOG = 65536  # no scenario fills it


def random_flows(dice: Dice, hosts: dict[str, Settings], *, healed: int) -> list[FlowPlan]:
    """Draws 1 to 8 connections between any of the hosts."""
    names = list(hosts)
    count = dice.pick((1, 1, 1, 1, 2, 2, 3, 4, 6, 8))
    # segments of all connections together: most scenarios are short, some go through every phase of a long transfer
    budget = dice.pick((50, 200, 400, 1000, 2000, 4000)) if dice.chance(97) else dice.scale(4000, 60000)
    backlog = dice.pick((1, 2, 4)) if dice.chance(15) else LARGE_BACKLOG
    late = dice.pick((0, MILLISECOND, 100 * MILLISECOND, max(1, healed)))
    flows: list[FlowPlan] = []
    for _ in range(count):
        client = dice.pick(names)
        server = dice.pick([name for name in names if name != client])
        plan = _flow(dice, client, server, hosts, budget // count, late)
        plan.backlog = backlog
        if dice.chance(6):
            # no listener is there: each end has a port of its own
            plan.together, plan.port = True, 6000 + len(flows)
        flows.append(plan)
    return flows


def _flow(dice: Dice, client: str, server: str, hosts: dict[str, Settings], budget: int, late: int) -> FlowPlan:
    segment = max(16, min(hosts[name].get("mtu", 1500) for name in (client, server)) - 60)
    habits = [_habits(dice), _habits(dice)]
    narrow = dice.chance(4)
    if narrow:
        # windows that close on both sides at once, again and again: probes meet probes
        budget = min(budget, 400)
        for habit in habits:
            habit.update(_narrow(dice))
    grain = [_grain(hosts, client, server, habits[0], habits[1], segment)]
    grain.append(_grain(hosts, server, client, habits[1], habits[0], segment))
    kind = dice.pick(("up", "down", "both", "both", "request", "tiny"))
    up, down = (dice.scale(1, max(2, budget * size)) for size in grain)
    if narrow:
        pass
    elif kind == "up":
        down = 0
    elif kind == "down":
        up = 0
    elif kind == "tiny":
        up, down = dice.between(0, 3), dice.between(0, 3)
    plan = FlowPlan(client, server, send=up, reply=down, client_habits=habits[0], server_habits=habits[1])
    if kind == "request":
        # an answer to all of it, or to its beginning
        habits[1]["wait"] = up if dice.chance(60) else dice.between(1, up)
    _stalls(dice, habits[0], down)
    _stalls(dice, habits[1], up)
    _ends(dice, plan)
    plan.port = dice.pick((80, 80, 81, 5001))
    plan.start = dice.between(0, late)
    return plan


def _habits(dice: Dice) -> Settings:
    habits: Settings = {}
    if dice.chance(30):
        habits["write_size"] = dice.scale(1, 65536)
    if dice.chance(20):
        habits["burst"] = dice.scale(1, 100_000)
        habits["think"] = dice.scale(MICROSECOND, 30 * SECOND if dice.chance(20) else SECOND)
    if dice.chance(25):
        habits["read_size"] = dice.scale(1, 100_000)
        if dice.chance(60):
            habits["read_pause"] = dice.scale(MICROSECOND, 500 * MILLISECOND)
    if dice.chance(25):
        habits["nodelay"] = 1
    if dice.chance(15):
        habits["receive_buffer"] = dice.scale(500, 200_000)
    if dice.chance(15):
        habits["send_buffer"] = dice.scale(500, 200_000)
    return habits


def _narrow(dice: Dice) -> Settings:
    """A reader that takes little at a time, out of a buffer of a few segments."""
    return {
        "receive_buffer": dice.scale(500, 8000),
        "read_size": dice.scale(500, 4000),
        "read_pause": dice.scale(100 * MILLISECOND, 5 * SECOND),
    }


def _grain(
    hosts: dict[str, Settings], sender: str, receiver: str, writing: Settings, reading: Settings, segment: int
) -> int:
    """Bytes that one segment, or one call, moves at the worst."""
    buffer = int(reading.get("receive_buffer") or hosts[receiver].get("receive_buffer", 1 << 20))
    own = int(writing.get("send_buffer") or hosts[sender].get("send_buffer", 1 << 20))
    grain = min(segment, max(1, buffer // 2), max(1, own // 2))
    if writing.get("nodelay"):
        grain = min(grain, writing.get("write_size", segment))
    # calls cost less than segments
    grain = min(grain, 4 * writing.get("write_size", segment), writing.get("burst", segment))
    return int(max(1, min(grain, 4 * reading.get("read_size", segment))))


def _stalls(dice: Dice, habits: Settings, receives: int) -> None:
    """A reader that does not read for a while, from the beginning or on the way: a window that closes."""
    if receives and dice.chance(25):
        habits["stall_after"] = 0 if dice.chance(30) else dice.between(0, receives)
        habits["stall"] = dice.scale(MILLISECOND, 100 * SECOND)


def _ends(dice: Dice, plan: FlowPlan) -> None:
    """How each end ends: not both can wait for the other."""
    client, server = plan.client_habits, plan.server_habits
    if dice.chance(8):
        dice.pick((client, server))["end"] = dice.pick(("abort", "abort", "close"))
        return
    if plan.reply == 0 and dice.chance(30):
        client["end"] = "close"
    elif plan.send == 0 and dice.chance(30):
        server["end"] = "close"
    elif dice.chance(30):
        dice.pick((client, server))["end"] = "wait"
