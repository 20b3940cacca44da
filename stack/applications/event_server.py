"""A server of many connections in one thread: sockets that never block, and one WSPSelect for all of them.

With nothing to do the thread waits inside WSPSelect, where it drives the device itself, so that between a frame and
the program there is no other thread.
"""

import ctypes
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, Self

from stack.applications.membership import Membership
from stack.applications.stream import EntryFailed, StreamSocket
from stack.wsp import constants
from stack.wsp.structures import timeval

LOG = logging.getLogger("wspstack.applications")

# What a service wants of a connection next; END closes it, and what was sent is delivered in the background (SND-10).
END: Final = 0
READ: Final = 1
WRITE: Final = 2

# ACPT-7 and the codes of a peer that gave up while it waited: the listener goes on. LISTEN-25: so it does without
# free descriptors, after a breath.
_PASSING: Final = frozenset({constants.WSAECONNRESET, constants.WSAECONNABORTED})
_SCARCITY: Final = frozenset({constants.WSAEMFILE, constants.WSAENOBUFS})
_BREATH: Final = 50  # ms


class Service(Protocol):
    """What is done with the connections of one port; `readable` and `writable` transfer what they can and never wait.

    interest: what it wants of a connection that was just accepted. nodelay: TCP_NODELAY of its connections.
    """

    interest: int
    nodelay: bool

    def readable(self, handle: int) -> int:
        """Called when receiving would not wait; returns what it wants next: READ, WRITE or END."""

    def writable(self, handle: int) -> int:
        """Called when sending would not wait; returns the same."""

    def forget(self, handle: int) -> None:
        """The connection is over."""


