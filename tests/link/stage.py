"""A live host whose peer is an engine driven by hand: every frame between them passes through the test's hands."""

import contextlib
import select
import socket
from collections.abc import Callable, Iterator

from netcore.endpoint import ACCEPTABLE, READABLE, Endpoint
from netcore.engine import Engine
from netcore.listener import Listener
from netcore.loop import Loop
from netcore.waiter import Waiter
from tests.link.wire import HOST, HOST_MAC, PEER, PEER_MAC, SECOND, dotted

MSS = 1448
FILL = 0xA5
PATIENCE = 20 * SECOND


class Stage:
    """A live host at HOST that only calls drive, and a peer whose frames pass through the test's hands."""

    def __init__(self, *, vnet: bool, thread_switch: int = -1) -> None:
        ours, self.far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self.ours = ours
        self.vnet = vnet
        shared = {"prefix": 24, "vnet_header": vnet, "offloads": vnet}
        self.host = Engine(address=dotted(HOST), mac=HOST_MAC, seed=bytes(16), **shared)  # type: ignore[arg-type]
        self.peer = Engine(address=dotted(PEER), mac=PEER_MAC, seed=bytes(range(16)), **shared)  # type: ignore[arg-type]
        self.loop = Loop(self.host, ours.fileno(), thread_switch=thread_switch)
        self.waiter = Waiter(self.host)
        self.peer.advance(self.host.now)
        self.listener = self.host.listen(None, 80, 8)

    def frames(self) -> list[bytes]:
        """What the peer wants to send, after all that the host has sent has come to it."""
        while select.select([self.far], [], [], 0)[0]:
            self.peer.frame_arrives(self.far.recv(70000), self.host.now)
        self.peer.advance(self.host.now)
        return self.peer.frames_to_send()

    def turn(self) -> bool:
        """All frames of both sides move once; False when there were none of the peer's."""
        frames = self.frames()
        for frame in frames:
            self.far.send(frame)
        self.waiter.wait((), self.host.now)
        return bool(frames)

    def connection(self, port: int) -> tuple[Endpoint, Endpoint]:
        """A connection whose window is open: the host's end and the peer's."""
        theirs = self.peer.connect(port, (HOST, 80))
        assert isinstance(theirs, Endpoint)
        assert isinstance(self.listener, Listener)
        while not self.listener.readiness & ACCEPTABLE:
            self.turn()
        ours = self.listener.accept()
        assert isinstance(ours, Endpoint)
        while self.turn():
            pass
        return ours, theirs

    def make_likely(self, ours: Endpoint, theirs: Endpoint) -> None:
        """Three segments of one connection in a row, received the ordinary way."""
        for _ in range(3):
            theirs.send(bytes(MSS))
            while not ours.readiness & READABLE:
                self.turn()
            assert ours.receive_into(bytearray(4 * MSS)) == MSS
            while self.turn():
                pass

    def receive(self, endpoint: Endpoint, buffer: bytearray) -> int:
        return self.waiter.receive_into(endpoint, buffer, [(endpoint, READABLE)], self.host.now + PATIENCE)


@contextlib.contextmanager
def staged(*, vnet: bool) -> Iterator[Stage]:
    """A Stage that is taken down in any case."""
    found = Stage(vnet=vnet)
    with contextlib.closing(found.waiter), contextlib.closing(found.ours), contextlib.closing(found.far):
        yield found
        found.loop.close()


def send(stage: Stage, endpoint: Endpoint, text: bytes, change: Callable[[bytes], bytes] = bytes) -> None:
    """Puts the frames of `text` before the host, which has not looked yet."""
    assert endpoint.send(text) == len(text)
    frames = stage.frames()
    assert frames
    for frame in frames:
        stage.far.send(change(frame))
