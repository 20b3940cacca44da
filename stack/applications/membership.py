"""A set of sockets that is asked about again and again: an fd_set whose members survive WSPSelect."""

import ctypes
from array import array
from typing import Any

from stack.wsp.structures import fd_set_of

_LEAST = 64  # members that there is room for at first
_COUNT_WORDS = 1  # fd_count and its padding, in words of a SOCKET


class Membership:
    """The sockets to ask about in one role."""

    def __init__(self) -> None:
        self._handles: dict[int, None] = {}
        self._members = array("Q")
        self._current = True
        self._make_room(_LEAST)

    def __len__(self) -> int:
        return len(self._handles)

    def add(self, handle: int) -> None:
        """Asks about `handle` from now on."""
        self._handles[handle] = None
        self._current = False

    def discard(self, handle: int) -> None:
        """Asks about `handle` no longer."""
        self._handles.pop(handle, None)
        self._current = False

    def asked(self) -> Any:
        """Returns the fd_set for the next WSPSelect; None when there are no members."""
        if not self._current:
            self._members = array("Q", self._handles)
            self._current = True
            if len(self._members) > self._room:
                self._make_room(2 * len(self._members))
        count = len(self._members)
        self._words[_COUNT_WORDS : count + _COUNT_WORDS] = self._members
        self._set.fd_count = count
        return self._set if count else None

    def ready(self) -> list[int]:
        """Returns the handles that WSPSelect has left in the set that `asked` gave."""
        count: int = self._set.fd_count
        return self._words[_COUNT_WORDS : count + _COUNT_WORDS].tolist() if count else []

    def _make_room(self, room: int) -> None:
        self._room = room
        self._set = fd_set_of((), room)
        size = ctypes.sizeof(self._set) // 8 * 8
        self._words = memoryview(self._set).cast("B")[:size].cast("Q")
