"""Winsock error codes of our provider -> errno names of POSIX, as the calls of a script report them."""

from typing import Final

from stack.wsp.errors import error_name

_DIFFERENT: Final = {
    "WSAEWOULDBLOCK": "EAGAIN",
    "WSAENOTSOCK": "EBADF",
    "WSAESHUTDOWN": "EPIPE",
    "WSANOTINITIALISED": "EINVAL",
    "WSASYSNOTREADY": "ENETDOWN",
    "WSAEPROTONOSUPPORT": "EPROTONOSUPPORT",
    "WSAEINVALIDPROCTABLE": "EINVAL",
}

# Where POSIX has another name for what happened, by the call that reports it.
_BY_CALL: Final = {
    ("connect", "WSAEWOULDBLOCK"): "EINPROGRESS",
    ("connect", "WSAEINVAL"): "EINVAL",
    ("send", "WSAENOTCONN"): "EPIPE",
    ("send", "WSAECONNABORTED"): "EPIPE",
    ("receive", "WSAECONNABORTED"): "ECONNRESET",
    ("getsockopt", "WSAECONNABORTED"): "EPIPE",
}

SAME: Final = {"EWOULDBLOCK": "EAGAIN"}


def errno_name(code: int, call: str) -> str:
    """Returns the errno name of a Winsock code in a kind of call: connect, send, receive, getsockopt or another."""
    name = error_name(code)
    return _BY_CALL.get((call, name)) or _DIFFERENT.get(name) or name.removeprefix("WSA")
