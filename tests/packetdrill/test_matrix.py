"""The matrix of states, events and positions has no empty cell, and the scripts in its folder are its cells."""

import subprocess
import sys
from pathlib import Path

import pytest

from netcore.engine import state_name
from stack.packetdrill.packets import Flags, Packet, TcpPacket
from stack.packetdrill.parsing import load
from stack.packetdrill.running import Runner
from stack.packetdrill.script import Event
from stack.packetdrill.settings import read_settings
from tests.packetdrill import matrix

ROOT = Path(__file__).parents[2]
FLAGS = {
    "syn": Flags.SYN,
    "syn-ack": Flags.SYN | Flags.ACK,
    "ack": Flags.ACK,
    "data": Flags.PSH | Flags.ACK,
    "fin": Flags.FIN | Flags.ACK,
    "rst": Flags.RST,
}


def test_no_cell_is_empty_and_no_script_stands_outside() -> None:
    assert matrix.empty_cells() == []
    there = set(matrix.FOLDER.rglob("*.pkt"))
    assert there == {matrix.script_of(*cell) for cell in matrix.cells()}


def test_script_of_each_cell_sends_the_segment_of_its_name() -> None:
    for state, event, position in matrix.cells():
        script = load(matrix.script_of(state, event, position))
        inbound = [
            each.action for each in script.events if isinstance(each.action, TcpPacket) and not each.action.outbound
        ]
        sent = {packet.flags & ~Flags.ACK if event == "rst" else packet.flags for packet in inbound}
        assert FLAGS[event] in sent, f"{state} {event}-{position}"


# what is known of a connection that its listener still holds, when the peer's SYN was 0
HALF_OPEN = {
    "state": next(number for number in range(12) if state_name(number) == "SYN-RECEIVED"),
    "rcv_nxt": 1,
    "rcv_wnd": 65535,
}


class Watched(Runner):
    """A run that remembers each segment that arrives, with what the connection is like just before it."""

    def __init__(self, path: Path) -> None:
        script = load(path)
        super().__init__(script, read_settings(script))
        self.seen: list[tuple[TcpPacket, dict[str, int]]] = []

    def _inject(self, event: Event, packet: Packet) -> None:
        sockets = [each for each in self._sockets.provider.descriptors if each.endpoint is not None]
        # a half-open connection of a listener has no socket yet
        info = sockets[-1].endpoint.info() if sockets and sockets[-1].endpoint is not None else {}
        if isinstance(packet, TcpPacket):
            self.seen.append((packet, dict(info)))
        super()._inject(event, packet)


def position_in(window: dict[str, int], packet: TcpPacket) -> str:
    """Where a segment lies, as the matrix means it."""
    first, here = packet.sequence.first, window["rcv_nxt"]
    length = packet.sequence.length + bool(packet.flags & Flags.SYN) + bool(packet.flags & Flags.FIN)
    ahead = (first - here + (1 << 31)) % (1 << 32) - (1 << 31)
    if ahead < 0 and ahead + max(0, length - 1) < 0:
        return "left"
    if ahead <= 0:
        return "edge"
    if ahead < window["rcv_wnd"]:
        return "inside"
    return "beyond" if ahead == window["rcv_wnd"] else "further"


def is_of_cell(packet: TcpPacket, info: dict[str, int], state: str, event: str, position: str) -> bool:
    """Whether a segment, and the connection it came to, are those of a cell."""
    flags = packet.flags & ~Flags.ACK if event == "rst" else packet.flags
    if flags != FLAGS[event]:
        return False
    if state in ("closed", "listen"):
        return not info
    if state == "syn-received" and not info:
        info = HALF_OPEN
    if not info or state_name(info["state"]) != state.upper():
        return False
    return state == "syn-sent" or position_in(info, packet) == position


@pytest.mark.parametrize("state", matrix.STATES)
def test_segment_of_each_cell_comes_to_its_state_at_its_place(state: str) -> None:
    for event in matrix.EVENTS:
        for position in matrix.POSITIONS:
            run = Watched(matrix.script_of(state, event, position))
            try:
                run.run()
            finally:
                run.finish()
            found = any(is_of_cell(packet, info, state, event, position) for packet, info in run.seen)
            assert found, f"{state} {event}-{position}: {[str(packet) for packet, _ in run.seen]}"


def test_command_prints_every_cell() -> None:
    command = [sys.executable, "-m", "tests.packetdrill.matrix"]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    assert "264 of 264 cells have a script" in output
    assert output.count(".pkt") == 264
