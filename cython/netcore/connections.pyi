"""What a host holds, read in slices: the lock is held for one slice at a time; counts of one connection."""

from typing import Any

from netcore.endpoint import Endpoint
from netcore.engine import Engine

def connection_slice(host: Engine, place: int = 0, info: bool = True) -> tuple[list[dict[str, Any]], int]:
    """The connections and TIME-WAIT records from `place` on, at most 32, and the place of the next slice, -1: none.

    Each: state (RFC 9293's name), local, local_port, remote, remote_port (packed addresses, ports in host order),
    recv_q and send_q (bytes that the program has not taken, that the peer has not acknowledged), orphan, congestion
    (None for TIME-WAIT), timer (its name as `ss -o` has it and ns left; None), with `info` the fields of
    `Endpoint.tcp_info`. A connection that is there all the while comes once, or twice when the table grew between two
    slices. ValueError for a negative place.
    """

def listener_rows(host: Engine, most: int = 1024) -> list[dict[str, Any]]:
    """The listeners, at most so many (1 to 65,536, else ValueError), as they are at one instant.

    Each: local, local_port, backlog, half_open, finished, requests (counts), conditional, paused, under_attack.
    """

def connection_counts(endpoint: Endpoint) -> dict[str, Any]:
    """What is counted of a connection and has no field in tcp_info (IOCTL-17); {}: none is counted, or it is gone.

    With the tunable connection_statistics: age (ns since its first segment), dup_acks (RFC 5681 2), fast_retrans
    (segments), syn_retrans, bytes_reordered; limited: what kept it from sending (RFC 4898 3.4.3), by nothing, path,
    window (the peer's) and buffer (ours): time (ns), entries (how often), bytes (of text that left meanwhile).
    """
