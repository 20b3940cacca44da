"""WSPAccept (wsp.md section 4, without the condition function)."""

import ctypes

import pytest

from stack.wsp import constants as ws
from stack.wsp.structures import sockaddr_in
from tests.wsp.hosts import RIGHT, TwoHosts


@pytest.mark.requirement("ACPT-2")
def test_accept_waits_for_a_connection(hosts: TwoHosts) -> None:
    listener = hosts.right.listening(80)
    client = hosts.left.nonblocking(hosts.left.tcp())
    hosts.driver.after(5000, lambda: hosts.left.connect_code(client, 80, RIGHT))
    assert hosts.right.accept(listener)


@pytest.mark.requirement("ACPT-2")
def test_nonblocking_accept_on_an_empty_queue_would_block(hosts: TwoHosts) -> None:
    listener = hosts.right.nonblocking(hosts.right.listening(80))
    assert hosts.right.attempt("WSPAccept", listener, None, None, None, 0) == (ws.INVALID_SOCKET, ws.WSAEWOULDBLOCK)


@pytest.mark.requirement("ACPT-3", "ACPT-4")
def test_socket_that_does_not_listen_does_not_accept(hosts: TwoHosts) -> None:
    left, right = hosts.left, hosts.right
    client, server = hosts.connection()
    for caller, s in ((left, left.tcp()), (left, left.bound(81)), (left, client), (right, server)):
        assert caller.accept_code(s) == ws.WSAEINVAL
    assert left.accept_code(left.udp()) == ws.WSAEOPNOTSUPP


@pytest.mark.requirement("ACPT-10", "ACPT-19", "BIND-11")
def test_address_of_the_peer_is_stored_with_its_true_length(hosts: TwoHosts) -> None:
    listener = hosts.right.listening(80)
    client = hosts.left.connected(80, RIGHT)
    name, length = sockaddr_in.from_buffer_copy(b"\xff" * 16), ctypes.c_int(100)
    server = hosts.right.ok("WSPAccept", listener, name, length, None, 0)
    assert (name.address, name.port) == hosts.left.local(client)
    assert length.value == 16
    assert bytes(name.sin_zero) == bytes(8)
    assert hosts.right.local(server) == (RIGHT, 80)
    assert hosts.right.local(listener) == ("0.0.0.0", 80)


@pytest.mark.requirement("ACPT-9", "ACPT-12", "OBS-21")
@pytest.mark.parametrize("short", [0, 15])
def test_short_length_is_a_fault_that_consumes_nothing(hosts: TwoHosts, short: int) -> None:
    listener = hosts.right.listening(80)
    hosts.left.connected(80, RIGHT)
    name, length = sockaddr_in.from_buffer_copy(b"\xff" * 16), ctypes.c_int(short)
    assert hosts.right.code("WSPAccept", listener, name, length, None, 0) == ws.WSAEFAULT
    assert length.value == short
    assert bytes(name) == b"\xff" * 16
    assert hosts.right.accept(listener)


@pytest.mark.requirement("ACPT-11", "OBS-22")
def test_either_pointer_alone_is_left_untouched(hosts: TwoHosts) -> None:
    listener = hosts.right.listening(80)
    hosts.left.connected(80, RIGHT)
    hosts.left.connected(80, RIGHT)
    name, length = sockaddr_in.from_buffer_copy(b"\xff" * 16), ctypes.c_int(3)
    hosts.right.ok("WSPAccept", listener, name, None, None, 0)
    hosts.right.ok("WSPAccept", listener, None, length, None, 0)
    assert bytes(name) == b"\xff" * 16
    assert length.value == 3


@pytest.mark.requirement("ACPT-13")
def test_condition_that_is_not_callable_is_a_fault(hosts: TwoHosts) -> None:
    listener = hosts.right.listening(80)
    assert hosts.right.code("WSPAccept", listener, None, None, 1234, 0) == ws.WSAEFAULT


