"""WSPConnect (wsp.md section 5.6)."""

from typing import TYPE_CHECKING, Any, Final

from netcore.endpoint import CONNECTED, FAILED, GONE, IN_USE, NO_BUFFERS, UNREACHABLE, Endpoint
from stack.wsp import arguments
from stack.wsp.addresses import WILDCARD, read_address
from stack.wsp.binding import Mode
from stack.wsp.constants import (
    WSAEADDRINUSE,
    WSAEADDRNOTAVAIL,
    WSAEALREADY,
    WSAEINVAL,
    WSAEISCONN,
    WSAENETUNREACH,
    WSAENOBUFS,
    WSAEOPNOTSUPP,
    WSAEPROTONOSUPPORT,
    WSAEWOULDBLOCK,
)
from stack.wsp.errors import EntryFailure
from stack.wsp.sockets import Attempt, Socket
from stack.wsp.structures import WSABUF
from stack.wsp.waiting import complete

if TYPE_CHECKING:
    from stack.wsp.provider import Provider

# What an active open fails with at once; an UNREACHABLE that comes later, from the link or ICMP, is WSAEHOSTUNREACH.
_OPEN_CODES: Final = {UNREACHABLE: WSAENETUNREACH, IN_USE: WSAEADDRINUSE, NO_BUFFERS: WSAENOBUFS}

# How many ephemeral ports are tried before a four-tuple in use (TIME-WAIT) is reported.
_PORTS_TRIED: Final = 16


def connect(
    provider: "Provider", socket: Socket, name: Any, length: int, caller: Any, callee: Any, flows: tuple[Any, Any]
) -> None:
    """WSPConnect. Raises EntryFailure; WSAEWOULDBLOCK: the handshake goes on (CONN-2).

    caller, callee: lpCallerData and lpCalleeData; flows: lpSQOS and lpGQOS.
    """
    remote = read_address(socket.family, name, length)
    caller_data = None if caller is None else arguments.structure(caller, WSABUF)
    callee_data = None if callee is None else arguments.structure(callee, WSABUF)
    if callee_data is not None:
        callee_data.len = 0  # CONN-10
    if any(flow is not None for flow in flows) or not socket.stream:
        raise EntryFailure(WSAEOPNOTSUPP)
    if caller_data is not None and caller_data.len:
        raise EntryFailure(WSAEPROTONOSUPPORT)
    with provider.lock:
        _check_state(socket)
        if remote[0] == WILDCARD or not remote[1]:
            raise EntryFailure(WSAEADDRNOTAVAIL)
        blocking = not socket.nonblocking
        try:
            endpoint = _open(provider, socket, remote)
        except EntryFailure as failure:
            socket.connect_failed = True
            if not blocking:
                socket.error = failure.code  # CONN-7
            raise
        attempt = Attempt(endpoint, blocking)
        socket.attach(endpoint)
        socket.attempt = attempt
    socket.wake()
    if not blocking:
        raise EntryFailure(WSAEWOULDBLOCK)

    def outcome() -> int | None:
        with provider.lock:
            socket.settle()
        return attempt.code

    code = complete(provider, socket, outcome, ((endpoint, CONNECTED | FAILED | GONE),))
    if code:
        raise EntryFailure(code)


def _check_state(socket: Socket) -> None:
    """The row Connect of the state matrix (section 1.2)."""
    socket.begin()
    if socket.listener is not None:
        raise EntryFailure(WSAEINVAL)
    if socket.attempt is not None:
        raise EntryFailure(WSAEALREADY)
    if socket.endpoint is not None:
        raise EntryFailure(WSAEISCONN)


def _open(provider: "Provider", socket: Socket, remote: tuple[bytes, int]) -> Endpoint:
    """Starts the active open, after an implicit bind where there was none (CONN-1)."""
    if socket.binding is not None:
        return _open_from(provider, socket, remote)
    if provider.engine.source_address(remote[0]) is None:
        raise EntryFailure(WSAENETUNREACH)
    for remaining in reversed(range(_PORTS_TRIED)):
        socket.binding = provider.bindings.reserve(socket.protocol, None, 0, Mode.of(socket.options), socket.account)
        try:
            return _open_from(provider, socket, remote)
        except EntryFailure as failure:
            provider.bindings.release(socket.binding)
            socket.binding = None
            if failure.code != WSAEADDRINUSE or not remaining:
                raise
    raise EntryFailure(WSAEADDRINUSE)


def _open_from(provider: "Provider", socket: Socket, remote: tuple[bytes, int]) -> Endpoint:
    assert socket.binding is not None
    binding = socket.binding
    endpoint = provider.engine.connect(
        binding.port,
        remote,
        local_address=binding.address,
        syn_timing=socket.options.syn_timing,
        icmp_fails_connect=socket.options.fail_connect_on_icmp_error,
        fast_open=socket.options.fast_open,
    )
    if isinstance(endpoint, int):
        raise EntryFailure(_OPEN_CODES.get(endpoint, WSAENOBUFS))
    return endpoint
