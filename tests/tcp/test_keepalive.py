"""Keepalive (SND-8, RFC 9293 3.8.4): probes while nothing comes, and what becomes of a peer that is gone."""

from typing import Any

import pytest

from netcore import endpoint as core
from netcore.connections import connection_slice
from netcore.endpoint import Endpoint
from tests.tcp.scripted_peer import MILLISECOND, MINUTE, SECOND, Host, Peer, read_all, state_of
from tests.tcp.segments import wanted

IDLE = 60 * SECOND
INTERVAL = 5 * SECOND


def probed(host: Host, count: int = 3, **fields: Any) -> tuple[Peer, Endpoint]:
    """A connection with keepalive on, from now."""
    peer = Peer(host, **fields)
    endpoint = peer.open_passively()
    endpoint.set_keepalive(True, IDLE, INTERVAL, count)
    return peer, endpoint


@pytest.mark.requirement("SND-8")
@pytest.mark.parametrize("timestamps", [False, True])
def test_idle_peer_is_probed_with_the_last_number_and_no_text(host, timestamps):
    peer, _ = probed(host, timestamps=timestamps)
    host.advance(IDLE - 1)
    peer.expect_nothing()
    host.advance(1)
    peer.expect(wanted("A", seq=0, ack=1))
    assert host.counter("TCPKeepAlive") == 1


@pytest.mark.requirement("SND-8")
def test_peer_that_answers_is_probed_again_after_the_idle_time(host):
    peer, endpoint = probed(host)
    for _ in range(20):
        host.advance(IDLE)
        peer.expect(wanted("A", seq=0, ack=1))
        peer.send("A")
        host.advance(INTERVAL)
        peer.expect_nothing()
        # the answer came at the time of the probe: the idle time runs from there
        host.advance(IDLE - INTERVAL)
        peer.expect(wanted("A", seq=0, ack=1))
        peer.send("A")
    assert state_of(endpoint) == "ESTABLISHED"


@pytest.mark.requirement("SND-8")
def test_timer_and_probes_show_in_the_tables(host):
    peer, endpoint = probed(host)
    (row,), _ = connection_slice(host.engine, info=False)
    assert row["timer"] == ("keepalive", IDLE)
    host.advance(IDLE + INTERVAL)
    assert endpoint.tcp_info()["tcpi_probes"] == 2
    peer.send("A")
    assert endpoint.tcp_info()["tcpi_probes"] == 0
    host.take_packets()


@pytest.mark.requirement("SND-8", "GEN-11")
@pytest.mark.parametrize("count", [1, 3, 10])
def test_probes_without_an_answer_end_the_connection(host, count):
    peer, endpoint = probed(host, count)
    host.advance(IDLE)
    for _ in range(count):
        peer.expect(wanted("A", seq=0, ack=1))
        assert endpoint.status == core.OK
        host.advance(INTERVAL)
    peer.expect(wanted("RA", seq=1, ack=1))
    assert endpoint.status == core.NET_RESET
    assert endpoint.send(b"x") == core.NET_RESET
    assert endpoint.receive_into(bytearray(1)) == core.NET_RESET
    assert host.counter("TCPAbortOnTimeout") == 1


@pytest.mark.requirement("SND-8")
@pytest.mark.parametrize("kind", ["ACK", "text", "old", "probe"])
def test_any_segment_of_the_peer_sets_the_time_back(host, kind):
    peer, endpoint = probed(host)
    host.advance(IDLE + INTERVAL + MILLISECOND)
    peer.expect(wanted("A", seq=0), wanted("A", seq=0))
    if kind == "ACK":
        peer.send("A")
    elif kind == "text":
        peer.send("PA", text=b"here I am")
    elif kind == "old":
        peer.send("PA", seq=1 - 10000, ack=-60000, text=b"again")
    else:
        peer.send("A", seq=peer.seq - 1)
    peer.take()
    host.advance(IDLE - 1)
    assert not [segment for segment in peer.take() if segment.seq == 0]
    host.advance(1)
    peer.expect(wanted("A", seq=0))
    assert endpoint.status == core.OK


