"""The condition function of WSPAccept on finished connections (wsp.md section 4.2)."""

import ctypes
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from stack.driving import SECOND
from stack.wsp import constants as ws
from stack.wsp.structures import WSABUF, fd_set_of, sockaddr_in, timeval
from tests.wsp.clients import Client, CraftedClients
from tests.wsp.crafted import HOST, PEER
from tests.wsp.hosts import UNTOUCHED


@pytest.fixture
def clients() -> CraftedClients:
    return CraftedClients()


def returning(decision: Any) -> Callable[..., Any]:
    """A condition function that always says the same."""
    return lambda *_: decision


def answering(*decisions: int) -> Callable[..., int]:
    """A condition function that says one after the other; it may not be asked more often."""
    following: Iterator[int] = iter(decisions)
    return lambda *_: next(following)


@pytest.mark.requirement("ACPT-20")
def test_condition_function_is_told_who_calls_and_whom(clients: CraftedClients) -> None:
    listener = clients.host.listening(80)
    client = clients.client().connect()
    calls: list[tuple[Any, ...]] = []
    threads = []

    def condition(*given: Any) -> int:
        calls.append(given)
        threads.append(threading.current_thread())
        return ws.CF_ACCEPT

    data = object()
    clients.host.accept(listener, condition, data)
    ((caller, caller_data, sqos, gqos, callee, callee_data, group, callback_data),) = calls
    assert caller.octets == bytes(sockaddr_in.of(PEER, client.port))
    assert callee.octets == bytes(sockaddr_in.of(HOST, 80))
    assert (caller_data, sqos, gqos) == (None, None, None)
    assert isinstance(callee_data, WSABUF)
    assert callee_data.len == 0
    group.value = 1  # it may be written, and nothing follows from it
    assert callback_data is data
    assert threads == [threading.current_thread()]


@pytest.mark.requirement("ACPT-20")
def test_condition_function_of_c_is_called_with_its_pointers(clients: CraftedClients) -> None:
    listener = clients.host.listening(80)
    clients.client().connect()
    buffer = ctypes.POINTER(WSABUF)
    prototype = ctypes.CFUNCTYPE(
        ctypes.c_int,
        buffer,
        buffer,
        ctypes.c_void_p,
        ctypes.c_void_p,
        buffer,
        buffer,
        ctypes.POINTER(ctypes.c_uint32),
        ctypes.c_size_t,
    )
    seen = []

    @prototype
    def condition(caller: Any, data: Any, sqos: Any, gqos: Any, callee: Any, reply: Any, group: Any, given: int) -> int:
        seen.append((caller.contents.len, bool(data), sqos, gqos, callee.contents.len, reply.contents.len, given))
        return ws.CF_ACCEPT

    clients.host.accept(listener, condition, 77)
    assert seen == [(16, False, None, None, 16, 0, 77)]


@pytest.mark.requirement("ACPT-20", "ACPT-2")
def test_condition_function_is_not_called_for_an_empty_queue(clients: CraftedClients) -> None:
    listener = clients.host.nonblocking(clients.host.listening(80))
    assert clients.host.accept_code(listener, answering()) == ws.WSAEWOULDBLOCK


@pytest.mark.requirement("ACPT-20", "ACPT-2")
def test_blocking_accept_waits_and_asks_once(clients: CraftedClients) -> None:
    listener = clients.host.listening(80)
    clients.driver.after(SECOND, lambda: clients.client().connect())
    assert clients.host.accept(listener, answering(ws.CF_ACCEPT))
    assert clients.driver.now() == SECOND


@pytest.mark.requirement("ACPT-21", "ACPT-29")
def test_accepted_candidate_gets_a_descriptor_and_its_address_is_stored(clients: CraftedClients) -> None:
    listener = clients.host.listening(80)
    client = clients.client().connect()
    name, length = sockaddr_in(), ctypes.c_int(16)
    s = clients.host.ok("WSPAccept", listener, name, length, returning(ws.CF_ACCEPT), 0)
    assert (name.address, name.port) == clients.host.peer(s) == (PEER, client.port)
    clients.silent_for(SECOND)


