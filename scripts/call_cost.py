#!/usr/bin/env python3
"""Measures what one WSPSend and one WSPRecv of 1 byte cost: two hosts in memory, driven by hand, no thread.

Examples:
  scripts/call_cost.py
  scripts/call_cost.py --rounds 200 --json
"""

import ctypes
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "cython"))

from stack.assembly import make_engine
from stack.config import StackConfig
from stack.driving import PairDriver
from stack.wsp import constants
from stack.wsp.provider import Provider
from stack.wsp.structures import WSPDATA, WSPPROC_TABLE, sockaddr_in

CALLS = 1000  # in a round; so many bytes fit into every queue on the way
MILLISECOND = 1_000_000
PORT = 7


class Measured:
    """A connection between two hosts under virtual time; the left one sends, the right one receives."""

    def __init__(self) -> None:
        configs = [StackConfig(address=f"10.0.0.{number}", seed=bytes([number]) * 16) for number in (1, 2)]
        self._driver = PairDriver(make_engine(configs[0]), make_engine(configs[1]))
        self._sides = (self._driver.left, self._driver.right)
        self.left, self.right = (
            _started(Provider(side, config)) for side, config in zip(self._sides, configs, strict=True)
        )
        self._error = ctypes.c_int()
        here, there = sockaddr_in.of("0.0.0.0", PORT), sockaddr_in.of("10.0.0.2", PORT)
        listener = self._socket(self.right)
        assert self.right.WSPBind(listener, here, 16, self._error) == 0
        assert self.right.WSPListen(listener, 5, self._error) == 0
        self.sender = self._socket(self.left)
        assert self.left.WSPConnect(self.sender, there, 16, None, None, None, None, self._error) == 0
        self._driver.run(MILLISECOND)
        self.receiver = self.right.WSPAccept(listener, None, None, None, 0, self._error)
        assert self.receiver != constants.INVALID_SOCKET

    def _socket(self, table: WSPPROC_TABLE) -> int:
        handle: int = table.WSPSocket(
            constants.AF_INET, constants.SOCK_STREAM, constants.IPPROTO_TCP, None, 0, 1, self._error
        )
        assert handle != constants.INVALID_SOCKET
        return handle

    def set_nodelay(self, on: bool) -> None:
        """Whether each byte sent is a segment of its own; else the algorithm of Nagle collects them."""
        value = ctypes.c_int(on)
        assert not self.left.WSPSetSockOpt(
            self.sender, constants.IPPROTO_TCP, constants.TCP_NODELAY, value, ctypes.sizeof(value), self._error
        )

    def send(self, buffer: Any, calls: int = CALLS) -> float:
        """Sends `buffer` so many times; returns ns per call."""
        send, s, sent, error = self.left.WSPSend, self.sender, ctypes.c_uint32(), ctypes.c_int()
        numbers = range(calls)
        start = time.perf_counter_ns()
        for _ in numbers:
            send(s, buffer, 1, sent, 0, None, None, None, error)
        spent = time.perf_counter_ns() - start
        assert sent.value == len(buffer)
        return spent / calls

    def deliver(self) -> None:
        """Lets everything sent arrive."""
        self._driver.run(1000 * MILLISECOND)

    def receive(self, buffer: Any, calls: int = CALLS) -> float:
        """Receives into `buffer` so many times; returns ns per call."""
        receive, s, received, flags = self.right.WSPRecv, self.receiver, ctypes.c_uint32(), ctypes.c_uint32()
        error, numbers = ctypes.c_int(), range(calls)
        start = time.perf_counter_ns()
        for _ in numbers:
            receive(s, buffer, 1, received, flags, None, None, None, error)
        spent = time.perf_counter_ns() - start
        assert received.value == len(buffer)
        return spent / calls


def _started(provider: Provider) -> WSPPROC_TABLE:
    table = WSPPROC_TABLE()
    assert provider.WSPStartup(0x0202, WSPDATA(), None, None, table) == 0
    return table


def call_costs(rounds: int = 100) -> dict[str, float]:
    """Returns the median ns of a call of 1 byte over `rounds` of 1,000 calls each.

    `send` and `receive`: the calls alone (the bytes are collected into few segments). `send_segment`: a call that puts
    a segment on the link as well. `loop`: the Python loop around them, which the others contain.
    """
    measured = Measured()
    figures: dict[str, list[float]] = {"send": [], "receive": [], "send_segment": [], "loop": []}
    one, place = b"x", bytearray(1)
    for _ in range(rounds):
        for name, nodelay in (("send", False), ("send_segment", True)):
            measured.set_nodelay(nodelay)
            figures[name].append(measured.send(one))
            measured.deliver()
            figures["receive"].append(measured.receive(place))
        start = time.perf_counter_ns()
        for _ in range(CALLS):
            pass
        figures["loop"].append((time.perf_counter_ns() - start) / CALLS)
    return {name: statistics.median(found) for name, found in figures.items()}


@click.command(help=__doc__, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--rounds", type=click.IntRange(1), default=100, show_default=True, help="Of 1,000 calls each.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
def main(rounds: int, as_json: bool) -> None:
    """The command."""
    figures = call_costs(rounds)
    if as_json:
        print(json.dumps({name: round(figure, 1) for name, figure in figures.items()}))
        return
    print(f"WSPSend of 1 byte:                  {figures['send']:6.0f} ns")
    print(f"WSPSend of 1 byte, a segment each:  {figures['send_segment']:6.0f} ns")
    print(f"WSPRecv of 1 byte:                  {figures['receive']:6.0f} ns")
    print(f"the loop around them:               {figures['loop']:6.0f} ns")


if __name__ == "__main__":
    main()
