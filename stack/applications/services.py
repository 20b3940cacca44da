"""The classic services: echo (RFC 862, port 7), discard (RFC 863, port 9), character generator (RFC 864, port 19).

Each is a Service of an EventServer: it transfers what there is at the moment, a bounded share, and never waits. One
buffer does for all the connections of a service.
"""

import logging
from collections.abc import Callable
from ctypes import c_int, c_uint32
from typing import Any, Final

from stack.applications.event_server import END, READ, WRITE
from stack.wsp.constants import WSAENOBUFS, WSAEWOULDBLOCK
from stack.wsp.errors import error_name

LOG = logging.getLogger("wspstack.applications")

ECHO_PORT = 7
DISCARD_PORT = 9
SOURCE_PORT = 19

# What one connection may have of a turn.
ECHO_BUFFER = 256 << 10
DISCARD_BUFFER = 1_000_000  # no whole pages: a copy whose ends lie badly in theirs (storage.copy) would stay so
# One piece again and again stays in the caches. Of a long send most has been acknowledged before the call returns,
# and was never copied. What a peer that stops reading leaves behind is no more than a few times what it has taken.
SOURCE_PIECE = 256 << 10
SOURCE_SENDS = (1, 2, 4, 8, 16)  # pieces in one send

LINE = 72  # RFC 864: lines of 72 characters out of the ring of the printable ones
_FIRST, _LAST = 0x20, 0x7E


def character_pattern(size: int) -> bytes:
    """Returns the first `size` bytes, rounded down to whole turns, of the pattern RFC 864 suggests.

    Every turn of the ring ends where the next begins, so pieces of this length sent one after another are one pattern.
    """
    ring = bytes(range(_FIRST, _LAST + 1))
    twice = ring + ring
    turn = b"".join(twice[start : start + LINE] + b"\r\n" for start in range(len(ring)))
    return turn * max(1, size // len(turn))


class _Transfer:
    """What the services share: the entries they use, and the places where those leave their results."""

    name = ""

    def __init__(self, provider: Any) -> None:
        self._send = provider.WSPSend
        self._receive = provider.WSPRecv
        self._count = c_uint32()
        self._flags = c_uint32()
        self._error = c_int()

    def forget(self, handle: int) -> None:
        """The connection is over."""

    def _failed(self, entry: str, interest: int) -> int:
        """Returns `interest` when an entry would have had to wait, END when the connection is over, and says why."""
        code = self._error.value
        if code == WSAEWOULDBLOCK:
            return interest
        # scarcity is the owner's business, what a peer did is not
        level = logging.WARNING if code == WSAENOBUFS else logging.INFO
        if LOG.isEnabledFor(level):
            LOG.log(level, "%s: connection ended: %s: %s", self.name, entry, error_name(code))
        return END


class Echo(_Transfer):
    """Sends back what it receives, in order, until the peer has ended its stream."""

    name = "echo"
    interest = READ
    nodelay = True

    def __init__(self, provider: Any) -> None:
        super().__init__(provider)
        self._buffer = memoryview(bytearray(ECHO_BUFFER))
        self._unsent: dict[int, bytes] = {}

    def readable(self, handle: int) -> int:
        """Receives and sends once. Nothing more is received while what came before cannot be sent."""
        count = self._count
        if self._receive(handle, self._buffer, 1, count, self._flags, None, None, None, self._error):
            return self._failed("WSPRecv", READ)
        size = count.value
        if not size:
            return END
        text = self._buffer[:size]
        if self._send(handle, text, 1, count, 0, None, None, None, self._error):
            wanted = self._failed("WSPSend", WRITE)
            if wanted:
                self._unsent[handle] = bytes(text)
            return wanted
        return READ

    def writable(self, handle: int) -> int:
        """Sends what had to wait."""
        if self._send(handle, self._unsent[handle], 1, self._count, 0, None, None, None, self._error):
            return self._failed("WSPSend", WRITE)
        del self._unsent[handle]
        return READ

    def forget(self, handle: int) -> None:
        """Drops what could not be sent."""
        self._unsent.pop(handle, None)


class Discard(_Transfer):
    """Receives until the peer has ended its stream."""

    name = "discard"
    interest = READ
    nodelay = False

    def __init__(self, provider: Any) -> None:
        super().__init__(provider)
        self._buffer = bytearray(DISCARD_BUFFER)

    def readable(self, handle: int) -> int:
        """Receives once."""
        if self._receive(handle, self._buffer, 1, self._count, self._flags, None, None, None, self._error):
            return self._failed("WSPRecv", READ)
        return READ if self._count.value else END

    def writable(self, handle: int) -> int:
        """Never asked for."""
        return READ


class Source(_Transfer):
    """Sends the pattern as fast as the peer takes it, until the peer is gone."""

    name = "source"
    interest = WRITE
    nodelay = False

    def __init__(self, provider: Any) -> None:
        super().__init__(provider)
        piece = character_pattern(SOURCE_PIECE)
        self._texts = [[piece] * count for count in SOURCE_SENDS]
        self._sent: dict[int, int] = {}

    def readable(self, handle: int) -> int:
        """Never asked for."""
        return WRITE

    def writable(self, handle: int) -> int:
        """Sends once; there is room for at least some of it, and then all of it is taken (SEND-2)."""
        sent = self._sent.get(handle, 0)
        text = self._texts[sent]
        if self._send(handle, text, len(text), self._count, 0, None, None, None, self._error):
            return self._failed("WSPSend", WRITE)
        if sent < len(SOURCE_SENDS) - 1:
            self._sent[handle] = sent + 1
        return WRITE

    def forget(self, handle: int) -> None:
        """The connection is over."""
        self._sent.pop(handle, None)


SERVICES: Final[dict[int, Callable[[Any], Echo | Discard | Source]]] = {
    ECHO_PORT: Echo,
    DISCARD_PORT: Discard,
    SOURCE_PORT: Source,
}
