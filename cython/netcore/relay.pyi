"""Relay: a path between two devices."""

from typing import Self, final

from netcore.impair import Impairment

@final
class Relay:
    """Takes frames from each of two descriptors to the other, through an Impairment or as they come.

    left, right: open non-blocking descriptors that keep frames apart (TAP, TUN, packet sockets); the caller keeps them
    open. forward: what happens to frames from left to right; backward: from right to left; None: nothing, and
    superframes are handed on whole. An Impairment cuts them and completes checksums, as a wire needs it (SEG-14).
    left_header, right_header: frames there begin with a virtio-net header of 10 bytes.
    ethernet: frames have an Ethernet header (TAP); False: bare IP packets (TUN).

    Raises ValueError naming what is wrong, OSError when there is no descriptor left for the relay's own.
    """

    def __new__(
        cls,
        left: int,
        right: int,
        *,
        forward: Impairment | None = None,
        backward: Impairment | None = None,
        left_header: bool = False,
        right_header: bool = False,
        ethernet: bool = True,
    ) -> Self: ...
    def run(self) -> None:
        """Relays without the GIL until `stop`; Python's signal handlers run if this is the main thread.

        Raises OSError when a device is gone, RuntimeError when it runs already, and what a signal handler raises.
        """
    def stop(self) -> None:
        """Ends `run` soon, or the next one at once; from any thread."""
    def counters(self) -> dict[str, dict[str, int]]:
        """What happened to the frames of `forward` and `backward`.

        frames, bytes: read, a superframe counted once. delivered, delivered_bytes: written. refused: not taken by the
        other device. late: written more than 1 ms after their time, because the machine was busy; latest: how much (ns)
        the latest was. With an Impairment also what Impairment.counters tells. Bytes without virtio headers.
        """
    @property
    def wakeups(self) -> int:
        """How often the relay rested and went on."""
