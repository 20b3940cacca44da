"""The relay between two descriptors, here the ends of pairs of packet sockets."""

import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from netcore.impair import Impairment
from netcore.relay import Relay
from netcore.wire import decode
from tests.link.wire import ACK, HOST, HOST_MAC, IPV4, PEER, PEER_MAC, TCP

PATIENCE = 20.0  # seconds until a test that waits for something gives up
HEADER = 10  # bytes of a virtio header
NEEDS_CSUM, GSO_TCPV4 = 1, 1


class Path:
    """A running relay between two descriptors whose other ends, `left` and `right`, are the test's."""

    def __init__(self, *, left_header: bool = False, right_header: bool = False, **impairments: Any) -> None:
        pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(2)]
        (self.left, self.inner_left), (self.right, self.inner_right) = pairs
        for end in (self.left, self.right):
            end.settimeout(PATIENCE)
        for end in (self.inner_left, self.inner_right):
            end.setblocking(False)
        self.relay = Relay(
            self.inner_left.fileno(),
            self.inner_right.fileno(),
            left_header=left_header,
            right_header=right_header,
            **impairments,
        )
        self.failure: OSError | None = None
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        try:
            self.relay.run()
        except OSError as error:
            self.failure = error

    def end(self) -> None:
        self.relay.stop()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive(), "the relay did not stop"
        for each in (self.left, self.right, self.inner_left, self.inner_right):
            each.close()


@contextlib.contextmanager
def path(*, left_header: bool = False, right_header: bool = False, **impairments: Any) -> Iterator[Path]:
    found = Path(left_header=left_header, right_header=right_header, **impairments)
    try:
        yield found
    finally:
        found.end()


def superframe(text: bytes) -> bytes:
    """A TCP frame with a checksum that is still to be completed, as a kernel hands it over."""
    segment = bytearray(decode.build_tcp(1000, 2000, 7, 8, ACK, 500, text))
    segment[16:18] = decode.partial_checksum(HOST, PEER, TCP, len(segment)).to_bytes(2, "big")
    packet = decode.build_ipv4(HOST, PEER, TCP, bytes(segment))
    return decode.build_ethernet(PEER_MAC, HOST_MAC, IPV4, packet)


def virtio(size: int) -> bytes:
    """The virtio header of a superframe to be cut to `size` bytes of text, with a checksum to be completed."""
    return decode.build_vnet(
        flags=NEEDS_CSUM, gso_type=GSO_TCPV4, hdr_len=54, gso_size=size, csum_start=34, csum_offset=16
    )


@pytest.mark.parametrize("header", [False, True], ids=["bare", "with virtio header"])
def test_frame_without_an_impairment_arrives_at_the_other_end_octet_for_octet(header: bool) -> None:
    with path(left_header=header, right_header=header) as link:
        frame = (virtio(100) if header else b"") + superframe(bytes(5000))
        link.left.send(frame)
        assert link.right.recv(70000) == frame
        link.right.send(frame[::-1])
        assert link.left.recv(70000) == frame[::-1]
    # a frame is counted when its write returns, which the reader may see later than the frame
    counters = link.relay.counters()
    size = len(frame) - HEADER * header
    for way in ("forward", "backward"):
        assert (counters[way]["frames"], counters[way]["bytes"]) == (1, size)
        assert (counters[way]["delivered"], counters[way]["delivered_bytes"]) == (1, size)


@pytest.mark.requirement("SEG-14")
def test_superframe_through_an_impairment_arrives_cut_with_whole_checksums_and_empty_headers() -> None:
    with path(left_header=True, right_header=True, forward=Impairment(seed=1)) as link:
        frame = superframe(bytes(range(250)))
        link.left.send(virtio(100) + frame)
        got = [link.right.recv(70000) for _ in range(3)]
    counters = link.relay.counters()["forward"]
    assert all(each[:HEADER] == bytes(HEADER) for each in got)
    text, places = b"", []
    for each in got:
        packet = decode.parse_ipv4(each[HEADER + 14 :])
        assert packet is not None
        assert decode.transport_checksum(HOST, PEER, TCP, packet["payload"]) == 0
        segment = decode.parse_tcp(packet["payload"])
        assert segment is not None
        places.append((segment["seq"], len(segment["payload"])))
        text += segment["payload"]
    assert places == [(7, 100), (107, 100), (207, 50)]
    assert text == bytes(range(250))
    assert (counters["frames"], counters["seen"], counters["delivered"]) == (1, 3, 3)


