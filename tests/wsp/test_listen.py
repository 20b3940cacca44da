"""WSPListen: arguments, order of checks, the queue and repeated calls (wsp.md section 2)."""

import ctypes
import inspect

import pytest

from stack.driving import SECOND
from stack.wsp import constants as ws
from stack.wsp.listening import effective_backlog
from tests.wsp.hosts import LEFT, MILLISECOND, RIGHT, WILDCARD, TwoHosts, make_config, two_hosts


@pytest.mark.requirement("LISTEN-4", "LISTEN-5", "LISTEN-31", "LISTEN-32", "LISTEN-34", "LISTEN-35", "LISTEN-36")
@pytest.mark.requirement("LISTEN-37", "LISTEN-38")
@pytest.mark.parametrize(
    ("backlog", "effective"),
    [
        (ws.SOMAXCONN, 200),
        (0, 1),
        (1, 1),
        (5, 5),
        (199, 199),
        (200, 200),
        (201, 200),
        (0x7FFF_FFFE, 200),
        (-1, 200),
        (-2, 200),
        (-200, 200),
        (-1000, 1000),
        (-65535, 65535),
        (-70000, 65535),
        (-0x8000_0000, 65535),
        (ws.SOMAXCONN_HINT(300), 300),
    ],
)
def test_backlog_is_brought_into_its_range(backlog: int, effective: int) -> None:
    assert effective_backlog(backlog, make_config(LEFT)) == effective


@pytest.mark.requirement("LISTEN-34")
def test_somaxconn_has_the_value_of_the_header() -> None:
    assert ws.SOMAXCONN == 0x7FFFFFFF


@pytest.mark.requirement("LISTEN-2")
def test_listen_is_declared_with_three_parameters(hosts: TwoHosts) -> None:
    assert list(inspect.signature(hosts.left.table.WSPListen).parameters) == ["s", "backlog", "lpErrno"]


@pytest.mark.requirement("LISTEN-1", "LISTEN-8", "LISTEN-20", "LISTEN-22", "LISTEN-23", "ACPT-1")
def test_listening_socket_queues_connections_until_they_are_accepted(hosts: TwoHosts) -> None:
    listener = hosts.right.listening(80)
    clients = [hosts.left.connected(80, RIGHT) for _ in range(3)]
    servers = [hosts.right.accept(listener) for _ in range(3)]
    assert [hosts.right.peer(s) for s in servers] == [hosts.left.local(s) for s in clients]


@pytest.mark.requirement("LISTEN-3", "LISTEN-13", "LISTEN-41", "LISTEN-42", "OBS-3", "LISTEN-7")
@pytest.mark.parametrize("backlog", [-2, 0, 1, ws.SOMAXCONN])
def test_unbound_socket_does_not_listen(hosts: TwoHosts, backlog: int) -> None:
    s = hosts.left.tcp()
    assert hosts.left.attempt("WSPListen", s, backlog) == (ws.SOCKET_ERROR, ws.WSAEINVAL)
    assert hosts.left.bind_code(s, 80) == 0


@pytest.mark.requirement("LISTEN-40", "LISTEN-17", "OBS-1", "OBS-2", "LISTEN-18", "LISTEN-21")
def test_checks_come_in_their_order(hosts: TwoHosts) -> None:
    left = hosts.left
    assert left.code("WSPListen", 3, 5) == ws.WSAENOTSOCK
    datagram = left.udp()
    assert left.code("WSPListen", datagram, 5) == ws.WSAEOPNOTSUPP
    assert left.bind_code(datagram, 80) == 0
    assert left.code("WSPListen", datagram, 5) == ws.WSAEOPNOTSUPP
    connected, _ = hosts.connection()
    assert left.code("WSPListen", connected, 5) == ws.WSAEISCONN


@pytest.mark.requirement("LISTEN-14")
def test_accepted_socket_does_not_listen(hosts: TwoHosts) -> None:
    _, accepted = hosts.connection()
    assert hosts.right.code("WSPListen", accepted, 5) == ws.WSAEISCONN


