"""The switch that lets a thread of the kernel take what is written to a device: turned by how much passes."""

import contextlib
import os
import select
from collections.abc import Iterator

import pytest

from tests.link.stage import Stage

MILLISECOND = 1_000_000
PATIENCE = 20_000 * MILLISECOND


@pytest.fixture
def switched() -> Iterator[tuple[Stage, int]]:
    """A live host with a switch, and the end of a pipe that tells how it was turned."""
    told, switch = os.pipe()
    found = Stage(vnet=False, thread_switch=switch)
    with contextlib.closing(found.waiter), contextlib.closing(found.ours), contextlib.closing(found.far):
        try:
            yield found, told
        finally:
            found.loop.close()
            os.close(told)
            os.close(switch)


def turned(told: int) -> bytes:
    return os.read(told, 100) if select.select([told], [], [], 0)[0] else b""


def test_stream_turns_the_switch_on_and_its_end_off(switched: tuple[Stage, int]) -> None:
    stage, told = switched
    ours, theirs = stage.connection(1001)
    buffer = bytearray(1 << 20)
    end = stage.host.now + PATIENCE
    seen = b""
    while not seen and stage.host.now < end:
        ours.send(bytes(200_000))
        while stage.turn() or theirs.receive_into(buffer) > 0:
            pass
        seen = turned(told)
    while seen.endswith(b"1") and stage.host.now < end:
        stage.waiter.wait((), stage.host.now + 3 * MILLISECOND)
        seen += turned(told)
    # on a busy machine the stream pauses, and the switch may have gone to and fro before anybody looked
    assert seen
    assert seen == b"10" * (len(seen) // 2)


def test_single_frames_leave_the_switch_alone(switched: tuple[Stage, int]) -> None:
    stage, told = switched
    ours, theirs = stage.connection(1001)
    buffer = bytearray(100)
    for _ in range(20):
        ours.send(b"ping")
        while stage.turn() or theirs.receive_into(buffer) > 0:
            pass
        stage.waiter.wait((), stage.host.now + MILLISECOND)
    assert turned(told) == b""


def test_switch_that_refuses_is_left_alone() -> None:
    """What the kernel does not want for any reason is no reason to stop."""
    read_only = os.open(os.devnull, os.O_RDONLY)
    stage = Stage(vnet=False, thread_switch=read_only)
    with contextlib.closing(stage.waiter), contextlib.closing(stage.ours), contextlib.closing(stage.far):
        ours, theirs = stage.connection(1001)
        buffer = bytearray(1 << 20)
        end = stage.host.now + 20 * MILLISECOND
        while stage.host.now < end:
            ours.send(bytes(200_000))
            while stage.turn() or theirs.receive_into(buffer) > 0:
                pass
        stage.loop.close()
        os.close(read_only)


def test_closing_the_loop_turns_the_switch_off(switched: tuple[Stage, int]) -> None:
    stage, told = switched
    ours, theirs = stage.connection(1001)
    buffer = bytearray(1 << 20)
    end = stage.host.now + PATIENCE
    # a stream that pauses, on a busy machine, turns it off again
    while not (seen := turned(told)).endswith(b"1") and stage.host.now < end:
        ours.send(bytes(200_000))
        while stage.turn() or theirs.receive_into(buffer) > 0:
            pass
    assert seen.endswith(b"1")
    stage.loop.close()
    assert turned(told) == b"0"
