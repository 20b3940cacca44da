"""A small HTTP client (RFC 9112) on the provider: one GET, whose body goes to the caller piece by piece."""

from collections.abc import Iterator
from typing import Any

import h11

from stack.applications.stream import StreamSocket

PIECE = 256 << 10


class FetchFailed(Exception):
    """The server did not answer with status 200 and a whole body; the message is one line."""


def fetch(provider: Any, address: str, port: int, url_path: str) -> Iterator[bytes]:
    """Yields the body that the server at `address` and `port` (host order) has for `url_path` (percent-encoded).

    Raises FetchFailed, and EntryFailed when the connection fails.
    """
    connection = StreamSocket.connected(provider, address, port)
    try:
        protocol = h11.Connection(h11.CLIENT)
        headers = [("Host", address), ("Connection", "close")]
        connection.send(protocol.send(h11.Request(method="GET", target=url_path, headers=headers)) or b"")
        protocol.send(h11.EndOfMessage())
        buffer = memoryview(bytearray(PIECE))
        while True:
            event = protocol.next_event()
            if event is h11.NEED_DATA:
                protocol.receive_data(bytes(buffer[: connection.receive_into(buffer)]))
            elif isinstance(event, h11.Response) and event.status_code != 200:
                raise FetchFailed(f"http://{address}:{port}{url_path}: status {event.status_code}")
            elif isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                break
    except h11.RemoteProtocolError as error:
        raise FetchFailed(f"http://{address}:{port}{url_path}: {error}") from error
    finally:
        connection.finish()
