"""TIME-WAIT: how long, what restarts it, what does not end it, what takes it over."""

import pytest

from netcore.engine import build_information
from tests.tcp.scripted_peer import MILLISECOND, SECOND, Peer
from tests.tcp.segments import wanted

pytestmark = pytest.mark.requirement("SEG-11")


def in_time_wait(host, *, close=True, **fields):
    """A peer whose connection the engine has closed first."""
    peer = Peer(host, **fields)
    endpoint = peer.open_passively()
    endpoint.close() if close else endpoint.shutdown_send()
    peer.expect(wanted("FA", seq=1, ack=1))
    peer.send("FA")
    peer.expect(wanted("A", seq=2, ack=2))
    assert host.engine.usage()["time_wait"] == 1
    return peer


def test_record_is_at_most_a_quarter_of_a_connection():
    sizes = build_information()
    assert 4 * sizes["time_wait_bytes"] <= sizes["connection_bytes"]


def test_closed_connection_in_time_wait_holds_no_connection_block(host):
    in_time_wait(host)
    usage = host.engine.usage()
    assert (usage["connections"], usage["orphans"], usage["chunks"]) == (0, 0, 0)


@pytest.mark.parametrize("msl", [30 * SECOND, SECOND])
def test_record_lasts_twice_the_msl(make_host, msl):
    host = make_host(msl=msl) if msl != 30 * SECOND else make_host()
    in_time_wait(host)
    host.advance(2 * msl - 1)
    assert host.engine.usage()["time_wait"] == 1
    host.advance(1)
    assert host.engine.usage()["time_wait"] == 0


def test_repeated_fin_is_acknowledged_and_restarts_the_time(host):
    peer = in_time_wait(host)
    for _ in range(3):
        host.advance(50 * SECOND)
        peer.send("FA", seq=1)
        peer.expect(wanted("A", seq=2, ack=2))
    host.advance(60 * SECOND - 1)
    assert host.engine.usage()["time_wait"] == 1
    host.advance(1)
    assert host.engine.usage()["time_wait"] == 0


