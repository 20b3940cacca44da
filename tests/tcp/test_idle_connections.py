"""What connections cost that have nothing to do: records in tables, no buffers (LIM-1)."""

import ctypes
import gc
import sys
from collections.abc import Callable

import pytest

from netcore.endpoint import Endpoint
from netcore.engine import Engine, build_information
from netcore.listener import Listener
from tests.tcp.listener_cost import OURS, PORT, SECOND, THEIRS, host, listening, packed

# few more than fill a table that doubles; many
COUNTS = (8_250, 10_000, 16_300, 20_000)
FIRST_PORT = 2000
KIBI = 1024
TEXT = bytes(range(250)) * 20
SETTLED = 10 * SECOND  # beyond every delayed ACK and probe
BATCH = 50  # connections at a time: frames on their way are no part of what they cost
WARM_UP = 200  # connections, for what is allocated once


class Usage(ctypes.Structure):
    """glibc's struct mallinfo2."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    ]  # fmt: skip


@pytest.fixture
def allocated() -> Callable[[], int]:
    """A function for the bytes that malloc has handed out; Python's own small objects do not come from there."""
    if build_information()["address_sanitizer"] or build_information()["race_detector"]:
        pytest.skip("a sanitizer's malloc keeps no such accounts")
    mallinfo = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if mallinfo is None:
        pytest.skip("this C library has no mallinfo2 (glibc 2.33)")
    mallinfo.restype = Usage
    # what earlier tests left to be collected must not be freed while this one measures
    gc.collect()

    def read() -> int:
        usage = mallinfo()
        return int(usage.uordblks + usage.hblkhd)

    return read


class Pair:
    """Two hosts in memory with connections between them; the lists hold both ends."""

    def __init__(self) -> None:
        self.server, self.client = host(OURS), host(THEIRS)
        self.listener: Listener = listening(self.server, 65535)
        self.now = SECOND
        self.asking: list[Endpoint] = []
        self.accepted: list[Endpoint] = []

    def exchange(self) -> None:
        """Frames go to and fro until both are silent."""
        while True:
            going, coming = self.client.frames_to_send(), self.server.frames_to_send()
            if not going and not coming:
                return
            self.server.frames_arrive(going, self.now)
            self.client.frames_arrive(coming, self.now)

    def open(self, count: int) -> None:
        """Makes `count` more connections, a few at a time, and accepts them."""
        for _ in range(0, count, BATCH):
            self.open_batch()
        self.settle()

    def open_batch(self) -> None:
        """Makes and accepts BATCH connections."""
        for _ in range(BATCH):
            endpoint = self.client.connect(FIRST_PORT + len(self.asking), (packed(OURS), PORT))
            assert isinstance(endpoint, Endpoint)
            self.asking.append(endpoint)
        self.exchange()
        for _ in range(BATCH):
            endpoint = self.listener.accept()
            assert isinstance(endpoint, Endpoint)
            self.accepted.append(endpoint)
        self.server.events()
        self.client.events()

    def settle(self) -> None:
        """Lets every timer run out."""
        self.now += SETTLED
        for engine in (self.server, self.client):
            engine.advance(self.now)
        self.exchange()
        self.server.events()
        self.client.events()

    def lists(self) -> int:
        """Bytes of the lists of handles, which are no part of the core."""
        return sys.getsizeof(self.asking) + sys.getsizeof(self.accepted)

    def chunks(self) -> tuple[int, int]:
        """Bytes of buffers in use at the server and at the client."""
        return self.server.usage()["chunks"], self.client.usage()["chunks"]


def held(engine: Engine) -> int:
    """Connections of a host."""
    return engine.usage()["connections"]


@pytest.mark.requirement("LIM-1")
@pytest.mark.parametrize("count", COUNTS)
def test_idle_connection_costs_at_most_a_kibibyte_with_its_table_entries(
    allocated: Callable[[], int], count: int
) -> None:
    pair = Pair()
    pair.open(WARM_UP)
    before = allocated() - pair.lists()
    pair.open(count)
    # a connection has an end on each host
    cost = (allocated() - pair.lists() - before) / (2 * count)
    print(f"{cost:.0f} bytes for each end of {count} idle connections")
    assert held(pair.server) == held(pair.client) == WARM_UP + count
    assert pair.chunks() == (0, 0)
    # less than the record itself: it was not measured
    assert build_information()["connection_bytes"] <= cost <= KIBI


@pytest.mark.requirement("LIM-1")
def test_connection_that_has_carried_text_costs_what_a_new_one_does(allocated: Callable[[], int]) -> None:
    pair = Pair()
    pair.open(WARM_UP)
    buffer = bytearray(len(TEXT))

    def talk() -> None:
        for near, far in zip(pair.asking, pair.accepted, strict=True):
            for sender, receiver in ((near, far), (far, near)):
                assert sender.send(TEXT) == len(TEXT)
                pair.exchange()
                assert receiver.receive_into(buffer) == len(TEXT)
                assert buffer == TEXT
        pair.exchange()
        pair.settle()

    talk()
    before = allocated() - pair.lists()
    pair.open(1000)
    talk()
    cost = (allocated() - pair.lists() - before) / 2000
    assert pair.chunks() == (0, 0)
    assert cost <= KIBI


@pytest.mark.requirement("LIM-1")
def test_buffers_are_taken_when_bytes_come_and_given_back_when_they_are_gone() -> None:
    pair = Pair()
    pair.open(WARM_UP)
    assert pair.chunks() == (0, 0)
    for near in pair.asking:
        assert near.send(TEXT) == len(TEXT)
    assert pair.chunks()[0] == 0
    assert pair.chunks()[1] >= WARM_UP * len(TEXT)
    pair.exchange()
    pair.settle()
    assert pair.chunks()[0] >= WARM_UP * len(TEXT)
    assert pair.chunks()[1] == 0
    buffer = bytearray(len(TEXT))
    for far in pair.accepted:
        assert far.receive_into(buffer) == len(TEXT)
    # the windows' updates leave
    pair.exchange()
    assert pair.chunks() == (0, 0)


@pytest.mark.requirement("LIM-1")
def test_buffers_go_back_when_a_connection_ends_with_bytes_in_both_queues() -> None:
    pair = Pair()
    pair.open(WARM_UP)
    for near, far in zip(pair.asking, pair.accepted, strict=True):
        assert near.send(TEXT) == far.send(TEXT) == len(TEXT)
    pair.exchange()
    for near in pair.asking:
        near.abort()
    pair.exchange()
    for far in pair.accepted:
        far.close()
    pair.settle()
    assert pair.chunks() == (0, 0)
    assert held(pair.server) == held(pair.client) == 0
