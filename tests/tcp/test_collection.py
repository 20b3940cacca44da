"""A garbage collection may start at any allocation, and a finalizer it runs may call the core."""

import os
import subprocess
import sys

# In a process of its own: a lock that is taken twice cannot be left again.
PROGRAM = """
import faulthandler, gc
from tests.tcp.scripted_peer import Host, Peer
faulthandler.dump_traceback_later(20, exit=True)
host = Host()
peer = Peer(host)
endpoint = peer.open_passively()
calls = []

class Garbage:
    def __init__(self):
        self.me = self

    def __del__(self):
        calls.append(endpoint.readiness)

for threshold in range(1, 12):
    peer.send("A", text=b"x")
    gc.collect()
    gc.disable()
    Garbage()
    gc.set_threshold(threshold)
    gc.enable()
    host.engine.events()
gc.collect()
assert len(calls) == 11, calls
"""


def test_finalizer_that_calls_the_core_while_events_are_taken_does_not_block() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


# Freed memory is filled, so that whoever follows a pointer into it falls.
CYCLE = """
import gc
from netcore.simulator import Simulator
from netcore.impair import Impairment
gc.disable()
for _ in range(20):
    simulator = Simulator(seed=1)
    left, right = simulator.host(), simulator.host()
    simulator.link(left, right, forward=Impairment(seed=1, delay=50_000_000))
    left.connect(1234, (bytes((10, 0, 0, 2)), 80))
    simulator.run_until(10_000_000)
    cycle = [simulator, left, right]
    cycle.append(cycle)
    del simulator, left, right, cycle
    gc.collect()
"""


def test_simulator_in_a_cycle_is_taken_down_before_its_hosts_and_links() -> None:
    environment = {**os.environ, "MALLOC_PERTURB_": "165"}
    done = subprocess.run([sys.executable, "-c", CYCLE], capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr
