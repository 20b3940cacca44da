"""The calls open, pipe, sendfile and splice: files of zeros, as long as they are asked for; no file is ever touched."""

from dataclasses import dataclass

from stack.packetdrill.expressions import Array, Elided, Expression
from stack.packetdrill.sockets import CallError, Sockets
from stack.packetdrill.transfer import receive_octets, send_octets
from stack.packetdrill.values import Unknown, number, size

_NOTHING = Elided()


class File:
    """A file that a script has opened."""


@dataclass(slots=True)
class Pipe:
    """Both ends of a pipe hold this: the bytes that wait in it."""

    waiting: int = 0


def open_file(
    sockets: Sockets, wanted: Expression, path: Expression, flags: Expression, mode: Expression = _NOTHING
) -> int:
    """The call open."""
    return sockets.name_other(wanted, File())


def pipe(sockets: Sockets, ends: Expression) -> int:
    """The call pipe: the script says the numbers of both ends."""
    if not isinstance(ends, Array) or len(ends.items) != 2:
        raise Unknown(f"{ends} where an array of two descriptors is needed")
    both = Pipe()
    for wanted in ends.items:
        sockets.name_other(wanted, both)
    return 0


def sendfile(sockets: Sockets, to: Expression, of: Expression, offset: Expression, count: Expression) -> int:
    """The call sendfile, from a file to a socket."""
    if not isinstance(sockets.others.get(number(of)), File):
        raise CallError("EBADF")
    return send_octets(sockets, to, bytes(size(count)))


def splice(
    sockets: Sockets,
    of: Expression,
    of_offset: Expression,
    to: Expression,
    to_offset: Expression,
    count: Expression,
    flags: Expression,
) -> int:
    """The call splice, from a socket to a pipe or from a pipe to a socket."""
    source, target = (sockets.others.get(number(each)) for each in (of, to))
    if isinstance(target, Pipe):
        received = receive_octets(sockets, of, size(count))
        target.waiting += received
        return received
    if isinstance(source, Pipe):
        sent = send_octets(sockets, to, bytes(min(source.waiting, number(count))))
        source.waiting -= sent
        return sent
    raise CallError("EINVAL")
