"""Runs a script: its events in the order of their times, over the sockets of a fresh stack under a virtual clock."""

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from stack.assembly import make_engine
from stack.packetdrill.assertions import AssertionDiffers, Assertions
from stack.packetdrill.calls import Outcome, body_of, difference
from stack.packetdrill.clock import BlockingCall, Clock, WouldBlock
from stack.packetdrill.expected import Expectations
from stack.packetdrill.failures import ScriptFailure, ScriptProblem, Unsupported
from stack.packetdrill.flows import Flows
from stack.packetdrill.packets import ForeignPacket, IcmpPacket, Packet, TcpPacket, UdpPacket
from stack.packetdrill.script import SECOND, Base, Call, Code, Event, Place, Script, Shell, seconds
from stack.packetdrill.settings import Settings, initial_commands, read_settings
from stack.packetdrill.sockets import Sockets
from stack.packetdrill.tcp_info import state_without_connection, tcp_info
from stack.packetdrill.values import Unknown
from stack.packetdrill.wire import build_icmp, build_tcp, build_udp

_START: Final = 1000 * SECOND  # the engine's time at the script's 0: no timestamp or ARP entry is young by accident


@dataclass(slots=True)
class Result:
    """What came of a script that ran to its end; notes: what of it had no effect."""

    script: Script
    duration: int = 0
    notes: list[tuple[Place, str]] = field(default_factory=list)


@dataclass(slots=True)
class _Pending:
    """A call that blocks: the event, what it waits with, and when it has to return (ns on the engine's clock)."""

    event: Event
    call: Call
    blocking: BlockingCall
    outcomes: list[Outcome]
    end: int


Trace = Callable[[str], object]


def run(script: Script, overrides: Mapping[str, str | None] | None = None, trace: Trace | None = None) -> Result:
    """Runs a script. Raises ScriptFailure, Unsupported.

    overrides: options that count more than the script's own. trace: told of each event as it happens, in a line.
    """
    settings = read_settings(script, overrides)
    if settings.dry_run:
        return Result(script, 0, settings.notes)
    try:
        runner = Runner(script, settings, trace)
    except ValueError as error:
        # a setting that the core cannot work with
        raise Unsupported(str(error), Place(1, 1), script.path) from error
    try:
        return runner.run()
    except ScriptProblem as problem:
        problem.path = script.path
        raise
    finally:
        runner.finish()


