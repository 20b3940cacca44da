"""WSPBind and the conflict matrices (wsp.md section 3)."""

import ctypes

import pytest

from stack.wsp import constants as ws
from stack.wsp.binding import COMMON_ACCOUNT, Binding, Mode, conflict
from stack.wsp.structures import WSPDATA, WSPPROC_TABLE, fd_set, sockaddr_in
from tests.wsp.hosts import LEFT, RIGHT, WILDCARD, Caller, TwoHosts, two_hosts

OK, INUSE, ACC = 0, ws.WSAEADDRINUSE, ws.WSAEACCES

# Written out here a second time, as wsp.md has them: a slip in one of the two shows.
COLUMNS = ["Default W", "Default S", "Reuse W", "Reuse S", "Excl W", "Excl S"]
SAME_ACCOUNT = {
    "Default W": [INUSE, OK, ACC, OK, INUSE, OK],
    "Default S": [OK, INUSE, OK, ACC, INUSE, INUSE],
    "Reuse W": [INUSE, OK, OK, OK, INUSE, OK],
    "Reuse S": [OK, INUSE, OK, OK, INUSE, INUSE],
    "Excl W": [INUSE, ACC, ACC, ACC, INUSE, ACC],
    "Excl S": [OK, INUSE, OK, ACC, INUSE, INUSE],
}
OTHER_ACCOUNT = {
    "Default W": [INUSE, ACC, ACC, ACC, INUSE, ACC],
    "Default S": [OK, INUSE, OK, ACC, INUSE, INUSE],
    "Reuse W": [INUSE, ACC, OK, OK, INUSE, ACC],
    "Reuse S": [OK, INUSE, OK, OK, INUSE, INUSE],
    "Excl W": [INUSE, ACC, ACC, ACC, INUSE, ACC],
    "Excl S": [OK, INUSE, OK, ACC, INUSE, INUSE],
}
OPTION = {"Default": None, "Reuse": ws.SO_REUSEADDR, "Excl": ws.SO_EXCLUSIVEADDRUSE}


def bind_as(caller: Caller, kind: str, port: int = 80) -> int:
    """Binds a new socket as a column of the matrix says, to the caller's own address; returns the code."""
    mode, scope = kind.split()
    s = caller.tcp()
    option = OPTION[mode]
    if option is not None:
        caller.set(s, option, 1)
    return caller.bind_code(s, port, WILDCARD if scope == "W" else caller.config.address)


@pytest.mark.requirement("BIND-19", "LISTEN-10", "OBS-11", "OBS-15", "OBS-16")
@pytest.mark.parametrize("second", COLUMNS)
@pytest.mark.parametrize("first", COLUMNS)
def test_second_bind_of_the_same_account_follows_the_matrix(hosts: TwoHosts, first: str, second: str) -> None:
    assert bind_as(hosts.left, first) == 0
    assert bind_as(hosts.left, second) == SAME_ACCOUNT[first][COLUMNS.index(second)]


@pytest.mark.requirement("BIND-20", "BIND-21")
@pytest.mark.parametrize("second", COLUMNS)
@pytest.mark.parametrize("first", COLUMNS)
def test_second_bind_of_another_account_follows_the_matrix(hosts: TwoHosts, first: str, second: str) -> None:
    assert bind_as(hosts.left, first) == 0
    other = hosts.left.of_account("another")
    assert bind_as(other, second) == OTHER_ACCOUNT[first][COLUMNS.index(second)]


@pytest.mark.requirement("BIND-21")
def test_sockets_are_of_one_common_account_by_default(hosts: TwoHosts) -> None:
    left = hosts.left
    table = WSPPROC_TABLE()
    assert left.provider.WSPStartup(0x0202, WSPDATA(), None, None, table) == 0
    assert bind_as(left, "Default W") == 0
    s = table.WSPSocket(ws.AF_INET, ws.SOCK_STREAM, 0, None, 0, 1, ctypes.c_int())
    assert table.WSPBind(s, sockaddr_in.of(LEFT, 80), 16, ctypes.c_int()) == 0


