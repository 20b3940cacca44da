"""Who drives a live host, when the one who does leaves, gives way, is interrupted or has its buffer taken away."""

import contextlib
import mmap
import os
import select
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from typing_extensions import Buffer

from netcore.endpoint import READABLE, SEND_URGENT, WOULD_BLOCK, Endpoint
from netcore.engine import Engine
from netcore.handles import SocketHandles
from netcore.selection import select_plain
from netcore.waiter import Waiter
from netcore.wire import decode
from stack.wsp.structures import FdSet, fd_set_of
from tests.link.stage import FILL, MSS, PATIENCE, Stage, send, staged
from tests.link.wire import HOST, HOST_MAC, ICMP, IPV4, PEER, PEER_MAC, SECOND

MILLISECOND = 1_000_000
JOIN = PATIENCE / SECOND


class Task:
    """A call in a thread of its own, and what came of it."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._result: Any = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._result = self._call()
        except BaseException as error:
            self._failure = error

    @property
    def done(self) -> bool:
        return not self._thread.is_alive()

    def result(self) -> Any:
        self._thread.join(JOIN)
        assert self.done, "the call did not end"
        if self._failure is not None:
            raise self._failure
        return self._result


def waits_for(stage: Stage, endpoint: Endpoint, limit: int = PATIENCE) -> Callable[[], bool]:
    """A wait for text of a connection, in a thread with a Waiter of its own."""

    def wait() -> bool:
        waiter = Waiter(stage.host)
        try:
            return waiter.wait([(endpoint, READABLE)], stage.host.now + limit)
        finally:
            waiter.close()

    return wait


def until(holds: Callable[[], bool]) -> None:
    limit = time.monotonic() + JOIN
    while not holds():
        assert time.monotonic() < limit, "the condition never held"
        time.sleep(0.001)


def turns(stage: Stage) -> int:
    return stage.loop.counters()["turns"]


def landing_begun(stage: Stage, endpoint: Endpoint, buffer: Buffer, waiter: Waiter) -> Task:
    """A receive into `buffer` in a thread of its own, which has taken the lead."""
    before = turns(stage)
    watches = [(endpoint, READABLE)]
    task = Task(lambda: waiter.receive_into(endpoint, buffer, watches, stage.host.now + PATIENCE))
    until(lambda: turns(stage) > before)
    return task


def ping(stage: Stage, payload: bytes) -> None:
    packet = decode.build_ipv4(PEER, HOST, ICMP, decode.build_icmp(8, 0, b"abcd", payload))
    stage.far.send(bytes(10 if stage.vnet else 0) + decode.build_ethernet(HOST_MAC, PEER_MAC, IPV4, packet))


def test_helper_drives_when_one_frame_has_served_all_who_waited() -> None:
    """Who leads tells a follower that it goes; one that has what it wants goes too, and then nobody is left."""
    with staged(vnet=False) as stage:
        ours, theirs = stage.connection(1001)
        helper = Task(stage.loop.run)
        try:
            for _ in range(3):
                # a program that has other things to do between its waits
                waits_for(stage, ours, MILLISECOND)()
                time.sleep(0.02)
            tasks = [Task(waits_for(stage, ours)) for _ in range(2)]
            # longer than it takes until the helper sleeps for good (QUIET_TICKS)
            time.sleep(0.16)
            send(stage, theirs, b"for both")
            assert [task.result() for task in tasks] == [True, True]
            ping(stage, b"is anybody there?")
            while b"is anybody there?" not in stage.far.recv(70000):
                pass
        finally:
            stage.loop.stop()
        helper.result()


def test_interrupted_leader_gives_the_lead_back() -> None:
    with staged(vnet=False) as stage:
        ours, theirs = stage.connection(1001)
        before = turns(stage)

        def interrupt() -> None:
            until(lambda: turns(stage) > before)
            os.kill(os.getpid(), signal.SIGINT)

        killer = Task(interrupt)
        buffer = bytearray([FILL]) * 65536
        with pytest.raises(KeyboardInterrupt):
            stage.receive(ours, buffer)
        killer.result()
        send(stage, theirs, b"later")
        # another thread can lead at once, and nothing lands in the buffer of the call that is over
        assert Task(waits_for(stage, ours)).result()
        assert set(buffer) == {FILL}
        assert ours.receive_into(buffer) == 5
        buffer.clear()


def test_leader_that_gave_way_gets_nothing_in_its_buffer_afterwards() -> None:
    with staged(vnet=False) as stage, contextlib.closing(Waiter(stage.host)) as waiter:
        ours, theirs = stage.connection(1001)
        second, their_second = stage.connection(1002)
        stage.make_likely(ours, theirs)
        buffer = bytearray([FILL]) * 65536
        first = landing_begun(stage, ours, buffer, waiter)
        before = turns(stage)
        time.sleep(0.005)  # one that has led for so long gives way
        other = Task(waits_for(stage, second))
        until(lambda: turns(stage) > before)
        text = os.urandom(MSS)
        send(stage, theirs, text)
        count = first.result()
        if not count:
            assert set(buffer) == {FILL}
            count = ours.receive_into(buffer)
        assert buffer[:count] == text
        assert set(buffer[count:]) <= {FILL, 0}
        send(stage, their_second, b"mine")
        assert other.result()


def test_buffer_that_text_may_land_in_keeps_its_size_until_the_wait_is_over() -> None:
    with staged(vnet=False) as stage, contextlib.closing(Waiter(stage.host)) as waiter:
        ours, theirs = stage.connection(1001)
        stage.make_likely(ours, theirs)
        buffer = bytearray([FILL]) * 65536
        view = memoryview(buffer)
        task = landing_begun(stage, ours, view, waiter)
        with pytest.raises(BufferError):
            buffer.clear()
        with pytest.raises(BufferError):
            view.release()
        send(stage, theirs, b"text")
        assert task.result() == 4
        view.release()
        buffer.clear()


@pytest.mark.parametrize("how", ["close", "abort", "shutdown_receive"])
def test_connection_let_go_during_a_landing_leaves_the_buffer_alone(how: str) -> None:
    with staged(vnet=False) as stage, contextlib.closing(Waiter(stage.host)) as waiter:
        ours, theirs = stage.connection(1001)
        stage.make_likely(ours, theirs)
        buffer = bytearray([FILL]) * 65536
        task = landing_begun(stage, ours, buffer, waiter)
        assert theirs.send(os.urandom(MSS)) == MSS
        frames = stage.frames()
        getattr(ours, how)()
        for frame in frames:
            stage.far.send(frame)
        waiter.wake()
        assert task.result() == 0
        assert set(buffer) <= {FILL, 0}
        assert ours.receive_into(buffer) < 0


def test_device_let_go_during_a_landing_ends_nothing_but_its_frames() -> None:
    with staged(vnet=False) as stage, contextlib.closing(Waiter(stage.host)) as waiter:
        ours, theirs = stage.connection(1001)
        stage.make_likely(ours, theirs)
        buffer = bytearray([FILL]) * 65536
        task = landing_begun(stage, ours, buffer, waiter)
        stage.loop.close()
        send(stage, theirs, os.urandom(MSS))
        waiter.wake()
        assert task.result() == 0
        assert set(buffer) == {FILL}


@pytest.mark.requirement("RECV-8", "RECV-15")
def test_wait_for_text_without_room_for_it_lasts_until_there_is_text() -> None:
    with staged(vnet=False) as stage:
        ours, theirs = stage.connection(1001)
        stage.make_likely(ours, theirs)
        empty = bytearray()
        watches = [(ours, READABLE)]
        assert stage.waiter.receive_into(ours, empty, watches, stage.host.now + 3 * MILLISECOND) == -1
        send(stage, theirs, b"text")
        assert stage.waiter.receive_into(ours, empty, watches, stage.host.now + PATIENCE) == 0
        assert ours.receive_into(bytearray(9)) == 4


def test_dense_traffic_of_others_keeps_neither_time_limits_nor_time_outs_from_coming() -> None:
    with staged(vnet=False) as stage:
        ours, _ = stage.connection(1001)
        second, _ = stage.connection(1002)
        assert second.send(b"never acknowledged") > 0
        stop = threading.Event()
        seen: list[bytes] = []

        def flood() -> None:
            while not stop.is_set():
                for _ in range(20):
                    ping(stage, bytes(100))
                while select.select([stage.far], [], [], 0.001)[0]:
                    frame = stage.far.recv(70000)
                    if frame.endswith(b"never acknowledged"):
                        seen.append(frame)

        flooder = Task(flood)
        try:
            assert not waits_for(stage, ours, 5 * MILLISECOND)()
            while len(seen) < 2:
                assert not waits_for(stage, ours, 100 * MILLISECOND)()
        finally:
            stop.set()
        flooder.result()


def test_receive_of_much_looks_at_the_device_in_passing() -> None:
    """A program that always finds something to receive never waits, and drives all the same."""
    with staged(vnet=True) as stage:
        first, theirs = stage.connection(1001)
        second, other = stage.connection(1002)
        size = 64_000
        assert theirs.send(bytes(size)) == size
        while first.readable_bytes < size:
            stage.turn()
        send(stage, other, b"text")
        before = turns(stage)
        assert first.receive_into(bytearray(size)) == size
        assert second.readable_bytes == 4
        assert turns(stage) == before + 1


def test_selection_that_finds_something_ready_looks_at_the_device_in_passing() -> None:
    with staged(vnet=True) as stage:
        first, theirs = stage.connection(1001)
        second, other = stage.connection(1002)
        assert theirs.send(b"text") == 4
        while not first.readable_bytes:
            stage.turn()
        send(stage, other, b"text")
        live, sockets = {}, fd_set_of((4, 8))
        for descriptor, endpoint in ((4, first), (8, second)):
            live[descriptor] = handles = SocketHandles()
            handles.endpoint, handles.stream = endpoint, True
        before = turns(stage)
        selection = select_plain(live, FdSet, sockets, None, None)
        assert selection is not None
        assert selection.poll() == 2
        assert turns(stage) == before + 1


def test_receives_of_two_threads_get_each_a_piece_without_a_hole() -> None:
    """The one that copies without the lock takes no text from beyond what the other has taken meanwhile."""
    with staged(vnet=True) as stage, contextlib.closing(Waiter(stage.host)) as waiter:
        ours, theirs = stage.connection(1001)
        ours.receive_buffer = theirs.send_buffer = 16_000_000
        # until the second thread was quick enough to come in between
        for _ in range(20):
            if receives_cross(stage, ours, theirs, waiter):
                break


def receives_cross(stage: Stage, ours: Endpoint, theirs: Endpoint, waiter: Waiter) -> bool:
    """Two threads receive, one much and one what comes during its copy; False: it came too late."""
    size, piece = 6_000_000, 20_000
    text = os.urandom(size + 2 * piece)
    assert theirs.send(text[:size]) == size
    while ours.readable_bytes < size:
        for frame in stage.frames():
            stage.far.send(frame)
            stage.waiter.wait((), stage.host.now)
    # memory that nobody has touched yet, which is slow to fill
    buffer, stolen = mmap.mmap(-1, size + 100_000), bytearray(piece)
    assert theirs.send(text[size : size + piece]) == piece
    first = stage.frames()
    assert theirs.send(text[size + piece :]) == piece
    second = stage.frames()
    task = Task(lambda: ours.receive_into(buffer))
    while ours.readable_bytes and not task.done:
        pass
    for frame in first:
        stage.far.send(frame)
    waiter.wait([(ours, READABLE)], stage.host.now)
    taken = WOULD_BLOCK if task.done else ours.receive_into(stolen)
    for frame in second:
        stage.far.send(frame)
    in_time = taken > 0 and not task.done
    count = task.result()
    assert buffer[:count] == text[:count]
    if taken > 0:
        assert stolen[:taken] == text[count : count + taken]
    while ours.receive_into(buffer) > 0 or stage.turn():
        pass
    return in_time


def test_urgent_text_is_marked_even_with_an_empty_buffer_behind_it() -> None:
    with staged(vnet=True) as stage:
        ours, _ = stage.connection(1001)
        assert ours.send([os.urandom(70_000), b""], SEND_URGENT) == 70_000
        frames = []
        while select.select([stage.far], [], [], 0)[0]:
            frames.append(stage.far.recv(70000))
        texts = [frame for frame in frames if len(frame) > 200]
        assert texts
        assert all(frame[10 + 14 + 20 + 13] & 0x20 for frame in texts), "URG"


def test_waiter_refuses_what_another_engine_has() -> None:
    with staged(vnet=False) as stage:
        ours, _ = stage.connection(1001)
        other = Waiter(Engine(address="10.0.0.9", prefix=24, seed=bytes(16)))
        calls: list[Callable[[], object]] = [
            lambda: other.wait([(ours, READABLE)], 0),
            lambda: other.wait([(stage.listener, READABLE)], 0),  # type: ignore[list-item]
            lambda: other.receive_into(ours, bytearray(9), [], 0),
        ]
        for call in calls:
            with pytest.raises(ValueError, match="what its own engine has"):
                call()
        other.close()