@pytest.mark.requirement("LISTEN-43", "OBS-5", "OPT-11", "OPT-8")
def test_acceptconn_tells_and_cannot_be_set(hosts: TwoHosts) -> None:
    left = hosts.left
    s = left.bound(80)
    assert left.get(s, ws.SO_ACCEPTCONN) == 0
    assert left.set_code(s, ws.SO_ACCEPTCONN, 1) == ws.WSAENOPROTOOPT
    left.ok("WSPListen", s, 5)
    assert left.get(s, ws.SO_ACCEPTCONN) == 1
    assert left.set_code(s, ws.SO_ACCEPTCONN, 0) == ws.WSAENOPROTOOPT


@pytest.mark.requirement("LISTEN-28", "OBS-4")
def test_listen_with_zero_and_then_somaxconn_succeeds(hosts: TwoHosts) -> None:
    s = hosts.left.bound(80)
    hosts.left.ok("WSPListen", s, 0)
    hosts.left.ok("WSPListen", s, ws.SOMAXCONN)


@pytest.mark.requirement("LISTEN-51", "LISTEN-24", "LISTEN-36", "LISTEN-50")
@pytest.mark.parametrize("backlog", [1, 2, 5])
def test_exactly_backlog_peers_are_connected_and_the_next_is_refused(hosts: TwoHosts, backlog: int) -> None:
    hosts.right.listening(80, backlog)
    for _ in range(backlog):
        hosts.left.connected(80, RIGHT)
    assert hosts.left.connect_code(hosts.left.tcp(), 80, RIGHT) == ws.WSAECONNREFUSED


@pytest.mark.requirement("LISTEN-67", "LISTEN-68")
def test_refusal_is_reported_after_four_waits_of_half_a_second(hosts: TwoHosts) -> None:
    begun = hosts.driver.now()
    assert hosts.left.connect_code(hosts.left.tcp(), 80, RIGHT) == ws.WSAECONNREFUSED
    assert 2 * SECOND <= hosts.driver.now() - begun < 2 * SECOND + 10 * MILLISECOND


@pytest.mark.requirement("LISTEN-67")
def test_wait_after_a_reset_syn_and_their_number_are_tunable() -> None:
    hosts = two_hosts(left={"syn_rst_wait_ms": 100, "syn_retries": 2})
    assert hosts.left.connect_code(hosts.left.tcp(), 80, RIGHT) == ws.WSAECONNREFUSED
    assert 200 * MILLISECOND <= hosts.driver.now() < 210 * MILLISECOND


@pytest.mark.requirement("LISTEN-69", "LISTEN-52")
def test_refused_peer_gets_in_when_a_slot_is_freed_in_time(hosts: TwoHosts) -> None:
    listener = hosts.right.listening(80, 1)
    hosts.left.connected(80, RIGHT)
    hosts.driver.after(1200 * MILLISECOND, lambda: hosts.right.accept(listener))
    assert hosts.left.connect_code(hosts.left.tcp(), 80, RIGHT) == 0
    assert hosts.driver.now() < 2 * SECOND


@pytest.mark.requirement("LISTEN-70", "IOCTL-19")
def test_no_retransmission_makes_the_first_reset_final(hosts: TwoHosts) -> None:
    left = hosts.left
    s = left.tcp()
    parameters = b"\xff\xff\xfe"
    left.ok("WSPIoctl", s, ws.SIO_TCP_INITIAL_RTO, parameters, 3, None, 0, ctypes.c_uint32(), None, None, None)
    assert left.connect_code(s, 80, RIGHT) == ws.WSAECONNREFUSED
    assert hosts.driver.now() < 100 * MILLISECOND


@pytest.mark.requirement("LISTEN-30", "LISTEN-57", "LISTEN-58", "LISTEN-59", "LISTEN-29")
def test_smaller_backlog_resets_the_youngest_and_keeps_the_order(hosts: TwoHosts) -> None:
    left, right = hosts.left, hosts.right
    listener = right.listening(80, 5)
    clients = [left.connected(80, RIGHT) for _ in range(4)]
    right.ok("WSPListen", listener, 2)
    hosts.run()
    assert [left.receive_code(left.nonblocking(s)) for s in clients] == [
        ws.WSAEWOULDBLOCK,
        ws.WSAEWOULDBLOCK,
        ws.WSAECONNRESET,
        ws.WSAECONNRESET,
    ]
    assert [right.peer(right.accept(listener)) for _ in range(2)] == [left.local(s) for s in clients[:2]]
    assert right.accept_code(right.nonblocking(listener)) == ws.WSAEWOULDBLOCK


