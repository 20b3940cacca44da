"""Service: an echo, discard or character generator server inside the core, held by a Python program."""

from typing import final

def service_kinds() -> list[str]:
    """`echo` (RFC 862), `discard` (RFC 863) and `source` (the character generator of RFC 864)."""

@final
class Service:
    """A server that accepts and serves its connections without Python. Made by Engine.serve only.

    It does its work where frames and time-outs are dealt with: in the loop of a live host, in the calls of one driven
    by hand. A handle that is dropped closes it.
    """

    def close(self) -> None:
        """Ends listening and closes the connections.

        Those that are queued or half-open are reset (LISTEN-73). The others are closed as a program's close does:
        what was sent is still delivered (SND-10), with RST where something received was not read (CLOSE-6).
        """
    def set_backlog(self, backlog: int) -> None:
        """New capacity; the excess is reset (LISTEN-57, 58)."""
    def counters(self) -> dict[str, int]:
        """Connections `open` and `waiting` (half-open and finished) now; those `accepted` and, of these, `failed`
        (reset, timed out); bytes `received` from and `sent` to peers, those still queued included. Zeros once it is
        closed.
        """
    @property
    def closed(self) -> bool: ...
    @property
    def kind(self) -> str:
        """One of `service_kinds()`."""
    @property
    def local(self) -> tuple[bytes, int]:
        """Packed address, 0.0.0.0 for the wildcard, and port."""
