"""WSPSend and WSPRecv, not overlapped (wsp.md sections 5.16 and 5.20)."""

import ctypes
import random

import pytest

from stack.driving import SECOND, NothingScheduled
from stack.wsp import constants as ws
from stack.wsp.structures import WSABUF
from tests.wsp.hosts import MILLISECOND, UNTOUCHED, TwoHosts, two_hosts


@pytest.mark.requirement("SEND-1", "RECV-1")
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_one_buffer_arrives_as_it_was_sent(hosts: TwoHosts, kind: type) -> None:
    left, right = hosts.connection()
    assert hosts.left.send(left, kind(b"some text")) == 9
    assert hosts.right.receive(right) == b"some text"


@pytest.mark.requirement("SEND-1", "RECV-1", "OBS-40")
@pytest.mark.parametrize("shape", ["list", "tuple", "WSABUF array", "pointer", "mixed"])
def test_several_buffers_are_gathered_and_scattered_in_order(hosts: TwoHosts, shape: str) -> None:
    left, right = hosts.connection()
    pieces = [b"one", bytearray(b" two"), memoryview(b" three")]
    places = [bytearray(4), bytearray(5), bytearray(100)]

    def shaped(buffers: list) -> object:
        if shape == "list":
            return buffers
        if shape == "tuple":
            return tuple(buffers)
        described = [WSABUF.over(each) for each in buffers]
        if shape == "mixed":
            return [described[0], *buffers[1:]]
        array = (WSABUF * len(described))(*described)
        return array if shape == "WSABUF array" else ctypes.cast(array, ctypes.POINTER(WSABUF))

    count, flags = ctypes.c_uint32(), ctypes.c_uint32()
    hosts.left.ok("WSPSend", left, shaped(pieces), 3, ctypes.byref(count), 0, None, None, None)
    assert count.value == 13
    hosts.run()
    hosts.right.ok("WSPRecv", right, shaped(places), 3, count, flags, None, None, None)
    assert count.value == 13
    assert bytes(places[0] + places[1] + places[2][:4]) == b"one two three"