@pytest.mark.requirement("BIND-21", "BIND-20")
def test_account_given_to_socket_wins_over_that_of_the_startup(hosts: TwoHosts) -> None:
    left = hosts.left
    assert bind_as(left, "Default W") == 0

    def bind_for(caller: Caller, account: str | None) -> int:
        s = caller.table.WSPSocket(ws.AF_INET, ws.SOCK_STREAM, 0, None, 0, 1, ctypes.c_int(), account=account)
        return caller.bind_code(s, 80, LEFT)

    assert bind_for(left, "another") == ACC
    assert bind_for(left.of_account("another"), None) == ACC
    assert bind_for(left.of_account("another"), COMMON_ACCOUNT) == 0


@pytest.mark.requirement("BIND-21", "BIND-23", "BIND-29")
def test_accepted_socket_has_the_account_of_its_listener(hosts: TwoHosts) -> None:
    other = hosts.right.of_account("another")
    listener = other.listening(80)
    hosts.left.connected(80, RIGHT)
    accepted = other.accept(listener)
    live = other.provider.descriptors.live
    assert live[accepted].account == live[listener].account == "another"


@pytest.mark.requirement("BIND-22")
def test_rules_of_windows_xp_and_older_are_not_followed(hosts: TwoHosts) -> None:
    """Informative: those made no difference between wildcard and specific, and reuse got in beside a default bind."""
    assert bind_as(hosts.left, "Default W", 80) == 0
    assert bind_as(hosts.left, "Default S", 80) == OK  # INUSE there
    assert bind_as(hosts.left, "Default S", 81) == 0
    assert bind_as(hosts.left, "Reuse S", 81) == ACC  # ok there
    assert bind_as(hosts.left, "Excl W", 82) == 0
    assert bind_as(hosts.left, "Default S", 82) == ACC  # INUSE there


@pytest.mark.requirement("BIND-18")
@pytest.mark.parametrize("kind", COLUMNS)
def test_bindings_of_different_protocols_never_conflict(hosts: TwoHosts, kind: str) -> None:
    assert bind_as(hosts.left, kind) == 0
    assert hosts.left.bind_code(hosts.left.udp(), 80) == 0


@pytest.mark.requirement("BIND-23")
def test_code_comes_from_the_earliest_bound_conflicting_socket(hosts: TwoHosts) -> None:
    assert bind_as(hosts.left, "Excl S") == 0
    assert bind_as(hosts.left, "Default W") == 0
    assert bind_as(hosts.left, "Excl W") == INUSE
    assert bind_as(hosts.left, "Reuse S") == ACC
    assert bind_as(hosts.left, "Reuse W") == ACC  # allowed beside the first, refused by the second


@pytest.mark.requirement("BIND-17")
def test_bindings_of_different_addresses_never_conflict() -> None:
    modes = list(Mode)
    for first in modes:
        for second in modes:
            bindings = [Binding(6, address, 80, mode, "", 0) for address, mode in ((b"a", first), (b"b", second))]
            assert conflict(*bindings) == 0


@pytest.mark.requirement("BIND-15")
def test_options_count_as_they_stood_at_bind_time(hosts: TwoHosts) -> None:
    left = hosts.left
    s = left.bound(80)
    left.set(s, ws.SO_REUSEADDR, 1)
    other = left.tcp()
    left.set(other, ws.SO_REUSEADDR, 1)
    assert left.bind_code(other, 80) == ACC


@pytest.mark.requirement("BIND-16", "OPT-12", "OPT-13", "OBS-17")
def test_reuse_and_exclusive_exclude_each_other(hosts: TwoHosts) -> None:
    left = hosts.left
    for first, second in ((ws.SO_REUSEADDR, ws.SO_EXCLUSIVEADDRUSE), (ws.SO_EXCLUSIVEADDRUSE, ws.SO_REUSEADDR)):
        s = left.tcp()
        left.set(s, first, 1)
        assert left.set_code(s, second, 1) == ws.WSAEINVAL
        assert left.set_code(s, second, 0) == 0
        left.set(s, first, 0)
        left.set(s, second, 1)
        assert (left.get(s, first), left.get(s, second)) == (0, 1)


