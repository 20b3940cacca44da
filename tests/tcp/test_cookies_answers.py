"""What comes back for a cookie: which ACKs are valid, what they carry, where they find room (LISTEN-76, TCPX-3)."""

import random
from collections.abc import Callable

import pytest

from netcore.endpoint import WOULD_BLOCK, Endpoint
from tests.tcp.scripted_peer import MILLISECOND, SECOND, Host, Peer, read_all, state_of
from tests.tcp.segments import wanted
from tests.tcp.strangers import AGE, cookie_for, crowd, half_open, listener_under_attack

PERIOD = 64 * SECOND
MSS_OF_LINK = 1460


def established(host: Host, **peer: object) -> tuple[Peer, Endpoint]:
    """A connection made by a cookie, and its peer."""
    listener, _ = listener_under_attack(host)
    made = Peer(host, **peer)  # type: ignore[arg-type]
    cookie_for(made)
    made.send("A")
    made.expect_nothing()
    return made, host.accept(listener)


# ---- valid ones


@pytest.mark.requirement("LISTEN-76", "LISTEN-77")
def test_answered_cookie_is_an_ordinary_connection(host: Host) -> None:
    peer, endpoint = established(host)
    assert state_of(endpoint) == "ESTABLISHED"
    assert endpoint.remote == (bytes((10, 0, 0, 2)), peer.port)
    peer.send("A", text=b"question")
    peer.take()
    assert read_all(endpoint) == b"question"
    endpoint.send(b"answer")
    (segment,) = peer.take()
    assert (segment.flags, segment.seq, segment.ack, segment.text) == ("PA", 1, 9, b"answer")
    endpoint.close()
    peer.take()
    peer.send("FA")
    peer.take()
    host.advance(SECOND)


@pytest.mark.requirement("LISTEN-76")
def test_text_and_fin_on_the_answer_are_delivered(host: Host) -> None:
    listener, _ = listener_under_attack(host)
    peer = Peer(host)
    cookie_for(peer)
    peer.send("FA", text=b"all there is")
    peer.expect(wanted("A", seq=1, ack=14))
    endpoint = host.accept(listener)
    assert state_of(endpoint) == "CLOSE-WAIT"
    assert read_all(endpoint) == b"all there is"
    assert endpoint.receive_into(bytearray(1)) == 0


@pytest.mark.requirement("LISTEN-76")
def test_text_alone_answers_when_the_first_ack_was_lost(host: Host) -> None:
    listener, _ = listener_under_attack(host)
    peer = Peer(host)
    cookie_for(peer)
    peer.seq = 1
    host.advance(SECOND)
    host.take_packets()
    peer.send("PA", text=b"late")
    peer.take()
    assert read_all(host.accept(listener)) == b"late"


@pytest.mark.requirement("TCPX-3")
@pytest.mark.parametrize(("age", "valid"), [
    (0, True),
    (PERIOD - MILLISECOND, True),
    (PERIOD, True),
    (2 * PERIOD, True),
    (3 * PERIOD - 2 * MILLISECOND, True),
    (3 * PERIOD - MILLISECOND, False),
    (32 * PERIOD - MILLISECOND, False),
])  # fmt: skip
def test_cookie_is_valid_in_its_period_and_the_next_two(make_host: Callable[..., Host], age: int, valid: bool) -> None:
    """`age` counts from one millisecond after the beginning of a period."""
    host = make_host(start=100 * PERIOD - AGE)
    listener, _ = listener_under_attack(host)
    assert host.now == 100 * PERIOD + MILLISECOND
    peer = Peer(host)
    cookie_for(peer)
    if age > 3 * PERIOD:  # once more under attack, so that nothing is refused for want of cookies that may come back
        host.advance(age - AGE - MILLISECOND)
        host.take_packets()
        half_open(host, 4, 20_000)
        host.advance(AGE + MILLISECOND)
        host.take_packets()
        cookie_for(Peer(host, port=1))
    else:
        host.advance(age)
    host.take_packets()
    peer.send("A")
    if valid:
        peer.expect_nothing()
        host.accept(listener)
    else:
        peer.expect(wanted("R", seq=1))
        assert listener.finished == 0


