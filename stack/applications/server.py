"""A listener whose connections are served by one thread each.

For programs whose work on a connection blocks by itself, as reading a disk does, or would have to be cut into steps;
`event_server` serves the others. The provider's blocking calls release the GIL while they wait and while they copy.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

from stack.applications.stream import EntryFailed, StreamSocket
from stack.wsp import constants

LOG = logging.getLogger("wspstack.applications")

# ACPT-7 and the codes of a peer that gave up while it waited: the listener goes on. LISTEN-25: so it does without
# free descriptors, after a breath.
_PASSING = {constants.WSAECONNRESET, constants.WSAECONNABORTED}
_SCARCITY = {constants.WSAEMFILE, constants.WSAENOBUFS}
_BREATH = 0.05  # seconds


class Server:
    """Serves each connection to `port` by `serve(connection)` on a thread of its own.

    serve closes the connection or leaves that to the server; an EntryFailed it raises ends that connection only.
    address: local address, dotted. backlog: as WSPListen takes it.
    connections: how many are served at the same time; further ones wait in the backlog.
    on_failure: called, on a thread of the server's, with what ended the accepting when `stop` did not.
    """

    def __init__(
        self,
        provider: Any,
        port: int,
        serve: Callable[[StreamSocket], None],
        *,
        name: str,
        address: str = "0.0.0.0",
        backlog: int = constants.SOMAXCONN,
        connections: int = 1024,
        on_failure: Callable[[EntryFailed], None] | None = None,
    ) -> None:
        self.port = port
        self.name = name
        self._provider = provider
        self._serve = serve
        self._address = address
        self._backlog = backlog
        self._on_failure = on_failure
        self._room = threading.Semaphore(connections)
        self._workers = ThreadPoolExecutor(connections, thread_name_prefix=name)
        self._live: set[StreamSocket] = set()
        self._changed = threading.Condition()
        self._stopping = False
        self._listener: StreamSocket | None = None
        self._acceptor = threading.Thread(target=self._accept, name=f"{name}-accept", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def connections(self) -> int:
        """Connections being served now."""
        return len(self._live)

    def start(self) -> None:
        """Listens, then accepts in the background. Raises EntryFailed when it cannot listen."""
        self._listener = StreamSocket.listening(self._provider, self.port, address=self._address, backlog=self._backlog)
        self._acceptor.start()

    def stop(self, grace: float = 0.0) -> None:
        """Ends listening, gives connections `grace` seconds to end, closes the rest and waits for their threads."""
        with self._changed:
            self._stopping = True
        if self._listener is not None:
            self._listener.close()
            self._room.release()  # the acceptor may wait for room instead of a connection
            self._acceptor.join()
        with self._changed:
            self._changed.wait_for(lambda: not self._live, grace)
            rest = list(self._live)
        for connection in rest:
            connection.close()
        self._workers.shutdown()

    def _accept(self) -> None:
        assert self._listener is not None
        pause = threading.Event()
        while not self._stopping:
            self._room.acquire()
            try:
                connection = self._listener.accept()
            except EntryFailed as failure:
                self._room.release()
                if failure.code in _SCARCITY:
                    pause.wait(_BREATH)
                elif failure.code not in _PASSING:
                    if not self._stopping:
                        LOG.error("%s: no more connections: %s", self.name, failure)
                        if self._on_failure is not None:
                            self._on_failure(failure)
                    return
                continue
            with self._changed:
                self._live.add(connection)
            try:
                self._workers.submit(self._attend, connection)
            except RuntimeError:  # the machine gives no further thread
                LOG.error("%s: no thread for a connection", self.name)
                self._forget(connection)

    def _attend(self, connection: StreamSocket) -> None:
        try:
            self._serve(connection)
        except EntryFailed as failure:
            # scarcity is the owner's business, what a peer did is not
            level = logging.WARNING if failure.code in _SCARCITY else logging.INFO
            LOG.log(level, "%s: connection ended: %s", self.name, failure)
        except Exception:
            LOG.exception("%s: connection ended by a fault of the server", self.name)
        finally:
            self._forget(connection)

    def _forget(self, connection: StreamSocket) -> None:
        connection.close()
        with self._changed:
            self._live.discard(connection)
            self._changed.notify_all()
        self._room.release()
