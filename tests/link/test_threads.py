"""Two live hosts joined by a pair of packet sockets, used by many threads at once: calls, waits, closes, counters.

Under the race detector (scripts/build.py --sanitize thread) this is the test that looks for races in the core.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from netcore.endpoint import ACCEPTABLE, FAILED, GONE, READABLE, WOULD_BLOCK, WRITABLE, Endpoint
from netcore.engine import Engine
from netcore.impair import Impairment
from netcore.listener import Listener
from netcore.loop import Loop
from netcore.waiter import Waiter
from tests.link.wire import PEER, SECOND, dotted

ADDRESSES = (bytes([10, 0, 0, 1]), PEER)
PATIENCE = 60.0  # seconds until a test that waits for something gives up


class Crew:
    """Threads whose failures are the test's."""

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []
        self.failures: list[BaseException] = []

    def start(self, work: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except BaseException as error:
                self.failures.append(error)
                raise

        thread = threading.Thread(target=run)
        thread.start()
        self.threads.append(thread)
        return thread

    def join(self) -> None:
        limit = time.monotonic() + PATIENCE
        for thread in self.threads:
            thread.join(max(0.0, limit - time.monotonic()))
        alive = [thread for thread in self.threads if thread.is_alive()]
        assert not alive, f"{len(alive)} threads did not end"
        assert not self.failures, self.failures


@contextlib.contextmanager
def live_hosts() -> Iterator[tuple[Engine, Engine]]:
    """Two live hosts, each with a loop thread; one link direction loses and reorders."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    engines, loops, crew = [], [], Crew()
    for number, end in enumerate(ends):
        end.setblocking(False)
        engine = Engine(
            address=dotted(ADDRESSES[number]), prefix=24, seed=bytes(16), vnet_header=True, offloads=True,
            rto_minimum=20_000_000,
        )  # fmt: skip
        outbound = Impairment(seed=number, loss=5_000, reorder=5_000, reorder_by=500_000) if number else None
        loops.append(Loop(engine, end.fileno(), outbound=outbound))
        engines.append(engine)
    for loop in loops:
        crew.start(loop.run)
    try:
        yield engines[0], engines[1]
    finally:
        for loop in loops:
            loop.stop()
        crew.join()
        for end in ends:
            end.close()


def listen(engine: Engine, port: int) -> Listener:
    listener = engine.listen(None, port, 64)
    assert isinstance(listener, Listener)
    return listener


def connect(engine: Engine, local: int, port: int) -> Endpoint:
    endpoint = engine.connect(local, (PEER, port))
    assert isinstance(endpoint, Endpoint)
    return endpoint


def wait(waiter: Waiter, handle: Endpoint | Listener, bits: int) -> None:
    waiter.wait([(handle, bits)], time.monotonic_ns() + 30 * SECOND)


def accept(engine: Engine, listener: Listener) -> Endpoint | None:
    """The next connection; None when the listener was closed."""
    waiter = Waiter(engine)
    try:
        while True:
            endpoint = listener.accept()
            if isinstance(endpoint, Endpoint):
                return endpoint
            if listener.closed:
                return None
            wait(waiter, listener, ACCEPTABLE)
    finally:
        waiter.close()


def send_all(engine: Engine, endpoint: Endpoint, text: bytes, piece: int) -> None:
    waiter = Waiter(engine)
    for at in range(0, len(text), piece):
        while (count := endpoint.send(text[at : at + piece])) == WOULD_BLOCK:
            wait(waiter, endpoint, WRITABLE)
        assert count > 0, count
    waiter.close()


def receive_all(engine: Engine, endpoint: Endpoint) -> bytes:
    waiter = Waiter(engine)
    text, buffer = bytearray(), bytearray(65536)
    while True:
        count = endpoint.receive_into(buffer)
        if count == WOULD_BLOCK:
            wait(waiter, endpoint, READABLE)
            continue
        assert count >= 0, count
        if count == 0:
            waiter.close()
            return bytes(text)
        text += buffer[:count]


@pytest.mark.parametrize("piece", [30_000, 150_000])
def test_many_threads_move_whole_streams_both_ways(piece: int) -> None:
    """In pieces that are copied, and in such that leave from where they are, which is soon another's memory."""
    connections, size = 8, 300_000
    with live_hosts() as (near, far):
        listener = listen(far, 80)
        crew = Crew()

        def serve() -> None:
            endpoint = accept(far, listener)
            assert endpoint is not None
            text = receive_all(far, endpoint)
            send_all(far, endpoint, text, piece)
            endpoint.close()

        def ask(number: int) -> None:
            endpoint = connect(near, 2000 + number, 80)
            wait(Waiter(near), endpoint, WRITABLE | FAILED)
            text = bytes(position * (number + 3) % 251 for position in range(size))
            writer = Crew()
            writer.start(lambda: (send_all(near, endpoint, text, piece), endpoint.shutdown_send())[0])
            assert receive_all(near, endpoint) == text
            writer.join()
            endpoint.close()

        def look() -> None:
            while not finished.is_set():
                for engine in (near, far):
                    engine.counters()
                    engine.usage()
                    engine.events()
                    engine.connections_on(80)
                    engine.port_in_use(80)
                    engine.local_addresses()
                    _ = engine.now, engine.is_live()
                _ = listener.finished, listener.occupancy, listener.readiness, listener.backlog, listener.closed
                time.sleep(0.002)

        finished = threading.Event()
        looker = Crew()
        looker.start(look)
        for number in range(connections):
            crew.start(serve)
            crew.start(lambda number=number: ask(number))  # type: ignore[misc]
        try:
            crew.join()
        finally:
            finished.set()
            looker.join()
        listener.close()
        assert near.counters()["IllegalTransitions"] == far.counters()["IllegalTransitions"] == 0


def test_handles_closed_by_other_threads_end_their_waits() -> None:
    with live_hosts() as (near, far):
        listener = listen(far, 80)
        for round_number in range(20):
            endpoint = connect(near, 3000 + round_number, 80)
            accepted = accept(far, listener)
            assert accepted is not None
            crew = Crew()
            for handle, engine in ((endpoint, near), (accepted, far)):
                # each waits for what only the other thread's close brings
                crew.start(lambda handle=handle, engine=engine: wait(Waiter(engine), handle, GONE))  # type: ignore[misc]
                crew.start(lambda handle=handle: poke(handle))  # type: ignore[misc]
            crew.start(lambda endpoint=endpoint: endpoint.close())  # type: ignore[misc]
            crew.start(lambda accepted=accepted: accepted.abort())  # type: ignore[misc]
            crew.join()
        blocked = Crew()
        blocked.start(lambda: accept(far, listener) and None)
        listener.close()
        blocked.join()


def poke(endpoint: Endpoint) -> None:
    """Every call and property, on a connection that another thread is closing."""
    buffer = bytearray(1000)
    for _ in range(200):
        endpoint.send(b"x" * 100)
        endpoint.receive_into(buffer)
        _ = endpoint.local, endpoint.remote, endpoint.state, endpoint.status, endpoint.readiness, endpoint.closed
        _ = endpoint.readable_bytes, endpoint.buffered_bytes, endpoint.send_buffer, endpoint.receive_buffer
        _ = endpoint.nodelay, endpoint.info()
        endpoint.nodelay = True


def test_lost_handles_are_closed_by_whoever_comes_next() -> None:
    with live_hosts() as (near, far):
        listener = listen(far, 80)
        crew = Crew()

        def open_and_lose(base: int) -> None:
            for number in range(30):
                endpoint = connect(near, base + number, 80)
                endpoint.send(b"x")
                del endpoint

        def take_and_lose() -> None:
            while not finished.is_set():
                endpoint = listener.accept()
                del endpoint

        finished = threading.Event()
        taker = Crew()
        taker.start(take_and_lose)
        for base in (4000, 5000, 6000):
            crew.start(lambda base=base: open_and_lose(base))  # type: ignore[misc]
        try:
            crew.join()
        finally:
            finished.set()
            taker.join()
        listener.close()
        near.abort_all()
        far.abort_all()
        assert near.usage()["connections"] == 0
        assert near.counters()["IllegalTransitions"] == far.counters()["IllegalTransitions"] == 0


def test_loop_dropped_while_calls_go_on_takes_its_device_along() -> None:
    engine = Engine(address="10.0.0.1", prefix=24, seed=bytes(16))
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ends[0].setblocking(False)
    loop: Loop | None = Loop(engine, ends[0].fileno(), outbound=Impairment(seed=1), inbound=Impairment(seed=2))
    crew = Crew()
    crew.start(lambda: [engine.connect(port, (PEER, 80)) for port in range(1000, 1300)] and None)
    time.sleep(0.001)
    loop = None
    crew.join()
    assert loop is None
    engine.abort_all()
    for end in ends:
        end.close()


@pytest.mark.parametrize("count", [0, 15, 17, 40])
def test_sequence_that_grows_while_it_is_read_is_refused(count: int) -> None:
    class Growing(list[bytes]):
        def __len__(self) -> int:
            return count

    engine = Engine(address="10.0.0.1", prefix=24, seed=bytes(16))
    endpoint = connect(engine, 1000, 80)
    with pytest.raises(ValueError, match=f"the sequence of buffers says it has {count}, but has more"):
        endpoint.send(Growing([b"x"] * 2000))
