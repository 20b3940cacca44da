"""The options of a socket, as one value that sockets share until one of them sets an option."""

import types
from collections.abc import Mapping
from typing import Final, NamedTuple

_NONE_STORED: Final[Mapping[int, int]] = types.MappingProxyType({})


class SocketOptions(NamedTuple):
    """Options as WSPGetSockOpt reports them, under names of their own; times in ms, sizes in bytes.

    send_buffer, receive_buffer: None until the program sets them, and autotuning governs (wsp.md 0.1 SNDBUF / RCVBUF).
    congestion: name of the congestion control, None: the stack's (REC-5); no option of Windows Sockets says it.
    keepalive_idle, keepalive_interval: ms, and keepalive_count; None: the configured one.
    user_timeout: ms, 0: the core counts retries, None: for ever (OPT-43).
    flags: the options that are stored and have no further effect, by their numbers.
    """

    reuse_address: bool = False
    exclusive_address: bool = False
    broadcast: bool = False
    linger: bool = False
    linger_seconds: int = 0
    nodelay: bool = False
    send_buffer: int | None = None
    receive_buffer: int | None = None
    send_timeout: int = 0
    receive_timeout: int = 0
    conditional_accept: bool = False
    pause_accept: bool = False
    syn_timing: tuple[int, int] | None = None
    fail_connect_on_icmp_error: bool = False
    congestion: str | None = None
    out_of_band_inline: bool = False
    urgent_1122: bool = False
    keepalive: bool = False
    keepalive_idle: int | None = None
    keepalive_interval: int | None = None
    keepalive_count: int | None = None
    user_timeout: int | None = 0
    fast_open: bool = False
    flags: Mapping[int, int] = _NONE_STORED

    def inherited(self) -> "SocketOptions":
        """Returns what a socket accepted now from a listener with these options begins with (ACPT-16, 18)."""
        found = SocketOptions(
            reuse_address=self.reuse_address,
            linger=self.linger,
            linger_seconds=self.linger_seconds,
            nodelay=self.nodelay,
            send_buffer=self.send_buffer,
            receive_buffer=self.receive_buffer,
            send_timeout=self.send_timeout,
            receive_timeout=self.receive_timeout,
            congestion=self.congestion,
            out_of_band_inline=self.out_of_band_inline,
            urgent_1122=self.urgent_1122,
            keepalive=self.keepalive,
            keepalive_idle=self.keepalive_idle,
            keepalive_interval=self.keepalive_interval,
            keepalive_count=self.keepalive_count,
            user_timeout=self.user_timeout,
        )
        return DEFAULT_OPTIONS if found == DEFAULT_OPTIONS else found


DEFAULT_OPTIONS: Final = SocketOptions()
