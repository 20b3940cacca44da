"""One listener used by many threads at once through the provider: accept, listen, select and close, while clients come.

Under the race detector (scripts/build.py --sanitize thread) with WSPSTACK_THREAD_SECONDS=60 it looks for races; the
core must be loaded through LD_PRELOAD as that program prints.
"""

import contextlib
import ctypes
import itertools
import os
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from stack.assembly import Stack
from stack.wsp import constants as ws
from stack.wsp.structures import fd_set_of, sockaddr_in, timeval
from tests.wsp.hosts import LEFT, RIGHT, make_config

SECONDS = float(os.environ.get("WSPSTACK_THREAD_SECONDS", 3))
PATIENCE = 60.0  # seconds until a thread that should have ended is a failure
PORT = 80
CLIENTS, ACCEPTORS = 3, 3


class Crew:
    """Threads whose failures are the test's."""

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []
        self.failures: list[BaseException] = []

    def start(self, work: Callable[[], None]) -> None:
        """Runs `work` in a thread of its own."""

        def run() -> None:
            try:
                work()
            except BaseException as error:
                self.failures.append(error)
                raise

        thread = threading.Thread(target=run, name=getattr(work, "__name__", "work"), daemon=True)
        self.threads.append(thread)
        thread.start()

    def join(self) -> None:
        """Waits for all; AssertionError when one has failed or does not end."""
        limit = time.monotonic() + PATIENCE
        for thread in self.threads:
            thread.join(max(0.0, limit - time.monotonic()))
        assert not self.failures, self.failures
        alive = [thread.name for thread in self.threads if thread.is_alive()]
        assert not alive, f"these did not end: {alive}"


class Side:
    """The entries of one running stack, with their codes; usable by every thread."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.table = stack.provider

    def call(self, entry: str, *arguments: object) -> tuple[int, int]:
        """Result and error code."""
        error = ctypes.c_int(0)
        return getattr(self.table, entry)(*arguments, error), error.value

    def tcp(self, *, nonblocking: bool = False) -> int:
        """A new socket."""
        s, code = self.call("WSPSocket", ws.AF_INET, ws.SOCK_STREAM, ws.IPPROTO_TCP, None, 0, 1)
        assert s != ws.INVALID_SOCKET, code
        if nonblocking:
            on, returned = ctypes.c_uint32(1), ctypes.c_uint32()
            assert self.call("WSPIoctl", s, ws.FIONBIO, on, 4, None, 0, returned, None, None, None)[0] == 0
        return s

    def listening(self, backlog: int, *, nonblocking: bool = False) -> int:
        """A listener at PORT; the address may still be in the hands of a listener that another thread closes."""
        s = self.tcp(nonblocking=nonblocking)
        assert self.call("WSPBind", s, sockaddr_in.of("0.0.0.0", PORT), 16)[0] == 0
        assert self.call("WSPListen", s, backlog)[0] == 0
        return s

    def close(self, s: int) -> int:
        """WSPCloseSocket; the error code."""
        return self.call("WSPCloseSocket", s)[1]

    def readable(self, s: int, milliseconds: int | None) -> tuple[int, int]:
        """WSPSelect with one member: result and code."""
        limit = None if milliseconds is None else timeval(*divmod(milliseconds * 1000, 1_000_000))
        return self.call("WSPSelect", 0, fd_set_of([s]), None, None, limit)


@contextlib.contextmanager
def two_stacks(**fields: object) -> Iterator[tuple[Side, Side]]:
    """Two running stacks on a pair of packet sockets."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with contextlib.ExitStack() as undo:
        for end in ends:
            undo.enter_context(end)
            end.setblocking(False)
        left, right = (
            undo.enter_context(Stack(make_config(address, **fields), descriptor=end.fileno()))
            for address, end in zip((LEFT, RIGHT), ends, strict=True)
        )
        yield Side(left), Side(right)


def connect_for_ever(client: Side, ended: threading.Event, outcomes: Counter[int]) -> None:
    """Connects, sends a byte, waits for the end of the connection; again and again."""
    received, flags = ctypes.c_uint32(), ctypes.c_uint32()
    while not ended.is_set():
        s = client.tcp()
        _, code = client.call("WSPConnect", s, sockaddr_in.of(RIGHT, PORT), 16, None, None, None, None)
        if code == 0:
            client.call("WSPSend", s, b"x", 1, received, 0, None, None, None)
            _, code = client.call("WSPRecv", s, bytearray(10), 1, received, flags, None, None, None)
        outcomes[code] += 1
        assert client.close(s) == 0


def discard(server: Side, s: int) -> None:
    """Ends an accepted connection as a server does."""
    assert server.close(s) in (0, ws.WSAEINTR)


# What may come of a call on a listener that other threads close and open again.
CLOSED = {ws.WSAEINTR, ws.WSAENOTSOCK, ws.WSAEINVAL}
OF_CLIENTS = {0, ws.WSAECONNREFUSED, ws.WSAECONNRESET, ws.WSAECONNABORTED}


