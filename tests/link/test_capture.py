"""Copies of frames for a capture: what, when, which way, and within a bound."""

import pytest

from netcore.wire import decode
from tests.link.wire import HOST_MAC, MILLISECOND, PEER_MAC, SECOND, Wire


@pytest.mark.parametrize("vnet", [False, True])
def test_capture_holds_both_directions_without_virtio_header(vnet: bool) -> None:
    wire = Wire(vnet_header=vnet)
    wire.meet()
    wire.engine.start_capture()
    wire.pass_time(MILLISECOND)
    wire.ping(payload=b"x")
    [answer] = wire.take()
    [(asked_at, asked_out, asked), (answered_at, answered_out, answered)] = wire.engine.captured()
    assert (asked_at, answered_at) == (SECOND + MILLISECOND,) * 2
    assert (asked_out, answered_out) == (False, True)
    assert (asked[:6], asked[6:12]) == (HOST_MAC, PEER_MAC)
    assert answered == answer
    assert wire.engine.captured() == []


def test_capture_holds_frames_that_are_dropped() -> None:
    wire = Wire()
    wire.engine.start_capture()
    for frame in (b"", b"short", bytes(60), decode.build_ethernet(PEER_MAC, PEER_MAC, 0x86DD, b"v6")):
        wire.put(frame)
    assert [frame for _, _, frame in wire.engine.captured()][:2] == [b"", b"short"]


def test_capture_keeps_to_its_limit_and_counts_what_it_drops() -> None:
    wire = Wire()
    wire.meet()
    wire.engine.start_capture(1000)
    for _ in range(20):
        wire.put(bytes(100))
    assert len(wire.engine.captured()) == 10
    assert wire.count("CaptureDrops") == 10
    wire.put(bytes(100))
    assert len(wire.engine.captured()) == 1


def test_capture_that_has_stopped_keeps_what_it_has() -> None:
    wire = Wire()
    wire.engine.start_capture()
    wire.put(bytes(100))
    wire.engine.stop_capture()
    wire.put(bytes(101))
    assert [len(frame) for _, _, frame in wire.engine.captured()] == [100]


def test_capture_that_is_never_fetched_goes_with_its_host() -> None:
    wire = Wire()
    wire.engine.start_capture()
    for _ in range(100):
        wire.put(bytes(1000))
    del wire