@pytest.mark.requirement("TCPX-3")
def test_cookie_of_the_end_of_a_period_lasts_two_more(make_host: Callable[..., Host]) -> None:
    host = make_host(start=100 * PERIOD - AGE - 2 * MILLISECOND)
    listener, _ = listener_under_attack(host)
    assert host.now == 100 * PERIOD - MILLISECOND
    early, late = crowd(host, 2)
    for peer in (early, late):
        cookie_for(peer)
    host.advance(2 * PERIOD)
    host.take_packets()
    early.send("A")
    early.expect_nothing()
    host.accept(listener)
    host.advance(MILLISECOND)
    late.send("A")
    late.expect(wanted("R", seq=1))


@pytest.mark.requirement("TCPX-3", "SEG-13")
@pytest.mark.parametrize(("announced", "used"), [
    (None, 536),
    (0, 64),
    (64, 64),
    (535, 64),
    (536, 536),
    (1219, 536),
    (1220, 1220),
    (1360, 1360),
    (1400, 1400),
    (1440, 1440),
    (1459, 1440),
    (1460, 1460),
    (8960, MSS_OF_LINK),
    (65535, MSS_OF_LINK),
])  # fmt: skip
def test_mss_is_the_next_lower_one_of_the_table(host: Host, announced: int | None, used: int) -> None:
    peer, endpoint = established(host, mss=announced)
    endpoint.send(bytes(2 * MSS_OF_LINK))
    assert len(peer.take()[0].text) == used


@pytest.mark.requirement("TCPX-3", "SEG-13")
@pytest.mark.parametrize("announced", [8959, 8960])
def test_mss_of_jumbo_frames_has_a_place_in_the_table(make_host: Callable[..., Host], announced: int) -> None:
    host = make_host(mtu=9000)
    peer, endpoint = established(host, mss=announced)
    endpoint.send(bytes(3 * 9000))
    assert len(peer.take()[0].text) == (8960 if announced == 8960 else MSS_OF_LINK)


@pytest.mark.requirement("TCPX-3", "TCPX-1")
@pytest.mark.parametrize("scale", [0, 1, 7, 14])
def test_window_scale_comes_back_in_the_timestamp(host: Host, scale: int) -> None:
    listener, _ = listener_under_attack(host)
    peer = Peer(host, scale=scale, timestamps=True, window=500, tsval=77)
    answer = cookie_for(peer)
    assert answer.options["Timestamp"][1] == 77
    ours = answer.options["WScale"]
    host.advance(3 * SECOND)
    host.take_packets()
    peer.tsval = 3077
    peer.send("A")
    peer.expect_nothing()
    endpoint = host.accept(listener)
    assert endpoint.info()["snd_wnd"] == 500 << scale
    endpoint.send(b"x")
    (segment,) = peer.take()
    assert segment.options["Timestamp"][1] == 3077
    assert segment.window << ours > 65535  # our own scaling holds as well
    peer.send("A")
    assert endpoint.buffered_bytes == 0


@pytest.mark.requirement("TCPX-3", "TCPX-1")
def test_timestamps_without_window_scale_scale_nothing(host: Host) -> None:
    listener, _ = listener_under_attack(host)
    peer = Peer(host, timestamps=True, window=500)
    answer = cookie_for(peer)
    assert "WScale" not in answer.options
    peer.send("A")
    endpoint = host.accept(listener)
    assert endpoint.info()["snd_wnd"] == 500
    endpoint.send(b"x")
    (segment,) = peer.take()
    assert "Timestamp" in segment.options
    assert segment.window == 65535


@pytest.mark.requirement("TCPX-3", "TCPX-1")
def test_without_timestamps_no_option_but_the_mss_is_agreed(host: Host) -> None:
    listener, _ = listener_under_attack(host)
    peer = Peer(host, scale=7, window=500)
    answer = cookie_for(peer)
    assert answer.options == {"MSS": MSS_OF_LINK}
    peer.send("A")
    endpoint = host.accept(listener)
    assert endpoint.info()["snd_wnd"] == 500
    endpoint.send(b"x")
    (segment,) = peer.take()
    assert segment.options == {}


@pytest.mark.requirement("TCPX-1", "TCPX-3")
def test_timestamps_do_not_run_back_behind_the_cookie(host: Host) -> None:
    listener, _ = listener_under_attack(host)
    for number in range(70):  # every place within the 64 ms that the low bits cover
        peer = Peer(host, port=1000 + number, scale=14, timestamps=True)
        answer = cookie_for(peer)
        peer.send("A")
        endpoint = host.accept(listener)
        endpoint.send(b"x")
        (segment,) = peer.take()
        passed = segment.options["Timestamp"][0] - answer.options["Timestamp"][0]
        assert 0 <= passed % (1 << 32) < 128
        endpoint.abort()
        host.advance(MILLISECOND)
        host.take_packets()


