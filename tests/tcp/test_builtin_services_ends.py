"""Servers inside the core: how their connections end and wait, and what the handle says."""

import gc

import pytest

from netcore.service import service_kinds
from tests.tcp.builtin_services import held, meet
from tests.tcp.scripted_peer import MINUTE, OUR_PORT, SECOND, Peer
from tests.tcp.segments import wanted


def half_open(peer):
    peer.send("S")
    peer.take()


def with_text_queued(peer):
    meet(peer)
    peer.window = 100
    peer.send("A")
    peer.send("A", text=bytes(1000))
    peer.take()


def half_closed(peer):
    with_text_queued(peer)
    peer.send("FA", ack=1)
    peer.take()


def last_acknowledgement(peer):
    meet(peer)
    peer.send("FA")
    peer.take()


WAYS = [half_open, meet, with_text_queued, half_closed, last_acknowledgement]


@pytest.mark.parametrize("kind", service_kinds())
@pytest.mark.parametrize("bring", WAYS)
@pytest.mark.parametrize("end", ["reset", "abort"])
def test_reset_from_either_side_leaves_nothing(host, kind, bring, end):
    service = host.serve(kind)
    peer = Peer(host)
    bring(peer)
    if end == "reset":
        peer.send("R")
    else:
        host.engine.abort_all()
    assert service.counters()["open"] == 0
    assert host.engine.usage()["connections"] == 0
    peer.take()
    assert held(host) == 0


@pytest.mark.parametrize("kind", service_kinds())
@pytest.mark.parametrize("bring", WAYS)
@pytest.mark.parametrize("dropped", [False, True])
def test_service_that_ends_leaves_its_connections_to_end_by_themselves(host, kind, bring, dropped):
    service = host.serve(kind)
    peer = Peer(host)
    bring(peer)
    if dropped:
        # the next call does what the handle's end asked for
        host.services.clear()
        del service
        gc.collect()
        host.advance(SECOND)
    else:
        service.close()
        assert service.counters()["open"] == 0
    assert host.engine.usage()["listeners"] == 0
    assert host.engine.usage()["connections"] == host.engine.usage()["orphans"]
    peer.take()
    stranger = Peer(host, port=50_000)
    stranger.send("S")
    stranger.expect(wanted("RA", seq=None, ack=1))


@pytest.mark.requirement("SND-7")
@pytest.mark.parametrize("kind", ["echo", "source"])
def test_connection_whose_peer_has_vanished_ends_with_its_retries(host, kind):
    service = host.serve(kind)
    with_text_queued(Peer(host))
    assert service.counters()["open"] == 1
    host.advance(60 * MINUTE)
    counters = service.counters()
    assert (counters["open"], counters["failed"]) == (0, 1)
    assert host.engine.usage()["connections"] == 0
    host.collect()
    host.waiting.clear()


def test_close_resets_what_is_queued_and_ends_what_is_served(host):
    service = host.serve("echo", connections=1)
    served, waiting, opening = (Peer(host, port=40_000 + number) for number in range(3))
    meet(served)
    assert meet(waiting) == []
    opening.send("S")
    opening.take()
    assert service.counters()["waiting"] == 2
    service.close()
    served.host.collect()
    assert [segment.flags for segment in served.take()] == ["FA"]
    assert [segment.flags for segment in waiting.take()] == ["RA"]
    assert [segment.flags for segment in opening.take()] == ["RA"]
    assert service.closed


@pytest.mark.requirement("CLOSE-6")
def test_close_over_unread_text_resets(make_host):
    host = make_host(send_buffer=1000)
    service = host.serve("echo")
    peer = Peer(host, window=0)
    meet(peer)
    peer.send("A", text=bytes(1400))
    peer.send("A", text=b"unread")
    peer.take()
    service.close()
    peer.expect(wanted("RA"))


# ---- the queue


@pytest.mark.requirement("LISTEN-50")
def test_connections_beyond_the_number_wait_and_beyond_the_backlog_are_refused(host):
    service = host.serve("echo", backlog=2, connections=1)
    first, second, third, fourth = (Peer(host, port=40_000 + number) for number in range(4))
    meet(first)
    meet(second)
    second.send("PA", text=b"waiting")
    second.expect(wanted("A", ack=8))
    meet(third)
    fourth.send("S")
    fourth.expect(wanted("RA", seq=None, ack=1))
    counters = service.counters()
    assert (counters["open"], counters["waiting"]) == (1, 2)
    first.send("R")
    second.expect(wanted("PA", seq=1, ack=8, text=b"waiting"))
    second.send("FA")
    second.expect(wanted("FA", ack=9))
    third.send("PA", text=b"now")
    third.expect(wanted("PA", ack=4, text=b"now"))
    assert service.counters()["accepted"] == 3


def test_many_that_waited_and_ended_are_passed_over_one_after_the_other(host):
    count = 200
    service = host.serve("discard", backlog=count, connections=1)
    first = Peer(host, port=1)
    meet(first)
    for number in range(count):
        peer = Peer(host, port=2 + number)
        peer.send("S")
        peer.take()
        peer.send("FA")
        host.waiting.clear()
    assert service.counters()["waiting"] == count
    first.send("R")
    counters = service.counters()
    assert (counters["open"], counters["waiting"], counters["accepted"]) == (0, 0, count + 1)
    host.collect()
    host.waiting.clear()


@pytest.mark.requirement("ACPT-7")
def test_connection_that_was_reset_while_it_waited_counts_as_failed(host):
    service = host.serve("echo", connections=1)
    first, second = Peer(host, port=40_000), Peer(host, port=40_001)
    meet(first)
    meet(second)
    second.send("R")
    first.send("R")
    counters = service.counters()
    assert (counters["open"], counters["accepted"], counters["failed"]) == (0, 2, 2)


def test_backlog_can_be_made_smaller(host):
    service = host.serve("echo", connections=1)
    first, second = Peer(host, port=40_000), Peer(host, port=40_001)
    meet(first)
    meet(second)
    service.set_backlog(0)
    second.expect(wanted("RA"))
    assert service.counters()["open"] == 1


# ---- the face


def test_service_tells_what_it_is(host):
    service = host.serve("discard", port=9)
    assert (service.kind, service.local, service.closed) == ("discard", (bytes(4), 9), False)
    service.close()
    service.close()
    service.set_backlog(5)
    assert service.closed
    assert set(service.counters().values()) == {0}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("daytime", None, 13, 5), "kind is 'daytime', but must be one of echo, discard, source"),
        (("echo", None, 0, 5), "port is 0"),
        (("echo", b"abc", 7, 5), "address is b'abc'"),
    ],
)
def test_service_that_cannot_be_is_refused(host, arguments, message):
    with pytest.raises(ValueError, match=message):
        host.engine.serve(*arguments)


@pytest.mark.parametrize("connections", [0, -1, 1 << 32])
def test_number_of_connections_that_cannot_be_is_refused(host, connections):
    with pytest.raises(ValueError, match=f"connections is {connections}"):
        host.engine.serve("echo", None, OUR_PORT, 5, connections=connections)


def test_events_of_what_is_served_are_nobody_elses(host):
    host.serve("echo")
    peer = Peer(host)
    meet(peer)
    peer.send("PA", text=b"x")
    peer.send("FA")
    assert host.engine.events() == []
    peer.take()
