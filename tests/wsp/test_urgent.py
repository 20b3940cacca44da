"""MSG_OOB, SO_OOBINLINE, SIOCATMARK, TCP_BSDURGENT: urgent bytes between two hosts (RECV-21 to 28, SEND-9)."""

import ctypes

import pytest

from stack.wsp import constants as ws
from tests.wsp.crafted import CraftedPeer
from tests.wsp.hosts import UNTOUCHED, Caller, TwoHosts

MILLISECOND = 1_000_000
TCP = ws.IPPROTO_TCP


def number(caller: Caller, s: int, code: int) -> int:
    """What FIONREAD or SIOCATMARK says."""
    value, size = ctypes.c_uint32(UNTOUCHED), ctypes.c_uint32(0)
    caller.ok("WSPIoctl", s, code, None, 0, value, 4, size, None, None, None)
    assert size.value == 4
    return value.value


def urgent(hosts: TwoHosts, s: int, data: bytes) -> None:
    """Sends `data`, its last byte urgent, from the left, and lets it arrive."""
    assert hosts.left.send_code(s, data, ws.MSG_OOB) == 0
    hosts.run()


@pytest.mark.requirement("OBS-47", "RECV-24", "SEND-9")
def test_urgent_byte_before_normal_data_is_skipped_and_read_later(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    urgent(hosts, left, b"X")
    hosts.left.send(left, b"normal")
    hosts.run()
    assert hosts.right.receive(right) == b"normal"
    assert hosts.right.receive(right, flags=ws.MSG_OOB) == b"X"
    hosts.right.nonblocking(right)
    assert hosts.right.receive_code(right, 1, ws.MSG_OOB) == ws.WSAEWOULDBLOCK


@pytest.mark.requirement("OBS-48", "RECV-25")
def test_two_urgent_bytes_are_two_reads(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    urgent(hosts, left, b"X")
    urgent(hosts, left, b"Y")
    assert hosts.right.receive(right, flags=ws.MSG_OOB) == b"X"
    assert hosts.right.receive(right, flags=ws.MSG_OOB | ws.MSG_PEEK) == b"Y"
    assert hosts.right.receive(right, flags=ws.MSG_OOB) == b"Y"


@pytest.mark.requirement("OBS-49", "RECV-21", "RECV-27")
def test_inline_byte_is_read_with_the_rest_once(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    hosts.right.set(right, ws.SO_OOBINLINE, 1)
    urgent(hosts, left, b"X")
    assert hosts.right.receive_code(right, 1, ws.MSG_OOB) == ws.WSAEINVAL
    assert hosts.right.receive(right) == b"X"
    hosts.right.nonblocking(right)
    assert hosts.right.receive_code(right) == ws.WSAEWOULDBLOCK


@pytest.mark.requirement("OBS-50", "IOCTL-6", "IOCTL-7")
def test_count_leaves_the_urgent_byte_out_and_the_mark_waits_for_it(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    assert number(hosts.right, hosts.right.tcp(), ws.SIOCATMARK) == 1
    assert number(hosts.right, right, ws.SIOCATMARK) == 1
    urgent(hosts, left, b"X")
    assert (number(hosts.right, right, ws.FIONREAD), number(hosts.right, right, ws.SIOCATMARK)) == (0, 0)
    urgent(hosts, left, b"Y")
    hosts.right.receive(right, flags=ws.MSG_OOB)
    assert number(hosts.right, right, ws.SIOCATMARK) == 0
    hosts.right.receive(right, flags=ws.MSG_OOB)
    assert number(hosts.right, right, ws.SIOCATMARK) == 1


@pytest.mark.requirement("IOCTL-7", "RECV-27")
@pytest.mark.parametrize("inline_first", [True, False])
def test_mark_of_a_byte_tells_whether_inline_was_on_when_it_came(hosts: TwoHosts, inline_first: bool) -> None:
    left, right = hosts.connection()
    if inline_first:
        hosts.right.set(right, ws.SO_OOBINLINE, 1)
    urgent(hosts, left, b"X")
    hosts.right.set(right, ws.SO_OOBINLINE, 1)
    assert number(hosts.right, right, ws.SIOCATMARK) == int(inline_first)
    assert number(hosts.right, right, ws.FIONREAD) == 1
    assert hosts.right.receive(right) == b"X"
    assert number(hosts.right, right, ws.FIONREAD) == 0


@pytest.mark.requirement("IOCTL-7")
def test_mark_wants_four_bytes(hosts: TwoHosts) -> None:
    s, value, size = hosts.left.tcp(), ctypes.c_uint32(), ctypes.c_uint32(UNTOUCHED)
    for place, length in ((value, 3), (None, 4)):
        code = hosts.left.code("WSPIoctl", s, ws.SIOCATMARK, None, 0, place, length, size, None, None, None)
        assert code == ws.WSAEFAULT


@pytest.mark.requirement("RECV-26")
def test_receive_stops_before_and_behind_the_mark(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    urgent(hosts, left, b"beforeX")
    hosts.left.send(left, b"behind")
    hosts.run()
    assert number(hosts.right, right, ws.FIONREAD) == 6
    assert hosts.right.receive(right) == b"before"
    assert hosts.right.receive(right) == b"behind"


@pytest.mark.requirement("RECV-20", "RECV-26")
def test_receive_of_all_goes_on_beyond_a_byte_out_of_line(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    urgent(hosts, left, b"beforeX")
    hosts.left.send(left, b"behind")
    assert hosts.right.receive(right, 12, ws.MSG_WAITALL) == b"beforebehind"


@pytest.mark.requirement("RECV-21")
def test_urgent_receive_waits_for_its_byte(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    hosts.left.send(left, b"normal")
    hosts.driver.after(MILLISECOND, lambda: hosts.left.send_code(left, b"abX", ws.MSG_OOB))
    assert hosts.right.receive(right, flags=ws.MSG_OOB) == b"X"


@pytest.mark.requirement("RECV-21", "RECV-15")
def test_urgent_receive_obeys_its_time_out(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    hosts.right.set(right, ws.SO_RCVTIMEO, 100)
    hosts.left.send(left, b"normal")
    assert hosts.right.receive_code(right, 1, ws.MSG_OOB) == ws.WSAETIMEDOUT
    assert hosts.right.receive(right) == b"normal"


@pytest.mark.requirement("RECV-21", "RECV-10", "RECV-11")
def test_urgent_receive_fails_as_any_other(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    assert hosts.right.receive_code(hosts.right.tcp(), 1, ws.MSG_OOB) == ws.WSAENOTCONN
    assert hosts.right.receive_code(right, 1, ws.MSG_OOB | ws.MSG_WAITALL) == ws.WSAEOPNOTSUPP
    hosts.left.close(left)
    hosts.run()
    assert hosts.right.receive(right, flags=ws.MSG_OOB) == b""
    hosts.right.ok("WSPShutdown", right, ws.SD_RECEIVE)
    assert hosts.right.receive_code(right, 1, ws.MSG_OOB) == ws.WSAESHUTDOWN


@pytest.mark.requirement("SEND-9")
def test_urgent_send_is_for_streams(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    assert hosts.left.send_code(hosts.left.udp(), b"x", ws.MSG_OOB) == ws.WSAEOPNOTSUPP
    assert hosts.left.send_code(hosts.left.tcp(), b"x", ws.MSG_OOB) == ws.WSAENOTCONN
    assert hosts.left.send_code(left, b"abX", ws.MSG_OOB | ws.MSG_PARTIAL | ws.MSG_DONTROUTE) == 0
    hosts.run()
    assert hosts.right.receive(right, flags=ws.MSG_OOB) == b"X"


@pytest.mark.requirement("SEL-8", "SEL-7", "EV-18")
@pytest.mark.parametrize("inline", [False, True])
def test_select_shows_an_urgent_byte_in_the_except_set_or_as_readable(hosts: TwoHosts, inline: bool) -> None:
    left, right = hosts.connection()
    hosts.right.set(right, ws.SO_OOBINLINE, inline)
    hosts.driver.after(MILLISECOND, lambda: hosts.left.send_code(left, b"X", ws.MSG_OOB))
    read, _, other = hosts.right.select([right], None, [right], None)
    assert (read, other) == ([right] if inline else [], [] if inline else [right])
    hosts.right.receive(right, flags=0 if inline else ws.MSG_OOB)
    assert hosts.right.select([right], None, [right]) == ([], [], [])


@pytest.mark.requirement("OPT-20", "OPT-4")
@pytest.mark.parametrize("length", [1, 2, 4, 40, 0, -1])
def test_inline_is_a_bool_of_group_a(hosts: TwoHosts, length: int) -> None:
    s = hosts.left.tcp()
    assert hosts.left.get(s, ws.SO_OOBINLINE) == 0
    for value in (1, 0):
        assert hosts.left.set_code(s, ws.SO_OOBINLINE, value, length=length) == 0
        assert hosts.left.get(s, ws.SO_OOBINLINE) == value
    hosts.left.set(s, ws.SO_OOBINLINE, 0x100)
    assert hosts.left.get(s, ws.SO_OOBINLINE) == 1


@pytest.mark.requirement("OPT-20", "ACPT-16")
def test_accepted_socket_has_the_listeners_inline_and_keepalive(hosts: TwoHosts) -> None:
    listener = hosts.right.listening(80, 5, "0.0.0.0", ws.SO_OOBINLINE, ws.SO_KEEPALIVE)
    left = hosts.left.connected(80, "10.0.0.2")
    right = hosts.right.accept(listener)
    assert hosts.right.get(right, ws.SO_OOBINLINE) == hosts.right.get(right, ws.SO_KEEPALIVE) == 1
    urgent(hosts, left, b"abX")
    assert [hosts.right.receive(right) for _ in range(2)] == [b"ab", b"X"]


@pytest.mark.requirement("OPT-41", "OPT-50")
def test_two_readings_of_the_pointer_are_inverse_and_the_rfcs_stays(hosts: TwoHosts) -> None:
    s = hosts.left.tcp()

    def both() -> tuple[int, int]:
        return hosts.left.get(s, ws.TCP_BSDURGENT, TCP), hosts.left.get(s, ws.TCP_EXPEDITED_1122, TCP)

    assert both() == (1, 0)
    hosts.left.set(s, ws.TCP_EXPEDITED_1122, 0, TCP)
    hosts.left.set(s, ws.TCP_BSDURGENT, 1, TCP)
    assert both() == (1, 0)
    hosts.left.set(s, ws.TCP_EXPEDITED_1122, 1, TCP)
    assert both() == (0, 1)
    hosts.left.set(s, ws.TCP_EXPEDITED_1122, 0, TCP)
    hosts.left.set(s, ws.TCP_BSDURGENT, 1, TCP)
    assert both() == (0, 1)


@pytest.mark.requirement("RECV-28", "OPT-41", "OPT-50")
@pytest.mark.parametrize(("option", "value", "pointer"), [(None, 0, 3), ("expedited", 1, 2), ("bsd", 0, 2)])
def test_pointer_on_the_wire_follows_the_reading(option: str | None, value: int, pointer: int) -> None:
    peer = CraftedPeer()
    listener = peer.host.listening(80)
    if option is not None:
        peer.host.set(listener, ws.TCP_EXPEDITED_1122 if option == "expedited" else ws.TCP_BSDURGENT, value, TCP)
    peer.established(4000, 80)
    s = peer.host.accept(listener)
    assert peer.host.send_code(s, b"abX", ws.MSG_OOB) == 0
    ((_, segment),) = peer.sent()
    assert segment.flags.U
    assert segment.urgptr == pointer
