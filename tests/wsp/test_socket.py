"""WSPSocket and descriptors."""

import ctypes

import pytest

from stack.wsp import constants as ws
from tests.wsp.hosts import RIGHT, TwoHosts, two_hosts

TCP = (ws.SOCK_STREAM, ws.IPPROTO_TCP)
UDP = (ws.SOCK_DGRAM, ws.IPPROTO_UDP)
UNKNOWN = 1234

KINDS = [
    ((2, 1, 0), TCP),
    ((2, 1, 6), TCP),
    ((2, 0, 6), TCP),
    ((2, 0, 0), TCP),
    ((2, 2, 0), UDP),
    ((2, 2, 17), UDP),
    ((2, 0, 17), UDP),
    ((0, 1, 6), TCP),
    ((0, 0, 6), TCP),
    ((0, 0, 17), UDP),
]
FAULTS = [
    ((0, 0, 0), ws.WSAEINVAL),
    ((0, 1, 0), ws.WSAEINVAL),
    ((0, UNKNOWN, 0), ws.WSAEINVAL),
    ((2, UNKNOWN, 0), ws.WSAESOCKTNOSUPPORT),
    ((0, UNKNOWN, 6), ws.WSAESOCKTNOSUPPORT),
    ((UNKNOWN, UNKNOWN, UNKNOWN), ws.WSAESOCKTNOSUPPORT),
    ((UNKNOWN, 1, 6), ws.WSAEAFNOSUPPORT),
    ((UNKNOWN, 1, 17), ws.WSAEAFNOSUPPORT),
    ((UNKNOWN, 2, UNKNOWN), ws.WSAEAFNOSUPPORT),
    ((UNKNOWN, 1, 0), ws.WSAEAFNOSUPPORT),
    ((2, 1, UNKNOWN), ws.WSAEPROTONOSUPPORT),
    ((2, 0, UNKNOWN), ws.WSAEPROTONOSUPPORT),
    ((0, 1, UNKNOWN), ws.WSAEPROTONOSUPPORT),
    ((2, 1, 17), ws.WSAEPROTONOSUPPORT),
    ((2, 2, 6), ws.WSAEPROTONOSUPPORT),
    ((0, 1, 17), ws.WSAEPROTONOSUPPORT),
]


@pytest.mark.requirement("SOCK-1", "OPT-25")
@pytest.mark.parametrize(("asked", "made"), KINDS)
def test_socket_of_a_known_kind_is_made(hosts: TwoHosts, asked: tuple[int, int, int], made: tuple[int, int]) -> None:
    s = hosts.left.ok("WSPSocket", *asked, None, 0, 1)
    assert hosts.left.get(s, ws.SO_TYPE) == made[0]
    assert hosts.left.provider.socket(s).protocol == made[1]


@pytest.mark.requirement("SOCK-1", "SOCK-4")
@pytest.mark.parametrize(("asked", "code"), FAULTS)
def test_socket_of_an_unknown_kind_is_refused(hosts: TwoHosts, asked: tuple[int, int, int], code: int) -> None:
    assert hosts.left.attempt("WSPSocket", *asked, None, 0, 1) == (ws.INVALID_SOCKET, code)


@pytest.mark.requirement("SOCK-2")
def test_protocol_record_fills_in_what_is_not_given(hosts: TwoHosts) -> None:
    left = hosts.left
    tcp, udp = left.provider.protocols
    assert left.get(left.ok("WSPSocket", -1, -1, -1, ctypes.byref(udp), 0, 1), ws.SO_TYPE) == ws.SOCK_DGRAM
    assert left.get(left.ok("WSPSocket", 0, 0, 0, tcp, 0, 1), ws.SO_TYPE) == ws.SOCK_STREAM
    assert left.get(left.ok("WSPSocket", -1, ws.SOCK_STREAM, 6, udp, 0, 1), ws.SO_TYPE) == ws.SOCK_STREAM
    assert left.code("WSPSocket", -1, -1, -1, ctypes.c_int(), 0, 1) == ws.WSAEFAULT


