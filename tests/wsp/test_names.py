"""WSPGetSockName and WSPGetPeerName (wsp.md section 5.11)."""

import ctypes

import pytest

from stack.wsp import constants as ws
from stack.wsp.structures import sockaddr_in
from tests.wsp.hosts import LEFT, RIGHT, TwoHosts

ENTRIES = ["WSPGetSockName", "WSPGetPeerName"]
FILLED = b"\x5a" * 16


@pytest.mark.requirement("NAME-1", "PEER-1")
@pytest.mark.parametrize(("entry", "code"), [("WSPGetSockName", ws.WSAEINVAL), ("WSPGetPeerName", ws.WSAENOTCONN)])
def test_state_comes_before_the_pointers_and_leaves_them(hosts: TwoHosts, entry: str, code: int) -> None:
    left = hosts.left
    name, length = sockaddr_in.from_buffer_copy(FILLED), ctypes.c_int(16)
    assert left.code(entry, left.tcp(), name, length) == code
    assert left.code(entry, left.tcp(), None, None) == code
    assert (bytes(name), length.value) == (FILLED, 16)


@pytest.mark.requirement("NAME-1", "PEER-1")
@pytest.mark.parametrize("entry", ENTRIES)
def test_short_or_missing_memory_is_a_fault(hosts: TwoHosts, entry: str) -> None:
    left, _ = hosts.connection()
    name, length = sockaddr_in.from_buffer_copy(FILLED), ctypes.c_int(15)
    assert hosts.left.code(entry, left, name, length) == ws.WSAEFAULT
    assert (bytes(name), length.value) == (FILLED, 15)
    assert hosts.left.code(entry, left, None, ctypes.c_int(16)) == ws.WSAEFAULT
    assert hosts.left.code(entry, left, name, None) == ws.WSAEFAULT
    assert hosts.left.code(entry, left, bytes(16), ctypes.c_int(16)) == ws.WSAEFAULT


@pytest.mark.requirement("NAME-1", "PEER-1", "NAME-2")
def test_true_length_and_address_are_stored(hosts: TwoHosts) -> None:
    left, right = hosts.connection(80)
    memory, length = bytearray(FILLED * 2), ctypes.c_int(32)
    hosts.right.ok("WSPGetSockName", right, memory, ctypes.byref(length))
    assert length.value == 16
    assert bytes(memory) == bytes(sockaddr_in.of(RIGHT, 80)) + FILLED
    assert hosts.right.peer(right) == hosts.left.local(left)
    assert hosts.left.local(left)[0] == LEFT
