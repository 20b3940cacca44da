"""Work inside the network namespace of an open TAP or TUN device, wherever the caller is."""

import contextlib
import ctypes
import fcntl
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

# linux/if_tun.h
_TUNGETDEVNETNS = 0x54E3
_CLONE_NEWNET = 0x40000000

T = TypeVar("T")


def visit(device: int, work: Callable[[], T]) -> T | None:
    """Returns what `work` returns in the namespace of `device`, an attached descriptor of /dev/net/tun.

    None where the kernel or the privileges of the caller do not allow it: where it, or going there, raises OSError.
    """

    def go() -> T:
        _enter(device)
        return work()

    # A thread of its own may move to the device's namespace; descriptors it opens are good everywhere.
    with ThreadPoolExecutor(max_workers=1) as visitor, contextlib.suppress(OSError):
        return visitor.submit(go).result()
    return None


def _enter(device: int) -> None:
    with closing(fcntl.ioctl(device, _TUNGETDEVNETNS)) as namespace:
        if not os.path.samestat(os.fstat(namespace), os.stat("/proc/thread-self/ns/net")):
            checked(ctypes.CDLL(None, use_errno=True).setns(namespace, _CLONE_NEWNET))


@contextlib.contextmanager
def closing(descriptor: int) -> Iterator[int]:
    """Closes a descriptor after the block."""
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def checked(result: int) -> int:
    """Returns what a function of the C library returned. Raises OSError where that tells of an error."""
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