@pytest.mark.requirement("SOCK-4")
@pytest.mark.parametrize(("group", "flags"), [(1, 1), (0, 0x02), (0, 0x1000)])
def test_bad_group_or_flags_are_invalid(hosts: TwoHosts, group: int, flags: int) -> None:
    assert hosts.left.code("WSPSocket", 2, 1, 6, None, group, flags) == ws.WSAEINVAL


@pytest.mark.requirement("SOCK-4", "SOCK-5")
def test_full_descriptor_table_gives_mfile_until_one_is_closed() -> None:
    left = two_hosts(left={"max_descriptors": 3}).left
    sockets = [left.tcp() for _ in range(3)]
    assert left.code("WSPSocket", 2, 1, 6, None, 0, 1) == ws.WSAEMFILE
    left.close(sockets[1])
    assert left.tcp() not in sockets
    assert left.code("WSPSocket", 2, 1, 6, None, 0, 1) == ws.WSAEMFILE


@pytest.mark.requirement("SOCK-5")
def test_descriptors_are_issued_in_rotation(hosts: TwoHosts) -> None:
    issued = []
    for _ in range(1000):
        s = hosts.left.tcp()
        hosts.left.close(s)
        issued.append(s)
    assert len(set(issued)) == 1000
    assert not {0, ws.INVALID_SOCKET} & set(issued)


@pytest.mark.requirement("GEN-5", "GEN-1")
def test_bad_descriptor_is_not_a_socket(hosts: TwoHosts) -> None:
    left = hosts.left
    closed = left.tcp()
    left.close(closed)
    for s in (0, ws.INVALID_SOCKET, 3, 0x7FFF_FFFC, closed):
        for entry, arguments in (
            ("WSPBind", (None, 0)),
            ("WSPListen", (5,)),
            ("WSPConnect", (None, 0, None, None, None, None)),
            ("WSPSend", (None, 0, None, 0, None, None, None)),
            ("WSPRecv", (None, 0, None, None, None, None, None)),
            ("WSPShutdown", (77,)),
            ("WSPCloseSocket", ()),
            ("WSPGetSockName", (None, None)),
            ("WSPGetPeerName", (None, None)),
            ("WSPGetSockOpt", (1, 1, None, None)),
            ("WSPSetSockOpt", (1, 1, None, 0)),
            ("WSPIoctl", (0, None, 0, None, 0, None, None, None, None)),
        ):
            assert left.attempt(entry, s, *arguments) == (ws.SOCKET_ERROR, ws.WSAENOTSOCK), entry
        assert left.attempt("WSPAccept", s, None, None, None, 0) == (ws.INVALID_SOCKET, ws.WSAENOTSOCK)


@pytest.mark.requirement("GEN-6", "GEN-7", "ACPT-2", "IOCTL-5")
def test_new_socket_blocks_until_fionbio(hosts: TwoHosts) -> None:
    listener = hosts.right.listening(80)
    hosts.driver.after(1000, lambda: hosts.left.connected(80, RIGHT))
    assert hosts.right.accept(listener)
    hosts.right.nonblocking(listener)
    assert hosts.right.accept_code(listener) == ws.WSAEWOULDBLOCK


@pytest.mark.requirement("GEN-1")
def test_error_is_stored_through_every_kind_of_pointer(hosts: TwoHosts) -> None:
    listen = hosts.left.table.WSPListen
    error = ctypes.c_int(0)
    for pointer in (error, ctypes.byref(error), ctypes.pointer(error)):
        error.value = 0
        assert listen(3, 5, pointer) == ws.SOCKET_ERROR
        assert error.value == ws.WSAENOTSOCK
    assert listen(3, 5, None) == ws.SOCKET_ERROR
    assert listen(3, 5, lpErrno=error) == ws.SOCKET_ERROR


@pytest.mark.requirement("LISTEN-2")
def test_listen_takes_descriptor_backlog_and_error_only(hosts: TwoHosts) -> None:
    s = hosts.left.bound(80)
    with pytest.raises(TypeError):
        hosts.left.table.WSPListen(s, 5, 6, ctypes.c_int())
