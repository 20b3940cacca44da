"""Hostile frames between those of a stream whose text lands in its receiver's buffer: the stream stays as it is."""

import random
from collections.abc import Callable

import pytest

from netcore.endpoint import READABLE, WOULD_BLOCK, Endpoint
from netcore.wire import decode
from tests.link.forgery import ETHERNET, KINDS, VNET, WORD, Forger
from tests.link.stage import FILL, MSS, PATIENCE, Stage, staged
from tests.link.wire import TCP

ROUNDS = 60
SIZES = (1, 100, MSS, 2 * MSS, 6000, 20_000)
ROOM = (1, 2, 100, 1447, 1448, 1449, 32_768, 40_000, 65_536, 100_000)


class Receiver:
    """Takes a stream by waiting for it or without, into buffers of all sizes, and looks behind what it got."""

    def __init__(self, stage: Stage, endpoint: Endpoint, source: random.Random) -> None:
        self.stage = stage
        self.endpoint = endpoint
        self.source = source
        self.got = bytearray()

    def take(self) -> bool:
        """One receive; False when there was nothing."""
        buffer = bytearray([FILL]) * self.source.choice(ROOM)
        watches = [(self.endpoint, READABLE)]
        count = self.endpoint.receive_into(buffer)
        if count == WOULD_BLOCK:
            count = self.stage.waiter.receive_into(self.endpoint, buffer, watches, self.stage.host.now)
            if count == 0:
                assert set(buffer) <= {FILL, 0}
                count = self.endpoint.receive_into(buffer)
        if count <= 0:
            assert set(buffer) <= {FILL, 0}
            assert count in (-1, WOULD_BLOCK)
            return False
        assert set(buffer[count:]) <= {FILL, 0}, "something is left behind the text"
        self.got += buffer[:count]
        return True


def put(stage: Stage, receiver: Receiver, frame: bytes) -> None:
    """Sends a frame to the host, which looks at what waits before when there is no more room for it."""
    while True:
        try:
            stage.far.send(frame)
            return
        except BlockingIOError:
            receiver.take()


def text_in(stage: Stage, frame: bytes, port: int) -> tuple[int, int] | None:
    """Sequence number and length of the text that a frame brings from a port of the peer; None: it brings none."""
    packet = decode.parse_ipv4(frame[(VNET if stage.vnet else 0) + ETHERNET :])
    segment = None if packet is None or packet["protocol"] != TCP else decode.parse_tcp(packet["payload"])
    if segment is None or segment["source_port"] != port or not segment["payload"]:
        return None
    return segment["seq"], len(segment["payload"])


@pytest.mark.requirement("SEG-2", "SEG-7", "RECV-1")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("vnet", [False, True], ids=["plain", "vnet"])
def test_stream_that_lands_among_hostile_frames_stays_exact(vnet: bool, seed: int) -> None:
    source = random.Random(seed)
    with staged(vnet=vnet) as stage:
        ours, theirs = stage.connection(1001)
        second, their_second = stage.connection(1002)
        stage.make_likely(ours, theirs)
        text = source.randbytes(ROUNDS * SIZES[-1])
        other = source.randbytes(len(text))
        receiver, bystander = Receiver(stage, ours, source), Receiver(stage, second, source)
        stage.far.setblocking(False)
        forger: Forger | None = None
        at = said = 0
        limit = stage.host.now + PATIENCE
        while len(receiver.got) < at or len(bystander.got) < said or at < len(text) // 2:
            assert stage.host.now < limit, "the stream has stopped"
            size = source.choice(SIZES)
            if at < len(text) // 2 and theirs.send(text[at : at + size]) == size:
                at += size
            if at < len(text) // 2 and source.random() < 0.2 and their_second.send(other[said : said + size]) == size:
                said += size
            # a frame, and where its text begins and how long it is
            frames = [(frame, text_in(stage, frame, 1001)) for frame in stage.frames()]
            for frame, place in frames:
                if place is not None:
                    if forger is None:
                        forger = Forger(source, text, vnet, place[0])
                    sent = max(sum(each) for _, each in frames if each is not None)
                    forger.follow(frame, (sent - forger.base) % WORD)
                    for _ in range(source.choice((0, 1, 1, 2, 5))):
                        put(stage, receiver, forger.frame())
                put(stage, receiver, frame)
                if source.random() < 0.7:
                    while receiver.take():
                        pass
            while receiver.take() or bystander.take():
                pass
        assert receiver.got == text[:at]
        assert bystander.got == other[:said]
        assert stage.host.counters()["IllegalTransitions"] == 0


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("vnet", [False, True], ids=["plain", "vnet"])
def test_hostile_frame_before_the_expected_one_leaves_nothing_in_the_buffer(
    vnet: bool, kind: Callable[[Forger], bytes]
) -> None:
    with staged(vnet=vnet) as stage:
        ours, theirs = stage.connection(1001)
        stage.make_likely(ours, theirs)
        text = random.Random(1).randbytes(100_000)
        receiver = Receiver(stage, ours, random.Random(2))
        forger: Forger | None = None
        for at in range(0, 12 * MSS, 2 * MSS):
            assert theirs.send(text[at : at + 2 * MSS]) == 2 * MSS
            for frame in stage.frames():
                place = text_in(stage, frame, 1001)
                if place is not None:
                    forger = forger or Forger(random.Random(3), text, vnet, place[0])
                    forger.follow(frame, at + 2 * MSS)
                    stage.far.send(kind(forger))
                    while receiver.take():
                        pass
                stage.far.send(frame)
            while len(receiver.got) < at + 2 * MSS:
                assert receiver.take()
        assert receiver.got == text[: 12 * MSS]
