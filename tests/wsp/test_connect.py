"""WSPConnect (wsp.md section 5.6)."""

import ctypes
from typing import Any

import pytest
from scapy.layers.inet import TCP

from stack.driving import SECOND
from stack.wsp import constants as ws
from stack.wsp.structures import WSABUF, sockaddr_in
from tests.wsp.crafted import PEER, CraftedPeer
from tests.wsp.hosts import LEFT, MILLISECOND, NOWHERE, RIGHT, WILDCARD, TwoHosts, two_hosts


@pytest.mark.requirement("CONN-1", "CONN-2", "CONN-11", "NAME-2")
def test_unbound_socket_is_bound_and_connected(hosts: TwoHosts) -> None:
    hosts.right.listening(80)
    s = hosts.left.tcp()
    assert hosts.left.connect_code(s, 80, RIGHT) == 0
    address, port = hosts.left.local(s)
    assert address == LEFT
    assert 49152 <= port <= 65535
    assert hosts.left.peer(s) == (RIGHT, 80)


@pytest.mark.requirement("CONN-2", "GEN-11")
@pytest.mark.parametrize("blocking", [True, False])
def test_connection_reset_before_anybody_looked_was_connected_all_the_same(blocking: bool) -> None:
    peer = CraftedPeer()
    host = peer.host

    def react(frame: bytes) -> None:
        syn = TCP(frame[20:])
        if syn.flags == "S":
            peer.driver.after(0, lambda: accept_and_reset(syn))

    def accept_and_reset(syn: Any) -> None:
        peer.arrive("SA", 80, syn.sport, 700, syn.seq + 1)
        peer.arrive("R", 80, syn.sport, 701)

    peer.driver.respond(react)
    s = host.nonblocking(host.tcp(), not blocking)
    assert host.connect_code(s, 80, PEER) == (0 if blocking else ws.WSAEWOULDBLOCK)
    host.run(MILLISECOND)
    assert host.select(read=[s], write=[s], other=[s]) == ([s], [s], [])
    assert host.get(s, ws.SO_ERROR) == 0
    assert host.receive_code(s) == ws.WSAECONNRESET


@pytest.mark.requirement("CONN-11")
def test_wildcard_binding_gets_its_actual_address(hosts: TwoHosts) -> None:
    hosts.right.listening(80)
    s = hosts.left.bound(4000)
    assert hosts.left.local(s) == (WILDCARD, 4000)
    assert hosts.left.connect_code(s, 80, RIGHT) == 0
    assert hosts.left.local(s) == (LEFT, 4000)


@pytest.mark.requirement("CONN-2", "CONN-3", "SEL-8")
def test_nonblocking_success_shows_in_the_write_set(hosts: TwoHosts) -> None:
    hosts.right.listening(80)
    left = hosts.left
    s = left.nonblocking(left.tcp())
    assert left.connect_code(s, 80, RIGHT) == ws.WSAEWOULDBLOCK
    assert left.select(write=[s], other=[s]) == ([], [], [])
    assert left.select(write=[s], other=[s], milliseconds=None) == ([], [s], [])
    assert left.get(s, ws.SO_ERROR) == 0


@pytest.mark.requirement("CONN-3", "CONN-7", "OPT-24", "SEL-10", "OBS-30")
def test_nonblocking_failure_shows_in_the_except_set_again_and_again(hosts: TwoHosts) -> None:
    left = hosts.left
    s = left.nonblocking(left.tcp())
    assert left.connect_code(s, 80, RIGHT) == ws.WSAEWOULDBLOCK
    for _ in range(2):
        assert left.select(read=[s], write=[s], other=[s], milliseconds=None) == ([], [], [s])
        assert left.get(s, ws.SO_ERROR) == ws.WSAECONNREFUSED


@pytest.mark.requirement("CONN-7", "CONN-6")
def test_new_connect_clears_error_and_except_set_only_by_success(hosts: TwoHosts) -> None:
    left = hosts.left
    s = left.nonblocking(left.tcp())
    left.connect_code(s, 80, RIGHT)
    left.select(other=[s], milliseconds=None)
    hosts.right.listening(80)
    assert left.connect_code(s, 80, RIGHT) == ws.WSAEWOULDBLOCK
    assert left.get(s, ws.SO_ERROR) == ws.WSAECONNREFUSED
    assert left.select(other=[s]) == ([], [], [s])
    assert left.select(write=[s], milliseconds=None) == ([], [s], [])
    assert left.get(s, ws.SO_ERROR) == 0
    assert left.select(other=[s]) == ([], [], [])


@pytest.mark.requirement("CONN-8", "OBS-31", "LISTEN-67")
def test_blocking_failure_returns_the_code_and_leaves_so_error(hosts: TwoHosts) -> None:
    left = hosts.left
    s = left.tcp()
    assert left.connect_code(s, 80, RIGHT) == ws.WSAECONNREFUSED
    assert left.get(s, ws.SO_ERROR) == 0
    assert left.select(write=[s], other=[s]) == ([], [], [s])


@pytest.mark.requirement("CONN-6", "OBS-29")
def test_refused_socket_keeps_its_binding_and_connects_again(hosts: TwoHosts) -> None:
    left = hosts.left
    s = left.tcp()
    assert left.connect_code(s, 80, RIGHT) == ws.WSAECONNREFUSED
    port = left.local(s)[1]
    assert port
    hosts.right.listening(81)
    assert left.connect_code(s, 81, RIGHT) == 0
    assert left.local(s) == (LEFT, port)


