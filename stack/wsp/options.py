"""WSPGetSockOpt and WSPSetSockOpt (wsp.md section 7).

Each option is one row of a table: its length rule (OPT-4 to OPT-6) and what reads and writes it. An option whose
behaviour is not built yet has no row and fails with WSAENOPROTOOPT, as an unknown one does.
"""

import enum
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from stack.wsp import arguments, constants
from stack.wsp.constants import (
    AF_INET,
    IPPROTO_IP,
    IPPROTO_IPV6,
    IPPROTO_TCP,
    IPPROTO_UDP,
    SOL_SOCKET,
    WSAEFAULT,
    WSAEINVAL,
    WSAENOBUFS,
    WSAENOPROTOOPT,
)
from stack.wsp.errors import EntryFailure

if TYPE_CHECKING:
    from stack.wsp.provider import Provider
    from stack.wsp.sockets import Socket

_LEVELS: Final = frozenset({SOL_SOCKET, IPPROTO_TCP, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_UDP})
_LARGEST_DATAGRAM: Final = 65507
_MOST_PROBES: Final = 255  # OPT-47
_FOR_EVER: Final = 0xFFFF_FFFF  # OPT-43


class Group(enum.Enum):
    """Length rules: of BOOLs as SOL_SOCKET has them, of BOOLs of one byte, of four-byte values."""

    A = "OPT-4"
    B = "OPT-5"
    C = "OPT-6"


Getter = Callable[["Provider", "Socket"], int]
Setter = Callable[["Provider", "Socket", int], None]


@dataclass(frozen=True, slots=True)
class Option:
    """One option. write None: read only."""

    group: Group
    read: Getter
    write: Setter | None


_per_thread: Final = threading.local()


def get_option(
    provider: "Provider", find: Callable[[], "Socket"], level: int, name: int, value: Any, length: Any
) -> None:
    """WSPGetSockOpt, checks in the order of OPT-1. `find` looks the socket up. Raises EntryFailure."""
    level, name = level & 0xFFFF_FFFF, name & 0xFFFF_FFFF
    if (level, name) == (SOL_SOCKET, constants.SO_OPENTYPE):
        cell = _length_cell(length, value)
        _store(Group.C, getattr(_per_thread, "open_type", 0), value, cell)
        return
    socket = find()
    cell = _length_cell(length, value)
    option = _option(level, name)
    with provider.lock:
        socket.begin()
        result = option.read(provider, socket)
    _store(option.group, result, value, cell)


def set_option(
    provider: "Provider", find: Callable[[], "Socket"], level: int, name: int, value: Any, length: int
) -> None:
    """WSPSetSockOpt, checks in the order of OPT-2. `find` looks the socket up. Raises EntryFailure."""
    level, name = level & 0xFFFF_FFFF, name & 0xFFFF_FFFF
    if (level, name) == (SOL_SOCKET, constants.SO_OPENTYPE):
        _set_open_type(_load(Group.C, value, length))
        return
    socket = find()
    if value is None or isinstance(value, int):
        raise EntryFailure(WSAEFAULT)
    option = _option(level, name)
    if option.write is None:
        # OPT-8
        raise EntryFailure(WSAEINVAL if name == constants.SO_TYPE and not socket.stream else WSAENOPROTOOPT)
    number = _load(option.group, value, length)
    with provider.lock:
        socket.begin()
        option.write(provider, socket, number)


def _option(level: int, name: int) -> Option:
    if level not in _LEVELS:
        raise EntryFailure(WSAEINVAL)  # OPT-3
    if level == SOL_SOCKET and name in _NEVER:
        raise EntryFailure(WSAEINVAL)  # OPT-17
    option = _OPTIONS.get((level, name))
    if option is None:
        raise EntryFailure(WSAENOPROTOOPT)
    return option


def _length_cell(length: Any, value: Any) -> Any:
    cell = arguments.number(length)
    if value is None or isinstance(value, int) or cell.value <= 0:
        raise EntryFailure(WSAEFAULT)
    return cell


def _store(group: Group, number: int, value: Any, cell: Any) -> None:
    """Writes an option's value with the length that its group reports (OPT-4, 5, 6)."""
    given = cell.value
    if group is Group.C and given < 4:
        raise EntryFailure(WSAEFAULT)
    size = 1 if group is Group.B or given < 4 else 4
    arguments.writable_memory(value, size)[:] = (number & 0xFFFF_FFFF).to_bytes(4, "little")[:size]
    cell.value = size


