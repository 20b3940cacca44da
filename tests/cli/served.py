"""An EventServer and its clients on two hosts under virtual time, in one thread."""

import contextlib
import socket
from collections.abc import Callable, Iterator

from stack.applications.event_server import EventServer, Service
from stack.applications.stream import StreamSocket
from stack.assembly import Stack
from stack.config import StackConfig
from tests.cli.conversation import CLIENT, SERVER, Conversation, Reader

SERVED = 7
STEP = 10  # virtual milliseconds


class Served:
    """A server of one service; its turns let virtual time pass.

    make: makes the service of a provider. connections: as for EventServer. faults: as for Conversation.
    """

    def __init__(self, make: Callable[[object], Service], *, connections: int = 1024, **faults: int) -> None:
        self.conversation = Conversation(**faults)
        self.service = make(self.conversation.server)
        self.server = EventServer(self.conversation.server, {SERVED: self.service}, connections=connections)
        self.server.listen()

    def connect(self) -> StreamSocket:
        """A client's connection."""
        return StreamSocket.connected(self.conversation.client, SERVER, SERVED)

    def reader(self, client: StreamSocket) -> Reader:
        """Reads from now on what comes for `client`."""
        return Reader(self.conversation, client)

    def serve_until(self, condition: Callable[[], object]) -> None:
        """Makes turns until `condition` holds."""
        for _ in range(10_000):
            if condition():
                return
            self.server.turn(STEP)
        raise AssertionError("100 virtual seconds were not enough")

    def serve_for(self, turns: int) -> None:
        """Makes so many turns."""
        for _ in range(turns):
            self.server.turn(STEP)

    def hold(self, said: bytes) -> bytes:
        """Connects, sends `said` and FIN; returns all that comes back."""
        client = self.connect()
        if said:
            client.send(said)
        client.shutdown_send()
        reader = self.reader(client)
        self.serve_until(lambda: reader.ended)
        return bytes(reader.received)


@contextlib.contextmanager
def two_stacks() -> Iterator[tuple[Stack, Stack]]:
    """Gives two running stacks, server and client, on a pair of packet sockets."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with contextlib.ExitStack() as undo:
        for end in ends:
            undo.enter_context(end)
            end.setblocking(False)
        server, client = (
            undo.enter_context(Stack(StackConfig(address=address), descriptor=end.fileno()))
            for address, end in zip((SERVER, CLIENT), ends, strict=True)
        )
        yield server, client
