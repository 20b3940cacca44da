"""An HTTP/1.1 file server (RFC 9110, 9112) on the provider: GET and HEAD, connections kept, one range of bytes.

h11 knows the protocol, FileTree the files; this file joins them to a connection.
"""

import http
import logging
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import h11

from stack.applications.byte_range import Unsatisfiable, requested_range
from stack.applications.file_tree import BadPath, Elsewhere, FileTree, Listing, OpenFile
from stack.applications.stream import EntryFailed, StreamSocket
from stack.wsp import constants

LOG = logging.getLogger("wspstack.applications")

CHUNK = 256 << 10  # bytes of a file handed to the provider at a time
SEND_BUFFER = 512 << 10  # what a client that does not read can make us hold, beside one chunk
HEAD_LIMIT = 32 << 10  # bytes of a request's head
BODY_LIMIT = 1 << 20  # bytes of a request's body, which means nothing to us, read before giving up
IDLE_MILLISECONDS = 60_000
REQUEST_SECONDS = 60.0  # from a request's first byte to its last
STALLED_MILLISECONDS = 300_000  # how long a client may take for one chunk

_HTML = "text/html; charset=utf-8"
_PLAIN = "text/plain; charset=utf-8"

Headers = list[tuple[str, str]]


class FileServer:
    """Serves the files under `root`; `serve` is the program of one connection.

    clock: seconds since 1970, for the Date field; None: the machine's. timer: seconds, for the time a request takes.
    Raises NotADirectoryError when root is not a directory.
    """

    def __init__(
        self,
        root: Path,
        *,
        clock: Callable[[], float] | None = None,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tree = FileTree(root)
        self.clock = clock
        self.timer = timer

    def serve(self, connection: StreamSocket) -> None:
        """Answers the requests of one connection until either side ends it, then drains and closes it."""
        connection.send_without_delay()
        connection.limit_waiting(IDLE_MILLISECONDS, STALLED_MILLISECONDS)
        connection.limit_sending(SEND_BUFFER)
        exchange = Exchange(self, connection)
        try:
            while exchange.serve_request():
                pass
        except EntryFailed as failure:
            if failure.code != constants.WSAETIMEDOUT:
                raise
        connection.finish()


class Exchange:
    """The requests and responses of one connection."""

    def __init__(self, server: FileServer, connection: StreamSocket) -> None:
        self._server = server
        self._connection = connection
        self._protocol = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)
        self._buffer = memoryview(bytearray(64 << 10))
        self._bodiless = False  # the request was HEAD: the response has the length of a body and no body

    def serve_request(self) -> bool:
        """Answers one request. False: the connection is to be ended."""
        self._bodiless = False
        try:
            request = self._next_request()
            if request is None:
                return False
            self._answer(request)
        except h11.RemoteProtocolError as error:
            LOG.info("bad request: %s", error)
            if self._protocol.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                self._refuse(http.HTTPStatus(error.error_status_hint))
            return False
        if self._protocol.our_state is not h11.DONE or self._protocol.their_state is not h11.DONE:
            return False
        self._protocol.start_next_cycle()
        return True

    def _next_request(self) -> h11.Request | None:
        request: h11.Request | None = None
        begun: float | None = None
        body = 0
        while True:
            if request is not None and self._protocol.they_are_waiting_for_100_continue:
                return request  # no body is wanted: the final response says so at once (RFC 9110 10.1.1)
            event = self._protocol.next_event()
            if event is h11.NEED_DATA:
                if begun is not None and self._server.timer() - begun > REQUEST_SECONDS:
                    # each line in time, and the whole never: such clients would hold every place
                    raise EntryFailed("WSPRecv", constants.WSAETIMEDOUT)
                count = self._connection.receive_into(self._buffer)
                begun = self._server.timer() if begun is None else begun
                self._protocol.receive_data(bytes(self._buffer[:count]))
            elif isinstance(event, h11.Request):
                request = event
                self._bodiless = event.method == b"HEAD"
            elif isinstance(event, h11.Data):
                body += len(event.data)
                if body > BODY_LIMIT:
                    return request
            elif isinstance(event, h11.EndOfMessage):
                return request
            else:
                return None

    def _answer(self, request: h11.Request) -> None:
        if request.method not in (b"GET", b"HEAD"):
            self._refuse(http.HTTPStatus.METHOD_NOT_ALLOWED, [("Allow", "GET, HEAD")])
            return
        try:
            found = self._server.tree.look_up(target_path(request.target))
        except (BadPath, ValueError):
            self._refuse(http.HTTPStatus.BAD_REQUEST)
        except FileNotFoundError:
            self._refuse(http.HTTPStatus.NOT_FOUND)
        except PermissionError:
            self._refuse(http.HTTPStatus.FORBIDDEN)
        except OSError as error:  # no descriptor left, a disk that fails: ours to know, not the client's
            LOG.error("%s: %s", request.target.decode("latin-1"), error)
            self._refuse(http.HTTPStatus.SERVICE_UNAVAILABLE)
        else:
            if isinstance(found, OpenFile):
                with found.stream:
                    self._send_file(request, found)
            elif isinstance(found, Listing):
                self._send_page(http.HTTPStatus.OK, found.page, _HTML)
            elif isinstance(found, Elsewhere):
                self._refuse(http.HTTPStatus.MOVED_PERMANENTLY, [("Location", found.path)])

    def _send_file(self, request: h11.Request, file: OpenFile) -> None:
        status, first, count = http.HTTPStatus.OK, 0, file.size
        headers = [("Accept-Ranges", "bytes"), ("Last-Modified", formatdate(file.modified, usegmt=True))]
        fields = dict(request.headers)
        # If-Range needs a validator to compare; without one the whole file is a right answer (RFC 9110 13.1.5).
        if request.method == b"GET" and b"range" in fields and b"if-range" not in fields:
            try:
                part = requested_range(fields[b"range"].decode("latin-1"), file.size)
            except Unsatisfiable:
                self._refuse(
                    http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, [("Content-Range", f"bytes */{file.size}")]
                )
                return
            if part is not None:
                status, (first, count) = http.HTTPStatus.PARTIAL_CONTENT, part
                headers.append(("Content-Range", f"bytes {first}-{first + count - 1}/{file.size}"))
        head = self._head(status, count, file.media_type, headers)
        if self._bodiless or count == 0:
            self._connection.send(head)
            self._end()
            return
        file.stream.seek(first)
        chunk = memoryview(bytearray(min(CHUNK, count)))
        while count > 0:
            read = file.stream.readinto(chunk[: min(len(chunk), count)])  # type: ignore[attr-defined]
            if not read:
                # The file has become shorter than the length that was promised: only an abrupt end says so.
                LOG.warning("a file shrank while it was sent")
                self._protocol.send_failed()
                return
            count -= read
            # h11 passes on whatever has a length, so the chunk is copied first by the core.
            body = self._protocol.send_with_data_passthrough(h11.Data(data=cast(bytes, chunk[:read]))) or []
            if head:
                self._connection.send_gathered([head, *body])
                head = b""
            else:
                self._connection.send_gathered(body)
        self._end()

    def _refuse(self, status: http.HTTPStatus, headers: Headers | None = None) -> None:
        self._send_page(status, f"{status.value} {status.phrase}\n".encode(), _PLAIN, headers)

    def _send_page(self, status: http.HTTPStatus, page: bytes, media_type: str, headers: Headers | None = None) -> None:
        head = self._head(status, len(page), media_type, headers or [])
        body = b"" if self._bodiless else self._protocol.send(h11.Data(data=page)) or b""
        self._connection.send(head + body)
        self._end()

    def _head(self, status: http.HTTPStatus, length: int, media_type: str, headers: Headers) -> bytes:
        now = self._server.clock() if self._server.clock is not None else None
        if self._protocol.their_state is not h11.DONE:
            headers = [*headers, ("Connection", "close")]  # the rest of the request is not going to be read
        response = h11.Response(
            status_code=status.value,
            reason=status.phrase.encode(),
            headers=[
                ("Date", formatdate(now, usegmt=True)),
                ("Server", "wspstack"),
                ("Content-Type", media_type),
                ("Content-Length", str(length)),
                *headers,
            ],
        )
        return self._protocol.send(response) or b""

    def _end(self) -> None:
        self._protocol.send(h11.EndOfMessage())


def target_path(target: bytes) -> str:
    """Returns the path of a request target in origin or absolute form (RFC 9112 3.2), without the query.

    Raises BadPath for another form.
    """
    text = target.decode("latin-1")
    if text.startswith("/"):
        return text.partition("?")[0].partition("#")[0]
    parts = urlsplit(text)
    if parts.scheme.lower() != "http" or not parts.netloc:
        raise BadPath(f"{text!r}: neither a path nor an http URL")
    return parts.path or "/"