@pytest.mark.requirement("ACPT-7", "ACPT-8")
def test_connection_reset_while_queued_is_reported_once(hosts: TwoHosts) -> None:
    left, right = hosts.left, hosts.right
    listener = right.nonblocking(right.listening(80))
    first = left.connected(80, RIGHT)
    second = left.connected(80, RIGHT)
    left.set_linger(first, 1, 0)
    left.close(first)
    hosts.run()
    assert right.select(read=[listener])[0] == [listener]
    assert right.accept_code(listener) == ws.WSAECONNRESET
    assert right.peer(right.accept(listener)) == left.local(second)
    assert right.accept_code(listener) == ws.WSAEWOULDBLOCK


@pytest.mark.requirement("LISTEN-55")
def test_connection_closed_while_queued_stays_with_its_data(hosts: TwoHosts) -> None:
    listener = hosts.right.listening(80)
    client = hosts.left.connected(80, RIGHT)
    hosts.left.send(client, b"bye")
    hosts.left.close(client)
    hosts.run()
    server = hosts.right.accept(listener)
    assert hosts.right.receive(server) == b"bye"
    assert hosts.right.receive(server) == b""


@pytest.mark.requirement("ACPT-14", "CLOSE-2", "OBS-20")
def test_closing_the_listener_ends_a_waiting_accept(hosts: TwoHosts) -> None:
    listener = hosts.right.listening(80)
    hosts.driver.after(1000, lambda: hosts.right.close(listener))
    assert hosts.right.accept_code(listener) == ws.WSAEINTR


@pytest.mark.requirement("ACPT-16")
def test_option_of_one_accepted_socket_is_its_own(hosts: TwoHosts) -> None:
    listener = hosts.right.listening(80)
    for _ in range(3):
        hosts.left.connected(80, RIGHT)
    one, other = hosts.right.accept(listener), hosts.right.accept(listener)
    hosts.right.set(one, ws.SO_SNDTIMEO, 77)
    hosts.right.set(one, ws.SO_DEBUG, 1)
    third = hosts.right.accept(listener)
    assert [hosts.right.get(s, ws.SO_SNDTIMEO) for s in (listener, one, other, third)] == [0, 77, 0, 0]
    assert [hosts.right.get(s, ws.SO_DEBUG) for s in (listener, one, other, third)] == [0, 1, 0, 0]


@pytest.mark.requirement("ACPT-16", "ACPT-18", "OBS-23")
def test_options_are_inherited_as_they_stand_at_the_accept(hosts: TwoHosts) -> None:
    left, right = hosts.left, hosts.right
    listener = right.listening(80)
    left.connected(80, RIGHT)
    wanted = {
        ws.SO_REUSEADDR: 1,
        ws.SO_SNDBUF: 20000,
        ws.SO_RCVBUF: 30000,
        ws.SO_SNDTIMEO: 77,
        ws.SO_RCVTIMEO: 88,
        ws.SO_LINGER: 1 | 9 << 16,
    }
    for option, value in wanted.items():
        right.set(listener, option, value)
    right.set(listener, ws.TCP_NODELAY, 1, ws.IPPROTO_TCP)
    server = right.accept(listener)
    assert {option: right.get(server, option) for option in wanted} == wanted
    assert right.get(server, ws.TCP_NODELAY, ws.IPPROTO_TCP) == 1


@pytest.mark.requirement("ACPT-17")
@pytest.mark.parametrize("mode", [True, False])
def test_blocking_mode_is_inherited(hosts: TwoHosts, mode: bool) -> None:
    right = hosts.right
    listener = right.nonblocking(right.listening(80), mode)
    client = hosts.left.connected(80, RIGHT)
    server = right.accept(listener)
    hosts.driver.after(1000, lambda: hosts.left.send(client, b"late"))
    assert right.receive_code(server) == (ws.WSAEWOULDBLOCK if mode else 0)
