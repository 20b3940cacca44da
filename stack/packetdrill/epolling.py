"""The calls epoll_create, epoll_ctl and epoll_wait, level- and edge-triggered, over the events of `poll`."""

from dataclasses import dataclass, field

from stack.packetdrill import polling
from stack.packetdrill.expressions import Array, Elided, Expression, Structure
from stack.packetdrill.sockets import CallError, OutputDiffers, Sockets
from stack.packetdrill.values import POLLERR, POLLHUP, SYMBOLS, Unknown, number
from stack.wsp.sockets import Socket

_ADD, _DELETE, _MODIFY = SYMBOLS["EPOLL_CTL_ADD"], SYMBOLS["EPOLL_CTL_DEL"], SYMBOLS["EPOLL_CTL_MOD"]
_EDGE, _ONCE = SYMBOLS["EPOLLET"], SYMBOLS["EPOLLONESHOT"]


@dataclass(slots=True)
class _Interest:
    """One descriptor of a set. seen, received: what held and how much had come when it was told last."""

    events: int
    data: Expression
    seen: int = 0
    received: int = 0
    told: bool = False


@dataclass(slots=True)
class Epoll:
    """A set of descriptors, by their numbers."""

    interests: dict[int, _Interest] = field(default_factory=dict)


def epoll_create(sockets: Sockets, wanted: Expression, size: Expression) -> int:
    """The calls epoll_create and epoll_create1."""
    return sockets.name_other(wanted, Epoll())


def _set_of(sockets: Sockets, descriptor: Expression) -> Epoll:
    found = sockets.others.get(number(descriptor))
    if not isinstance(found, Epoll):
        raise CallError("EINVAL" if number(descriptor) in sockets.names else "EBADF")
    return found


def epoll_ctl(
    sockets: Sockets, descriptor: Expression, operation: Expression, fd: Expression, event: Expression
) -> int:
    """The call epoll_ctl."""
    interests, watched, what = _set_of(sockets, descriptor).interests, number(fd), number(operation)
    sockets.live(fd)
    if what == _ADD and watched in interests:
        raise CallError("EEXIST")
    if what in (_DELETE, _MODIFY) and watched not in interests:
        raise CallError("ENOENT")
    if what == _DELETE:
        del interests[watched]
    elif what in (_ADD, _MODIFY):
        if not isinstance(event, Structure):
            raise Unknown(f"{event} where {{events=..., fd=...}} is needed")
        interests[watched] = _Interest(number(event.member("events") or Elided()), _data(event))
    else:
        raise CallError("EINVAL")
    return 0


def _data(event: Structure) -> Expression:
    return event.member("fd", "u32", "u64", "ptr") or Elided()


def epoll_wait(
    sockets: Sockets, descriptor: Expression, events: Expression, maximum: Expression, timeout: Expression
) -> int:
    """The call epoll_wait. Raises OutputDiffers when an event that the script gives is another."""
    found = _set_of(sockets, descriptor)

    def look() -> list[tuple[_Interest, int]]:
        return _happened(sockets, found)

    watched = [(fd, each.events) for fd, each in found.interests.items()]
    happened = polling.wait_for(sockets, look, watched, number(timeout))[: max(0, number(maximum))]
    wanted = events.items if isinstance(events, Array) else (events,)
    for (interest, bits), each in zip(happened, wanted, strict=False):
        interest.told = True
        if isinstance(each, Structure):
            _compare(each, interest, bits)
    return len(happened)


def _compare(wanted: Structure, interest: _Interest, bits: int) -> None:
    expected = wanted.member("events")
    if expected is not None and not isinstance(expected, Elided) and number(expected) != bits:
        raise OutputDiffers(f"events is {polling.events_text(bits)}, expected {expected}")
    data = _data(wanted)
    if not isinstance(data, Elided) and number(data) != number(interest.data):
        raise OutputDiffers(f"the event is that of {interest.data}, expected {data}")


def _happened(sockets: Sockets, found: Epoll) -> list[tuple[_Interest, int]]:
    """The descriptors of a set that have something to tell, and what; it counts as told."""
    happened = []
    for fd, interest in found.interests.items():
        socket = sockets.provider.descriptors.live.get(sockets.names.get(fd, -1))
        if socket is None:
            continue
        with sockets.provider.lock:
            socket.settle()
        holds = polling.events_of(sockets, socket)
        bits = holds & (interest.events | POLLERR | POLLHUP)
        received = _received(socket)
        new = holds & ~interest.seen or received != interest.received
        interest.seen, interest.received = holds, received
        if not bits or (interest.events & _EDGE and not new) or (interest.events & _ONCE and interest.told):
            continue
        happened.append((interest, bits))
    return happened


def _received(socket: Socket) -> int:
    """How many bytes have come in order: more of them are an edge even where some were left unread."""
    return 0 if socket.endpoint is None else socket.endpoint.tcp_info().get("tcpi_bytes_received", 0)
