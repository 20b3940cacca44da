"""Endpoint: a connection held by a Python program; the readiness bits and statuses of all handles.

Calls never block and never raise for what the network did: they return a count or a negative status. A live host's
calls may be made from any thread; they release the GIL while they wait for the host's lock or copy.
"""

from collections.abc import Sequence
from typing import final

from typing_extensions import Buffer

# readiness bits (level: they say what holds now)
READABLE: int  # receive would not say WOULD_BLOCK: data, end of stream, or a terminal status
WRITABLE: int  # send would be taken
ACCEPTABLE: int  # accept would not say WOULD_BLOCK
CONNECTED: int  # the handshake is done (stays up)
FAILED: int  # terminal: connect failed, reset, aborted, timed out (stays up)
PEER_CLOSED: int  # the peer's FIN has been received
SENT: int  # all that was sent, and our FIN if any, is acknowledged
GONE: int  # the handle was closed (by another thread)

# statuses
OK: int
WOULD_BLOCK: int
NOT_CONNECTED: int
RESET: int  # RST while the peer had not sent FIN (GEN-11)
ABORTED: int  # RST after the peer's FIN (GEN-11), or local abort
TIMED_OUT: int
REFUSED: int
SHUT_DOWN: int
IN_USE: int
NO_BUFFERS: int
UNREACHABLE: int
INVALID: int
HANDLE_CLOSED: int

def status_name(status: int) -> str: ...

@final
class Endpoint:
    """One TCP connection. Made by Engine.connect and Listener.accept only."""

    def send(self, data: Buffer | Sequence[Buffer], flags: int = 0) -> int:
        """Takes all the bytes, or none (SEND-2). flags: MORE (1) holds a short last segment back (MSG_PARTIAL).

        Returns the count, or WOULD_BLOCK when `send_buffer` bytes or more are buffered, NO_BUFFERS at the memory
        limit, NOT_CONNECTED before the handshake is done, SHUT_DOWN after shutdown_send, a terminal status.
        """
    def receive_into(self, buffer: Buffer | Sequence[Buffer], peek: bool = False) -> int:
        """Fills writable buffers in order with what is there. 0: end of stream. Negative: a status."""
    def shutdown_send(self) -> int:
        """Queued data, then FIN (SHUT-3). Repeating it is OK. NOT_CONNECTED, terminal statuses."""
    def shutdown_receive(self) -> int:
        """Refuses to receive (SHUT-4): unread or later data resets the connection."""
    def close(self) -> None:
        """Lets go: queued data and FIN go out in the background (SND-10); RST instead if data is unread (CLOSE-6)."""
    def abort(self) -> None:
        """Lets go with RST (CLOSE-3b)."""
    @property
    def closed(self) -> bool: ...
    @property
    def approved(self) -> bool:
        """Its request was accepted before the handshake: no condition function is asked again (ACPT-32)."""
    @property
    def state(self) -> int:
        """State number: CLOSED 0, LISTEN 1, SYN_SENT 2, SYN_RECEIVED 3 ... as IOCTL-18."""
    @property
    def local(self) -> tuple[bytes, int]: ...
    @property
    def remote(self) -> tuple[bytes, int]: ...
    @property
    def status(self) -> int:
        """OK while the connection lives (or ended in order), else the terminal status (GEN-11)."""
    @property
    def readiness(self) -> int: ...
    @property
    def readable_bytes(self) -> int: ...
    @property
    def buffered_bytes(self) -> int:
        """Bytes sent by the program that are not acknowledged yet."""
    @property
    def send_buffer(self) -> int:
        """Bytes buffered from which on no further send is taken. It grows with the path until it is set (TCPX-2)."""
    @send_buffer.setter
    def send_buffer(self, size: int) -> None: ...
    @property
    def receive_buffer(self) -> int:
        """Bytes that the window may reach. It grows with what the program takes until it is set (TCPX-2)."""
    @receive_buffer.setter
    def receive_buffer(self, size: int) -> None: ...
    @property
    def nodelay(self) -> bool: ...
    @nodelay.setter
    def nodelay(self, on: bool) -> None: ...
    @property
    def congestion(self) -> str:
        """Name of the congestion control algorithm (REC-5), to be set at any time; ValueError: there is none such."""
    @congestion.setter
    def congestion(self, name: str) -> None: ...
    def set_syn_timing(self, initial_rto: int, retries: int) -> None:
        """First SYN time-out in ns and number of further SYNs (SIO_TCP_INITIAL_RTO)."""
    def tcp_info(self) -> dict[str, int]:
        """The fields of the kernel's struct tcp_info that the core knows, under its names and in its units.

        netcore/tcp/info.pxd says each: times in µs (those since the last text and ACK in ms), windows in segments. With
        the tunable connection_statistics there are more of them. Empty when the connection is gone.
        """
    def info(self) -> dict[str, int]:
        """Variables of the connection under their RFC names (snd_una, snd_nxt, rcv_nxt, cwnd, srtt in ns ...)."""
