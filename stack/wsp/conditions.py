"""The condition function of WSPAccept (wsp.md section 4.2): what it is called with, and what it may not call."""

import ctypes
import threading
from collections.abc import Callable
from typing import Any, Final

from netcore.endpoint import Endpoint
from stack.wsp.addresses import address_bytes
from stack.wsp.constants import CF_ACCEPT, CF_DEFER, CF_REJECT
from stack.wsp.sockets import Socket
from stack.wsp.structures import GROUP, WSABUF

ConditionFunction = Callable[[WSABUF, None, None, None, WSABUF, WSABUF, ctypes.c_uint32, Any], int]

DECISIONS: Final = frozenset({CF_ACCEPT, CF_REJECT, CF_DEFER})


class _Listeners(threading.local):
    """The listeners whose condition functions the calling thread is running, outermost first."""

    def __init__(self) -> None:
        self.running: list[Socket] = []


class RunningConditions:
    """The condition functions that are running, those of each thread by themselves.

    count: of all threads; while it is 0 nobody needs to ask which.
    """

    def __init__(self) -> None:
        self.count = 0
        self._lock = threading.Lock()
        self._listeners = _Listeners()

    def any(self) -> bool:
        """Whether the calling thread is inside a condition function (LISTEN-79)."""
        return self.count > 0 and bool(self._listeners.running)

    def of(self, descriptor: int) -> bool:
        """Whether the thread is inside a condition function that decides for this listener (ACPT-28)."""
        return any(socket.descriptor == descriptor for socket in self._listeners.running)

    def ask(
        self, listener: Socket, candidate: Endpoint, condition: ConditionFunction, callback_data: Any
    ) -> int | None:
        """Calls the condition function for one candidate, in this thread (ACPT-20).

        Returns CF_ACCEPT, CF_REJECT or CF_DEFER; None when it returned anything else (ACPT-27).
        """
        caller = WSABUF.over(bytearray(address_bytes(listener.family, candidate.remote)))
        callee = WSABUF.over(bytearray(address_bytes(listener.family, candidate.local)))
        with self._lock:
            self.count += 1
        self._listeners.running.append(listener)
        try:
            # TCP carries no caller data and has no QoS; callee data of length 0 says that it cannot be sent either.
            decision = condition(caller, None, None, None, callee, WSABUF(), GROUP(), callback_data)
        finally:
            self._listeners.running.pop()
            with self._lock:
                self.count -= 1
        return int(decision) if decision in DECISIONS else None
