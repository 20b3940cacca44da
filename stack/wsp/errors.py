"""Error codes: their names, how a failing body reports one, and what the core's statuses mean here (wsp.md 10.1)."""

from typing import Final, NoReturn

from netcore import endpoint as core
from stack.wsp import constants

_NAMES: Final = {
    value: name
    for name, value in vars(constants).items()
    if name.startswith(("WSAE", "WSA_", "WSAS", "WSAV", "WSAN", "WSAT", "ERROR_"))
    and not name.startswith("WSA_FLAG_")
    and isinstance(value, int)
}


class EntryFailure(Exception):
    """A body of an entry failed; `code` is what the entry stores in `*lpErrno` (GEN-1)."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code

    def __str__(self) -> str:
        return error_name(self.code)


def error_name(code: int) -> str:
    """Returns the winsock2.h name of an error code, or its number as text when it has none."""
    return _NAMES.get(code, str(code))


# GEN-11: what ended a connection, as its sends and receives report it.
STATUS_CODES: Final[dict[int, int]] = {
    core.WOULD_BLOCK: constants.WSAEWOULDBLOCK,
    core.NOT_CONNECTED: constants.WSAENOTCONN,
    core.RESET: constants.WSAECONNRESET,
    core.ABORTED: constants.WSAECONNABORTED,
    core.TIMED_OUT: constants.WSAETIMEDOUT,
    core.REFUSED: constants.WSAECONNREFUSED,
    core.SHUT_DOWN: constants.WSAESHUTDOWN,
    core.IN_USE: constants.WSAEADDRINUSE,
    core.NO_BUFFERS: constants.WSAENOBUFS,
    core.UNREACHABLE: constants.WSAEHOSTUNREACH,
    core.INVALID: constants.WSAEINVAL,
    core.HANDLE_CLOSED: constants.WSAENOTSOCK,
    core.NET_RESET: constants.WSAENOTCONN,  # a call that waited when it happened says WSAENETRESET
}


def fail_with_status(status: int) -> NoReturn:
    """Raises the EntryFailure that a negative status of the core stands for."""
    raise EntryFailure(STATUS_CODES[status])
