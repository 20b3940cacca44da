"""The persist timer (RFC 9293 3.8.6.1) and windows that open again, or not."""

import pytest

from netcore import endpoint as core
from tests.tcp.scripted_peer import MILLISECOND, MINUTE, SECOND, Peer, state_of
from tests.tcp.segments import wanted

pytestmark = pytest.mark.requirement("SND-5")

MSS = 1460


@pytest.fixture(params=[False, True], ids=["plain", "timestamps"])
def peer(request, make_host):
    return Peer(make_host(), timestamps=request.param)


def stop_at_zero(peer, text=b"x" * 3000, window=1000):
    """A connection whose peer took `window` bytes and closed its window; text goes on waiting."""
    peer.window = window
    endpoint = peer.open_passively()
    endpoint.send(text)
    assert sum(len(segment.text) for segment in peer.take()) > 0
    peer.window = 0
    peer.send("A")
    peer.expect_nothing()
    return endpoint


def test_probe_carries_one_byte_beyond_the_window(peer):
    stop_at_zero(peer, text=b"x" * 1000 + b"y" * 10)
    peer.host.advance(peer.host.until_deadline())
    (probe,) = peer.take()
    assert len(probe.text) == 1
    assert probe.seq == peer.ack - 1


def test_probes_begin_at_the_rto_and_double_to_60_s(peer):
    endpoint = stop_at_zero(peer)
    expected = endpoint.info()["rto"]
    waits = []
    for _ in range(14):
        waits.append(peer.host.until_deadline())
        peer.host.advance(waits[-1])
        (probe,) = peer.take()
        assert len(probe.text) == 1
        # refused: the ACK stands before it
        peer.ack = probe.seq
        peer.send("A")
        peer.expect_nothing()
    for wait in waits:
        assert wait == min(expected, 60 * SECOND)
        expected *= 2
    assert waits[-1] == 60 * SECOND


def test_probing_goes_on_as_long_as_the_peer_answers(peer):
    endpoint = stop_at_zero(peer)
    for _ in range(200):
        peer.host.advance(peer.host.until_deadline())
        (probe,) = peer.take()
        peer.ack = probe.seq
        peer.send("A")
    assert state_of(endpoint) == "ESTABLISHED"
    assert endpoint.status == core.OK


@pytest.mark.requirement("SND-7")
def test_probing_ends_when_the_peer_stops_answering(peer):
    endpoint = stop_at_zero(peer)
    probes = 0
    while endpoint.status == core.OK:
        peer.host.advance(peer.host.until_deadline())
        probes += len(peer.take())
        assert probes < 100
    assert endpoint.status == core.TIMED_OUT
    assert probes == 15


def test_ack_behind_a_refused_probe_comes_from_within_the_closed_window(peer):
    stop_at_zero(peer)
    peer.host.advance(peer.host.until_deadline())
    (probe,) = peer.take()
    peer.ack = probe.seq
    peer.send("A")
    peer.expect_nothing()
    peer.send("A", text=b"text")
    peer.host.advance(SECOND)
    # from behind the octet the peer would have to find it unacceptable (RFC 9293 3.10.7.4)
    assert [(segment.seq, segment.ack) for segment in peer.take() if not segment.text] == [(probe.seq, 5)]


def test_acks_around_a_probe_reach_a_peer_that_took_it_and_one_that_refused_it(peer):
    # two hosts that take each other's octet and hear only what comes from behind it would wait for each other for ever
    stop_at_zero(peer)
    places = set()
    for _ in range(4):
        peer.host.advance(peer.host.until_deadline())
        (probe,) = peer.take()
        peer.ack = probe.seq
        peer.send("A", text=b"text")
        peer.host.advance(40 * MILLISECOND)
        places |= {segment.seq - probe.seq for segment in peer.take() if not segment.text}
    assert places == {0, 1}


@pytest.mark.requirement("SEG-2")
def test_ack_from_behind_a_probe_that_was_refused_is_taken(make_host):
    host = make_host(receive_buffer=2000)
    peer = Peer(host)
    endpoint = peer.open_passively()
    peer.send("A", text=bytes(1000))
    peer.send("A", text=bytes(1000))
    assert peer.take()[-1].window == 0
    peer.send("A", seq=peer.seq, text=b"p")
    assert peer.take()[-1].ack == peer.seq - 1
    endpoint.send(b"answer")
    (answer,) = peer.take()
    # the peer counts the octet of its probe as sent
    peer.send("A", window=1234)
    assert (endpoint.buffered_bytes, endpoint.info()["snd_wnd"]) == (0, 1234)
    assert answer.text == b"answer"
    peer.expect_nothing()
    # further away nothing is in order
    endpoint.send(b"more")
    peer.take()
    peer.send("A", seq=peer.seq + 1)
    assert endpoint.buffered_bytes == 4


