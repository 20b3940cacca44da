"""Opens TAP and TUN devices (Linux Documentation/networking/tuntap.rst) and asks for virtio-net offloads.

The only step that depends on the network namespace of the caller is opening the device node: the descriptor belongs to
the namespace in which it was opened, whoever configures it afterwards. `Tap.from_descriptor` takes such a descriptor.
"""

import contextlib
import enum
import errno
import fcntl
import os
import socket
import struct
from types import TracebackType
from typing import Literal, Self

from tapdev.errors import TapUnavailable
from tapdev.queue import lengthen_queue
from tapdev.receiving import open_thread_switch

Kind = Literal["tap", "tun"]

DEVICE_VARIABLE = "WSPSTACK_TUN_DEVICE"
DEFAULT_DEVICE = "/dev/net/tun"
VNET_HEADER_LENGTH = 10  # struct virtio_net_hdr without the field num_buffers

# linux/if_tun.h
_IFF_TUN = 0x0001
_IFF_TAP = 0x0002
_IFF_NAPI = 0x0010
_IFF_NO_PI = 0x1000
_IFF_PERSIST = 0x0800
_IFF_VNET_HDR = 0x4000
_IFF_TUN_EXCL = 0x8000
_TUNSETIFF = 0x400454CA
_TUNGETFEATURES = 0x800454CF
_TUNSETOFFLOAD = 0x400454D0
_TUNGETIFF = 0x800454D2
_TUNSETVNETHDRSZ = 0x400454D8

_IFREQ = struct.Struct("16sH22x")
_INT = struct.Struct("i")
_NAME_LENGTH = 15
_OPTIONS = "--device /dev/net/tun --cap-add NET_ADMIN"


class Offload(enum.IntFlag):
    """What the kernel may leave undone in the frames it hands over (TUN_F_* of linux/if_tun.h)."""

    NONE = 0
    CSUM = 0x01
    TSO4 = 0x02
    TSO6 = 0x04
    TSO_ECN = 0x08
    ALL = 0x0F


# TSO needs CSUM, and TSO_ECN needs TSO: each attempt is a set the kernel could grant.
_OFFLOAD_ATTEMPTS = (
    Offload.CSUM | Offload.TSO4 | Offload.TSO6 | Offload.TSO_ECN,
    Offload.CSUM | Offload.TSO4 | Offload.TSO6,
    Offload.CSUM | Offload.TSO4,
    Offload.CSUM,
)


def device_path(device: str | None = None) -> str:
    """Return the device node to open: `device`, or environment variable WSPSTACK_TUN_DEVICE, or /dev/net/tun."""
    return device or os.environ.get(DEVICE_VARIABLE) or DEFAULT_DEVICE


def device_unavailable(path: str, code: int) -> TapUnavailable:
    """Return the error that says why opening device node `path` failed with errno `code`, and what to do."""
    if code in (errno.ENOENT, errno.ENOTDIR):
        advice = f"is missing: as root run 'modprobe tun', or start the container with {_OPTIONS}"
    elif code in (errno.ENODEV, errno.ENXIO):
        advice = "has no driver behind it: as root run 'modprobe tun'"
    elif code in (errno.EACCES, errno.EPERM):
        user = os.geteuid()
        remedy = f"run as root, or as root run 'chmod 0666 {path}'" if user else f"start the container with {_OPTIONS}"
        advice = f"is forbidden to user {user}: {remedy}"
    else:
        advice = f"cannot be opened: {os.strerror(code)}"
    return TapUnavailable(f"{path} {advice}")