@pytest.mark.requirement("BIND-1", "BIND-7", "NAME-2", "BIND-11")
def test_bound_socket_reports_its_address(hosts: TwoHosts) -> None:
    left = hosts.left
    assert left.local(left.bound(80)) == (WILDCARD, 80)
    specific = left.bound(81, LEFT)
    assert left.local(specific) == (LEFT, 81)
    name = sockaddr_in.from_buffer_copy(b"\xff" * 16)
    left.ok("WSPGetSockName", specific, name, ctypes.c_int(16))
    assert bytes(name) == b"\x02\x00\x00\x51\x0a\x00\x00\x01" + bytes(8)


@pytest.mark.requirement("BIND-2", "BIND-3", "OBS-9")
def test_faults_of_the_name_come_before_all_else(hosts: TwoHosts) -> None:
    left = hosts.left
    s = left.bound(80)
    good = sockaddr_in.of(LEFT, 80)
    assert left.code("WSPBind", s, None, 16) == ws.WSAEFAULT
    assert left.code("WSPBind", s, good, 0) == ws.WSAEFAULT
    assert left.code("WSPBind", s, good, 15) == ws.WSAEFAULT
    assert left.code("WSPBind", s, bytes(good)[:15], 16) == ws.WSAEFAULT
    strange = sockaddr_in.of(LEFT, 80)
    strange.sin_family = 23
    assert left.code("WSPBind", s, strange, 16) == ws.WSAEAFNOSUPPORT
    assert left.code("WSPBind", s, good, 16) == ws.WSAEINVAL


@pytest.mark.requirement("BIND-2", "BIND-1")
def test_longer_name_and_every_kind_of_pointer_are_taken(hosts: TwoHosts) -> None:
    left = hosts.left
    name = sockaddr_in.of(LEFT, 81)
    assert left.code("WSPBind", left.tcp(), ctypes.byref(name), 16) == 0
    name.sin_port = 0x5200
    assert left.code("WSPBind", left.tcp(), ctypes.pointer(name), 16) == 0
    s = left.tcp()
    assert left.code("WSPBind", s, bytes(sockaddr_in.of(LEFT, 83)) + bytes(12), 28) == 0
    assert left.local(s) == (LEFT, 83)


@pytest.mark.requirement("BIND-5", "OBS-10", "BIND-6", "BIND-9")
def test_bind_after_a_failed_one_succeeds_and_then_any_is_invalid(hosts: TwoHosts) -> None:
    left = hosts.left
    s = left.tcp()
    assert left.bind_code(s, 80, "192.0.2.0") == ws.WSAEADDRNOTAVAIL
    assert left.code("WSPGetSockName", s, sockaddr_in(), ctypes.c_int(16)) == ws.WSAEINVAL
    assert left.bind_code(s, 80, LEFT) == 0
    assert left.bind_code(s, 80, LEFT) == ws.WSAEINVAL
    assert left.bind_code(s, 81, "192.0.2.0") == ws.WSAEINVAL


@pytest.mark.requirement("BIND-6", "LISTEN-41", "OBS-6", "OBS-7")
def test_failed_bind_leaves_the_socket_unbound(hosts: TwoHosts) -> None:
    left = hosts.left
    first = left.listening(80)
    s = left.tcp()
    assert left.bind_code(s, 80) == ws.WSAEADDRINUSE
    assert left.code("WSPListen", s, 5) == ws.WSAEINVAL
    left.close(first)
    assert left.bind_code(s, 80) == 0


@pytest.mark.requirement("BIND-8")
def test_port_zero_gives_a_free_ephemeral_port() -> None:
    left = two_hosts(left={"ephemeral_low": 50000, "ephemeral_high": 50002}).left
    ports = {left.local(left.bound(0))[1] for _ in range(3)}
    assert ports == {50000, 50001, 50002}
    assert left.bind_code(left.tcp(), 0) == ws.WSAENOBUFS


