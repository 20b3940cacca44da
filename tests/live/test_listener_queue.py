"""The listener's queue and its conditional accept, as clients on the kernel's sockets and the wire see them."""

import ctypes
import statistics
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from stack.applications.stream import EntryFailed, StreamSocket
from stack.wsp import constants as ws
from tests.live.host import LiveHost, live_host, wait_until
from tests.live.listener_clients import KernelClients, kernel_clients

pytestmark = pytest.mark.live

PORT = 4100
AT_ONCE = 100  # milliseconds within which a refusal has to be seen
LITTLE = 0.3  # seconds in which nothing may happen
SECOND = 1_000_000_000


@dataclass(frozen=True)
class Seen:
    """A segment on the wire."""

    time: int  # ns
    ours: bool
    tcp: Any

    @property
    def flags(self) -> str:
        return str(self.tcp.flags)

    @property
    def client(self) -> int:
        """The client's port."""
        return int(self.tcp.dport if self.ours else self.tcp.sport)


class Scene:
    """A host with one listener, clients of it, and what passes between them."""

    def __init__(self, host: LiveHost, clients: KernelClients) -> None:
        self.host = host
        self.clients = clients
        self.listener = StreamSocket.create(host.stack.provider)
        host.stack.engine.start_capture()

    def listen(self, backlog: int, **options: int) -> None:
        """Binds and listens; options of SOL_SOCKET by their names are set before."""
        for name, value in options.items():
            self.listener.set_option(ws.SOL_SOCKET, getattr(ws, name), value)
        self.listener.bind("0.0.0.0", PORT)
        self.listener.listen(backlog)

    def wire(self) -> list[Seen]:
        """The segments since the last call."""
        seen = []
        for time, outbound, frame in self.host.stack.engine.captured():
            packet = Ether(frame)
            if TCP in packet and PORT in (packet[TCP].sport, packet[TCP].dport):
                seen.append(Seen(time, outbound, packet[IP][TCP]))
        return seen

    def connect(self, number: int) -> dict[str, Any]:
        """One client connects and waits for the outcome."""
        told: dict[str, Any] = self.clients.ask("connect", number)
        return told

    def fill(self, count: int, first: int = 0) -> list[int]:
        """So many clients connect, one after another; their ports. Each is in the queue when this returns."""
        self.wire()
        engine = self.host.stack.engine
        for number in range(first, first + count):
            told = self.connect(number)
            assert told["error"] is None, (number, told)
        wait_until(lambda: engine.usage()["half_open"] == 0, 10, lambda: "a handshake does not end")
        return [segment.client for segment in self.wire() if not segment.ours and segment.flags == "S"]

    def accept(self, condition: Callable[..., int] | None = None) -> tuple[StreamSocket | None, int]:
        """WSPAccept: the connection, or None and the code."""
        error = ctypes.c_int()
        table = self.host.stack.provider
        descriptor = table.WSPAccept(self.listener.handle, None, None, condition, 0, error)
        if descriptor == ws.INVALID_SOCKET:
            return None, error.value
        return StreamSocket(table, descriptor), 0

    def serve_oldest(self) -> str:
        """Accepts the oldest connection, gives back what it says, closes it; what it said."""
        accepted, code = self.accept()
        assert accepted is not None, code
        buffer = bytearray(100)
        count = accepted.receive_into(buffer)
        accepted.send(buffer[:count])
        accepted.close()
        return bytes(buffer[:count]).decode()


@pytest.fixture
def scene() -> Iterator[Scene]:
    """A started host whose listener does not listen yet; nothing is left of it afterwards."""
    with live_host() as host, kernel_clients(host, PORT) as clients:
        made = Scene(host, clients)
        yield made
        made.listener.close()
        host.settle()
        assert host.stack.counters()["IllegalTransitions"] == 0


def refusals(segments: list[Seen]) -> list[tuple[Seen, Seen]]:
    """Pairs of a SYN and the RST,ACK to it; AssertionError when anything else is among the segments."""
    pairs = list(zip(segments[::2], segments[1::2], strict=True))
    for syn, reset in pairs:
        assert (syn.ours, syn.flags, reset.ours, reset.flags) == (False, "S", True, "RA"), segments
        assert syn.client == reset.client
        assert (reset.tcp.seq, reset.tcp.ack) == (0, syn.tcp.seq + 1 & 0xFFFFFFFF)
    return pairs


@pytest.mark.requirement("LISTEN-4", "LISTEN-24", "LISTEN-36", "LISTEN-50", "LISTEN-51")
@pytest.mark.parametrize("backlog", [1, 5, 200])
def test_client_beyond_the_backlog_is_refused_at_once(scene: Scene, backlog: int) -> None:
    scene.listen(backlog)
    scene.fill(backlog)
    told = [scene.connect(backlog + number) for number in range(9)]
    assert [each["error"] for each in told] == ["ECONNREFUSED"] * 9
    assert len(refusals(scene.wire())) == 9
    times = [each["milliseconds"] for each in told]
    median = statistics.median(times)
    print(f"backlog {backlog}: refused after {min(times):.2f} to {max(times):.2f} ms, median {median:.2f}")
    assert median < AT_ONCE
    assert scene.host.stack.counters()["ListenOverflows"] == 9


