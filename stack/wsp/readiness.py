"""WSPSelect (wsp.md section 5.19)."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from netcore.endpoint import ACCEPTABLE, CONNECTED, FAILED, GONE, READABLE, URGENT, WRITABLE
from stack.driving import Watch
from stack.wsp import arguments
from stack.wsp.constants import WSAEFAULT, WSAEINPROGRESS, WSAEINVAL, WSAENOTSOCK
from stack.wsp.errors import EntryFailure
from stack.wsp.sockets import Socket
from stack.wsp.structures import timeval
from stack.wsp.waiting import MILLISECOND

if TYPE_CHECKING:
    from stack.wsp.provider import Provider

_MICROSECOND: Final = MILLISECOND // 1000
_SECOND: Final = 1000 * MILLISECOND


def readable(socket: Socket) -> bool:
    """Whether the socket belongs into a read set: a connection, data, the end, or a terminal code waits (SEL-7, 10)."""
    if socket.listener is not None:
        return bool(socket.listener.readiness & ACCEPTABLE)
    if socket.endpoint is None or socket.attempt is not None:
        return False
    return bool(socket.endpoint.readiness & (READABLE | FAILED))


def writable(socket: Socket) -> bool:
    """Whether the socket belongs into a write set: connected, and a send would be accepted (SEL-8, 10, 11)."""
    if not socket.stream:
        return True
    if socket.endpoint is None or socket.attempt is not None:
        return False
    return bool(socket.endpoint.readiness & (WRITABLE | FAILED))


def exceptional(socket: Socket) -> bool:
    """Whether the socket belongs into an except set: a failed connect, an urgent byte out of line (SEL-8, CONN-7)."""
    if socket.connect_failed:
        return True
    if socket.endpoint is None or socket.attempt is not None:
        return False
    return bool(socket.endpoint.readiness & URGENT)


class _Role:
    """One of the three sets of a call. Order of `members` is the order of the set; duplicates are gone (SEL-6)."""

    __slots__ = ("members", "ready", "set", "watched_bits")

    def __init__(self, fds: Any, ready: Callable[[Socket], bool], watched_bits: int) -> None:
        self.set = fds
        self.ready = ready
        self.watched_bits = watched_bits
        self.members: dict[int, Socket] = {}


class Selection:
    """The sets of one call, with the sockets they name.

    Raises EntryFailure: WSAEINVAL, all sets NULL or empty (SEL-4); WSAENOTSOCK, a member is no socket (SEL-5).
    """

    def __init__(self, provider: "Provider", readfds: Any, writefds: Any, exceptfds: Any) -> None:
        self._provider = provider
        self._roles = [
            _Role(arguments.pointee(fds), ready, bits)
            for fds, ready, bits in (
                (readfds, readable, READABLE | FAILED | GONE),
                (writefds, writable, WRITABLE | FAILED | GONE),
                (exceptfds, exceptional, URGENT | GONE),
            )
            if fds is not None
        ]
        live = provider.descriptors.live
        try:
            descriptors = [role.set.fd_array[: role.set.fd_count] for role in self._roles]
        except (AttributeError, TypeError):
            raise EntryFailure(WSAEFAULT) from None
        if not any(descriptors):
            raise EntryFailure(WSAEINVAL)
        for role, values in zip(self._roles, descriptors, strict=True):
            for value in values:
                socket = live.get(value)
                if socket is None:
                    provider.socket(value)  # says which code an unknown value has now
                    raise EntryFailure(WSAENOTSOCK)
                role.members[value] = socket
        self.sockets = {id(socket): socket for role in self._roles for socket in role.members.values()}

    def settle(self) -> None:
        """Takes over the outcomes of connects."""
        connecting = [socket for socket in self.sockets.values() if socket.attempt is not None]
        if connecting:
            with self._provider.lock:
                for socket in connecting:
                    socket.settle()

    def outcome(self) -> list[set[int]] | None:
        """Returns the ready members of each role, None when there is none.

        Raises EntryFailure WSAENOTSOCK: a member outside the read set was closed during the wait (SEL-12).
        """
        self.settle()
        ready = []
        gone = False
        for role in self._roles:
            found = set()
            for value, socket in role.members.items():
                if socket.closed:
                    if role.ready is readable:
                        found.add(value)
                    else:
                        gone = True
                elif role.ready(socket):
                    found.add(value)
            ready.append(found)
        if any(ready):
            return ready
        if gone:
            raise EntryFailure(WSAENOTSOCK)
        return None

    def watches(self) -> list[Watch]:
        """Returns what may change the outcome."""
        watches: list[Watch] = []
        for role in self._roles:
            for socket in role.members.values():
                if socket.listener is not None:
                    if role.ready is readable:
                        watches.append((socket.listener, ACCEPTABLE | GONE))
                elif (attempt := socket.attempt) is not None:
                    watches.append((attempt.endpoint, CONNECTED | FAILED | GONE))
                elif (endpoint := socket.endpoint) is not None:
                    watches.append((endpoint, role.watched_bits))
        return watches

    def store(self, ready: list[set[int]] | None) -> int:
        """Fills the sets with the ready members in their order and returns the count over distinct sets (SEL-2, 6)."""
        count = 0
        ready = ready or [set() for _ in self._roles]
        merged: dict[int, tuple[Any, dict[int, None]]] = {}  # the same object may stand for two roles
        for role, found in zip(self._roles, ready, strict=True):
            members = merged.setdefault(id(role.set), (role.set, {}))[1]
            members.update((value, None) for value in role.members if value in found)
        for fds, members in merged.values():
            given = dict.fromkeys(fds.fd_array[: fds.fd_count])
            kept = [value for value in given if value in members]
            fds.fd_array[: len(kept)] = kept
            fds.fd_count = len(kept)
            count += len(kept)
        return count


def select(provider: "Provider", readfds: Any, writefds: Any, exceptfds: Any, timeout: Any) -> int:
    """WSPSelect: returns the number of ready entries, 0 on time-out with the sets emptied. Raises EntryFailure."""
    duration = _duration(timeout)
    selection = Selection(provider, readfds, writefds, exceptfds)
    deciding = provider.running_conditions
    if duration != 0 and any(deciding.of(socket.descriptor) for socket in selection.sockets.values()):
        raise EntryFailure(WSAEINPROGRESS)  # ACPT-28
    ready = selection.outcome()
    if ready is None and duration != 0:
        ready = _wait(provider, selection, duration)
    return selection.store(ready)


def _duration(timeout: Any) -> int | None:
    """Returns the time-out in ns, None for no limit (SEL-3)."""
    if timeout is None:
        return None
    limit = arguments.structure(timeout, timeval)
    if limit.tv_sec < 0 or not 0 <= limit.tv_usec < 1_000_000:
        raise EntryFailure(WSAEINVAL)
    return int(limit.tv_sec) * _SECOND + int(limit.tv_usec) * _MICROSECOND


def _wait(provider: "Provider", selection: Selection, duration: int | None) -> list[set[int]] | None:
    driver = provider.driver
    wait = driver.waiter()
    deadline = None if duration is None else driver.now() + duration
    sockets = tuple(selection.sockets.values())
    for socket in sockets:
        socket.waits.append(wait)
    try:
        while True:
            # Again after registering: what changed before that has woken nobody.
            ready = selection.outcome()
            if ready is not None:
                return ready
            if not wait.wait(selection.watches(), deadline):
                return selection.outcome()
    finally:
        for socket in sockets:
            socket.waits.remove(wait)
