"""Listener: a listening port held by a Python program."""

from typing import final

from netcore.endpoint import Endpoint

@final
class Listener:
    """A listening port. Made by Engine.listen only."""

    def accept(self) -> Endpoint | int:
        """The oldest finished connection. WOULD_BLOCK: none. RESET: the oldest was reset by its peer (ACPT-7)."""
    def set_backlog(self, backlog: int) -> None:
        """New capacity; the excess is reset (LISTEN-57, 58)."""
    def close(self) -> None:
        """Ends listening; queued and half-open connections are reset (LISTEN-73)."""
    @property
    def closed(self) -> bool: ...
    @property
    def backlog(self) -> int: ...
    @property
    def occupancy(self) -> int:
        """Half-open and finished un-accepted connections (LISTEN-48)."""
    @property
    def finished(self) -> int:
        """Finished, un-accepted connections, reset ones not yet reported included."""
    @property
    def readiness(self) -> int: ...
    @property
    def local(self) -> tuple[bytes, int]: ...
