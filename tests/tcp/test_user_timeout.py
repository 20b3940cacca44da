"""Giving up (SND-7): by retries, by a user timeout, never; and the user timeout option (RFC 5482)."""

from typing import Any

import pytest

from netcore import endpoint as core
from netcore.endpoint import Endpoint
from tests.tcp.scripted_peer import MINUTE, OUR_PORT, PEER_ADDRESS, PEER_PORT, SECOND, Host, Peer, packed, state_of
from tests.tcp.segments import Segment
from tests.tcp.strangers import cookie_for, half_open

MINUTES = 0x8000


def option(value: int) -> list[Any]:
    """The option as scapy takes it: kind 28 (RFC 5482 3)."""
    return [(28, value.to_bytes(2, "big"))]


def told(segment: Segment) -> int | None:
    """The option's 16 bits in a segment."""
    octets = bytes(segment.packet["TCP"])
    at = 20
    while at < (octets[12] >> 4) * 4:
        if octets[at] == 28:
            assert octets[at + 1] == 4
            return int.from_bytes(octets[at + 2 : at + 4], "big")
        at += 1 if octets[at] < 2 else octets[at + 1]
    return None


def failing_time(host: Host, endpoint: Endpoint, limit: int) -> int:
    """How long it takes until the connection has failed, in ns; at most `limit`."""
    start = host.now
    while endpoint.status == core.OK and host.now - start <= limit:
        host.advance(host.until_deadline())
        host.take_packets()
    return host.now - start


@pytest.mark.requirement("SND-7")
@pytest.mark.parametrize("seconds", [1, 7, 100, 3000])
def test_unacknowledged_data_ends_the_connection_at_the_user_timeout(host, seconds):
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.user_timeout = seconds * SECOND
    assert endpoint.user_timeout == seconds * SECOND
    endpoint.send(b"x")
    assert failing_time(host, endpoint, 4000 * SECOND) == seconds * SECOND
    assert endpoint.status == core.TIMED_OUT


