"""The calls setsockopt and getsockopt: options of Linux over those of the provider and of the core's handles."""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from stack.packetdrill.error_names import SAME, errno_name
from stack.packetdrill.expressions import Array, Elided, Expression, Name, Number, Structure
from stack.packetdrill.sockets import CallError, OutputDiffers, Sockets
from stack.packetdrill.values import Unknown, number, words
from stack.wsp import constants as ws
from stack.wsp.sockets import Socket
from stack.wsp.structures import linger

_LEVELS: Final = {
    "SOL_SOCKET": "SOL_SOCKET",
    "SOL_TCP": "SOL_TCP",
    "IPPROTO_TCP": "SOL_TCP",
    "SOL_IP": "SOL_IP",
    "IPPROTO_IP": "SOL_IP",
}


@dataclass(frozen=True, slots=True)
class _Option:
    """How an option is set and read; None: it cannot be."""

    store: Callable[[Sockets, Socket, Expression], None] | None
    load: Callable[[Sockets, Socket], int | str] | None


def _winsock(level: int, name: int, factor: Callable[[Expression], int] = number) -> _Option:
    def store(sockets: Sockets, socket: Socket, value: Expression) -> None:
        given = ctypes.c_uint32(factor(value))
        sockets.invoke("setsockopt", "WSPSetSockOpt", socket.descriptor, level, name, given, 4)

    def load(sockets: Sockets, socket: Socket) -> int:
        value, length = ctypes.c_uint32(0), ctypes.c_int(4)
        sockets.invoke("getsockopt", "WSPGetSockOpt", socket.descriptor, level, name, value, length)
        return value.value

    return _Option(store, load)


def _milliseconds(value: Expression) -> int:
    """A timeval in ms."""
    if not isinstance(value, Structure):
        raise Unknown(f"{value} where {{tv_sec = ..., tv_usec = ...}} is needed")
    whole, rest = value.member("tv_sec"), value.member("tv_usec")
    if whole is None or rest is None:
        raise Unknown(f"{value} where {{tv_sec = ..., tv_usec = ...}} is needed")
    return number(whole) * 1000 + number(rest) // 1000


def _store_linger(sockets: Sockets, socket: Socket, value: Expression) -> None:
    if not isinstance(value, Structure):
        raise Unknown(f"{value} where {{onoff = ..., linger = ...}} is needed")
    on, seconds = value.member("onoff", "l_onoff"), value.member("linger", "l_linger")
    pair: Any = linger(number(on or Number(0)), number(seconds or Number(0)))
    sockets.invoke("setsockopt", "WSPSetSockOpt", socket.descriptor, ws.SOL_SOCKET, ws.SO_LINGER, pair, 4)


def _load_error(sockets: Sockets, socket: Socket) -> int | str:
    with sockets.provider.lock:
        socket.settle()
        code = sockets.terminal_error(socket) or socket.error
        socket.error = 0
    return errno_name(code, "getsockopt") if code else 0


def _store_congestion(sockets: Sockets, socket: Socket, value: Expression) -> None:
    if socket.endpoint is None:
        raise Unknown("TCP_CONGESTION can be set on a connection only; before that, by tcp_congestion_control")
    try:
        socket.endpoint.congestion = words(value)
    except ValueError:
        raise CallError("ENOENT") from None


def _load_congestion(sockets: Sockets, socket: Socket) -> str:
    if socket.endpoint is None:
        raise Unknown("TCP_CONGESTION can be read of a connection only")
    return socket.endpoint.congestion


def _load_segment_size(sockets: Sockets, socket: Socket) -> int:
    return 536 if socket.endpoint is None else socket.endpoint.info().get("eff_mss", 536)


def _ignore(sockets: Sockets, socket: Socket, value: Expression) -> None:
    """SO_REUSEADDR: a port in TIME-WAIT may be bound here without it, and the provider's own means something else."""


def _store_inquiring(sockets: Sockets, socket: Socket, value: Expression) -> None:
    (sockets.inquiring.add if number(value) else sockets.inquiring.discard)(socket.descriptor)


def _load_inquiring(sockets: Sockets, socket: Socket) -> int:
    return int(socket.descriptor in sockets.inquiring)


