"""The switch of a device between the two ways in which the kernel takes what is written to it.

Without the thread the call that writes a frame carries it through the kernel to its receiver. With it a thread of the
kernel does, on another processor, and joins the segments of one stream on their way (threaded NAPI and GRO, Linux
Documentation/networking/napi.rst): a stream of many small frames is carried more than twice as fast, and a single one
later by the wake-up of that thread. The device must have been opened with IFF_NAPI.
"""

import contextlib
import ctypes
import fcntl
import os
import threading
from collections.abc import Iterator

# linux/if_tun.h
_TUNGETDEVNETNS = 0x54E3
# Numbers that are the same on every machine (asm-generic/unistd.h); linux/mount.h
_FSOPEN, _FSCONFIG, _FSMOUNT = 430, 431, 432
_FSOPEN_CLOEXEC = 1
_FSCONFIG_CMD_CREATE = 6
_FSMOUNT_CLOEXEC = 1
_CLONE_NEWNET = 0x40000000


def open_thread_switch(device: int, name: str) -> int | None:
    """Opens what takes "1" and "0" for the open TAP or TUN device `device` called `name`.

    Returns a descriptor for the caller to close; None where the kernel or the privileges of the caller offer none.
    """
    found: list[int] = []

    def look() -> None:
        with contextlib.suppress(OSError):
            found.append(_open_inside(device, name))

    # A thread of its own may move to the device's namespace; what it opens is good everywhere.
    visitor = threading.Thread(target=look)
    visitor.start()
    visitor.join()
    return found[0] if found else None


def _open_inside(device: int, name: str) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    with _closing(fcntl.ioctl(device, _TUNGETDEVNETNS)) as namespace:
        if not os.path.samestat(os.fstat(namespace), os.stat("/proc/thread-self/ns/net")):
            _checked(libc.setns(namespace, _CLONE_NEWNET))
    # /sys shows the namespace of whoever mounted it; this instance, seen by nobody else, shows the device's.
    with _closing(_checked(libc.syscall(ctypes.c_long(_FSOPEN), b"sysfs", _FSOPEN_CLOEXEC))) as context:
        _checked(libc.syscall(ctypes.c_long(_FSCONFIG), context, _FSCONFIG_CMD_CREATE, None, None, 0))
        mounted = _checked(libc.syscall(ctypes.c_long(_FSMOUNT), context, _FSMOUNT_CLOEXEC, 0))
    with _closing(mounted):
        return os.open(f"class/net/{name}/threaded", os.O_WRONLY | os.O_CLOEXEC, dir_fd=mounted)


@contextlib.contextmanager
def _closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
