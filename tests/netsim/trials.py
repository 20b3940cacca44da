"""What the processes of a campaign do in tests of the campaign."""

import os
import signal
import time

from stack.simulation.campaign import Finding, Totals, try_seed
from stack.simulation.random_scenario import random_scenario
from stack.simulation.running import build, finish

BAD = 21


def violating(seed: int, totals: Totals) -> Finding | None:
    """Seeds BAD and BAD + 3 violate an invariant."""
    if seed not in (BAD, BAD + 3):
        return try_seed(seed, totals)
    scenario = random_scenario(seed)
    network = build(scenario)
    network.simulator.violate("retransmission_armed")
    outcome = finish(scenario, network)
    totals.count(outcome, 1)
    assert outcome.violation is not None
    return Finding(seed, outcome.violation.invariant, str(outcome.violation))


def crashing(seed: int, totals: Totals) -> Finding | None:
    """Seed BAD kills its process."""
    if seed == BAD:
        os.kill(os.getpid(), signal.SIGKILL)
    totals.seeds += 1
    return None


def hanging(seed: int, totals: Totals) -> Finding | None:
    """Seed BAD never ends."""
    while seed == BAD:
        time.sleep(1)
    totals.seeds += 1
    return None
