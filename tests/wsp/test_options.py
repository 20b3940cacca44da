"""WSPGetSockOpt and WSPSetSockOpt (wsp.md section 7)."""

import ctypes
import threading
from typing import Any

import pytest

from stack.wsp import constants as ws
from stack.wsp.structures import linger
from tests.wsp.hosts import UNTOUCHED, Caller, TwoHosts

GROUP_A = [ws.SO_DONTLINGER, ws.SO_REUSEADDR, ws.SO_EXCLUSIVEADDRUSE]
GROUP_B = [(ws.SOL_SOCKET, ws.SO_DONTROUTE), (ws.IPPROTO_TCP, ws.TCP_NODELAY)]
GROUP_C = [ws.SO_LINGER, ws.SO_RCVBUF, ws.SO_SNDBUF, ws.SO_RCVTIMEO, ws.SO_SNDTIMEO, ws.SO_ERROR]


def get(caller: Caller, s: int, option: int, length: int, level: int = ws.SOL_SOCKET) -> tuple[int, bytes, int]:
    """Returns (code, the eight bytes that were 0x5a before, length afterwards)."""
    value, cell = bytearray(b"\x5a" * 8), ctypes.c_int(length)
    code = caller.code("WSPGetSockOpt", s, level, option, value, cell)
    return code, bytes(value), cell.value


@pytest.mark.requirement("OPT-4")
@pytest.mark.parametrize("option", GROUP_A)
@pytest.mark.parametrize("length", [1, 2, 4, 40, 0, -1])
def test_bool_of_group_a_is_set_with_any_length(hosts: TwoHosts, option: int, length: int) -> None:
    s = hosts.left.tcp()
    for value in (0, 1):
        assert hosts.left.set_code(s, option, value, length=length) == 0
        assert hosts.left.get(s, option) == value


@pytest.mark.requirement("OPT-4")
@pytest.mark.parametrize("option", GROUP_A)
def test_bool_of_group_a_reads_back_one_for_any_value(hosts: TwoHosts, option: int) -> None:
    s = hosts.left.tcp()
    hosts.left.set(s, option, 0)
    hosts.left.set(s, option, 0x100)
    assert hosts.left.get(s, option) == 1


@pytest.mark.requirement("OPT-4")
@pytest.mark.parametrize(("length", "reported"), [(1, 1), (2, 1), (4, 4), (8, 4)])
def test_bool_of_group_a_reports_one_or_four_bytes(hosts: TwoHosts, length: int, reported: int) -> None:
    s = hosts.left.tcp()
    hosts.left.set(s, ws.SO_REUSEADDR, 1)
    expected = (1).to_bytes(reported, "little").ljust(8, b"\x5a")
    assert get(hosts.left, s, ws.SO_REUSEADDR, length) == (0, expected, reported)


@pytest.mark.requirement("OPT-5", "OPT-15", "OPT-40")
@pytest.mark.parametrize(("level", "option"), GROUP_B)
def test_bool_of_group_b_looks_at_the_low_byte_and_reports_one(hosts: TwoHosts, level: int, option: int) -> None:
    s = hosts.left.tcp()
    for value, read in ((1, 1), (0x100, 0), (0x1FF, 1), (0, 0)):
        for length in (1, 2, 4, 40):
            assert hosts.left.set_code(s, option, value, level, length) == 0
            for asked in (1, 2, 4, 8):
                expected = bytes([read]).ljust(8, b"\x5a")
                assert get(hosts.left, s, option, asked, level) == (0, expected, 1)
    assert hosts.left.set_code(s, option, 1, level, 0) == ws.WSAEFAULT
    assert hosts.left.set_code(s, option, 1, level, -1) == ws.WSAENOBUFS


