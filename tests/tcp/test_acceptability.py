"""The order of processing, the four cases of acceptability, and the answer to what is not acceptable."""

import pytest

from tests.tcp.scripted_peer import MILLISECOND, SECOND, Peer, read_all, state_of
from tests.tcp.segments import wanted


@pytest.fixture
def peer(make_host):
    """A peer whose segments are acknowledged at once."""
    return Peer(make_host(receive_buffer=4000, quick_acks=255))


def fill_window(peer, size):
    """Closes the receive window with `size` bytes that nobody reads."""
    peer.send("A", text=b"x" * size)
    assert peer.take()[-1].window == 0


def sending_again(peer):
    """A connection whose text was not acknowledged in time: after the tail probe it has been sent once more."""
    endpoint = peer.open_passively()
    endpoint.send(b"ours")
    peer.take()
    peer.host.advance(peer.host.until_deadline())
    peer.host.advance(peer.host.until_deadline())
    peer.take()
    return endpoint


@pytest.mark.requirement("SEG-2")
@pytest.mark.parametrize(("seq", "accepted"), [(1, True), (4000, True), (4001, False), (0, False), (5000, False)])
def test_empty_segment_is_acceptable_within_the_window_only(peer, seq, accepted):
    endpoint = peer.open_passively()
    endpoint.send(b"ours")
    peer.take()
    # an acceptable one has its ACK taken, another does not
    peer.send("A", seq=seq, ack=5)
    assert (endpoint.buffered_bytes == 0) == accepted
    peer.expect() if accepted else peer.expect(wanted("A", seq=5, ack=1))


@pytest.mark.requirement("SEG-2")
@pytest.mark.parametrize(("seq", "accepted"), [(4001, True), (4002, False)])
def test_ack_from_the_right_edge_of_the_window_is_taken_while_we_send_again(peer, seq, accepted):
    """The special allowance for valid ACKs: a peer that has filled the window sends them from there alone."""
    endpoint = sending_again(peer)
    peer.send("A", seq=seq, ack=5)
    assert (endpoint.buffered_bytes == 0) == accepted


@pytest.mark.requirement("SEG-2", "SEG-4")
def test_rst_from_the_right_edge_of_the_window_is_dropped_while_we_send_again(peer):
    endpoint = sending_again(peer)
    peer.send("R", seq=4001)
    peer.expect_nothing()
    assert state_of(endpoint) == "ESTABLISHED"


@pytest.mark.requirement("SEG-2", "SEG-7")
@pytest.mark.parametrize(
    ("seq", "size", "kept"),
    [(1, 10, 10), (-9, 10, 0), (-8, 10, 1), (0, 10, 9), (3991, 10, 0), (4000, 10, 0), (4001, 10, 0)],
)
def test_text_is_acceptable_when_either_end_lies_in_the_window(peer, seq, size, kept):
    endpoint = peer.open_passively()
    peer.send("A", seq=seq, ack=1, text=b"t" * size)
    assert endpoint.readable_bytes == kept
    # whatever became of it, it is answered at once, and once
    peer.expect(wanted("A", seq=1, ack=1 + kept))
    assert peer.host.counter("TCPOFOQueue") == (1 if 1 < seq <= 4000 else 0)


@pytest.mark.requirement("SEG-2")
def test_zero_window_receiver_takes_valid_acks(peer):
    endpoint = peer.open_passively()
    endpoint.send(b"ours")
    peer.take()
    fill_window(peer, 4000)
    peer.send("A", ack=5)
    assert endpoint.buffered_bytes == 0
    peer.expect_nothing()


@pytest.mark.requirement("SEG-2")
def test_zero_window_receiver_takes_the_window_update_of_its_peer(peer):
    endpoint = peer.open_passively()
    fill_window(peer, 4000)
    peer.send("A", window=777)
    assert endpoint.info()["snd_wnd"] == 777


@pytest.mark.requirement("SEG-2", "SEG-4")
def test_zero_window_receiver_obeys_rst_at_rcv_nxt(peer):
    endpoint = peer.open_passively()
    fill_window(peer, 4000)
    peer.send("R")
    assert state_of(endpoint) == "CLOSED"
    peer.expect_nothing()


@pytest.mark.requirement("SEG-2")
def test_zero_window_receiver_refuses_text_at_rcv_nxt_but_takes_its_ack(peer):
    endpoint = peer.open_passively()
    endpoint.send(b"ours")
    peer.take()
    fill_window(peer, 4000)
    peer.send("A", seq=4001, ack=5, text=b"p")
    assert endpoint.readable_bytes == 4000
    assert endpoint.buffered_bytes == 0
    peer.expect(wanted("A", seq=5, ack=4001, window=0))


@pytest.mark.requirement("SEG-2")
def test_zero_window_receiver_refuses_fin_until_the_window_opens(peer):
    endpoint = peer.open_passively()
    fill_window(peer, 4000)
    peer.send("FA", seq=4001)
    peer.expect(wanted("A", seq=1, ack=4001, window=0))
    assert state_of(endpoint) == "ESTABLISHED"
    assert len(read_all(endpoint)) == 4000
    peer.expect(wanted("A", seq=1, ack=4001, window=4000))
    peer.send("FA", seq=4001)
    peer.expect(wanted("A", seq=1, ack=4002))
    assert state_of(endpoint) == "CLOSE-WAIT"


