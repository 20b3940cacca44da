"""Outbound packets: what was seen is taken in its order and held against what the script expects, and when."""

from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn

from stack.packetdrill import comparing, icmp_names
from stack.packetdrill.clock import Clock
from stack.packetdrill.comparing import Row, Rules
from stack.packetdrill.failures import ScriptFailure
from stack.packetdrill.flows import Flow, Flows
from stack.packetdrill.packets import IcmpPacket, IpFields, Packet, TcpPacket
from stack.packetdrill.script import SECOND, Base, Event, seconds
from stack.packetdrill.settings import Settings
from stack.packetdrill.values import Unknown
from stack.packetdrill.wire import Unreadable, read

_TICK = 1_000_000  # of our timestamps
_PATIENCE = 24 * 3600 * SECOND


class Expectations:
    """The queue of packets seen, and the waiting for the next. tell: told of each as it is taken, with its time."""

    def __init__(self, clock: Clock, flows: Flows, settings: Settings, tell: Callable[[int, str], object]) -> None:
        self._clock = clock
        self._flows = flows
        self._settings = settings
        self._tell = tell
        ticks = settings.tolerance // _TICK if settings.timestamp_tick == _TICK else None
        self._rules = Rules(settings.any_option_order, settings.any_push, ticks)

    def expect(self, event: Event, packet: Packet, previous: int) -> int:
        """Takes the packet of an event; returns the time (ns) from which the next event counts.

        previous: the time from which this one counts. Raises ScriptFailure; Unknown for what is not supported.
        """
        when = event.when
        assert when is not None
        if isinstance(packet, IcmpPacket) and packet.version != 4:
            raise Unknown("icmpv6: only IPv4 is supported yet")
        base = self._clock.start if when.base is Base.START else previous
        tolerance = self._settings.tolerance_of((when.last or when.first or 0) if when.base is Base.PREVIOUS else 0)
        first = None if when.first is None else base + when.first
        last = first if when.last is None else base + when.last
        deadline = self._clock.now() + _PATIENCE if last is None else last + tolerance
        time, frame = self._take(event, packet, deadline)
        while isinstance(packet, TcpPacket) and self._is_reply(event, frame):
            time, frame = self._take(event, packet, deadline)
        seen, flow, time = self._read(event, packet, time, frame, deadline)
        shown = IpFields(seen.ip.mark) if seen.ip.tos else IpFields()
        self._tell(time, str(replace(seen, ip=shown)))
        rows = comparing.compare(packet, seen, self._rules)
        too_early = first is not None and time < first - tolerance
        too_late = last is not None and time > last + tolerance
        span = "any time" if first is None or last is None else self._span(first, last)
        rows.insert(0, Row("time", span, self._time(time), not (too_early or too_late)))
        wrong = comparing.differ(rows)
        if wrong:
            self._fail(event, f"the packet differs in {', '.join(wrong)}\n{comparing.shown(rows)}")
        if flow is not None:
            flow.last_sent = frame
        return time if first is None or when.last is not None else first

    def _take(self, event: Event, packet: Packet, deadline: int) -> tuple[int, bytes]:
        clock = self._clock
        while not clock.sent:
            if not clock.step(deadline):
                if deadline - clock.now() < _PATIENCE:
                    clock.run_until(max(deadline, clock.now()))
                if clock.sent:
                    break
                following = clock.next_event()
                hint = "nothing more will be sent of itself"
                if following is not None:
                    hint = f"the next time-out is at {self._time(following)}"
                self._fail(event, f"no packet was seen by {self._time(clock.now())}; {hint}")
        return clock.sent.pop(0)

    def _is_reply(self, event: Event, frame: bytes) -> bool:
        """Whether a packet answers an ICMP request: a script that waits for a segment passes over it."""
        packet, _ = self._decode(event, frame)
        return isinstance(packet, IcmpPacket) and icmp_names.kind_number(packet.kind) in icmp_names.REPLIES

    def _read(
        self, event: Event, expected: Packet, time: int, frame: bytes, deadline: int
    ) -> tuple[Packet, Flow | None, int]:
        """The packet in the script's numbers, joined with those that follow when the script expects one longer."""
        packet, ends = self._decode(event, frame)
        if not isinstance(packet, TcpPacket):
            return packet, None, time
        flow = self._flows.of_ends(ends)
        if isinstance(expected, TcpPacket):
            flow.learn(packet, expected)
        seen = flow.to_script(packet)
        while (
            isinstance(expected, TcpPacket)
            and not self._settings.strict_segments
            and seen.sequence.first == expected.sequence.first
            and seen.sequence.length < expected.sequence.length
            and (self._clock.sent or self._clock.step(deadline))
        ):
            if not self._clock.sent:
                continue
            following, other_ends = self._decode(event, self._clock.sent[0][1])
            if not isinstance(following, TcpPacket) or other_ends != ends:
                break
            both = comparing.joined(seen, flow.to_script(following))
            if both is None or both.sequence.length > expected.sequence.length:
                break
            seen = both
            time, _ = self._clock.sent.pop(0)
        return seen, flow, time

    def _decode(self, event: Event, frame: bytes) -> tuple[Packet, tuple[bytes, int, bytes, int]]:
        try:
            return read(frame)
        except Unreadable as error:
            self._fail(event, str(error))

    def _time(self, time: int) -> str:
        return seconds(time - self._clock.start)

    def _span(self, first: int, last: int) -> str:
        return self._time(first) if first == last else f"{self._time(first)}~{self._time(last)}"

    def _fail(self, event: Event, message: str) -> NoReturn:
        raise ScriptFailure(message, event.place)
