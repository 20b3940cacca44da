"""SIGINT and SIGTERM as a wish to end, which is granted between two steps and never in the middle of one."""

import signal
import threading
from types import FrameType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ending:
    """Notes the signals while it is entered; to be used by the main thread.

    Signals that come while the program cleans up are noted too, so that they cut nothing short.
    """

    def __init__(self) -> None:
        self._wished = threading.Event()
        self._failure: Exception | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in SIGNALS:
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue  # nohup(1): the end of the terminal is not to be ours
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def wished(self) -> bool:
        """Whether one of the signals has come."""
        return self._wished.is_set()

    def wait(self) -> None:
        """Returns when one of the signals comes, or has come. Raises what `fail` was told."""
        self._wished.wait()
        if self._failure is not None:
            raise self._failure

    def wait_for(self, seconds: float) -> bool:
        """Returns True when one of the signals comes, or has come, and False after so many seconds."""
        return self._wished.wait(seconds)

    def fail(self, failure: Exception) -> None:
        """Ends the wait with a failure; from any thread."""
        self._failure = failure
        self._wished.set()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._wished.set()