def test_two_that_probe_each_other_and_took_the_octets_go_on(peer):
    endpoint = stop_at_zero(peer)
    peer.host.advance(peer.host.until_deadline())
    (probe,) = peer.take()
    # the peer probes as well, and does not know yet that its octet was taken
    peer.send("A", ack=probe.seq, text=b"p")
    assert peer.take()[-1].ack == peer.seq
    # it took ours, opens its window, and says so from before its octet
    peer.ack = probe.seq + 1
    peer.send("A", seq=peer.seq - 1, window=5000)
    assert endpoint.info()["snd_wnd"] == 5000
    assert [segment.seq for segment in peer.take() if segment.text] == [probe.seq + 1]


@pytest.mark.requirement("TCPX-1")
def test_timestamp_from_before_a_probe_that_was_taken_is_not_recorded(make_host):
    peer = Peer(make_host(), timestamps=True)
    endpoint = stop_at_zero(peer)
    peer.host.advance(peer.host.until_deadline())
    peer.ack = peer.take()[0].seq
    peer.send("A", text=b"p")
    peer.tsval += 1 << 30
    peer.send("A", seq=peer.seq - 1)
    peer.tsval -= 1 << 30
    peer.take()
    # or all that the peer sends were too old from now on (RFC 7323 5.3)
    peer.send("A", window=5000)
    assert endpoint.info()["snd_wnd"] == 5000


@pytest.mark.parametrize("congestion", ["newreno", "bbr"])
def test_octets_that_a_closed_window_takes_say_nothing_of_the_path(make_host, congestion):
    # a path that brings one octet in a time-out would be a slow one, and paced accordingly
    host = make_host(congestion=congestion, pacing=1)
    peer = Peer(host, timestamps=True)
    peer.window = 3000
    endpoint = peer.open_passively()
    endpoint.send(b"x" * 40_000)
    assert peer.take()
    host.advance(100 * MILLISECOND)
    peer.tsval += 100
    peer.window = 0
    peer.send("A")
    for _ in range(40):
        peer.tsval += host.until_deadline() // MILLISECOND
        host.advance(host.until_deadline())
        peer.take()
        host.advance(100 * MILLISECOND)
        peer.tsval += 100
        peer.send("A")
    peer.window = 60_000
    for _ in range(30):
        peer.send("A")
        host.advance(100 * MILLISECOND)
        peer.tsval += 100
        peer.take()
    peer.send("A")
    assert endpoint.buffered_bytes == 0


def test_window_update_sends_what_waits_at_once(peer):
    stop_at_zero(peer, text=b"x" * 1000 + b"y" * 1000)
    peer.send("A", window=5000)
    assert b"".join(segment.text for segment in peer.take())[-1000:] == b"y" * 1000


def test_lost_window_update_is_made_up_for_by_the_next_probe(peer):
    endpoint = stop_at_zero(peer, text=b"x" * 2000)
    # the update never arrives; the answer to the probe says it again, having taken the byte
    peer.window = 60000
    peer.host.advance(peer.host.until_deadline())
    peer.take()
    peer.send("A")
    peer.take()
    peer.send("A")
    assert endpoint.buffered_bytes == 0


def test_answer_that_refused_the_byte_and_opens_the_window_sends_it_again(peer):
    endpoint = stop_at_zero(peer, text=b"x" * 1000 + b"abc")
    peer.host.advance(peer.host.until_deadline())
    (probe,) = peer.take()
    peer.ack = probe.seq
    peer.send("A", window=60000)
    found = peer.take()
    assert found[0].seq == probe.seq
    peer.send("A", window=60000)
    found += peer.take()
    assert b"".join(segment.text for segment in found)[-2:] == b"bc"
    peer.send("A", window=60000)
    assert endpoint.buffered_bytes == 0


def test_text_given_while_the_window_is_closed_waits_and_then_goes(peer):
    peer.window = 0
    endpoint = peer.open_passively()
    endpoint.send(b"hello")
    peer.expect_nothing()
    peer.host.advance(peer.host.until_deadline())
    (probe,) = peer.take()
    assert probe.text == b"h"
    peer.send("A", window=100)
    (rest,) = peer.take()
    assert rest.text == b"ello"


def test_window_that_closes_over_data_in_flight_is_probed(peer):
    peer.window = 20000
    endpoint = peer.open_passively()
    endpoint.send(b"x" * 4000)
    sent = sum(len(segment.text) for segment in peer.take())
    # shrunk: what is in flight is refused
    peer.ack = 1
    peer.send("A", window=0)
    for _ in range(5):
        peer.host.advance(peer.host.until_deadline())
        assert [len(segment.text) for segment in peer.take()] == [1]
        peer.ack = 1
        peer.send("A", window=0)
        peer.expect_nothing()
    # it opens, and everything comes
    peer.send("A", window=20000)
    for _ in range(10):
        peer.take()
        peer.send("A", window=20000)
    assert sent
    assert endpoint.buffered_bytes == 0


def test_window_that_closes_before_anything_could_use_it_is_probed_on(peer):
    # two ACKs at once, as reordering brings them: the second takes back what the first gave
    stop_at_zero(peer)
    peer.host.advance(peer.host.until_deadline())
    (probe,) = peer.take()
    peer.ack = probe.seq
    peer.window = 986
    opened = peer.segment("A")
    peer.window = 0
    peer.host.inject_together(opened, peer.segment("A"))
    peer.expect_nothing()
    peer.host.advance(peer.host.until_deadline())
    (again,) = peer.take()
    assert (again.seq, len(again.text)) == (probe.seq, 1)


