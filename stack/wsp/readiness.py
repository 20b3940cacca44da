"""WSPSelect (wsp.md section 5.19).

What programs ask most, about sockets that are connected or listen, is answered by `netcore.selection`; all else, and
what becomes of such sockets during a wait, by `_General`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from netcore.endpoint import ACCEPTABLE, CONNECTED, FAILED, GONE, READABLE, URGENT, WRITABLE
from netcore.selection import Selection, select_plain
from stack.driving import Watch
from stack.wsp import arguments
from stack.wsp.constants import (
    SOCKET_ERROR,
    WSAEFAULT,
    WSAEINPROGRESS,
    WSAEINVAL,
    WSAENOBUFS,
    WSAENOTSOCK,
)
from stack.wsp.errors import EntryFailure
from stack.wsp.sockets import Socket
from stack.wsp.structures import FdSet, timeval
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


class _General:
    """The sets of one call, with the sockets they name, whatever these are; live: sockets by their descriptors.

    Raises EntryFailure: WSAEINVAL, all sets NULL or empty (SEL-4); WSAENOTSOCK, a member is no socket (SEL-5).
    """

    def __init__(
        self, provider: "Provider", live: dict[int, Socket], readfds: Any, writefds: Any, exceptfds: Any
    ) -> None:
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


def make_select(provider: "Provider") -> Callable[[int, Any, Any, Any, Any, Any], int]:
    """Returns the entry WSPSelect of `provider`."""
    live, deciding = provider.descriptors.live, provider.running_conditions

    def WSPSelect(nfds: int, readfds: Any, writefds: Any, exceptfds: Any, timeout: Any, lpErrno: Any) -> int:
        """Waits until a member of the sets is ready; returns how many are, 0 on time-out with the sets emptied."""
        try:
            provider.check_started()
            duration = None if timeout is None else _duration(timeout)
            plain = (
                None if deciding.count and deciding.any() else select_plain(live, FdSet, readfds, writefds, exceptfds)
            )
            if plain is None:
                return _select(provider, readfds, writefds, exceptfds, duration)
            ready = plain.poll()
            if ready:
                return ready
            if duration == 0:
                plain.clear()
                return 0
            return _wait_plain(provider, plain, (readfds, writefds, exceptfds), duration)
        except EntryFailure as failure:
            code = failure.code
        except MemoryError:
            code = WSAENOBUFS
        arguments.store_error(lpErrno, code)
        return SOCKET_ERROR

    return WSPSelect


def _wait_plain(provider: "Provider", plain: Selection, sets: tuple[Any, Any, Any], duration: int | None) -> int:
    driver = provider.driver
    wait = driver.waiter()
    deadline = None if duration is None else driver.now() + duration
    watches = plain.watches()
    plain.join(wait)
    try:
        # The members are looked at after registering: what changed before that has woken nobody. The Waiter itself
        # looks at what their handles have.
        while not plain.changed():
            in_time = wait.wait(watches, deadline)
            if plain.changed():
                break
            ready = plain.poll()
            if ready:
                return ready
            if not in_time:
                plain.clear()
                return 0
    finally:
        plain.leave(wait)
    # Members that were closed meanwhile have no descriptor any more.
    named = {socket.descriptor: socket for socket in plain.members if isinstance(socket, Socket)}
    selection = _General(provider, named, *sets)
    return selection.store(_wait(provider, selection, deadline))


def _select(provider: "Provider", readfds: Any, writefds: Any, exceptfds: Any, duration: int | None) -> int:
    """Returns the number of ready entries; duration: ns, None for no limit. Raises EntryFailure."""
    selection = _General(provider, provider.descriptors.live, readfds, writefds, exceptfds)
    deciding = provider.running_conditions
    if duration != 0 and any(deciding.of(socket.descriptor) for socket in selection.sockets.values()):
        raise EntryFailure(WSAEINPROGRESS)  # ACPT-28
    ready = selection.outcome()
    if ready is None and duration != 0:
        driver = provider.driver
        ready = _wait(provider, selection, None if duration is None else driver.now() + duration)
    return selection.store(ready)


def _duration(timeout: Any) -> int | None:
    """Returns the time-out in ns, None for no limit (SEL-3)."""
    if timeout is None:
        return None
    limit = arguments.structure(timeout, timeval)
    if limit.tv_sec < 0 or not 0 <= limit.tv_usec < 1_000_000:
        raise EntryFailure(WSAEINVAL)
    return int(limit.tv_sec) * _SECOND + int(limit.tv_usec) * _MICROSECOND


def _wait(provider: "Provider", selection: _General, deadline: int | None) -> list[set[int]] | None:
    """Waits until a member is ready, at most until `deadline` (ns); returns what `outcome` does."""
    wait = provider.driver.waiter()
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
