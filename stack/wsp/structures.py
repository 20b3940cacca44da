"""Structures of winsock2.h, ws2spi.h and ws2ipdef.h as ctypes, and the two function tables of the SPI.

Field names and layouts are Windows' own: ``long`` has 32 bits, ``SOCKET`` 64; ports and addresses stand in network
order, as they do in C.
"""

import ctypes
import functools
import ipaddress
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from typing_extensions import Buffer

from stack.wsp import constants

DWORD: Final = ctypes.c_uint32
INT: Final = ctypes.c_int
SOCKET: Final = ctypes.c_uint64
GROUP: Final = ctypes.c_uint32


class GUID(ctypes.Structure):
    """A 128-bit identifier (guiddef.h)."""

    _fields_ = [
        ("Data1", ctypes.c_uint32),
        ("Data2", ctypes.c_uint16),
        ("Data3", ctypes.c_uint16),
        ("Data4", ctypes.c_uint8 * 8),
    ]


class in_addr(ctypes.Structure):
    """An IPv4 address, four octets in network order."""

    _fields_ = [("s_addr", ctypes.c_uint32)]


class in6_addr(ctypes.Structure):
    """An IPv6 address, sixteen octets in network order."""

    _fields_ = [("s6_addr", ctypes.c_uint8 * 16)]


class SOCKADDR(ctypes.Structure):
    """A socket address of any family: what is common to all, and room for fourteen octets."""

    _fields_ = [("sa_family", ctypes.c_uint16), ("sa_data", ctypes.c_uint8 * 14)]


class sockaddr_in(ctypes.Structure):
    """An IPv4 socket address; sin_port and sin_addr in network order."""

    _fields_ = [
        ("sin_family", ctypes.c_uint16),
        ("sin_port", ctypes.c_uint16),
        ("sin_addr", in_addr),
        ("sin_zero", ctypes.c_uint8 * 8),
    ]

    @classmethod
    def of(cls, address: str, port: int) -> Self:
        """Returns the structure of a dotted address and a port in host order."""
        return cls.from_buffer_copy(
            constants.AF_INET.to_bytes(2, "little")
            + port.to_bytes(2, "big")
            + ipaddress.IPv4Address(address).packed
            + bytes(8)
        )

    @property
    def address(self) -> str:
        """The address as dotted text."""
        return str(ipaddress.IPv4Address(bytes(self)[4:8]))

    @property
    def port(self) -> int:
        """The port in host order."""
        return int.from_bytes(bytes(self)[2:4], "big")


class sockaddr_in6(ctypes.Structure):
    """An IPv6 socket address; sin6_port and sin6_addr in network order."""

    _fields_ = [
        ("sin6_family", ctypes.c_uint16),
        ("sin6_port", ctypes.c_uint16),
        ("sin6_flowinfo", ctypes.c_uint32),
        ("sin6_addr", in6_addr),
        ("sin6_scope_id", ctypes.c_uint32),
    ]


class linger(ctypes.Structure):
    """Value of SO_LINGER; l_linger in seconds."""

    _fields_ = [("l_onoff", ctypes.c_uint16), ("l_linger", ctypes.c_uint16)]


class timeval(ctypes.Structure):
    """Time-out of WSPSelect: seconds and microseconds."""

    _fields_ = [("tv_sec", ctypes.c_int32), ("tv_usec", ctypes.c_int32)]


class tcp_initial_rto_parameters(ctypes.Structure):
    """Input of SIO_TCP_INITIAL_RTO (mstcpip.h); Rtt in ms."""

    _fields_ = [("Rtt", ctypes.c_uint16), ("MaxSynRetransmissions", ctypes.c_uint8)]


