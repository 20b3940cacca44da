"""Names of system calls -> what carries them out, and the comparison of what they return."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from stack.packetdrill import polling, socket_options, transfer
from stack.packetdrill.error_names import SAME
from stack.packetdrill.expressions import Elided, Number
from stack.packetdrill.script import Call
from stack.packetdrill.sockets import CallError, OutputDiffers, Sockets
from stack.packetdrill.values import Unknown

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
    "setsockopt": socket_options.set_option,
    "getsockopt": socket_options.get_option,
}

# Calls that return a new descriptor: they are told which number the script expects.
_OPENING: Final[dict[str, Body]] = {"socket": Sockets.socket, "accept": Sockets.accept, "accept4": Sockets.accept4}


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
    assert isinstance(call.result, Number)
    wanted = SAME.get(call.error or "", call.error)
    if (call.result.value, wanted) == (outcome.result, outcome.error):
        return ""
    expected = f"{call.result} {call.error}" if call.error else str(call.result)
    return f"{call.name}() returned {outcome}, expected {expected}"
