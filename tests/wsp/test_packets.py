"""What the entries put on the wire, and what crafted segments do to them: one host driven by hand."""

import pytest
from scapy.layers.inet import TCP

from stack.driving import SECOND, NothingScheduled
from stack.wsp import constants as ws
from tests.wsp.crafted import PEER, CraftedPeer
from tests.wsp.hosts import MILLISECOND


@pytest.fixture
def peer() -> CraftedPeer:
    return CraftedPeer()


@pytest.mark.requirement("LISTEN-22")
def test_handshake_completes_without_any_call(peer: CraftedPeer) -> None:
    listener = peer.host.listening(80)
    peer.established(4000, 80)
    assert peer.host.peer(peer.host.accept(listener)) == (PEER, 4000)


@pytest.mark.requirement("LISTEN-50", "LISTEN-24", "LISTEN-48")
@pytest.mark.parametrize(("flags", "data", "length"), [("S", b"", 1), ("S", b"hello", 6)])
def test_syn_beyond_the_backlog_gets_one_reset_at_once(peer: CraftedPeer, flags: str, data: bytes, length: int) -> None:
    peer.host.listening(80, 2)
    peer.established(4000, 80)
    peer.arrive("S", 4001, 80, 500)  # half-open: it counts
    assert peer.flags() == ["SA"]
    peer.arrive(flags, 4002, 80, 9000, data=data)
    ((_, answer),) = peer.sent()
    assert (str(answer.flags), answer.seq, answer.ack) == ("RA", 0, 9000 + length)
    peer.driver.run(100 * MILLISECOND)
    assert all(segment.dport != 4002 for _, segment in peer.sent())


@pytest.mark.requirement("LISTEN-49")
def test_retransmitted_syn_is_counted_once(peer: CraftedPeer) -> None:
    peer.host.listening(80, 2)
    for _ in range(3):
        peer.arrive("S", 4000, 80, 500)
    assert set(peer.flags()) == {"SA"}
    peer.arrive("S", 4001, 80, 700)
    assert peer.flags() == ["SA"]
    peer.arrive("S", 4002, 80, 700)
    assert peer.flags() == ["RA"]


@pytest.mark.requirement("LISTEN-53", "LISTEN-52")
def test_half_open_connection_that_is_reset_vanishes_without_trace(peer: CraftedPeer) -> None:
    listener = peer.host.listening(80, 1)
    peer.arrive("S", 4000, 80, 500)
    peer.sent()
    peer.arrive("R", 4000, 80, 501)
    assert peer.host.select(read=[listener]) == ([], [], [])
    assert peer.host.accept_code(peer.host.nonblocking(listener)) == ws.WSAEWOULDBLOCK
    peer.established(4001, 80)
    assert peer.host.accept(listener)


@pytest.mark.requirement("LISTEN-54")
def test_accept_order_is_that_of_finished_handshakes(peer: CraftedPeer) -> None:
    listener = peer.host.listening(80)
    peer.arrive("S", 4000, 80, 500)
    ((_, first),) = peer.sent()
    peer.established(4001, 80)
    peer.arrive("A", 4000, 80, 501, first.seq + 1)
    assert [peer.host.peer(peer.host.accept(listener))[1] for _ in range(2)] == [4001, 4000]


@pytest.mark.requirement("LISTEN-57", "LISTEN-58", "LISTEN-59")
def test_shrinking_resets_half_open_ones_first_and_then_the_youngest(peer: CraftedPeer) -> None:
    listener = peer.host.listening(80, 5)
    peer.established(4000, 80)
    peer.arrive("S", 4001, 80, 500)
    peer.sent()
    peer.established(4002, 80)
    peer.arrive("S", 4003, 80, 500)
    peer.sent()
    peer.host.ok("WSPListen", listener, 1)
    resets = [segment for _, segment in peer.sent()]
    assert all("R" in str(segment.flags) for segment in resets)
    assert sorted(segment.dport for segment in resets) == [4001, 4002, 4003]
    assert peer.host.peer(peer.host.accept(listener)) == (PEER, 4000)


