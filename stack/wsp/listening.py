"""WSPListen (wsp.md section 2)."""

import ctypes
from typing import TYPE_CHECKING

from stack.wsp.constants import (
    SOMAXCONN,
    WSAEADDRINUSE,
    WSAEINVAL,
    WSAEISCONN,
    WSAEMFILE,
    WSAENOBUFS,
    WSAEOPNOTSUPP,
)
from stack.wsp.errors import STATUS_CODES, EntryFailure

if TYPE_CHECKING:
    from stack.config import StackConfig
    from stack.wsp.provider import Provider
    from stack.wsp.sockets import Socket


def effective_backlog(backlog: int, config: "StackConfig") -> int:
    """Returns the backlog in force for the argument of WSPListen, a signed 32-bit integer (LISTEN-34 to 38)."""
    asked = ctypes.c_int32(backlog).value
    if asked < 0:
        return max(config.hint_min, min(config.hint_max, -asked))
    if asked == SOMAXCONN:
        return config.backlog_max
    return max(config.backlog_min, min(config.backlog_max, asked))


def listen(provider: "Provider", socket: "Socket", backlog: int) -> None:
    """WSPListen, checks in the order of LISTEN-40; a repeated call replaces the backlog (LISTEN-28 to 30).

    Raises EntryFailure; nothing has changed then (LISTEN-44).
    """
    effective = effective_backlog(backlog, provider.config)
    if not socket.stream:
        raise EntryFailure(WSAEOPNOTSUPP)
    with provider.lock:
        socket.begin()
        if socket.established:
            raise EntryFailure(WSAEISCONN)
        if socket.attempt is not None or socket.binding is None:
            raise EntryFailure(WSAEINVAL)
        if socket.listener is not None:
            socket.listener.set_backlog(effective)
            return
        provider.bindings.commit(socket.binding)
        limit = provider.config.max_listeners
        if limit is not None and provider.listeners >= limit:
            raise EntryFailure(WSAEMFILE)  # LISTEN-45
        binding, options = socket.binding, socket.options
        listener = provider.engine.listen(
            binding.address,
            binding.port,
            effective,
            rank=binding.order,
            conditional=options.conditional_accept,
            paused=options.pause_accept,
            fast_open=options.fast_open,
        )
        if isinstance(listener, int):
            code = STATUS_CODES[listener]
            raise EntryFailure(code if code == WSAEADDRINUSE else WSAENOBUFS)
        socket.listener = listener
        provider.listeners += 1
    socket.wake()
