"""The kernel's ends: one stream from a sender to a receiver, each a program of its own in a namespace.

    transfer_end.py receive ADDRESS PORT
        listens, says `ready`, and reads one connection to its end; --seconds are those over which goodput is told
    transfer_end.py send ADDRESS PORT --congestion cubic --bytes 1000000 --seconds 4 --seed 1
        sends that many bytes, or as many as go in that time, and waits until the peer has ended

Each prints one line of JSON: bytes, SHA-256, seconds, and what the kernel's TCP tells of the connection. A failure is
one line too, with its reason under `error`.
"""

import argparse
import hashlib
import json
import random
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

BLOCK = 1 << 20  # bytes
PIECE = 64 << 10  # bytes a call
UNSENT = 256 << 10  # bytes
COUNTER = 8  # bytes at the head of each block

# struct tcp_info of linux/tcp.h: the place of each field and its format
TCP_INFO_SIZE = 256
TCP_INFO = {
    "total_retrans": (100, "I"),
    "data_segs_out": (156, "I"),
    "dsack_dups": (216, "I"),
    "reord_seen": (220, "I"),
    "min_rtt": (148, "I"),
    "snd_mss": (16, "I"),
}


class Source:
    """A stream that both ends of a comparison can make: from a seed, with no two places alike."""

    def __init__(self, seed: int) -> None:
        self._block = bytearray(random.Random(seed).randbytes(BLOCK))
        self._view = memoryview(self._block)
        self._digest = hashlib.sha256()
        self.count = 0

    def piece(self, most: int) -> memoryview:
        """The next bytes, at most `most` and at most PIECE; the same again until `taken` is told."""
        number, place = divmod(self.count, BLOCK)
        self._block[:COUNTER] = number.to_bytes(COUNTER, "big")
        return self._view[place : place + min(most, PIECE, BLOCK - place)]

    def taken(self, size: int) -> None:
        """The first `size` bytes of the last piece are on their way."""
        self._digest.update(self.piece(PIECE)[:size])
        self.count += size

    @property
    def digest(self) -> str:
        """SHA-256 of what was taken so far."""
        return self._digest.hexdigest()


def pour(source: Source, send: Callable[[memoryview], int], count: int, deadline: float) -> None:
    """Gives at most `count` bytes to `send`, which returns how many it took, until the monotonic `deadline`."""
    while source.count < count and time.monotonic() < deadline:
        source.taken(send(source.piece(count - source.count)))


def drain(receive_into: Callable[[bytearray], int], window: float) -> dict[str, Any]:
    """Reads to the end of a stream, which begins now.

    Tells bytes, SHA-256, seconds, and Mbit/s up to the last byte of the first `window` seconds: afterwards a sender may
    only be emptying its buffer.
    """
    digest, count, buffer = hashlib.sha256(), 0, bytearray(BLOCK)
    view = memoryview(buffer)
    begun = time.monotonic()
    rate = 0.0
    while received := receive_into(buffer):
        elapsed = time.monotonic() - begun
        digest.update(view[:received])
        count += received
        if elapsed <= window or not rate:
            rate = count * 8e-6 / elapsed
    return {"bytes": count, "sha256": digest.hexdigest(), "seconds": time.monotonic() - begun, "goodput": rate}


def information(stream: socket.socket) -> dict[str, int]:
    """What TCP_INFO tells of a connection."""
    octets = stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_SIZE)
    return {
        name: struct.unpack_from(form, octets, place)[0]
        for name, (place, form) in TCP_INFO.items()
        if place + struct.calcsize(form) <= len(octets)
    }


def receive(options: argparse.Namespace) -> dict[str, Any]:
    """Reads one stream."""
    with socket.create_server((options.address, options.port)) as listener:
        print("ready", flush=True)
        listener.settimeout(options.patience)
        connection, _ = listener.accept()
    with connection:
        connection.settimeout(options.patience)
        return drain(connection.recv_into, options.seconds)


def send(options: argparse.Namespace) -> dict[str, Any]:
    """Sends one stream."""
    source = Source(options.seed)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, options.congestion.encode())
        # enough for any of the links; what is buffered when the time is up has still to be carried
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
        connection.settimeout(options.patience)
        connection.connect((options.address, options.port))
        begun = time.monotonic()
        pour(source, connection.send, options.bytes, begun + options.seconds)
        connection.shutdown(socket.SHUT_WR)
        if connection.recv(1):
            raise ValueError("the receiver has said something")
        seconds = time.monotonic() - begun
        return {"bytes": source.count, "sha256": source.digest, "seconds": seconds, **information(connection)}


def main() -> None:
    """Reads the command line and does what it says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(required=True)
    for action in (receive, send):
        command = actions.add_parser(action.__name__)
        command.set_defaults(action=action)
        command.add_argument("address")
        command.add_argument("port", type=int)
        command.add_argument("--patience", type=float, default=20.0, help="seconds without progress")
        command.add_argument("--seconds", type=float, default=4.0)
        if action is send:
            command.add_argument("--congestion", default="cubic")
            command.add_argument("--bytes", type=int, default=1 << 20)
            command.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    try:
        told = options.action(options)
    except (OSError, ValueError) as error:
        told = {"error": f"{options.action.__name__}: {error}"}
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
