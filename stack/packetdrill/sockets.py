"""The sockets of a script: POSIX descriptors and calls over the provider of this stack."""

import ctypes
from typing import Any, Final

from netcore.endpoint import FAILED, NET_RESET, OK
from stack.config import StackConfig
from stack.packetdrill.clock import Clock
from stack.packetdrill.error_names import errno_name
from stack.packetdrill.expressions import Elided, Expression, Structure
from stack.packetdrill.values import O_NONBLOCK, O_RDWR, SYMBOLS, Unknown, address, number
from stack.wsp import constants as ws
from stack.wsp.errors import STATUS_CODES
from stack.wsp.provider import Provider
from stack.wsp.sockets import Socket
from stack.wsp.structures import WSPDATA, WSPPROC_TABLE, sockaddr_in

_SIZE: Final = 16

_NOTHING: Final = Elided()


class CallError(Exception):
    """A call fails with an errno."""

    def __init__(self, errno: str) -> None:
        super().__init__(errno)
        self.errno = errno


class OutputDiffers(Exception):
    """A call succeeds, but what it stores is not what the script says."""


class Sockets:
    """Descriptors by the script's numbers, and the calls on them.

    local, remote: address and port that `...` stands for in bind, and in connect. others: descriptors that are no
    sockets. inquiring: sockets that have TCP_INQ set.
    """

    def __init__(self, clock: Clock, config: StackConfig, local: tuple[str, int], remote: tuple[str, int]) -> None:
        self.clock = clock
        self.provider = Provider(clock, config)
        self.table: Any = WSPPROC_TABLE()
        self.names: dict[int, int] = {}
        self.others: dict[int, object] = {}
        self.inquiring: set[int] = set()
        self._local, self._remote = local, remote
        self._told: set[int] = set()
        self._shut_for_reading: set[int] = set()
        self.provider.WSPStartup(0x0202, WSPDATA(), None, None, self.table)

    # ---- descriptors

    def live(self, expression: Expression) -> int:
        """The provider's descriptor. Raises CallError EBADF."""
        descriptor = self.names.get(number(expression))
        if descriptor is None:
            raise CallError("EBADF")
        return descriptor

    def socket_of(self, expression: Expression) -> Socket:
        """The provider's socket. Raises CallError EBADF."""
        socket = self.provider.descriptors.live.get(self.live(expression))
        if socket is None:
            raise CallError("EBADF")
        return socket

    def name(self, wanted: Expression, live: int) -> int:
        """Gives a new descriptor the number that the script expects, or else the lowest that is free."""
        value = self._free_number(wanted)
        self.names[value] = live
        return value

    def name_other(self, wanted: Expression, other: object) -> int:
        """Gives what is no socket its number, as `name` does."""
        value = self._free_number(wanted)
        self.others[value] = other
        return value

    def _free_number(self, wanted: Expression) -> int:
        value = number(wanted, -1)
        taken = self.names.keys() | self.others.keys()
        if value < 0 or value in taken:
            value = next(each for each in range(3, 1 << 20) if each not in taken)
        return value

    def invoke(self, kind: str, entry: str, *arguments: Any) -> int:
        """Calls an entry of the provider. Raises CallError; kind is that of `errno_name`."""
        error = ctypes.c_int(0)
        result: int = getattr(self.table, entry)(*arguments, error)
        if result in (ws.SOCKET_ERROR, ws.INVALID_SOCKET):
            raise CallError(errno_name(error.value, kind))
        return result

    def terminal_error(self, socket: Socket) -> int:
        """What ended the connection, as POSIX tells it: once (the Winsock code), and 0 ever after."""
        endpoint = socket.endpoint
        if endpoint is None or socket.attempt is not None or endpoint.status == OK:
            return 0
        if not endpoint.readiness & FAILED or socket.descriptor in self._told:
            return 0
        self._told.add(socket.descriptor)
        # POSIX has no name of its own for a peer that answered no keepalive probe
        return ws.WSAETIMEDOUT if endpoint.status == NET_RESET else STATUS_CODES[endpoint.status]

    def error_told(self, socket: Socket) -> bool:
        """Whether what ended the connection was told: from then on POSIX says end of stream, or EPIPE."""
        endpoint = socket.endpoint
        return socket.descriptor in self._told and endpoint is not None and endpoint.status != OK

    def shut_for_reading(self, socket: Socket) -> bool:
        """Whether the script has shut the socket down for reading."""
        return socket.descriptor in self._shut_for_reading

    def error_pending(self, socket: Socket) -> bool:
        """Whether `terminal_error` has something to tell."""
        told = socket.descriptor in self._told
        endpoint = socket.endpoint
        return not told and endpoint is not None and socket.attempt is None and bool(endpoint.readiness & FAILED)

    # ---- calls

    def socket(self, wanted: Expression, domain: Expression, kind: Expression, protocol: Expression) -> int:
        """The call socket."""
        family = number(domain, ws.AF_INET)
        if family != ws.AF_INET:
            raise Unknown(f"socket({domain}, ...): only AF_INET is supported yet")
        flags = number(kind)
        base = flags & 0xF
        if base not in (ws.SOCK_STREAM, ws.SOCK_DGRAM):
            raise Unknown(f"socket(..., {kind}): only SOCK_STREAM and SOCK_DGRAM are supported")
        if number(protocol, 0) not in (0, ws.IPPROTO_TCP, ws.IPPROTO_UDP):
            raise Unknown(f"socket(..., {protocol}): only IPPROTO_TCP and IPPROTO_UDP are supported")
        live = self.invoke("", "WSPSocket", ws.AF_INET, base, number(protocol, 0), None, 0, 1)
        if flags & O_NONBLOCK:
            self._set_nonblocking(live, True)
        return self.name(wanted, live)

    def bind(self, fd: Expression, name: Expression, length: Expression) -> int:
        """The call bind."""
        host, port = self._local if isinstance(name, Elided) else address(name)
        return self.invoke("bind", "WSPBind", self.live(fd), sockaddr_in.of(host, port), _SIZE)

    def listen(self, fd: Expression, backlog: Expression) -> int:
        """The call listen."""
        return self.invoke("listen", "WSPListen", self.live(fd), number(backlog, 5))

    def accept(self, wanted: Expression, fd: Expression, name: Expression, length: Expression) -> int:
        """The call accept."""
        peer, size = sockaddr_in(), ctypes.c_int(_SIZE)
        live = self.invoke("accept", "WSPAccept", self.live(fd), peer, size, None, 0)
        self._told.discard(live)
        named = self.name(wanted, live)
        self._compare_address(name, (peer.address, peer.port))
        return named

    def accept4(
        self, wanted: Expression, fd: Expression, name: Expression, length: Expression, flags: Expression
    ) -> int:
        """The call accept4."""
        named = self.accept(wanted, fd, name, length)
        if number(flags, 0) & O_NONBLOCK:
            self._set_nonblocking(self.names[named], True)
        return named

    def connect(self, fd: Expression, name: Expression, length: Expression) -> int:
        """The call connect."""
        host, port = self._remote if isinstance(name, Elided) else address(name)
        target = sockaddr_in.of(host, port)
        return self.invoke("connect", "WSPConnect", self.live(fd), target, _SIZE, None, None, None, None)

    def getsockname(self, fd: Expression, name: Expression, length: Expression) -> int:
        """The call getsockname."""
        return self._get_name("WSPGetSockName", fd, name)

    def getpeername(self, fd: Expression, name: Expression, length: Expression) -> int:
        """The call getpeername."""
        return self._get_name("WSPGetPeerName", fd, name)

    def _get_name(self, entry: str, fd: Expression, name: Expression) -> int:
        found, size = sockaddr_in(), ctypes.c_int(_SIZE)
        result = self.invoke("", entry, self.live(fd), found, size)
        self._compare_address(name, (found.address, found.port))
        return result

    def _compare_address(self, wanted: Expression, seen: tuple[str, int]) -> None:
        if isinstance(wanted, Structure) and address(wanted) != seen:
            raise OutputDiffers(f"the address is {seen[0]} port {seen[1]}, expected {wanted}")

    # ---- the rest

    def close(self, fd: Expression) -> int:
        """The call close."""
        if self.others.pop(number(fd), None) is not None:
            return 0
        live = self.live(fd)
        result = self.invoke("close", "WSPCloseSocket", live)
        self._told.discard(live)
        self._shut_for_reading.discard(live)
        self.inquiring.discard(live)
        del self.names[number(fd)]
        return result

    def shutdown(self, fd: Expression, how: Expression) -> int:
        """The call shutdown."""
        direction, live = number(how), self.live(fd)
        result = self.invoke("shutdown", "WSPShutdown", live, direction)
        if direction != SYMBOLS["SHUT_WR"]:
            self._shut_for_reading.add(live)
        return result

    def fcntl(self, fd: Expression, command: Expression, value: Expression = _NOTHING) -> int:
        """The call fcntl: F_GETFL and F_SETFL."""
        socket = self.socket_of(fd)
        if number(command) == SYMBOLS["F_GETFL"]:
            return O_RDWR | (O_NONBLOCK if socket.nonblocking else 0)
        if number(command) != SYMBOLS["F_SETFL"]:
            raise Unknown(f"fcntl(..., {command}): only F_GETFL and F_SETFL are supported")
        self._set_nonblocking(socket.descriptor, bool(number(value, 0) & O_NONBLOCK))
        return 0

    def ioctl(self, fd: Expression, request: Expression, value: Expression = _NOTHING) -> int:
        """The call ioctl: FIONREAD, SIOCINQ, SIOCOUTQ, FIONBIO."""
        socket, code = self.socket_of(fd), number(request)
        if code == SYMBOLS["FIONBIO"]:
            self._set_nonblocking(socket.descriptor, bool(number(value)))
            return 0
        if code not in (SYMBOLS["FIONREAD"], SYMBOLS["SIOCOUTQ"]):
            raise Unknown(f"ioctl(..., {request}) is not supported")
        endpoint = socket.endpoint
        if endpoint is None:
            raise CallError("EINVAL")
        seen = endpoint.readable_bytes if code == SYMBOLS["FIONREAD"] else endpoint.buffered_bytes
        if not isinstance(value, Elided) and number(value, seen) != seen:
            raise OutputDiffers(f"{request} gives [{seen}], expected {value}")
        return 0

    def _set_nonblocking(self, live: int, on: bool) -> None:
        returned = ctypes.c_uint32()
        self.invoke("", "WSPIoctl", live, ws.FIONBIO, ctypes.c_uint32(on), 4, None, 0, returned, None, None, None)
