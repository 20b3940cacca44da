"""SIO_TCP_INFO: its structure, its versions, and what it says of a socket."""

import ctypes

import pytest

from stack.wsp import constants as ws
from stack.wsp.structures import TCP_INFO_v0, TCP_INFO_v1
from tests.wsp.hosts import UNTOUCHED, Caller, TwoHosts, two_hosts

FORMS = (TCP_INFO_v0, TCP_INFO_v1)
MSS = 1448


def ask(caller: Caller, s: int, version: int = 0, room: int | None = None, inlen: int = 4) -> tuple[int, int, bytes]:
    """Returns (error code, bytes returned, what was written)."""
    size = ctypes.c_uint32(UNTOUCHED)
    out = ctypes.create_string_buffer(b"\x5a" * 200, 200)
    given = ctypes.c_uint64(version)
    room = len(out) if room is None else room
    code = caller.code("WSPIoctl", s, ws.SIO_TCP_INFO, given, inlen, out, room, size, None, None, None)
    return code, size.value, out.raw


def information(caller: Caller, s: int, version: int = 0) -> TCP_INFO_v0 | TCP_INFO_v1:
    """Returns the structure, of which nothing was written beyond the size returned."""
    code, size, written = ask(caller, s, version)
    assert (code, size) == (0, ctypes.sizeof(FORMS[version]))
    assert set(written[size:]) == {0x5A}
    return FORMS[version].from_buffer_copy(written)


@pytest.mark.requirement("IOCTL-16", "IOCTL-17")
def test_sizes_and_places_are_those_of_windows() -> None:
    assert (ctypes.sizeof(TCP_INFO_v0), ctypes.sizeof(TCP_INFO_v1)) == (88, 136)
    assert (TCP_INFO_v0.RttUs.offset, TCP_INFO_v0.BytesOut.offset, TCP_INFO_v0.SynRetrans.offset) == (20, 48, 84)


@pytest.mark.requirement("IOCTL-16")
def test_wrong_version_and_lengths_are_refused(hosts: TwoHosts) -> None:
    left = hosts.left
    s = left.tcp()
    assert ask(left, s, version=2)[0] == ws.WSAEMSGSIZE
    assert ask(left, s, version=0xFFFF_FFFF)[0] == ws.WSAEMSGSIZE
    for length in (0, 3, 8):
        assert ask(left, s, inlen=length)[0] == ws.WSAEMSGSIZE, length
    assert ask(left, s, room=87)[0] == ws.WSAEINVAL
    assert ask(left, s, version=1, room=135)[0] == ws.WSAEINVAL
    assert ask(left, s, room=88)[:2] == (0, 88)


@pytest.mark.requirement("IOCTL-16", "IOCTL-18")
def test_sockets_without_connection_answer_with_their_state(hosts: TwoHosts) -> None:
    left = hosts.left
    for s, state in ((left.tcp(), 0), (left.listening(80), 1)):
        found = information(left, s)
        assert found.State == state
        assert bytes(found)[4:] == bytes(84)


@pytest.mark.requirement("IOCTL-17")
def test_datagram_socket_has_none(hosts: TwoHosts) -> None:
    assert ask(hosts.left, hosts.left.udp())[0] == ws.WSAEOPNOTSUPP


@pytest.mark.requirement("IOCTL-17", "IOCTL-18")
def test_connection_tells_what_went_and_came(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    hosts.left.send(left, b"x" * 3000)
    hosts.run()
    sender, receiver = information(hosts.left, left), information(hosts.right, right)
    assert (sender.State, receiver.State) == (4, 4)
    assert (sender.Mss, sender.TimestampsEnabled) == (MSS, 1)
    assert (sender.BytesOut, sender.BytesIn, receiver.BytesOut, receiver.BytesIn) == (3000, 0, 0, 3000)
    assert sender.BytesInFlight == 0
    assert sender.Cwnd >= 10 * MSS
    assert sender.SndWnd == receiver.RcvWnd
    assert receiver.RcvBuf > 0
    hosts.right.ok("WSPShutdown", right, ws.SD_SEND)
    hosts.run()
    assert (information(hosts.left, left).State, information(hosts.right, right).State) == (7, 6)


@pytest.mark.requirement("IOCTL-17")
def test_version_1_tells_what_kept_the_sender() -> None:
    hosts = two_hosts(left={"tunables": {"connection_statistics": 1}})
    left, _ = hosts.connection()
    hosts.left.send(left, b"x" * 3000)
    hosts.run()
    found = information(hosts.left, left, 1)
    assert found.SndLimTransCwnd >= 1
    assert found.SndLimBytesRwin + found.SndLimBytesCwnd + found.SndLimBytesSnd == 3000
    assert found.ConnectionTimeMs >= 1000
