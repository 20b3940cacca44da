"""The call poll over the readiness of the core's handles, with the bits that Linux reports."""

from collections.abc import Callable
from typing import Final, TypeVar

from netcore.endpoint import ACCEPTABLE, CONNECTED, FAILED, GONE, PEER_CLOSED, READABLE, URGENT, WRITABLE
from stack.driving import Watch
from stack.packetdrill import values
from stack.packetdrill.expressions import Array, Elided, Expression, Structure
from stack.packetdrill.sockets import OutputDiffers, Sockets
from stack.packetdrill.values import Unknown, number
from stack.wsp.sockets import Socket

_Found = TypeVar("_Found")

_ALWAYS: Final = values.POLLERR | values.POLLHUP | values.POLLNVAL
_IN: Final = values.POLLIN | values.POLLRDNORM
_OUT: Final = values.POLLOUT | values.POLLWRNORM
_MILLISECOND: Final = 1_000_000
_NAMES: Final = [name for name in values.SYMBOLS if name.startswith("POLL")]


def events_text(bits: int) -> str:
    """Returns the names of the bits of an event mask."""
    return "|".join(name for name in _NAMES if bits & values.SYMBOLS[name]) or "0"


def events_of(sockets: Sockets, socket: Socket) -> int:
    """Returns every event that holds for a socket now."""
    if socket.listener is not None:
        return _IN if socket.listener.readiness & ACCEPTABLE else 0
    if socket.endpoint is None:
        failed = socket.connect_failed
        return _OUT | values.POLLHUP | ((_IN | values.POLLERR) if failed and socket.error else 0)
    readiness = socket.endpoint.readiness
    bits = values.POLLERR if sockets.error_pending(socket) else 0
    if readiness & FAILED:
        return bits | _IN | _OUT | values.POLLHUP | values.POLLRDHUP
    if not readiness & CONNECTED:
        return bits
    bits |= (_IN if readiness & READABLE else 0) | (_OUT if readiness & WRITABLE else 0)
    bits |= values.POLLPRI if readiness & URGENT else 0
    if readiness & PEER_CLOSED:
        bits |= _IN | values.POLLRDHUP
        if socket.send_shut:
            bits |= _OUT | values.POLLHUP
    return bits


def poll(sockets: Sockets, descriptors: Expression, count: Expression, timeout: Expression) -> int:
    """The call poll. Raises OutputDiffers when a revents that the script gives is another."""
    if not isinstance(descriptors, Array):
        raise Unknown(f"{descriptors} where an array of {{fd, events, revents}} is needed")
    entries = [entry for entry in descriptors.items if isinstance(entry, Structure)]
    pairs = [(_fd(entry), _events(entry)) for entry in entries]

    def look() -> list[int]:
        found = _look(sockets, entries)
        return found if any(found) else []

    found = wait_for(sockets, look, pairs, number(timeout, -1)) or [0] * len(entries)
    for entry, bits in zip(entries, found, strict=True):
        wanted = entry.member("revents")
        if wanted is not None and not isinstance(wanted, Elided) and number(wanted) != bits:
            raise OutputDiffers(f"fd {_fd(entry)}: revents is {events_text(bits)}, expected {wanted}")
    return sum(1 for bits in found if bits)


def wait_for(
    sockets: Sockets, look: Callable[[], list[_Found]], watched: list[tuple[int, int]], milliseconds: int
) -> list[_Found]:
    """Waits until `look` finds something, or the time is over; returns what it found.

    watched: descriptors and the events to wake for. milliseconds: below 0: without end.
    """
    deadline = None if milliseconds < 0 else sockets.clock.now() + milliseconds * _MILLISECOND
    waiter = sockets.clock.waiter()
    found = look()
    while not found and (deadline is None or sockets.clock.now() < deadline):
        watches: list[Watch] = []
        for fd, events in watched:
            socket = sockets.provider.descriptors.live.get(sockets.names.get(fd, -1))
            handle = None if socket is None else socket.listener or socket.endpoint
            if handle is not None:
                watches.append((handle, _readiness(events)))
        waiter.wait(watches, deadline)
        found = look()
    return found


def _fd(entry: Structure) -> int:
    return number(entry.member("fd") or Elided())


def _events(entry: Structure) -> int:
    return number(entry.member("events") or Elided(), 0)


def _readiness(events: int) -> int:
    bits = FAILED | GONE
    bits |= READABLE | ACCEPTABLE if events & _IN else 0
    bits |= WRITABLE if events & _OUT else 0
    bits |= URGENT if events & values.POLLPRI else 0
    return bits | (PEER_CLOSED if events & (values.POLLRDHUP | _IN) else 0)


def _look(sockets: Sockets, entries: list[Structure]) -> list[int]:
    found = []
    for entry in entries:
        socket = sockets.provider.descriptors.live.get(sockets.names.get(_fd(entry), -1))
        if socket is None:
            found.append(values.POLLNVAL)
            continue
        with sockets.provider.lock:
            socket.settle()
        found.append(events_of(sockets, socket) & (_events(entry) | _ALWAYS))
    return found