@pytest.mark.requirement("SND-8")
@pytest.mark.parametrize(
    ("flags", "seq", "ack"),
    [("A", 200_000, 1), ("A", -70_000, 1), ("A", 1, 2), ("A", 1, -70_000), ("R", 2, 0), ("S", 5, 0), ("SA", 1, 900)],
)
def test_segment_whose_numbers_are_not_the_peers_keeps_no_connection(host, flags, seq, ack):
    # else whoever knows addresses and ports would keep for ever what has lost its peer
    peer, endpoint = probed(host, 3)
    for _ in range(4):
        for _ in range(12):
            host.advance(IDLE // 12)
            peer.send(flags, seq=seq, ack=ack)
    assert endpoint.status == core.NET_RESET


@pytest.mark.requirement("SND-8")
@pytest.mark.parametrize("state", ["CLOSED", "TIME-WAIT"])
def test_connection_that_has_ended_gets_no_time_out(host, state):
    peer = Peer(host)
    endpoint = peer.open_passively()
    if state == "CLOSED":
        peer.send("R")
    else:
        endpoint.shutdown_send()
        peer.take()
        peer.send("FA", ack=2)
        host.advance(2 * MINUTE)
    assert state_of(endpoint) == state
    endpoint.set_keepalive(True, IDLE, INTERVAL, 3)
    assert host.engine.next_deadline() is None


@pytest.mark.requirement("SND-8")
def test_no_probe_goes_while_data_is_outstanding(host):
    peer, endpoint = probed(host)
    host.advance(IDLE - SECOND)
    endpoint.send(b"x")
    peer.expect(wanted("PA", seq=1, text=b"x"))
    host.advance(10 * SECOND)
    assert all(segment.text == b"x" for segment in peer.take())
    assert host.counter("TCPKeepAlive") == 0
    peer.send("A")
    host.advance(IDLE - 10 * SECOND)
    peer.expect_nothing()
    host.advance(20 * SECOND)
    assert [(segment.seq, segment.text) for segment in peer.take()][:1] == [(1, b"")]


@pytest.mark.requirement("SND-8")
def test_no_probe_goes_while_a_closed_window_is_probed(host):
    peer, endpoint = probed(host)
    peer.send("A", window=0)
    endpoint.send(b"xy")
    for _ in range(30):
        host.advance(10 * SECOND)
        for segment in peer.take():
            assert segment.text
        peer.send("A", ack=1, window=0)
    assert host.counter("TCPKeepAlive") == 0
    assert endpoint.status == core.OK


@pytest.mark.requirement("SND-8")
def test_keepalive_is_off_until_it_is_asked_for(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    host.advance(24 * 60 * MINUTE)
    peer.expect_nothing()
    endpoint.set_keepalive(True)
    host.advance(120 * MINUTE - 1)
    peer.expect_nothing()
    host.advance(1)
    peer.expect(wanted("A", seq=0))
    endpoint.set_keepalive(False)
    host.advance(24 * 60 * MINUTE)
    peer.expect_nothing()


@pytest.mark.requirement("SND-8")
def test_default_times_are_two_hours_and_ten_probes_a_second_apart(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.set_keepalive(True)
    host.advance(7200 * SECOND + 9 * SECOND)
    assert len(peer.take()) == 10
    host.advance(SECOND)
    peer.expect(wanted("RA"))
    assert endpoint.status == core.NET_RESET


@pytest.mark.requirement("SND-8")
def test_half_closed_connection_is_probed(host):
    peer, endpoint = probed(host)
    endpoint.shutdown_send()
    peer.expect(wanted("FA", seq=1))
    peer.send("A", ack=2)
    assert state_of(endpoint) == "FIN-WAIT-2"
    host.advance(IDLE)
    peer.expect(wanted("A", seq=1))
    peer.send("PA", text=b"late")
    assert read_all(endpoint) == b"late"


@pytest.mark.requirement("SND-8")
@pytest.mark.parametrize("text", [b"", b"\0"])
def test_probe_of_the_peer_is_answered(host, text):
    # RFC 9293 3.8.4: with or without a garbage octet
    peer = Peer(host)
    peer.open_passively()
    for _ in range(3):
        host.advance(SECOND)
        peer.send("A", seq=peer.seq - 1, text=text)
        peer.expect(wanted("A", seq=1, ack=1))


@pytest.mark.requirement("SND-8")
def test_lost_peer_that_starts_anew_answers_the_probe_with_a_reset(host):
    peer, endpoint = probed(host)
    host.advance(IDLE)
    peer.expect(wanted("A", seq=0))
    peer.send("R")
    assert endpoint.status == core.RESET


@pytest.mark.requirement("SND-8", "LIM-3")
def test_time_of_a_nanosecond_counts_as_a_millisecond(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.set_keepalive(True, 1, 1, 200)
    host.advance(100 * MILLISECOND)
    assert len(peer.take()) == 100