@pytest.mark.requirement("SND-7")
def test_user_timeout_set_while_data_waits_counts_from_when_it_went(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.user_timeout = 300 * SECOND
    endpoint.send(b"x")
    start = host.now
    host.advance(20 * SECOND)
    endpoint.user_timeout = 30 * SECOND
    failing_time(host, endpoint, 400 * SECOND)
    assert host.now - start == 30 * SECOND


@pytest.mark.requirement("SND-7")
def test_each_acknowledgement_starts_the_user_timeout_anew(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.user_timeout = 10 * SECOND
    endpoint.send(b"x" * 20)
    for ack in range(2, 21):
        host.advance(9 * SECOND)
        peer.take()
        peer.send("A", ack=ack)
    assert endpoint.status == core.OK
    host.advance(11 * SECOND)
    assert endpoint.status == core.TIMED_OUT


@pytest.mark.requirement("SND-7")
def test_without_a_limit_data_is_sent_again_for_ever(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.user_timeout = None
    endpoint.send(b"x")
    peer.take()
    gaps = set()
    for _ in range(400):
        gaps.add(host.until_deadline())
        host.advance(host.until_deadline())
        assert peer.take()
    assert endpoint.status == core.OK
    assert max(gaps) == 60 * SECOND
    assert endpoint.user_timeout is None


@pytest.mark.requirement("SND-7")
def test_user_timeout_zero_counts_retries_again(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.user_timeout = 5 * SECOND
    endpoint.user_timeout = 0
    endpoint.send(b"x")
    peer.take()
    count = 0
    while endpoint.status == core.OK:
        host.advance(host.until_deadline())
        count += len(peer.take())
    assert count == 15


@pytest.mark.requirement("SND-7", "SND-5")
def test_window_that_stays_closed_without_an_answer_ends_at_the_user_timeout(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    peer.send("A", window=0)
    endpoint.user_timeout = 20 * SECOND
    endpoint.send(b"x")
    for _ in range(30):
        host.advance(3 * SECOND)
        peer.take()
        # a peer that answers is alive
        peer.send("A", ack=1, window=0)
    assert endpoint.status == core.OK
    host.advance(70 * SECOND)
    assert endpoint.status == core.TIMED_OUT


@pytest.mark.requirement("SND-7")
@pytest.mark.parametrize("seconds", [3, 40, 200])
def test_connect_ends_at_the_user_timeout(host, seconds):
    endpoint = host.connect(OUR_PORT, PEER_PORT)
    endpoint.user_timeout = seconds * SECOND
    assert failing_time(host, endpoint, 300 * SECOND) == seconds * SECOND
    assert endpoint.status == core.TIMED_OUT


@pytest.mark.requirement("SND-7")
def test_connect_without_a_limit_goes_on_at_the_longest_time_out(host):
    endpoint = host.connect(OUR_PORT, PEER_PORT)
    endpoint.user_timeout = None
    for _ in range(300):
        host.advance(host.until_deadline())
        assert host.take_packets()
    assert state_of(endpoint) == "SYN-SENT"
    host.take_packets()
    assert host.until_deadline() <= 60 * SECOND


@pytest.mark.requirement("SND-7")
@pytest.mark.parametrize(
    ("duration", "value"),
    [
        (1, 1),
        (SECOND, 1),
        (SECOND + 1, 2),
        (32767 * SECOND, 32767),
        (32768 * SECOND, MINUTES | 547),
        (32767 * MINUTE, MINUTES | 32767),
        (40000 * MINUTE, MINUTES | 32767),
    ],
)
def test_option_says_the_time_in_seconds_or_minutes(host, duration, value):
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.advertise_user_timeout(duration)
    (segment,) = peer.take()
    assert told(segment) == value
    # once
    endpoint.send(b"x")
    (segment,) = peer.take()
    assert told(segment) is None


@pytest.mark.requirement("SND-7")
def test_option_goes_with_the_syn_and_with_the_first_segment_behind_it(host):
    endpoint = host.engine.connect(OUR_PORT, (packed(PEER_ADDRESS), PEER_PORT), user_timeout_option=200 * SECOND)
    assert isinstance(endpoint, Endpoint)
    host.endpoints.append(endpoint)
    peer = Peer(host)
    (syn,) = peer.take()
    assert told(syn) == 200
    peer.send("SA", options=[*peer.syn_options(), *option(300)])
    (ack,) = peer.take()
    assert told(ack) == 200
    assert endpoint.user_timeout == 300 * SECOND


@pytest.mark.requirement("SND-7")
def test_option_of_a_listener_goes_with_the_syn_ack(host):
    listener = host.engine.listen(None, OUR_PORT, 5, user_timeout_option=120 * SECOND)
    host.listeners.append(listener)
    peer = Peer(host)
    peer.send("S", options=[*peer.syn_options(), *option(MINUTES | 5)])
    (answer,) = peer.take()
    assert told(answer) == 120
    peer.send("A")
    endpoint = host.accept(listener)
    assert endpoint.user_timeout == 300 * SECOND


@pytest.mark.requirement("SND-7", "LISTEN-76")
def test_connection_that_came_by_a_cookie_has_the_listeners_option(host):
    listener = host.engine.listen(None, OUR_PORT, 4, user_timeout_option=120 * SECOND)
    host.listeners.append(listener)
    half_open(host, 4)
    host.advance(2 * SECOND)
    host.take_packets()
    peer = Peer(host)
    assert told(cookie_for(peer)) is None
    peer.send("A")
    endpoint = host.accept(listener)
    endpoint.send(b"hello")
    host.advance(SECOND)
    assert sum(told(segment) == 120 for segment in peer.take()) == 1
    peer.send("A", ack=6, options=option(300))
    assert endpoint.user_timeout == 300 * SECOND


@pytest.mark.requirement("SND-7")
def test_full_segment_has_no_room_for_the_option(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    peer.send("A")
    endpoint.send(b"x" * 1460 * 2)
    peer.take()
    endpoint.advertise_user_timeout(100 * SECOND)
    found = peer.take()
    assert all(len(segment.packet) <= 1500 for segment in found)
    assert [told(segment) for segment in found] == [100]


@pytest.mark.requirement("SND-7")
@pytest.mark.parametrize(
    ("remote", "used"),
    [(1, 150), (99, 150), (150, 150), (151, 151), (MINUTES | 3, 180), (MINUTES | 32767, 3600), (32767, 3600)],
)
def test_option_of_the_peer_is_honoured_within_limits(host, remote, used):
    # RFC 5482 3.1: min(U_LIMIT, max(ADV_UTO, REMOTE_UTO, L_LIMIT))
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.advertise_user_timeout(150 * SECOND)
    peer.take()
    peer.send("A", options=option(remote))
    assert endpoint.user_timeout == used * SECOND
    endpoint.send(b"x")
    assert failing_time(host, endpoint, 4000 * SECOND) == used * SECOND


@pytest.mark.requirement("SND-7")
@pytest.mark.parametrize(("advertised", "remote", "used"), [(50, 1, 100), (1, 99, 100), (1, 101, 101)])
def test_options_of_both_sides_never_go_below_the_least_that_is_believed(host, advertised, remote, used):
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.advertise_user_timeout(advertised * SECOND)
    assert endpoint.user_timeout == 100 * SECOND
    peer.take()
    peer.send("A", options=option(remote))
    assert endpoint.user_timeout == used * SECOND


@pytest.mark.requirement("SND-7")
@pytest.mark.parametrize("value", [0, MINUTES])
def test_option_of_zero_is_ignored(host, value):
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.advertise_user_timeout(150 * SECOND)
    peer.send("A", options=option(value))
    assert endpoint.user_timeout == 150 * SECOND


@pytest.mark.requirement("SND-7")
def test_option_is_ignored_unless_asked_for(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    peer.send("A", options=option(500))
    assert endpoint.user_timeout == 0


@pytest.mark.requirement("SND-7")
@pytest.mark.parametrize("duration", [7 * SECOND, None])
def test_option_does_not_change_what_the_program_has_set(host, duration):
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.user_timeout = duration
    endpoint.advertise_user_timeout(150 * SECOND)
    peer.send("A", options=option(500))
    assert endpoint.user_timeout == duration


@pytest.mark.requirement("SND-7", "SEG-5")
def test_option_of_an_unacceptable_segment_is_ignored(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.advertise_user_timeout(150 * SECOND)
    peer.send("A", seq=-100000, options=option(500))
    peer.send("A", ack=100000, options=option(500))
    peer.send("A", seq=200000, options=option(500))
    assert endpoint.user_timeout == 150 * SECOND


@pytest.mark.requirement("SEG-13")
@pytest.mark.parametrize("octets", [b"", b"\1", b"\1\2\3", b"\1\2\3\4\5\6"])
def test_option_of_another_length_is_skipped(host, octets):
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.advertise_user_timeout(150 * SECOND)
    peer.send("PA", text=b"x", options=[(28, octets)])
    assert endpoint.user_timeout == 150 * SECOND
    assert endpoint.readable_bytes == 1


def test_negative_time_is_refused(host):
    endpoint = Peer(host).open_passively()
    with pytest.raises(ValueError, match="user_timeout is -1 ns"):
        endpoint.user_timeout = -1
    with pytest.raises(ValueError, match="duration is -1 ns"):
        endpoint.advertise_user_timeout(-1)
    with pytest.raises(ValueError, match="idle is -1 ns"):
        endpoint.set_keepalive(True, -1)