def _load(group: Group, value: Any, length: int) -> int:
    """Reads an option's value as its group wants it."""
    if group is Group.A:
        # Any length will do, 0 and -1 included: what the value holds counts, up to four bytes.
        raw = arguments.available(value, min(length, 4) if length > 0 else 4)
        return int(any(raw))
    if group is Group.B:
        if length <= 0:
            raise EntryFailure(WSAENOBUFS if length < 0 else WSAEFAULT)
        return int(arguments.memory(value, 1)[0] != 0)
    if 0 <= length < 4:
        raise EntryFailure(WSAEFAULT)
    return int.from_bytes(arguments.memory(value, 4), "little")


def _stored(name: int, default: int = 0, group: Group = Group.A) -> Option:
    """An option that is stored and has no further effect."""

    def read(provider: "Provider", socket: "Socket") -> int:
        return socket.options.flags.get(name, default)

    def write(provider: "Provider", socket: "Socket", number: int) -> None:
        socket.change_flag(name, number)

    return Option(group, read, write)


def _field(field: str, group: Group) -> Option:
    """An option that is a field of SocketOptions."""

    def read(provider: "Provider", socket: "Socket") -> int:
        return int(getattr(socket.options, field))

    def write(provider: "Provider", socket: "Socket", number: int) -> None:
        socket.change_options(**{field: bool(number) if group is Group.A else number})

    return Option(group, read, write)


def _excluding(field: str, other: str) -> Option:
    """SO_REUSEADDR and SO_EXCLUSIVEADDRUSE: one may not be set while the other is (BIND-16)."""
    option = _field(field, Group.A)

    def write(provider: "Provider", socket: "Socket", number: int) -> None:
        if number and getattr(socket.options, other):
            raise EntryFailure(WSAEINVAL)
        socket.change_options(**{field: bool(number)})

    return Option(Group.A, option.read, write)


def _datagram_only(option: Option) -> Option:
    """An option that a stream socket does not know."""

    def check(socket: "Socket") -> None:
        if socket.stream:
            raise EntryFailure(WSAENOPROTOOPT)

    return _checked(option, check)


def _stream_only(option: Option) -> Option:
    """An option that a datagram socket does not know."""

    def check(socket: "Socket") -> None:
        if not socket.stream:
            raise EntryFailure(WSAENOPROTOOPT)

    return _checked(option, check)


def _checked(option: Option, check: Callable[["Socket"], None]) -> Option:
    def read(provider: "Provider", socket: "Socket") -> int:
        check(socket)
        return option.read(provider, socket)

    def write(provider: "Provider", socket: "Socket", number: int) -> None:
        check(socket)
        assert option.write is not None
        option.write(provider, socket, number)

    return Option(option.group, read, write if option.write is not None else None)


def _read_linger(provider: "Provider", socket: "Socket") -> int:
    return int(socket.options.linger) | socket.options.linger_seconds << 16


def _write_linger(provider: "Provider", socket: "Socket", number: int) -> None:
    socket.change_options(linger=bool(number & 0xFFFF), linger_seconds=number >> 16)


def _write_dont_linger(provider: "Provider", socket: "Socket", number: int) -> None:
    socket.change_options(linger=not number)  # OPT-19: the seconds stay


def _write_send_buffer(provider: "Provider", socket: "Socket", number: int) -> None:
    socket.change_options(send_buffer=number)
    socket.apply_buffers()


def _write_receive_buffer(provider: "Provider", socket: "Socket", number: int) -> None:
    socket.change_options(receive_buffer=number)
    socket.apply_buffers()


def _write_nodelay(provider: "Provider", socket: "Socket", number: int) -> None:
    socket.change_options(nodelay=bool(number))
    if socket.endpoint is not None:
        socket.endpoint.nodelay = bool(number)


def _write_keepalive(provider: "Provider", socket: "Socket", number: int) -> None:
    if socket.attempt is not None:
        raise EntryFailure(WSAEINVAL)  # OPT-14
    socket.change_options(keepalive=bool(number))
    socket.apply_keepalive()


def _write_keepalive_idle(provider: "Provider", socket: "Socket", number: int) -> None:
    socket.change_options(keepalive_idle=number * 1000)
    _restart_keepalive(socket)


def _write_keepalive_interval(provider: "Provider", socket: "Socket", number: int) -> None:
    socket.change_options(keepalive_interval=number * 1000)
    _restart_keepalive(socket)


