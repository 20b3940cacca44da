"""One end of a signed exchange on the kernel's sockets (TCP_MD5SIG), run inside the namespace; prints lines of JSON.

    signed_peer.py connect ADDRESS PORT SECRET SIZE
    signed_peer.py serve ADDRESS PORT SECRET SIZE

ADDRESS is the other end's. SECRET "-" signs nothing. Each sends SIZE bytes, ends its stream and reads the other's, all
at once; it tells the SHA-256 of what came, or the name of the socket's error. `serve` first tells that it is ready.
"""

import errno
import hashlib
import json
import socket
import struct
import sys
import threading

TCP_MD5SIG = 14  # linux/tcp.h
SECRET_MOST = 80
PATIENCE = 20  # seconds


def key_option(address: str, secret: bytes) -> bytes:
    """Struct tcp_md5sig: a sockaddr_storage, flags, prefix, length, interface, key."""
    name = struct.pack("=HH4s", socket.AF_INET, 0, socket.inet_aton(address))
    return name.ljust(128, b"\0") + struct.pack("=BBHi80s", 0, 0, len(secret), 0, secret.ljust(SECRET_MOST, b"\0"))


def exchange(connection: socket.socket, size: int) -> str:
    """Sends and receives at once; the SHA-256 of what came."""
    connection.settimeout(PATIENCE)

    def send() -> None:
        connection.sendall(bytes(range(256)) * (size // 256))
        connection.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=send)
    thread.start()
    digest = hashlib.sha256()
    while received := connection.recv(1 << 16):
        digest.update(received)
    thread.join()
    return digest.hexdigest()


def main() -> None:
    """Runs one exchange."""
    action, address, port, secret, size = sys.argv[1:]
    with socket.socket() as own:
        own.settimeout(PATIENCE)
        if secret != "-":
            try:
                own.setsockopt(socket.IPPROTO_TCP, TCP_MD5SIG, key_option(address, secret.encode()))
            except OSError as error:
                print(json.dumps({"missing": errno.errorcode[error.errno or 0]}))
                return
        try:
            if action == "serve":
                own.bind(("", int(port)))
                own.listen()
                print(json.dumps({"ready": True}), flush=True)
                connection, _ = own.accept()
            else:
                if secret == "-":
                    own.settimeout(2)  # nothing will come
                own.connect((address, int(port)))
                connection = own
            with connection:
                print(json.dumps({"sha256": exchange(connection, int(size))}))
        except TimeoutError:
            print(json.dumps({"error": "ETIMEDOUT"}))
        except OSError as error:
            print(json.dumps({"error": errno.errorcode[error.errno or 0]}))


main()
