"""Rules that all entries share (wsp.md section 1), and failures for want of memory."""

import ctypes
from typing import Any

import pytest

from netcore.endpoint import NO_BUFFERS
from stack.wsp import constants as ws
from stack.wsp.sockets import Socket
from stack.wsp.structures import sockaddr_in
from tests.wsp.clients import CraftedClients
from tests.wsp.crafted import PEER
from tests.wsp.hosts import LEFT, RIGHT, Caller, TwoHosts


@pytest.mark.requirement("GEN-2", "GEN-1")
def test_error_pointer_is_needed_by_no_entry_that_succeeds(hosts: TwoHosts) -> None:
    """Success leaves *lpErrno to chance, so no test may read it: `Caller.code` and `Caller.ok` do not."""
    table = hosts.left.table
    s = table.WSPSocket(ws.AF_INET, ws.SOCK_STREAM, 0, None, 0, 1, None)
    assert s != ws.INVALID_SOCKET
    assert table.WSPBind(s, sockaddr_in.of(LEFT, 80), 16, None) == 0
    assert table.WSPListen(s, 5, None) == 0
    assert table.WSPCloseSocket(s, None) == 0
    assert table.WSPCloseSocket(s, None) == ws.SOCKET_ERROR


class Starved:
    """An engine that has no memory for a listener."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def listen(self, *_: Any, **__: Any) -> int:
        return NO_BUFFERS


@pytest.mark.requirement("LISTEN-16", "LISTEN-45", "LISTEN-44")
def test_listen_without_queue_memory_is_nobufs_and_changes_nothing(
    hosts: TwoHosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = hosts.left
    s = left.bound(80)
    with monkeypatch.context() as patch:
        patch.setattr(left.provider.driver, "_engine", Starved(left.engine))
        assert left.code("WSPListen", s, 5) == ws.WSAENOBUFS
    assert left.get(s, ws.SO_ACCEPTCONN) == 0
    left.ok("WSPListen", s, 5)


@pytest.mark.requirement("ACPT-6")
@pytest.mark.parametrize("condition", [None, lambda *_: ws.CF_ACCEPT])
def test_accept_without_memory_is_nobufs_and_the_queue_stays(condition: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    clients = CraftedClients()
    host = clients.host
    listener = host.listening(80)
    line = [clients.client().connect() for _ in range(2)]

    def no_memory(*_: Any) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(Socket, "new_heir", no_memory)
        assert host.accept_code(listener, condition) == ws.WSAENOBUFS
    clients.expect()
    assert host.select(read=[listener])[0] == [listener]
    assert [host.peer(host.accept(listener)) for _ in line] == [(PEER, client.port) for client in line]


@pytest.mark.requirement("LISTEN-19")
def test_listen_fails_with_no_other_code_than_those_of_its_page(hosts: TwoHosts) -> None:
    left = hosts.left
    page = {
        *(ws.WSAENETDOWN, ws.WSAEADDRINUSE, ws.WSAEINPROGRESS, ws.WSAEINVAL, ws.WSAEISCONN),
        *(ws.WSAEMFILE, ws.WSAENOBUFS, ws.WSAENOTSOCK, ws.WSAEOPNOTSUPP, ws.WSANOTINITIALISED),
    }
    connected, _ = hosts.connection()
    connecting = left.nonblocking(left.tcp())
    left.connect_code(connecting, 80, "10.0.0.99")
    left.bound(81, LEFT, ws.SO_EXCLUSIVEADDRUSE)
    closed = left.tcp()
    left.close(closed)
    sockets = [0, 3, ws.INVALID_SOCKET, closed, left.tcp(), left.udp(), connected, connecting, left.bound(81)]
    found = {left.code("WSPListen", s, backlog) for s in sockets for backlog in (-2, 0, 1, ws.SOMAXCONN)}
    assert found == {ws.WSAENOTSOCK, ws.WSAEINVAL, ws.WSAEOPNOTSUPP, ws.WSAEISCONN, ws.WSAEADDRINUSE}
    assert found <= page
    left.ok("WSPCleanup")
    assert left.code("WSPListen", sockets[-1], 5) == ws.WSANOTINITIALISED


@pytest.mark.requirement("LISTEN-40", "LISTEN-46", "LISTEN-45")
def test_state_comes_before_address_and_address_before_descriptors() -> None:
    clients = CraftedClients(max_listeners=1)
    host = clients.host
    host.listening(90)
    host.bound(80, "10.0.0.1", ws.SO_EXCLUSIVEADDRUSE)
    wildcard, other, unbound = host.bound(80), host.bound(91), host.tcp()
    assert host.code("WSPListen", unbound, 5) == ws.WSAEINVAL
    assert host.code("WSPListen", wildcard, 5) == ws.WSAEADDRINUSE
    assert host.code("WSPListen", other, 5) == ws.WSAEMFILE


@pytest.mark.requirement("GEN-4", "ACPT-3", "ACPT-9", "ACPT-13")
def test_faults_of_accept_come_before_type_and_state(hosts: TwoHosts) -> None:
    left = hosts.left
    name, short = sockaddr_in(), ctypes.c_int(15)
    for s in (left.tcp(), left.udp(), left.listening(80)):
        assert left.code("WSPAccept", s, name, short, None, 0) == ws.WSAEFAULT
        assert left.code("WSPAccept", s, None, None, 7, 0) == ws.WSAEFAULT
    assert left.code("WSPAccept", 3, name, short, 7, 0) == ws.WSAENOTSOCK


@pytest.mark.requirement("GEN-14", "GEN-11", "GEN-13", "GEN-12")
def test_reset_discards_what_was_not_read() -> None:
    clients = CraftedClients()
    host = clients.host
    listener = host.listening(80)
    client = clients.client().connect()
    client.data(b"lost")
    s = host.accept(listener)
    client.reset()
    for _ in range(2):
        assert host.receive_code(s) == ws.WSAECONNRESET
        assert host.send_code(s, b"x") == ws.WSAECONNRESET
        assert host.get(s, ws.SO_ERROR) == 0


@pytest.mark.requirement("GEN-15", "CLOSE-6")
def test_text_for_an_orphan_is_answered_with_a_reset() -> None:
    clients = CraftedClients()
    host = clients.host
    listener = host.listening(80)
    client = clients.client().connect()
    host.close(host.accept(listener))
    ((_, fin),) = clients.take()
    assert (fin.flags, fin.seq) == ("FA", client.at(1))
    client.data(b"late")
    ((_, answer),) = clients.take()
    assert "R" in answer.flags
    assert clients.engine_connections() == 0


def made_by(caller: Caller, count: int) -> list[int]:
    return [caller.tcp() for _ in range(count)]


@pytest.mark.requirement("GEN-5")
def test_value_of_no_socket_is_refused_by_listen_bind_and_accept(hosts: TwoHosts) -> None:
    left = hosts.left
    (closed,) = made_by(left, 1)
    left.close(closed)
    for s in (0, 1, closed, closed + 4000, ws.INVALID_SOCKET, -1):
        assert left.code("WSPListen", s, 5) == ws.WSAENOTSOCK
        assert left.bind_code(s, 80) == ws.WSAENOTSOCK
        assert left.accept_code(s, lambda *_: ws.CF_ACCEPT) == ws.WSAENOTSOCK
        assert left.connect_code(s, 80, RIGHT) == ws.WSAENOTSOCK
