"""A Relay at work: two devices joined, frames taken from each to the other by a thread of its own."""

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Callable
from typing import Protocol, Self

from netcore.impair import Impairment
from netcore.relay import Relay

LOG = logging.getLogger("wspstack.relaying")

PRIORITY = 2  # of the realtime scheduler's 1 to 99


class End(Protocol):
    """One end of the path; `tapdev.Tap` is one."""

    @property
    def kind(self) -> str:
        """`tap` or `tun`."""

    @property
    def vnet_header(self) -> bool:
        """Whether frames begin with a virtio-net header."""

    def fileno(self) -> int:
        """The non-blocking descriptor."""


class RunningRelay:
    """Joins `left` and `right` while it is entered; the caller closes the devices afterwards.

    forward: what happens to frames from left to right; backward: from right to left; None: they are handed on as they
    come, superframes whole. on_failure: called in the relay's thread with the error when a device goes away.
    Raises ValueError for two devices of different kinds.
    """

    def __init__(
        self,
        left: End,
        right: End,
        *,
        forward: Impairment | None = None,
        backward: Impairment | None = None,
        on_failure: Callable[[OSError], None] | None = None,
    ) -> None:
        if left.kind != right.kind:
            raise ValueError(f"one device is a {left.kind}, the other a {right.kind}: a path has one kind of frames")
        self._relay = Relay(
            left.fileno(),
            right.fileno(),
            forward=forward,
            backward=backward,
            left_header=left.vnet_header,
            right_header=right.vnet_header,
            ethernet=left.kind == "tap",
        )
        self._on_failure = on_failure
        self._thread = threading.Thread(target=self._run, name="wspstack-relay", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends it; from here on the counters stand still. The second time it does nothing."""
        self._relay.stop()
        self._thread.join()

    def counters(self) -> dict[str, dict[str, int]]:
        """What happened to the frames of each direction, as Relay.counters has it."""
        return self._relay.counters()

    def _run(self) -> None:
        # Signals are for the main thread.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        # What keeps the times of a link goes before what runs over it (sched(7)), where we may say so.
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY))
        try:
            self._relay.run()
        except OSError as error:
            LOG.error("the relay ended: %s", error)
            if self._on_failure is not None:
                self._on_failure(error)