class EventServer:
    """Serves the connections to several ports, each as its Service says, in one thread.

    services: by port (host order). address: local address, dotted. backlog: as WSPListen takes it.
    connections: how many are served at the same time; further ones wait in the backlog.
    on_failure: called, on the server's thread, with what ended the serving when `stop` did not.
    """

    def __init__(
        self,
        provider: Any,
        services: Mapping[int, Service],
        *,
        address: str = "0.0.0.0",
        backlog: int = constants.SOMAXCONN,
        connections: int = 1024,
        on_failure: Callable[[EntryFailed], None] | None = None,
    ) -> None:
        self._provider = provider
        self._services = dict(services)
        self._address = address
        self._backlog = backlog
        self._most = connections
        self._on_failure = on_failure
        self._listeners: dict[int, Service] = {}
        self._live: dict[int, Service] = {}
        self._reading = Membership()
        self._writing = Membership()
        self._bell = StreamSocket(provider, constants.INVALID_SOCKET)
        self._bell_handle = self._bell.handle
        self._error = ctypes.c_int()
        self._resting = False
        self._end: float | None = None
        self._thread = threading.Thread(target=self._run, name="event-server", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def connections(self) -> int:
        """Connections being served now."""
        return len(self._live)

    def listen(self) -> None:
        """Listens at every port. Raises EntryFailed when it cannot; no descriptor is left then."""
        try:
            # Never connected, it is never ready: but a member that is closed ends the wait (SEL-12).
            self._bell = StreamSocket.create(self._provider)
            self._bell_handle = self._bell.handle
            self._reading.add(self._bell_handle)
            for port, service in self._services.items():
                listener = StreamSocket.listening(self._provider, port, address=self._address, backlog=self._backlog)
                self._listeners[listener.handle] = service
                self._reading.add(listener.handle)
                listener.set_nonblocking()  # what it accepts is non-blocking too (ACPT-17)
                if service.nodelay:
                    listener.send_without_delay()  # and has its options (ACPT-16)
        except BaseException:
            self.close()
            raise

    def start(self) -> None:
        """Listens, then serves in the background. Raises EntryFailed when it cannot listen."""
        self.listen()
        self._thread.start()

    def stop(self, grace: float = 0.0) -> None:
        """Ends listening, gives connections `grace` seconds to end, closes the rest and waits for the thread."""
        self._end = time.monotonic() + grace
        self._bell.close()
        if self._thread.is_alive():
            self._thread.join()

    def close(self) -> None:
        """Closes every socket of the server; for the thread that makes its turns."""
        self._stop_listening()
        for handle in list(self._live):
            self._reading.discard(handle)
            self._writing.discard(handle)
            self._go_on(handle, END)
        self._reading.discard(self._bell_handle)
        self._bell.close()

    def turn(self, milliseconds: int | None = None) -> None:
        """Waits until a connection or listener has something, at most so long, and does what there is to do.

        Raises EntryFailed when WSPSelect or WSPAccept fails.
        """
        reading, writing = self._reading, self._writing
        limit = None
        if self._resting:
            milliseconds = _BREATH if milliseconds is None else min(_BREATH, milliseconds)
        if milliseconds is not None:
            limit = timeval(milliseconds // 1000, milliseconds % 1000 * 1000)
        count = self._provider.WSPSelect(0, reading.asked(), writing.asked(), None, limit, self._error)
        if self._resting:
            self._rest(False)
        if count < 0:
            raise EntryFailed("WSPSelect", self._error.value)
        live = self._live
        # both lists before anything is done, which may change the sets
        received, sendable = reading.ready(), writing.ready()
        for handle in received:
            service = live.get(handle)
            if service is None:
                self._accept(handle)
                continue
            try:
                wanted = service.readable(handle)
            except Exception:
                wanted = _blame(service)
            if wanted != READ:
                reading.discard(handle)
                self._go_on(handle, wanted)
        for handle in sendable:
            service = live.get(handle)
            if service is None:
                continue
            try:
                wanted = service.writable(handle)
            except Exception:
                wanted = _blame(service)
            if wanted != WRITE:
                writing.discard(handle)
                self._go_on(handle, wanted)

    def _go_on(self, handle: int, wanted: int) -> None:
        """Does as the service wants with a connection that has left its set."""
        if wanted == READ:
            self._reading.add(handle)
        elif wanted == WRITE:
            self._writing.add(handle)
        else:
            service = self._live.pop(handle)
            try:
                service.forget(handle)
            except Exception:
                _blame(service)
            self._provider.WSPCloseSocket(handle, self._error)

    def _accept(self, listener: int) -> None:
        """Takes all the connections that wait."""
        service = self._listeners.get(listener)
        if service is None:
            return  # the bell
        accept, error, live = self._provider.WSPAccept, self._error, self._live
        interested = self._reading if service.interest == READ else self._writing
        while len(live) < self._most:
            handle = accept(listener, None, None, None, 0, error)
            if handle != constants.INVALID_SOCKET:
                live[handle] = service
                interested.add(handle)
            elif error.value == constants.WSAEWOULDBLOCK:
                return
            elif error.value in _SCARCITY:
                break
            elif error.value not in _PASSING:
                raise EntryFailed("WSPAccept", error.value)
        self._rest(True)

    def _rest(self, resting: bool) -> None:
        """Leaves new connections in the backlog for a breath, or until one has ended: there is no room for them."""
        self._resting = resting
        for listener in self._listeners:
            if resting:
                self._reading.discard(listener)
            else:
                self._reading.add(listener)

    def _stop_listening(self) -> None:
        for listener in self._listeners:
            self._reading.discard(listener)
            self._provider.WSPCloseSocket(listener, self._error)
        self._listeners.clear()

    def _run(self) -> None:
        try:
            while self._end is None:
                self.turn()
        except EntryFailed as failure:
            # a bell that is closed before WSPSelect is called is no socket to it
            if self._end is None:
                LOG.error("no more connections: %s", failure)
                if self._on_failure is not None:
                    self._on_failure(failure)
        try:
            self._finish()
        except EntryFailed as failure:
            LOG.info("ended: %s", failure)
        finally:
            self.close()

    def _finish(self) -> None:
        """Goes on for the grace of `stop` with the connections there are."""
        self._stop_listening()
        self._reading.discard(self._bell_handle)
        while self._live and self._end is not None and (left := self._end - time.monotonic()) > 0:
            self.turn(math.ceil(left * 1000))


def _blame(service: Service) -> int:
    """Reports the exception that a service has raised; the connection is over."""
    LOG.exception("%s: connection ended by a fault of the server", type(service).__name__)
    return END
