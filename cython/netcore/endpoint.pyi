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
URGENT: int  # an urgent byte can be received out of line

SEND_URGENT: int  # flag of send: the last byte is urgent (SEND-9)

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
NET_RESET: int  # the peer answered no keepalive probe (GEN-11)

def status_name(status: int) -> str: ...

@final
class Endpoint:
    """One TCP connection. Made by Engine.connect and Listener.accept only."""

    def send(self, data: Buffer | Sequence[Buffer], flags: int = 0) -> int:
        """Takes all the bytes, or none (SEND-2). flags: MORE (1) holds a short last segment back (MSG_PARTIAL);
        SEND_URGENT makes the last byte urgent (SEND-9, RFC 9293 3.8.5).

        Returns the count, or WOULD_BLOCK when `send_buffer` bytes or more are buffered, NO_BUFFERS at the memory
        limit, NOT_CONNECTED before the handshake is done, SHUT_DOWN after shutdown_send, a terminal status.
        """
    def receive_into(self, buffer: Buffer | Sequence[Buffer], peek: bool = False) -> int:
        """Fills writable buffers in order with what is there. 0: end of stream. Negative: a status.

        It does not go beyond an urgent byte or the place where one was (RECV-26).
        """
    def receive_urgent(self, buffer: Buffer, peek: bool = False) -> int:
        """Puts the oldest urgent byte that is kept out of line into `buffer` (RECV-24, 25); at most 16 are kept.

        Returns 1, 0 at the end of the stream, INVALID when they stay inline, WOULD_BLOCK and others as receive_into.
        """
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
    def readable_bytes(self) -> int:
        """Bytes that one receive would take: up to the next urgent one (IOCTL-6)."""
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
    @property
    def at_mark(self) -> bool:
        """SIOCATMARK (IOCTL-7)."""
    @property
    def urgent_pending(self) -> bool:
        """The peer has announced urgent data that has not been received (RFC 9293 3.8.5 MUST-33)."""
    @property
    def urgent_inline(self) -> bool:
        """Urgent bytes stay in the stream (SO_OOBINLINE)."""
    @urgent_inline.setter
    def urgent_inline(self, on: bool) -> None: ...
    @property
    def urgent_1122(self) -> bool:
        """The pointer names the urgent byte itself, and not the one behind it (RECV-28)."""
    @urgent_1122.setter
    def urgent_1122(self, on: bool) -> None: ...
    def set_keepalive(self, on: bool, idle: int = 0, interval: int = 0, count: int = 0) -> None:
        """Probes while nothing comes (SND-8): after `idle` ns, every `interval` ns, NET_RESET after `count` in vain.

        0 stands for the tunables keepalive_time, keepalive_interval, keepalive_count; a time counts as 1 ms at least.
        ValueError: a negative time.
        """
    @property
    def user_timeout(self) -> int | None:
        """How long sent data, or the SYN, may stay unacknowledged (SND-7), in ns.

        0: retries are counted; None: for ever. What is set here the peer's option does not change (RFC 5482 3.1).
        """
    @user_timeout.setter
    def user_timeout(self, duration: int | None) -> None: ...
    def advertise_user_timeout(self, duration: int) -> None:
        """Sends the user timeout option with `duration` (ns) and honours the peer's from now on (RFC 5482)."""
    def set_syn_timing(self, initial_rto: int, retries: int) -> None:
        """First SYN time-out in ns and number of further SYNs (SIO_TCP_INITIAL_RTO)."""
    def tcp_info(self) -> dict[str, int]:
        """The fields of the kernel's struct tcp_info that the core knows, under its names and in its units.

        netcore/tcp/info.pxd says each: times in µs (those since the last text and ACK in ms), windows in segments. With
        the tunable connection_statistics there are more of them. Empty when the connection is gone.
        """
    def info(self) -> dict[str, int]:
        """Variables of the connection under their RFC names (snd_una, snd_nxt, rcv_nxt, cwnd, srtt in ns ...)."""