@pytest.mark.requirement("LISTEN-56")
def test_larger_backlog_keeps_all_and_admits_more(hosts: TwoHosts) -> None:
    left, right = hosts.left, hosts.right
    listener = right.listening(80, 1)
    left.connected(80, RIGHT)
    right.ok("WSPListen", listener, 3)
    left.connected(80, RIGHT)
    left.connected(80, RIGHT)
    assert len([right.accept(listener) for _ in range(3)]) == 3


@pytest.mark.requirement("LISTEN-60")
def test_backlog_above_the_occupancy_drops_nothing_but_governs_later(hosts: TwoHosts) -> None:
    left, right = hosts.left, hosts.right
    listener = right.listening(80, 5)
    left.connected(80, RIGHT)
    right.ok("WSPListen", listener, 2)
    left.connected(80, RIGHT)
    assert left.connect_code(left.tcp(), 80, RIGHT) == ws.WSAECONNREFUSED
    assert len([right.accept(listener) for _ in range(2)]) == 2


@pytest.mark.requirement("LISTEN-61")
def test_repeated_listen_keeps_the_options(hosts: TwoHosts) -> None:
    left = hosts.left
    s = left.listening(80)
    left.set(s, ws.SO_SNDTIMEO, 250)
    left.nonblocking(s)
    left.ok("WSPListen", s, 7)
    assert left.get(s, ws.SO_SNDTIMEO) == 250
    assert left.accept_code(s) == ws.WSAEWOULDBLOCK


@pytest.mark.requirement("LISTEN-46", "LISTEN-11", "BIND-30")
@pytest.mark.parametrize("wildcard_first", [True, False])
def test_wildcard_does_not_start_to_listen_beside_an_exclusive_holder(hosts: TwoHosts, wildcard_first: bool) -> None:
    left = hosts.left

    def exclusive() -> int:
        return left.bound(80, LEFT, ws.SO_EXCLUSIVEADDRUSE)

    holder = None if wildcard_first else exclusive()
    wildcard = left.bound(80)
    holder = exclusive() if holder is None else holder
    assert left.code("WSPListen", wildcard, 5) == ws.WSAEADDRINUSE
    assert left.get(wildcard, ws.SO_ACCEPTCONN) == 0
    left.ok("WSPListen", holder, 5)
    left.close(holder)
    left.ok("WSPListen", wildcard, 5)


@pytest.mark.requirement("LISTEN-46", "BIND-27")
def test_wildcard_waits_for_what_survives_of_an_exclusive_binding(hosts: TwoHosts) -> None:
    left, right = hosts.left, hosts.right
    listener = right.listening(80, 5, RIGHT, ws.SO_EXCLUSIVEADDRUSE)
    client = left.connected(80, RIGHT)
    server = right.accept(listener)
    right.close(listener)
    right.close(server)
    hosts.run()
    wildcard = right.bound(80)
    assert right.code("WSPListen", wildcard, 5) == ws.WSAEADDRINUSE
    left.close(client)
    hosts.run()
    right.ok("WSPListen", wildcard, 5)


@pytest.mark.requirement("LISTEN-46")
def test_wildcard_listens_beside_a_specific_binding_that_is_not_exclusive(hosts: TwoHosts) -> None:
    left = hosts.left
    wildcard = left.bound(80)
    left.bound(80, LEFT)
    left.ok("WSPListen", wildcard, 5)


@pytest.mark.requirement("LISTEN-46")
def test_reuse_wildcard_listens_beside_an_exclusive_holder(hosts: TwoHosts) -> None:
    left = hosts.left
    left.bound(80, LEFT, ws.SO_EXCLUSIVEADDRUSE)
    left.listening(80, 5, WILDCARD, ws.SO_REUSEADDR)


@pytest.mark.requirement("LISTEN-46")
def test_second_listen_of_a_wildcard_commits_no_more(hosts: TwoHosts) -> None:
    left = hosts.left
    wildcard = left.listening(80)
    left.bound(80, LEFT, ws.SO_EXCLUSIVEADDRUSE)
    left.ok("WSPListen", wildcard, 9)


