"""Services inside the core, with ports that they hold as any socket does."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from netcore.service import Service
from stack.wsp.addresses import WILDCARD
from stack.wsp.binding import COMMON_ACCOUNT, Mode
from stack.wsp.constants import IPPROTO_TCP, SOMAXCONN, WSAEADDRINUSE, WSAEADDRNOTAVAIL, WSAEMFILE, WSAENOBUFS
from stack.wsp.errors import STATUS_CODES, EntryFailure
from stack.wsp.listening import effective_backlog

if TYPE_CHECKING:
    from stack.wsp.provider import Provider


class BuiltinService:
    """An echo, discard or character generator server that needs neither Python nor its lock. See Stack.serve.

    Use it as a context manager, or call `close`.
    """

    def __init__(
        self,
        provider: "Provider",
        kind: str,
        port: int,
        *,
        address: bytes = WILDCARD,
        backlog: int = SOMAXCONN,
        account: str = COMMON_ACCOUNT,
        on_failure: Callable[[Exception], None] | None = None,
        on_close: "Callable[[BuiltinService], None] | None" = None,
    ) -> None:
        self.kind = kind
        self.port = port
        self.on_failure = on_failure
        self._on_close = on_close
        self._provider = provider
        self._closed = False
        if address != WILDCARD and address not in provider.engine.local_addresses():
            raise EntryFailure(WSAEADDRNOTAVAIL)
        place = None if address == WILDCARD else address
        with provider.lock:
            limit = provider.config.max_listeners
            if limit is not None and provider.listeners >= limit:
                raise EntryFailure(WSAEMFILE)
            self._binding = provider.bindings.reserve(IPPROTO_TCP, place, port, Mode.EXCLUSIVE, account)
            try:
                provider.bindings.commit(self._binding)
                self._service = self._open(kind, place, port, effective_backlog(backlog, provider.config))
            except BaseException:
                provider.bindings.release(self._binding)
                raise
            provider.listeners += 1

    def _open(self, kind: str, place: bytes | None, port: int, backlog: int) -> Service:
        service = self._provider.engine.serve(kind, place, port, backlog, rank=self._binding.order)
        if isinstance(service, int):
            code = STATUS_CODES[service]
            raise EntryFailure(code if code == WSAEADDRINUSE else WSAENOBUFS)
        return service

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends listening and closes the connections as WSPCloseSocket does; the second time it does nothing."""
        with self._provider.lock:
            if self._closed:
                return
            self._closed = True
            self._service.close()
            self._provider.bindings.release(self._binding)
            self._provider.listeners -= 1
        if self._on_close is not None:
            self._on_close(self)

    def counters(self) -> dict[str, int]:
        """Returns what it has done and does: see netcore.service.Service.counters."""
        return self._service.counters()
