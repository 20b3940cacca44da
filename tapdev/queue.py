"""How many frames a device may hold for us.

A sender on this machine has a few megabytes under way (tcp_wmem). The kernel's queue of 1,000 frames is full of those
of twenty streams, or of five that write little at a time, and what comes then is lost.
"""

import fcntl
import socket
import struct

from tapdev.visiting import visit

QUEUE_LENGTH = 4096  # frames, of 65 KB at most
_SIOCSIFTXQLEN = 0x8943  # linux/sockios.h
_IFREQ = struct.Struct("16si20x")


def queue_length(superframes: bool, asked: int | None) -> int | None:
    """Returns what to set: the frames asked for, else QUEUE_LENGTH for superframes, else None, the kernel's own.

    For labs, which may set it even where the one who opened the device may not (rootless).
    """
    return QUEUE_LENGTH if asked is None and superframes else asked


def lengthen_queue(device: int, name: str) -> None:
    """Gives the open device `device` called `name` room for QUEUE_LENGTH frames, where the caller is allowed to."""

    def set_length() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as anything:
            fcntl.ioctl(anything, _SIOCSIFTXQLEN, _IFREQ.pack(name.encode(), QUEUE_LENGTH))

    visit(device, set_length)