@pytest.mark.requirement("LISTEN-6")
def test_no_option_tells_the_backlog(hosts: TwoHosts) -> None:
    left = hosts.left

    def answers(backlog: int) -> list[tuple[int, bytes]]:
        s = left.listening(0, backlog)
        found = []
        for level in (ws.SOL_SOCKET, ws.IPPROTO_TCP, ws.IPPROTO_IP):
            for option in (*range(0x101), *range(0x1000, 0x1010), *range(0x3000, 0x3010), ws.SO_DONTLINGER):
                value = bytearray(8)
                code = left.code("WSPGetSockOpt", s, level, option, value, ctypes.c_int(8))
                found.append((code, bytes(value)))
        return found

    assert answers(3) == answers(150)


@pytest.mark.requirement("LISTEN-44")
def test_failing_listen_changes_nothing(hosts: TwoHosts) -> None:
    left = hosts.left
    s = left.bound(80)
    left.bound(80, LEFT, ws.SO_EXCLUSIVEADDRUSE)
    assert left.code("WSPListen", s, 5) == ws.WSAEADDRINUSE
    assert left.local(s) == (WILDCARD, 80)
    assert left.accept_code(s) == ws.WSAEINVAL


@pytest.mark.requirement("LISTEN-15", "LISTEN-45")
def test_limit_on_listeners_gives_mfile_on_the_first_listen_only() -> None:
    left = two_hosts(left={"max_listeners": 1}).left
    first, second = left.listening(80), left.bound(81)
    assert left.code("WSPListen", second, 5) == ws.WSAEMFILE
    left.ok("WSPListen", first, 6)
    left.close(first)
    left.ok("WSPListen", second, 5)


@pytest.mark.requirement("LISTEN-45", "LISTEN-25", "LISTEN-63")
def test_listening_needs_no_free_descriptor() -> None:
    hosts = two_hosts(right={"max_descriptors": 1})
    hosts.right.listening(80, 2)
    hosts.left.connected(80, RIGHT)
    hosts.left.connected(80, RIGHT)
    assert hosts.left.connect_code(hosts.left.tcp(), 80, RIGHT) == ws.WSAECONNREFUSED


@pytest.mark.requirement("LISTEN-26", "LISTEN-27", "LISTEN-64", "LISTEN-65", "LISTEN-66", "ACPT-5")
def test_freed_descriptors_let_exactly_as_many_in() -> None:
    hosts = two_hosts(right={"max_descriptors": 3})
    left, right = hosts.left, hosts.right
    listener = right.nonblocking(right.listening(80, 2))
    spare = [right.tcp() for _ in range(2)]
    assert right.accept_code(listener) == ws.WSAEWOULDBLOCK
    clients = [left.connected(80, RIGHT) for _ in range(2)]
    assert right.accept_code(listener) == ws.WSAEMFILE
    assert right.accept_code(listener) == ws.WSAEMFILE
    right.close(spare[0])
    assert right.peer(right.accept(listener)) == left.local(clients[0])
    assert right.accept_code(listener) == ws.WSAEMFILE
    left.connected(80, RIGHT)
    assert left.connect_code(left.tcp(), 80, RIGHT) == ws.WSAECONNREFUSED
    right.close(spare[1])
    assert right.peer(right.accept(listener)) == left.local(clients[1])


@pytest.mark.requirement("LISTEN-47", "OBS-8")
def test_socket_listens_after_a_failed_nonblocking_connect(hosts: TwoHosts) -> None:
    left, right = hosts.left, hosts.right
    s = left.nonblocking(left.bound(90))
    assert left.connect_code(s, 80, RIGHT) == ws.WSAEWOULDBLOCK
    assert left.select(write=[s], other=[s], milliseconds=None) == ([], [], [s])
    left.ok("WSPListen", s, 5)
    assert left.get(s, ws.SO_ERROR) == ws.WSAECONNREFUSED
    assert left.select(read=[s], other=[s]) == ([], [], [s])
    right.connected(90, LEFT)
    assert left.accept(s)


@pytest.mark.requirement("LISTEN-73")
def test_closing_the_listener_resets_what_is_queued(hosts: TwoHosts) -> None:
    listener = hosts.right.listening(80)
    client = hosts.left.connected(80, RIGHT)
    hosts.right.close(listener)
    assert hosts.left.receive_code(client) == ws.WSAECONNRESET
