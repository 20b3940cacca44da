"""A set of sockets that is asked about again and again: an fd_set whose members survive WSPSelect."""

import ctypes
from array import array
from typing import Any

from stack.wsp.structures import fd_set_of

_LEAST = 64  # members that there is room for at first
_COUNT_WORDS = 1  # fd_count and its padding, in words of a SOCKET


class Membership:
    """The sockets to ask about in one role. Adding, removing and asking take no time that grows with their number."""

    def __init__(self) -> None:
        self._members = array("Q")
        self._places: dict[int, int] = {}
        self._make_room(_LEAST)

    def __len__(self) -> int:
        return len(self._members)

    def add(self, handle: int) -> None:
        """Asks about `handle` from now on."""
        if handle not in self._places:
            self._places[handle] = len(self._members)
            self._members.append(handle)

    def discard(self, handle: int) -> None:
        """Asks about `handle` no longer; the last one takes its place."""
        place = self._places.pop(handle, None)
        if place is not None:
            last = self._members.pop()
            if last != handle:
                self._members[place] = last
                self._places[last] = place

    def asked(self) -> Any:
        """Returns the fd_set for the next WSPSelect; None when there are no members."""
        members = self._members
        count = len(members)
        if not count:
            self._set.fd_count = 0  # what the last call left there is nobody's answer now
            return None
        if count > self._room:
            self._make_room(2 * count)
        self._words[_COUNT_WORDS : count + _COUNT_WORDS] = members
        self._set.fd_count = count
        return self._set

    def ready(self) -> list[int]:
        """Returns the handles that WSPSelect has left in the set that `asked` gave."""
        count: int = self._set.fd_count
        return self._words[_COUNT_WORDS : count + _COUNT_WORDS].tolist() if count else []

    def _make_room(self, room: int) -> None:
        self._room = room
        self._set = fd_set_of((), room)
        size = ctypes.sizeof(self._set) // 8 * 8
        self._words = memoryview(self._set).cast("B")[:size].cast("Q")
