#!/usr/bin/env python3
"""The command `wspstack` with a Python thread beside it that never waits and wants the interpreter's lock all the time.

Prints `spinner` and the thread's number first.
"""

import threading

import stack.assembly  # what the command imports itself later, and slowly beside a thread that spins
import stack.observation.control  # noqa: F401
from stack.cli import main


def spin() -> None:
    """Counts for ever."""
    count = 0
    while True:
        count += 1


if __name__ == "__main__":
    thread = threading.Thread(target=spin, daemon=True)
    thread.start()
    print("spinner", thread.native_id, flush=True)
    main()
