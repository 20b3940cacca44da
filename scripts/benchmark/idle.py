#!/usr/bin/env python3
"""Measures what idle established connections cost the core: bytes of its memory for each.

    idle.py kernel COUNT CLIENT    connections of the kernel's TCP to this stack on a TAP device (CLIENT: the C program)
    idle.py simulated COUNT        connections between two hosts of the simulator, whose two ends are counted each

Prints one line of JSON. The core's bytes are what malloc has handed out: Python's objects do not come from there.
"""

import argparse
import ctypes
import gc
import json
import math
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from netcore.endpoint import Endpoint
from netcore.engine import Engine
from netcore.listener import Listener
from netcore.simulator import Simulator
from stack.assembly import Stack
from stack.config import StackConfig
from tapdev import Lab

FIRST_PORT = 2000
PER_PORT = 6000  # connections; a client has more ports than that towards each of ours
BACKLOG = 65535
WARM_UP = 1000  # connections, for what is allocated once
ROOM = 4 << 30  # bytes that a stack may take
AT_A_TIME = 1000
SPARE = 100  # descriptors of a client that are no connections
MILLISECOND = 1_000_000


class Usage(ctypes.Structure):
    """glibc's struct mallinfo2."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    ]  # fmt: skip


def allocated() -> Callable[[], int]:
    """Returns a function for the bytes that malloc has handed out."""
    mallinfo = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if mallinfo is None:
        sys.exit("idle: this C library has no mallinfo2 (glibc 2.33)")
    mallinfo.restype = Usage

    def read() -> int:
        usage = mallinfo()
        return int(usage.uordblks + usage.hblkhd)

    return read


def resident() -> int:
    """Bytes of this process that are in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


class Held:
    """Connections that are kept, in a list that takes its memory beforehand, and what they cost."""

    def __init__(self, most: int) -> None:
        self.endpoints: list[Any] = [None] * most
        self.count = 0
        self._allocated = allocated()
        self._first = (0, 0, 0)

    def add(self, endpoint: object) -> None:
        """Keeps one more."""
        self.endpoints[self.count] = endpoint
        self.count += 1

    def begin(self) -> None:
        """What comes from here on is counted."""
        gc.collect()
        self._first = (self.count, self._allocated(), resident())

    def costs(self) -> dict[str, Any]:
        """Returns bytes of the core and of resident memory for each connection since `begin`."""
        gc.collect()
        count, core, memory = (now - then for now, then in zip(self._now(), self._first, strict=True))
        told = {"connections": count, "core_bytes": core / count, "resident_bytes": memory / count}
        return {**told, "resident_before": self._first[2], "resident_after": self._first[2] + memory}

    def _now(self) -> tuple[int, int, int]:
        return self.count, self._allocated(), resident()


def listeners(engine: Engine, count: int) -> list[Listener]:
    """Opens listeners at ports from FIRST_PORT on."""
    opened = []
    for port in range(FIRST_PORT, FIRST_PORT + count):
        listener = engine.listen(None, port, BACKLOG)
        if not isinstance(listener, Listener):
            sys.exit(f"idle: port {port} cannot be listened at: status {listener}")
        opened.append(listener)
    return opened


def accept_all(opened: list[Listener], held: Held) -> None:
    """Takes what waits at the listeners."""
    for listener in opened:
        while isinstance(endpoint := listener.accept(), Endpoint):
            held.add(endpoint)


def parts(count: int) -> list[int]:
    """Returns how many connections each of as few clients has whose descriptors the machine allows."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    most = count if limit == resource.RLIM_INFINITY else max(limit - SPARE, 1)
    return [min(most, count - first) for first in range(0, count, most)]


def from_kernel(count: int, client: str) -> dict[str, Any]:
    """Lets the kernel open `count` connections to a live stack."""
    held, ports = Held(count + WARM_UP), math.ceil(count / PER_PORT)
    with Lab() as lab:
        address, gateway = str(lab.stack_address), str(lab.kernel_address)
        config = StackConfig(address=address, prefix=lab.prefix, gateway=gateway, memory_limit=ROOM)
        with Stack(config, tap=lab.tap) as stack:
            opened = listeners(stack.engine, ports)
            holders, wanted = [], 0
            for number, part in enumerate((WARM_UP, *parts(count))):
                if number == 1:
                    held.begin()
                command = [client, "hold", address, "--connections", str(part), "--port", str(FIRST_PORT)]
                pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
                holder = lab.popen([*command, "--ports", str(ports)], text=True, **pipes)
                holders.append(holder)
                assert holder.stdout is not None
                assert holder.stderr is not None
                if not holder.stdout.readline():
                    sys.exit(f"idle: the client says: {holder.stderr.read().strip()}")
                wanted += part
                while held.count < wanted:
                    accept_all(opened, held)
            told = held.costs()
            told["engine"] = stack.engine.usage()
            for holder in holders:
                holder.communicate()
    return told


def simulated(count: int) -> dict[str, Any]:
    """Opens `count` connections between two hosts under one virtual clock."""
    ports = math.ceil((count + WARM_UP) / PER_PORT)
    sim = Simulator(seed=1)
    server, client = sim.host(memory_limit=ROOM), sim.host(memory_limit=ROOM)
    sim.link(server, client, delay=MILLISECOND)
    target = server.local_addresses()[0]
    opened, held = listeners(server, ports), Held(2 * (count + WARM_UP))

    def open_connections(first: int, last: int) -> None:
        before = held.count
        for number in range(first, last):
            port = FIRST_PORT + number // PER_PORT
            endpoint = client.connect(FIRST_PORT + number % PER_PORT, (target, port))
            if not isinstance(endpoint, Endpoint):
                sys.exit(f"idle: connection {number} cannot be opened: status {endpoint}")
            held.add(endpoint)
            if number % AT_A_TIME == AT_A_TIME - 1 or number == last - 1:
                # The first SYNs wait for an Ethernet address, and more of them than may wait come again later.
                while held.count < before + 2 * (number + 1 - first):
                    sim.run_until(sim.now + 10 * MILLISECOND)
                    accept_all(opened, held)
                server.events()
                client.events()

    open_connections(0, WARM_UP)
    held.begin()
    open_connections(WARM_UP, WARM_UP + count)
    return {**held.costs(), "engine": server.usage()}


def main() -> None:
    """Reads the command line and does what it says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["kernel", "simulated"])
    parser.add_argument("count", type=int)
    parser.add_argument("client", nargs="?")
    options = parser.parse_args()
    if options.kind == "kernel":
        if options.client is None:
            parser.error("kernel: the client's path is missing")
        print(json.dumps(from_kernel(options.count, options.client)))
    else:
        print(json.dumps(simulated(options.count)))


if __name__ == "__main__":
    main()