@pytest.mark.requirement("ACPT-22", "ACPT-15", "ACPT-29", "LISTEN-52")
def test_rejected_candidate_is_reset_and_frees_its_slot(clients: CraftedClients) -> None:
    host = clients.host
    listener = host.listening(80, 1)
    client = clients.client().connect()
    name, length = sockaddr_in.from_buffer_copy(b"\xff" * 16), ctypes.c_int(UNTOUCHED)
    used = len(host.provider.descriptors)
    code = host.code("WSPAccept", listener, name, length, returning(ws.CF_REJECT), 0)
    assert code == ws.WSAECONNREFUSED
    assert (bytes(name), length.value) == (b"\xff" * 16, UNTOUCHED)
    clients.expect(client.reset_of_connection())
    assert len(host.provider.descriptors) == used
    assert host.accept_code(host.nonblocking(listener)) == ws.WSAEWOULDBLOCK
    clients.client().connect()
    clients.silent_for(10 * SECOND)


@pytest.mark.requirement("ACPT-23", "ACPT-24", "ACPT-29")
def test_deferred_candidate_stays_at_the_head_and_nothing_is_sent(clients: CraftedClients) -> None:
    host = clients.host
    listener = host.listening(80, 2)
    first, second = clients.client().connect(), clients.client().connect()
    name, length = sockaddr_in.from_buffer_copy(b"\xff" * 16), ctypes.c_int(16)
    assert host.code("WSPAccept", listener, name, length, returning(ws.CF_DEFER), 0) == ws.WSATRY_AGAIN
    assert bytes(name) == b"\xff" * 16
    clients.silent_for(10 * SECOND)
    third = clients.client()
    third.syn()
    clients.expect(third.refusal())  # it still counts against the backlog
    ports = []

    def condition(caller: WSABUF, *_: Any) -> int:
        ports.append(sockaddr_in.from_buffer_copy(caller.octets).port)
        return ws.CF_DEFER

    assert host.accept_code(listener, condition) == ws.WSATRY_AGAIN
    assert ports == [first.port]
    assert host.peer(host.accept(listener)) == (PEER, first.port)  # without a condition function it is accepted
    assert host.peer(host.accept(listener)) == (PEER, second.port)


@pytest.mark.requirement("ACPT-25")
def test_deferred_head_makes_the_listener_unreadable_until_it_is_gone(clients: CraftedClients) -> None:
    host = clients.host
    listener = host.listening(80)
    clients.client().connect()
    assert host.select(read=[listener])[0] == [listener]
    assert host.accept_code(listener, returning(ws.CF_DEFER)) == ws.WSATRY_AGAIN
    assert host.select(read=[listener])[0] == []
    clients.client().connect()
    assert host.select(read=[listener])[0] == []
    host.accept(listener)
    assert host.select(read=[listener])[0] == [listener]


@pytest.mark.requirement("ACPT-25")
def test_select_that_waits_behind_a_deferred_head_ends_when_that_is_taken(clients: CraftedClients) -> None:
    host = clients.host
    listener = host.listening(80)
    clients.client().connect()
    clients.client().connect()
    assert host.accept_code(listener, returning(ws.CF_DEFER)) == ws.WSATRY_AGAIN
    clients.driver.after(SECOND, lambda: host.accept(listener))
    assert host.select(read=[listener], milliseconds=None)[0] == [listener]
    assert clients.driver.now() == SECOND


@pytest.mark.requirement("ACPT-27", "ACPT-24")
@pytest.mark.parametrize("other", [3, -1, 11002, None, "yes"])
def test_any_other_answer_is_invalid_and_the_candidate_stays_as_it_was(clients: CraftedClients, other: Any) -> None:
    host = clients.host
    listener = host.listening(80)
    client = clients.client().connect()
    assert host.accept_code(listener, returning(other)) == ws.WSAEINVAL
    clients.silent_for(SECOND)
    assert host.select(read=[listener])[0] == [listener]
    assert host.peer(host.accept(listener)) == (PEER, client.port)


def test_candidate_of_a_condition_function_that_raises_stays_as_it_was(clients: CraftedClients) -> None:
    host = clients.host
    listener = host.listening(80)
    client = clients.client().connect()

    def condition(*_: Any) -> int:
        raise RuntimeError("no decision")

    with pytest.raises(RuntimeError, match="no decision"):
        host.accept_code(listener, condition)
    host.ok("WSPListen", listener, 5)  # the thread is inside no condition function any more
    assert host.select(read=[listener])[0] == [listener]
    assert host.peer(host.accept(listener)) == (PEER, client.port)


