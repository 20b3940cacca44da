"""Urgent mode (SEG-16, RFC 9293 3.8.5, RFC 6093): the pointer sent and received, and the bytes out of line."""

import itertools
import random
from typing import Any

import pytest
from scapy.layers.inet import TCP

from netcore import endpoint as core
from netcore.endpoint import SEND_URGENT, Endpoint
from tests.tcp.scripted_peer import MILLISECOND, SECOND, Host, Peer, read_all
from tests.tcp.segments import Segment, wanted

KEPT = 16


def connected(host: Host, **fields: Any) -> tuple[Peer, Endpoint]:
    """An accepted connection."""
    peer = Peer(host, **fields)
    return peer, peer.open_passively()


def urgent(endpoint: Endpoint, *, peek: bool = False) -> bytes | int:
    """The next urgent byte out of line, or the status."""
    buffer = bytearray(4)
    count = endpoint.receive_urgent(buffer, peek)
    return bytes(buffer[:1]) if count > 0 else count


def pointer(segment: Segment) -> int:
    """The urgent pointer."""
    return int(segment.packet[TCP].urgptr)


# ---- receiving


@pytest.mark.requirement("SEG-16", "RECV-24", "RECV-28")
def test_urgent_byte_leaves_the_stream_and_is_received_alone(host):
    peer, endpoint = connected(host)
    # the pointer is that of the byte behind the urgent one
    peer.send("PAU", text=b"abX", urgptr=3)
    peer.send("PA", text=b"cd")
    assert endpoint.readable_bytes == 2
    assert endpoint.readiness & core.URGENT
    assert read_all(endpoint) == b"ab"
    assert read_all(endpoint) == b"cd"
    assert urgent(endpoint) == b"X"
    assert urgent(endpoint) == core.WOULD_BLOCK
    assert not endpoint.readiness & core.URGENT
    assert peer.take()[-1].ack == 6


@pytest.mark.requirement("RECV-28")
def test_pointer_of_rfc_1122_names_the_byte_itself(host):
    peer, endpoint = connected(host)
    endpoint.urgent_1122 = True
    peer.send("PAU", text=b"abXcd", urgptr=2)
    assert urgent(endpoint) == b"X"
    assert read_all(endpoint) == b"ab"
    assert read_all(endpoint) == b"cd"


@pytest.mark.requirement("RECV-26")
def test_receive_does_not_go_beyond_the_mark(host):
    peer, endpoint = connected(host)
    peer.send("PAU", text=b"abXcdYef", urgptr=3)
    peer.send("PAU", seq=1, text=b"abXcdYef", urgptr=6)
    # the second pointer came when the byte was there already
    assert [read_all(endpoint) for _ in range(2)] == [b"ab", b"cdYef"]
    peer.send("PAU", text=b"gZ", urgptr=2)
    peer.send("PA", text=b"h")
    buffer = bytearray(1)
    assert endpoint.receive_into(buffer) == 1
    assert read_all(endpoint) == b"h"
    assert urgent(endpoint) == b"X"
    assert urgent(endpoint) == b"Z"


@pytest.mark.requirement("RECV-25")
def test_urgent_bytes_in_a_row_are_kept_in_order(host):
    peer, endpoint = connected(host)
    for octet in b"XYZ":
        peer.send("PAU", text=bytes([octet]), urgptr=1)
    assert endpoint.readable_bytes == 0
    assert not endpoint.readiness & core.READABLE
    assert endpoint.receive_into(bytearray(10)) == core.WOULD_BLOCK
    assert [urgent(endpoint) for _ in range(3)] == [b"X", b"Y", b"Z"]


@pytest.mark.requirement("RECV-24")
def test_peek_leaves_the_urgent_byte(host):
    peer, endpoint = connected(host)
    peer.send("PAU", text=b"X", urgptr=1)
    assert urgent(endpoint, peek=True) == b"X"
    assert urgent(endpoint) == b"X"


