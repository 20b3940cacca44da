"""WSPGetSockName and WSPGetPeerName (wsp.md section 5.11)."""

from typing import TYPE_CHECKING, Any

from stack.wsp.addresses import WILDCARD, AddressResult
from stack.wsp.constants import WSAEINVAL, WSAENOTCONN
from stack.wsp.errors import EntryFailure

if TYPE_CHECKING:
    from stack.wsp.provider import Provider
    from stack.wsp.sockets import Socket


def get_sock_name(provider: "Provider", socket: "Socket", name: Any, length: Any) -> None:
    """WSPGetSockName. Raises EntryFailure WSAEINVAL (unbound), WSAEFAULT (NAME-1)."""
    with provider.lock:
        socket.begin()
        local = socket.local
        if local is None:
            if socket.binding is None:
                raise EntryFailure(WSAEINVAL)
            local = (socket.binding.address or WILDCARD, socket.binding.port)
    AddressResult(socket.family, name, length).fill(socket.family, local)


def get_peer_name(provider: "Provider", socket: "Socket", name: Any, length: Any) -> None:
    """WSPGetPeerName. Raises EntryFailure WSAENOTCONN, WSAEFAULT (PEER-1)."""
    with provider.lock:
        socket.begin()
        if socket.remote is None:
            raise EntryFailure(WSAENOTCONN)
    AddressResult(socket.family, name, length).fill(socket.family, socket.remote)
