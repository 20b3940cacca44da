"""Selection: one WSPSelect over sockets that are connected or listen."""

from typing import Any, final

from netcore.endpoint import Endpoint
from netcore.handles import SocketHandles
from netcore.listener import Listener

@final
class Selection:
    """The sets of one call and the sockets they name. Made by `select_plain` only."""

    def poll(self) -> int:
        """Returns how many members are ready over all sets, which hold just those then; 0 leaves the sets alone."""
    def clear(self) -> None:
        """Empties the sets: the time is over (SEL-2)."""
    def changed(self) -> bool:
        """Whether a member has become another thing than it was: closed, listening, connecting."""
    @property
    def members(self) -> list[SocketHandles]:
        """The sockets of all sets."""
    def watches(self) -> list[tuple[Endpoint | Listener, int]]:
        """What a Waiter waits for until `poll` may find something."""
    def join(self, wait: Any) -> None:
        """Lets `wait.wake()` be called when something happens to the sockets themselves (SEL-12)."""
    def leave(self, wait: Any) -> None:
        """Undoes `join`."""

def select_plain(
    live: dict[int, Any], kind: type[Any], readfds: Any, writefds: Any, exceptfds: Any
) -> Selection | None:
    """Returns the selection of three sets; None when it is not of the plain kind, and the sets are untouched.

    Plain: each set is None or an instance of the ctypes structure `kind` (an fd_set), no object stands for two sets,
    no member comes twice in one; every member is a descriptor in `live`, which maps to SocketHandles, and its TCP
    socket is connected, listens, or has done nothing yet; at least one has a handle in the core.
    """