@pytest.mark.requirement("SEG-16")
def test_ack_from_before_a_probe_announces_nothing_urgent(peer):
    # it is outside the window, and taken for its acknowledgment alone
    endpoint = stop_at_zero(peer)
    peer.host.advance(peer.host.until_deadline())
    peer.take()
    peer.send("AU", seq=peer.seq - 1, urgptr=100)
    assert not endpoint.urgent_pending
    peer.send("AU", urgptr=100)
    assert endpoint.urgent_pending


def test_fin_waits_for_the_window_and_is_probed_with(peer):
    stop_at_zero(peer, text=b"x" * 1000)
    endpoint = peer.host.endpoints[-1]
    endpoint.close()
    peer.host.advance(peer.host.until_deadline())
    (probe,) = peer.take()
    assert "F" in probe.flags
    peer.send("A")
    assert peer.host.engine.usage()["orphans"] == 1
    peer.send("FA")
    assert peer.host.engine.usage()["time_wait"] == 1


@pytest.mark.parametrize("window", [1, 10, 300, 499])
def test_peer_that_offers_little_at_a_time_gets_everything_in_the_end(peer, window):
    endpoint = stop_at_zero(peer, text=b"x" * (1000 + min(200 * window, 5000)))
    peer.window = window
    peer.send("A")
    for _ in range(20000):
        if not endpoint.buffered_bytes:
            break
        if not peer.take():
            peer.host.advance(peer.host.until_deadline())
            continue
        peer.send("A")
    assert endpoint.buffered_bytes == 0


def test_nothing_is_probed_when_nothing_waits(peer):
    stop_at_zero(peer, text=b"x" * 1000)
    peer.host.advance(10 * MINUTE)
    peer.expect_nothing()


@pytest.mark.requirement("SND-10")
def test_orphan_whose_peer_opens_its_window_is_delivered(peer):
    endpoint = stop_at_zero(peer)
    endpoint.close()
    for _ in range(3):
        peer.host.advance(peer.host.until_deadline())
        peer.ack = peer.take()[0].seq
        peer.send("A")
    peer.window = 60000
    peer.send("A")
    for _ in range(12):
        peer.take()
        peer.send("A")
    peer.send("FA")
    usage = peer.host.engine.usage()
    assert (peer.ack, usage["orphans"], usage["time_wait"]) == (3002, 0, 1)


@pytest.mark.requirement("SND-7")
def test_orphan_whose_peer_keeps_the_window_closed_is_reset_after_the_user_timeout(make_host):
    peer = Peer(make_host(user_timeout=100 * SECOND))
    stop_at_zero(peer).close()
    start = peer.host.now
    while peer.host.engine.usage()["orphans"]:
        peer.host.advance(SECOND // 4)
        for segment in peer.take():
            if "R" in segment.flags:
                continue
            peer.ack = segment.seq
            peer.send("A", window=0)
    assert 100 * SECOND <= peer.host.now - start <= 101 * SECOND


@pytest.mark.requirement("SND-10")
def test_orphan_whose_peer_reads_slowly_is_not_reset_after_the_user_timeout(make_host):
    peer = Peer(make_host(user_timeout=100 * SECOND))
    stop_at_zero(peer, text=b"x" * 1600)
    peer.host.endpoints[-1].close()
    # a small window that never changes: it is not closed
    peer.send("A", window=1)
    for _ in range(20000):
        found = peer.take()
        if any("F" in segment.flags for segment in found):
            break
        peer.send("A", window=1) if found else peer.host.advance(peer.host.until_deadline())
    assert peer.host.counter("TCPAbortOnTimeout") == 0
    assert peer.ack == 1602


def test_zero_window_in_the_syn_ack_of_the_peer_holds_everything_back(make_host):
    host = make_host()
    peer = Peer(host, window=0)
    endpoint = peer.open_actively()
    endpoint.send(b"early")
    peer.expect_nothing()
    host.advance(host.until_deadline())
    assert [segment.text for segment in peer.take()] == [b"e"]


def test_receiver_that_reads_again_announces_the_window_and_takes_the_rest(make_host):
    # our side of the lost update: the probe of the peer is answered with the window there is
    peer = Peer(make_host(receive_buffer=4000))
    endpoint = peer.open_passively()
    peer.send("A", text=b"x" * 4000)
    assert peer.take()[-1].window == 0
    peer.send("A", seq=4001, text=b"p")
    peer.expect(wanted("A", ack=4001, window=0))
    endpoint.receive_into(bytearray(4000))
    # this update is lost
    peer.take()
    peer.host.advance(100 * MILLISECOND)
    peer.send("A", seq=4001, text=b"p")
    peer.host.advance(100 * MILLISECOND)
    found = peer.take()
    assert found[-1].ack == 4002
    assert found[-1].window >= 3999