def _write_keepalive_count(provider: "Provider", socket: "Socket", number: int) -> None:
    if number > _MOST_PROBES:
        raise EntryFailure(WSAEINVAL)  # OPT-47
    socket.change_options(keepalive_count=number)
    _restart_keepalive(socket)


def _restart_keepalive(socket: "Socket") -> None:
    if socket.options.keepalive:
        socket.apply_keepalive()


def _longest_wait(unit: int) -> Option:
    """TCP_MAXRT and TCP_MAXRTMS; unit: ms in one of the option's."""

    def read(provider: "Provider", socket: "Socket") -> int:
        limit = socket.options.user_timeout
        return _FOR_EVER if limit is None else min(limit // unit, _FOR_EVER - 1)

    def write(provider: "Provider", socket: "Socket", number: int) -> None:
        socket.change_options(user_timeout=None if number == _FOR_EVER else number * unit)
        socket.apply_user_timeout()

    return Option(Group.C, read, write)


def _write_inline(provider: "Provider", socket: "Socket", number: int) -> None:
    socket.change_options(out_of_band_inline=bool(number))
    if socket.endpoint is not None:
        socket.endpoint.urgent_inline = bool(number)


def _write_expedited(provider: "Provider", socket: "Socket", number: int) -> None:
    if number:
        socket.change_options(urgent_1122=True)  # OPT-41: once on it stays on
        if socket.endpoint is not None:
            socket.endpoint.urgent_1122 = True


def _write_bsd_urgent(provider: "Provider", socket: "Socket", number: int) -> None:
    _write_expedited(provider, socket, int(not number))


def _write_fast_open(provider: "Provider", socket: "Socket", number: int) -> None:
    socket.change_options(fast_open=bool(number))
    if socket.listener is not None:
        socket.listener.fast_open = bool(number)


def _write_error(provider: "Provider", socket: "Socket", number: int) -> None:
    socket.error = number


def _write_randomize_port(provider: "Provider", socket: "Socket", number: int) -> None:
    # Every port the provider chooses is random (RFC 6056), so there is nothing to switch.
    if socket.binding is not None or socket.options.flags.get(constants.SO_REUSE_UNICASTPORT):
        raise EntryFailure(WSAEINVAL)  # OPT-32
    socket.change_flag(constants.SO_RANDOMIZE_PORT, number)


def _write_conditional_accept(provider: "Provider", socket: "Socket", number: int) -> None:
    if socket.listener is not None:
        raise EntryFailure(WSAEINVAL)  # ACPT-30
    socket.change_options(conditional_accept=bool(number))


def _write_pause_accept(provider: "Provider", socket: "Socket", number: int) -> None:
    socket.change_options(pause_accept=bool(number))
    if socket.listener is not None:
        socket.listener.paused = bool(number)  # LISTEN-72


def _write_dont_route(provider: "Provider", socket: "Socket", number: int) -> None:
    if socket.family != AF_INET:
        raise EntryFailure(WSAENOPROTOOPT)
    socket.change_flag(constants.SO_DONTROUTE, number)


def _set_open_type(number: int) -> None:
    # OPT-35. It governs sockets made without flags; WSPSocket is always told by its flags.
    if number not in (0, constants.SO_SYNCHRONOUS_ALERT, constants.SO_SYNCHRONOUS_NONALERT):
        raise EntryFailure(WSAEINVAL)
    _per_thread.open_type = number


_NEVER: Final = frozenset({constants.SO_USELOOPBACK, constants.SO_SNDLOWAT, constants.SO_RCVLOWAT})

_SOCKET_OPTIONS: Final[dict[int, Option]] = {
    constants.SO_DEBUG: _stored(constants.SO_DEBUG),
    constants.SO_ACCEPTCONN: Option(Group.A, lambda provider, socket: int(socket.listener is not None), None),
    constants.SO_REUSEADDR: _excluding("reuse_address", "exclusive_address"),
    constants.SO_EXCLUSIVEADDRUSE: _excluding("exclusive_address", "reuse_address"),
    constants.SO_DONTROUTE: Option(Group.B, _stored(constants.SO_DONTROUTE).read, _write_dont_route),
    constants.SO_KEEPALIVE: _stream_only(
        Option(Group.B, lambda provider, socket: int(socket.options.keepalive), _write_keepalive)
    ),
    constants.SO_OOBINLINE: _stream_only(
        Option(Group.A, lambda provider, socket: int(socket.options.out_of_band_inline), _write_inline)
    ),
    constants.SO_BROADCAST: _datagram_only(_field("broadcast", Group.A)),
    constants.SO_LINGER: _stream_only(Option(Group.C, _read_linger, _write_linger)),
    constants.SO_DONTLINGER: _stream_only(
        Option(Group.A, lambda provider, socket: int(not socket.options.linger), _write_dont_linger)
    ),
    constants.SO_SNDBUF: Option(
        Group.C,
        lambda provider, socket: _or_default(socket.options.send_buffer, provider.config.sndbuf),
        _write_send_buffer,
    ),
    constants.SO_RCVBUF: Option(
        Group.C,
        lambda provider, socket: _or_default(socket.options.receive_buffer, provider.config.rcvbuf),
        _write_receive_buffer,
    ),
    constants.SO_SNDTIMEO: _field("send_timeout", Group.C),
    constants.SO_RCVTIMEO: _field("receive_timeout", Group.C),
    constants.SO_ERROR: Option(Group.C, lambda provider, socket: socket.error, _write_error),
    constants.SO_TYPE: Option(Group.C, lambda provider, socket: socket.type, None),
    constants.SO_GROUP_ID: Option(Group.C, lambda provider, socket: 0, None),
    constants.SO_GROUP_PRIORITY: _stored(constants.SO_GROUP_PRIORITY, group=Group.C),
    constants.SO_MAX_MSG_SIZE: _datagram_only(Option(Group.C, lambda provider, socket: _LARGEST_DATAGRAM, None)),
    constants.SO_CONDITIONAL_ACCEPT: _stream_only(
        Option(Group.C, lambda provider, socket: int(socket.options.conditional_accept), _write_conditional_accept)
    ),
    constants.SO_PAUSE_ACCEPT: _stream_only(
        Option(Group.A, lambda provider, socket: int(socket.options.pause_accept), _write_pause_accept)
    ),
    constants.SO_RANDOMIZE_PORT: Option(Group.A, _stored(constants.SO_RANDOMIZE_PORT).read, _write_randomize_port),
    constants.SO_PORT_SCALABILITY: _stored(constants.SO_PORT_SCALABILITY),
    constants.SO_REUSE_UNICASTPORT: _stored(constants.SO_REUSE_UNICASTPORT),
    constants.SO_REUSE_MULTICASTPORT: _stored(constants.SO_REUSE_MULTICASTPORT),
}

_TCP_OPTIONS: Final[dict[int, Option]] = {
    constants.TCP_NODELAY: _stream_only(
        Option(Group.B, lambda provider, socket: int(socket.options.nodelay), _write_nodelay)
    ),
    constants.TCP_FAIL_CONNECT_ON_ICMP_ERROR: _stream_only(_field("fail_connect_on_icmp_error", Group.A)),
    constants.TCP_EXPEDITED_1122: _stream_only(
        Option(Group.C, lambda provider, socket: int(socket.options.urgent_1122), _write_expedited)
    ),
    constants.TCP_BSDURGENT: _stream_only(
        Option(Group.C, lambda provider, socket: int(not socket.options.urgent_1122), _write_bsd_urgent)
    ),
    constants.TCP_KEEPIDLE: _stream_only(
        Option(
            Group.C,
            lambda provider, socket: (
                _or_default(socket.options.keepalive_idle, provider.config.keepalive_time_ms) // 1000
            ),
            _write_keepalive_idle,
        )
    ),
    constants.TCP_KEEPINTVL: _stream_only(
        Option(
            Group.C,
            lambda provider, socket: (
                _or_default(socket.options.keepalive_interval, provider.config.keepalive_interval_ms) // 1000
            ),
            _write_keepalive_interval,
        )
    ),
    constants.TCP_KEEPCNT: _stream_only(
        Option(
            Group.C,
            lambda provider, socket: _or_default(socket.options.keepalive_count, provider.config.keepalive_count),
            _write_keepalive_count,
        )
    ),
    constants.TCP_MAXRT: _stream_only(_longest_wait(1000)),
    constants.TCP_MAXRTMS: _stream_only(_longest_wait(1)),
    constants.TCP_FASTOPEN: _stream_only(
        Option(Group.C, lambda provider, socket: int(socket.options.fast_open), _write_fast_open)
    ),
}


def _or_default(value: int | None, default: int) -> int:
    return default if value is None else value


_OPTIONS: Final[dict[tuple[int, int], Option]] = {
    **{(SOL_SOCKET, name): option for name, option in _SOCKET_OPTIONS.items()},
    **{(IPPROTO_TCP, name): option for name, option in _TCP_OPTIONS.items()},
}