@pytest.mark.requirement("CONN-4", "OBS-24", "OBS-25", "OBS-26", "PEER-2", "SEND-7", "RECV-10")
def test_connecting_socket_answers_as_wsp_md_says(hosts: TwoHosts) -> None:
    left = hosts.left
    s = left.nonblocking(left.tcp())
    assert left.connect_code(s, 80, NOWHERE) == ws.WSAEWOULDBLOCK
    assert left.connect_code(s, 80, RIGHT) == ws.WSAEALREADY
    assert left.send_code(s, b"early") == ws.WSAENOTCONN
    assert left.receive_code(s) == ws.WSAENOTCONN
    assert left.local(s)[1] != 0
    assert left.peer(s) == (NOWHERE, 80)


@pytest.mark.requirement("CONN-5", "OBS-27", "SHUT-7")
def test_connect_on_a_listener_or_a_connection_fails(hosts: TwoHosts) -> None:
    left, right = hosts.left, hosts.right
    assert left.connect_code(left.listening(81), 80, RIGHT) == ws.WSAEINVAL
    client, server = hosts.connection()
    assert left.connect_code(client, 80, RIGHT) == ws.WSAEISCONN
    assert right.connect_code(server, 80, LEFT) == ws.WSAEISCONN
    left.ok("WSPShutdown", client, ws.SD_BOTH)
    assert left.connect_code(client, 80, RIGHT) == ws.WSAEISCONN


@pytest.mark.requirement("CONN-9", "BIND-3")
def test_faulty_names_have_their_codes(hosts: TwoHosts) -> None:
    left = hosts.left
    s = left.tcp()
    name = sockaddr_in.of(RIGHT, 80)
    nothing = (None, None, None, None)
    assert left.code("WSPConnect", s, None, 16, *nothing) == ws.WSAEFAULT
    assert left.code("WSPConnect", s, name, 15, *nothing) == ws.WSAEFAULT
    assert left.connect_code(s, 80, WILDCARD) == ws.WSAEADDRNOTAVAIL
    assert left.connect_code(s, 0, RIGHT) == ws.WSAEADDRNOTAVAIL
    name.sin_family = ws.AF_INET6
    assert left.code("WSPConnect", s, name, 16, *nothing) == ws.WSAEAFNOSUPPORT


@pytest.mark.requirement("CONN-9", "CONN-10")
def test_connect_data_and_flow_specs_are_not_carried(hosts: TwoHosts) -> None:
    left = hosts.left
    hosts.right.listening(80)
    name = sockaddr_in.of(RIGHT, 80)
    callee = WSABUF.over(bytearray(10))
    assert left.code("WSPConnect", left.tcp(), name, 16, WSABUF.over(b"x"), None, None, None) == ws.WSAEPROTONOSUPPORT
    assert left.code("WSPConnect", left.tcp(), name, 16, None, None, object(), None) == ws.WSAEOPNOTSUPP
    assert left.code("WSPConnect", left.tcp(), name, 16, WSABUF.over(b""), callee, None, None) == 0
    assert callee.len == 0


@pytest.mark.requirement("CONN-9")
def test_silent_neighbour_makes_a_connect_fail(hosts: TwoHosts) -> None:
    assert hosts.left.connect_code(hosts.left.tcp(), 80, NOWHERE) in (ws.WSAETIMEDOUT, ws.WSAEHOSTUNREACH)


@pytest.mark.requirement("CLOSE-8", "CLOSE-2")
def test_closing_ends_a_waiting_connect(hosts: TwoHosts) -> None:
    left = hosts.left
    s = left.tcp()
    hosts.driver.after(10 * MILLISECOND, lambda: left.close(s))
    assert left.connect_code(s, 80, NOWHERE) == ws.WSAEINTR
    assert hosts.driver.now() < SECOND


@pytest.mark.requirement("CONN-1")
def test_ports_of_closed_sockets_are_given_out_again() -> None:
    hosts = two_hosts(left={"ephemeral_low": 50000, "ephemeral_high": 50003})
    for _ in range(20):
        left = hosts.left.tcp()
        assert hosts.left.connect_code(left, 80, RIGHT) == ws.WSAECONNREFUSED
        hosts.left.close(left)
    taken = [hosts.left.bound(0) for _ in range(4)]
    assert hosts.left.connect_code(hosts.left.tcp(), 80, RIGHT) == ws.WSAENOBUFS
    assert taken


@pytest.mark.requirement("CONN-13")
def test_both_sides_connecting_to_each_other_are_connected() -> None:
    hosts = two_hosts()
    left, right = (caller.nonblocking(caller.bound(4000)) for caller in (hosts.left, hosts.right))
    assert hosts.left.connect_code(left, 4000, RIGHT) == ws.WSAEWOULDBLOCK
    assert hosts.right.connect_code(right, 4000, LEFT) == ws.WSAEWOULDBLOCK
    assert hosts.left.select(write=[left], milliseconds=5000) == ([], [left], [])
    assert hosts.right.select(write=[right], milliseconds=5000) == ([], [right], [])
    hosts.left.send(left, b"to the right")
    hosts.left.nonblocking(left, False)
    hosts.right.nonblocking(right, False)
    assert hosts.right.receive(right) == b"to the right"


@pytest.mark.requirement("GEN-16")
def test_datagram_connect_is_not_built_yet(hosts: TwoHosts) -> None:
    error = ctypes.c_int()
    name = sockaddr_in.of(RIGHT, 80)
    s = hosts.left.udp()
    assert hosts.left.table.WSPConnect(s, name, 16, None, None, None, None, error) == ws.SOCKET_ERROR
    assert error.value == ws.WSAEOPNOTSUPP