@pytest.mark.requirement("RECV-24", "RECV-25")
@pytest.mark.parametrize("unread", [b"", b"unread"])
def test_program_that_reads_urgent_bytes_alone_gets_all_of_them(host, unread):
    peer, endpoint = connected(host)
    if unread:
        peer.send("PA", text=unread)
    for number in range(4 * KEPT):
        peer.send("PAU", text=bytes([number]), urgptr=1)
        assert urgent(endpoint) == bytes([number])
    peer.send("PA", text=b"more")
    if unread:
        # RECV-26: where they stood still divides the stream
        assert read_all(endpoint) == unread
    assert read_all(endpoint) == b"more"


@pytest.mark.requirement("SEG-16")
def test_pointer_ahead_of_its_byte_announces_it(host):
    # RFC 9293 3.8.5 MUST-32, MUST-33
    peer, endpoint = connected(host)
    host.engine.events()
    peer.send("AU", text=b"ab", urgptr=7)
    ((handle, bits),) = host.engine.events()
    assert handle is endpoint
    assert bits & core.URGENT
    assert endpoint.urgent_pending
    assert not endpoint.readiness & core.URGENT
    assert urgent(endpoint) == core.WOULD_BLOCK
    peer.send("AU", text=b"cdefX", urgptr=5)
    assert urgent(endpoint) == b"X"
    assert not endpoint.urgent_pending
    assert read_all(endpoint) == b"abcdef"


@pytest.mark.requirement("SEG-16")
def test_pointer_is_taken_through_a_closed_window(host):
    # RFC 9293 3.8.5: that is what it is for
    peer, endpoint = connected(host)
    endpoint.receive_buffer = 4096
    while window := endpoint.info()["rcv_wnd"]:
        peer.send("A", text=b"x" * min(window, 1000))
    # behind the octet of a window probe only the ACK counts
    peer.send("AU", seq=peer.seq + 1, urgptr=1)
    assert not endpoint.urgent_pending
    peer.send("AU", urgptr=1)
    assert endpoint.urgent_pending


@pytest.mark.requirement("SEG-16", "SEG-15")
@pytest.mark.parametrize("seed", range(20))
def test_urgent_bytes_are_found_in_segments_out_of_order(host, seed):
    dice = random.Random(seed)
    peer, endpoint = connected(host)
    text = bytes(dice.choice(b"abcdefgh") for _ in range(400))
    places = sorted(dice.sample(range(400), 8))
    cuts = sorted({0, 400, *dice.sample(range(1, 400), 12)})
    pieces = list(itertools.pairwise(cuts))
    # every pointer is told before the first byte comes
    for place in places:
        peer.send("AU", seq=1, urgptr=place + 1)
    dice.shuffle(pieces)
    for start, end in [*pieces, *pieces[:4]]:
        peer.send("A", seq=1 + start, text=text[start:end])
    found = b""
    while piece := read_all(endpoint, dice.choice([7, 50, 20000])):
        found += piece
    assert found == bytes(octet for at, octet in enumerate(text) if at not in places)
    assert [urgent(endpoint) for _ in places] == [text[at : at + 1] for at in places]


@pytest.mark.requirement("SEG-16", "SEG-7")
def test_urgent_byte_that_comes_again_is_taken_once(host):
    peer, endpoint = connected(host)
    for _ in range(5):
        peer.send("PAU", seq=1, text=b"abX", urgptr=3)
    assert read_all(endpoint) == b"ab"
    assert urgent(endpoint) == b"X"
    assert urgent(endpoint) == core.WOULD_BLOCK
    # sent again together with what follows
    peer.send("PAU", seq=1, text=b"abXde", urgptr=3)
    assert read_all(endpoint) == b"de"
    assert urgent(endpoint) == core.WOULD_BLOCK
    assert not endpoint.urgent_pending


@pytest.mark.requirement("SEG-16", "LIM-4")
def test_no_more_than_sixteen_urgent_bytes_are_kept(host):
    peer, endpoint = connected(host)
    for number in range(200):
        peer.send("PAU", text=bytes([number]), urgptr=1)
    kept = [urgent(endpoint) for _ in range(KEPT)]
    assert kept == [bytes([number]) for number in range(KEPT)]
    assert urgent(endpoint) == core.WOULD_BLOCK
    found = b""
    while piece := read_all(endpoint):
        found += piece
    # the rest is plain text
    assert found == bytes(range(KEPT, 200))
    peer.send("PAU", text=b"X", urgptr=1)
    assert urgent(endpoint) == b"X"