@pytest.mark.requirement("LISTEN-71", "CONN-9")
def test_unanswered_syn_is_sent_five_times_with_doubling_waits(peer: CraftedPeer) -> None:
    assert peer.host.connect_code(peer.host.tcp(), 80, PEER) == ws.WSAETIMEDOUT
    sent = peer.sent()
    assert [str(segment.flags) for _, segment in sent] == ["S"] * 5
    assert [time // SECOND for time, _ in sent] == [0, 1, 3, 7, 15]
    assert peer.driver.now() == 31 * SECOND


@pytest.mark.requirement("LISTEN-67", "CONN-12")
def test_reset_syn_is_sent_again_with_the_same_ports_at_constant_waits(peer: CraftedPeer) -> None:
    def refuse(frame: bytes) -> None:
        syn = TCP(frame[20:])
        peer.driver.after(0, lambda: peer.arrive("RA", 80, syn.sport, 0, syn.seq + 1))

    peer.driver.respond(refuse)
    assert peer.host.connect_code(peer.host.tcp(), 80, PEER) == ws.WSAECONNREFUSED
    sent = peer.sent()
    assert [time // MILLISECOND for time, _ in sent] == [0, 500, 1000, 1500, 2000]
    assert len({(segment.sport, segment.seq) for _, segment in sent}) == 1


@pytest.mark.requirement("CONN-12")
def test_reset_that_does_not_acknowledge_the_syn_is_ignored(peer: CraftedPeer) -> None:
    s = peer.host.nonblocking(peer.host.tcp())
    peer.host.connect_code(s, 80, PEER)
    ((_, syn),) = peer.sent()
    peer.arrive("RA", 80, syn.sport, 0, syn.seq + 7)
    peer.arrive("R", 80, syn.sport, 0)
    peer.arrive("SA", 80, syn.sport, 300, syn.seq + 1)
    assert peer.host.select(write=[s], milliseconds=100) == ([], [s], [])


@pytest.mark.requirement("CLOSE-8")
def test_syn_ack_for_an_abandoned_connect_is_reset(peer: CraftedPeer) -> None:
    s = peer.host.nonblocking(peer.host.tcp())
    peer.host.connect_code(s, 80, PEER)
    ((_, syn),) = peer.sent()
    peer.host.close(s)
    peer.driver.run(10 * SECOND)
    assert peer.flags() == []
    peer.arrive("SA", 80, syn.sport, 300, syn.seq + 1)
    ((_, answer),) = peer.sent()
    assert (str(answer.flags), answer.seq) == ("R", syn.seq + 1)


@pytest.mark.requirement("CLOSE-3a")
def test_close_sends_what_is_queued_and_then_fin(peer: CraftedPeer) -> None:
    listener = peer.host.listening(80)
    theirs, ours = peer.established(4000, 80)
    s = peer.host.accept(listener)
    peer.host.send(s, b"x" * 3000)
    peer.host.close(s)
    segments = [segment for _, segment in peer.sent()]
    assert b"".join(bytes(segment.payload) for segment in segments) == b"x" * 3000
    assert "F" in str(segments[-1].flags)
    peer.arrive("A", 4000, 80, theirs, ours + 3001)
    assert peer.flags() == []


@pytest.mark.requirement("CLOSE-3b")
def test_abortive_close_sends_one_reset(peer: CraftedPeer) -> None:
    listener = peer.host.listening(80)
    peer.established(4000, 80)
    s = peer.host.accept(listener)
    peer.host.set_linger(s, 1, 0)
    peer.host.close(s)
    assert [flags[0] for flags in peer.flags()] == ["R"]


@pytest.mark.requirement("LISTEN-73", "LISTEN-52")
def test_closing_a_listener_resets_queued_and_half_open_connections(peer: CraftedPeer) -> None:
    listener = peer.host.listening(80)
    peer.established(4000, 80)
    peer.arrive("S", 4001, 80, 500)
    peer.sent()
    peer.host.close(listener)
    resets = [segment for _, segment in peer.sent()]
    assert {segment.dport for segment in resets} == {4000, 4001}
    assert all("R" in str(segment.flags) for segment in resets)


@pytest.mark.requirement("GEN-11", "SOCK-6")
def test_unacknowledged_data_ends_in_a_time_out(peer: CraftedPeer) -> None:
    listener = peer.host.listening(80)
    peer.established(4000, 80)
    s = peer.host.accept(listener)
    peer.host.send(s, b"into the void")
    assert peer.host.receive_code(s) == ws.WSAETIMEDOUT
    assert peer.host.send_code(s, b"x") == ws.WSAETIMEDOUT


@pytest.mark.requirement("GEN-11", "GEN-12")
def test_reset_after_fin_is_an_abort(peer: CraftedPeer) -> None:
    listener = peer.host.listening(80)
    theirs, ours = peer.established(4000, 80)
    s = peer.host.accept(listener)
    peer.arrive("FA", 4000, 80, theirs, ours)
    assert peer.host.receive(s) == b""
    peer.arrive("R", 4000, 80, theirs + 1)
    for _ in range(2):
        assert peer.host.receive_code(s) == ws.WSAECONNABORTED
        assert peer.host.send_code(s, b"x") == ws.WSAECONNABORTED


def test_scheduled_frames_arrive_at_their_times(peer: CraftedPeer) -> None:
    listener = peer.host.listening(80)
    theirs, ours = peer.established(4000, 80)
    s = peer.host.accept(listener)
    for index, word in enumerate((b"one ", b"two ", b"three")):
        peer.driver.after(
            (index + 1) * SECOND,
            lambda word=word, offset=index * 4: peer.arrive("PA", 4000, 80, theirs + offset, ours, word),
        )
    assert peer.host.receive(s) == b"one "
    assert peer.driver.now() == SECOND
    assert peer.host.receive_all(s, 9) == b"two three"
    assert peer.driver.now() == 3 * SECOND
    with pytest.raises(NothingScheduled):
        peer.host.receive(s)
