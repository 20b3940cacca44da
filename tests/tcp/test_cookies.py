"""When a listener answers SYNs with cookies, and when no longer (wsp.md 2.8, LISTEN-74, 75, 78)."""

from collections.abc import Callable

import pytest

from tests.tcp.scripted_peer import MILLISECOND, MINUTE, SECOND, Host, Peer
from tests.tcp.segments import wanted
from tests.tcp.strangers import (
    AGE,
    cookie_for,
    crowd,
    expect_refusal,
    finished,
    half_open,
    listener_under_attack,
    spoofed_syns,
)

CALM = 5 * SECOND  # SYN_FLOOD_CALM
PART = SECOND  # the past is counted in parts of this; the oldest may stand for too long by one
HALF_OPEN_LIFE = 2 * MINUTE  # longer than all SYN,ACK retries


# ---- entering


@pytest.mark.requirement("LISTEN-74", "LISTEN-50")
def test_full_queue_of_young_half_open_connections_refuses(host: Host) -> None:
    listener = host.listen(backlog=4)
    half_open(host, 4, rest := 50_000)
    expect_refusal(Peer(host, port=rest - 1))
    host.advance(AGE)
    host.take_packets()
    expect_refusal(Peer(host, port=rest - 2))  # not older than SYN_FLOOD_AGE yet, but just as old
    assert not listener.under_attack
    host.advance(1)
    cookie_for(Peer(host, port=rest - 3))
    assert listener.under_attack


@pytest.mark.requirement("LISTEN-74")
def test_queue_with_a_free_slot_admits_however_old_the_others_are(host: Host) -> None:
    listener = host.listen(backlog=4)
    half_open(host, 3)
    host.advance(3 * AGE)
    host.take_packets()
    half_open(host, 1, 45_000)
    assert host.engine.usage()["half_open"] == 4
    assert not listener.under_attack
    cookie_for(Peer(host, port=40_001))


@pytest.mark.requirement("LISTEN-74")
@pytest.mark.parametrize(("old", "young", "done", "enters"), [
    (4, 0, 0, True),
    (2, 2, 0, True),
    (1, 3, 0, False),
    (2, 0, 2, True),
    (1, 0, 3, False),
    (0, 4, 0, False),
    (0, 0, 4, False),
    (1, 1, 0, True),
    (1, 2, 0, False),
    (2, 1, 0, True),
    (1, 0, 0, True),
])  # fmt: skip
def test_at_least_half_of_the_full_queue_has_to_be_old(
    host: Host, old: int, young: int, done: int, enters: bool
) -> None:
    listener = host.listen(backlog=old + young + done)
    half_open(host, old, 10_000)
    finished(host, done, 30_000)
    host.advance(AGE + MILLISECOND)
    host.take_packets()
    half_open(host, young, 20_000)
    last = Peer(host)
    cookie_for(last) if enters else expect_refusal(last)
    assert listener.under_attack == enters
    assert host.counter("SynFloodsBegun") == enters


@pytest.mark.requirement("LISTEN-74")
def test_aged_half_open_connections_that_went_no_longer_count(host: Host) -> None:
    host.listen(backlog=4)
    old = half_open(host, 4)
    host.advance(AGE + MILLISECOND)
    host.take_packets()
    for peer in old[:3]:  # the middle, and what was counted as old already, may go
        peer.send("R")
    half_open(host, 3, 45_000)
    expect_refusal(Peer(host))
    old[3].send("R")
    half_open(host, 1, 46_000)
    expect_refusal(Peer(host, port=39_999))


@pytest.mark.requirement("LISTEN-74")
def test_queue_that_is_closed_by_the_memory_limit_is_not_full(make_host: Callable[..., Host]) -> None:
    host = make_host(memory_limit=30_000)
    listener = host.listen(backlog=100)
    eater = Peer(host, port=9)
    eater.open_passively(listener)
    half_open(host, 2)
    host.advance(AGE + MILLISECOND)
    for _ in range(40):
        eater.send("A", text=bytes(1000))
        host.take_packets()
    assert host.engine.usage()["chunks"] > 30_000
    expect_refusal(Peer(host))
    assert not listener.under_attack


@pytest.mark.requirement("LISTEN-74")
def test_listener_beside_the_one_under_attack_keeps_its_rules(host: Host) -> None:
    listener_under_attack(host)
    other = host.listen(port=81, backlog=1)
    half_open(host, 1, our_port=81)
    expect_refusal(Peer(host, our_port=81))
    assert not other.under_attack


# ---- under attack


@pytest.mark.requirement("LISTEN-75")
def test_every_syn_gets_a_cookie_also_while_there_is_room(host: Host) -> None:
    listener, before = listener_under_attack(host, backlog=4)
    for peer in before:
        peer.send("R")
    assert listener.occupancy == 0
    for peer in crowd(host, 20):
        cookie_for(peer)
    assert listener.occupancy == listener.finished == 0
    assert host.engine.usage()["connections"] == 0


@pytest.mark.requirement("LISTEN-75")
def test_cookie_is_not_sent_again_by_itself_but_for_the_same_syn(host: Host) -> None:
    _, before = listener_under_attack(host)
    for peer in before:
        peer.send("R")
    peer = Peer(host)
    first = cookie_for(peer)
    host.advance(CALM - SECOND)
    host.expect_silence()
    peer.seq = 0
    again = cookie_for(peer)
    assert again.packet["TCP"].seq == first.packet["TCP"].seq


@pytest.mark.requirement("LISTEN-75")
def test_half_open_connection_from_before_still_finishes(host: Host) -> None:
    listener, before = listener_under_attack(host)
    before[2].send("A")
    before[2].expect_nothing()
    assert listener.finished == 1
    host.accept(listener)


