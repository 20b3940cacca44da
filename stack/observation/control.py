"""The control socket of a running stack: a thread that answers other processes of the same user, one line each.

A client sends one JSON object in one line (`stack.observation.requests.Request`) and gets one JSON document back. The
thread shares with the data path the host's lock, for some 32 connections at a time, and the interpreter.
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from stack.observation.answers import Observed, answer
from stack.observation.places import ControlError, checked, is_answered, new_path
from stack.observation.requests import REQUEST_LIMIT, RequestError, read_request

LOG = logging.getLogger("wspstack.observation")

CLIENTS_MOST: Final = 8
"""Clients that are answered at the same time; others are sent away."""

_QUEUE: Final = 16
_REQUEST_SECONDS: Final = 5.0
_ANSWER_SECONDS: Final = 60.0
_PAUSE: Final = 0.001  # s between two slices, in which program and stack go first


class ControlSocket:
    """Answers on a Unix socket while it is entered, or from `start` to `stop`.

    stack: what is observed. path: where; None: a name of its own in `places.control_directory()`.
    """

    def __init__(self, stack: Observed, path: Path | None = None) -> None:
        self._stack = stack
        self._wish = path
        self._path: Path | None = None
        self._inode = 0
        self._clients = 0
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Event | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def path(self) -> Path | None:
        """Where it answers; None before the start and after the stop."""
        return self._path

    def start(self) -> None:
        """Makes the socket, for this user alone (mode 0600), and begins to answer. Raises ControlError."""
        if self._thread is not None:
            raise RuntimeError("the control socket was started already: make a new ControlSocket")
        path = new_path() if self._wish is None else self._wish
        listener = _listen(path)
        self._path, self._inode = path, path.lstat().st_ino
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(listener, ready), name="wspstack-control", daemon=True)
        self._thread.start()
        ready.wait()
        LOG.info("control socket %s", path)

    def stop(self) -> None:
        """Ends answering and removes the socket; the second time it does nothing."""
        path, self._path = self._path, None
        if path is None:
            return
        assert self._loop is not None
        assert self._ended is not None
        assert self._thread is not None
        with contextlib.suppress(OSError):
            if path.lstat().st_ino == self._inode:
                path.unlink()
        with contextlib.suppress(RuntimeError):  # its thread has ended by itself
            self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    def _run(self, listener: socket.socket, ready: threading.Event) -> None:
        # Signals are for the main thread.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            asyncio.run(self._serve(listener, ready))
        except Exception:
            LOG.exception("the control socket ended")
        finally:
            ready.set()

    async def _serve(self, listener: socket.socket, ready: threading.Event) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_unix_server(self._client, sock=listener, limit=REQUEST_LIMIT)
        ready.set()
        try:
            await self._ended.wait()
        finally:
            # the clients' tasks are cancelled when the loop ends
            server.close()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients += 1
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                if self._clients > CLIENTS_MOST:
                    await _send(writer, _failure(f"{CLIENTS_MOST} others are being answered: ask again"))
                else:
                    await self._answer(reader, writer)
        except (OSError, TimeoutError) as error:
            LOG.debug("a client went: %s", error)
        except Exception:
            # whatever a request does to us, the next one is answered
            LOG.exception("a request failed")
        finally:
            self._clients -= 1
            writer.transport.abort() if writer.transport.get_write_buffer_size() else writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_REQUEST_SECONDS):
                line = await reader.readline()
            request = read_request(line)
        except RequestError as error:
            await _send(writer, _failure(str(error)))
            return
        except ValueError:  # as readline says it
            await _send(writer, _failure(f"a request has {REQUEST_LIMIT} bytes at most, and one line"))
            return
        for piece in answer(self._stack, request):
            await _send(writer, piece)
            await asyncio.sleep(_PAUSE)
        await _send(writer, "\n")


async def _send(writer: asyncio.StreamWriter, text: str) -> None:
    writer.write(text.encode())
    await writer.drain()


def _failure(message: str) -> str:
    return json.dumps({"error": message}) + "\n"


def _listen(path: Path) -> socket.socket:
    name = checked(path)
    if path.is_socket():
        if is_answered(path):
            raise ControlError(f"another stack answers at {path} already")
        path.unlink(missing_ok=True)  # of one that was killed
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # before bind, which gives the file this mode: at no time can anybody else connect
        os.fchmod(listener.fileno(), 0o600)
        listener.bind(name)
        listener.listen(_QUEUE)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise ControlError(f"no control socket at {path}: {error.strerror}") from error
    return listener
