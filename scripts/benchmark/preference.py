"""Whether the scheduler prefers what a measurement starts to the other programs of the machine."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

STRONGEST = "-20"  # nice value


@contextlib.contextmanager
def preferred(group: Path = Path("/proc/self/autogroup")) -> Iterator[None]:
    """Lets the scheduler prefer what this program starts to all else for the block, as far as we may.

    Within a group of the scheduler (sched(7), autogroup) nice values say nothing to other groups, so it is the
    group's value that is set, and put back after the block.

    Args:
        group: The file with the group's name and nice value; empty for a process that is in no group.
    """
    before = ""
    with contextlib.suppress(OSError):
        before = group.read_text().partition(" nice ")[2].strip()
        if before:
            group.write_text(STRONGEST)
    try:
        yield
    finally:
        if before:
            with contextlib.suppress(OSError):
                group.write_text(before)
