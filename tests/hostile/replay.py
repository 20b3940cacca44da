"""Plays one fuzz input and prints it: every record, the frames it made, what the victim did."""

from collections.abc import Callable

from scapy.layers.inet import IP
from scapy.layers.l2 import Ether

from netcore.engine import state_name
from tests.hostile import inputs
from tests.hostile.arena import Arena
from tests.hostile.cast import Link

SHORT = 150


def summary(link: Link, frame: bytes) -> str:
    """One line about a frame without a virtio header."""
    try:
        packet = Ether(frame) if link.ethernet else IP(frame)
        return str(packet.summary())
    except Exception as error:
        # what scapy cannot take apart may be the very thing that is looked for
        return f"{frame[:40].hex()} ({error})"


def replay(octets: bytes, say: Callable[[str], None]) -> None:
    """Plays an input; says each step as it is made, so that the last line is the one before a fault.

    Raises:
        AssertionError: what the input was found for still does not hold.
    """
    settings, records = inputs.decode(octets)
    chosen = {name: value for name, value in vars(settings).items() if value}
    say(f"settings {chosen or 'as by default'}")
    arena = Arena(settings)
    arena.victim.start_capture()
    before = arena.victim.counters()
    number = 0

    def tell() -> None:
        nonlocal before
        for at, outbound, frame in arena.victim.captured():
            say(f"  {at / 10**9:14.6f}  {'<- victim' if outbound else '-> victim'}  {summary(arena.link, frame)}")
        after = arena.victim.counters()
        changes = [f"{name} +{after[name] - before[name]}" for name in after if after[name] != before[name]]
        states = [f"{each.local[1]}-{each.remote[1]} {state_name(each.state)}" for each in arena.program.held]
        say(f"  {' '.join(changes) or 'no counter changed'}")
        if states:
            say(f"  held: {', '.join(states)}")
        before = after

    for number, record in enumerate(records, 1):
        say(f"{number:3}  {str(record)[:SHORT]}")
        try:
            arena.step(record)
        finally:
            tell()
    say("end  everything is closed, time passes")
    try:
        arena.finish()
    finally:
        tell()
    say(f"{number} records, {arena.frames} hostile frames: all that must hold held")
