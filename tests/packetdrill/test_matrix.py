"""The matrix of states, events and positions has no empty cell, and the scripts in its folder are its cells."""

import subprocess
import sys
from pathlib import Path

from stack.packetdrill.packets import Flags, TcpPacket
from stack.packetdrill.parsing import load
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


def test_command_prints_every_cell() -> None:
    command = [sys.executable, "-m", "tests.packetdrill.matrix"]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    assert "264 of 264 cells have a script" in output
    assert output.count(".pkt") == 264