@pytest.mark.requirement("ACPT-28", "GEN-4", "LISTEN-12", "LISTEN-79", "LISTEN-40")
def test_calls_that_are_forbidden_in_a_condition_function_say_so(clients: CraftedClients) -> None:
    host = clients.host
    listener, other, bound = host.listening(80), host.listening(81), host.bound(82)
    clients.client().connect()
    clients.client(to=81).connect()
    found = {}

    def condition(*_: Any) -> int:
        found["listen on itself"] = host.code("WSPListen", listener, 5)
        found["listen on another"] = host.code("WSPListen", bound, 5)
        found["listen on a datagram socket"] = host.code("WSPListen", host.udp(), 5)
        found["listen on no socket"] = host.code("WSPListen", 3, 5)
        found["accept"] = host.accept_code(listener)
        found["accept with a fault"] = host.code("WSPAccept", listener, sockaddr_in(), ctypes.c_int(1), None, 0)
        found["accept on no socket"] = host.accept_code(3)
        found["accept on another"] = host.accept_code(other)
        found["select that waits"] = host.code("WSPSelect", 0, fd_set_of([listener]), None, None, timeval(1, 0))
        found["select that polls"] = host.code("WSPSelect", 0, fd_set_of([listener]), None, None, timeval(0, 0))
        found["select on another"] = host.code("WSPSelect", 0, fd_set_of([other]), None, None, timeval(1, 0))
        found["bind"] = host.bind_code(host.tcp(), 90)
        return ws.CF_ACCEPT

    assert host.accept(listener, condition)
    assert found == {
        "listen on itself": ws.WSAEINPROGRESS,
        "listen on another": ws.WSAEINPROGRESS,
        "listen on a datagram socket": ws.WSAEINPROGRESS,
        "listen on no socket": ws.WSAENOTSOCK,
        "accept": ws.WSAEINPROGRESS,
        "accept with a fault": ws.WSAEINPROGRESS,
        "accept on no socket": ws.WSAENOTSOCK,
        "accept on another": 0,
        "select that waits": ws.WSAEINPROGRESS,
        "select that polls": 0,
        "select on another": 0,
        "bind": 0,
    }
    assert host.code("WSPListen", bound, 5) == 0


@pytest.mark.requirement("GEN-4", "LISTEN-40", "LISTEN-9")
def test_callback_comes_before_a_network_that_is_down(clients: CraftedClients) -> None:
    host = clients.host
    listener, bound = host.listening(80), host.bound(82)
    clients.client().connect()
    found = []

    def condition(*_: Any) -> int:
        host.provider.network_down()
        found.append(host.code("WSPListen", bound, 5))
        found.append(host.accept_code(listener))
        return ws.CF_ACCEPT

    assert host.accept_code(listener, condition) == ws.WSAEINTR
    assert found == [ws.WSAEINPROGRESS, ws.WSAEINPROGRESS]
    assert host.code("WSPListen", bound, 5) == ws.WSAENETDOWN


@pytest.mark.requirement("LISTEN-79", "ACPT-28")
def test_other_threads_may_listen_and_accept_meanwhile(clients: CraftedClients) -> None:
    host = clients.host
    listener = host.listening(80)
    first, second = clients.client().connect(), clients.client().connect()
    accepted = []

    def elsewhere() -> None:
        host.ok("WSPListen", listener, 7)
        accepted.append(host.peer(host.accept(listener)))  # the first one is being decided on

    def condition(*_: Any) -> int:
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        return ws.CF_ACCEPT

    assert host.peer(host.accept(listener, condition)) == (PEER, first.port)
    assert accepted == [(PEER, second.port)]