class TCP_INFO_v0(ctypes.Structure):
    """Output of SIO_TCP_INFO, version 0 (mstcpip.h); IOCTL-17."""

    _fields_ = [
        ("State", ctypes.c_uint32),
        ("Mss", ctypes.c_uint32),
        ("ConnectionTimeMs", ctypes.c_uint64),
        ("TimestampsEnabled", ctypes.c_uint8),
        ("RttUs", ctypes.c_uint32),
        ("MinRttUs", ctypes.c_uint32),
        ("BytesInFlight", ctypes.c_uint32),
        ("Cwnd", ctypes.c_uint32),
        ("SndWnd", ctypes.c_uint32),
        ("RcvWnd", ctypes.c_uint32),
        ("RcvBuf", ctypes.c_uint32),
        ("BytesOut", ctypes.c_uint64),
        ("BytesIn", ctypes.c_uint64),
        ("BytesReordered", ctypes.c_uint32),
        ("BytesRetrans", ctypes.c_uint32),
        ("FastRetrans", ctypes.c_uint32),
        ("DupAcksIn", ctypes.c_uint32),
        ("TimeoutEpisodes", ctypes.c_uint32),
        ("SynRetrans", ctypes.c_uint8),
    ]


class TCP_INFO_v1(ctypes.Structure):
    """Output of SIO_TCP_INFO, version 1: what kept the sender (RFC 4898 3.4.3) behind the fields of version 0."""

    _fields_ = [
        *TCP_INFO_v0._fields_,
        ("SndLimTransRwin", ctypes.c_uint32),
        ("SndLimTimeRwin", ctypes.c_uint32),
        ("SndLimBytesRwin", ctypes.c_uint64),
        ("SndLimTransCwnd", ctypes.c_uint32),
        ("SndLimTimeCwnd", ctypes.c_uint32),
        ("SndLimBytesCwnd", ctypes.c_uint64),
        ("SndLimTransSnd", ctypes.c_uint32),
        ("SndLimTimeSnd", ctypes.c_uint32),
        ("SndLimBytesSnd", ctypes.c_uint64),
    ]


class WSABUF(ctypes.Structure):
    """One data buffer: length in bytes and address. The memory must live as long as the structure is used."""

    _fields_ = [("len", ctypes.c_uint32), ("buf", ctypes.POINTER(ctypes.c_char))]

    @classmethod
    def over(cls, memory: Buffer) -> Self:
        """Returns a WSABUF for the memory of `memory` and keeps it alive; of read-only memory it is a copy to send."""
        view = memoryview(memory).cast("B")
        if view.readonly:
            text = bytes(view)
            address = ctypes.cast(ctypes.c_char_p(text), ctypes.POINTER(ctypes.c_char))
            return cls(len(text), address)
        return cls(view.nbytes, (ctypes.c_char * view.nbytes).from_buffer(view))

    @property
    def octets(self) -> bytes:
        """A copy of the bytes it describes; none for NULL."""
        return self.buf[: self.len] if self.buf else b""


class FdSet(ctypes.Structure):
    """Shared by all sizes of fd_set."""

    fd_count: int
    fd_array: Any

    @property
    def descriptors(self) -> list[int]:
        """The members, in order."""
        return list(self.fd_array[: self.fd_count])

    def __contains__(self, descriptor: object) -> bool:
        return descriptor in self.descriptors


class fd_set(FdSet):
    """A set of at most FD_SETSIZE sockets for WSPSelect; `fd_set_of` makes larger ones (SEL-1)."""

    _fields_ = [("fd_count", ctypes.c_uint32), ("fd_array", SOCKET * constants.FD_SETSIZE)]


@functools.cache
def _fd_set_type(capacity: int) -> type[FdSet]:
    fields = [("fd_count", ctypes.c_uint32), ("fd_array", SOCKET * capacity)]
    return type(f"fd_set_{capacity}", (FdSet,), {"_fields_": fields, "__doc__": f"An fd_set of {capacity} sockets."})


def fd_set_of(descriptors: Iterable[int] = (), capacity: int = constants.FD_SETSIZE) -> Any:
    """Returns an fd_set that holds `descriptors` and has room for `capacity` members, or for all of them if more."""
    members = list(descriptors)
    capacity = max(capacity, len(members))
    made = fd_set() if capacity == constants.FD_SETSIZE else _fd_set_type(capacity)()
    made.fd_array[: len(members)] = members
    made.fd_count = len(members)
    return made


class WSPDATA(ctypes.Structure):
    """What WSPStartup tells about the provider; versions have the major number in the low byte (START-2)."""

    _fields_ = [
        ("wVersion", ctypes.c_uint16),
        ("wHighVersion", ctypes.c_uint16),
        ("szDescription", ctypes.c_wchar * (constants.WSPDESCRIPTION_LEN + 1)),
    ]