@pytest.mark.requirement("TCPX-3")
@pytest.mark.parametrize("tunables", [{"timestamps": 0}, {"window_scaling": 0}])
def test_options_that_are_switched_off_are_not_agreed(make_host: Callable[..., Host], tunables: dict[str, int]) -> None:
    host = make_host(**tunables)
    listener, _ = listener_under_attack(host)
    peer = Peer(host, scale=7, timestamps=True, window=500)
    answer = cookie_for(peer)
    assert "WScale" not in answer.options
    assert ("Timestamp" in answer.options) == ("timestamps" not in tunables)
    peer.timestamps = "timestamps" not in tunables
    peer.send("A")
    assert host.accept(listener).info()["snd_wnd"] == 500


# ---- room


@pytest.mark.requirement("LISTEN-76")
def test_answer_beyond_the_backlog_is_reset_until_a_slot_is_free(host: Host) -> None:
    listener, before = listener_under_attack(host, backlog=2)
    peers = crowd(host, 4)
    for peer in peers:
        cookie_for(peer)
    for peer in peers[:2]:
        peer.send("A")
        peer.expect_nothing()
    assert (listener.finished, listener.occupancy) == (2, 2)
    peers[2].send("A")
    peers[2].expect(wanted("R", seq=1))
    host.accept(listener)
    peers[3].send("A")
    peers[3].expect_nothing()
    assert listener.finished == 2
    assert [host.accept(listener).remote[1] for _ in range(2)] == [peers[1].port, peers[3].port]
    before.clear()


@pytest.mark.requirement("LISTEN-75", "LISTEN-76")
def test_half_open_connections_from_before_make_room_in_silence_oldest_first(host: Host) -> None:
    listener, before = listener_under_attack(host, backlog=3)
    for peer in crowd(host, 2):
        cookie_for(peer)
        peer.send("A")
        peer.expect_nothing()  # and nothing to the one that went
    assert (listener.finished, host.engine.usage()["half_open"]) == (2, 1)
    before[2].send("A")  # the youngest of them is still there
    before[2].expect_nothing()
    assert listener.finished == 3
    before[0].send("A")
    before[0].expect(wanted("R", seq=1))
    host.advance(120 * SECOND)
    host.expect_silence()  # their SYN,ACKs are not sent again


@pytest.mark.requirement("LISTEN-75")
def test_half_open_connections_stay_while_there_is_room(host: Host) -> None:
    listener, before = listener_under_attack(host, backlog=3)
    before[1].send("R")
    peer = Peer(host)
    cookie_for(peer)
    peer.send("A")
    assert (listener.finished, host.engine.usage()["half_open"]) == (1, 2)


@pytest.mark.requirement("LISTEN-76", "LISTEN-77")
def test_five_hundred_clients_get_through_while_the_flood_goes_on(host: Host) -> None:
    listener, _ = listener_under_attack(host, backlog=16)
    for number in range(500):
        cookie_for(Peer(host, port=1 + number, address="10.0.0.3"))
        peer = Peer(host, port=1 + number)
        cookie_for(peer)
        peer.send("A", text=b"x")
        peer.take()
        assert read_all(host.accept(listener)) == b"x"
        host.advance(MILLISECOND)
        host.take_packets()


# ---- ACKs that answer no cookie


def expect_reset(peer: Peer, ack: int) -> None:
    """The last ACK got one RST with its own acknowledgement number (RFC 9293 3.10.7.2), and nothing was made."""
    peer.expect(wanted("R", seq=ack))
    assert peer.host.listeners[0].finished == 0


@pytest.mark.requirement("LISTEN-76", "SEG-10")
@pytest.mark.parametrize("change", [*(1 << bit for bit in range(32)), -1, 3])
def test_cookie_changed_in_any_bit_is_reset(host: Host, change: int) -> None:
    listener_under_attack(host)
    peer = Peer(host)
    cookie_for(peer)
    peer.base ^= change % (1 << 32)  # type: ignore[operator]
    peer.send("A")
    expect_reset(peer, 1)


