"""A client on the kernel's sockets, run as a program of its own inside the namespace; prints one line of JSON.

    peer.py download ADDRESS PORT [--buffer BYTES] [--pause-after BYTES]
    peer.py upload ADDRESS PORT SEED SIZE
    peer.py collect ADDRESS PORT COUNT WORKERS

`download` reads to the end of the stream, `upload` sends a stream of tests/live/content.py, ends it and reads to the
end of what comes back. Both tell bytes, SHA-256 and seconds. `collect` makes COUNT connections, WORKERS at a time,
reads each to its end and tells the SHA-256 of each by the number that its first eight bytes hold. A reader that pauses
prints `paused` and goes on when it is given a line. An error of the socket is told by its name.
"""

import argparse
import errno
import hashlib
import json
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.live.content import blocks

NUMBER = 8  # bytes
PATIENCE = 60  # seconds without a byte before the stream counts as stalled


def connect(options: argparse.Namespace) -> socket.socket:
    """Returns the connection; a receive buffer is set before the handshake, where it decides the window scale."""
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    connection.settimeout(PATIENCE)
    if options.buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options.buffer)
    connection.connect((options.address, options.port))
    return connection


def receive(connection: socket.socket, options: argparse.Namespace) -> tuple[int, str]:
    """Reads to the end of the stream, with the pause that was asked for; returns bytes and SHA-256."""
    digest, count, buffer = hashlib.sha256(), 0, bytearray(1 << 20)
    view, pause_at = memoryview(buffer), options.pause_after
    while received := connection.recv_into(buffer):
        digest.update(view[:received])
        count += received
        if pause_at is not None and count >= pause_at:
            print("paused", flush=True)
            sys.stdin.readline()
            pause_at = None
    return count, digest.hexdigest()


def download(options: argparse.Namespace) -> dict[str, Any]:
    """Receives a stream."""
    start = time.monotonic()
    with connect(options) as connection:
        count, digest = receive(connection, options)
    return {"bytes": count, "sha256": digest, "seconds": time.monotonic() - start}


def upload(options: argparse.Namespace) -> dict[str, Any]:
    """Sends a stream and waits for the other end to end its own."""
    start = time.monotonic()
    digest = hashlib.sha256()
    with connect(options) as connection:
        for block in blocks(options.seed, options.size):
            connection.sendall(block)
            digest.update(block)
        connection.shutdown(socket.SHUT_WR)
        answered, _ = receive(connection, options)
    seconds = time.monotonic() - start
    return {"bytes": options.size, "sha256": digest.hexdigest(), "seconds": seconds, "answered": answered}


def collect_one(options: argparse.Namespace) -> tuple[int, str]:
    """Reads one connection to its end; returns its number and its SHA-256. Raises OSError, ValueError when short."""
    with connect(options) as connection:
        pieces = []
        while piece := connection.recv(1 << 20):
            pieces.append(piece)
    octets = b"".join(pieces)
    if len(octets) < NUMBER:
        raise ValueError(f"{len(octets)} bytes")
    return int.from_bytes(octets[:NUMBER], "big"), hashlib.sha256(octets).hexdigest()


def collect(options: argparse.Namespace) -> dict[str, Any]:
    """Reads many connections, each to its end."""
    sums: dict[int, str] = {}
    failures: list[str] = []

    def work(_: int) -> None:
        try:
            number, digest = collect_one(options)
        except (OSError, ValueError) as error:
            failures.append(repr(error))
        else:
            sums[number] = digest

    with ThreadPoolExecutor(options.workers) as workers:
        list(workers.map(work, range(options.count)))
    return {"sums": sums, "failures": failures}


def main() -> None:
    """Reads the command line, does what it says, prints the result."""
    parser = argparse.ArgumentParser()
    actions = parser.add_subparsers(required=True)
    for action in (download, upload, collect):
        command = actions.add_parser(action.__name__)
        command.set_defaults(action=action)
        command.add_argument("address")
        command.add_argument("port", type=int)
        if action is upload:
            command.add_argument("seed", type=int)
            command.add_argument("size", type=int)
        if action is collect:
            command.add_argument("count", type=int)
            command.add_argument("workers", type=int)
        command.add_argument("--buffer", type=int)
        command.add_argument("--pause-after", type=int)
    options = parser.parse_args()
    try:
        result = options.action(options)
    except OSError as error:
        result = {"error": errno.errorcode.get(error.errno or 0, str(error))}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
