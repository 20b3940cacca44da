"""Text that is read from the device straight into the buffer of the call that waits for it, and who drives meanwhile.

The live host has a Loop that nobody runs, so that the calls of the test drive it; its peer is an engine driven by hand.
"""

import os
import select
from collections.abc import Iterator

import pytest

from netcore.endpoint import READABLE, WOULD_BLOCK
from tests.link.stage import FILL, MSS, PATIENCE, Stage, send, staged


@pytest.fixture(params=[False, True], ids=["plain", "vnet"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with staged(vnet=request.param) as found:
        yield found


def test_text_that_comes_while_a_receive_waits_lands_in_its_buffer(stage: Stage) -> None:
    ours, theirs = stage.connection(1001)
    stage.make_likely(ours, theirs)
    text, buffer = os.urandom(MSS), bytearray([FILL]) * (4 * MSS)
    send(stage, theirs, text)
    assert stage.receive(ours, buffer) == MSS
    assert buffer[:MSS] == text
    assert set(buffer[MSS:]) <= {FILL, 0}
    assert ours.receive_into(bytearray(MSS)) == WOULD_BLOCK, "what landed is not in the queue as well"


def test_text_beyond_the_buffer_waits_in_the_queue(stage: Stage) -> None:
    ours, theirs = stage.connection(1001)
    stage.make_likely(ours, theirs)
    text, buffer, rest = os.urandom(MSS), bytearray(600), bytearray(MSS)
    send(stage, theirs, text)
    assert stage.receive(ours, buffer) == 600
    assert buffer == text[:600]
    assert ours.receive_into(rest) == MSS - 600
    assert rest[: MSS - 600] == text[600:]


def test_text_of_another_connection_leaves_nothing_in_the_buffer(stage: Stage) -> None:
    ours, theirs = stage.connection(1001)
    second, their_second = stage.connection(1002)
    stage.make_likely(ours, theirs)
    secret, buffer = os.urandom(MSS), bytearray([FILL]) * (4 * MSS)
    send(stage, their_second, secret)
    send(stage, theirs, b"mine")
    # the guess was wrong: the frame goes where it belongs, and ours comes after it in the ordinary way
    count = stage.receive(ours, buffer)
    assert count in (0, 4)
    assert set(buffer[count:]) <= {FILL, 0}
    got = bytearray(2 * MSS)
    assert second.receive_into(got) == MSS
    assert got[:MSS] == secret
    if not count:
        count = ours.receive_into(buffer)
    assert buffer[:count] == b"mine"


def test_segment_that_is_refused_leaves_nothing_in_the_buffer(stage: Stage) -> None:
    """A timestamp from before is found out only behind the guess (PAWS, RFC 7323 5.3)."""
    ours, theirs = stage.connection(1001)
    stage.make_likely(ours, theirs)
    buffer = bytearray([FILL]) * (4 * MSS)
    skip = 10 if stage.vnet else 0

    def age(frame: bytes) -> bytes:
        at = skip + 14 + 20 + 20 + 4
        old = (int.from_bytes(frame[at : at + 4]) - (1 << 30)) % (1 << 32)
        return frame[:at] + old.to_bytes(4) + frame[at + 4 :]

    refused = stage.host.counters()["PAWSEstab"] + stage.host.counters()["InCsumErrors"]
    send(stage, theirs, os.urandom(MSS), age)
    assert stage.waiter.receive_into(ours, buffer, [(ours, READABLE)], stage.host.now) == -1
    assert set(buffer) <= {FILL, 0}
    assert stage.host.counters()["PAWSEstab"] + stage.host.counters()["InCsumErrors"] > refused


def test_calls_that_wait_drive_a_host_whose_loop_does_not_run(stage: Stage) -> None:
    ours, theirs = stage.connection(1001)
    before = stage.loop.counters()["turns"]
    send(stage, theirs, b"hello")
    assert stage.waiter.wait([(ours, READABLE)], stage.host.now + PATIENCE)
    assert stage.loop.counters()["turns"] == before + 1


def test_send_of_more_than_a_slice_drives_from_its_beginning(stage: Stage) -> None:
    """Else the loop's thread would think that nobody does, and every ACK wake it."""
    ours, theirs = stage.connection(1001)
    buffer = bytearray(1 << 20)
    for _ in range(8):  # the windows grow beyond what is sent below
        assert ours.send(bytes(100_000)) == 100_000
        while stage.turn() or theirs.receive_into(buffer) > 0:
            pass
    before, sent = stage.loop.counters()["turns"], stage.host.counters()["OutSegs"]
    assert ours.send(bytes(100_000)) == 100_000
    assert stage.host.counters()["OutSegs"] - sent >= 100_000 // MSS, "no window made it look for ACKs"
    assert stage.loop.counters()["turns"] == before + 1


def test_long_send_leaves_in_full_frames(stage: Stage) -> None:
    """Between two slices of one call no frame goes that the rest of the call would have filled."""
    ours, theirs = stage.connection(1001)
    ours.nodelay = True
    text = os.urandom(300_000)
    assert ours.send(text) == len(text)
    sizes, got, buffer = [], bytearray(), bytearray(len(text))
    while len(got) < len(text):
        while select.select([stage.far], [], [], 0)[0]:
            frame = stage.far.recv(70000)
            sizes.append(len(frame))
            stage.peer.frame_arrives(frame, stage.host.now)
        while (count := theirs.receive_into(buffer)) > 0:
            got += buffer[:count]
        for frame in stage.peer.frames_to_send():
            stage.far.send(frame)
        stage.waiter.wait((), stage.host.now)
    assert bytes(got) == text
    whole = [size for size in sizes if size > 200]
    assert sum(size < MSS for size in whole) <= 2, whole


def test_receiver_whose_text_has_landed_leaves_what_follows_of_another_in_the_device() -> None:
    """Read now it would wait in a queue, and fall out of the processor's caches."""
    with staged(vnet=True) as stage:
        ours, theirs = stage.connection(1001)
        second, their_second = stage.connection(1002)
        size = 40 * MSS
        for _ in range(4):
            # until the peer sends as much in one frame
            assert theirs.send(bytes(size)) == size
            while ours.readable_bytes < size:
                stage.turn()
            assert ours.receive_into(bytearray(size)) == size
        while stage.turn():
            pass
        send(stage, theirs, bytes(size))
        send(stage, their_second, bytes(MSS))
        before = stage.loop.counters()["batches"]
        assert ours.receive_into(bytearray(1 << 20)) == size
        assert stage.loop.counters()["batches"] == before + 1
        # it was read to be told from what was expected, unless a slow copy had ended the landing before (storage.copy)
        assert second.readable_bytes in (0, MSS)
