"""Text that overlaps the window's ends, earlier text, or a hole."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tcp.scripted_peer import Host, Peer, read_all, state_of
from tests.tcp.segments import wanted

HOLES = 128


@pytest.fixture
def peer(make_host):
    return Peer(make_host(receive_buffer=4000, quick_acks=255))


@pytest.mark.requirement("SEG-7")
def test_text_before_the_window_is_cut_off(peer):
    endpoint = peer.open_passively()
    peer.send("A", text=b"abcdef")
    peer.take()
    peer.send("A", seq=4, text=b"XYZghi")
    peer.expect(wanted("A", seq=1, ack=10))
    assert read_all(endpoint) == b"abcdefghi"


@pytest.mark.requirement("SEG-7")
def test_text_beyond_the_window_is_cut_off(peer):
    endpoint = peer.open_passively()
    peer.send("A", text=b"a" * 3990)
    peer.take()
    peer.send("A", seq=3991, text=b"b" * 10 + b"c" * 5)
    peer.expect(wanted("A", seq=1, ack=4001, window=0))
    assert read_all(endpoint) == b"a" * 3990 + b"b" * 10


@pytest.mark.requirement("SEG-7")
def test_text_is_cut_off_at_both_ends(peer):
    endpoint = peer.open_passively()
    peer.send("A", text=b"a" * 3000)
    peer.take()
    peer.send("A", seq=2991, text=b"X" * 10 + b"b" * 1000)
    peer.expect(wanted("A", seq=1, ack=4001, window=0))
    assert read_all(endpoint) == b"a" * 3000 + b"b" * 1000


@pytest.mark.requirement("SEG-7")
def test_fin_behind_text_beyond_the_window_is_not_taken(peer):
    endpoint = peer.open_passively()
    peer.send("A", text=b"a" * 3990)
    peer.take()
    peer.send("FA", seq=3991, text=b"b" * 20)
    peer.expect(wanted("A", seq=1, ack=4001, window=0))
    assert state_of(endpoint) == "ESTABLISHED"


@pytest.mark.requirement("SEG-7")
def test_fin_behind_old_text_is_taken(peer):
    endpoint = peer.open_passively()
    peer.send("A", text=b"abcdef")
    peer.take()
    peer.send("FA", seq=1, text=b"ABCDEF")
    peer.expect(wanted("A", seq=1, ack=8))
    assert state_of(endpoint) == "CLOSE-WAIT"
    assert read_all(endpoint) == b"abcdef"


@pytest.mark.requirement("SEG-7")
def test_bytes_kept_behind_a_hole_are_not_overwritten_by_a_later_copy(peer):
    endpoint = peer.open_passively()
    peer.send("A", seq=5, text=b"efgh")
    peer.send("A", seq=3, text=b"cdXXXXij")
    peer.send("A", seq=1, text=b"abXX")
    assert peer.take()[-1].ack == 11
    assert read_all(endpoint) == b"abcdefghij"


@pytest.mark.requirement("SEG-7")
@pytest.mark.parametrize("late", [(1, b"abcdefgh"), (1, b"abcdefghij"), (1, b"abcdef")])
def test_in_order_text_that_covers_what_is_kept_delivers_each_byte_once(peer, late):
    endpoint = peer.open_passively()
    peer.send("A", seq=5, text=b"efgh")
    peer.send("A", seq=late[0], text=late[1])
    assert peer.take()[-1].ack == 1 + max(8, len(late[1]))
    assert read_all(endpoint) == b"abcdefghij"[: max(8, len(late[1]))]


@pytest.mark.requirement("SEG-15")
def test_out_of_order_text_is_kept_up_to_the_window(peer):
    endpoint = peer.open_passively()
    peer.send("A", seq=2, text=b"b" * 3999)
    peer.expect(wanted("A", seq=1, ack=1))
    peer.send("A", seq=1, text=b"a")
    peer.expect(wanted("A", seq=1, ack=4001, window=0))
    assert read_all(endpoint) == b"a" + b"b" * 3999


@pytest.mark.requirement("SEG-15")
def test_early_fin_is_kept_until_the_hole_before_it_is_filled(peer):
    endpoint = peer.open_passively()
    peer.send("FA", seq=3, text=b"cd")
    peer.expect(wanted("A", seq=1, ack=1))
    assert state_of(endpoint) == "ESTABLISHED"
    peer.send("A", seq=1, text=b"ab")
    peer.expect(wanted("A", seq=1, ack=6))
    assert state_of(endpoint) == "CLOSE-WAIT"
    assert read_all(endpoint) == b"abcd"


@pytest.mark.requirement("SEG-15")
def test_bare_fin_that_comes_early_is_kept(peer):
    endpoint = peer.open_passively()
    peer.send("FA", seq=3)
    peer.expect(wanted("A", seq=1, ack=1))
    peer.send("A", seq=1, text=b"ab")
    peer.expect(wanted("A", seq=1, ack=4))
    assert state_of(endpoint) == "CLOSE-WAIT"


@pytest.mark.requirement("SEG-15")
@pytest.mark.parametrize("holes", [1, 5, HOLES, 256])
def test_number_of_holes_is_bounded_and_overflow_drops_the_newest(make_host, holes):
    host = make_host(maximum_holes=holes)
    peer = Peer(host)
    endpoint = peer.open_passively()
    for number in range(holes):
        peer.send("A", seq=3 + 2 * number, text=b"o")
    assert host.counter("TCPOFOQueue") == holes
    peer.send("A", seq=3 + 2 * holes, text=b"X")
    assert (host.counter("TCPOFOQueue"), host.counter("TCPOFODrop")) == (holes, 1)
    # every one was answered with a duplicate ACK of its own
    assert [(segment.flags, segment.ack) for segment in peer.take()] == [("A", 1)] * (holes + 1)
    # a piece that joins two held ones needs no new place
    if holes > 1:
        peer.send("A", seq=4, text=b"n")
        assert host.counter("TCPOFODrop") == 1
    # all that was kept arrives once the holes are filled, the dropped one is missing
    for number in range(holes):
        peer.send("A", seq=2 + 2 * number, text=b"e")
    peer.send("A", seq=1, text=b"f")
    assert peer.take()[-1].ack == 2 + 2 * holes
    assert len(read_all(endpoint)) == 1 + 2 * holes


@pytest.mark.requirement("SEG-15")
def test_default_bound_of_holes_is_128(host):
    peer = Peer(host)
    peer.open_passively()
    for number in range(HOLES + 3):
        peer.send("A", seq=3 + 2 * number, text=b"o")
    assert (host.counter("TCPOFOQueue"), host.counter("TCPOFODrop")) == (HOLES, 3)


@pytest.mark.requirement("SEG-15")
def test_memory_of_kept_text_is_given_back_on_reset(host):
    peer = Peer(host)
    peer.open_passively()
    peer.send("A", seq=10, text=b"o" * 1000)
    assert host.engine.usage()["chunks"] > 0
    peer.send("R", seq=1)
    peer.take()
    assert host.engine.usage()["chunks"] == 0


STREAM = bytes(range(256)) * 16


@pytest.mark.requirement("SEG-7", "SEG-15")
@settings(max_examples=60, deadline=None)
@given(
    pieces=st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 900), st.booleans()), min_size=1, max_size=40),
    most=st.sampled_from([1, 2, 3, 128]),
)
def test_any_arrival_order_gives_the_first_copy_of_every_byte(pieces, most):
    host = Host(maximum_holes=most)
    peer = Peer(host)
    endpoint = peer.open_passively()
    for start, size, inverted in pieces:
        text = STREAM[start : start + size]
        # a later copy differs: it may only be seen where nothing had come before
        if inverted and start >= 2000:
            text = bytes(value ^ 0xFF for value in text)
        peer.send("A", seq=1 + start, text=text)
    for start in range(0, 2000, 500):
        peer.send("A", seq=1 + start, text=STREAM[start : start + 500])
    acknowledged = peer.take()[-1].ack - 1
    received = read_all(endpoint)
    assert len(received) == acknowledged >= 2000
    assert received[:2000] == STREAM[:2000]
    for position in range(2000, len(received)):
        assert received[position] in (STREAM[position], STREAM[position] ^ 0xFF)
    host.finish()
