"""Sends of much on a live host: the text leaves from the program's buffer, which is the program's again afterwards."""

import random
import select
import threading
from collections.abc import Callable

import pytest

from netcore.endpoint import HANDLE_CLOSED, READABLE, WRITABLE, Endpoint
from netcore.waiter import Waiter
from tests.link.stage import PATIENCE, Stage, staged
from tests.link.wire import SECOND

JOIN = PATIENCE / SECOND
PIECE = 700_001
PIECES = 6
LOST = 5

pytestmark = pytest.mark.requirement("SND-9")


class Reader:
    """The peer of a live host, which loses some of the first frames and keeps the stream."""

    def __init__(self, stage: Stage, theirs: Endpoint) -> None:
        self._stage = stage
        self._theirs = theirs
        self._buffer = bytearray(1 << 20)
        self._frames = 0
        self.stream = bytearray()

    def turn(self) -> None:
        stage = self._stage
        while select.select([stage.far], [], [], 0.001)[0]:
            frame = stage.far.recv(70000)
            self._frames += 1
            if self._frames > 10 * LOST or self._frames % LOST:
                stage.peer.frame_arrives(frame, stage.host.now)
            while self._theirs.readiness & READABLE:
                count = self._theirs.receive_into(self._buffer)
                if count <= 0:
                    break
                self.stream += self._buffer[:count]
            self._answer()
        self._answer()

    def read_until(self, holds: Callable[[], bool]) -> None:
        limit = self._stage.host.now + PATIENCE
        while not holds():
            assert self._stage.host.now < limit, f"{len(self.stream)} bytes have arrived"
            self.turn()
            self._stage.waiter.wait((), self._stage.host.now)

    def _answer(self) -> None:
        self._stage.peer.advance(self._stage.host.now)
        for frame in self._stage.peer.frames_to_send():
            self._stage.far.send(frame)


@pytest.mark.parametrize("vnet", [True, False])
def test_one_buffer_for_all_sends_carries_each_text_whatever_is_lost(vnet: bool) -> None:
    with staged(vnet=vnet) as stage:
        ours, theirs = stage.connection(1001)
        reader = Reader(stage, theirs)
        texts = [random.Random(number).randbytes(PIECE) for number in range(PIECES)]
        failures = []

        def sends() -> None:
            waiter = Waiter(stage.host)
            buffer = bytearray(PIECE)
            for text in texts:
                buffer[:] = text
                while not ours.readiness & WRITABLE:
                    waiter.wait([(ours, WRITABLE)], stage.host.now + PATIENCE)
                if ours.send(buffer) != PIECE:
                    failures.append(ours.status)
            buffer[:] = bytes(PIECE)
            waiter.close()

        sender = threading.Thread(target=sends, daemon=True)
        sender.start()
        reader.read_until(lambda: len(reader.stream) >= PIECES * PIECE or bool(failures))
        sender.join(JOIN)
        assert not failures
        assert bytes(reader.stream) == b"".join(texts)
        reader.read_until(lambda: stage.host.usage()["chunks"] == 0)


def test_send_of_one_piece_does_not_look_for_acks_of_what_it_has_copied() -> None:
    with staged(vnet=True) as stage:
        ours, _ = stage.connection(1001)
        before = stage.loop.counters()["batches"]
        assert ours.send(bytes(60_000)) == 60_000
        assert stage.loop.counters()["batches"] == before


@pytest.mark.requirement("SND-10")
def test_connection_closed_by_another_thread_during_a_send_keeps_the_text_that_was_taken() -> None:
    with staged(vnet=True) as stage:
        ours, theirs = stage.connection(1001)
        reader = Reader(stage, theirs)
        text = random.Random(1).randbytes(64 << 20)
        buffer = bytearray(text)
        results = []

        def sends() -> None:
            results.append(ours.send(buffer))
            buffer[:] = bytes(len(buffer))

        sender = threading.Thread(target=sends, daemon=True)
        sender.start()
        while ours.buffered_bytes < 1 << 20:
            pass
        ours.close()
        sender.join(JOIN)
        # on a busy machine the send may have ended before the close came
        assert results in ([HANDLE_CLOSED], [len(text)])
        reader.read_until(lambda: bool(theirs.readiness & READABLE) and theirs.receive_into(bytearray(1)) == 0)
        assert 1 << 20 <= len(reader.stream) <= len(text)
        assert reader.stream == text[: len(reader.stream)]
