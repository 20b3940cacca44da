"""One end of a conversation on the kernel's sockets, run inside the namespace; prints what it saw as one line of JSON.

    kernel_options.py urgent-in ADDRESS PORT    connects, receives a stream with urgent bytes
    kernel_options.py urgent-out ADDRESS PORT   connects, sends one
    kernel_options.py hold ADDRESS PORT         connects with keepalive on (1 s, 1 s) and waits for a line
    kernel_options.py fast-open ADDRESS PORT    connects twice with text under a cookie
    kernel_options.py fast-listen ADDRESS PORT  takes two connections, answers what they ask; prints `listening` first

What is sent is told in tests/live/test_kernel_options.py.
"""

import fcntl
import json
import socket
import struct
import sys
from typing import Any

SIOCATMARK = 0x8905


def connect(address: str, port: int) -> socket.socket:
    """A connection. Blocking: Python would wait for plain data before a receive of an urgent byte."""
    return socket.create_connection((address, port))


def at_mark(connection: socket.socket) -> bool:
    """SIOCATMARK."""
    return bool(struct.unpack("i", fcntl.ioctl(connection, SIOCATMARK, b"\0" * 4))[0])


def urgent_in(address: str, port: int) -> dict[str, Any]:
    """Reads to each mark, then the urgent byte."""
    pieces: list[str] = []
    urgent: list[str] = []
    with connect(address, port) as connection:
        while piece := connection.recv(4096):
            pieces.append(piece.decode())
            if at_mark(connection):
                urgent.append(connection.recv(1, socket.MSG_OOB).decode())
                connection.sendall(b"+")
    return {"pieces": pieces, "urgent": urgent}


def urgent_out(address: str, port: int) -> dict[str, Any]:
    """Waits for a byte behind each urgent one: the kernel keeps one urgent pointer only."""
    with connect(address, port) as connection:
        for text in (b"abX", b"cdeY"):
            connection.send(text, socket.MSG_OOB)
            connection.recv(1)
        connection.sendall(b"plain")
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)
    return {}


def hold(address: str, port: int) -> dict[str, Any]:
    """Keeps an idle connection."""
    with connect(address, port) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1), (socket.TCP_KEEPCNT, 2)):
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
        print("holding", flush=True)
        sys.stdin.readline()
        return {"error": connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)}


def fast_open(address: str, port: int) -> dict[str, Any]:
    """The first connection asks for the cookie, the second uses it."""
    answers = []
    for _ in range(2):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
            connection.sendto(b"ask", socket.MSG_FASTOPEN, (address, port))
            answers.append(connection.recv(100).decode())
    return {"answers": answers}


def fast_listen(address: str, port: int) -> dict[str, Any]:
    """A server that takes text with the SYN."""
    asked = []
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 5)
        listener.bind(("0.0.0.0", port))
        listener.listen()
        print("listening", flush=True)
        for _ in range(2):
            connection, _ = listener.accept()
            with connection:
                asked.append(connection.recv(100).decode())
                connection.sendall(b"answer")
    return {"asked": asked}


ACTIONS = {
    "urgent-in": urgent_in,
    "urgent-out": urgent_out,
    "hold": hold,
    "fast-open": fast_open,
    "fast-listen": fast_listen,
}

if __name__ == "__main__":
    print(json.dumps(ACTIONS[sys.argv[1]](sys.argv[2], int(sys.argv[3]))), flush=True)