@pytest.mark.requirement("SEG-16", "LIM-4")
def test_pointers_to_nowhere_are_bounded(host):
    peer, endpoint = connected(host)
    for number in range(1, 2000):
        peer.send("AU", urgptr=(number * 37) % 65536)
    peer.send("PA", text=b"a" * 1000)
    found = b""
    while piece := read_all(endpoint):
        found += piece
    assert 1000 - KEPT <= len(found) <= 1000


@pytest.mark.requirement("SEG-16")
@pytest.mark.parametrize("flags", ["A", "PA"])
def test_pointer_without_its_flag_means_nothing(host, flags):
    peer, endpoint = connected(host)
    peer.send(flags, text=b"abc", urgptr=2)
    assert read_all(endpoint) == b"abc"
    assert not endpoint.urgent_pending


@pytest.mark.requirement("SEG-16", "SEG-2")
def test_pointer_behind_the_fin_is_ignored(host):
    peer, endpoint = connected(host)
    peer.send("FA", text=b"abc")
    peer.send("AU", urgptr=2)
    assert read_all(endpoint) == b"abc"
    assert not endpoint.urgent_pending
    assert urgent(endpoint) == 0


@pytest.mark.requirement("SEG-16")
def test_pointer_of_an_unacceptable_segment_is_ignored(host):
    peer, endpoint = connected(host)
    peer.send("AU", seq=-70000, urgptr=65535)
    peer.send("AU", seq=100000, urgptr=1)
    peer.send("AU", ack=100000, urgptr=1)
    assert not endpoint.urgent_pending


@pytest.mark.requirement("GEN-14")
def test_reset_takes_urgent_bytes_away(host):
    peer, endpoint = connected(host)
    peer.send("PAU", text=b"X", urgptr=1)
    peer.send("R")
    assert urgent(endpoint) == core.RESET


@pytest.mark.requirement("RECV-11")
def test_urgent_receive_after_shutdown_is_refused(host):
    _, endpoint = connected(host)
    endpoint.shutdown_receive()
    assert urgent(endpoint) == core.SHUT_DOWN


# ---- inline


@pytest.mark.requirement("RECV-27", "RECV-26", "IOCTL-7")
def test_inline_byte_stays_in_the_stream_and_is_received_alone(host):
    peer, endpoint = connected(host)
    endpoint.urgent_inline = True
    assert endpoint.at_mark
    peer.send("PAU", text=b"abX", urgptr=3)
    peer.send("PA", text=b"cd")
    assert not endpoint.readiness & core.URGENT
    assert not endpoint.at_mark
    assert endpoint.readable_bytes == 2
    assert read_all(endpoint) == b"ab"
    assert endpoint.at_mark
    assert endpoint.readable_bytes == 1
    assert read_all(endpoint) == b"X"
    assert read_all(endpoint) == b"cd"
    assert endpoint.at_mark
    assert urgent(endpoint) == core.INVALID


@pytest.mark.requirement("RECV-27", "IOCTL-7")
def test_byte_that_came_before_inline_was_switched_on_is_delivered_once(host):
    peer, endpoint = connected(host)
    assert endpoint.at_mark
    peer.send("PAU", text=b"X", urgptr=1)
    assert not endpoint.at_mark
    assert endpoint.readable_bytes == 0
    endpoint.urgent_inline = True
    assert not endpoint.at_mark
    assert endpoint.readable_bytes == 1
    assert endpoint.readiness & core.READABLE
    buffer = bytearray(4)
    assert endpoint.receive_into(buffer, True) == 1
    assert read_all(endpoint) == b"X"
    assert endpoint.receive_into(buffer) == core.WOULD_BLOCK
    assert endpoint.at_mark
    endpoint.urgent_inline = False
    assert urgent(endpoint) == core.WOULD_BLOCK


@pytest.mark.requirement("RECV-26")
@pytest.mark.parametrize("size", [1, 100, 20000, 100000])
def test_peek_and_several_buffers_stop_at_the_mark(host, size):
    peer, endpoint = connected(host)
    peer.send("PAU", text=b"a" * 900 + b"X" + b"b" * 99, urgptr=901)
    buffers = [bytearray(size), bytearray(size)]
    expected = min(2 * size, 900)
    assert endpoint.receive_into(buffers, True) == expected
    assert endpoint.receive_into(buffers) == expected
    assert b"".join(map(bytes, buffers))[:expected] == b"a" * expected
    assert not b"".join(map(bytes, buffers)).count(b"b")