_OPTIONS: Final[dict[tuple[str, str], _Option]] = {
    ("SOL_SOCKET", "SO_REUSEADDR"): _Option(_ignore, None),
    ("SOL_SOCKET", "SO_SNDBUF"): _winsock(ws.SOL_SOCKET, ws.SO_SNDBUF),
    ("SOL_SOCKET", "SO_RCVBUF"): _winsock(ws.SOL_SOCKET, ws.SO_RCVBUF),
    ("SOL_SOCKET", "SO_SNDTIMEO"): _winsock(ws.SOL_SOCKET, ws.SO_SNDTIMEO, _milliseconds),
    ("SOL_SOCKET", "SO_RCVTIMEO"): _winsock(ws.SOL_SOCKET, ws.SO_RCVTIMEO, _milliseconds),
    ("SOL_SOCKET", "SO_TYPE"): _winsock(ws.SOL_SOCKET, ws.SO_TYPE),
    ("SOL_SOCKET", "SO_ACCEPTCONN"): _winsock(ws.SOL_SOCKET, ws.SO_ACCEPTCONN),
    ("SOL_SOCKET", "SO_BROADCAST"): _winsock(ws.SOL_SOCKET, ws.SO_BROADCAST),
    ("SOL_SOCKET", "SO_LINGER"): _Option(_store_linger, None),
    ("SOL_SOCKET", "SO_ERROR"): _Option(None, _load_error),
    ("SOL_SOCKET", "SO_KEEPALIVE"): _winsock(ws.SOL_SOCKET, ws.SO_KEEPALIVE),
    ("SOL_SOCKET", "SO_DEBUG"): _winsock(ws.SOL_SOCKET, ws.SO_DEBUG),
    ("SOL_SOCKET", "SO_OOBINLINE"): _winsock(ws.SOL_SOCKET, ws.SO_OOBINLINE),
    ("SOL_IP", "IP_TOS"): _winsock(ws.IPPROTO_IP, ws.IP_TOS),
    ("SOL_IP", "IP_TTL"): _winsock(ws.IPPROTO_IP, ws.IP_TTL),
    ("SOL_TCP", "TCP_KEEPIDLE"): _winsock(ws.IPPROTO_TCP, ws.TCP_KEEPIDLE),
    ("SOL_TCP", "TCP_KEEPINTVL"): _winsock(ws.IPPROTO_TCP, ws.TCP_KEEPINTVL),
    ("SOL_TCP", "TCP_KEEPCNT"): _winsock(ws.IPPROTO_TCP, ws.TCP_KEEPCNT),
    ("SOL_TCP", "TCP_USER_TIMEOUT"): _winsock(ws.IPPROTO_TCP, ws.TCP_MAXRTMS),
    ("SOL_TCP", "TCP_FASTOPEN"): _winsock(ws.IPPROTO_TCP, ws.TCP_FASTOPEN),
    ("SOL_TCP", "TCP_INQ"): _Option(_store_inquiring, _load_inquiring),
    ("SOL_TCP", "TCP_NODELAY"): _winsock(ws.IPPROTO_TCP, ws.TCP_NODELAY),
    ("SOL_TCP", "TCP_MAXSEG"): _Option(None, _load_segment_size),
    ("SOL_TCP", "TCP_CONGESTION"): _Option(_store_congestion, _load_congestion),
}


def _option(level: Expression, name: Expression) -> _Option:
    key = _LEVELS.get(words(level), words(level)), words(name)
    option = _OPTIONS.get(key)
    if option is None:
        raise _absent(level, name)
    return option


def _absent(level: Expression, name: Expression) -> Unknown:
    return Unknown(f"the option {words(level)} {words(name)} has no counterpart in this stack")


@contextmanager
def _told_when_absent(level: Expression, name: Expression) -> Iterator[None]:
    """The provider knows some options by name alone: what is not built is not supported, and no error of the call."""
    try:
        yield
    except CallError as error:
        if error.errno == "ENOPROTOOPT":
            raise _absent(level, name) from None
        raise


def set_option(
    sockets: Sockets, fd: Expression, level: Expression, name: Expression, value: Expression, length: Expression
) -> int:
    """The call setsockopt."""
    socket, option = sockets.socket_of(fd), _option(level, name)
    if option.store is None:
        raise Unknown(f"{words(name)} cannot be set")
    with _told_when_absent(level, name):
        option.store(sockets, socket, value)
    return 0


def get_option(
    sockets: Sockets, fd: Expression, level: Expression, name: Expression, value: Expression, length: Expression
) -> int:
    """The call getsockopt. Raises OutputDiffers."""
    socket, option = sockets.socket_of(fd), _option(level, name)
    if option.load is None:
        raise Unknown(f"{words(name)} cannot be read")
    with _told_when_absent(level, name):
        seen = option.load(sockets, socket)
    if not _same(value, seen):
        raise OutputDiffers(f"{words(name)} is {seen}, expected {value}")
    return 0


def _same(wanted: Expression, seen: int | str) -> bool:
    match wanted:
        case Elided() | Array((Elided(),)):
            return True
        case Name(name) | Array((Name(name),)):
            return SAME.get(name, name) == str(seen)
    return words(wanted) == seen if isinstance(seen, str) else number(wanted) == seen