@pytest.mark.timeout(120 + 3 * SECONDS)
@pytest.mark.requirement("ACPT-14", "LISTEN-28", "LISTEN-57", "LISTEN-73", "SEL-12")
def test_listener_survives_accept_listen_select_and_close_from_many_threads() -> None:
    """The listener is closed and opened again and again under the calls of the other threads."""
    ended = threading.Event()
    accepted, outcomes, closures = itertools.count(), Counter[int](), itertools.count()
    quick = {"syn_retries": 2, "syn_rst_wait_ms": 20, "tunables": {"msl": 10_000_000}}
    with two_stacks(**quick) as (client, server):
        current = [server.listening(8)]

        def accept() -> None:
            while not ended.is_set():
                s, code = server.call("WSPAccept", current[0], None, None, None, 0)
                if s == ws.INVALID_SOCKET:
                    assert code in CLOSED | {ws.WSAECONNRESET}, code
                else:
                    next(accepted)
                    discard(server, s)

        def accept_by_condition() -> None:
            decisions = itertools.cycle((ws.CF_ACCEPT, ws.CF_ACCEPT, ws.CF_REJECT, ws.CF_DEFER))
            lost = {ws.WSAECONNRESET, ws.WSAECONNREFUSED, ws.WSATRY_AGAIN, ws.WSAEACCES}
            while not ended.is_set():
                decision = next(decisions)
                s, code = server.call("WSPAccept", current[0], None, None, lambda *_, decision=decision: decision, 0)
                if s == ws.INVALID_SOCKET:
                    assert code in CLOSED | lost, code
                else:
                    next(accepted)
                    discard(server, s)

        def listen_again() -> None:
            source = random.Random(1)
            while not ended.is_set():
                _, code = server.call("WSPListen", current[0], source.choice((1, 2, 8, -1)))
                assert code in CLOSED | {0, ws.WSAEISCONN}, code  # an accepted one has its descriptor now
                time.sleep(0.001)

        def select() -> None:
            while not ended.is_set():
                count, code = server.readable(current[0], 50)
                assert count in (0, 1) or code in CLOSED, code

        def close_and_open() -> None:
            while not ended.is_set():
                time.sleep(0.03)
                assert server.close(current[0]) == 0
                next(closures)
                current[0] = server.listening(8)

        crew = Crew()
        for _ in range(ACCEPTORS):
            crew.start(accept)
        for work in (accept_by_condition, listen_again, select, close_and_open):
            crew.start(work)
        for _ in range(CLIENTS):
            crew.start(lambda: connect_for_ever(client, ended, outcomes))
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline and not crew.failures:
            ended.wait(0.05)
        ended.set()
        # the last close ends every accept that still waits
        crew.threads[ACCEPTORS + 3].join(PATIENCE)
        server.close(current[0])
        crew.join()
        told = {ws.WSAECONNREFUSED: "refused", ws.WSAECONNRESET: "reset", ws.WSAECONNABORTED: "aborted", 0: "served"}
        print(
            f"{next(accepted)} accepted, {next(closures)} times closed, clients: "
            + ", ".join(f"{count} {told.get(code, code)}" for code, count in outcomes.items())
        )
        assert set(outcomes) <= OF_CLIENTS, outcomes
        assert outcomes[0] > 0
        for side in (client, server):
            assert side.stack.engine.counters()["IllegalTransitions"] == 0
        assert server.stack.engine.usage()["listeners"] == 0


@pytest.mark.timeout(120)
@pytest.mark.requirement("ACPT-14", "LISTEN-73")
def test_close_ends_every_blocked_accept_and_select_each_time() -> None:
    rounds = max(20, int(10 * SECONDS))
    with two_stacks() as (_, server):
        for number in range(rounds):
            s = server.listening(8)
            codes: list[int] = []
            crew = Crew()
            for _ in range(3):
                crew.start(lambda s=s, codes=codes: codes.append(server.call("WSPAccept", s, None, None, None, 0)[1]))
            crew.start(lambda s=s: server.readable(s, None) and None)
            waits = server.stack.service_provider.socket(s).waits
            if number % 4:  # in the other rounds close comes whenever it comes
                deadline = time.monotonic() + PATIENCE
                while len(waits) < number % 4:
                    assert time.monotonic() < deadline
                    time.sleep(0.0005)
            assert server.close(s) == 0
            crew.join()
            assert len(codes) == 3
            assert set(codes) <= {ws.WSAEINTR, ws.WSAENOTSOCK}, codes


@pytest.mark.timeout(120)
@pytest.mark.requirement("ACPT-1", "LISTEN-54")
def test_every_connection_wakes_exactly_one_of_many_waiting_accepts() -> None:
    connections = max(150, int(40 * SECONDS))
    with two_stacks(tunables={"msl": 10_000_000}) as (client, server):
        s = server.listening(200)
        taken, outcomes = [], Counter[int]()
        crew = Crew()

        def accept() -> None:
            while True:
                descriptor, code = server.call("WSPAccept", s, None, None, None, 0)
                if descriptor == ws.INVALID_SOCKET:
                    assert code in CLOSED, code
                    return
                taken.append(descriptor)
                discard(server, descriptor)

        for _ in range(6):
            crew.start(accept)
        received, flags = ctypes.c_uint32(), ctypes.c_uint32()
        for _ in range(connections):  # one after the other: a wake-up that is lost stops it here
            c = client.tcp()
            _, code = client.call("WSPConnect", c, sockaddr_in.of(RIGHT, PORT), 16, None, None, None, None)
            assert code == 0
            _, code = client.call("WSPRecv", c, bytearray(10), 1, received, flags, None, None, None)
            outcomes[code] += 1
            client.close(c)
        assert server.close(s) == 0
        crew.join()
        assert len(taken) == connections
        assert outcomes == {0: connections}
