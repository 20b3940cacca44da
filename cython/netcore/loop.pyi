"""Loop: the live drive of one host on a device descriptor."""

from typing import Self, final

from netcore.engine import Engine
from netcore.impair import Impairment

@final
class Loop:
    """Drives `engine` on `descriptor` (non-blocking, TAP or TUN as the engine was made; the caller keeps it open).

    From here on the engine is live: its time is the monotonic clock. A descriptor of -1 means a host with no device.
    inbound, outbound: an Impairment for frames from and to the device.
    """

    def __new__(
        cls,
        engine: Engine,
        descriptor: int,
        *,
        inbound: Impairment | None = None,
        outbound: Impairment | None = None,
    ) -> Self: ...
    def run(self) -> None:
        """Runs without the GIL until `stop`; to be called by a thread that blocks all signals.

        Raises OSError when the device is gone.
        """
    def stop(self) -> None:
        """Ends `run` soon; from any thread."""
    def close(self) -> None:
        """Lets go of the device and of the loop's own descriptor, once `run` has ended; the host loses its link."""
    def counters(self) -> dict[str, int]:
        """wakeups, reads, writes, write_errors, batches."""
