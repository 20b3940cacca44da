"""Servers inside the core: what the wire sees of echo, discard and the character generator, and what they hold."""

import itertools
import random

import pytest

from stack.applications.services import character_pattern
from tests.tcp.builtin_services import held, meet
from tests.tcp.scripted_peer import Peer
from tests.tcp.segments import Segment, wanted

MSS = 1460
LARGE_CHUNK = 68 * 1024 - 48
RECORD = 200  # bytes at most for a segment in flight


def text_of(segments: list[Segment]) -> bytes:
    """What they carry, which must be in order."""
    for before, after in itertools.pairwise(segments):
        assert after.seq == before.seq + len(before.text)
    return b"".join(segment.text for segment in segments)


def expected_pattern(start: int, size: int) -> bytes:
    """Bytes start:start+size of the character generator's stream."""
    pattern = character_pattern(100_000)
    turns = pattern * (size // len(pattern) + 2)
    return turns[start % len(pattern) :][:size]


# ---- the three kinds


def test_echo_answers_in_the_segment_that_acknowledges(host):
    service = host.serve("echo")
    peer = Peer(host)
    assert meet(peer) == []
    peer.send("PA", text=b"hello")
    peer.expect(wanted("PA", seq=1, ack=6, text=b"hello"))
    counters = service.counters()
    assert (counters["open"], counters["accepted"], counters["received"], counters["sent"]) == (1, 1, 5, 5)


def test_text_that_comes_with_the_end_of_the_handshake_is_echoed_at_once(host):
    host.serve("echo")
    peer = Peer(host)
    peer.send("S")
    peer.expect(wanted("SA", seq=0, ack=1))
    peer.send("PA", text=b"first")
    peer.expect(wanted("PA", seq=1, ack=6, text=b"first"))


def test_handshake_and_text_of_one_batch_bring_one_answer(host):
    host.serve("echo")
    peer = Peer(host)
    peer.send("S")
    peer.take()
    ack, text = peer.segment("A", seq=1, ack=1), peer.segment("PA", seq=1, ack=1, text=b"both")
    host.inject_together(ack, text)
    peer.expect(wanted("PA", seq=1, ack=5, text=b"both"))


def test_echo_ends_its_stream_behind_the_last_byte_and_is_done(host):
    service = host.serve("echo")
    peer = Peer(host)
    meet(peer)
    peer.send("FPA", text=b"last")
    peer.expect(wanted("FPA", seq=1, ack=6, text=b"last"))
    assert service.counters()["open"] == 0
    peer.send("A")
    peer.expect_nothing()
    assert host.engine.usage()["connections"] == 0
    assert service.counters()["failed"] == 0


def test_discard_acknowledges_and_says_nothing(host):
    service = host.serve("discard")
    peer = Peer(host)
    meet(peer)
    for _ in range(40):
        peer.send("A", text=bytes(MSS))
    found = peer.take()
    assert all(segment.text == b"" for segment in found)
    assert found[-1].ack == 1 + 40 * MSS
    # whatever came is gone, so the window is as wide as ever
    assert found[-1].window == 65535
    assert held(host) == 0
    assert service.counters()["received"] == 40 * MSS
    peer.send("FA")
    peer.expect(wanted("FA", ack=2 + 40 * MSS))
    assert service.counters()["open"] == 0


@pytest.mark.parametrize("offloads", [False, True])
def test_source_sends_the_pattern_without_an_end(make_host, offloads):
    host = make_host(vnet_header=True, offloads=offloads)
    service = host.serve("source")
    peer = Peer(host, scale=7)
    found = meet(peer)
    text = text_of(found)
    while len(text) < 500_000:
        peer.send("A")
        found = peer.take()
        assert found, "the source has stopped"
        text += text_of(found)
    assert text == expected_pattern(0, len(text))
    assert service.counters()["sent"] >= len(text)
    # its bytes are held until they are acknowledged, and not many more
    assert held(host) <= 1 << 20
    peer.send("R", seq=1)
    assert service.counters()["open"] == 0
    assert service.counters()["failed"] == 1


def test_source_throws_away_what_it_receives(host):
    service = host.serve("source")
    peer = Peer(host)
    meet(peer)
    for _ in range(10):
        peer.send("A", text=bytes(MSS))
        peer.take()
    assert service.counters()["received"] == 10 * MSS


def test_source_goes_on_for_a_peer_that_has_only_ended_its_own_stream(host):
    service = host.serve("source")
    peer = Peer(host)
    text = text_of(meet(peer))
    peer.send("FA")
    text += text_of(peer.take())
    while len(text) < 200_000:
        peer.send("A")
        text += text_of(peer.take())
    assert text == expected_pattern(0, len(text))
    assert service.counters()["open"] == 1


# ---- pressure


@pytest.mark.parametrize("kind", ["echo", "source"])
def test_closed_window_stops_the_service_and_an_open_one_lets_it_go_on(host, kind):
    host.serve(kind)
    peer = Peer(host, window=1000)
    text = text_of(meet(peer))
    if kind == "echo":
        peer.send("A", text=bytes(range(250)) * 4)
        text += text_of(peer.take())
    assert len(text) == 1000
    peer.window = 0
    if kind == "echo":
        peer.send("A", text=b"more")
    peer.send("A")
    peer.take()
    host.advance(host.until_deadline())
    (probe,) = peer.take()
    assert len(probe.text) == 1
    peer.window = 65535
    peer.send("A")
    found = peer.take()
    text += probe.text + text_of([segment for segment in found if segment.seq > probe.seq])
    if kind == "echo":
        assert text == bytes(range(250)) * 4 + b"more"
    else:
        assert text == expected_pattern(0, len(text))


def test_echo_to_a_peer_that_takes_nothing_closes_its_window_and_holds_little(make_host):
    host = make_host(send_buffer=50_000, receive_buffer=60_000)
    service = host.serve("echo")
    peer = Peer(host, window=0)
    meet(peer)
    said = b""
    window = 60_000
    while window >= MSS:
        text = random.Random(len(said)).randbytes(MSS)
        said += text
        peer.send("A", text=text)
        window -= MSS
        assert len(said) < 200_000, "it takes everything"
        for segment in peer.take():
            window = segment.window
    # one queue full to its limit, the other up to where the window closes
    assert 50_000 + 60_000 - MSS <= len(said) <= 50_000 + 60_000 + 2 * MSS
    assert held(host) <= 2 * len(said)
    peer.window = 65535
    answered = b""
    while len(answered) < len(said):
        peer.send("A")
        found = peer.take()
        assert found, "the echo has stopped"
        answered += text_of(found)
    assert answered == said
    assert service.counters()["sent"] == len(said)


@pytest.mark.requirement("LIM-2")
@pytest.mark.parametrize("sizes", [(1,), (1, MSS), (3, 700)])
def test_memory_of_an_echo_that_nobody_acknowledges_follows_its_bytes(make_host, sizes):
    host = make_host(send_buffer=1 << 20)
    host.serve("echo")
    peer = Peer(host)
    meet(peer)
    said = 0
    for number in range(1500):
        size = sizes[number % len(sizes)]
        peer.send("A", ack=1, text=bytes(size))
        said += size
    peer.take()
    # what is in flight is recorded piece by piece
    assert held(host) <= 3 * said + 2 * LARGE_CHUNK + 1500 * RECORD


@pytest.mark.parametrize("seed", range(4))
def test_echo_of_frames_of_every_size_comes_back_whole(make_host, seed):
    host = make_host(vnet_header=True, offloads=True, initial_window=1000)
    host.serve("echo")
    peer = Peer(host, scale=7)
    meet(peer)
    dice = random.Random(seed)
    said = answered = b""
    while len(said) < 1_000_000:
        size = dice.choice((1, 2, 100, MSS, 2000, 7000, 8191, 8192, 9000, 20_000, 60_000))
        text = dice.randbytes(size)
        said += text
        peer.send("PA", ack=1 + len(answered), text=text)
        if dice.random() < 0.3:
            answered += text_of(peer.take())
    while len(answered) < len(said):
        peer.send("A")
        answered += text_of(peer.take())
    assert answered == said


@pytest.mark.requirement("LIM-2")
@pytest.mark.parametrize("kind", ["echo", "source"])
def test_service_goes_on_above_the_memory_limit(make_host, kind):
    host = make_host(memory_limit=100_000, send_buffer=50_000)
    host.serve(kind)
    stuck = host.listen(port=81)
    hoarder = Peer(host, our_port=81, port=50_000)
    hoarder.open_passively(stuck)
    peer = Peer(host)
    text = text_of(meet(peer))
    # what others hold is beyond the limit without anything of the service's
    while held(host) <= 100_000 + LARGE_CHUNK:
        hoarder.send("A", text=bytes(1400))
        hoarder.take()
    for number in range(50):
        peer.send("PA", text=b"x" * 100 if kind == "echo" else b"")
        more = text_of(peer.take())
        assert more, number
        text += more
    if kind == "source":
        assert text == expected_pattern(0, len(text))


def test_urgent_byte_is_no_part_of_what_comes_back(host):
    host.serve("echo")
    peer = Peer(host)
    meet(peer)
    peer.send("PAU", text=b"ab!", urgptr=3)
    peer.expect(wanted("PA", seq=1, ack=4, text=b"ab"))
    peer.send("PA", text=b"cd")
    peer.expect(wanted("PA", seq=3, ack=6, text=b"cd"))
