"""No expectation of our scripts is idle: each, changed in one place, makes its script fail there."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from stack.packetdrill.expressions import Number
from stack.packetdrill.failures import ScriptProblem
from stack.packetdrill.packets import Flags, Sequence, TcpPacket
from stack.packetdrill.parsing import load
from stack.packetdrill.running import run
from stack.packetdrill.script import Call, Event, Place, Script
from tests.packetdrill.conftest import WAITING

FOLDER = Path(__file__).with_name("scripts")
SCRIPTS = [path for path in sorted(FOLDER.rglob("*.pkt")) if path.stem not in WAITING]
LATE = 50_000_000  # ns, beyond every tolerance
NAMING = ("socket", "accept")  # their results name a descriptor: any number will do


def changed_packets(packet: TcpPacket) -> Iterator[TcpPacket]:
    yield replace(packet, flags=packet.flags ^ Flags.PSH)
    if packet.ack is not None:
        yield replace(packet, ack=packet.ack + 1)
    if not packet.flags & Flags.SYN:
        moved = packet.sequence
        yield replace(packet, sequence=Sequence(moved.first + 1, moved.end + 1, moved.length))
    if packet.options:
        yield replace(packet, options=packet.options[:-1])


def changed_events(event: Event) -> Iterator[Event]:
    action, when = event.action, event.when
    if isinstance(action, TcpPacket) and action.outbound:
        yield from (replace(event, action=packet) for packet in changed_packets(action))
        if when is not None and when.first is not None and when.last is None:
            yield replace(event, when=replace(when, first=when.first + LATE))
    elif isinstance(action, Call) and isinstance(action.result, Number) and action.name not in NAMING:
        yield replace(event, action=replace(action, result=Number(action.result.value + 1)))


def place_of_failure(script: Script) -> Place | None:
    try:
        run(script)
    except ScriptProblem as problem:
        return problem.place
    return None


@pytest.mark.parametrize("folder", sorted({path.parent for path in SCRIPTS}), ids=lambda folder: folder.name)
def test_changed_expectation_fails_in_its_place(folder: Path) -> None:
    for path in (path for path in SCRIPTS if path.parent == folder):
        script = load(path)
        for index, event in enumerate(script.events):
            for changed in changed_events(event):
                events = (*script.events[:index], changed, *script.events[index + 1 :])
                found = place_of_failure(replace(script, events=events))
                assert found == event.place, f"{path.name}: {changed} in place of {event}: {found}"