@pytest.mark.requirement("BIND-12", "OPT-16")
def test_datagram_bind_to_broadcast_needs_the_option(hosts: TwoHosts) -> None:
    left = hosts.left
    s = left.udp()
    assert left.bind_code(s, 80, "255.255.255.255") == ws.WSAEACCES
    left.set(s, ws.SO_BROADCAST, 1)
    assert left.bind_code(s, 80, "255.255.255.255") == 0
    assert left.bind_code(left.tcp(), 80, "255.255.255.255") == ws.WSAEADDRNOTAVAIL


@pytest.mark.requirement("BIND-14")
def test_bind_sends_nothing(hosts: TwoHosts) -> None:
    hosts.left.bound(80, LEFT)
    assert hosts.driver.pair.next_event() is None


@pytest.mark.requirement("BIND-26")
def test_connection_to_a_port_that_is_bound_only_is_refused(hosts: TwoHosts) -> None:
    hosts.right.bound(80)
    assert hosts.left.connect_code(hosts.left.tcp(), 80, RIGHT) == ws.WSAECONNREFUSED


@pytest.mark.requirement("BIND-24", "OBS-14")
@pytest.mark.parametrize("specific_first", [True, False])
def test_specific_listener_wins_whatever_the_order(hosts: TwoHosts, specific_first: bool) -> None:
    right = hosts.right
    addresses = [RIGHT, WILDCARD] if specific_first else [WILDCARD, RIGHT]
    listeners = {address: right.nonblocking(right.listening(80, 5, address)) for address in addresses}
    hosts.left.connected(80, RIGHT)
    assert right.accept_code(listeners[WILDCARD]) == ws.WSAEWOULDBLOCK
    assert right.accept(listeners[RIGHT])


@pytest.mark.requirement("BIND-25", "LISTEN-46", "OBS-12", "OBS-13")
def test_reuse_listeners_serve_in_bind_order(hosts: TwoHosts) -> None:
    right = hosts.right
    bound = [right.bound(80, RIGHT, ws.SO_REUSEADDR) for _ in range(3)]
    for s in reversed(bound):
        right.ok("WSPListen", s, 5)
        right.nonblocking(s)
    for index, s in enumerate(bound):
        hosts.left.connected(80, RIGHT)
        assert right.select(read=bound[index:])[0] == [s]
        right.accept(s)
        right.close(s)


@pytest.mark.requirement("BIND-25")
def test_full_queue_of_the_first_reuse_listener_refuses(hosts: TwoHosts) -> None:
    right = hosts.right
    first = right.listening(80, 1, RIGHT, ws.SO_REUSEADDR)
    second = right.listening(80, 1, RIGHT, ws.SO_REUSEADDR)
    hosts.left.connected(80, RIGHT)
    assert hosts.left.connect_code(hosts.left.tcp(), 80, RIGHT) == ws.WSAECONNREFUSED
    assert right.select(read=[first, second])[0] == [first]


@pytest.mark.requirement("BIND-27")
def test_exclusive_binding_outlives_its_socket_while_a_connection_is_active(hosts: TwoHosts) -> None:
    left, right = hosts.left, hosts.right
    listener = right.listening(80, 5, RIGHT, ws.SO_EXCLUSIVEADDRUSE)
    client = left.connected(80, RIGHT)
    server = right.accept(listener)
    right.close(listener)
    assert right.bind_code(right.tcp(), 80, RIGHT) == ws.WSAEADDRINUSE
    right.close(server)
    hosts.run()
    assert right.bind_code(right.tcp(), 80, RIGHT) == ws.WSAEADDRINUSE  # half closed
    left.close(client)
    hosts.run()
    assert right.bind_code(right.tcp(), 80, RIGHT) == 0


