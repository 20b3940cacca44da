"""Loop: makes a host live on a device descriptor, and drives it while no caller does."""

from typing import Self, final

from netcore.engine import Engine
from netcore.impair import Impairment

@final
class Loop:
    """Drives `engine` on `descriptor` (non-blocking, TAP or TUN as the engine was made; the caller keeps it open).

    From here on the engine is live: its time is the monotonic clock. A descriptor of -1 means a host with no device.
    inbound, outbound: an Impairment for frames from and to the device.
    busy_poll: ns (at most a second) for which whoever drives goes on looking for frames before it sleeps; 0: not at
    all. It saves the wake-up and costs a processor meanwhile.
    thread_switch: a descriptor that takes "1" and "0", open as long as the loop is: whether the kernel takes what is
    written to the device in a thread of its own, which it does while much passes; -1: there is none.
    """

    def __new__(
        cls,
        engine: Engine,
        descriptor: int,
        *,
        inbound: Impairment | None = None,
        outbound: Impairment | None = None,
        busy_poll: int = 0,
        thread_switch: int = -1,
    ) -> Self: ...
    def run(self) -> None:
        """Drives without the GIL while no call waits that does, until `stop`; for a thread that blocks all signals.

        Raises OSError when the device is gone.
        """
    def stop(self) -> None:
        """Ends `run` soon; from any thread."""
    def close(self) -> None:
        """Lets go of the device and of the loop's own descriptor, once `run` has ended; the host loses its link."""
    def counters(self) -> dict[str, int]:
        """wakeups, batches, turns (how often a call took the lead), reads, writes, write_errors, device_lost."""
