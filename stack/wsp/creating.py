"""WSPSocket (wsp.md section 5.24)."""

from typing import TYPE_CHECKING, Any, Final

from stack.wsp import arguments
from stack.wsp.constants import (
    AF_INET,
    AF_UNSPEC,
    FROM_PROTOCOL_INFO,
    IPPROTO_TCP,
    IPPROTO_UDP,
    SOCK_DGRAM,
    SOCK_STREAM,
    WSA_FLAG_NO_HANDLE_INHERIT,
    WSA_FLAG_OVERLAPPED,
    WSAEAFNOSUPPORT,
    WSAEINVAL,
    WSAEPROTONOSUPPORT,
    WSAESOCKTNOSUPPORT,
)
from stack.wsp.errors import EntryFailure
from stack.wsp.sockets import Socket
from stack.wsp.structures import WSAPROTOCOL_INFOW

if TYPE_CHECKING:
    from stack.wsp.provider import Provider

_PROTOCOL_OF_TYPE: Final = {SOCK_STREAM: IPPROTO_TCP, SOCK_DGRAM: IPPROTO_UDP}
_TYPE_OF_PROTOCOL: Final = {IPPROTO_TCP: SOCK_STREAM, IPPROTO_UDP: SOCK_DGRAM}
_FLAGS: Final = WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT


def socket_kind(family: int, type_: int, protocol: int) -> tuple[int, int, int]:
    """Returns (family, type, protocol) of the socket that the arguments of WSPSocket ask for (SOCK-1).

    Raises EntryFailure with the code of the table.
    """
    if family == AF_UNSPEC and protocol == 0:
        raise EntryFailure(WSAEINVAL)
    if type_ and type_ not in _PROTOCOL_OF_TYPE:
        raise EntryFailure(WSAESOCKTNOSUPPORT)
    if family not in (AF_UNSPEC, AF_INET):
        raise EntryFailure(WSAEAFNOSUPPORT)
    if protocol and protocol not in _TYPE_OF_PROTOCOL:
        raise EntryFailure(WSAEPROTONOSUPPORT)
    type_ = type_ or _TYPE_OF_PROTOCOL.get(protocol, SOCK_STREAM)
    protocol = protocol or _PROTOCOL_OF_TYPE[type_]
    if _PROTOCOL_OF_TYPE[type_] != protocol:
        raise EntryFailure(WSAEPROTONOSUPPORT)
    return AF_INET, type_, protocol


def create(
    provider: "Provider", kind: tuple[int, int, int], protocol_info: Any, group: int, flags: int, account: str
) -> int:
    """WSPSocket; kind: (af, type, protocol) as given. Returns the descriptor. Raises EntryFailure."""
    if protocol_info is not None:
        record = arguments.structure(protocol_info, WSAPROTOCOL_INFOW)
        recorded = (record.iAddressFamily, record.iSocketType, record.iProtocol)
        given = zip(kind, recorded, strict=True)
        kind_0, kind_1, kind_2 = (
            theirs if ours in (0, FROM_PROTOCOL_INFO) else ours for ours, theirs in given
        )  # SOCK-2
        kind = (kind_0, kind_1, kind_2)
    family, type_, protocol = socket_kind(*kind)
    if group or flags & ~_FLAGS:
        raise EntryFailure(WSAEINVAL)
    overlapped = bool(flags & WSA_FLAG_OVERLAPPED)
    with provider.lock:
        socket = Socket(family, type_, protocol, overlapped=overlapped, account=account)
        return provider.descriptors.add(socket)