@pytest.mark.requirement("LISTEN-75", "LISTEN-77", "LIM-2")
def test_flood_of_spoofed_syns_leaves_nothing_behind(make_host: Callable[..., Host]) -> None:
    host = make_host(gateway="10.0.0.254")
    listener, _ = listener_under_attack(host, backlog=128)
    usage, count = host.engine.usage(), 20_000
    packets = list(spoofed_syns(1, count))
    answers = 0
    for start in range(0, count, 32):
        host.engine.frames_arrive(packets[start : start + 32], host.now)
        answers += len(host.engine.frames_to_send())
    assert answers == count
    assert host.engine.usage() == usage
    assert listener.occupancy == 128
    assert host.counter("SyncookiesSent") == count + 1
    assert host.counter("ReplyDrops") == 0


# ---- leaving


@pytest.mark.requirement("LISTEN-74", "LISTEN-78")
def test_mode_ends_when_the_flood_has_been_over_for_its_time(host: Host) -> None:
    listener, before = listener_under_attack(host, backlog=4)
    for peer in before:
        peer.send("R")
    for peer in crowd(host, 10):
        cookie_for(peer)
    host.advance(CALM - MILLISECOND)
    cookie_for(Peer(host, port=30_000))
    host.advance(PART + 2 * MILLISECOND)
    half_open(host, 1, 30_001)
    assert not listener.under_attack
    assert (host.counter("SynFloodsBegun"), host.counter("SynFloodsEnded")) == (1, 1)


@pytest.mark.requirement("LISTEN-74")
@pytest.mark.parametrize(("unanswered", "stays"), [(3, False), (4, True)])
def test_mode_lasts_while_half_the_backlog_of_cookies_stays_unanswered(
    host: Host, unanswered: int, stays: bool
) -> None:
    listener, before = listener_under_attack(host, backlog=8)
    for peer in before:
        peer.send("R")
    host.advance(CALM + 2 * PART)  # what was sent before is forgotten
    # The first SYN after that finds no cookie unanswered, and ends the mode; so the mode is begun anew.
    peers = half_open(host, 8, 20_000)
    host.advance(AGE + MILLISECOND)
    host.take_packets()
    cookie_for(Peer(host, port=19_999))
    for peer in peers:
        peer.send("R")
    host.advance(3 * SECOND)
    for peer in crowd(host, unanswered, 21_000):
        cookie_for(peer)
    for peer in crowd(host, 6, 22_000):  # these are answered, and speak for nothing
        cookie_for(peer)
        peer.send("A")
        host.accept(listener)
    host.advance(3 * SECOND + 500 * MILLISECOND)  # the one that began it is more than SYN_FLOOD_CALM ago
    last = Peer(host, port=23_000)
    if stays:
        cookie_for(last)
    else:
        half_open(host, 1, 23_000)
    assert listener.under_attack == stays


@pytest.mark.requirement("LISTEN-74", "LISTEN-77")
def test_slow_flood_does_not_make_the_mode_flicker(host: Host) -> None:
    """Few cookies a second, but the queue is full of old half-open connections: no SYN between may be refused."""
    listener, _ = listener_under_attack(host, backlog=64)
    for number in range(60):
        host.advance(SECOND // 2)
        host.take_packets()
        cookie_for(Peer(host, port=10_000 + number))
    assert listener.under_attack
    assert host.counter("SynFloodsBegun") == 1
    assert host.counter("ListenOverflows") == 0


@pytest.mark.requirement("LISTEN-74")
def test_listener_that_left_the_mode_enters_it_again_by_the_same_rule(host: Host) -> None:
    listener, _ = listener_under_attack(host, backlog=4)
    host.advance(HALF_OPEN_LIFE)
    host.take_packets()
    half_open(host, 4, 20_000)
    assert not listener.under_attack
    expect_refusal(Peer(host, port=20_005))
    host.advance(AGE + MILLISECOND)
    host.take_packets()
    cookie_for(Peer(host, port=20_006))
    assert (host.counter("SynFloodsBegun"), host.counter("SynFloodsEnded")) == (2, 1)


# ---- the switch


@pytest.mark.requirement("LISTEN-78")
def test_switch_keeps_the_rules_of_the_full_queue(make_host: Callable[..., Host]) -> None:
    host = make_host(syn_protection=0)
    listener = host.listen(backlog=4)
    half_open(host, 4)
    for number in range(10):
        host.advance(AGE)
        host.take_packets()
        expect_refusal(Peer(host, port=20_000 + number))
    assert not listener.under_attack
    assert host.counter("SyncookiesSent") == host.counter("SynFloodsBegun") == 0


@pytest.mark.requirement("LISTEN-78")
def test_counters_tell_the_mode_and_the_cookies(host: Host) -> None:
    listener, _ = listener_under_attack(host)
    good, bad = crowd(host, 2)
    cookie_for(good)
    good.send("A")
    cookie_for(bad)
    bad.send("A", ack=2)
    bad.expect(wanted("R", seq=2))
    names = ("SynFloodsBegun", "SynFloodsEnded", "SyncookiesSent", "SyncookiesRecv", "SyncookiesFailed")
    assert [host.counter(name) for name in names] == [1, 0, 3, 1, 1]
    host.accept(listener)


@pytest.mark.requirement("LISTEN-72", "LISTEN-75")
def test_paused_listener_refuses_under_attack_too(host: Host) -> None:
    listener, _ = listener_under_attack(host)
    listener.paused = True
    expect_refusal(Peer(host))
    listener.paused = False
    cookie_for(Peer(host, port=40_001))
