"""SO_KEEPALIVE and its times, SIO_KEEPALIVE_VALS, TCP_MAXRT: what programs say of them, and what the peer sees."""

import ctypes
import itertools
import struct

import pytest

from stack.wsp import constants as ws
from tests.wsp.crafted import PEER, CraftedPeer
from tests.wsp.hosts import UNTOUCHED, Caller, TwoHosts

SECOND = 1_000_000_000
TCP = ws.IPPROTO_TCP
FOR_EVER = 0xFFFF_FFFF


def keepalive_values(caller: Caller, s: int, on: int, time: int, interval: int, length: int = 12) -> tuple[int, int]:
    """SIO_KEEPALIVE_VALS: (error code, bytes returned)."""
    size = ctypes.c_uint32(UNTOUCHED)
    given = struct.pack("<3I", on, time, interval)
    code = caller.code("WSPIoctl", s, ws.SIO_KEEPALIVE_VALS, given, length, None, 0, size, None, None, None)
    return code, size.value


def accepted(peer: CraftedPeer) -> tuple[int, int, int]:
    """A connection: the socket, and the next sequence numbers of the peer and of the host."""
    listener = peer.host.listening(80)
    theirs, ours = peer.established(4000, 80)
    return peer.host.accept(listener), theirs, ours


@pytest.mark.requirement("OPT-14", "OPT-5")
def test_keepalive_is_a_bool_of_one_byte_and_off(hosts: TwoHosts) -> None:
    s = hosts.left.tcp()
    assert hosts.left.get(s, ws.SO_KEEPALIVE) == 0
    for value, read in ((1, 1), (0x100, 0), (0x1FF, 1), (0, 0)):
        hosts.left.set(s, ws.SO_KEEPALIVE, value)
        cell, length = ctypes.c_uint32(0), ctypes.c_int(4)
        hosts.left.ok("WSPGetSockOpt", s, ws.SOL_SOCKET, ws.SO_KEEPALIVE, cell, length)
        assert (cell.value, length.value) == (read, 1)
    assert hosts.left.set_code(s, ws.SO_KEEPALIVE, 1, length=0) == ws.WSAEFAULT
    assert hosts.left.set_code(s, ws.SO_KEEPALIVE, 1, length=-1) == ws.WSAENOBUFS


@pytest.mark.requirement("OPT-14")
def test_keepalive_is_not_set_while_a_connect_is_in_progress() -> None:
    peer = CraftedPeer()
    s = peer.host.nonblocking(peer.host.tcp())
    assert peer.host.connect_code(s, 80, PEER) == ws.WSAEWOULDBLOCK
    assert peer.host.set_code(s, ws.SO_KEEPALIVE, 1) == ws.WSAEINVAL
    ((_, syn),) = peer.sent()
    peer.arrive("SA", 80, syn.sport, 7000, syn.seq + 1)
    peer.host.set(s, ws.SO_KEEPALIVE, 1)


@pytest.mark.requirement("OPT-42", "OPT-47", "OPT-48")
@pytest.mark.parametrize(
    ("option", "default"),
    [(ws.TCP_KEEPIDLE, 7200), (ws.TCP_KEEPALIVE, 7200), (ws.TCP_KEEPINTVL, 1), (ws.TCP_KEEPCNT, 10)],
)
def test_times_have_their_defaults_and_read_back(hosts: TwoHosts, option: int, default: int) -> None:
    s = hosts.left.tcp()
    assert hosts.left.get(s, option, TCP) == default
    for value in (0, 1, 77, 255):
        hosts.left.set(s, option, value, TCP)
        assert hosts.left.get(s, option, TCP) == value
    assert hosts.left.set_code(s, option, 1, TCP, 3) == ws.WSAEFAULT
    assert hosts.left.set_code(hosts.left.udp(), option, 1, TCP) == ws.WSAENOPROTOOPT


@pytest.mark.requirement("OPT-47")
@pytest.mark.parametrize("value", [256, 1000, FOR_EVER])
def test_more_than_255_probes_are_invalid(hosts: TwoHosts, value: int) -> None:
    s = hosts.left.tcp()
    assert hosts.left.set_code(s, ws.TCP_KEEPCNT, value, TCP) == ws.WSAEINVAL
    assert hosts.left.get(s, ws.TCP_KEEPCNT, TCP) == 10


@pytest.mark.requirement("OPT-42", "OPT-48")
def test_largest_times_are_taken(hosts: TwoHosts) -> None:
    left, _ = hosts.connection()
    hosts.left.set(left, ws.SO_KEEPALIVE, 1)
    for option in (ws.TCP_KEEPIDLE, ws.TCP_KEEPINTVL):
        hosts.left.set(left, option, FOR_EVER, TCP)
        assert hosts.left.get(left, option, TCP) == FOR_EVER


