"""The send queue holds the only copy of what is not acknowledged."""

import random
import threading
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netcore import endpoint as core
from tests.tcp.scripted_peer import Host, Peer
from tests.tcp.segments import wanted

pytestmark = pytest.mark.requirement("SND-9")

LARGE = 68 * 1024 - 48
RECORDS = 8 * 1024


def test_bytes_in_flight_are_held_once(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.send(b"x" * 500_000)
    peer.take()
    assert endpoint.buffered_bytes == 500_000
    # one copy: chunks of the queue, and no second set for what was sent
    assert host.engine.usage()["chunks"] <= 500_000 + 2 * LARGE


@pytest.mark.requirement("LIM-2")
def test_records_of_small_segments_count_as_memory(make_host):
    host = make_host(initial_window=1000)
    peer = Peer(host, mss=64, scale=7)
    endpoint = peer.open_passively()
    endpoint.send(b"x" * 64_000)
    assert len(peer.take()) == 1000
    # what is known of each is more than its text, which is in one chunk
    assert host.engine.usage()["chunks"] >= LARGE + 64_000
    peer.send("A", ack=64_001)
    assert host.engine.usage()["chunks"] == 0


def test_memory_goes_with_the_acks(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.send(b"x" * 300_000)
    held = [host.engine.usage()["chunks"]]
    while endpoint.buffered_bytes:
        peer.take()
        peer.send("A")
        host.engine.frames_to_send()
        peer.ack = endpoint.info()["snd_nxt"] - endpoint.info()["iss"]
        held.append(host.engine.usage()["chunks"])
    assert held[-1] == 0
    # but for the records of what is in flight, of which a window that opens has more
    assert all(after <= before + RECORDS for before, after in pairwise(held))


def test_what_is_sent_again_is_the_same(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    text = bytes(range(200))
    endpoint.send(text)
    (first,) = peer.take()
    host.advance(host.until_deadline())
    (again,) = peer.take()
    assert (again.seq, again.text) == (first.seq, first.text) == (1, text)


def extended(stream, segments):
    """The stream with what segments bring that continues it."""
    for segment in segments:
        skip = len(stream) - (segment.seq - 1)
        if 0 <= skip < len(segment.text):
            stream += segment.text[skip:]
    return stream


def stream_of(host, peer, endpoint, stream=b""):
    """What a peer has that had `stream` until now, when all that was sent is acknowledged."""
    for _ in range(3000):
        if not endpoint.buffered_bytes:
            return stream
        segments = peer.take()
        stream = extended(stream, segments)
        peer.send("A", ack=1 + len(stream))
        if not segments and not host.waiting and endpoint.buffered_bytes:
            host.advance(host.until_deadline())
    raise AssertionError(f"{endpoint.buffered_bytes} bytes stay in the queue")


@pytest.mark.parametrize("superframes", [False, True])
@pytest.mark.parametrize("size", [20_000, 300_000])
def test_buffer_given_to_send_may_be_changed_afterwards(make_host, size, superframes):
    host = make_host(vnet_header=superframes, offloads=superframes)
    peer = Peer(host, scale=7)
    endpoint = peer.open_passively()
    text = random.Random(size).randbytes(size)
    buffer = bytearray(text)
    assert endpoint.send(buffer) == size
    buffer[:] = bytes(size)
    assert peer.take()
    # the first flight was lost
    assert stream_of(host, peer, endpoint) == text


def test_short_text_behind_a_long_one_leaves_the_buffer_of_the_long_one_as_it_is(host):
    """Both are one call's, which shows the long one where it lies: there is no room behind it to append to."""
    peer = Peer(host, scale=7)
    endpoint = peer.open_passively()
    text = bytearray(b"a" * 80_000)
    behind = memoryview(text)
    assert endpoint.send([behind[:65_536], b"b" * 1000]) == 66_536
    assert text == b"a" * 80_000
    assert stream_of(host, peer, endpoint) == b"a" * 65_536 + b"b" * 1000


@settings(max_examples=12, deadline=None)
@given(
    writes=st.lists(st.integers(1, 200_000), min_size=1, max_size=8),
    acks=st.lists(st.integers(1, 90_000), min_size=1, max_size=8),
    superframes=st.booleans(),
)
def test_one_buffer_that_is_used_for_all_writes_sends_the_stream(writes, acks, superframes):
    host = Host(vnet_header=superframes, offloads=superframes)
    peer = Peer(host, scale=7)
    endpoint = peer.open_passively()
    sent = b""
    arrived = b""
    position = 0
    buffer = bytearray(max(writes))
    source = random.Random(len(writes))
    for number, size in enumerate(writes):
        text = source.randbytes(size)
        buffer[:size] = text
        if endpoint.send(memoryview(buffer)[:size]) == size:
            sent += text
        arrived = extended(arrived, peer.take())
        position = min(len(arrived), position + acks[number % len(acks)])
        peer.send("A", ack=1 + position)
    buffer[:] = bytes(len(buffer))
    # what was not acknowledged is lost
    assert stream_of(host, peer, endpoint, arrived[:position]) == sent
    host.finish()


def test_part_of_a_segment_that_was_acknowledged_is_not_sent_again(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.send(bytes(range(100)))
    peer.take()
    peer.send("A", ack=41)
    host.advance(host.until_deadline())
    peer.expect(wanted("PA", seq=41, text=bytes(range(40, 100))))


def test_full_send_buffer_refuses_and_an_ack_makes_room(make_host):
    host = make_host(send_buffer=10_000)
    peer = Peer(host)
    endpoint = peer.open_passively()
    assert endpoint.send(b"x" * 10_000) == 10_000
    assert endpoint.send(b"y") == core.WOULD_BLOCK
    assert not endpoint.readiness & core.WRITABLE
    peer.take()
    peer.send("A", ack=2)
    assert endpoint.readiness & core.WRITABLE
    assert endpoint.send(b"y") == 1


@settings(max_examples=40, deadline=None)
@given(
    writes=st.lists(st.integers(1, 9000), min_size=1, max_size=30),
    acks=st.lists(st.integers(1, 6000), min_size=1, max_size=30),
    mtu=st.sampled_from([576, 1500, 9000]),
)
def test_any_mixture_of_writes_and_partial_acks_sends_the_stream(writes, acks, mtu):
    host = Host(mtu=mtu)
    peer = Peer(host, mss=mtu - 40)
    endpoint = peer.open_passively()
    stream = b""
    seen = {}

    def note():
        for segment in peer.take():
            for at, value in enumerate(segment.text):
                assert seen.setdefault(segment.seq - 1 + at, value) == value

    position = 1
    for number, size in enumerate(writes):
        text = bytes((number + at) & 0xFF for at in range(size))
        assert endpoint.send(text) == size
        stream += text
        note()
        position = min(position + acks[number % len(acks)], peer.ack)
        peer.send("A", ack=position)
        note()
    for _ in range(2000):
        if not endpoint.buffered_bytes:
            break
        peer.send("A")
        note()
        if peer.ack == 1 + len(seen) and endpoint.buffered_bytes and not host.waiting:
            peer.send("A")
    assert bytes(seen[at] for at in range(len(stream))) == stream
    host.finish()


@pytest.mark.requirement("SHUT-3")
def test_shutdown_by_another_thread_during_a_send_lets_all_that_was_taken_leave_and_fin_behind_it(make_host):
    """The last of it, which does not fill a segment, waited for the rest of the call, which will never come."""
    host = make_host(initial_window=5000)
    outcome = []
    for port in range(40_000, 40_100):
        peer = Peer(host, port=port, scale=14)
        endpoint = peer.open_passively()
        sender = threading.Thread(target=lambda one=endpoint: outcome.append(one.send(bytes(5_000_000))))
        sender.start()
        while not endpoint.buffered_bytes:
            pass
        assert endpoint.shutdown_send() == core.OK
        sender.join()
        segments = peer.take()
        assert "F" in segments[-1].flags
        assert len(extended(b"", segments)) == endpoint.buffered_bytes
        if outcome[-1] == core.SHUT_DOWN:
            return
        peer.send("RA")
    pytest.fail(f"all sends ended before the shutdown came: {outcome}")
