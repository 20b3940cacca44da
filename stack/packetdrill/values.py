"""Arguments of calls -> numbers: the symbols of POSIX as Linux numbers them."""

import errno
import ipaddress
import socket
from typing import Final

from stack.packetdrill.expressions import (
    Alternatives,
    Array,
    Elided,
    Expression,
    Invocation,
    Name,
    Number,
    Structure,
    Text,
)

O_RDWR, O_NONBLOCK = 0o2, 0o4000
POLLIN, POLLPRI, POLLOUT, POLLERR, POLLHUP, POLLNVAL = 1, 2, 4, 8, 16, 32
POLLRDNORM, POLLRDBAND, POLLWRNORM, POLLWRBAND, POLLRDHUP = 0x40, 0x80, 0x100, 0x200, 0x2000

SYMBOLS: Final[dict[str, int]] = {
    "NULL": 0,
    "AF_UNSPEC": 0,
    "AF_INET": 2,
    "PF_INET": 2,
    "AF_INET6": 10,
    "PF_INET6": 10,
    "SOCK_STREAM": 1,
    "SOCK_DGRAM": 2,
    "SOCK_RAW": 3,
    "SOCK_NONBLOCK": O_NONBLOCK,
    "SOCK_CLOEXEC": 0o2000000,
    "IPPROTO_IP": 0,
    "IPPROTO_TCP": 6,
    "IPPROTO_UDP": 17,
    "IPPROTO_IPV6": 41,
    "IPPROTO_SCTP": 132,
    "IPPROTO_UDPLITE": 136,
    "IPPROTO_MPTCP": 262,
    "SHUT_RD": 0,
    "SHUT_WR": 1,
    "SHUT_RDWR": 2,
    "F_GETFL": 3,
    "F_SETFL": 4,
    "O_RDONLY": 0,
    "O_WRONLY": 1,
    "O_RDWR": O_RDWR,
    "O_NONBLOCK": O_NONBLOCK,
    "POLLIN": POLLIN,
    "POLLPRI": POLLPRI,
    "POLLOUT": POLLOUT,
    "POLLERR": POLLERR,
    "POLLHUP": POLLHUP,
    "POLLNVAL": POLLNVAL,
    "POLLRDNORM": POLLRDNORM,
    "POLLRDBAND": POLLRDBAND,
    "POLLWRNORM": POLLWRNORM,
    "POLLWRBAND": POLLWRBAND,
    "POLLRDHUP": POLLRDHUP,
    "MSG_OOB": 0x1,
    "MSG_PEEK": 0x2,
    "MSG_DONTROUTE": 0x4,
    "MSG_TRUNC": 0x20,
    "MSG_DONTWAIT": 0x40,
    "MSG_EOR": 0x80,
    "MSG_WAITALL": 0x100,
    "MSG_NOSIGNAL": 0x4000,
    "MSG_MORE": 0x8000,
    "MSG_ERRQUEUE": 0x2000,
    "MSG_ZEROCOPY": 0x4000000,
    "MSG_FASTOPEN": 0x20000000,
    "SOMAXCONN": 4096,
    "EPOLLIN": POLLIN,
    "EPOLLPRI": POLLPRI,
    "EPOLLOUT": POLLOUT,
    "EPOLLERR": POLLERR,
    "EPOLLHUP": POLLHUP,
    "EPOLLRDNORM": POLLRDNORM,
    "EPOLLWRNORM": POLLWRNORM,
    "EPOLLRDHUP": POLLRDHUP,
    "EPOLLONESHOT": 1 << 30,
    "EPOLLET": 1 << 31,
    "EPOLL_CTL_ADD": 1,
    "EPOLL_CTL_DEL": 2,
    "EPOLL_CTL_MOD": 3,
    "INADDR_ANY": 0,
    "FIONREAD": 0x541B,
    "SIOCINQ": 0x541B,
    "SIOCOUTQ": 0x5411,
    "FIONBIO": 0x5421,
}


_LARGEST_SIZE: Final = 1 << 30


class Unknown(ValueError):
    """An argument means nothing that we know."""


def number(expression: Expression, default: int | None = None) -> int:
    """Returns the value of a numeric argument; `default` for `...`. Raises Unknown."""
    match expression:
        case Number(value):
            return value
        case Name(name):
            if name in SYMBOLS:
                return SYMBOLS[name]
            if hasattr(errno, name):
                return int(getattr(errno, name))
            raise Unknown(f"{name} is no symbol that is known here")
        case Alternatives(parts):
            total = 0
            for part in parts:
                total |= number(part)
            return total
        case Array((only,)):
            return number(only, default)
        case Elided() if default is not None:
            return default
    raise Unknown(f"{expression} where a number is needed")


def size(expression: Expression) -> int:
    """Returns how many bytes a call is to move. Raises Unknown."""
    value = number(expression)
    if not 0 <= value <= _LARGEST_SIZE:
        raise Unknown(f"{value} bytes, where 0 to {_LARGEST_SIZE} can be moved")
    return value


def words(expression: Expression) -> str:
    """Returns the name or text of an argument that is one, else how it prints."""
    match expression:
        case Name(name):
            return name
        case Text(text):
            return text
        case Array((only,)):
            return words(only)
    return str(expression)


def address(expression: Expression) -> tuple[str, int]:
    """Returns the dotted address and port of a sockaddr_in. Raises Unknown."""
    if not isinstance(expression, Structure):
        raise Unknown(f"{expression} where a socket address is needed")
    family = expression.member("sa_family", "sin_family")
    if family is not None and number(family) != socket.AF_INET:
        raise Unknown(f"{family}: only AF_INET is supported yet")
    port, host = expression.member("sin_port"), expression.member("sin_addr")
    return _host(host), _port(port)


def _port(expression: Expression | None) -> int:
    if isinstance(expression, Invocation) and expression.name in ("htons", "ntohs") and len(expression.arguments) == 1:
        return number(expression.arguments[0])
    raise Unknown(f"sin_port = {expression}: htons(PORT) is needed")


def _host(expression: Expression | None) -> str:
    match expression:
        case Invocation("inet_addr", (Text(text),)) | Invocation("htonl", (Text(text),)):
            try:
                return str(ipaddress.IPv4Address(text))
            except ValueError:
                raise Unknown(f"{text!r} is no IPv4 address") from None
        case Name("INADDR_ANY") | Invocation("htonl", (Name("INADDR_ANY"),)):
            return "0.0.0.0"
    raise Unknown(f'sin_addr = {expression}: inet_addr("ADDRESS") is needed')