@pytest.mark.requirement("LISTEN-57", "LISTEN-58")
@pytest.mark.parametrize("decision", [ws.CF_ACCEPT, ws.CF_DEFER])
def test_shrink_spares_the_candidate_that_is_being_decided_on(clients: CraftedClients, decision: int) -> None:
    host = clients.host
    listener = host.listening(80, 4)
    candidate, *others = [clients.client().connect() for _ in range(3)]
    assert host.accept_code(listener, returning(ws.CF_DEFER)) == ws.WSATRY_AGAIN

    def condition(*_: Any) -> int:
        thread = threading.Thread(target=lambda: host.ok("WSPListen", listener, 1))
        thread.start()
        thread.join()
        clients.expect(*(client.reset_of_connection() for client in others))
        return decision

    code = host.accept_code(listener, condition)
    clients.expect()
    if decision == ws.CF_DEFER:
        assert code == ws.WSATRY_AGAIN
        assert host.peer(host.accept(listener)) == (PEER, candidate.port)
    else:
        assert code == 0


@pytest.mark.requirement("ACPT-32", "ACPT-7")
@pytest.mark.parametrize("decision", [ws.CF_ACCEPT, ws.CF_REJECT, ws.CF_DEFER])
def test_candidate_reset_while_its_condition_runs_is_reported(clients: CraftedClients, decision: int) -> None:
    host = clients.host
    listener = host.nonblocking(host.listening(80))
    client = clients.client().connect()

    def condition(*_: Any) -> int:
        client.reset()
        return decision

    assert host.accept_code(listener, condition) == ws.WSAECONNRESET
    assert host.accept_code(listener, condition) == ws.WSAEWOULDBLOCK
    clients.expect()


@pytest.mark.requirement("ACPT-7", "ACPT-8", "ACPT-20")
def test_connection_that_was_reset_is_reported_without_asking(clients: CraftedClients) -> None:
    host = clients.host
    listener = host.listening(80)
    gone, alive = clients.client().connect(), clients.client().connect()
    gone.reset()
    clients.expect()
    assert host.select(read=[listener])[0] == [listener]
    assert host.accept_code(listener, answering()) == ws.WSAECONNRESET
    assert host.peer(host.accept(listener, answering(ws.CF_ACCEPT))) == (PEER, alive.port)


@pytest.mark.requirement("ACPT-14", "LISTEN-73")
def test_listener_closed_by_its_condition_function_ends_the_accept(clients: CraftedClients) -> None:
    host = clients.host
    listener = host.listening(80)
    client = clients.client().connect()

    def condition(*_: Any) -> int:
        host.close(listener)
        clients.expect(client.reset_of_connection())
        return ws.CF_ACCEPT

    assert host.accept_code(listener, condition) == ws.WSAEINTR
    clients.silent_for(10 * SECOND)


@pytest.mark.requirement("ACPT-5", "ACPT-20", "LISTEN-64")
def test_condition_function_is_not_asked_without_a_free_descriptor() -> None:
    clients = CraftedClients(max_descriptors=1)
    host = clients.host
    listener = host.listening(80)
    client = clients.client().connect()
    assert host.accept_code(listener, answering()) == ws.WSAEMFILE
    clients.silent_for(SECOND)
    host.provider.descriptors.capacity = 2
    assert host.peer(host.accept(listener, answering(ws.CF_ACCEPT))) == (PEER, client.port)


@pytest.mark.requirement("ACPT-21")
def test_descriptor_of_an_accept_is_set_aside_while_its_condition_runs() -> None:
    clients = CraftedClients(max_descriptors=2)
    host = clients.host
    listener = host.listening(80)
    clients.client().connect()

    def condition(*_: Any) -> int:
        assert host.code("WSPSocket", ws.AF_INET, ws.SOCK_STREAM, 0, None, 0, 1) == ws.WSAEMFILE
        return ws.CF_ACCEPT

    s = host.accept(listener, condition)
    host.close(s)
    host.tcp()  # nothing is left set aside


@pytest.mark.requirement("ACPT-21", "ACPT-22", "ACPT-23", "ACPT-24")
def test_candidates_are_decided_on_in_their_order(clients: CraftedClients) -> None:
    host = clients.host
    listener = host.listening(80)
    line: list[Client] = [clients.client().connect() for _ in range(3)]
    condition = answering(ws.CF_REJECT, ws.CF_DEFER, ws.CF_ACCEPT, ws.CF_REJECT)
    codes = [host.accept_code(listener, condition) for _ in range(4)]
    assert codes == [ws.WSAECONNREFUSED, ws.WSATRY_AGAIN, 0, ws.WSAECONNREFUSED]
    clients.expect(line[0].reset_of_connection(), line[2].reset_of_connection())
