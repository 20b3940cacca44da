"""A client and a server program on two hosts under virtual time, in one thread.

The server's blocking calls let virtual time pass; what the client does meanwhile is scheduled.
"""

import ctypes
from collections.abc import Callable
from typing import Any

from netcore.impair import Impairment
from stack.applications.stream import EntryFailed, StreamSocket
from stack.assembly import make_engine
from stack.config import StackConfig
from stack.driving import PairDriver, PairSide
from stack.wsp import constants
from stack.wsp.provider import Provider
from stack.wsp.structures import WSPDATA, WSPPROC_TABLE

MILLISECOND = 1_000_000
SECOND = 1_000 * MILLISECOND
SERVER, CLIENT = "10.77.0.2", "10.77.0.1"
PORT = 80


class Host:
    """One side: the entries of a provider that was started; `provider` keeps them alive."""

    def __init__(self, side: PairSide, config: StackConfig) -> None:
        self.provider = Provider(side, config)
        self.entries = WSPPROC_TABLE()
        assert self.provider.WSPStartup(0x0202, WSPDATA(), None, None, self.entries) == 0


class Conversation:
    """Two hosts; `server` and `client` are their entries. loss, reorder: parts per million, each way."""

    def __init__(self, **faults: int) -> None:
        forward, backward = (Impairment(seed=seed, **faults) if faults else None for seed in (1, 2))
        configs = [StackConfig(address=address, seed=address.encode() * 2) for address in (SERVER, CLIENT)]
        self.pair = PairDriver(*map(make_engine, configs), forward=forward, backward=backward)
        self._hosts = [Host(self.pair.left, configs[0]), Host(self.pair.right, configs[1])]
        self.provider = self._hosts[0].provider
        self.server, self.client = (host.entries for host in self._hosts)
        self.listener = StreamSocket.listening(self.server, PORT)

    def hold(self, program: Callable[[StreamSocket], None], said: bytes) -> bytes:
        """Connects, sends `said` and FIN, lets `program` serve the connection; returns what the client received."""
        client = StreamSocket.connected(self.client, SERVER, PORT)
        if said:
            client.send(said)
        client.shutdown_send()
        return self.serve(program, client)

    def serve(self, program: Callable[[StreamSocket], None], client: StreamSocket) -> bytes:
        """Lets `program` serve the oldest connection while `client` reads to the end; returns what it read."""
        reader = Reader(self, client)
        connection = self.listener.accept()
        try:
            program(connection)
        finally:
            connection.close()
        reader.wait()
        return bytes(reader.received)


class Reader:
    """Reads what comes for `client`, each millisecond of virtual time, until the end of the stream or a failure."""

    def __init__(self, conversation: Conversation, client: StreamSocket) -> None:
        self.received = bytearray()
        self.failure: EntryFailed | None = None
        self._conversation = conversation
        self._client = client
        self.ended = False
        self._buffer = bytearray(1 << 20)
        set_nonblocking(conversation.client, client)
        conversation.pair.after(0, self._read)

    def wait(self) -> None:
        """Lets virtual time pass until the end of the stream."""
        for _ in range(10_000):
            if self.ended:
                return
            self._conversation.pair.run(100 * MILLISECOND)
        raise AssertionError(f"no end of the stream after {len(self.received)} bytes")

    def _read(self) -> None:
        try:
            while count := self._client.receive_into(self._buffer):
                self.received += self._buffer[:count]
        except EntryFailed as failure:
            if failure.code == constants.WSAEWOULDBLOCK:
                self._conversation.pair.after(MILLISECOND, self._read)
                return
            self.failure = failure
        self.ended = True
        self._client.close()


def set_nonblocking(entries: Any, connection: StreamSocket) -> None:
    """FIONBIO with 1."""
    error, on, returned = ctypes.c_int(), ctypes.c_uint32(1), ctypes.c_uint32()
    result = entries.WSPIoctl(connection.handle, constants.FIONBIO, on, 4, None, 0, returned, None, None, None, error)
    assert result == 0, error.value
