"""Names of system calls -> what carries them out, and the comparison of what they return."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from stack.packetdrill import epolling, files, polling, socket_options, transfer
from stack.packetdrill.error_names import SAME
from stack.packetdrill.expressions import Elided, Number
from stack.packetdrill.script import Call
from stack.packetdrill.sockets import CallError, OutputDiffers, Sockets
from stack.packetdrill.values import Unknown, number

Body = Callable[..., int]


_BODIES: Final[dict[str, Body]] = {
    "bind": Sockets.bind,
    "listen": Sockets.listen,
    "connect": Sockets.connect,
    "getsockname": Sockets.getsockname,
    "getpeername": Sockets.getpeername,
    "write": transfer.send,
    "send": transfer.send,
    "sendto": transfer.sendto,
    "writev": transfer.writev,
    "sendmsg": transfer.sendmsg,
    "read": transfer.receive,
    "recv": transfer.receive,
    "recvfrom": transfer.recvfrom,
    "readv": transfer.readv,
    "recvmsg": transfer.recvmsg,
    "close": Sockets.close,
    "shutdown": Sockets.shutdown,
    "fcntl": Sockets.fcntl,
    "ioctl": Sockets.ioctl,
    "poll": polling.poll,
    "epoll_ctl": epolling.epoll_ctl,
    "epoll_wait": epolling.epoll_wait,
    "pipe": files.pipe,
    "sendfile": files.sendfile,
    "splice": files.splice,
    "setsockopt": socket_options.set_option,
    "getsockopt": socket_options.get_option,
}

# Calls that return a new descriptor: they are told which number the script expects.
_OPENING: Final[dict[str, Body]] = {
    "socket": Sockets.socket,
    "accept": Sockets.accept,
    "accept4": Sockets.accept4,
    "epoll_create": epolling.epoll_create,
    "epoll_create1": epolling.epoll_create,
    "open": files.open_file,
}


NAMES: Final = sorted([*_BODIES, *_OPENING])


@dataclass(slots=True)
class Outcome:
    """What a call did: its result and errno; `differs` says what else is not as expected."""

    result: int
    error: str | None = None
    differs: str = ""

    def __str__(self) -> str:
        return str(self.result) if self.error is None else f"{self.result} {self.error}"


def body_of(sockets: Sockets, call: Call) -> Callable[[], Outcome]:
    """Returns what carries out a call. Raises Unknown for a call that is not supported, or has other arguments."""
    body = _OPENING.get(call.name) or _BODIES.get(call.name)
    if body is None:
        raise Unknown(f"{call.name}() is not supported; there are: {', '.join(NAMES)}")
    arguments: list[Any] = [sockets, *([call.result] if call.name in _OPENING else []), *call.arguments]
    try:
        inspect.signature(body).bind(*arguments)
    except TypeError:
        raise Unknown(f"{call.name}() has another number of arguments than {len(call.arguments)}") from None

    def run() -> Outcome:
        try:
            return Outcome(body(*arguments))
        except CallError as error:
            return Outcome(-1, error.errno)
        except OutputDiffers as error:
            return Outcome(0, None, str(error))

    return run


def difference(call: Call, outcome: Outcome) -> str:
    """Says what of an outcome is not as the script expects, or nothing."""
    if outcome.differs:
        return outcome.differs
    if isinstance(call.result, Elided):
        return ""
    if not isinstance(call.result, Number):
        try:
            return difference(replace(call, result=Number(number(call.result))), outcome)
        except Unknown:
            raise Unknown(f"{call.result} is no result of {call.name}()") from None
    same_error = call.error is None or SAME.get(call.error, call.error) == outcome.error
    if call.result.value == outcome.result and same_error:
        return ""
    expected = f"{call.result} {call.error}" if call.error else str(call.result)
    return f"{call.name}() returned {outcome}, expected {expected}"
