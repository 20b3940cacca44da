"""The provider over loop threads: two stacks on a pair of packet sockets, calls from several threads."""

import contextlib
import ctypes
import os
import random
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stack.assembly import Stack
from stack.driving import LiveDriver
from stack.wsp import constants as ws
from stack.wsp.structures import WSPDATA, WSPPROC_TABLE, sockaddr_in
from tests.wsp.hosts import LEFT, RIGHT, Caller, TwoHosts, make_config

PATIENCE = 30  # seconds until a thread that should have ended is a failure


class LiveCaller(Caller):
    """The entries of a running stack."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.driver = stack.service_provider.driver
        self.config = stack.config
        self.provider = stack.service_provider
        self.table = stack.provider

    def connected(self, port: int, address: str) -> int:
        s = self.tcp()
        assert self.connect_code(s, port, address) == 0
        return s


@contextlib.contextmanager
def two_stacks(**fields: Any) -> Iterator[tuple[LiveCaller, LiveCaller]]:
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with contextlib.ExitStack() as undo:
        for end in ends:
            undo.enter_context(end)
            end.setblocking(False)
        left, right = (
            undo.enter_context(Stack(make_config(address, **fields), descriptor=end.fileno()))
            for address, end in zip((LEFT, RIGHT), ends, strict=True)
        )
        yield LiveCaller(left), LiveCaller(right)


@pytest.fixture
def stacks() -> Iterator[tuple[LiveCaller, LiveCaller]]:
    with two_stacks() as pair:
        yield pair


def connection(left: LiveCaller, right: LiveCaller, port: int = 80) -> tuple[int, int]:
    listener = right.listening(port)
    client = left.connected(port, RIGHT)
    server = right.accept(listener)
    right.close(listener)
    return client, server


def waiting(caller: Caller, s: int) -> None:
    """Returns when some thread waits in a call on socket `s`."""
    waits = caller.provider.socket(s).waits
    pause = threading.Event()
    while not waits:
        pause.wait(0.001)


def in_thread(call: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(call()), daemon=True)
    thread.start()
    return thread, results


def ends_with(call: Callable[[], Any], caller: Caller, s: int, action: Callable[[], Any]) -> Any:
    """Runs `call` in a thread, `action` when it waits for `s`; returns what `call` gave."""
    thread, results = in_thread(call)
    waiting(caller, s)
    action()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    return results[0]


@pytest.mark.requirement("ACPT-14", "OBS-20")
def test_closing_the_listener_ends_a_waiting_accept(stacks: tuple[LiveCaller, LiveCaller]) -> None:
    _, right = stacks
    s = right.listening(80)
    assert ends_with(lambda: right.accept_code(s), right, s, lambda: right.close(s)) == ws.WSAEINTR


@pytest.mark.requirement("CLOSE-2")
def test_closing_ends_a_waiting_receive(stacks: tuple[LiveCaller, LiveCaller]) -> None:
    left, right = stacks
    client, _ = connection(left, right)
    code = ends_with(lambda: left.receive_code(client), left, client, lambda: left.close(client))
    assert code == ws.WSAEINTR


@pytest.mark.requirement("SEL-12")
def test_closing_a_fresh_member_ends_a_waiting_select(stacks: tuple[LiveCaller, LiveCaller]) -> None:
    left, _ = stacks
    s = left.tcp()
    ready = ends_with(lambda: left.select(read=[s], milliseconds=None), left, s, lambda: left.close(s))
    assert ready == ([s], [], [])


@pytest.mark.requirement("CLEAN-2")
def test_last_cleanup_ends_a_waiting_call(stacks: tuple[LiveCaller, LiveCaller]) -> None:
    _, right = stacks
    s = right.listening(80)
    assert ends_with(lambda: right.accept_code(s), right, s, lambda: right.ok("WSPCleanup")) == ws.WSAEINTR


@pytest.mark.parametrize("call", ["WSPAccept", "WSPRecv", "WSPSelect"])
def test_interrupt_ends_a_waiting_call_of_the_main_thread(stacks: tuple[LiveCaller, LiveCaller], call: str) -> None:
    left, right = stacks
    client, server = connection(left, right)
    listener = right.listening(81)
    s = server if call == "WSPRecv" else listener

    def interrupt() -> None:
        waiting(right, s)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    calls: dict[str, Callable[[], Any]] = {
        "WSPAccept": lambda: right.accept(listener),
        "WSPRecv": lambda: right.receive(server),
        "WSPSelect": lambda: right.select(read=[listener, server], milliseconds=None),
    }
    with pytest.raises(KeyboardInterrupt):
        calls[call]()
    thread.join()
    left.send(client, b"still in order")
    assert right.receive(server) == b"still in order"


@pytest.mark.requirement("RECV-3", "SEND-2")
def test_bytes_cross_between_threads_unharmed(stacks: tuple[LiveCaller, LiveCaller]) -> None:
    left, right = stacks
    client, server = connection(left, right)
    data = random.Random(7).randbytes(8_000_000)

    def send() -> None:
        for start in range(0, len(data), 200_000):
            left.send(client, data[start : start + 200_000])
        left.close(client)

    thread, _ = in_thread(send)
    received = bytearray()
    while piece := right.receive(server, 1 << 20):
        received += piece
    thread.join(PATIENCE)
    assert received == data


def test_many_connections_echo_in_threads_of_their_own(stacks: tuple[LiveCaller, LiveCaller]) -> None:
    left, right = stacks
    listener = right.listening(7, 100)

    def serve() -> None:
        s = right.accept(listener)
        while piece := right.receive(s):
            right.send(s, piece)
        right.close(s)

    def ask(number: int) -> bool:
        s = left.connected(7, RIGHT)
        data = random.Random(number).randbytes(50_000)
        left.send(s, data)
        left.ok("WSPShutdown", s, ws.SD_SEND)
        answer = left.receive_all(s, len(data))
        left.close(s)
        return answer == data

    threads = [in_thread(serve) for _ in range(20)]
    asked = [in_thread(lambda number=number: ask(number)) for number in range(20)]
    for thread, _ in threads + asked:
        thread.join(PATIENCE)
    assert [results for _, results in asked] == [[True]] * 20


def test_threads_that_end_leave_no_descriptor_open(stacks: tuple[LiveCaller, LiveCaller]) -> None:
    left, right = stacks
    listener = right.listening(80)
    right.set(listener, ws.SO_RCVTIMEO, 1)
    _, server = connection(left, right, 81)
    right.set(server, ws.SO_RCVTIMEO, 1)

    def wait_once() -> None:
        assert right.receive_code(server) == ws.WSAETIMEDOUT

    for _ in range(3):
        in_thread(wait_once)[0].join(PATIENCE)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(50):
        in_thread(wait_once)[0].join(PATIENCE)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.requirement("START-1")
def test_provider_is_not_ready_unless_the_stack_runs() -> None:
    stack = Stack(make_config(LEFT))
    assert stack.wsp_startup(0x0202, WSPDATA(), None, None, WSPPROC_TABLE()) == ws.WSASYSNOTREADY
    with stack:
        assert stack.wsp_startup(0x0202, WSPDATA(), None, None, WSPPROC_TABLE()) == 0
    assert stack.wsp_startup(0x0202, WSPDATA(), None, None, WSPPROC_TABLE()) == ws.WSASYSNOTREADY


@pytest.mark.requirement("CLEAN-5", "CLEAN-3", "SND-10")
def test_stopping_delivers_what_closed_sockets_have_sent() -> None:
    with two_stacks() as (left, right):
        client, server = connection(left, right)
        data = random.Random(3).randbytes(1_500_000)
        left.send(client, data)
        left.close(client)
        thread, received = in_thread(lambda: right.receive_all(server, len(data)))
        assert left.stack.stop() is True
        thread.join(PATIENCE)
        assert received == [data]


@pytest.mark.requirement("CLEAN-5")
def test_stopping_resets_what_could_not_be_delivered_in_time() -> None:
    with two_stacks(drain_time_ms=50, tunables={"receive_buffer": 100_000}) as (left, right):
        client, server = connection(left, right)
        left.send(client, bytes(5_000_000))
        left.close(client)
        assert left.stack.stop() is False
        code = 0
        while not code:
            code = right.receive_code(server, 1 << 20)
        assert code == ws.WSAECONNRESET


def test_stopping_ends_calls_that_wait(stacks: tuple[LiveCaller, LiveCaller]) -> None:
    _, right = stacks
    s = right.listening(80)
    assert ends_with(lambda: right.accept_code(s), right, s, right.stack.stop) == ws.WSAEINTR
    assert right.code("WSPListen", s, 5) == ws.WSANOTINITIALISED
    assert right.stack.stop() is True


@pytest.mark.requirement("GEN-4")
def test_loop_that_fails_takes_the_network_down() -> None:
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ends[0], ends[1]:
        ends[0].setblocking(False)
        stack = Stack(make_config(LEFT), descriptor=ends[0].fileno())
        with stack:
            caller = LiveCaller(stack)
            s = caller.tcp()
            stack._device_failed(OSError("gone"))
            assert caller.bind_code(s, 80) == ws.WSAENETDOWN


def test_driver_refuses_to_start_twice() -> None:
    stack = Stack(make_config(LEFT))
    with stack, pytest.raises(RuntimeError, match="started already"):
        stack.start()
    assert isinstance(stack.service_provider.driver, LiveDriver)


@pytest.mark.requirement("CLOSE-1", "GEN-5")
def test_socket_closed_between_look_up_and_lock_is_not_a_socket(hosts: TwoHosts) -> None:
    left = hosts.left
    entries: dict[str, tuple[Any, ...]] = {
        "WSPBind": (sockaddr_in.of(LEFT, 80), 16),
        "WSPListen": (5,),
        "WSPConnect": (sockaddr_in.of(RIGHT, 80), 16, None, None, None, None),
        "WSPShutdown": (ws.SD_BOTH,),
        "WSPCloseSocket": (),
        "WSPGetSockName": (bytearray(16), ctypes.c_int(16)),
        "WSPSetSockOpt": (ws.SOL_SOCKET, ws.SO_REUSEADDR, ctypes.c_int(1), 4),
    }
    lock = left.provider.lock

    class ClosingFirst:
        """The provider's lock, before which another thread closes the socket."""

        def __init__(self, s: int) -> None:
            self.s = s

        def __enter__(self) -> None:
            left.provider.lock = lock
            left.close(self.s)
            lock.acquire()

        def __exit__(self, *_: object) -> None:
            lock.release()

    for entry, arguments in entries.items():
        s = left.tcp() if entry in ("WSPBind", "WSPConnect") else left.bound(80)
        left.provider.lock = ClosingFirst(s)  # type: ignore[assignment]
        assert left.code(entry, s, *arguments) == ws.WSAENOTSOCK, entry
        assert left.provider.bindings.count() == 0
