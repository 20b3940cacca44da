"""WSPSelect (wsp.md section 5.19)."""

import ctypes

import pytest

from stack.driving import SECOND, NothingScheduled
from stack.wsp import constants as ws
from stack.wsp.structures import fd_set, fd_set_of, timeval
from tests.wsp.hosts import MILLISECOND, NOWHERE, RIGHT, TwoHosts


@pytest.mark.requirement("SEL-1", "OBS-63")
def test_two_hundred_members_work_and_keep_their_order(hosts: TwoHosts) -> None:
    listener = hosts.right.listening(80, 200)
    clients = [hosts.left.connected(80, RIGHT) for _ in range(200)]
    servers = [hosts.right.accept(listener) for _ in range(200)]
    asked = servers[::-1]
    assert hosts.right.select(write=asked) == ([], asked, [])
    for s in clients[::2]:
        hosts.left.send(s, b"x")
    hosts.run()
    assert hosts.right.select(read=asked)[0] == [s for s in asked if servers.index(s) % 2 == 0]


@pytest.mark.requirement("SEL-1", "SEL-2")
def test_count_sums_over_the_sets_and_nfds_is_ignored(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    hosts.left.send(left, b"x")
    hosts.run()
    read, write = fd_set_of([right]), fd_set_of([right])
    assert hosts.right.ok("WSPSelect", -77, read, ctypes.byref(write), None, timeval(0, 0)) == 2


@pytest.mark.requirement("SEL-2", "SEL-3")
def test_time_out_empties_the_sets_and_leaves_the_structure(hosts: TwoHosts) -> None:
    _, right = hosts.connection()
    read, limit = fd_set_of([right]), timeval(1, 250_000)
    begun = hosts.driver.now()
    assert hosts.right.ok("WSPSelect", 0, read, None, None, limit) == 0
    assert hosts.driver.now() - begun == 1250 * MILLISECOND
    assert read.fd_count == 0
    assert (limit.tv_sec, limit.tv_usec) == (1, 250_000)


@pytest.mark.requirement("SEL-3")
def test_poll_takes_no_time_and_null_waits_for_ever(hosts: TwoHosts) -> None:
    _, right = hosts.connection()
    begun = hosts.driver.now()
    assert hosts.right.select(read=[right]) == ([], [], [])
    assert hosts.driver.now() == begun
    with pytest.raises(NothingScheduled):
        hosts.right.select(read=[right], milliseconds=None)


@pytest.mark.requirement("SEL-3", "SEL-14")
@pytest.mark.parametrize(("seconds", "microseconds"), [(-1, 0), (0, -1), (0, 1_000_000)])
def test_time_out_out_of_range_is_invalid(hosts: TwoHosts, seconds: int, microseconds: int) -> None:
    s = hosts.left.listening(80)
    code = hosts.left.code("WSPSelect", 0, fd_set_of([s]), None, None, timeval(seconds, microseconds))
    assert code == ws.WSAEINVAL


@pytest.mark.requirement("SEL-4", "SEL-14")
def test_no_or_empty_sets_are_invalid(hosts: TwoHosts) -> None:
    for sets in ((None, None, None), (fd_set(), None, None), (fd_set(), fd_set(), fd_set())):
        assert hosts.left.code("WSPSelect", 0, *sets, timeval(0, 0)) == ws.WSAEINVAL


@pytest.mark.requirement("SEL-5")
def test_bad_member_is_not_a_socket_and_the_sets_stay(hosts: TwoHosts) -> None:
    left = hosts.left
    s, closed = left.tcp(), left.tcp()
    left.close(closed)
    for bad in (closed, 0, 3):
        read, write = fd_set_of([s]), fd_set_of([s, bad])
        assert left.code("WSPSelect", 0, read, write, None, timeval(0, 0)) == ws.WSAENOTSOCK
        assert (read.descriptors, write.descriptors) == ([s], [s, bad])


@pytest.mark.requirement("SEL-14", "GEN-3")
def test_set_of_another_shape_is_a_fault(hosts: TwoHosts) -> None:
    assert hosts.left.code("WSPSelect", 0, 1234, None, None, timeval(0, 0)) == ws.WSAEFAULT
    s = hosts.left.listening(80)
    assert hosts.left.code("WSPSelect", 0, fd_set_of([s]), None, None, 0.5) == ws.WSAEFAULT


@pytest.mark.requirement("SEL-6")
def test_duplicates_are_reported_once(hosts: TwoHosts) -> None:
    _, right = hosts.connection()
    write = fd_set_of([right, right, right])
    assert hosts.right.ok("WSPSelect", 0, None, write, None, timeval(0, 0)) == 1
    assert write.descriptors == [right]


@pytest.mark.requirement("SEL-6")
def test_one_set_for_two_roles_shows_the_union_once(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    listener = hosts.right.listening(81)
    hosts.left.send(left, b"x")
    hosts.run()
    both = fd_set_of([listener, right])
    assert hosts.right.ok("WSPSelect", 0, both, both, None, timeval(0, 0)) == 1
    assert both.descriptors == [right]


@pytest.mark.requirement("SEL-7", "SEL-9")
def test_listener_is_readable_with_a_pending_connection_only(hosts: TwoHosts) -> None:
    listener = hosts.right.listening(80)
    everything = {"read": [listener], "write": [listener], "other": [listener]}
    assert hosts.right.select(**everything) == ([], [], [])
    hosts.left.connected(80, RIGHT)
    assert hosts.right.select(**everything) == ([listener], [], [])
    hosts.right.accept(listener)
    assert hosts.right.select(**everything) == ([], [], [])


@pytest.mark.requirement("SEL-7", "SEL-11")
def test_connection_is_readable_with_data_and_at_the_end(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    everything = {"read": [right], "write": [right], "other": [right]}
    assert hosts.right.select(**everything) == ([], [right], [])
    hosts.left.send(left, b"x")
    hosts.run()
    assert hosts.right.select(**everything) == ([right], [right], [])
    hosts.right.receive(right)
    assert hosts.right.select(**everything) == ([], [right], [])
    hosts.left.ok("WSPShutdown", left, ws.SD_SEND)
    hosts.run()
    assert hosts.right.select(**everything) == ([right], [right], [])


@pytest.mark.requirement("SEL-9")
def test_fresh_and_bound_sockets_are_not_ready(hosts: TwoHosts) -> None:
    sockets = [hosts.left.tcp(), hosts.left.bound(80)]
    assert hosts.left.select(read=sockets, write=sockets, other=sockets) == ([], [], [])


@pytest.mark.requirement("SEL-10", "GEN-11", "OBS-39")
def test_reset_connection_is_readable_and_writable(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    hosts.left.set_linger(left, 1, 0)
    hosts.left.close(left)
    hosts.run()
    assert hosts.right.select(read=[right], write=[right], other=[right]) == ([right], [right], [])


@pytest.mark.requirement("SEL-11")
def test_unbound_datagram_socket_is_writable(hosts: TwoHosts) -> None:
    s = hosts.left.udp()
    assert hosts.left.select(read=[s], write=[s], other=[s]) == ([], [s], [])


@pytest.mark.requirement("SEL-7")
def test_select_waits_until_data_comes(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    idle = hosts.right.tcp()
    hosts.driver.after(SECOND, lambda: hosts.left.send(left, b"x"))
    begun = hosts.driver.now()
    assert hosts.right.select(read=[idle, right], milliseconds=5000)[0] == [right]
    assert SECOND <= hosts.driver.now() - begun < 2 * SECOND


@pytest.mark.requirement("SEL-12", "CLOSE-9", "OBS-62")
def test_member_closed_during_the_wait_is_marked_readable(hosts: TwoHosts) -> None:
    for s in (hosts.left.tcp(), hosts.left.listening(80), hosts.connection(81)[0]):
        hosts.driver.after(SECOND, lambda s=s: hosts.left.close(s))
        assert hosts.left.select(read=[s], other=[s], milliseconds=5000) == ([s], [], [])


@pytest.mark.requirement("SEL-12", "CLOSE-9", "OBS-62")
def test_member_of_the_except_set_closed_during_the_wait_fails_the_call(hosts: TwoHosts) -> None:
    for s in (hosts.left.tcp(), hosts.connection()[0]):
        hosts.driver.after(SECOND, lambda s=s: hosts.left.close(s))
        members = fd_set_of([s])
        assert hosts.left.code("WSPSelect", 0, None, None, members, timeval(5, 0)) == ws.WSAENOTSOCK
        assert members.descriptors == [s]


def test_socket_that_starts_to_listen_during_the_wait_is_seen(hosts: TwoHosts) -> None:
    s = hosts.right.bound(80)
    hosts.driver.after(SECOND, lambda: hosts.right.ok("WSPListen", s, 5))
    hosts.driver.after(2 * SECOND, lambda: hosts.left.connected(80, RIGHT))
    assert hosts.right.select(read=[s], milliseconds=9000)[0] == [s]


def test_socket_that_connects_during_the_wait_is_seen(hosts: TwoHosts) -> None:
    hosts.right.listening(80)
    s = hosts.left.nonblocking(hosts.left.tcp())
    hosts.driver.after(SECOND, lambda: hosts.left.connect_code(s, 80, RIGHT))
    assert hosts.left.select(write=[s], milliseconds=9000)[1] == [s]


@pytest.mark.requirement("SEL-10")
def test_failing_connect_is_no_reason_to_be_readable(hosts: TwoHosts) -> None:
    left = hosts.left
    s = left.nonblocking(left.tcp())
    left.connect_code(s, 80, RIGHT)
    assert left.select(read=[s], write=[s], milliseconds=10_000) == ([], [], [])
    other = left.nonblocking(left.tcp())
    left.connect_code(other, 80, NOWHERE)
    assert left.select(other=[other], milliseconds=60_000) == ([], [], [other])


def test_new_data_ends_the_wait_beside_a_failed_connect(hosts: TwoHosts) -> None:
    left = hosts.left
    client, server = hosts.connection()
    s = left.nonblocking(left.tcp())
    left.connect_code(s, 81, RIGHT)
    hosts.driver.after(5 * SECOND, lambda: hosts.right.send(server, b"x"))
    assert left.select(read=[s, client], write=[s], milliseconds=None) == ([client], [], [])
