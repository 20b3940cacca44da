"""WSPIoctl (wsp.md section 8); a code not built yet is an unsupported one."""

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from netcore.engine import tunable_names
from stack.wsp import arguments
from stack.wsp.constants import (
    FIONBIO,
    FIONREAD,
    SIO_KEEPALIVE_VALS,
    SIO_TCP_INFO,
    SIO_TCP_INITIAL_RTO,
    SIOCATMARK,
    WSAEFAULT,
    WSAEINVAL,
    WSAEOPNOTSUPP,
)
from stack.wsp.errors import EntryFailure
from stack.wsp.structures import tcp_initial_rto_parameters
from stack.wsp.tcp_information import tcp_information
from stack.wsp.waiting import MILLISECOND

if TYPE_CHECKING:
    from stack.wsp.provider import Provider
    from stack.wsp.sockets import Socket

# SIO_TCP_INITIAL_RTO (mstcpip.h)
_UNSPECIFIED_RTT: Final = 0xFFFF
_UNSPECIFIED_RETRIES: Final = 0xFF
_NO_RETRANSMISSIONS: Final = 0xFE


def control(
    provider: "Provider",
    socket: "Socket",
    code: int,
    given: tuple[Any, int],
    wanted: tuple[Any, int],
    returned: Any,
    overlapped: Any,
) -> None:
    """WSPIoctl. given and wanted: buffer and length in bytes of input and output. Raises EntryFailure."""
    size = arguments.number(returned)  # IOCTL-2
    body = _BODIES.get(code & 0xFFFF_FFFF)
    if body is None or overlapped is not None:
        size.value = 0  # IOCTL-4
        raise EntryFailure(WSAEOPNOTSUPP)
    size.value = body(provider, socket, given, wanted)


def _nonblocking(provider: "Provider", socket: "Socket", given: tuple[Any, int], wanted: tuple[Any, int]) -> int:
    """FIONBIO (IOCTL-5)."""
    if given[1] < 4:
        raise EntryFailure(WSAEFAULT)
    on = any(arguments.memory(given[0], 4))
    with provider.lock:
        socket.nonblocking = on
    return 0


def _readable_bytes(provider: "Provider", socket: "Socket", given: tuple[Any, int], wanted: tuple[Any, int]) -> int:
    """FIONREAD (IOCTL-6)."""
    if wanted[1] < 4:
        raise EntryFailure(WSAEFAULT)
    place = arguments.writable_memory(wanted[0], 4)
    endpoint = socket.endpoint
    count = 0 if endpoint is None else endpoint.readable_bytes
    place[:] = min(count, 0xFFFF_FFFF).to_bytes(4, "little")
    return 4


def _at_mark(provider: "Provider", socket: "Socket", given: tuple[Any, int], wanted: tuple[Any, int]) -> int:
    """SIOCATMARK (IOCTL-7)."""
    if wanted[1] < 4:
        raise EntryFailure(WSAEFAULT)
    place = arguments.writable_memory(wanted[0], 4)
    if not socket.stream:
        raise EntryFailure(WSAEOPNOTSUPP)
    endpoint = socket.endpoint
    place[:] = int(endpoint is None or endpoint.at_mark).to_bytes(4, "little")
    return 4


def _keepalive(provider: "Provider", socket: "Socket", given: tuple[Any, int], wanted: tuple[Any, int]) -> int:
    """SIO_KEEPALIVE_VALS (IOCTL-8): on or off, idle time and interval in ms."""
    if given[1] < 12:
        raise EntryFailure(WSAEFAULT)
    on, idle, interval = struct.unpack("<3I", arguments.memory(given[0], 12))
    if not socket.stream:
        raise EntryFailure(WSAEOPNOTSUPP)
    with provider.lock:
        socket.begin()
        socket.change_options(keepalive=bool(on))
        if on:
            socket.change_options(keepalive_idle=idle, keepalive_interval=interval)
        socket.apply_keepalive()
    return 0


def _initial_rto(provider: "Provider", socket: "Socket", given: tuple[Any, int], wanted: tuple[Any, int]) -> int:
    """SIO_TCP_INITIAL_RTO (IOCTL-19, LISTEN-70); it governs the connects that follow."""
    if given[1] < 3:
        raise EntryFailure(WSAEFAULT)
    if not socket.stream:
        raise EntryFailure(WSAEOPNOTSUPP)
    wish = tcp_initial_rto_parameters.from_buffer_copy(bytes(arguments.memory(given[0], 3)) + b"\0")
    defaults = tunable_names()
    rto = provider.config.syn_rto_ms
    retries = provider.config.syn_retries
    if wish.Rtt == 0 and wish.MaxSynRetransmissions == 0:
        rto, retries = defaults["syn_rto"] // MILLISECOND, defaults["syn_retries"]
    else:
        if wish.Rtt not in (0, _UNSPECIFIED_RTT):
            rto = wish.Rtt
        if wish.MaxSynRetransmissions == _NO_RETRANSMISSIONS:
            retries = 0
        elif wish.MaxSynRetransmissions not in (0, _UNSPECIFIED_RETRIES):
            retries = wish.MaxSynRetransmissions
    with provider.lock:
        socket.begin()
        if socket.endpoint is not None:
            raise EntryFailure(WSAEINVAL)
        socket.change_options(syn_timing=(rto * MILLISECOND, retries))
    return 0


_Body = Callable[["Provider", "Socket", tuple[Any, int], tuple[Any, int]], int]

_BODIES: Final[dict[int, _Body]] = {
    FIONBIO: _nonblocking,
    FIONREAD: _readable_bytes,
    SIO_TCP_INFO: tcp_information,
    SIO_TCP_INITIAL_RTO: _initial_rto,
    SIO_KEEPALIVE_VALS: _keepalive,
    SIOCATMARK: _at_mark,
}
