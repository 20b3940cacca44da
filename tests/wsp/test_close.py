"""WSPCloseSocket and WSPShutdown (wsp.md sections 5.5 and 5.23)."""

import pytest

from stack.driving import SECOND
from stack.wsp import constants as ws
from tests.wsp.hosts import MILLISECOND, NOWHERE, TwoHosts, two_hosts


@pytest.mark.requirement("CLOSE-1")
def test_closed_descriptor_is_not_a_socket(hosts: TwoHosts) -> None:
    s = hosts.left.tcp()
    hosts.left.close(s)
    assert hosts.left.code("WSPCloseSocket", s) == ws.WSAENOTSOCK


@pytest.mark.requirement("CLOSE-3", "CLOSE-3a", "SND-10")
def test_default_close_returns_at_once_and_delivers(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    hosts.left.send(left, b"delivered")
    begun = hosts.driver.now()
    hosts.left.close(left)
    assert hosts.driver.now() == begun
    assert hosts.right.receive(right) == b"delivered"
    assert hosts.right.receive(right) == b""


@pytest.mark.requirement("CLOSE-3b")
@pytest.mark.parametrize("nonblocking", [False, True])
def test_close_with_linger_of_zero_resets(hosts: TwoHosts, nonblocking: bool) -> None:
    left, right = hosts.connection()
    hosts.left.nonblocking(left, nonblocking)
    hosts.left.set_linger(left, 1, 0)
    begun = hosts.driver.now()
    hosts.left.close(left)
    assert hosts.driver.now() == begun
    assert hosts.right.receive_code(right) == ws.WSAECONNRESET


@pytest.mark.requirement("CLOSE-3c", "CLOSE-5")
def test_lingering_close_waits_for_the_acknowledgements() -> None:
    hosts = two_hosts(latency=100 * MILLISECOND)
    left, right = hosts.connection()
    hosts.run()
    hosts.left.send(left, b"acknowledged")
    hosts.left.set_linger(left, 1, 5)
    begun = hosts.driver.now()
    hosts.left.close(left)
    assert 200 * MILLISECOND <= hosts.driver.now() - begun < SECOND
    assert hosts.right.receive_all(right, 12) == b"acknowledged"
    assert hosts.right.receive(right) == b""


@pytest.mark.requirement("CLOSE-3d", "CLOSE-5")
def test_lingering_close_resets_when_its_time_is_over(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    hosts.stall(left)
    hosts.left.set_linger(left, 1, 3)
    begun = hosts.driver.now()
    hosts.left.close(left)
    assert hosts.driver.now() - begun == 3 * SECOND
    hosts.run()
    assert hosts.right.receive_code(right) == ws.WSAECONNRESET


@pytest.mark.requirement("CLOSE-3e")
def test_nonblocking_lingering_close_would_block_and_changes_nothing(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    hosts.left.send(left, b"data")
    hosts.left.nonblocking(left)
    hosts.left.set_linger(left, 1, 5)
    assert hosts.left.code("WSPCloseSocket", left) == ws.WSAEWOULDBLOCK
    assert hosts.left.send(left, b" more") == 5
    assert hosts.right.receive_all(right, 9) == b"data more"
    hosts.left.ok("WSPShutdown", left, ws.SD_SEND)
    hosts.run()
    hosts.left.close(left)
    assert hosts.right.receive(right) == b""


@pytest.mark.requirement("CLOSE-3e")
def test_nonblocking_close_goes_on_once_linger_is_off(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    hosts.left.nonblocking(left)
    hosts.left.set_linger(left, 1, 5)
    assert hosts.left.code("WSPCloseSocket", left) == ws.WSAEWOULDBLOCK
    hosts.left.set(left, ws.SO_DONTLINGER, 1)
    hosts.left.close(left)
    assert hosts.right.receive(right) == b""


@pytest.mark.requirement("CLOSE-4")
def test_linger_does_not_hold_up_an_unconnected_socket(hosts: TwoHosts) -> None:
    left = hosts.left
    for s in (left.tcp(), left.bound(80), left.listening(81)):
        left.set_linger(s, 1, 100)
        left.close(s)
    assert hosts.driver.now() == 0
    assert hosts.driver.pair.next_event() is None


@pytest.mark.requirement("CLOSE-6")
def test_close_with_unread_data_resets(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    hosts.left.send(left, b"never read")
    hosts.run()
    hosts.right.close(right)
    hosts.run()
    assert hosts.left.receive_code(left) == ws.WSAECONNRESET


@pytest.mark.requirement("CLOSE-6", "GEN-15")
def test_data_after_the_close_is_answered_with_reset(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    hosts.right.close(right)
    hosts.run()
    hosts.left.send(left, b"too late")
    hosts.run()
    assert hosts.left.send_code(left, b"x") == ws.WSAECONNABORTED


@pytest.mark.requirement("CLOSE-8")
def test_closing_a_connecting_socket_abandons_it(hosts: TwoHosts) -> None:
    left = hosts.left
    s = left.nonblocking(left.bound(4000))
    left.connect_code(s, 80, NOWHERE)
    left.close(s)
    assert left.bind_code(left.tcp(), 4000) == 0
    assert left.engine.usage()["connections"] == 0


@pytest.mark.requirement("SHUT-1", "OBS-35")
@pytest.mark.parametrize("how", [-1, 3, 0xDEADBEEF])
def test_unknown_way_to_shut_down_is_invalid(hosts: TwoHosts, how: int) -> None:
    left, _ = hosts.connection()
    assert hosts.left.code("WSPShutdown", left, how) == ws.WSAEINVAL


@pytest.mark.requirement("SHUT-2", "OBS-35")
@pytest.mark.parametrize("how", [ws.SD_RECEIVE, ws.SD_SEND, ws.SD_BOTH])
def test_shutdown_wants_a_connection_of_stream_sockets(hosts: TwoHosts, how: int) -> None:
    left = hosts.left
    for s in (left.tcp(), left.bound(80), left.listening(81)):
        assert left.code("WSPShutdown", s, how) == ws.WSAENOTCONN
    assert left.code("WSPShutdown", left.udp(), how) == 0


@pytest.mark.requirement("SHUT-3", "SEND-7", "OBS-32", "OBS-34")
def test_shut_sender_still_receives(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    hosts.left.send(left, b"request")
    for _ in range(2):
        hosts.left.ok("WSPShutdown", left, ws.SD_SEND)
    assert hosts.left.send_code(left, b"x") == ws.WSAESHUTDOWN
    assert hosts.right.receive(right) == b"request"
    assert hosts.right.receive(right) == b""
    hosts.right.send(right, b"answer")
    hosts.right.close(right)
    assert hosts.left.receive(left) == b"answer"
    assert hosts.left.receive(left) == b""


@pytest.mark.requirement("SHUT-4", "RECV-11", "OBS-33")
def test_shut_receiver_refuses_to_receive_and_still_sends(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    hosts.right.ok("WSPShutdown", right, ws.SD_RECEIVE)
    assert hosts.right.receive_code(right) == ws.WSAESHUTDOWN
    hosts.right.send(right, b"still here")
    assert hosts.left.receive(left) == b"still here"
    hosts.left.ok("WSPShutdown", left, ws.SD_SEND)
    hosts.run()
    assert hosts.right.receive_code(right) == ws.WSAESHUTDOWN


@pytest.mark.requirement("SHUT-4")
@pytest.mark.parametrize("before", [True, False])
def test_data_for_a_shut_receiver_resets_the_connection(hosts: TwoHosts, before: bool) -> None:
    left, right = hosts.connection()
    if before:
        hosts.left.send(left, b"unread")
        hosts.run()
    hosts.right.ok("WSPShutdown", right, ws.SD_RECEIVE)
    if not before:
        hosts.left.send(left, b"later")
    hosts.run()
    assert hosts.left.receive_code(left) == ws.WSAECONNRESET


@pytest.mark.requirement("SHUT-6")
def test_shutdown_of_both_ignores_linger_and_keeps_the_descriptor(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    hosts.left.set_linger(left, 1, 100)
    begun = hosts.driver.now()
    hosts.left.ok("WSPShutdown", left, ws.SD_BOTH)
    assert hosts.driver.now() == begun
    assert hosts.left.send_code(left, b"x") == ws.WSAESHUTDOWN
    assert hosts.left.receive_code(left) == ws.WSAESHUTDOWN
    assert hosts.right.receive(right) == b""


@pytest.mark.requirement("SHUT-7", "PEER-2", "NAME-2")
def test_names_still_work_after_shutdowns(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    names = hosts.left.local(left), hosts.left.peer(left)
    hosts.left.ok("WSPShutdown", left, ws.SD_BOTH)
    hosts.right.close(right)
    hosts.run()
    assert (hosts.left.local(left), hosts.left.peer(left)) == names


def test_shutdown_ends_a_waiting_receive_and_send(hosts: TwoHosts) -> None:
    left, _ = hosts.connection()
    hosts.driver.after(SECOND, lambda: hosts.left.ok("WSPShutdown", left, ws.SD_RECEIVE))
    assert hosts.left.receive_code(left) == ws.WSAESHUTDOWN
    left, _ = hosts.connection(81)
    hosts.stall(left)
    hosts.driver.after(SECOND, lambda: hosts.left.ok("WSPShutdown", left, ws.SD_SEND))
    assert hosts.left.send_code(left, b"x") == ws.WSAESHUTDOWN


def test_nothing_is_left_after_connections_are_closed(hosts: TwoHosts) -> None:
    for port in range(80, 90):
        left, right = hosts.connection(port)
        hosts.left.send(left, b"x" * 5000)
        hosts.left.close(left)
        hosts.right.receive_all(right, 5000)
        hosts.right.close(right)
    hosts.run(120 * SECOND)
    for caller in (hosts.left, hosts.right):
        assert len(caller.provider.descriptors) == 0
        assert caller.provider.bindings.count() == 0
        assert caller.provider.listeners == 0
        usage = caller.engine.usage()
        assert {name: usage[name] for name in ("connections", "half_open", "time_wait", "listeners", "orphans")} == {
            "connections": 0,
            "half_open": 0,
            "time_wait": 0,
            "listeners": 0,
            "orphans": 0,
        }