@pytest.mark.requirement("LISTEN-76")
@pytest.mark.parametrize("changed", [{"port": 40_001}, {"address": "10.0.0.3"}, {"iss": 1000}])
def test_cookie_of_another_peer_is_reset(host: Host, changed: dict[str, object]) -> None:
    listener_under_attack(host)
    owner = Peer(host)
    cookie_for(owner)
    thief = Peer(host, **changed)  # type: ignore[arg-type]
    thief.base = owner.base
    thief.send("A", seq=1, ack=1)
    expect_reset(thief, 1)
    owner.send("A")
    owner.expect_nothing()


@pytest.mark.requirement("LISTEN-76")
def test_cookie_of_another_port_is_reset(host: Host) -> None:
    listener_under_attack(host)
    other = host.listen(port=81, backlog=1)
    half_open(host, 1, 30_000, our_port=81)
    host.advance(AGE + MILLISECOND)
    host.take_packets()
    owner, thief = Peer(host), Peer(host, our_port=81)
    cookie_for(owner)
    cookie_for(Peer(host, port=30_001, our_port=81))
    thief.base = owner.base
    thief.send("A", seq=1, ack=1)
    thief.expect(wanted("R", seq=1))
    assert other.finished == 0


@pytest.mark.requirement("LISTEN-76")
def test_random_acks_are_all_reset(host: Host) -> None:
    listener, _ = listener_under_attack(host, backlog=128)
    source = random.Random(4)
    peer = Peer(host)
    for _ in range(1000):
        peer.iss, peer.base = source.getrandbits(32), source.getrandbits(32)
        peer.send("A", seq=0, ack=0)
    found = peer.take()
    assert [segment.flags for segment in found] == ["R"] * 1000
    assert listener.finished == 0
    assert host.counter("SyncookiesFailed") == 1000


@pytest.mark.requirement("LISTEN-76", "SEG-10")
def test_syn_and_ack_at_once_answers_no_cookie(host: Host) -> None:
    listener_under_attack(host)
    peer = Peer(host)
    cookie_for(peer)
    peer.send("SA", seq=1, options=[])
    expect_reset(peer, 1)


@pytest.mark.requirement("LISTEN-76", "SEG-10")
def test_rst_to_a_cookie_changes_nothing(host: Host) -> None:
    listener_under_attack(host)
    peer = Peer(host)
    cookie_for(peer)
    usage = host.engine.usage()
    peer.send("R")
    peer.expect_nothing()
    assert host.engine.usage() == usage


@pytest.mark.requirement("LISTEN-76")
def test_answer_that_comes_twice_makes_one_connection(host: Host) -> None:
    listener, _ = listener_under_attack(host)
    peer = Peer(host)
    cookie_for(peer)
    peer.send("A")
    peer.send("A")
    assert listener.finished == 1
    host.accept(listener)
    peer.send("A")
    assert listener.accept() == WOULD_BLOCK
    assert host.counter("SyncookiesRecv") == 1


@pytest.mark.requirement("LISTEN-76", "SEG-11")
def test_answer_replayed_after_the_end_meets_time_wait(host: Host) -> None:
    peer, endpoint = established(host)
    endpoint.close()
    peer.expect(wanted("FA", seq=1, ack=1))
    peer.send("FA")
    peer.expect(wanted("A", seq=2, ack=2))
    peer.send("A", seq=1, ack=1)
    peer.take()
    assert host.listeners[0].finished == 0
    assert host.counter("SyncookiesRecv") == 1


@pytest.mark.requirement("LISTEN-76", "LISTEN-78")
def test_acks_are_no_cookies_before_the_first_flood_and_long_after_the_last(host: Host) -> None:
    listener = host.listen(port=82)
    stray = Peer(host, our_port=82)
    stray.send("A", seq=1, ack=1)
    stray.take()
    assert host.counter("SyncookiesFailed") == 0
    listener_under_attack(host)
    host.advance(4 * PERIOD)
    host.take_packets()
    half_open(host, 1, 30_000)
    stray = Peer(host)
    stray.send("A", seq=1, ack=1)
    stray.take()
    assert host.counter("SyncookiesFailed") == 0
    assert listener.finished == 0


@pytest.mark.requirement("LISTEN-76")
def test_cookies_sent_before_the_mode_ended_are_still_valid(host: Host) -> None:
    listener, before = listener_under_attack(host, backlog=8)
    for peer in before:
        peer.send("R")
    slow = Peer(host)
    cookie_for(slow)
    host.advance(10 * SECOND)
    half_open(host, 1, 30_000)
    assert not listener.under_attack
    slow.send("A", text=b"x")
    slow.take()
    assert read_all(host.accept(listener)) == b"x"