@pytest.mark.requirement("OPT-6", "OPT-21", "OPT-22", "OPT-23")
@pytest.mark.parametrize("option", GROUP_C)
def test_value_of_group_c_has_four_bytes(hosts: TwoHosts, option: int) -> None:
    s = hosts.left.tcp()
    for length in (0, 1, 2, 3):
        assert hosts.left.set_code(s, option, 1, length=length) == ws.WSAEFAULT
    for length in (4, 8, 40, -1):
        assert hosts.left.set_code(s, option, 0x0003_0001, length=length) == 0
        assert hosts.left.get(s, option) == 0x0003_0001
        assert hosts.left.set_code(s, option, 0, length=length) == 0
    for length in (1, 2, 3):
        assert get(hosts.left, s, option, length) == (ws.WSAEFAULT, b"\x5a" * 8, length)
    assert get(hosts.left, s, option, 8) == (0, bytes(4) + b"\x5a" * 4, 4)


@pytest.mark.requirement("OPT-1")
def test_checks_of_get_come_in_their_order(hosts: TwoHosts) -> None:
    left = hosts.left
    s = left.tcp()
    cell = ctypes.c_int(4)
    assert left.code("WSPGetSockOpt", 3, 0x1234, 0x1234, None, None) == ws.WSAENOTSOCK
    assert left.code("WSPGetSockOpt", s, 0x1234, 0x1234, None, cell) == ws.WSAEFAULT
    assert left.code("WSPGetSockOpt", s, 0x1234, 0x1234, bytearray(4), None) == ws.WSAEFAULT
    assert get(left, s, 0x1234, 0, 0x1234)[0] == ws.WSAEFAULT
    assert get(left, s, 0x1234, -1, 0x1234)[0] == ws.WSAEFAULT
    assert get(left, s, 0x1234, 4, 0x1234)[0] == ws.WSAEINVAL
    assert get(left, s, 0x1234, 1)[0] == ws.WSAENOPROTOOPT
    assert get(left, s, ws.SO_SNDBUF, 1)[0] == ws.WSAEFAULT


@pytest.mark.requirement("OPT-2")
@pytest.mark.parametrize("pointer", [None, 0, 1])
def test_set_through_null_or_a_small_integer_is_a_fault(hosts: TwoHosts, pointer: Any) -> None:
    s = hosts.left.tcp()
    assert hosts.left.code("WSPSetSockOpt", s, ws.SOL_SOCKET, ws.SO_REUSEADDR, pointer, 4) == ws.WSAEFAULT
    assert hosts.left.code("WSPSetSockOpt", 3, ws.SOL_SOCKET, ws.SO_REUSEADDR, pointer, 4) == ws.WSAENOTSOCK


@pytest.mark.requirement("OPT-3")
@pytest.mark.parametrize("level", [0xFFFFFFFF, -1, 0x8000, 0x0800, 0x1234FFFF, 0x8000FFFF])
def test_levels_are_exact(hosts: TwoHosts, level: int) -> None:
    s = hosts.left.tcp()
    assert get(hosts.left, s, ws.SO_REUSEADDR, 4, level)[0] == ws.WSAEINVAL
    assert hosts.left.set_code(s, ws.SO_REUSEADDR, 1, level) == ws.WSAEINVAL


@pytest.mark.requirement("OPT-8", "OPT-25", "OPT-11")
def test_read_only_option_cannot_be_set(hosts: TwoHosts) -> None:
    left = hosts.left
    stream, datagram = left.tcp(), left.udp()
    assert left.set_code(stream, ws.SO_TYPE, 1) == ws.WSAENOPROTOOPT
    assert left.set_code(datagram, ws.SO_TYPE, 1) == ws.WSAEINVAL
    assert left.set_code(stream, ws.SO_ACCEPTCONN, 1) == ws.WSAENOPROTOOPT
    assert (left.get(stream, ws.SO_TYPE), left.get(datagram, ws.SO_TYPE)) == (1, 2)