@pytest.mark.requirement("LISTEN-51", "LISTEN-52", "LISTEN-54", "LISTEN-65")
def test_accepted_connection_makes_room_for_one_more(scene: Scene) -> None:
    scene.listen(3)
    scene.fill(3)
    for number in range(3, 8):
        assert scene.connect(100 + number)["error"] == "ECONNREFUSED"
        scene.clients.post("exchange", number - 3)
        assert scene.serve_oldest() == str(number - 3)
        assert scene.clients.answer() == {"text": str(number - 3), "error": None}
        scene.clients.ask("close", number - 3)
        assert scene.connect(number)["error"] is None


@pytest.mark.requirement("LISTEN-29", "LISTEN-30", "LISTEN-57", "LISTEN-58", "LISTEN-59", "LISTEN-60")
def test_shrink_resets_exactly_the_youngest(scene: Scene) -> None:
    scene.listen(10)
    ports = scene.fill(6)
    scene.listener.listen(6)
    assert scene.wire() == []  # nobody is in excess
    scene.listener.listen(2)
    told = [scene.clients.ask("receive", number) for number in range(2, 6)]
    assert told == [{"text": "", "error": "ECONNRESET"}] * 4
    sent = scene.wire()
    assert [(segment.ours, segment.client) for segment in sent] == [(True, port) for port in ports[:1:-1]]
    assert all("R" in segment.flags for segment in sent)
    assert scene.connect(6)["error"] == "ECONNREFUSED"
    refusals(scene.wire())
    for number in range(2):  # the oldest are as they were
        assert scene.clients.ask("state", number) == "ESTABLISHED"
        scene.clients.post("exchange", number)
        assert scene.serve_oldest() == str(number)
        assert scene.clients.answer() == {"text": str(number), "error": None}
        scene.clients.ask("close", number)


@pytest.mark.requirement("LISTEN-28", "LISTEN-29", "LISTEN-56")
def test_growth_keeps_all_and_admits_more(scene: Scene) -> None:
    scene.listen(2)
    scene.fill(2)
    assert scene.connect(100)["error"] == "ECONNREFUSED"
    scene.listener.listen(4)
    scene.fill(2, first=2)
    assert scene.connect(101)["error"] == "ECONNREFUSED"
    for number in range(4):
        scene.clients.post("exchange", number)
        assert scene.serve_oldest() == str(number)
        assert scene.clients.answer()["error"] is None
        scene.clients.ask("close", number)


@pytest.mark.requirement("LISTEN-73")
def test_closed_listener_resets_all_that_wait(scene: Scene) -> None:
    scene.listen(5)
    ports = scene.fill(5)
    scene.listener.close()
    assert [scene.clients.ask("receive", number)["error"] for number in range(5)] == ["ECONNRESET"] * 5
    sent = scene.wire()
    assert sorted(segment.client for segment in sent) == sorted(ports)
    assert all(segment.ours and "R" in segment.flags for segment in sent)
    assert scene.connect(5)["error"] == "ECONNREFUSED"


@pytest.mark.requirement("LISTEN-72", "OPT-31")
def test_paused_listener_refuses_and_keeps_what_waits(scene: Scene) -> None:
    scene.listen(5)
    scene.fill(1)
    scene.listener.set_option(ws.SOL_SOCKET, ws.SO_PAUSE_ACCEPT, 1)
    assert scene.connect(1)["error"] == "ECONNREFUSED"
    refusals(scene.wire())
    scene.clients.post("exchange", 0)
    assert scene.serve_oldest() == "0"
    assert scene.clients.answer()["error"] is None
    scene.clients.ask("close", 0)
    scene.listener.set_option(ws.SOL_SOCKET, ws.SO_PAUSE_ACCEPT, 0)
    scene.fill(1, first=2)


@pytest.mark.requirement("LISTEN-22", "LISTEN-55")
def test_data_sent_while_the_client_waited_is_read_after_the_accept(scene: Scene) -> None:
    scene.listen(5)
    scene.fill(1)
    scene.clients.post("exchange", 0)  # what it waits for does not come before the accept
    wait_until(lambda: any(segment.tcp.payload for segment in scene.wire()), 10, lambda: "no data")
    assert scene.serve_oldest() == "0"
    assert scene.clients.answer() == {"text": "0", "error": None}
    scene.clients.ask("close", 0)


# ---- the condition function


@pytest.mark.requirement("ACPT-22")
def test_rejected_connection_is_reset(scene: Scene) -> None:
    scene.listen(5)
    ports = scene.fill(1)
    assert scene.accept(lambda *_: ws.CF_REJECT) == (None, ws.WSAECONNREFUSED)
    assert scene.clients.ask("receive", 0)["error"] == "ECONNRESET"
    (reset,) = scene.wire()
    assert (reset.ours, reset.client) == (True, ports[0])
    assert "R" in reset.flags


