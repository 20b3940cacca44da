"""The honest client, on the kernel's sockets: a program that runs in the namespace.

    client.py down ADDRESS PORT            reads to the end of the stream
    client.py up ADDRESS PORT              sends until it is given a line, then ends and reads to the end

Each first prints its port. At the end it prints one line of JSON: bytes, SHA-256, and for `down` nothing was sent.
"""

import hashlib
import itertools
import json
import random
import select
import socket
import sys
import time

PATIENCE = 60  # seconds without a byte
PIECE = 32 << 10  # bytes
PAUSE = 0.002  # seconds between pieces, so that the stream leaves the machine time for the attack


def pieces(seed: int) -> "itertools.chain[bytes]":
    """An endless stream from a seed, in pieces that all differ."""
    body = random.Random(seed).randbytes(PIECE - 8)
    return itertools.chain(number.to_bytes(8, "big") + body for number in itertools.count())


def read(connection: socket.socket) -> tuple[int, str]:
    """Reads to the end of the stream; bytes and SHA-256."""
    digest, count, buffer = hashlib.sha256(), 0, bytearray(1 << 20)
    while received := connection.recv_into(buffer):
        digest.update(memoryview(buffer)[:received])
        count += received
    return count, digest.hexdigest()


def write(connection: socket.socket) -> tuple[int, str]:
    """Sends until there is a line; bytes and SHA-256."""
    digest, count = hashlib.sha256(), 0
    for piece in pieces(2):
        connection.sendall(piece)
        digest.update(piece)
        count += len(piece)
        if select.select([sys.stdin], [], [], 0)[0]:
            break
        time.sleep(PAUSE)
    connection.shutdown(socket.SHUT_WR)
    return count, digest.hexdigest()


def main() -> None:
    """Reads the command line, does what it says, prints the result."""
    way, address, port = sys.argv[1:]
    with socket.create_connection((address, int(port))) as connection:
        connection.settimeout(PATIENCE)
        print(connection.getsockname()[1], flush=True)
        try:
            count, digest = (read if way == "down" else write)(connection)
            if way == "up":
                read(connection)
            told = {"bytes": count, "sha256": digest}
        except OSError as error:
            told = {"error": str(error)}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