def test_repeated_text_with_fin_is_acknowledged_and_restarts_the_time(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.shutdown_send()
    peer.take()
    peer.send("FA", text=b"last")
    peer.expect(wanted("A", seq=2, ack=6))
    host.advance(50 * SECOND)
    peer.send("FA", seq=1, text=b"last")
    peer.expect(wanted("A", seq=2, ack=6))
    host.advance(50 * SECOND)
    assert host.engine.usage()["time_wait"] == 1


def test_text_is_acknowledged_and_does_not_restart_the_time(host):
    peer = in_time_wait(host)
    host.advance(50 * SECOND)
    peer.send("A", seq=1, text=b"x")
    peer.expect(wanted("A", seq=2, ack=2))
    host.advance(10 * SECOND)
    assert host.engine.usage()["time_wait"] == 0


def test_ack_in_order_is_not_answered(host):
    peer = in_time_wait(host)
    for _ in range(3):
        peer.send("A")
        peer.expect_nothing()


@pytest.mark.requirement("SEG-8")
def test_dataless_segments_out_of_order_are_answered_at_the_rate_of_challenges(host):
    peer = in_time_wait(host)
    for _ in range(3):
        peer.send("A", seq=50)
    peer.expect(wanted("A", seq=2, ack=2))
    host.advance(500 * MILLISECOND)
    peer.send("A", seq=50)
    peer.expect(wanted("A", seq=2, ack=2))


def test_dataless_segment_is_answered_even_when_the_clock_is_young(make_host):
    peer = in_time_wait(make_host(start=0))
    peer.send("A", seq=50)
    peer.expect(wanted("A", seq=2, ack=2))


@pytest.mark.parametrize("seq", [0, 1, 2, 3, 1000])
@pytest.mark.parametrize("flags", ["R", "RA"])
def test_rst_does_not_end_it(host, seq, flags):
    peer = in_time_wait(host)
    peer.send(flags, seq=seq)
    peer.expect_nothing()
    assert host.engine.usage()["time_wait"] == 1


@pytest.mark.parametrize(
    ("seq", "taken"), [(3, True), (1000, True), (0x7FFFFFF0, True), (2, False), (1, False), (-1000, False)]
)
def test_syn_without_timestamps_takes_it_over_only_with_a_higher_number(host, seq, taken):
    peer = in_time_wait(host)
    peer.send("S", seq=seq)
    if taken:
        (answer,) = peer.expect(wanted("SA", ack=seq + 1))
        # RFC 9293 3.6.1: beyond all that the old connection used, whatever the clock says
        assert answer.seq > 2
        assert (host.engine.usage()["time_wait"], host.counter("TWRecycled")) == (0, 1)
    else:
        peer.expect(wanted("A", seq=2, ack=2))
        assert (host.engine.usage()["time_wait"], host.counter("TWRecycled")) == (1, 0)


@pytest.mark.parametrize(("newer", "taken"), [(1, True), (1000, True), (0, False), (-1, False), (-1000, False)])
@pytest.mark.parametrize("seq", [-1000, 2, 1000])
def test_syn_with_timestamps_takes_it_over_only_with_a_newer_one_whatever_its_number(host, newer, taken, seq):
    peer = in_time_wait(host, timestamps=True)
    last = peer.tsval
    peer.tsval = last + newer
    peer.send("S", seq=seq)
    if taken:
        peer.expect(wanted("SA", ack=seq + 1))
        assert host.engine.usage()["time_wait"] == 0
    else:
        # dropped: not even answered
        peer.expect_nothing()
        assert host.engine.usage()["time_wait"] == 1


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize(("seq", "taken"), [(3, True), (2, False)])
def test_timestamps_on_one_side_only_leave_it_to_the_number(host, ours, seq, taken):
    peer = in_time_wait(host, timestamps=ours)
    peer.timestamps = not ours
    peer.tsval += 1000
    peer.send("S", seq=seq)
    assert peer.take()[0].flags == ("SA" if taken else "A")


def test_connection_that_takes_it_over_works_to_the_end(host):
    old = in_time_wait(host)
    fresh = Peer(host, iss=old.iss + 5000)
    endpoint = fresh.open_passively()
    endpoint.send(b"new life")
    fresh.expect(wanted("PA", seq=1, ack=1, text=b"new life"))
    fresh.send("A")
    endpoint.shutdown_send()
    fresh.expect(wanted("FA", seq=9, ack=1))
    fresh.send("FA")
    fresh.expect(wanted("A", seq=10, ack=2))
    assert host.engine.usage()["time_wait"] == 1


@pytest.mark.parametrize("timestamps", [False, True])
def test_number_of_the_new_connection_is_ahead_of_all_that_the_old_one_sent(host, timestamps):
    old = Peer(host, timestamps=timestamps)
    endpoint = old.open_passively()
    # in far less time than the clock of initial sequence numbers needs for as many numbers
    for _ in range(30):
        endpoint.send(b"x" * 10000)
        old.take()
        old.send("A")
        old.take()
    endpoint.close()
    old.take()
    old.send("FA")
    old.take()
    old.tsval += 1
    old.send("S", seq=5000)
    (answer,) = old.expect(wanted("SA", ack=5001))
    assert 300000 < answer.seq < 1 << 30
    old.send("A", seq=5001, ack=answer.seq + 1)
    fresh = host.accept(host.listeners[0])
    fresh.send(b"data")
    old.expect(wanted("PA", seq=answer.seq + 1, text=b"data"))


def test_syn_without_a_listener_does_not_end_it(host):
    peer = in_time_wait(host)
    host.listeners[0].close()
    peer.send("S", seq=1000)
    assert host.engine.usage()["time_wait"] == 1
    assert "S" not in "".join(segment.flags for segment in peer.take())


@pytest.mark.requirement("SEG-10", "SEG-11")
@pytest.mark.parametrize("flags", ["SA", "SF"])
def test_syn_that_no_listener_takes_does_not_end_it(host, flags):
    peer = in_time_wait(host)
    peer.send(flags, seq=1000)
    assert host.engine.usage()["time_wait"] == 1


def test_answer_carries_our_timestamp_and_echoes_the_last(host):
    peer = in_time_wait(host, timestamps=True)
    first = peer.tsecr
    host.advance(SECOND)
    peer.send("FA", seq=1)
    (answer,) = peer.expect(wanted("A", seq=2, ack=2))
    assert answer.options["Timestamp"] == (first + 1000, peer.tsval)


def test_handle_still_reads_what_came_before_the_end(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.shutdown_send()
    peer.take()
    peer.send("FA", text=b"last words")
    peer.take()
    buffer = bytearray(20)
    assert endpoint.receive_into(buffer) == 10
    assert endpoint.receive_into(buffer) == 0


def test_port_of_a_record_is_not_in_use(host):
    peer = in_time_wait(host)
    host.listeners[0].close()
    assert not host.engine.port_in_use(peer.our_port)


@pytest.mark.parametrize("timestamps", [False, True])
def test_new_syn_for_a_port_that_nobody_listens_on_is_answered_as_on_a_connection(host, timestamps):
    peer = in_time_wait(host, timestamps=timestamps)
    host.listeners.pop().close()
    peer.tsval += 1000
    peer.send("S", seq=70000)
    peer.expect(wanted("A", seq=2, ack=2))
    assert host.engine.usage()["time_wait"] == 1


def test_records_that_lasted_their_time_are_counted(host):
    in_time_wait(host)
    assert host.counter("TW") == 0
    host.advance(60 * SECOND)
    assert host.counter("TW") == 1
