"""A TCP socket for a Python program, as a thin face of the provider's entries.

The entries take and fill what ws2spi.h says; this file is the one place of the applications that knows how. Each object
may be used by one thread for receiving and one for sending; `close` may be called by any.
"""

import ctypes
from collections.abc import Sequence
from typing import Any, Self

from typing_extensions import Buffer

from stack.wsp import constants
from stack.wsp.errors import error_name
from stack.wsp.structures import sockaddr_in

DRAIN_BYTES = 16 << 20
DRAIN_MILLISECONDS = 5000


class EntryFailed(Exception):
    """An entry of the provider failed; `code` is what it stored in lpErrno, `entry` its name."""

    def __init__(self, entry: str, code: int) -> None:
        super().__init__(f"{entry}: {error_name(code)}")
        self.entry = entry
        self.code = code


class StreamSocket:
    """A TCP socket: the descriptor `handle` of `provider`.

    Every method raises EntryFailed with the code that the entry gave.
    """

    __slots__ = ("_flags", "_receive_error", "_received", "_send_error", "_sent", "handle", "provider")

    def __init__(self, provider: Any, handle: int) -> None:
        self.provider = provider
        self.handle = handle
        self._received = ctypes.c_uint32()
        self._flags = ctypes.c_uint32()
        self._receive_error = ctypes.c_int()
        self._sent = ctypes.c_uint32()
        self._send_error = ctypes.c_int()

    @classmethod
    def create(cls, provider: Any) -> Self:
        """Makes an unbound TCP socket (WSPSocket)."""
        error = ctypes.c_int()
        handle = provider.WSPSocket(
            constants.AF_INET,
            constants.SOCK_STREAM,
            constants.IPPROTO_TCP,
            None,
            0,
            constants.WSA_FLAG_OVERLAPPED,
            error,
        )
        if handle == constants.INVALID_SOCKET:
            raise EntryFailed("WSPSocket", error.value)
        return cls(provider, handle)

    @classmethod
    def listening(
        cls, provider: Any, port: int, *, address: str = "0.0.0.0", backlog: int = constants.SOMAXCONN
    ) -> Self:
        """Makes a socket that listens at `address` and `port` (host order); no descriptor is left when it fails."""
        listener = cls.create(provider)
        try:
            listener.bind(address, port)
            listener.listen(backlog)
        except BaseException:
            listener.close()
            raise
        return listener

    @classmethod
    def connected(cls, provider: Any, address: str, port: int) -> Self:
        """Makes a connection to `address` and `port` (host order); no descriptor is left when it fails."""
        connection = cls.create(provider)
        try:
            connection.connect(address, port)
        except BaseException:
            connection.close()
            raise
        return connection

    def bind(self, address: str, port: int) -> None:
        """WSPBind; port in host order, 0 for any."""
        self._call("WSPBind", sockaddr_in.of(address, port), ctypes.sizeof(sockaddr_in))

    def listen(self, backlog: int) -> None:
        """WSPListen."""
        self._call("WSPListen", backlog)

    def connect(self, address: str, port: int) -> None:
        """WSPConnect; waits for the answer."""
        self._call("WSPConnect", sockaddr_in.of(address, port), ctypes.sizeof(sockaddr_in), None, None, None, None)

    def accept(self) -> Self:
        """WSPAccept; waits for a connection."""
        error = ctypes.c_int()
        handle = self.provider.WSPAccept(self.handle, None, None, None, 0, error)
        if handle == constants.INVALID_SOCKET:
            raise EntryFailed("WSPAccept", error.value)
        return type(self)(self.provider, handle)

    def receive_into(self, buffer: Buffer) -> int:
        """WSPRecv; waits for at least one byte and returns how many; 0 is the end of the stream."""
        self._flags.value = 0
        result = self.provider.WSPRecv(
            self.handle, buffer, 1, self._received, self._flags, None, None, None, self._receive_error
        )
        if result:
            raise EntryFailed("WSPRecv", self._receive_error.value)
        return self._received.value

    def send(self, buffer: Buffer) -> None:
        """WSPSend of one buffer; waits until the stack has taken it all (SEND-2)."""
        if self.provider.WSPSend(self.handle, buffer, 1, self._sent, 0, None, None, None, self._send_error):
            raise EntryFailed("WSPSend", self._send_error.value)

    def send_gathered(self, buffers: Sequence[Buffer]) -> None:
        """WSPSend of several buffers, in order, as one piece."""
        if self.provider.WSPSend(self.handle, buffers, len(buffers), self._sent, 0, None, None, None, self._send_error):
            raise EntryFailed("WSPSend", self._send_error.value)

    def shutdown_send(self) -> None:
        """WSPShutdown with SD_SEND: what was sent, then FIN."""
        self._call("WSPShutdown", constants.SD_SEND)

    def set_option(self, level: int, name: int, value: int) -> None:
        """WSPSetSockOpt with an integer."""
        self._call("WSPSetSockOpt", level, name, ctypes.c_int(value), ctypes.sizeof(ctypes.c_int))

    def send_without_delay(self) -> None:
        """TCP_NODELAY: short segments do not wait for an acknowledgement."""
        self.set_option(constants.IPPROTO_TCP, constants.TCP_NODELAY, 1)

    def set_nonblocking(self) -> None:
        """FIONBIO: calls that would wait fail with WSAEWOULDBLOCK instead; so they do on what the socket accepts."""
        on, returned, error = ctypes.c_uint32(1), ctypes.c_uint32(), ctypes.c_int()
        if self.provider.WSPIoctl(self.handle, constants.FIONBIO, on, 4, None, 0, returned, None, None, None, error):
            raise EntryFailed("WSPIoctl", error.value)

    def limit_waiting(self, receive_milliseconds: int, send_milliseconds: int = 0) -> None:
        """SO_RCVTIMEO, SO_SNDTIMEO: a call that waits longer fails with WSAETIMEDOUT (RECV-15, SEND-10); 0: none."""
        self.set_option(constants.SOL_SOCKET, constants.SO_RCVTIMEO, receive_milliseconds)
        self.set_option(constants.SOL_SOCKET, constants.SO_SNDTIMEO, send_milliseconds)

    def limit_sending(self, size: int) -> None:
        """SO_SNDBUF: with this many bytes on their way a send waits (SEND-2)."""
        self.set_option(constants.SOL_SOCKET, constants.SO_SNDBUF, size)

    def finish(self, drain_bytes: int = DRAIN_BYTES, drain_milliseconds: int = DRAIN_MILLISECONDS) -> None:
        """Ends a connection so that the peer gets everything: FIN, read to the end of the stream, close (SND-10).

        Closing with unread bytes would reset the connection (CLOSE-6), and a reset may overtake what the peer has not
        read yet. A peer that goes on sending beyond `drain_bytes`, or stays silent for `drain_milliseconds`, is left.
        """
        try:
            self.shutdown_send()
            self.limit_waiting(drain_milliseconds)
            scratch = bytearray(65536)
            while drain_bytes > 0 and (count := self.receive_into(scratch)):
                drain_bytes -= count
        except EntryFailed:
            pass  # the connection is gone, and with it what could be drained
        finally:
            self.close()

    def close(self) -> None:
        """WSPCloseSocket; a socket that is closed already is left alone."""
        if self.handle != constants.INVALID_SOCKET:
            handle, self.handle = self.handle, constants.INVALID_SOCKET
            self.provider.WSPCloseSocket(handle, ctypes.c_int())

    def _call(self, entry: str, *arguments: Any) -> None:
        error = ctypes.c_int()
        if getattr(self.provider, entry)(self.handle, *arguments, error):
            raise EntryFailed(entry, error.value)
