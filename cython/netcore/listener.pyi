"""Listener: a listening port held by a Python program."""

from typing import final

from netcore.endpoint import Endpoint

@final
class Listener:
    """A listening port. Made by Engine.listen only."""

    def accept(self) -> Endpoint | int:
        """The oldest finished connection. WOULD_BLOCK: none. RESET: the oldest was reset by its peer (ACPT-7).

        Deferred ones are taken as well (ACPT-24), those that another thread has selected are not.
        """
    def select(self) -> Endpoint | int:
        """The oldest candidate that no other thread has selected, left in its place; WOULD_BLOCK when there is none.

        It is a finished connection, or on a conditional listener a request whose SYN is unanswered (ACPT-31). Only
        its names, `approved`, `status` and `closed` are of use until `decide`, which must follow. While it is selected
        no shrink takes it (LISTEN-57).
        """
    def decide(self, candidate: Endpoint, decision: int, keep: bool = True) -> int:
        """What becomes of a selected candidate: CF_ACCEPT 0, CF_REJECT 1, CF_DEFER 2, release 3; ValueError for others.

        Accept, finished connection: OK, and the endpoint is the program's. Accept, request: its SYN,ACK goes out and
        WOULD_BLOCK comes back; with `keep` the endpoint is the program's, to be waited for (CONNECTED, or FAILED when
        the peer vanishes), without it the connection joins the queue when the handshake is done, with `approved` set,
        and the handle is closed. Reject: OK; RST, or RST,ACK to the SYN (ACPT-22, 32). Defer: OK; nothing is sent, it
        stays where it is (ACPT-23). Release: OK; it is as it was before `select` (ACPT-27).
        RESET: its peer has reset it meanwhile; TIMED_OUT: the request's life is over (ACPT-34); ABORTED: the listener
        was closed or the stack ended. Except after an accept that succeeded with `keep`, the handle is closed.
        """
    @property
    def conditional(self) -> bool:
        """SYNs wait for a decision (ACPT-31)."""
    @conditional.setter
    def conditional(self, on: bool) -> None: ...
    @property
    def paused(self) -> bool:
        """Every SYN is answered with RST, what is queued stays (LISTEN-72)."""
    @paused.setter
    def paused(self, on: bool) -> None: ...
    @property
    def fast_open(self) -> bool:
        """SYNs with a right cookie bring their text at once (TCPX-6); a copied SYN brings it twice (RFC 7413 2.1)."""
    @fast_open.setter
    def fast_open(self, on: bool) -> None: ...
    @property
    def under_attack(self) -> bool:
        """SYNs are answered with cookies (LISTEN-74)."""
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
    def waiting(self) -> int:
        """Candidates: finished connections, reset ones not yet reported, and undecided requests (ACPT-31)."""
    @property
    def readiness(self) -> int: ...
    @property
    def local(self) -> tuple[bytes, int]: ...