@pytest.mark.requirement("BIND-27", "LISTEN-46")
def test_connection_of_another_listener_does_not_keep_an_exclusive_binding(hosts: TwoHosts) -> None:
    left, right = hosts.left, hosts.right
    exclusive = right.listening(80, 5, RIGHT, ws.SO_EXCLUSIVEADDRUSE)
    wildcard = right.listening(80, 5, WILDCARD, ws.SO_REUSEADDR)
    left.connected(80, RIGHT)
    first = right.accept(exclusive)
    right.close(exclusive)
    left.connected(80, RIGHT)
    right.accept(wildcard)
    assert right.bind_code(right.tcp(), 80, RIGHT) == ws.WSAEADDRINUSE
    right.set_linger(first, 1, 0)
    right.close(first)
    assert bind_as(right, "Default S") == 0


@pytest.mark.requirement("BIND-27")
def test_later_connection_of_the_same_ends_does_not_keep_an_exclusive_binding(hosts: TwoHosts) -> None:
    left, right = hosts.left, hosts.right
    exclusive = right.listening(80, 5, RIGHT, ws.SO_EXCLUSIVEADDRUSE)
    right.listening(80, 5, WILDCARD, ws.SO_REUSEADDR)
    for once in (True, False):
        client = left.bound(5000)
        assert left.connect_code(client, 80, RIGHT) == 0
        hosts.run()
        if once:
            server = right.accept(exclusive)
            right.close(exclusive)
            right.set_linger(server, 1, 0)
            right.close(server)
            hosts.run()
            left.close(client)
    assert bind_as(right, "Default S") == 0


@pytest.mark.requirement("BIND-27")
def test_exclusive_binding_remembers_no_more_connections_than_it_must(hosts: TwoHosts) -> None:
    left, right = hosts.left, hosts.right
    listener = right.listening(80, 5, RIGHT, ws.SO_EXCLUSIVEADDRUSE)
    for _ in range(300):
        client = left.connected(80, RIGHT)
        server = right.accept(listener)
        right.set_linger(server, 1, 0)
        right.close(server)
        left.close(client)
    binding = right.provider.descriptors.live[listener].binding
    assert binding is not None
    assert len(binding.connections) <= 128


@pytest.mark.requirement("BIND-28")
def test_time_wait_does_not_block_a_bind_or_listen(hosts: TwoHosts) -> None:
    left, right = hosts.left, hosts.right
    listener = right.listening(80, 5, RIGHT, ws.SO_EXCLUSIVEADDRUSE)
    client = left.connected(80, RIGHT)
    server = right.accept(listener)
    right.close(listener)
    right.close(server)  # the side that closes first stays in TIME-WAIT
    hosts.run()
    left.close(client)
    hosts.run()
    assert left.connect_code(left.tcp(), 80, RIGHT) == ws.WSAECONNREFUSED
    right.listening(80, 5, RIGHT, ws.SO_EXCLUSIVEADDRUSE)
    left.connected(80, RIGHT)


@pytest.mark.requirement("BIND-29")
def test_accepted_socket_takes_no_part_in_the_matrix(hosts: TwoHosts) -> None:
    right = hosts.right
    listener = right.listening(80)
    hosts.left.connected(80, RIGHT)
    right.accept(listener)
    right.close(listener)
    assert right.bind_code(right.tcp(), 80) == 0


@pytest.mark.requirement("BIND-30", "CONN-9")
def test_connect_with_a_four_tuple_in_use_is_addrinuse(hosts: TwoHosts) -> None:
    left = hosts.left
    hosts.right.listening(80)
    first, second = left.bound(4000, LEFT, ws.SO_REUSEADDR), left.bound(4000, LEFT, ws.SO_REUSEADDR)
    assert left.connect_code(first, 80, RIGHT) == 0
    assert left.connect_code(second, 80, RIGHT) == ws.WSAEADDRINUSE


@pytest.mark.requirement("GEN-3", "BIND-2")
def test_name_that_is_no_memory_is_a_fault(hosts: TwoHosts) -> None:
    for name in (1234, "10.0.0.1", object(), ctypes.POINTER(fd_set)()):
        assert hosts.left.code("WSPBind", hosts.left.tcp(), name, 16) == ws.WSAEFAULT