@pytest.mark.requirement("OPT-14", "OPT-42", "OPT-47", "OPT-48", "SND-8", "GEN-11")
@pytest.mark.parametrize("before", [False, True])
def test_silent_peer_is_probed_and_given_up(before: bool) -> None:
    peer = CraftedPeer()
    listener = peer.host.listening(80)

    def want(s: int) -> None:
        for option, value in ((ws.TCP_KEEPIDLE, 30), (ws.TCP_KEEPINTVL, 5), (ws.TCP_KEEPCNT, 2)):
            peer.host.set(s, option, value, TCP)
        peer.host.set(s, ws.SO_KEEPALIVE, 1)

    if before:
        want(listener)
    theirs, ours = peer.established(4000, 80)
    s = peer.host.accept(listener)
    if not before:
        want(s)
    start = peer.driver.now()
    # the receive that waits says what happened, later ones that there is no connection
    assert peer.host.receive_code(s) == ws.WSAENETRESET
    probes = peer.sent()
    assert [time - start for time, _ in probes] == [30 * SECOND, 35 * SECOND, 40 * SECOND]
    assert [(str(each.flags), each.seq, each.ack) for _, each in probes] == [
        ("A", ours - 1, theirs),
        ("A", ours - 1, theirs),
        ("RA", ours, theirs),
    ]
    assert peer.host.receive_code(s) == ws.WSAENOTCONN
    assert peer.host.send_code(s, b"x") == ws.WSAENOTCONN
    assert peer.host.get(s, ws.SO_ERROR) == 0


@pytest.mark.requirement("IOCTL-8", "SND-8")
@pytest.mark.parametrize("on", [1, 0x100, FOR_EVER])
def test_keepalive_values_in_milliseconds_are_seen_by_the_peer(on: int) -> None:
    peer = CraftedPeer()
    s, *_ = accepted(peer)
    assert keepalive_values(peer.host, s, on, 1500, 250) == (0, 0)
    assert peer.host.get(s, ws.SO_KEEPALIVE) == 1
    start = peer.driver.now()
    assert peer.host.receive_code(s) == ws.WSAENETRESET
    times = [(time - start) // 1_000_000 for time, _ in peer.sent()]
    # the count stays what it was: 10
    assert times == [1500 + 250 * number for number in range(11)]


@pytest.mark.requirement("IOCTL-8")
def test_keepalive_values_switch_it_off() -> None:
    peer = CraftedPeer()
    s, *_ = accepted(peer)
    peer.host.set(s, ws.SO_KEEPALIVE, 1)
    assert keepalive_values(peer.host, s, 0, 0, 0) == (0, 0)
    assert peer.host.get(s, ws.SO_KEEPALIVE) == 0
    peer.host.run(10_000 * SECOND)
    assert peer.sent() == []


@pytest.mark.requirement("IOCTL-8")
@pytest.mark.parametrize("length", [0, 4, 11])
def test_short_keepalive_values_are_a_fault(hosts: TwoHosts, length: int) -> None:
    s = hosts.left.tcp()
    assert keepalive_values(hosts.left, s, 1, 1, 1, length)[0] == ws.WSAEFAULT
    size = ctypes.c_uint32(UNTOUCHED)
    code = hosts.left.code("WSPIoctl", s, ws.SIO_KEEPALIVE_VALS, None, 12, None, 0, size, None, None, None)
    assert code == ws.WSAEFAULT
    assert hosts.left.get(s, ws.SO_KEEPALIVE) == 0


@pytest.mark.requirement("OPT-43", "OPT-45")
def test_longest_wait_is_one_value_in_two_units(hosts: TwoHosts) -> None:
    s = hosts.left.tcp()
    hosts.left.set(s, ws.TCP_MAXRT, 7, TCP)
    assert hosts.left.get(s, ws.TCP_MAXRTMS, TCP) == 7000
    hosts.left.set(s, ws.TCP_MAXRTMS, 1500, TCP)
    assert hosts.left.get(s, ws.TCP_MAXRT, TCP) == 1
    for option in (ws.TCP_MAXRT, ws.TCP_MAXRTMS):
        hosts.left.set(s, option, FOR_EVER, TCP)
        assert hosts.left.get(s, ws.TCP_MAXRT, TCP) == hosts.left.get(s, ws.TCP_MAXRTMS, TCP) == FOR_EVER
        hosts.left.set(s, option, 0, TCP)
        assert hosts.left.get(s, option, TCP) == 0


@pytest.mark.requirement("OPT-43", "SND-7")
@pytest.mark.parametrize(("option", "value", "milliseconds"), [(ws.TCP_MAXRT, 9, 9000), (ws.TCP_MAXRTMS, 2500, 2500)])
def test_longest_wait_ends_a_connect(option: int, value: int, milliseconds: int) -> None:
    peer = CraftedPeer()
    s = peer.host.tcp()
    peer.host.set(s, option, value, TCP)
    start = peer.driver.now()
    assert peer.host.connect_code(s, 80, PEER) == ws.WSAETIMEDOUT
    assert peer.driver.now() - start == milliseconds * 1_000_000


@pytest.mark.requirement("OPT-43", "OPT-45", "SND-7")
def test_longest_wait_ends_a_connection_whose_data_is_not_acknowledged() -> None:
    peer = CraftedPeer()
    s, *_ = accepted(peer)
    peer.host.set(s, ws.TCP_MAXRTMS, 4200, TCP)
    peer.host.send(s, b"x")
    start = peer.driver.now()
    assert peer.host.receive_code(s) == ws.WSAETIMEDOUT
    assert peer.driver.now() - start == 4200 * 1_000_000


@pytest.mark.requirement("OPT-43", "SND-7")
def test_connection_without_a_longest_wait_goes_on() -> None:
    peer = CraftedPeer()
    s, *_ = accepted(peer)
    peer.host.set(s, ws.TCP_MAXRT, FOR_EVER, TCP)
    peer.host.send(s, b"x")
    peer.host.run(5 * 3600 * SECOND)
    times = [time for time, _ in peer.sent()]
    assert max(later - earlier for earlier, later in itertools.pairwise(times)) == 60 * SECOND
    assert peer.host.send_code(s, b"y") == 0
