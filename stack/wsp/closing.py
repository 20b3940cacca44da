"""WSPShutdown and WSPCloseSocket (wsp.md sections 5.23 and 5.5)."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from netcore.endpoint import FAILED, OK, SENT, Endpoint
from stack.wsp import arguments
from stack.wsp.constants import (
    SD_BOTH,
    SD_RECEIVE,
    SD_SEND,
    SOCKET_ERROR,
    WSAEINVAL,
    WSAENOBUFS,
    WSAENOTCONN,
    WSAENOTSOCK,
    WSAEWOULDBLOCK,
)
from stack.wsp.errors import EntryFailure
from stack.wsp.waiting import MILLISECOND

if TYPE_CHECKING:
    from stack.wsp.provider import Provider
    from stack.wsp.sockets import Socket


def shutdown(provider: "Provider", socket: "Socket", how: int) -> None:
    """WSPShutdown. Raises EntryFailure WSAEINVAL (SHUT-1), WSAENOTCONN (SHUT-2)."""
    if how not in (SD_RECEIVE, SD_SEND, SD_BOTH):
        raise EntryFailure(WSAEINVAL)
    if not socket.stream:
        return
    with provider.lock:
        socket.begin()
        endpoint = socket.endpoint
        if endpoint is None or not socket.established or endpoint.status != OK:
            raise EntryFailure(WSAENOTCONN)
        if how != SD_RECEIVE:
            endpoint.shutdown_send()
            socket.send_shut = True
        if how != SD_SEND:
            endpoint.shutdown_receive()
    socket.wake()  # a call that waits in another thread finds the socket shut


def make_close(provider: "Provider") -> Callable[[int, Any], int]:
    """Returns the entry WSPCloseSocket of `provider`."""
    find = provider.descriptors.live.get

    def WSPCloseSocket(s: int, lpErrno: Any) -> int:
        """Frees the descriptor and ends the connection as the linger options say."""
        try:
            close(provider, find(s) or provider.socket(s))
            return 0
        except EntryFailure as failure:
            code = failure.code
        except MemoryError:
            code = WSAENOBUFS
        arguments.store_error(lpErrno, code)
        return SOCKET_ERROR

    return WSPCloseSocket


def close(provider: "Provider", socket: "Socket") -> None:
    """WSPCloseSocket: frees the descriptor and ends the connection as the linger matrix says (CLOSE-3).

    Raises EntryFailure WSAEWOULDBLOCK; the socket is as it was then (CLOSE-3e).
    """
    with provider.lock:
        if socket.closed:
            raise EntryFailure(WSAENOTSOCK)
        if socket.attempt is not None:
            socket.settle()
        endpoint, options = socket.endpoint, socket.options
        seconds = None
        if options.linger and endpoint is not None and socket.established and endpoint.status == OK:
            seconds = options.linger_seconds  # CLOSE-4
        if seconds and socket.nonblocking:
            if not _finishes_at_once(socket):
                raise EntryFailure(WSAEWOULDBLOCK)
            seconds = None
        detach(provider, socket)
        if endpoint is not None:
            if socket.attempt is not None or seconds == 0:
                endpoint.abort()  # CLOSE-8, CLOSE-3b
            elif seconds is None:
                endpoint.close()  # CLOSE-3a
        if socket.waits:
            socket.wake()
        if socket.binding is not None:
            _release_binding(provider, socket)
    if endpoint is not None and seconds:
        _linger(provider, endpoint, seconds)


def detach(provider: "Provider", socket: "Socket") -> None:
    """Takes the socket out of the table and ends its listening, under the lock; the connection is the caller's."""
    socket.closed = True
    provider.descriptors.remove(socket)
    if socket.listener is not None:
        socket.listener.close()
        socket.listener = None
        provider.listeners -= 1


def discard(provider: "Provider", socket: "Socket") -> None:
    """Ends a socket at the last cleanup: its connection is reset (CLEAN-2). Call under the lock."""
    detach(provider, socket)
    if socket.endpoint is not None:
        socket.endpoint.abort()
    socket.wake()
    _release_binding(provider, socket)


def _release_binding(provider: "Provider", socket: "Socket") -> None:
    # After the connection is let go: BIND-27 asks the core which ones are left.
    if socket.binding is not None:
        provider.bindings.release(socket.binding)


def _finishes_at_once(socket: "Socket") -> bool:
    """Whether a lingering close has nothing to wait for: our FIN is acknowledged (CLOSE-5), or a RST goes (CLOSE-6)."""
    endpoint = socket.endpoint
    assert endpoint is not None
    return bool(endpoint.readable_bytes) or (socket.send_shut and bool(endpoint.readiness & SENT))


def _linger(provider: "Provider", endpoint: Endpoint, seconds: int) -> None:
    """Waits at most `seconds` until FIN and all data are acknowledged, then resets what is not (CLOSE-3c, 3d, 5)."""
    driver = provider.driver
    finish = endpoint.abort
    try:
        endpoint.shutdown_receive()  # unread and later data is answered with RST, as after any close (CLOSE-6)
        endpoint.shutdown_send()
        deadline = driver.now() + seconds * 1000 * MILLISECOND
        wait = driver.waiter()
        while not endpoint.readiness & (SENT | FAILED):
            if not wait.wait(((endpoint, SENT | FAILED),), deadline):
                return
        finish = endpoint.close
    except BaseException:
        finish = endpoint.close  # interrupted: the rest goes on in the background
        raise
    finally:
        finish()