class Runner:
    """One run of one script."""

    def __init__(self, script: Script, settings: Settings, trace: Trace | None = None) -> None:
        self._script = script
        self._trace = trace
        self._settings = settings
        config = settings.configuration()
        self._clock = Clock(make_engine(config), _START, settings.tolerance)
        local, remote = (ipaddress.IPv4Address(text).packed for text in (settings.local_ip, settings.remote_ip))
        self._flows = Flows(local, remote, settings.bind_port, settings.peer_port)
        self._sockets = Sockets(
            self._clock, config, ("0.0.0.0", settings.bind_port), (settings.remote_ip, settings.connect_port)
        )
        self._expectations = Expectations(self._clock, self._flows, settings, self._tell)
        self._assertions = Assertions()
        self._initial = list(initial_commands(script))
        self._previous = _START
        self._pending: list[_Pending] = []

    def run(self) -> Result:
        """Carries out every event."""
        for event in self._script.events:
            try:
                self._carry_out(event)
            except Unknown as error:
                raise Unsupported(self._with_source(str(error), event), event.place) from error
        for pending in list(self._pending):
            self._clock.run_until(pending.end + self._settings.tolerance + 1)
            self._check_pending()
        return Result(self._script, self._clock.now() - _START, self._settings.notes)

    def finish(self) -> None:
        """Ends what still waits, and every socket."""
        self._clock.abandon()
        self._sockets.provider.end()

    # ---- one event

    def _carry_out(self, event: Event) -> None:
        action = event.action
        if isinstance(action, Shell) and not any(event is each for each in self._initial):
            self._note_late(action, event)
        if event.when is None:
            return
        if isinstance(action, ForeignPacket):
            raise Unknown(f"{action.what} are not supported")
        if isinstance(action, TcpPacket | UdpPacket | IcmpPacket) and action.outbound:
            self._previous = self._expect(event, action)
            self._check_pending()
            return
        due = self._due(event)
        if due < self._previous - self._settings.tolerance:
            self._fail(event, f"time goes back, to {seconds(due - _START)} from {seconds(self._previous - _START)}")
        self._run_until(due)
        if event.when.first is None or event.when.last is not None:
            self._previous = self._clock.now()
        else:
            self._previous = due
        match action:
            case Call():
                self._call(event, action, due)
            case Code():
                self._assert(event, action)
            case Shell():
                pass
            case _:
                self._inject(event, action)
        self._check_pending()

    def _due(self, event: Event) -> int:
        """The time (ns on the engine's clock) at which an event of ours happens: the first that the script allows."""
        when = event.when
        assert when is not None
        if when.first is None:
            return self._clock.now()
        return when.first + (_START if when.base is Base.START else self._previous)

    def _run_until(self, time: int) -> None:
        self._clock.run_until(max(time, self._clock.now()))
        self._check_pending()

    def _note_late(self, shell: Shell, event: Event) -> None:
        text = " ".join(shell.text.split())
        self._settings.notes.append((event.place, f"`{text}` is not run: the stack is set up once, at the start"))

    # ---- packets

    def _inject(self, event: Event, packet: Packet) -> None:
        builders = {TcpPacket: build_tcp, UdpPacket: build_udp, IcmpPacket: build_icmp}
        flow = self._flows.inbound(packet)
        if isinstance(packet, IcmpPacket) and packet.version != 4:
            raise Unknown("icmpv6: only IPv4 is supported yet")
        try:
            frame = builders[type(packet)](packet, flow)  # type: ignore[operator]
        except ValueError as error:
            raise Unsupported(self._with_source(str(error), event), event.place) from error
        self._clock.settle()
        self._tell(self._clock.now(), str(packet))
        self._clock.engine.frame_arrives(frame, self._clock.now())
        self._clock.settle()

    def _expect(self, event: Event, packet: Packet) -> int:
        """Waits for the packet of an event; returns the time that the next event counts from."""
        try:
            return self._expectations.expect(event, packet, self._previous)
        except ScriptFailure as failure:
            failure.message = self._with_source(failure.message, event)
            raise

    # ---- calls

    def _call(self, event: Event, call: Call, due: int) -> None:
        body = body_of(self._sockets, call)
        if call.end is None:
            try:
                outcome = body()
            except WouldBlock:
                self._fail(event, f"{call.name}() blocks, but the script says that it returns at once")
            self._clock.settle()
            self._compare(event, call, outcome)
            return
        assert event.when is not None
        assert event.when.first is not None
        base = _START if call.end.base is Base.START and event.when.base is Base.START else due - event.when.first
        outcomes: list[Outcome] = []
        blocking = self._clock.begin(lambda: outcomes.append(body()))
        self._pending.append(_Pending(event, call, blocking, outcomes, base + call.end.time))

    def _compare(self, event: Event, call: Call, outcome: Outcome) -> None:
        self._tell(self._clock.now(), f"{call.name}({', '.join(map(str, call.arguments))}) = {outcome}")
        wrong = difference(call, outcome)
        if wrong:
            self._fail(event, wrong)

    def _check_pending(self) -> None:
        """Looks at the calls that block: each has to return when the script says, and what it says."""
        tolerance = self._settings.tolerance
        for pending in list(self._pending):
            finished = pending.blocking.finished
            name, end = pending.call.name, seconds(pending.end - _START)
            if finished is None:
                if self._clock.now() > pending.end + tolerance:
                    self._fail(pending.event, f"{name}() still blocks at {self._now()}, expected to return at {end}")
                continue
            self._pending.remove(pending)
            if pending.outcomes:
                self._compare(pending.event, pending.call, pending.outcomes[0])
            if abs(finished - pending.end) > tolerance:
                at = seconds(finished - _START)
                self._fail(pending.event, f"{name}() returned at {at}, expected to return at {end}")

    # ---- assertions

    def _assert(self, event: Event, code: Code) -> None:
        try:
            self._assertions.run(code, self._information())
        except AssertionDiffers as error:
            raise ScriptFailure(str(error), event.place) from None

    def _information(self) -> dict[str, int]:
        """tcp_info of the connection that the last packets belong to, else of the socket opened last."""
        sockets = [each for each in self._sockets.provider.descriptors if each.endpoint is not None]
        flow = self._flows.current
        for socket in reversed(sockets):
            endpoint = socket.endpoint
            if flow is not None and endpoint is not None and (*endpoint.local, *endpoint.remote) == flow.ends:
                return tcp_info(endpoint)
        if sockets and sockets[-1].endpoint is not None:
            return tcp_info(sockets[-1].endpoint)
        return {"tcpi_state": state_without_connection(list(self._sockets.provider.descriptors))}

    # ---- messages

    def _tell(self, time: int, text: str) -> None:
        if self._trace is not None:
            self._trace(f"{seconds(time - _START)} {text}")

    def _now(self) -> str:
        return seconds(self._clock.now() - _START)

    def _with_source(self, message: str, event: Event) -> str:
        lines = self._script.source.splitlines()
        line = lines[event.place.line - 1].strip() if event.place.line <= len(lines) else str(event)
        return f"{message}\n    {line}"

    def _fail(self, event: Event, message: str) -> None:
        raise ScriptFailure(self._with_source(message, event), event.place)
