"""Removes what labs left behind whose owner died together with the process that should have cleaned up."""

import contextlib
import fcntl
import os
import stat
import time

from tapdev import link
from tapdev.claim import NAME_PREFIX
from tapdev.errors import LabUnavailable
from tapdev.netns import NAMES, OWNER_ALIAS, Namespace

_PLACEHOLDER_AGE = 60  # seconds; naming a namespace takes milliseconds


def clean() -> list[str]:
    """Remove the network namespaces of labs whose owner is dead, with the commands that still run in them.

    Left alone are namespaces of living labs, of anybody else (whatever their name), and what the caller has no right
    to remove. Returns the names removed.
    """
    removed = []
    with contextlib.suppress(FileNotFoundError):
        for name in sorted(os.listdir(NAMES)):
            if name.startswith(NAME_PREFIX):
                with contextlib.suppress(OSError, LabUnavailable):
                    if _remove_if_stale(name):
                        removed.append(name)
    return removed


def _remove_if_stale(name: str) -> bool:
    descriptor = os.open(NAMES / name, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _is_placeholder(os.fstat(descriptor)):
            os.unlink(NAMES / name)
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False  # its owner lives
        with Namespace.join(name) as namespace:
            with namespace.routes() as route:
                if link.alias_of(route, "lo") != OWNER_ALIAS:
                    return False
            namespace.adopt()
        return True
    finally:
        os.close(descriptor)


def _is_placeholder(status: os.stat_result) -> bool:
    # A name is an empty file without any permission until the namespace is mounted over it.
    return (
        stat.S_ISREG(status.st_mode)
        and stat.S_IMODE(status.st_mode) == 0
        and status.st_size == 0
        and time.time() - status.st_mtime > _PLACEHOLDER_AGE
    )
