"""WSPSend and WSPRecv, not overlapped (wsp.md sections 5.16 and 5.20).

Their common case (one buffer, taken or filled at once) is compiled: everything a program sends and receives passes
`netcore.transfer`. All else goes through `_finish_send` and `_finish_receive`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from netcore import transfer
from netcore.endpoint import (
    ABORTED,
    FAILED,
    GONE,
    HANDLE_CLOSED,
    NET_RESET,
    NOT_CONNECTED,
    PEER_CLOSED,
    RESET,
    SEND_URGENT,
    URGENT,
    WOULD_BLOCK,
    Endpoint,
)
from stack.wsp import arguments
from stack.wsp.buffers import gather
from stack.wsp.constants import (
    MSG_DONTROUTE,
    MSG_OOB,
    MSG_PARTIAL,
    MSG_PEEK,
    MSG_WAITALL,
    SOCKET_ERROR,
    WSAEINVAL,
    WSAENETRESET,
    WSAENOTCONN,
    WSAENOTSOCK,
    WSAEOPNOTSUPP,
    WSAEWOULDBLOCK,
)
from stack.wsp.errors import STATUS_CODES, EntryFailure, fail_with_status
from stack.wsp.structures import DWORD, INT
from stack.wsp.waiting import complete

if TYPE_CHECKING:
    from stack.wsp.provider import Provider
    from stack.wsp.sockets import Socket

Entry = Callable[[int, Any, int, Any, Any, Any, Any, Any, Any], int]

# Statuses of which there is nothing more to find out.
_FINAL_CODES: Final = {status: STATUS_CODES[status] for status in (WOULD_BLOCK, RESET, ABORTED)}


def make_send(provider: "Provider") -> Entry:
    """Returns the entry WSPSend of `provider`."""

    def finish(socket: "Socket", buffer: Any, status: int, lpErrno: Any) -> int:
        try:
            return _finish_send(provider, socket, buffer, status)
        except EntryFailure as failure:
            return _store(lpErrno, failure.code)

    def general(
        s: int,
        lpBuffers: Any,
        dwBufferCount: int,
        lpNumberOfBytesSent: Any,
        dwFlags: int,
        lpOverlapped: Any,
        lpCompletionRoutine: Any,
        lpThreadId: Any,
        lpErrno: Any,
    ) -> int:
        try:
            socket = provider.socket(s)
            if lpOverlapped is not None:
                raise EntryFailure(WSAEOPNOTSUPP)
            count = arguments.number(lpNumberOfBytesSent)
            buffers = [] if lpBuffers is None else gather(lpBuffers, dwBufferCount)
            if not socket.stream or dwFlags & ~(
                MSG_OOB | MSG_PARTIAL | MSG_DONTROUTE
            ):  # SEND-9: the last two are ignored
                raise EntryFailure(WSAEOPNOTSUPP)
            endpoint = socket.endpoint
            mode = SEND_URGENT if dwFlags & MSG_OOB else 0
            sent = NOT_CONNECTED if endpoint is None else endpoint.send(buffers, mode)
            count.value = sent if sent >= 0 else _finish_send(provider, socket, buffers, sent, mode)
            return 0
        except EntryFailure as failure:
            return _store(lpErrno, failure.code)

    return transfer.make_send(provider.descriptors.live, DWORD, INT, _FINAL_CODES, finish, general)


def _store(lpErrno: Any, code: int) -> int:
    arguments.store_error(lpErrno, code)
    return SOCKET_ERROR


def _finish_send(provider: "Provider", socket: "Socket", buffers: Any, status: int, mode: int = 0) -> int:
    """Returns the count of a send whose first attempt gave a negative `status`, or raises EntryFailure."""
    endpoint = _connection(provider, socket, status)
    if status == NOT_CONNECTED:
        status = endpoint.send(buffers, mode)  # the handshake was finished in between
    if status >= 0:
        return status
    if status != WOULD_BLOCK:
        fail_with_status(status)
    if socket.nonblocking:
        raise EntryFailure(WSAEWOULDBLOCK)

    def attempt() -> int | None:
        sent = endpoint.send(buffers, mode)
        if sent >= 0:
            return sent
        if sent != WOULD_BLOCK:
            _fail_after_wait(socket, sent)
        return None

    return complete(provider, socket, attempt, socket.send_watches, socket.options.send_timeout)


def make_receive(provider: "Provider") -> Entry:
    """Returns the entry WSPRecv of `provider`."""

    def finish(socket: "Socket", buffer: Any, status: int, lpErrno: Any) -> int:
        try:
            return _finish_receive(provider, socket, buffer, status, False)
        except EntryFailure as failure:
            return _store(lpErrno, failure.code)

    def general(
        s: int,
        lpBuffers: Any,
        dwBufferCount: int,
        lpNumberOfBytesRecvd: Any,
        lpFlags: Any,
        lpOverlapped: Any,
        lpCompletionRoutine: Any,
        lpThreadId: Any,
        lpErrno: Any,
    ) -> int:
        try:
            socket = provider.socket(s)
            if lpOverlapped is not None:
                raise EntryFailure(WSAEOPNOTSUPP)
            count = arguments.number(lpNumberOfBytesRecvd)  # RECV-6
            flags = 0 if lpFlags is None else arguments.number(lpFlags).value
            count.value = _receive(provider, socket, lpBuffers, dwBufferCount, flags)
            return 0
        except EntryFailure as failure:
            return _store(lpErrno, failure.code)

    return transfer.make_receive(provider.descriptors.live, DWORD, INT, _FINAL_CODES, finish, general)


def _receive(provider: "Provider", socket: "Socket", lpBuffers: Any, count: int, flags: int) -> int:
    """WSPRecv in its general form. Raises EntryFailure."""
    if count <= 0:
        raise EntryFailure(WSAEINVAL)  # RECV-7
    buffers = gather(lpBuffers, count, writable=True)
    if not socket.stream or flags & ~(MSG_OOB | MSG_PEEK | MSG_WAITALL | MSG_PARTIAL):
        raise EntryFailure(WSAEOPNOTSUPP)
    if flags & MSG_WAITALL and (socket.nonblocking or flags & (MSG_OOB | MSG_PEEK | MSG_PARTIAL)):
        raise EntryFailure(WSAEOPNOTSUPP)  # RECV-22
    if flags & MSG_OOB:
        return _receive_urgent(provider, socket, buffers, bool(flags & MSG_PEEK))
    endpoint = socket.endpoint
    peek = bool(flags & MSG_PEEK)
    received = NOT_CONNECTED if endpoint is None else endpoint.receive_into(buffers, peek)
    if received < 0:
        received = _finish_receive(provider, socket, buffers, received, peek)
    if flags & MSG_WAITALL and received:
        received = _receive_rest(provider, socket, buffers, received)
    return received


def _finish_receive(provider: "Provider", socket: "Socket", buffers: Any, status: int, peek: bool) -> int:
    """Returns the count of a receive whose first attempt gave a negative `status`, or raises EntryFailure."""
    endpoint = _connection(provider, socket, status)
    if status == NOT_CONNECTED:
        status = endpoint.receive_into(buffers, peek)
    if status >= 0:
        return status
    if status != WOULD_BLOCK:
        fail_with_status(status)
    if socket.nonblocking:
        raise EntryFailure(WSAEWOULDBLOCK)

    def attempt() -> int | None:
        received = endpoint.receive_into(buffers, peek)
        if received >= 0:
            return received
        if received != WOULD_BLOCK:
            _fail_after_wait(socket, received)
        return None

    # RECV-15: the option has no effect on a socket that is not overlapped.
    timeout = socket.options.receive_timeout if socket.overlapped else 0
    landing = None if peek or isinstance(buffers, list) else (endpoint, buffers)
    return complete(provider, socket, attempt, socket.receive_watches, timeout, landing)


def _receive_urgent(provider: "Provider", socket: "Socket", buffers: Any, peek: bool) -> int:
    """MSG_OOB: one urgent byte out of line (RECV-21, 24, 25)."""
    if socket.options.out_of_band_inline:
        raise EntryFailure(WSAEINVAL)
    whole = [memoryview(each).cast("B") for each in (buffers if isinstance(buffers, list) else [buffers])]
    place = next((view for view in whole if view.nbytes), memoryview(bytearray()))
    endpoint = _connection(provider, socket, NOT_CONNECTED)
    status = endpoint.receive_urgent(place, peek)
    if status >= 0:
        return status
    if status != WOULD_BLOCK:
        fail_with_status(status)
    if socket.nonblocking:
        raise EntryFailure(WSAEWOULDBLOCK)

    def attempt() -> int | None:
        received = endpoint.receive_urgent(place, peek)
        if received >= 0:
            return received
        if received != WOULD_BLOCK:
            _fail_after_wait(socket, received)
        return None

    timeout = socket.options.receive_timeout if socket.overlapped else 0
    return complete(provider, socket, attempt, ((endpoint, URGENT | PEER_CLOSED | FAILED | GONE),), timeout)


def _receive_rest(provider: "Provider", socket: "Socket", buffers: Any, received: int) -> int:
    """Goes on after the first `received` bytes until all buffers are full, or the connection ends (RECV-20)."""
    whole = [memoryview(each).cast("B") for each in (buffers if isinstance(buffers, list) else [buffers])]
    total = sum(view.nbytes for view in whole)
    while received < total:
        skip, rest = received, []
        for view in whole:
            if skip < view.nbytes:
                rest.append(view[skip:])
            skip = max(0, skip - view.nbytes)
        try:
            more = _finish_receive(provider, socket, rest, WOULD_BLOCK, False)
        except EntryFailure:
            return received  # what is there; a terminal code comes again with the next receive (GEN-12)
        if not more:
            return received
        received += more
    return received


def _connection(provider: "Provider", socket: "Socket", status: int) -> Endpoint:
    """Returns the connection of a socket in a state that may transfer. Raises EntryFailure WSAENOTCONN, WSAENOTSOCK."""
    if socket.attempt is not None:
        with provider.lock:
            socket.settle()
    if status == HANDLE_CLOSED or socket.closed:
        raise EntryFailure(WSAENOTSOCK)
    endpoint = socket.endpoint
    if endpoint is None or socket.attempt is not None:
        raise EntryFailure(WSAENOTCONN)
    return endpoint


def _fail_after_wait(socket: "Socket", status: int) -> None:
    """Raises EntryFailure for what ended a wait; nothing when the socket was closed, which `complete` reports."""
    if status == NET_RESET and not socket.closed:
        raise EntryFailure(WSAENETRESET)  # GEN-11
    if status != HANDLE_CLOSED and not socket.closed:
        fail_with_status(status)