@pytest.mark.requirement("OPT-9")
def test_options_can_be_set_after_connecting(hosts: TwoHosts) -> None:
    left, _ = hosts.connection()
    for option in (ws.SO_SNDTIMEO, ws.SO_SNDBUF, ws.SO_RCVBUF):
        hosts.left.set(left, option, 12345)
        assert hosts.left.get(left, option) == 12345


@pytest.mark.requirement("OPT-10")
def test_debug_reads_one_for_any_value(hosts: TwoHosts) -> None:
    s = hosts.left.tcp()
    assert hosts.left.get(s, ws.SO_DEBUG) == 0
    hosts.left.set(s, ws.SO_DEBUG, 0xDEADBEEF)
    assert hosts.left.get(s, ws.SO_DEBUG) == 1


@pytest.mark.requirement("OPT-16")
def test_broadcast_is_for_datagrams_only(hosts: TwoHosts) -> None:
    left = hosts.left
    assert left.set_code(left.tcp(), ws.SO_BROADCAST, 1) == ws.WSAENOPROTOOPT
    assert get(left, left.tcp(), ws.SO_BROADCAST, 4)[0] == ws.WSAENOPROTOOPT
    s = left.udp()
    left.set(s, ws.SO_BROADCAST, 1)
    assert left.get(s, ws.SO_BROADCAST) == 1


@pytest.mark.requirement("OPT-17")
@pytest.mark.parametrize("option", [ws.SO_USELOOPBACK, ws.SO_SNDLOWAT, ws.SO_RCVLOWAT])
def test_options_of_other_systems_are_invalid(hosts: TwoHosts, option: int) -> None:
    s = hosts.left.tcp()
    assert hosts.left.set_code(s, option, 1) == ws.WSAEINVAL
    assert get(hosts.left, s, option, 4)[0] == ws.WSAEINVAL


@pytest.mark.requirement("OPT-18", "OPT-19")
def test_linger_and_dontlinger_are_two_views_of_one_thing(hosts: TwoHosts) -> None:
    left = hosts.left
    s = left.tcp()
    assert left.get(s, ws.SO_LINGER) == 0
    assert left.get(s, ws.SO_DONTLINGER) == 1
    left.set_linger(s, 1, 7)
    assert left.get(s, ws.SO_DONTLINGER) == 0
    left.set(s, ws.SO_DONTLINGER, 1)
    value = linger()
    left.ok("WSPGetSockOpt", s, ws.SOL_SOCKET, ws.SO_LINGER, ctypes.byref(value), ctypes.byref(ctypes.c_int(4)))
    assert value.l_onoff == 0
    left.set(s, ws.SO_DONTLINGER, 0)
    left.ok("WSPGetSockOpt", s, ws.SOL_SOCKET, ws.SO_LINGER, ctypes.pointer(value), ctypes.c_int(4))
    assert (value.l_onoff, value.l_linger) == (1, 7)
    assert left.set_code(left.udp(), ws.SO_LINGER, 1) == ws.WSAENOPROTOOPT


@pytest.mark.requirement("OPT-21", "OPT-22")
def test_buffer_sizes_report_their_defaults_and_read_back_exactly(hosts: TwoHosts) -> None:
    left = hosts.left
    s = left.tcp()
    for option in (ws.SO_SNDBUF, ws.SO_RCVBUF):
        assert left.get(s, option) == 65536
        for size in (0, 1, 4097, 10_000_000):
            left.set(s, option, size)
            assert left.get(s, option) == size


@pytest.mark.requirement("OPT-24", "CONN-7")
def test_error_is_settable_and_stays(hosts: TwoHosts) -> None:
    s = hosts.left.tcp()
    hosts.left.set(s, ws.SO_ERROR, 1234)
    assert [hosts.left.get(s, ws.SO_ERROR) for _ in range(2)] == [1234, 1234]


@pytest.mark.requirement("OPT-29")
def test_largest_message_is_for_datagrams_only(hosts: TwoHosts) -> None:
    assert hosts.left.get(hosts.left.udp(), ws.SO_MAX_MSG_SIZE) == 65507
    assert get(hosts.left, hosts.left.tcp(), ws.SO_MAX_MSG_SIZE, 4)[0] == ws.WSAENOPROTOOPT


