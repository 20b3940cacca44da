"""The calls that send and receive: how many bytes of POSIX over all or nothing of the provider."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from netcore.endpoint import OK, PEER_CLOSED, Endpoint
from stack.packetdrill.expressions import Array, Assignment, Elided, Expression, Structure, Text
from stack.packetdrill.sockets import CallError, OutputDiffers, Sockets
from stack.packetdrill.values import SYMBOLS, Unknown, number, size, words
from stack.wsp import constants as ws
from stack.wsp.sockets import Socket

_MILLISECOND: Final = 1_000_000
_RECEIVE_FLAGS: Final = {"MSG_PEEK": ws.MSG_PEEK, "MSG_WAITALL": ws.MSG_WAITALL, "MSG_OOB": ws.MSG_OOB}
_HARMLESS: Final = SYMBOLS["MSG_NOSIGNAL"] | SYMBOLS["MSG_DONTWAIT"]
_URGENT: Final = SYMBOLS["MSG_OOB"]
_NOTHING: Final = Elided()


def send(sockets: Sockets, fd: Expression, data: Expression, count: Expression, flags: Expression = _NOTHING) -> int:
    """The calls write and send."""
    length = size(count)
    octets = data.octets if isinstance(data, Text) else b""
    return send_octets(sockets, fd, octets[:length].ljust(length, b"\0"), flags)


def sendto(
    sockets: Sockets, fd: Expression, data: Expression, count: Expression, flags: Expression, *name: Expression
) -> int:
    """The call sendto; the address of a stream socket means nothing."""
    return send(sockets, fd, data, count, flags)


def writev(sockets: Sockets, fd: Expression, vectors: Expression, count: Expression) -> int:
    """The call writev."""
    return send_octets(sockets, fd, bytes(_length(vectors)), _NOTHING)


def sendmsg(sockets: Sockets, fd: Expression, message: Expression, flags: Expression) -> int:
    """The call sendmsg."""
    if isinstance(message, Structure) and message.member("msg_control") not in (None, Array(())):
        raise Unknown("msg_control is not supported when sending")
    return send_octets(sockets, fd, bytes(_length(message)), flags)


def receive(sockets: Sockets, fd: Expression, data: Expression, count: Expression, flags: Expression = _NOTHING) -> int:
    """The calls read and recv."""
    return receive_octets(sockets, fd, size(count), flags)


def recvfrom(
    sockets: Sockets, fd: Expression, data: Expression, count: Expression, flags: Expression, *name: Expression
) -> int:
    """The call recvfrom; the address of a stream socket is not stored."""
    return receive(sockets, fd, data, count, flags)


def readv(sockets: Sockets, fd: Expression, vectors: Expression, count: Expression) -> int:
    """The call readv."""
    return receive_octets(sockets, fd, _length(vectors), _NOTHING)


def recvmsg(sockets: Sockets, fd: Expression, message: Expression, flags: Expression) -> int:
    """The call recvmsg. Raises OutputDiffers when a control message that the script gives is another."""
    control = message.member("msg_control") if isinstance(message, Structure) else None
    wanted = control.items if isinstance(control, Array) else ()
    for each in wanted:
        if not isinstance(each, Structure) or words(each.member("cmsg_type") or Elided()) != "TCP_CM_INQ":
            raise Unknown(f"the control message {each} is not supported; TCP_CM_INQ is")
    received = receive_octets(sockets, fd, _length(message), flags)
    for each in wanted:
        assert isinstance(each, Structure)
        _compare_waiting(sockets, fd, each.member("cmsg_data") or Elided())
    return received


def _compare_waiting(sockets: Sockets, fd: Expression, wanted: Expression) -> None:
    """The control message of TCP_INQ: the bytes that can be read, or 1 for the end of the stream alone."""
    socket = sockets.socket_of(fd)
    if socket.descriptor not in sockets.inquiring:
        raise OutputDiffers("there is no control message: TCP_INQ is not set")
    endpoint = socket.endpoint
    closed = endpoint is not None and bool(endpoint.readiness & PEER_CLOSED)
    seen = (0 if endpoint is None else endpoint.readable_bytes) or int(closed)
    if number(wanted, seen) != seen:
        raise OutputDiffers(f"TCP_CM_INQ is {seen}, expected {wanted}")


def _length(message: Expression) -> int:
    """The bytes in the buffers of a msghdr, or of an array of iovecs. Raises Unknown."""
    vectors = message
    if isinstance(message, Structure):
        vectors = message.member("msg_iov") or Array(())
    if not isinstance(vectors, Array):
        raise Unknown(f"{vectors} where an array of buffers is needed")
    total = 0
    for vector in vectors.items:
        if not isinstance(vector, Structure) or not vector.members:
            raise Unknown(f"{vector} where a buffer {{..., LENGTH}} is needed")
        last = vector.members[-1]
        total += size(last.value if isinstance(last, Assignment) else last)
    return total


def send_octets(sockets: Sockets, fd: Expression, octets: bytes, flags: Expression = _NOTHING) -> int:
    """Sends what the buffer has room for, and in a blocking call the rest as room is made.

    With MSG_OOB the last byte is urgent, of each piece.
    """
    bits = number(flags, 0)
    if bits & ~(_HARMLESS | _URGENT):
        raise Unknown(f"the flags {flags} are not supported when sending")
    socket = _stream(sockets, fd)
    if sockets.error_told(socket):
        raise CallError("EPIPE")
    total = 0
    with _nonblocking_for_once(socket, bits):
        try:
            while True:
                if socket.established and not socket.nonblocking and not _room(socket.endpoint):
                    _wait_for_room(sockets, socket)
                piece = octets[total : total + max(1, _room(socket.endpoint))]
                total += _send_piece(sockets, socket, piece, ws.MSG_OOB if bits & _URGENT else 0)
                if total == len(octets) or socket.nonblocking:
                    return total
        except CallError:
            if total:
                return total
            _tell_silence(sockets, socket)
            raise


def _stream(sockets: Sockets, fd: Expression) -> Socket:
    """The socket of a descriptor. Raises CallError EBADF; Unknown where it is one of datagrams."""
    socket = sockets.socket_of(fd)
    if not socket.stream:
        raise Unknown("sending and receiving datagrams is not supported yet")
    return socket


def _room(endpoint: Endpoint | None) -> int:
    """Bytes that the send buffer has room for: our own send takes all when it has any, one of POSIX only so many."""
    return 0 if endpoint is None else max(0, endpoint.send_buffer - endpoint.buffered_bytes)


def _send_piece(sockets: Sockets, socket: Socket, octets: bytes, flags: int) -> int:
    sent = ctypes.c_uint32()
    sockets.invoke("send", "WSPSend", socket.descriptor, octets, 1, sent, flags, None, None, None)
    return sent.value


def _wait_for_room(sockets: Sockets, socket: Socket) -> None:
    """Waits until more can be sent or the connection has ended. Raises CallError EAGAIN after SO_SNDTIMEO."""
    timeout = socket.options.send_timeout
    deadline = sockets.clock.now() + timeout * _MILLISECOND if timeout else None
    if not sockets.clock.waiter().wait(socket.send_watches, deadline):
        raise CallError("EAGAIN")


def receive_octets(sockets: Sockets, fd: Expression, count: int, flags: Expression = _NOTHING) -> int:
    """Receives up to `count` bytes."""
    bits = number(flags, 0)
    known = sum(SYMBOLS[name] for name in _RECEIVE_FLAGS)
    if bits & ~(known | _HARMLESS):
        raise Unknown(f"the flags {flags} are not supported when receiving")
    socket = _stream(sockets, fd)
    if sockets.error_told(socket) or sockets.shut_for_reading(socket) or not count:
        return 0
    wanted = sum(value for name, value in _RECEIVE_FLAGS.items() if bits & SYMBOLS[name])
    received, cell = ctypes.c_uint32(), ctypes.c_uint32(wanted)
    # POSIX never waits for an urgent byte
    with _nonblocking_for_once(socket, bits | (SYMBOLS["MSG_DONTWAIT"] if bits & _URGENT else 0)):
        try:
            sockets.invoke(
                "receive", "WSPRecv", socket.descriptor, bytearray(count), 1, received, cell, None, None, None
            )
        except CallError as error:
            if error.errno == "ETIMEDOUT" and socket.endpoint is not None and socket.endpoint.status == OK:
                raise CallError("EAGAIN") from None  # SO_RCVTIMEO, not the connection's end
            if bits & _URGENT and error.errno == "EAGAIN" and not (socket.endpoint and socket.endpoint.urgent_pending):
                raise CallError("EINVAL") from None  # none was announced
            _tell_silence(sockets, socket)
            raise
    return received.value


def _tell_silence(sockets: Sockets, socket: Socket) -> None:
    """What ended the connection is told now. A peer that answered no keepalive probe has a name of its own in Winsock.

    Raises CallError ETIMEDOUT.
    """
    if sockets.terminal_error(socket) == ws.WSAETIMEDOUT:
        raise CallError("ETIMEDOUT") from None


@contextmanager
def _nonblocking_for_once(socket: Socket, bits: int) -> Iterator[None]:
    before = socket.nonblocking
    if bits & SYMBOLS["MSG_DONTWAIT"]:
        socket.nonblocking = True
    try:
        yield
    finally:
        socket.nonblocking = before
