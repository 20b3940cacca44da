"""WSPIoctl (wsp.md section 8): FIONBIO, FIONREAD and codes that are not known."""

import ctypes

import pytest

from stack.wsp import constants as ws
from tests.wsp.hosts import UNTOUCHED, Caller, TwoHosts


def control(
    caller: Caller, s: int, code: int, given: object = None, inlen: int = 0, wanted: object = None, outlen: int = 0
) -> tuple[int, int]:
    """Returns (error code, bytes returned)."""
    size = ctypes.c_uint32(UNTOUCHED)
    return caller.code("WSPIoctl", s, code, given, inlen, wanted, outlen, size, None, None, None), size.value


@pytest.mark.requirement("IOCTL-2")
@pytest.mark.parametrize("code", [ws.FIONBIO, ws.FIONREAD, 0xDEADBEEF])
def test_null_size_is_a_fault(hosts: TwoHosts, code: int) -> None:
    s, word = hosts.left.tcp(), ctypes.c_uint32(1)
    assert hosts.left.code("WSPIoctl", s, code, word, 4, word, 4, None, None, None, None) == ws.WSAEFAULT
    assert hosts.left.code("WSPIoctl", 3, code, word, 4, word, 4, None, None, None, None) == ws.WSAENOTSOCK


@pytest.mark.requirement("IOCTL-4")
@pytest.mark.parametrize("code", [0xDEADBEEF, ws.FIOASYNC, 0x667E, ws.SIO_FLUSH])
def test_unknown_code_is_not_supported(hosts: TwoHosts, code: int) -> None:
    word = ctypes.c_uint32(1)
    assert control(hosts.left, hosts.left.tcp(), code, word, 4, word, 4) == (ws.WSAEOPNOTSUPP, 0)


@pytest.mark.requirement("IOCTL-5", "GEN-6")
def test_fionbio_wants_four_bytes_and_returns_none(hosts: TwoHosts) -> None:
    left = hosts.left
    s = left.listening(80)
    assert control(left, s, ws.FIONBIO, ctypes.c_uint16(1), 2)[0] == ws.WSAEFAULT
    assert control(left, s, ws.FIONBIO, None, 4)[0] == ws.WSAEFAULT
    out = ctypes.c_uint32(UNTOUCHED)
    assert control(left, s, ws.FIONBIO, ctypes.c_uint64(0x100), 8, out, 4) == (0, 0)
    assert out.value == UNTOUCHED
    assert left.accept_code(s) == ws.WSAEWOULDBLOCK


@pytest.mark.requirement("IOCTL-6")
def test_fionread_tells_what_one_call_could_read(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    hosts.left.send(left, b"12345")
    hosts.left.send(left, b"678")
    hosts.run()
    count = ctypes.c_uint32(UNTOUCHED)
    assert control(hosts.right, right, ws.FIONREAD, None, 0, count, 4) == (0, 4)
    assert count.value == 8
    hosts.right.receive(right, 5)
    assert control(hosts.right, right, ws.FIONREAD, None, 0, ctypes.byref(count), 4) == (0, 4)
    assert count.value == 3
    assert control(hosts.right, right, ws.FIONREAD, None, 0, count, 3) == (ws.WSAEFAULT, UNTOUCHED)
    assert control(hosts.right, right, ws.FIONREAD, None, 0, None, 4) == (ws.WSAEFAULT, UNTOUCHED)


@pytest.mark.requirement("IOCTL-6")
def test_fionread_is_zero_without_connection(hosts: TwoHosts) -> None:
    left = hosts.left
    for s in (left.tcp(), left.listening(80), left.udp()):
        count = ctypes.c_uint32(UNTOUCHED)
        assert control(left, s, ws.FIONREAD, None, 0, count, 4) == (0, 4)
        assert count.value == 0


@pytest.mark.requirement("IOCTL-19")
def test_initial_rto_wants_its_structure_before_the_connect(hosts: TwoHosts) -> None:
    left = hosts.left
    assert control(left, left.tcp(), ws.SIO_TCP_INITIAL_RTO, b"\xff\xff", 2)[0] == ws.WSAEFAULT
    client, _ = hosts.connection()
    assert control(left, client, ws.SIO_TCP_INITIAL_RTO, b"\xff\xff\xff", 3)[0] == ws.WSAEINVAL
