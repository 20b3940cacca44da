"""The one body of every call that blocks: attempt, wait, attempt."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar, cast

from typing_extensions import Buffer

from netcore.endpoint import Endpoint
from stack.driving import Watch
from stack.wsp.constants import WSAEINTR, WSAETIMEDOUT
from stack.wsp.errors import EntryFailure

if TYPE_CHECKING:
    from stack.wsp.provider import Provider
    from stack.wsp.sockets import Socket

MILLISECOND = 1_000_000

Result = TypeVar("Result")


def complete(
    provider: "Provider",
    socket: "Socket",
    attempt: Callable[[], Result | None],
    watches: Sequence[Watch],
    timeout: int = 0,
    landing: tuple[Endpoint, Buffer] | None = None,
) -> Result:
    """Calls `attempt` until it returns a result, and waits for `watches` in between.

    attempt: returns None when it would block. timeout: ms for the whole, 0 for no limit.
    landing: where text of a connection may go while this waits, for an `attempt` that gives a count of bytes.
    Raises EntryFailure: WSAEINTR when the socket is closed meanwhile (CLOSE-2, ACPT-14); WSAETIMEDOUT; what `attempt`
    raises. The provider's lock must not be held.
    """
    driver = provider.driver
    wait = driver.waiter()
    deadline = driver.now() + timeout * MILLISECOND if timeout else None
    socket.waits.append(wait)
    try:
        while True:
            if socket.closed:
                raise EntryFailure(WSAEINTR)
            result = attempt()
            if result is not None:
                return result
            if landing is None:
                ready = wait.wait(watches, deadline)
            else:
                landed = wait.receive_into(*landing, watches, deadline)
                if landed > 0:
                    return cast(Result, landed)
                ready = not landed
            if not ready and not socket.closed:
                result = attempt()
                if result is None:
                    raise EntryFailure(WSAETIMEDOUT)
                return result
    finally:
        socket.waits.remove(wait)