@pytest.mark.requirement("SEG-2", "SEG-3")
def test_zero_window_receiver_answers_text_beyond_rcv_nxt(peer):
    peer.open_passively()
    fill_window(peer, 4000)
    peer.send("A", seq=4002, text=b"p")
    peer.expect(wanted("A", seq=1, ack=4001, window=0))


@pytest.mark.requirement("SEG-2")
def test_segment_without_ack_is_dropped(peer):
    endpoint = peer.open_passively()
    peer.send("P", text=b"no ack bit")
    peer.expect_nothing()
    assert endpoint.readable_bytes == 0


@pytest.mark.requirement("SEG-2")
def test_rst_is_looked_at_before_syn_and_ack(peer):
    endpoint = peer.open_passively()
    # SYN and an ACK far off do not keep an RST in order from ending it
    peer.send("RA", ack=70000, text=b"")
    assert state_of(endpoint) == "CLOSED"
    peer.expect_nothing()


@pytest.mark.requirement("SEG-2")
def test_ack_is_looked_at_before_text_and_fin(peer):
    endpoint = peer.open_passively()
    peer.send("FA", ack=70000, text=b"text")
    assert state_of(endpoint) == "ESTABLISHED"
    assert endpoint.readable_bytes == 0
    peer.expect(wanted("A", seq=1, ack=1))


@pytest.mark.requirement("SEG-2")
def test_text_is_taken_before_fin(peer):
    endpoint = peer.open_passively()
    peer.send("FA", text=b"last words")
    assert state_of(endpoint) == "CLOSE-WAIT"
    assert read_all(endpoint) == b"last words"
    peer.expect(wanted("A", seq=1, ack=12))
    assert endpoint.receive_into(bytearray(8)) == 0


@pytest.mark.requirement("SEG-2")
def test_text_behind_the_fin_is_not_taken(peer):
    endpoint = peer.open_passively()
    peer.send("FA")
    peer.take()
    peer.send("A", text=b"after the end")
    assert endpoint.readable_bytes == 0
    assert state_of(endpoint) == "CLOSE-WAIT"


@pytest.mark.requirement("SEG-3")
def test_old_text_is_answered_at_once_every_time(peer):
    endpoint = peer.open_passively()
    peer.send("A", text=b"abcd")
    peer.take()
    for _ in range(5):
        peer.send("A", seq=1, text=b"abcd")
        peer.expect(wanted("A", seq=1, ack=5))
    assert read_all(endpoint) == b"abcd"


@pytest.mark.requirement("SEG-3")
def test_repeated_fin_is_answered_every_time(peer):
    peer.open_passively()
    peer.send("FA")
    peer.expect(wanted("A", seq=1, ack=2))
    for _ in range(3):
        peer.send("FA", seq=1)
        peer.expect(wanted("A", seq=1, ack=2))


@pytest.mark.requirement("SEG-3")
def test_answer_to_the_unacceptable_carries_snd_nxt(peer):
    endpoint = peer.open_passively()
    endpoint.send(b"in flight")
    peer.expect(wanted("PA", seq=1, ack=1, text=b"in flight"))
    peer.send("A", seq=-100, ack=1, text=b"old")
    peer.expect(wanted("A", seq=10, ack=1))


@pytest.mark.requirement("SEG-3", "SEG-8")
def test_dataless_unacceptable_segments_are_answered_at_the_rate_of_challenges(peer):
    peer.open_passively()
    peer.send("A", seq=-100, ack=1)
    peer.expect(wanted("A", seq=1, ack=1))
    for _ in range(4):
        peer.host.advance(100 * MILLISECOND)
        peer.send("A", seq=-100, ack=1)
        peer.expect_nothing()
    peer.host.advance(100 * MILLISECOND)
    peer.send("A", seq=-100, ack=1)
    peer.expect(wanted("A", seq=1, ack=1))


@pytest.mark.requirement("SEG-3")
@pytest.mark.parametrize("seq", [-1, 5000, 100000, -100000])
def test_unacceptable_rst_is_not_answered(peer, seq):
    endpoint = peer.open_passively()
    peer.send("R", seq=seq)
    peer.expect_nothing()
    assert state_of(endpoint) == "ESTABLISHED"


@pytest.mark.requirement("SEG-3")
def test_dataless_unacceptable_segment_in_every_synchronized_state_is_answered(make_host):
    for closing in ("FIN-WAIT-2", "CLOSE-WAIT", "CLOSING", "LAST-ACK"):
        peer = Peer(make_host())
        endpoint = peer.open_passively()
        if closing in ("CLOSE-WAIT", "LAST-ACK"):
            peer.send("FA")
        if closing != "CLOSE-WAIT":
            endpoint.shutdown_send()
            peer.take()
        if closing == "CLOSING":
            peer.send("FA", ack=1)
        if closing == "FIN-WAIT-2":
            peer.send("A")
        assert state_of(endpoint) == closing
        peer.take()
        sent = 1 if closing == "CLOSE-WAIT" else 2
        received = 1 if closing == "FIN-WAIT-2" else 2
        peer.host.advance(SECOND // 10)
        peer.send("A", seq=-5, ack=sent)
        peer.expect(wanted("A", seq=sent, ack=received))
