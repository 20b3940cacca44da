"""A stack to be observed: an engine driven by hand, with peers that do what the test says."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

from stack.config import StackConfig
from stack.observation.control import ControlSocket
from tests.tcp.scripted_peer import OUR_ADDRESS, Host, Peer

SECONDS = 20.0  # for an answer; far above what one takes


class HandStack:
    """What observation needs of a stack, over a Host of the TCP tests."""

    def __init__(self) -> None:
        self.host = Host(connection_statistics=1)
        self.engine = self.host.engine
        self.config = StackConfig(address=OUR_ADDRESS)

    def counters(self) -> dict[str, int]:
        return self.engine.counters()

    def listener_with_one_waiting(self) -> None:
        """Port 81: one half-open, one finished, room for 7."""
        self.host.listen(port=81, backlog=7)
        half_open = Peer(self.host, our_port=81, port=1)
        half_open.send("S")
        half_open.take()
        waiting = Peer(self.host, our_port=81, port=2)
        waiting.send("S")
        waiting.take()
        waiting.send("A")

    def connection(self, port: int, text: bytes = b"x" * 3000) -> None:
        """Port 80 and this port of the peer: `text` is outstanding, 33 bytes wait for the program."""
        peer = Peer(self.host, port=port, timestamps=True, sack=True, scale=7)
        endpoint = peer.open_passively()
        endpoint.send(text)
        peer.take()
        peer.send("A", ack=1, text=b"y" * 33)
        peer.take()

    def time_wait(self, port: int) -> None:
        """A connection that we closed first."""
        peer = Peer(self.host, port=port)
        endpoint = peer.open_passively()
        endpoint.close()
        peer.take()
        peer.send("FA")
        peer.take()


@contextlib.contextmanager
def answering(path: Path | None = None) -> Iterator[tuple[HandStack, ControlSocket]]:
    """A stack with a listener, two connections and a TIME-WAIT record, and its control socket."""
    stack = HandStack()
    stack.connection(1000)
    stack.connection(1001, b"")
    stack.time_wait(1002)
    stack.listener_with_one_waiting()
    with ControlSocket(stack, path) as control:
        yield stack, control


def exchange(path: Path | None, octets: bytes, *, shut: bool = False) -> bytes:
    """Sends octets to a control socket and returns all that it says."""
    answer = b""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(SECONDS)
        client.connect(str(path))
        # it may have heard enough before it has heard all
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(octets)
            if shut:
                client.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while piece := client.recv(1 << 16):
                answer += piece
    return answer