@pytest.mark.requirement("OPT-32")
def test_random_ports_are_chosen_before_the_bind_only(hosts: TwoHosts) -> None:
    left = hosts.left
    s = left.tcp()
    left.set(s, ws.SO_RANDOMIZE_PORT, 1)
    assert left.get(s, ws.SO_RANDOMIZE_PORT) == 1
    assert left.set_code(left.bound(80), ws.SO_RANDOMIZE_PORT, 1) == ws.WSAEINVAL
    other = left.tcp()
    left.set(other, ws.SO_REUSE_UNICASTPORT, 1)
    assert left.set_code(other, ws.SO_RANDOMIZE_PORT, 1) == ws.WSAEINVAL


@pytest.mark.requirement("OPT-33")
@pytest.mark.parametrize("option", [ws.SO_PORT_SCALABILITY, ws.SO_REUSE_UNICASTPORT, ws.SO_REUSE_MULTICASTPORT])
def test_stored_option_reads_back(hosts: TwoHosts, option: int) -> None:
    s = hosts.left.tcp()
    assert hosts.left.get(s, option) == 0
    hosts.left.set(s, option, 1)
    assert hosts.left.get(s, option) == 1


@pytest.mark.requirement("OPT-34", "OPT-51")
def test_option_that_is_unknown_or_not_built_is_no_option(hosts: TwoHosts) -> None:
    s = hosts.left.tcp()
    for level, option in (
        (ws.SOL_SOCKET, ws.SO_CONNDATA),
        (ws.SOL_SOCKET, ws.SO_DISCOPTLEN),
        (ws.SOL_SOCKET, 0x1234),
        (ws.IPPROTO_TCP, 0x1234),
        (ws.IPPROTO_TCP, -1),
    ):
        assert hosts.left.set_code(s, option, 1, level) == ws.WSAENOPROTOOPT
        assert get(hosts.left, s, option, 4, level)[0] == ws.WSAENOPROTOOPT


@pytest.mark.requirement("OPT-35", "OPT-1")
def test_open_type_is_of_the_thread_and_needs_no_socket(hosts: TwoHosts) -> None:
    left = hosts.left
    assert left.get(ws.INVALID_SOCKET, ws.SO_OPENTYPE) == 0
    left.set(ws.INVALID_SOCKET, ws.SO_OPENTYPE, ws.SO_SYNCHRONOUS_NONALERT)
    assert left.get(3, ws.SO_OPENTYPE) == 0x20
    seen = []
    other = threading.Thread(target=lambda: seen.append(left.get(3, ws.SO_OPENTYPE)))
    other.start()
    other.join()
    assert seen == [0]
    assert left.set_code(3, ws.SO_OPENTYPE, 5) == ws.WSAEINVAL
    left.set(3, ws.SO_OPENTYPE, 0)


@pytest.mark.requirement("OPT-40")
def test_nodelay_reaches_the_connection(hosts: TwoHosts) -> None:
    left, _ = hosts.connection()
    endpoint = hosts.left.provider.socket(left).endpoint
    assert endpoint is not None
    assert not endpoint.nodelay
    hosts.left.set(left, ws.TCP_NODELAY, 1, ws.IPPROTO_TCP)
    assert endpoint.nodelay


@pytest.mark.requirement("OPT-1")
def test_failing_get_leaves_value_and_length(hosts: TwoHosts) -> None:
    value, cell = ctypes.c_uint32(UNTOUCHED), ctypes.c_int(4)
    s = hosts.left.tcp()
    assert hosts.left.code("WSPGetSockOpt", s, ws.SOL_SOCKET, 0x1234, value, cell) == ws.WSAENOPROTOOPT
    assert (value.value, cell.value) == (UNTOUCHED, 4)
