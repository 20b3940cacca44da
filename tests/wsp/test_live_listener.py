"""One listener and many threads, over loop threads: nothing is lost, nobody is left waiting (wsp.md section 4)."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from stack.wsp import constants as ws
from stack.wsp.structures import fd_set_of, sockaddr_in, timeval
from tests.wsp.hosts import RIGHT
from tests.wsp.test_live import PATIENCE, LiveCaller, ends_with, in_thread, two_stacks, waiting

CLIENTS = 120


@pytest.fixture
def stacks() -> Iterator[tuple[LiveCaller, LiveCaller]]:
    with two_stacks() as pair:
        yield pair


def run_all(calls: list[Callable[[], Any]]) -> list[Any]:
    """Runs each call in a thread of its own; returns what they gave, in their order."""
    running = [in_thread(call) for call in calls]
    for thread, _ in running:
        thread.join(PATIENCE)
        assert not thread.is_alive(), "a thread is left waiting"
    return [results[0] for _, results in running]


def conditional(caller: LiveCaller) -> int:
    s = caller.bound(80, "0.0.0.0", ws.SO_CONDITIONAL_ACCEPT)
    caller.ok("WSPListen", s, 5)
    return s


@pytest.mark.requirement("ACPT-14", "ACPT-2")
def test_every_waiting_accept_ends_when_the_listener_is_closed(stacks: tuple[LiveCaller, LiveCaller]) -> None:
    _, right = stacks
    listener = right.listening(80)
    accepts: list[Callable[[], Any]] = [lambda: right.accept_code(listener)] * 3
    accepts.append(lambda: right.accept_code(listener, lambda *_: ws.CF_ACCEPT))

    def close() -> int:
        pause = threading.Event()
        while len(right.provider.socket(listener).waits) < len(accepts):
            pause.wait(0.001)
        right.close(listener)
        return 0

    assert run_all([*accepts, close]) == [ws.WSAEINTR] * len(accepts) + [0]


@pytest.mark.requirement("ACPT-20", "ACPT-21", "ACPT-22", "ACPT-24", "LISTEN-23")
def test_candidates_of_many_threads_are_each_decided_once(stacks: tuple[LiveCaller, LiveCaller]) -> None:
    """Every third client is rejected, every fourth deferred once; each of the others is accepted exactly once."""
    left, right = stacks
    listener = right.listening(80, ws.SOMAXCONN)
    lock = threading.Lock()
    asked: Counter[int] = Counter()
    outcomes: Counter[int] = Counter()

    def condition(caller: Any, *_: Any) -> int:
        port = sockaddr_in.from_buffer_copy(caller.octets).port
        with lock:
            asked[port] += 1
            first = asked[port] == 1
        if port % 3 == 0:
            return ws.CF_REJECT
        return ws.CF_DEFER if port % 4 == 0 and first else ws.CF_ACCEPT

    def serve() -> int:
        while True:
            result, error = right.attempt("WSPAccept", listener, None, None, condition, 0)
            code = 0 if result != ws.INVALID_SOCKET else error
            if code in (ws.WSAEINTR, ws.WSAENOTSOCK):
                return 0
            with lock:
                outcomes[code] += 1
                over = outcomes[0] + outcomes[ws.WSAECONNREFUSED] == CLIENTS
            # a thread that deferred may come here after the last was decided by another
            if over and code != ws.WSATRY_AGAIN:
                right.close(listener)

    def call() -> int:
        for _ in range(CLIENTS // 4):
            left.connected(80, RIGHT)
        return 0

    assert run_all([serve] * 3 + [call] * 4) == [0] * 7
    assert len(asked) == CLIENTS
    assert outcomes[ws.WSAECONNREFUSED] == sum(port % 3 == 0 for port in asked)
    assert outcomes[ws.WSATRY_AGAIN] == sum(port % 4 == 0 and port % 3 != 0 for port in asked)
    assert all(asked[port] == (2 if port % 4 == 0 and port % 3 else 1) for port in asked)
    assert set(outcomes) <= {0, ws.WSAECONNREFUSED, ws.WSATRY_AGAIN}


@pytest.mark.requirement("ACPT-24", "ACPT-25")
def test_accept_that_waits_gets_what_another_thread_has_deferred(stacks: tuple[LiveCaller, LiveCaller]) -> None:
    left, right = stacks
    listener = right.listening(80)
    client = left.connected(80, RIGHT)
    waits: list[tuple[threading.Thread, list[Any]]] = []

    def condition(*_: Any) -> int:
        waits.append(in_thread(lambda: right.accept(listener)))
        waiting(right, listener)
        return ws.CF_DEFER

    assert right.accept_code(listener, condition) == ws.WSATRY_AGAIN
    ((thread, accepted),) = waits
    thread.join(PATIENCE)
    assert right.peer(accepted[0]) == left.local(client)


@pytest.mark.requirement("ACPT-32")
def test_conditional_listener_lets_a_real_client_wait_for_its_decision(stacks: tuple[LiveCaller, LiveCaller]) -> None:
    left, right = stacks
    listener = conditional(right)
    client = left.nonblocking(left.tcp())
    assert left.connect_code(client, 80, RIGHT) == ws.WSAEWOULDBLOCK
    assert right.select(read=[listener], milliseconds=None)[0] == [listener]
    assert left.select(write=[client], other=[client]) == ([], [], [])
    server = right.accept(listener, lambda *_: ws.CF_ACCEPT)
    assert left.select(write=[client], milliseconds=None)[1] == [client]
    assert right.peer(server) == left.local(client)


@pytest.mark.requirement("ACPT-32", "LISTEN-67", "LISTEN-69")
def test_rejected_request_of_a_real_client_comes_again_until_it_is_accepted() -> None:
    with two_stacks(syn_rst_wait_ms=5) as (left, right):
        listener = conditional(right)
        decisions = iter([ws.CF_REJECT, ws.CF_REJECT, ws.CF_ACCEPT])
        codes: list[int] = []

        def serve() -> None:
            while not codes or codes[-1]:
                codes.append(right.accept_code(listener, lambda *_: next(decisions)))

        thread, _ = in_thread(serve)
        assert left.connect_code(left.tcp(), 80, RIGHT) == 0
        thread.join(PATIENCE)
        assert codes == [ws.WSAECONNREFUSED, ws.WSAECONNREFUSED, 0]


@pytest.mark.requirement("ACPT-14", "ACPT-32")
def test_listener_closed_while_a_condition_function_runs(stacks: tuple[LiveCaller, LiveCaller]) -> None:
    left, right = stacks
    listener = right.listening(80)
    client = left.connected(80, RIGHT)

    def condition(*_: Any) -> int:
        thread, _results = in_thread(lambda: right.close(listener))
        thread.join(PATIENCE)
        return ws.CF_ACCEPT

    assert right.accept_code(listener, condition) == ws.WSAEINTR
    assert left.receive_code(client) == ws.WSAECONNRESET


@pytest.mark.requirement("SEL-7", "ACPT-25")
def test_select_wakes_when_a_candidate_is_put_back(stacks: tuple[LiveCaller, LiveCaller]) -> None:
    left, right = stacks
    listener = right.listening(80)
    left.connected(80, RIGHT)

    def condition(*_: Any) -> int:
        found.append(in_thread(lambda: right.select(read=[listener], milliseconds=None)[0]))
        waiting(right, listener)
        return 99

    found: list[tuple[threading.Thread, list[Any]]] = []
    assert right.accept_code(listener, condition) == ws.WSAEINVAL
    ((thread, ready),) = found
    thread.join(PATIENCE)
    assert ready == [[listener]]


@pytest.mark.requirement("LISTEN-57", "LISTEN-28", "ACPT-5")
def test_accept_listen_select_and_close_from_many_threads() -> None:
    with two_stacks(syn_rst_wait_ms=2) as (left, right):
        use_from_many_threads(left, right)


def use_from_many_threads(left: LiveCaller, right: LiveCaller) -> None:
    """60 clients come while the listener is accepted from, resized, selected on, closed and opened again."""
    allowed = {0, ws.WSAECONNRESET, ws.WSAENOTSOCK, ws.WSAEINTR, ws.WSAEINVAL, ws.WSATRY_AGAIN, ws.WSAECONNREFUSED}
    stop = threading.Event()
    current = [right.listening(80, 5)]

    def until_stopped(call: Callable[[int], int]) -> Callable[[], set[int]]:
        def loop() -> set[int]:
            found: set[int] = set()
            while not stop.is_set():
                found.add(call(current[0]))
            return found

        return loop

    def accept(condition: Any) -> Callable[[int], int]:
        def call(s: int) -> int:
            result, error = right.attempt("WSPAccept", s, None, None, condition, 0)
            if result == ws.INVALID_SOCKET:
                return error
            right.set_linger(result, 1, 0)
            right.attempt("WSPCloseSocket", result)
            return 0

        return call

    sizes = iter(range(1 << 30))

    def clients() -> int:
        for _ in range(60):
            s = left.tcp()
            left.connect_code(s, 80, RIGHT)
            left.set_linger(s, 1, 0)
            left.close(s)
        stop.set()
        right.attempt("WSPCloseSocket", current[0])
        return 0

    def reopen() -> int:
        pause = threading.Event()
        while not stop.is_set():
            pause.wait(0.02)
            old, s = current[0], right.tcp()
            right.attempt("WSPCloseSocket", old)
            right.bind_code(s, 80)
            right.code("WSPListen", s, 5)
            current[0] = s
        right.attempt("WSPCloseSocket", current[0])
        return 0

    decisions = iter([ws.CF_ACCEPT, ws.CF_DEFER, ws.CF_ACCEPT, ws.CF_REJECT, 9] * 100_000)
    found = run_all(
        [
            clients,
            reopen,
            until_stopped(accept(None)),
            until_stopped(accept(lambda *_: next(decisions))),
            until_stopped(lambda s: right.code("WSPListen", s, next(sizes) % 7)),
            until_stopped(lambda s: select_code(right, s)),
        ]
    )
    assert found[:2] == [0, 0]
    assert set().union(*found[2:]) <= allowed


def select_code(caller: LiveCaller, s: int) -> int:
    return caller.code("WSPSelect", 0, fd_set_of([s]), None, None, timeval(0, 5000))


@pytest.mark.requirement("ACPT-14")
def test_conditional_accept_that_waits_ends_when_the_listener_is_closed(stacks: tuple[LiveCaller, LiveCaller]) -> None:
    _, right = stacks
    listener = conditional(right)
    assert ends_with(lambda: right.accept_code(listener), right, listener, lambda: right.close(listener)) == ws.WSAEINTR