@pytest.mark.requirement("SEND-1", "RECV-1")
def test_only_as_many_buffers_are_used_as_were_counted(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    count = ctypes.c_uint32()
    hosts.left.ok("WSPSend", left, [b"ab", b"cd", b"ef"], 2, count, 0, None, None, None)
    assert hosts.right.receive(right) == b"abcd"
    assert hosts.left.code("WSPSend", left, [b"ab"], 2, count, 0, None, None, None) == ws.WSAEFAULT
    assert hosts.left.code("WSPSend", left, b"ab", 2, count, 0, None, None, None) == ws.WSAEFAULT


@pytest.mark.requirement("SEND-1")
def test_every_buffer_object_is_taken(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    for sent in (ctypes.create_string_buffer(b"abc", 3), (ctypes.c_uint8 * 2)(100, 101), WSABUF.over(b"fg")):
        assert hosts.left.send_code(left, sent) == 0
    assert hosts.right.receive_all(right, 7) == b"abcdefg"


@pytest.mark.requirement("OBS-40", "RECV-1")
def test_two_bytes_are_read_by_two_receives(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    hosts.left.send(left, b"xy")
    assert [hosts.right.receive(right, 1), hosts.right.receive(right, 1)] == [b"x", b"y"]


@pytest.mark.requirement("SEND-2", "OBS-52")
def test_nonblocking_send_is_taken_whole_or_refused(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    hosts.left.nonblocking(left)
    megabyte = random.Random(1).randbytes(1 << 20)
    sent = 0
    while hosts.left.send_code(left, megabyte) == 0:
        sent += 1
    assert sent
    assert hosts.right.receive_all(right, sent << 20) == megabyte * sent
    hosts.right.nonblocking(right)
    assert hosts.right.receive_code(right) == ws.WSAEWOULDBLOCK


@pytest.mark.requirement("SEND-2")
def test_one_send_is_taken_whatever_its_size_when_less_than_sndbuf_is_buffered(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    hosts.left.set(left, ws.SO_SNDBUF, 1000)
    hosts.left.nonblocking(left)
    assert hosts.left.send_code(left, bytes(999)) == 0
    assert hosts.left.send_code(left, bytes(50_000)) == 0
    assert hosts.left.send_code(left, b"x") == ws.WSAEWOULDBLOCK
    assert len(hosts.right.receive_all(right, 50_999)) == 50_999


@pytest.mark.requirement("SEND-3", "SEL-11")
def test_write_readiness_returns_when_less_than_sndbuf_is_buffered(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    taken = hosts.stall(left)
    assert hosts.left.select(write=[left]) == ([], [], [])
    hosts.driver.after(MILLISECOND, lambda: hosts.right.receive_all(right, taken))
    assert hosts.left.select(write=[left], milliseconds=None) == ([], [left], [])
    assert hosts.left.send_code(left, b"more") == 0


@pytest.mark.requirement("SEND-2")
def test_blocking_send_waits_for_room(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    taken = hosts.stall(left)
    hosts.driver.after(MILLISECOND, lambda: hosts.right.receive_all(right, taken))
    assert hosts.left.send(left, b"the rest") == 8
    assert hosts.right.receive(right) == b"the rest"


@pytest.mark.requirement("SEND-10")
def test_blocking_send_times_out(hosts: TwoHosts) -> None:
    left, _ = hosts.connection()
    hosts.stall(left)
    hosts.left.set(left, ws.SO_SNDTIMEO, 300)
    begun = hosts.driver.now()
    assert hosts.left.send_code(left, b"x") == ws.WSAETIMEDOUT
    assert hosts.driver.now() - begun == 300 * MILLISECOND


@pytest.mark.requirement("SEND-2", "LIM-2")
def test_send_beyond_the_memory_limit_fails_at_once_and_takes_nothing() -> None:
    hosts = two_hosts(left={"memory_limit": 1 << 20})
    left, right = hosts.connection()
    assert hosts.left.send_code(left, bytes(2 << 20)) == ws.WSAENOBUFS
    assert hosts.left.send(left, bytes(100_000)) == 100_000
    assert len(hosts.right.receive_all(right, 100_000)) == 100_000


@pytest.mark.requirement("SEND-5")
def test_send_of_nothing_succeeds_and_sends_nothing(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    for buffers, count in ((None, 0), (None, 3), ([], 0), (b"", 1), ([b"", b""], 2), ((WSABUF * 1)(), 1)):
        sent = ctypes.c_uint32(UNTOUCHED)
        hosts.left.ok("WSPSend", left, buffers, count, sent, 0, None, None, None)
        assert sent.value == 0
    hosts.right.nonblocking(right)
    hosts.run()
    assert hosts.right.receive_code(right) == ws.WSAEWOULDBLOCK


@pytest.mark.requirement("SEND-6", "RECV-6")
def test_null_count_is_a_fault_and_nothing_moves(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    assert hosts.left.code("WSPSend", left, b"x", 1, None, 0, None, None, None) == ws.WSAEFAULT
    hosts.left.send(left, b"y")
    hosts.run()
    assert hosts.right.code("WSPRecv", right, bytearray(9), 1, None, None, None, None, None) == ws.WSAEFAULT
    assert hosts.right.receive(right) == b"y"


@pytest.mark.requirement("SEND-7")
def test_send_without_connection_is_notconn(hosts: TwoHosts) -> None:
    left = hosts.left
    for s in (left.tcp(), left.bound(80), left.listening(81)):
        assert left.send_code(s, b"x") == ws.WSAENOTCONN


@pytest.mark.requirement("SEND-8", "OBS-36", "GEN-11", "GEN-15")
def test_send_to_a_closed_peer_succeeds_once_and_then_the_connection_is_aborted(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    hosts.right.close(right)
    hosts.run()
    assert hosts.left.receive(left) == b""
    assert hosts.left.send(left, b"anyone?") == 7
    hosts.run()
    assert hosts.left.receive_code(left) == ws.WSAECONNABORTED


@pytest.mark.requirement("SEND-9")
def test_partial_and_dontroute_are_ignored(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    assert hosts.left.send_code(left, b"a", ws.MSG_PARTIAL) == 0
    assert hosts.left.send_code(left, b"b", ws.MSG_DONTROUTE) == 0
    assert hosts.right.receive_all(right, 2) == b"ab"


@pytest.mark.requirement("RECV-2", "OBS-33")
def test_end_of_stream_repeats(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    hosts.left.send(left, b"last")
    hosts.left.ok("WSPShutdown", left, ws.SD_SEND)
    assert [hosts.right.receive(right) for _ in range(3)] == [b"last", b"", b""]


@pytest.mark.requirement("RECV-3", "RECV-5")
def test_receive_without_data_waits_or_would_block(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    hosts.driver.after(SECOND, lambda: hosts.left.send(left, b"later"))
    begun = hosts.driver.now()
    assert hosts.right.receive(right) == b"later"
    assert hosts.driver.now() >= begun + SECOND
    hosts.right.nonblocking(right)
    count = ctypes.c_uint32(UNTOUCHED)
    code = hosts.right.code("WSPRecv", right, bytearray(9), 1, count, ctypes.c_uint32(), None, None, None)
    assert (code, count.value) == (ws.WSAEWOULDBLOCK, UNTOUCHED)


def test_receive_that_nothing_can_end_raises_under_virtual_time(hosts: TwoHosts) -> None:
    _, right = hosts.connection()
    with pytest.raises(NothingScheduled):
        hosts.right.receive(right)


@pytest.mark.requirement("RECV-7", "OBS-41")
def test_receive_into_no_buffers_is_invalid(hosts: TwoHosts) -> None:
    _, right = hosts.connection()
    for buffers in (None, [], b"", (WSABUF * 1)()):
        count, flags = ctypes.c_uint32(), ctypes.c_uint32()
        assert hosts.right.code("WSPRecv", right, buffers, 0, count, flags, None, None, None) == ws.WSAEINVAL


@pytest.mark.requirement("RECV-8", "OBS-41")
def test_buffer_of_no_length_probes_for_data(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    hosts.right.nonblocking(right)
    assert hosts.right.receive_code(right, 0) == ws.WSAEWOULDBLOCK
    hosts.right.nonblocking(right, False)
    hosts.driver.after(SECOND, lambda: hosts.left.send(left, b"data"))
    begun = hosts.driver.now()
    assert hosts.right.receive(right, 0) == b""
    assert hosts.driver.now() >= begun + SECOND
    assert hosts.right.receive(right, 0) == b""
    assert hosts.right.receive(right) == b"data"


@pytest.mark.requirement("RECV-8")
def test_probe_completes_at_the_end_of_the_stream(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    hosts.driver.after(SECOND, lambda: hosts.left.ok("WSPShutdown", left, ws.SD_SEND))
    assert hosts.right.receive(right, 0) == b""


@pytest.mark.requirement("RECV-9")
def test_length_of_minus_one_is_a_fault(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    hosts.left.send(left, b"data")
    hosts.run()
    buffer = WSABUF.over(bytearray(10))
    buffer.len = 0xFFFF_FFFF
    count, flags = ctypes.c_uint32(UNTOUCHED), ctypes.c_uint32()
    assert hosts.right.code("WSPRecv", right, buffer, 1, count, flags, None, None, None) == ws.WSAEFAULT
    assert count.value == UNTOUCHED
    assert hosts.right.receive(right) == b"data"


@pytest.mark.requirement("GEN-3")
def test_buffer_that_cannot_be_written_is_a_fault(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    hosts.left.send(left, b"data")
    hosts.run()
    gaps, released = memoryview(bytearray(20))[::2], memoryview(bytearray(20))
    released.release()
    unfit = (b"read only", memoryview(b"read only"), [b"read only"], gaps, [gaps], 1234, "text", object(), released)
    for buffer in (*unfit, [released]):
        count, flags = ctypes.c_uint32(UNTOUCHED), ctypes.c_uint32()
        assert hosts.right.code("WSPRecv", right, buffer, 1, count, flags, None, None, None) == ws.WSAEFAULT
    assert hosts.right.receive(right) == b"data"


@pytest.mark.requirement("GEN-3")
def test_buffer_that_cannot_be_read_is_a_fault(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    gaps, released = memoryview(bytes(20))[::2], memoryview(bytes(20))
    released.release()
    for buffer in (gaps, [gaps], 1234, "text", object(), [None], released, [released]):
        assert hosts.left.send_code(left, buffer) == ws.WSAEFAULT
    hosts.run()
    assert hosts.right.receive_code(hosts.right.nonblocking(right)) == ws.WSAEWOULDBLOCK


def test_fault_of_a_scheduled_call_is_not_taken_for_the_receive_s(hosts: TwoHosts) -> None:
    _, right = hosts.connection()

    def faulty() -> None:
        raise TypeError("of the program")

    hosts.driver.after(SECOND, faulty)
    with pytest.raises(TypeError, match="of the program"):
        hosts.right.receive(right)


@pytest.mark.requirement("RECV-10")
def test_receive_without_connection_is_notconn(hosts: TwoHosts) -> None:
    left = hosts.left
    for s in (left.tcp(), left.bound(80), left.listening(81)):
        assert left.receive_code(s) == ws.WSAENOTCONN


@pytest.mark.requirement("RECV-15", "RECV-5", "OBS-45")
def test_receive_times_out_and_later_data_is_received(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    hosts.right.set(right, ws.SO_RCVTIMEO, 100)
    begun = hosts.driver.now()
    count = ctypes.c_uint32(UNTOUCHED)
    code = hosts.right.code("WSPRecv", right, bytearray(9), 1, count, ctypes.c_uint32(), None, None, None)
    assert (code, count.value) == (ws.WSAETIMEDOUT, UNTOUCHED)
    assert hosts.driver.now() - begun == 100 * MILLISECOND
    hosts.left.send(left, b"late")
    assert hosts.right.receive(right) == b"late"


@pytest.mark.requirement("RECV-15", "SOCK-3")
def test_receive_time_out_has_no_effect_without_overlapped_flag(hosts: TwoHosts) -> None:
    hosts.right.listening(80)
    s = hosts.left.tcp(overlapped=False)
    assert hosts.left.connect_code(s, 80, "10.0.0.2") == 0
    hosts.left.set(s, ws.SO_RCVTIMEO, 100)
    with pytest.raises(NothingScheduled):
        hosts.left.receive(s)


@pytest.mark.requirement("RECV-19", "OBS-46")
def test_peek_copies_without_removing(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    hosts.left.send(left, b"peek at it")
    hosts.run()
    for _ in range(2):
        places = [bytearray(4), bytearray(20)]
        count, flags = ctypes.c_uint32(), ctypes.c_uint32(ws.MSG_PEEK)
        hosts.right.ok("WSPRecv", right, places, 2, count, flags, None, None, None)
        assert (count.value, bytes(places[0]), bytes(places[1][:6])) == (10, b"peek", b" at it")
    assert hosts.right.receive(right) == b"peek at it"


@pytest.mark.requirement("RECV-20", "OBS-46")
def test_waitall_waits_until_all_buffers_are_full(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    hosts.left.send(left, b"12345")
    hosts.driver.after(SECOND, lambda: hosts.left.send(left, b"67"))
    places = [bytearray(2), bytearray(4)]
    count, flags = ctypes.c_uint32(), ctypes.c_uint32(ws.MSG_WAITALL)
    hosts.right.ok("WSPRecv", right, places, 2, count, flags, None, None, None)
    assert (count.value, bytes(places[0] + places[1])) == (6, b"123456")
    assert hosts.right.receive(right) == b"7"


@pytest.mark.requirement("RECV-20")
def test_waitall_ends_with_the_stream(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    hosts.left.send(left, b"12345")
    hosts.left.close(left)
    assert hosts.right.receive(right, 100, ws.MSG_WAITALL) == b"12345"


@pytest.mark.requirement("RECV-22")
def test_waitall_where_it_makes_no_sense_is_opnotsupp(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    hosts.left.send(left, b"12345")
    hosts.run()
    for other in (ws.MSG_PEEK, ws.MSG_PARTIAL, ws.MSG_OOB):
        assert hosts.right.receive_code(right, 5, ws.MSG_WAITALL | other) == ws.WSAEOPNOTSUPP
    hosts.right.nonblocking(right)
    assert hosts.right.receive_code(right, 5, ws.MSG_WAITALL) == ws.WSAEOPNOTSUPP
    assert hosts.right.receive(right, 5, ws.MSG_PARTIAL) == b"12345"


@pytest.mark.requirement("GEN-11", "GEN-12", "GEN-13", "GEN-14", "OBS-38")
def test_reset_is_reported_by_every_later_send_and_receive(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    hosts.left.send(left, b"unread")
    hosts.run()
    hosts.left.set_linger(left, 1, 0)
    hosts.left.close(left)
    hosts.run()
    for _ in range(2):
        assert hosts.right.receive_code(right) == ws.WSAECONNRESET
        assert hosts.right.send_code(right, b"x") == ws.WSAECONNRESET
    assert hosts.right.get(right, ws.SO_ERROR) == 0


@pytest.mark.requirement("GEN-11")
def test_reset_ends_a_waiting_receive(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    hosts.left.set_linger(left, 1, 0)
    hosts.driver.after(SECOND, lambda: hosts.left.close(left))
    assert hosts.right.receive_code(right) == ws.WSAECONNRESET


@pytest.mark.requirement("CLOSE-2")
def test_closing_ends_waiting_receive_and_send(hosts: TwoHosts) -> None:
    left, _ = hosts.connection()
    hosts.driver.after(SECOND, lambda: hosts.left.close(left))
    assert hosts.left.receive_code(left) == ws.WSAEINTR
    left, _ = hosts.connection(81)
    hosts.stall(left)
    hosts.driver.after(SECOND, lambda: hosts.left.close(left))
    assert hosts.left.send_code(left, b"x") == ws.WSAEINTR


@pytest.mark.requirement("OPT-22", "OBS-51")
@pytest.mark.parametrize("size", [0, 1024])
def test_small_receive_buffer_stops_no_transfer(hosts: TwoHosts, size: int) -> None:
    left, right = hosts.connection()
    hosts.right.set(right, ws.SO_RCVBUF, size)
    data = random.Random(2).randbytes(3 * 4096)
    for start in range(0, len(data), 4096):
        hosts.left.send(left, data[start : start + 4096])
    assert hosts.right.receive_all(right, len(data)) == data
    assert hosts.right.get(right, ws.SO_RCVBUF) == size


@pytest.mark.requirement("OPT-21", "SEND-2")
def test_send_buffer_of_zero_takes_one_send_at_a_time(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    hosts.left.set(left, ws.SO_SNDBUF, 0)
    hosts.left.nonblocking(left)
    assert hosts.left.send_code(left, b"first") == 0
    assert hosts.left.send_code(left, b"second") == ws.WSAEWOULDBLOCK
    hosts.run()
    assert hosts.left.send_code(left, b"second") == 0
    assert hosts.right.receive_all(right, 11) == b"firstsecond"


@pytest.mark.requirement("GEN-16")
def test_overlapped_transfer_is_not_built_yet(hosts: TwoHosts) -> None:
    left, _ = hosts.connection()
    count, flags = ctypes.c_uint32(UNTOUCHED), ctypes.c_uint32()
    assert hosts.left.code("WSPSend", left, b"x", 1, count, 0, object(), None, None) == ws.WSAEOPNOTSUPP
    assert hosts.left.code("WSPRecv", left, bytearray(1), 1, count, flags, object(), None, None) == ws.WSAEOPNOTSUPP
    assert count.value == UNTOUCHED


@pytest.mark.requirement("SND-10")
@pytest.mark.parametrize("size", [1, 1460, 100_000, 3_000_000])
def test_everything_sent_before_close_arrives(size: int) -> None:
    hosts = two_hosts(latency=5 * MILLISECOND)
    left, right = hosts.connection()
    data = random.Random(size).randbytes(size)
    hosts.left.send(left, data)
    hosts.left.close(left)
    assert hosts.right.receive_all(right, size) == data
    assert hosts.right.receive(right) == b""
