"""Waiter: how a thread waits for endpoints and listeners of a live host."""

from collections.abc import Sequence
from typing import Self, final

from typing_extensions import Buffer

from netcore.endpoint import Endpoint
from netcore.engine import Engine
from netcore.listener import Listener

@final
class Waiter:
    """What one thread waits with, on a live host; use one per thread."""

    def __new__(cls, engine: Engine) -> Self: ...
    def wait(self, watches: Sequence[tuple[Endpoint | Listener, int]], deadline: int | None) -> bool:
        """Waits until one of the watches has one of its readiness bits, `wake` was called, or `deadline` (ns, the
        engine's clock) has come; False in the last case only. Releases the GIL; Ctrl-C ends it with KeyboardInterrupt.
        Bits are read at once, so nothing that already holds is waited for. Raises ValueError for a handle of another
        engine.
        """
    def receive_into(
        self,
        endpoint: Endpoint,
        buffer: Buffer,
        watches: Sequence[tuple[Endpoint | Listener, int]],
        deadline: int | None,
    ) -> int:
        """Waits as `wait` does, until text of `endpoint` is there; what comes meanwhile may go straight to `buffer`.

        Returns how many bytes of `buffer` (writable) have been filled; 0 when none has but a watch is ready or `wake`
        was called; -1 when `deadline` has come. Bytes behind the count stay as they were or are zero.
        """
    def wake(self) -> None:
        """Ends the wait in progress, or else the next one; from any thread."""
    def close(self) -> None:
        """Gives the event descriptor back; a wait in progress ends first."""