# ---- sending


@pytest.mark.requirement("SEG-16", "SEND-9")
def test_last_byte_of_an_urgent_send_is_pointed_at(host):
    peer, endpoint = connected(host)
    assert endpoint.send(b"abX", SEND_URGENT) == 3
    (segment,) = peer.expect(wanted("PAU", seq=1, text=b"abX"))
    assert pointer(segment) == 3
    # the mode ends with its acknowledgement
    peer.send("A")
    endpoint.send(b"cd")
    peer.expect(wanted("PA", seq=4, text=b"cd"))


@pytest.mark.requirement("RECV-28")
def test_last_byte_itself_is_pointed_at_by_rfc_1122(host):
    peer, endpoint = connected(host)
    endpoint.urgent_1122 = True
    endpoint.send(b"abX", SEND_URGENT)
    assert pointer(peer.expect(wanted("PAU", seq=1, text=b"abX"))[0]) == 2


@pytest.mark.requirement("SEG-16", "SND-2")
def test_urgent_byte_does_not_wait_for_nagle(host):
    peer, endpoint = connected(host)
    endpoint.send(b"ab")
    endpoint.send(b"X", SEND_URGENT)
    first, second = peer.expect(wanted("PA", text=b"ab"), wanted("PAU", seq=3, text=b"X"))
    assert (pointer(first), pointer(second)) == (0, 1)


@pytest.mark.requirement("SEG-16")
@pytest.mark.parametrize("offloads", [False, True])
def test_every_segment_before_the_urgent_byte_has_its_own_pointer(make_host, offloads):
    host = make_host(vnet_header=offloads, offloads=offloads, initial_window=50)
    peer, endpoint = connected(host)
    endpoint.send(b"x" * 14600 + b"X", SEND_URGENT)
    found = peer.take()
    assert len(found) == 11
    for segment in found:
        assert "U" in segment.flags
        assert segment.seq + pointer(segment) == 1 + 14601


@pytest.mark.requirement("SEG-16")
def test_pointer_that_the_field_does_not_reach_is_the_largest(make_host):
    host = make_host(initial_window=100)
    peer = Peer(host, scale=4)
    endpoint = peer.open_passively()
    endpoint.send(b"x" * 99_999 + b"X", SEND_URGENT)
    for segment in peer.take():
        assert pointer(segment) == min(65535, 100_001 - segment.seq)


@pytest.mark.requirement("SEG-16")
def test_urgent_segment_that_is_sent_again_points_to_the_same_byte(host):
    peer, endpoint = connected(host)
    endpoint.send(b"abX", SEND_URGENT)
    endpoint.send(b"cd")
    peer.take()
    host.advance(2 * SECOND)
    for segment in peer.take():
        assert segment.seq + pointer(segment) == 4 or segment.seq >= 4


@pytest.mark.requirement("SEG-16", "SND-5")
def test_closed_window_does_not_keep_the_pointer_back(host):
    peer, endpoint = connected(host)
    peer.send("A", window=0)
    endpoint.send(b"abX", SEND_URGENT)
    host.advance(SECOND)
    first = peer.take()[0]
    assert "U" in first.flags
    assert first.seq + pointer(first) == 4


@pytest.mark.requirement("SEG-16", "SEND-9")
def test_two_hosts_exchange_urgent_bytes_in_a_stream(make_host):
    # what one of ours sends, another takes as it was meant
    host = make_host()
    peer, endpoint = connected(host)
    for piece in (b"abX", b"cdeY", b"Z"):
        endpoint.send(piece, SEND_URGENT)
        endpoint.send(b"plain")
        host.advance(MILLISECOND)
    segments = peer.take()
    other = make_host()
    far, receiver = connected(other)
    for segment in segments:
        far.send(segment.flags, seq=segment.seq, text=segment.text, urgptr=pointer(segment))
    found = b""
    while piece := read_all(receiver):
        found += piece
    assert found == b"abplaincdeplainplain"
    assert [urgent(receiver) for _ in range(3)] == [b"X", b"Y", b"Z"]