def test_ends_with_and_without_header_meet_through_an_impairment_of_the_relays_own() -> None:
    with path(left_header=True) as link:
        frame = superframe(bytes(250))
        link.left.send(virtio(200) + frame)
        assert [len(link.right.recv(70000)) for _ in range(2)] == [54 + 200, 54 + 50]
        link.right.send(frame)
        assert link.left.recv(70000) == bytes(HEADER) + frame


def test_direction_without_an_impairment_loses_nothing_where_the_other_loses_all() -> None:
    with path(forward=Impairment(seed=1, loss=1_000_000)) as link:
        link.left.send(superframe(b"lost"))
        link.right.send(superframe(b"kept"))
        assert link.left.recv(70000).endswith(b"kept")
        assert link.relay.counters()["forward"]["lost"] == 1
        assert link.relay.counters()["forward"]["delivered"] == 0


def test_delay_holds_a_frame_back_at_least_that_long() -> None:
    delay = 30_000_000
    with path(forward=Impairment(seed=1, delay=delay)) as link:
        sent = time.monotonic_ns()
        link.left.send(superframe(b"late"))
        link.right.recv(70000)
        assert time.monotonic_ns() - sent >= delay


def test_rate_lets_no_more_pass_than_it_says() -> None:
    rate, count = 8_000_000, 60
    frame = superframe(bytes(1000 - 54))
    with path(forward=Impairment(seed=1, rate=rate)) as link:
        begun = time.monotonic_ns()
        for _ in range(count):
            link.left.send(frame)
        for number in range(1, count + 1):
            link.right.recv(70000)
            elapsed = time.monotonic_ns() - begun
            assert number * len(frame) * 8 * 1_000_000_000 <= rate * elapsed


def test_frame_that_the_target_does_not_take_is_counted_as_refused() -> None:
    with path() as link:
        link.inner_right.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        sent = 0
        deadline = time.monotonic() + PATIENCE
        while not link.relay.counters()["forward"]["refused"]:
            assert time.monotonic() < deadline
            link.left.send(bytes(1000))
            sent += 1
        # a frame counts as seen a moment before it counts as what became of it
        counters = link.relay.counters()["forward"]
        while counters["delivered"] + counters["refused"] < sent:
            assert time.monotonic() < deadline
            counters = link.relay.counters()["forward"]
        assert counters["delivered"] + counters["refused"] == sent


@pytest.mark.parametrize("side", ["left", "right"])
def test_end_that_goes_away_ends_the_relay_with_its_name(side: str) -> None:
    with path() as link:
        getattr(link, side).close()
        link.thread.join(PATIENCE)
        assert not link.thread.is_alive()
        assert str(link.failure).startswith(f"the {side} device is gone")


def test_relay_that_was_stopped_before_it_ran_returns_at_once() -> None:
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ends[0], ends[1]:
        relay = Relay(ends[0].fileno(), ends[1].fileno())
        relay.stop()
        relay.run()


@pytest.mark.parametrize("busy", [False, True], ids=["resting", "busy"])
def test_interrupt_ends_a_relay_in_the_main_thread(busy: bool) -> None:
    # A packet socket joined with itself keeps the relay busy: what it writes it reads again.
    script = f"""if 1:
        import os, signal, socket, threading
        from netcore.relay import Relay
        left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        left.setblocking(False), right.setblocking(False)
        for _ in range(20 * {busy}):
            right.send(b"round and round")
        relay = Relay(left.fileno(), right.fileno())

        def interrupt():
            while not relay.wakeups and relay.counters()["forward"]["frames"] < 1000:
                pass
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=interrupt).start()
        try:
            relay.run()
        except KeyboardInterrupt:
            print("interrupted")
    """
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=PATIENCE)
    assert (told.stdout, told.stderr) == ("interrupted\n", "")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Relay(-1, 0), "left is -1"),
        (lambda: Relay(0, -1), "right is -1"),
        (lambda: Relay(1, 1), "both descriptor 1"),
        (lambda: (lambda one: Relay(0, 1, forward=one, backward=one))(Impairment(seed=1)), "an Impairment of its own"),
    ],
)
def test_path_that_cannot_be_is_refused_with_its_reason(make: object, said: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=said):
        make()
