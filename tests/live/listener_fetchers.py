"""Many clients on the kernel's sockets, a program that runs in the namespace; prints one line of JSON.

    listener_fetchers.py ADDRESS PORT COUNT WORKERS

COUNT clients, WORKERS at a time, connect, say their number in eight bytes, read to the end of the stream and close.
Told are the SHA-256 of each stream by the number, and what failed. They speak first, as most do: when the last ACK of a
handshake by cookie is lost, nothing but what the client sends after it tells the server of the connection (RFC 4987
3.6), and a client that only listens would wait for ever.
"""

import hashlib
import json
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor

PATIENCE = 60  # seconds without a byte


def main() -> None:
    """Fetches and tells."""
    address, port, count, workers = sys.argv[1], *map(int, sys.argv[2:])
    sums: dict[int, str] = {}
    failures: list[str] = []
    longest = 0.0

    def fetch(number: int) -> None:
        nonlocal longest
        start = time.monotonic()
        digest = hashlib.sha256()
        try:
            with socket.create_connection((address, port), PATIENCE) as client:
                client.sendall(number.to_bytes(8, "big"))
                while octets := client.recv(1 << 16):
                    digest.update(octets)
        except OSError as error:
            failures.append(repr(error))
        else:
            sums[number] = digest.hexdigest()
        longest = max(longest, time.monotonic() - start)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(fetch, range(count)))
    print(json.dumps({"sums": sums, "failures": failures, "longest": longest}))


if __name__ == "__main__":
    main()
