"""WSPAccept (wsp.md section 4; the condition function of 4.2 and 4.3 is not built yet)."""

from typing import TYPE_CHECKING, Any

from netcore.endpoint import ACCEPTABLE, GONE, HANDLE_CLOSED, RESET, WOULD_BLOCK
from stack.wsp.addresses import AddressResult
from stack.wsp.constants import (
    WSAECONNRESET,
    WSAEFAULT,
    WSAEINTR,
    WSAEINVAL,
    WSAEMFILE,
    WSAENOBUFS,
    WSAEOPNOTSUPP,
    WSAEWOULDBLOCK,
)
from stack.wsp.errors import EntryFailure
from stack.wsp.sockets import Socket
from stack.wsp.waiting import complete

if TYPE_CHECKING:
    from stack.wsp.provider import Provider


def accept(provider: "Provider", socket: Socket, addr: Any, addrlen: Any, condition: Any) -> int:
    """WSPAccept: takes the oldest finished connection and returns its descriptor.

    Raises EntryFailure. The length check comes before anything is taken from the queue (ACPT-12).
    """
    result = None
    if addr is not None and addrlen is not None:  # ACPT-11: either alone is left untouched
        result = AddressResult(socket.family, addr, addrlen)
    if condition is not None:
        raise EntryFailure(WSAEOPNOTSUPP if callable(condition) else WSAEFAULT)  # ACPT-13
    if not socket.stream:
        raise EntryFailure(WSAEOPNOTSUPP)
    listener = socket.listener
    if listener is None:
        raise EntryFailure(WSAEINVAL)
    accepted = _take(provider, socket)
    if accepted is None:
        if socket.nonblocking:
            raise EntryFailure(WSAEWOULDBLOCK)
        accepted = complete(provider, socket, lambda: _take(provider, socket), ((listener, ACCEPTABLE | GONE),))
    if result is not None:
        assert accepted.remote is not None
        result.fill(accepted.family, accepted.remote)
    return accepted.descriptor


def _take(provider: "Provider", socket: Socket) -> Socket | None:
    """Returns a socket for the head of the queue, None for an empty queue."""
    with provider.lock:
        listener, descriptors = socket.listener, provider.descriptors
        if listener is None:
            raise EntryFailure(WSAEINTR)
        if descriptors.full():
            if listener.finished:
                raise EntryFailure(WSAEMFILE)  # ACPT-5, LISTEN-64: the head stays where it is
            return None
        endpoint = listener.accept()
        if isinstance(endpoint, int):
            if endpoint == WOULD_BLOCK:
                return None
            if endpoint == RESET:
                raise EntryFailure(WSAECONNRESET)  # ACPT-7
            raise EntryFailure(WSAEINTR if endpoint == HANDLE_CLOSED else WSAENOBUFS)
        accepted = Socket(
            socket.family, socket.type, socket.protocol, overlapped=socket.overlapped, account=socket.account
        )
        accepted.nonblocking = socket.nonblocking  # ACPT-17
        accepted.options = socket.options.inherited()
        if socket.binding is not None:
            socket.binding.accepted = True  # BIND-27
        accepted.attach(endpoint)
        descriptors.add(accepted)
        return accepted
