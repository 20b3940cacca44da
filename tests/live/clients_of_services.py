"""Clients on the kernel's sockets, inside the namespace, that talk to the three services and write down how they fared.

    clients_of_services.py ADDRESS SHARED SIZE CONVERSATIONS

SHARED is a file that both sides have mapped: the clients begin when its first byte is not zero, and set the second when
they have ended. So the other side needs no call to know, and can keep what it holds meanwhile. The result is one line
of JSON on stdout: bytes echoed right, taken, and received of the pattern; conversations of connect, request, reply.
"""

import hashlib
import json
import mmap
import socket
import struct
import sys
import threading
import time
from pathlib import Path

PATIENCE = 60  # seconds without a byte before a stream counts as stalled
ECHO, DISCARD, SOURCE = 7, 9, 19


def connect(address: str, port: int) -> socket.socket:
    """A connection that fails rather than hangs."""
    return socket.create_connection((address, port), PATIENCE)


def echo(address: str, size: int) -> int:
    """Sends and reads at the same time; returns the bytes that came back when they are the same ones."""
    said = hashlib.shake_128(b"echo").digest(size)
    answered = bytearray()
    with connect(address, ECHO) as connection:

        def speak() -> None:
            connection.sendall(said)
            connection.shutdown(socket.SHUT_WR)

        speaker = threading.Thread(target=speak)
        speaker.start()
        while piece := connection.recv(1 << 20):
            answered += piece
        speaker.join()
    return len(answered) if answered == said else -1


def discard(address: str, size: int) -> int:
    """Sends, and waits for the end of the other stream; returns the bytes sent."""
    with connect(address, DISCARD) as connection:
        connection.sendall(bytes(size))
        connection.shutdown(socket.SHUT_WR)
        return size if connection.recv(1) == b"" else -1


def source(address: str, size: int) -> int:
    """Reads so many bytes; returns their number when each is what RFC 864 suggests."""
    got = bytearray()
    with connect(address, SOURCE) as connection:
        while len(got) < size:
            got += connection.recv(1 << 20)
    ring = bytes(range(0x20, 0x7F)) * 2
    turn = b"".join(ring[start : start + 72] + b"\r\n" for start in range(95))
    return size if got == (turn * (len(got) // len(turn) + 1))[: len(got)] else -1


def converse(address: str, count: int) -> int:
    """Connects, asks with a byte, gets it back and resets, `count` times; returns how often that was right."""
    right = 0
    for number in range(count):
        with connect(address, ECHO) as connection:
            asked = bytes([number & 0xFF])
            connection.sendall(asked)
            right += connection.recv(1) == asked
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return right


def main() -> None:
    address, shared, size, conversations = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    with shared.open("r+b") as file, mmap.mmap(file.fileno(), 2) as flags:
        print("here", flush=True)
        while not flags[0]:
            time.sleep(0.001)
        try:
            told = {
                "echo": echo(address, size),
                "discard": discard(address, size),
                "source": source(address, size),
                "conversations": converse(address, conversations),
            }
            print(json.dumps(told), flush=True)
        finally:
            flags[1] = 1


if __name__ == "__main__":
    main()
