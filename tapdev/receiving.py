"""The switch of a device between the two ways in which the kernel takes what is written to it.

Without the thread the call that writes a frame carries it through the kernel to its receiver. With it a thread of the
kernel does, on another processor, and joins the segments of one stream on their way (threaded NAPI and GRO, Linux
Documentation/networking/napi.rst): a stream of many small frames is carried more than twice as fast, and a single one
later by the wake-up of that thread. The device must have been opened with IFF_NAPI.
"""

import ctypes
import os

from tapdev.visiting import checked, closing, visit

# Numbers that are the same on every machine (asm-generic/unistd.h); linux/mount.h
_FSOPEN, _FSCONFIG, _FSMOUNT = 430, 431, 432
_FSOPEN_CLOEXEC = 1
_FSCONFIG_CMD_CREATE = 6
_FSMOUNT_CLOEXEC = 1


def open_thread_switch(device: int, name: str) -> int | None:
    """Opens what takes "1" and "0" for the open TAP or TUN device `device` called `name`.

    Returns a descriptor for the caller to close; None where the kernel or the privileges of the caller offer none.
    """
    return visit(device, lambda: _open_inside(name))


def _open_inside(name: str) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    # /sys shows the namespace of whoever mounted it; this instance, seen by nobody else, shows the device's.
    with closing(checked(libc.syscall(ctypes.c_long(_FSOPEN), b"sysfs", _FSOPEN_CLOEXEC))) as context:
        checked(libc.syscall(ctypes.c_long(_FSCONFIG), context, _FSCONFIG_CMD_CREATE, None, None, 0))
        mounted = checked(libc.syscall(ctypes.c_long(_FSMOUNT), context, _FSMOUNT_CLOEXEC, 0))
    with closing(mounted):
        return os.open(f"class/net/{name}/threaded", os.O_WRONLY | os.O_CLOEXEC, dir_fd=mounted)