class Tap:
    """An open TAP or TUN device. The device goes away when it is closed, unless it was made persistent before.

    Attributes: `name` of the interface; `kind`, "tap" (Ethernet frames) or "tun" (IP packets); `vnet_header`, whether
    each read and write starts with a virtio-net header of 10 bytes in host order; `offloads`, what the kernel granted;
    `thread_switch`, what lets a thread of the kernel take what is written (tapdev.receiving), None where nothing does.
    """

    def __init__(
        self, descriptor: int, name: str, kind: Kind, vnet_header: bool, offloads: Offload, napi: bool
    ) -> None:
        self.name = name
        self.kind: Kind = kind
        self.vnet_header = vnet_header
        self.offloads = offloads
        self._descriptor = descriptor
        self.thread_switch = open_thread_switch(descriptor, name) if napi else None

    @classmethod
    def open(
        cls,
        name: str = "",
        *,
        kind: Kind = "tap",
        vnet: bool = True,
        wanted: Offload = Offload.ALL,
        existing: bool | None = None,
        device: str | None = None,
    ) -> Self:
        """Open a device in the network namespace of the calling thread.

        `name` is the interface, empty for a name chosen by the kernel; `vnet=False` opens it without virtio-net header
        and offloads; `wanted` are the offloads to ask for. `existing=True` wants a device that is there already (a
        persistent one), `existing=False` refuses one, None takes either. One that is there keeps the length of its
        queue (tapdev.queue). `device` is the device node (see `device_path`).
        Raises TapUnavailable.
        """
        if existing:
            try:
                socket.if_nametoindex(name)
            except OSError:
                raise TapUnavailable(
                    f"there is no device {name!r}: make it with 'ip tuntap add dev {name} mode {kind}'"
                ) from None
        path = device_path(device)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise device_unavailable(path, error.errno or 0) from None
        return cls.from_descriptor(descriptor, name, kind=kind, vnet=vnet, wanted=wanted, existing=existing, path=path)

    @classmethod
    def from_descriptor(
        cls,
        descriptor: int,
        name: str = "",
        *,
        kind: Kind = "tap",
        vnet: bool = True,
        wanted: Offload = Offload.ALL,
        existing: bool | None = None,
        path: str = DEFAULT_DEVICE,
    ) -> Self:
        """Make a device of `descriptor`, an open device node, and own it; it is closed if this fails.

        Arguments and errors as for `open`; `path` is the node's path for messages.
        """
        try:
            os.set_blocking(descriptor, False)
            return cls(descriptor, *_attach(descriptor, name, kind, vnet, wanted, existing, path))
        except BaseException:
            os.close(descriptor)
            raise

    def fileno(self) -> int:
        """Return the non-blocking descriptor. Raises ValueError after `close`."""
        if self._descriptor < 0:
            raise ValueError(f"device {self.name!r} is closed")
        return self._descriptor

    @property
    def superframes(self) -> bool:
        """Whether the kernel hands over frames of many segments."""
        return bool(self.offloads & Offload.TSO4)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._descriptor < 0

    def close(self) -> None:
        """Close the descriptor; a second call does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        switch, self.thread_switch = self.thread_switch, None
        if switch is not None:
            os.close(switch)
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"descriptor {self._descriptor}"
        return f"<Tap {self.name} ({self.kind}, vnet_header={self.vnet_header}, {self.offloads!r}, {state})>"


def _attach(
    descriptor: int, name: str, kind: Kind, vnet: bool, wanted: Offload, existing: bool | None, path: str
) -> tuple[str, Kind, bool, Offload, bool]:
    if kind not in ("tap", "tun"):
        raise ValueError(f"device kind {kind!r} is neither 'tap' nor 'tun'")
    encoded = name.encode()
    if len(encoded) > _NAME_LENGTH or "/" in name or any(character.isspace() for character in name):
        raise TapUnavailable(f"device name {name!r} is not valid: give at most {_NAME_LENGTH} bytes, no '/', no space")
    flags = (_IFF_TAP if kind == "tap" else _IFF_TUN) | _IFF_NO_PI
    try:
        features = _ioctl_int(descriptor, _TUNGETFEATURES)
        vnet = vnet and bool(features & _IFF_VNET_HDR)
        # Superframes need no thread that joins segments.
        napi = not vnet and bool(features & _IFF_NAPI)
        flags |= (_IFF_VNET_HDR if vnet else 0) | (_IFF_NAPI if napi else 0)
        request = flags | (_IFF_TUN_EXCL if existing is False else 0)
        answer = fcntl.ioctl(descriptor, _TUNSETIFF, _IFREQ.pack(encoded, request))
    except OSError as error:
        raise _attach_failure(error.errno or 0, name, kind, path) from None
    name = _IFREQ.unpack(answer)[0].rstrip(b"\0").decode()
    if vnet:
        fcntl.ioctl(descriptor, _TUNSETVNETHDRSZ, _INT.pack(VNET_HEADER_LENGTH))
    offloads = _ask_for_offloads(descriptor, vnet, wanted)
    if offloads & Offload.TSO4 and not _is_persistent(descriptor):
        lengthen_queue(descriptor, name)
    return name, kind, vnet, offloads, napi


def _is_persistent(descriptor: int) -> bool:
    # Somebody has made it and will keep it; one that goes away with its descriptor is ours to set up.
    flags: int = _IFREQ.unpack(fcntl.ioctl(descriptor, _TUNGETIFF, bytes(_IFREQ.size)))[1]
    return bool(flags & _IFF_PERSIST)


def _ask_for_offloads(descriptor: int, vnet: bool, wanted: Offload) -> Offload:
    if vnet:
        for attempt in dict.fromkeys(each & wanted for each in _OFFLOAD_ATTEMPTS):
            with contextlib.suppress(OSError):
                fcntl.ioctl(descriptor, _TUNSETOFFLOAD, int(attempt))
                return attempt
    # A persistent device keeps what an earlier opener asked for; without a header it could not be expressed.
    with contextlib.suppress(OSError):
        fcntl.ioctl(descriptor, _TUNSETOFFLOAD, 0)
    return Offload.NONE


def _ioctl_int(descriptor: int, request: int) -> int:
    value: int = _INT.unpack(fcntl.ioctl(descriptor, request, _INT.pack(0)))[0]
    return value


def _attach_failure(code: int, name: str, kind: Kind, path: str) -> TapUnavailable:
    if code == errno.EBUSY:
        return TapUnavailable(f"device name {name!r} is taken: choose another, or end the program that holds it")
    if code == errno.EPERM:
        user = os.geteuid()
        owned = f"run as root, or have root run 'ip tuntap add dev {name or 'NAME'} mode {kind} user {user}'"
        remedy = owned if user else f"start the container with {_OPTIONS}"
        return TapUnavailable(f"making {kind} device {name!r} is forbidden to user {user} here: {remedy}")
    if code == errno.EINVAL:
        return TapUnavailable(
            f"device {name!r} cannot be opened as {kind}: the name belongs to another kind of device; choose another"
        )
    if code in (errno.ENOTTY, errno.EBADFD):
        return TapUnavailable(f"{path} is not the TUN/TAP device: check {DEVICE_VARIABLE} (default {DEFAULT_DEVICE})")
    return TapUnavailable(f"{kind} device {name!r} cannot be made through {path}: {os.strerror(code)}")