def pending(scene: Scene, number: int) -> Seen:
    """A client begins to connect; its SYN, which the listener has and has not answered."""
    scene.wire()
    scene.clients.ask("begin", number)
    seen: list[Seen] = []

    def arrived() -> bool:
        seen.extend(scene.wire())
        return bool(seen)

    wait_until(arrived, 10, lambda: "no SYN")
    assert [(segment.ours, segment.flags) for segment in seen] == [(False, "S")]
    told = scene.clients.ask("outcome", number, LITTLE)
    assert told["error"] == "TIMEOUT"
    assert scene.clients.ask("state", number) == "SYN-SENT"
    assert not [segment for segment in scene.wire() if segment.ours]
    return seen[0]


@pytest.mark.requirement("ACPT-31", "ACPT-32")
def test_conditional_listener_lets_the_client_wait_until_the_program_accepts(scene: Scene) -> None:
    scene.listen(5, SO_CONDITIONAL_ACCEPT=1)
    pending(scene, 0)
    during: list[Any] = []

    def look(*_: object) -> int:
        during.append(scene.clients.ask("state", 0))
        during.append([segment for segment in scene.wire() if segment.ours])
        return ws.CF_ACCEPT

    accepted, code = scene.accept(look)
    assert accepted is not None, code
    assert during == ["SYN-SENT", []]
    assert scene.clients.ask("outcome", 0, 10)["error"] is None
    flags = [(segment.ours, segment.flags) for segment in scene.wire() if "S" in segment.flags and segment.ours]
    assert flags == [(True, "SA")]
    scene.clients.post("exchange", 0)
    buffer = bytearray(10)
    assert accepted.receive_into(buffer) == 1
    accepted.send(b"0")
    assert scene.clients.answer() == {"text": "0", "error": None}
    scene.clients.ask("close", 0)
    accepted.finish()


@pytest.mark.requirement("ACPT-32", "LISTEN-24")
def test_rejected_request_is_refused_and_never_was_a_connection(scene: Scene) -> None:
    scene.listen(5, SO_CONDITIONAL_ACCEPT=1)
    syn = pending(scene, 0)
    assert scene.accept(lambda *_: ws.CF_REJECT) == (None, ws.WSAECONNREFUSED)
    assert scene.clients.ask("outcome", 0, 10)["error"] == "ECONNREFUSED"
    sent = [segment for segment in scene.wire() if segment.ours]
    assert [(segment.flags, segment.tcp.seq, segment.tcp.ack) for segment in sent] == [
        ("RA", 0, syn.tcp.seq + 1 & 0xFFFFFFFF)
    ]


@pytest.mark.requirement("ACPT-23", "ACPT-24", "ACPT-32")
def test_deferred_request_keeps_waiting_and_comes_first_again(scene: Scene) -> None:
    scene.listen(5, SO_CONDITIONAL_ACCEPT=1)
    first = pending(scene, 0)
    pending(scene, 1)
    assert scene.accept(lambda *_: ws.CF_DEFER) == (None, ws.WSATRY_AGAIN)
    assert [scene.clients.ask("state", number) for number in range(2)] == ["SYN-SENT"] * 2
    assert not [segment for segment in scene.wire() if segment.ours]
    accepted, code = scene.accept()
    assert accepted is not None, code
    assert scene.clients.ask("outcome", 0, 10)["error"] is None
    assert {segment.client for segment in scene.wire() if segment.ours} == {first.client}
    assert scene.clients.ask("state", 1) == "SYN-SENT"
    scene.clients.ask("close", 0)
    accepted.finish()


@pytest.mark.requirement("ACPT-33")
def test_backlog_does_not_bound_requests_that_wait_for_a_decision(scene: Scene) -> None:
    scene.listen(1, SO_CONDITIONAL_ACCEPT=1)
    for number in range(20):
        scene.clients.ask("begin", number)
    for number in range(20):
        accepted, code = scene.accept(lambda *_: ws.CF_ACCEPT)
        assert accepted is not None, code
        assert scene.clients.ask("outcome", number, 10)["error"] is None
        scene.clients.ask("close", number)
        accepted.finish()


@pytest.mark.requirement("ACPT-31", "ACPT-14")
def test_waiting_accept_is_asked_when_the_syn_comes(scene: Scene) -> None:
    scene.listen(5, SO_CONDITIONAL_ACCEPT=1)
    results: list[tuple[StreamSocket | None, int]] = []
    threads = [threading.Thread(target=lambda: results.append(scene.accept(lambda *_: ws.CF_REJECT)))]
    threads[0].start()
    assert scene.connect(0)["error"] == "ECONNREFUSED"
    threads[0].join(30)
    assert results == [(None, ws.WSAECONNREFUSED)]


def test_listener_that_is_closed_says_so(scene: Scene) -> None:
    scene.listen(1)
    scene.listener.close()
    with pytest.raises(EntryFailed, match="WSAENOTSOCK"):
        scene.listener.listen(1)
