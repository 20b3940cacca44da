"""Pair: two hosts and the link between them under one virtual clock."""

from typing import Self, final

from netcore.engine import Engine
from netcore.impair import Impairment

@final
class Pair:
    """Joins two hand-driven engines. Frames that one sends arrive at the other after `forward`'s (left to right) or
    `backward`'s (right to left) impairment; without one, after `latency` ns.
    """

    def __new__(
        cls,
        left: Engine,
        right: Engine,
        *,
        forward: Impairment | None = None,
        backward: Impairment | None = None,
        latency: int = 1000,
    ) -> Self: ...
    @property
    def now(self) -> int: ...
    def next_event(self) -> int | None:
        """Time (ns) of the next frame arrival or time-out at either host; None: nothing will ever happen."""
    def step(self) -> bool:
        """Carries out all that happens at the next event time. False: nothing is scheduled."""
    def run_until(self, time: int) -> None:
        """Carries out everything due by `time` (ns) and sets the clock to it."""
    def record(self, on: bool = True) -> None:
        """Keeps a copy of every frame as it arrives."""
    def recorded(self) -> list[tuple[int, str, bytes]]:
        """Takes the copies: (arrival time in ns, "left" or "right" = who receives it, frame)."""