class WSAPROTOCOLCHAIN(ctypes.Structure):
    """Catalog entries that make up a protocol; ChainLen 1 is a base protocol."""

    _fields_ = [("ChainLen", ctypes.c_int), ("ChainEntries", DWORD * constants.MAX_PROTOCOL_CHAIN)]


class WSAPROTOCOL_INFOW(ctypes.Structure):
    """A protocol record of the catalog."""

    _fields_ = [
        ("dwServiceFlags1", DWORD),
        ("dwServiceFlags2", DWORD),
        ("dwServiceFlags3", DWORD),
        ("dwServiceFlags4", DWORD),
        ("dwProviderFlags", DWORD),
        ("ProviderId", GUID),
        ("dwCatalogEntryId", DWORD),
        ("ProtocolChain", WSAPROTOCOLCHAIN),
        ("iVersion", ctypes.c_int),
        ("iAddressFamily", ctypes.c_int),
        ("iMaxSockAddr", ctypes.c_int),
        ("iMinSockAddr", ctypes.c_int),
        ("iSocketType", ctypes.c_int),
        ("iProtocol", ctypes.c_int),
        ("iProtocolMaxOffset", ctypes.c_int),
        ("iNetworkByteOrder", ctypes.c_int),
        ("iSecurityScheme", ctypes.c_int),
        ("dwMessageSize", DWORD),
        ("dwProviderReserved", DWORD),
        ("szProtocol", ctypes.c_wchar * (constants.WSAPROTOCOL_LEN + 1)),
    ]


class _FunctionTable:
    """A structure whose members are callables; `MEMBERS` names them in the order of the C structure."""

    __slots__ = ()
    MEMBERS: ClassVar[tuple[str, ...]] = ()

    def __init__(self, **functions: Callable[..., Any]) -> None:
        for name in self.MEMBERS:
            setattr(self, name, functions.pop(name, None))
        if functions:
            raise TypeError(f"{type(self).__name__} has no member {', '.join(functions)}")

    def __iter__(self) -> Iterator[Callable[..., Any] | None]:
        """The functions in table order, None for a member that is NULL."""
        return (getattr(self, name) for name in self.MEMBERS)

    def __len__(self) -> int:
        return len(self.MEMBERS)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


class WSPPROC_TABLE(_FunctionTable):
    """The procedure table that WSPStartup fills: 30 entries in the order of wsp.md section 1.1 (GEN-16)."""

    MEMBERS = (
        "WSPAccept",
        "WSPAddressToString",
        "WSPAsyncSelect",
        "WSPBind",
        "WSPCancelBlockingCall",
        "WSPCleanup",
        "WSPCloseSocket",
        "WSPConnect",
        "WSPDuplicateSocket",
        "WSPEnumNetworkEvents",
        "WSPEventSelect",
        "WSPGetOverlappedResult",
        "WSPGetPeerName",
        "WSPGetSockName",
        "WSPGetSockOpt",
        "WSPGetQOSByName",
        "WSPIoctl",
        "WSPJoinLeaf",
        "WSPListen",
        "WSPRecv",
        "WSPRecvDisconnect",
        "WSPRecvFrom",
        "WSPSelect",
        "WSPSend",
        "WSPSendDisconnect",
        "WSPSendTo",
        "WSPSetSockOpt",
        "WSPShutdown",
        "WSPSocket",
        "WSPStringToAddress",
    )
    __slots__ = MEMBERS


class WSPUPCALLTABLE(_FunctionTable):
    """The functions a client gives to WSPStartup: 15 in the order of GEN-17. A member may be left None."""

    MEMBERS = (
        "WPUCloseEvent",
        "WPUCloseSocketHandle",
        "WPUCreateEvent",
        "WPUCreateSocketHandle",
        "WPUFDIsSet",
        "WPUGetProviderPath",
        "WPUModifyIFSHandle",
        "WPUPostMessage",
        "WPUQueryBlockingCallback",
        "WPUQuerySocketHandleContext",
        "WPUQueueApc",
        "WPUResetEvent",
        "WPUSetEvent",
        "WPUOpenCurrentThread",
        "WPUCloseThread",
    )
    __slots__ = MEMBERS
