"""WSPSend and WSPRecv of one buffer of bytes on a connection, without a step in Python."""

from collections.abc import Callable
from typing import Any

_Entry = Callable[[int, Any, int, Any, Any, Any, Any, Any, Any], int]
_Finish = Callable[[Any, Any, int, Any], int]

def make_send(
    live: dict[int, Any], number: type[Any], integer: type[Any], codes: dict[int, int], finish: _Finish, general: _Entry
) -> _Entry:
    """Returns the entry WSPSend over the sockets in `live` (SocketHandles by descriptor).

    number, integer: the ctypes types of lpNumberOfBytesSent and of lpErrno, 32 bits each. codes: of statuses that say
    all (WOULD_BLOCK of a non-blocking socket, a reset ...). finish: called with (socket, buffer, status, lpErrno) after
    an attempt that failed with another status; returns the count, or -1 when it has stored a code. general: the whole
    entry, for arguments of any other kind than one bytes, bytearray or memoryview without flags and overlapped
    structure.
    """

def make_receive(
    live: dict[int, Any], number: type[Any], integer: type[Any], codes: dict[int, int], finish: _Finish, general: _Entry
) -> _Entry:
    """Returns the entry WSPRecv in the same way."""
