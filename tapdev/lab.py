"""A lab: a network namespace with a TAP or TUN device whose far end is a descriptor in this process."""

import ipaddress
import itertools
import subprocess
from types import TracebackType
from typing import Any, Self

from tapdev import link
from tapdev.claim import Claim, claim_and_make
from tapdev.link import Address, Interface
from tapdev.netns import Namespace
from tapdev.queue import queue_length
from tapdev.spawn import Command
from tapdev.stale import clean
from tapdev.tap import Kind, Tap


class Lab:
    """Namespace, device and addresses in one context manager; real clients inside reach who serves the descriptor.

    Arguments: `kernel_address`, the kernel's end with prefix length, and `stack_address`, ours, a host of the same
    network; by default 10.77.N.1/24 and 10.77.N.2 with the first N free on this machine. `mtu` in bytes of IP packet.
    `kind` "tap" or "tun". `vnet=False` leaves out the virtio-net header and all offloads. `txqueuelen` in packets, None
    for QUEUE_LENGTH (tapdev.queue) where there are superframes, else for the kernel's own. `rootless` True puts the lab
    into a user namespace, False into /run/netns, None as privileges allow. `device` is the device node (by default
    WSPSTACK_TUN_DEVICE or /dev/net/tun).

    While open: `tap`, `kernel_address`, `stack_address`, `prefix` (its length in bits), `mtu`, `namespace` (name),
    `inside` (the Namespace), `rootless`, `enter_hint`, and `run` and `popen` for commands inside.
    Raises ValueError for wrong arguments, TapUnavailable, NamespaceUnavailable and LinkError (all LabUnavailable).
    """

    tap: Tap
    inside: Namespace
    kernel_address: Address
    stack_address: Address
    prefix: int

    def __init__(
        self,
        kernel_address: str | Interface | None = None,
        stack_address: str | Address | None = None,
        *,
        mtu: int = 1500,
        kind: Kind = "tap",
        vnet: bool = True,
        txqueuelen: int | None = None,
        rootless: bool | None = None,
        device: str | None = None,
    ) -> None:
        self.mtu = mtu
        self._kind: Kind = kind
        self._vnet = vnet
        self._txqueuelen = txqueuelen
        self._rootless = rootless
        self._device = device
        self._claim: Claim | None = None
        if stack_address is not None and kernel_address is None:
            raise ValueError(f"stack address {stack_address} without a kernel address: give both")
        self._addresses = _pair(kernel_address, stack_address) if kernel_address is not None else None

    def open(self) -> Self:
        """Clean what dead labs left, then make namespace, device and addresses. Errors as for the class."""
        if self._claim is not None:
            raise RuntimeError(f"lab {self.namespace!r} is open already: make another Lab for a second one")
        clean()
        self._claim, self.inside = claim_and_make(lambda claim: Namespace.create(claim.name, rootless=self._rootless))
        try:
            interface, stack = self._addresses or _pair(f"{self._claim.network[1]}/24", None)
            self.kernel_address, self.stack_address = interface.ip, stack
            self.prefix = interface.network.prefixlen
            self.tap = self.inside.open_tap(f"{self._kind}0", kind=self._kind, vnet=self._vnet, device=self._device)
            with self.inside.routes() as route:
                link.set_up(route, "lo")
                link.set_mtu(route, self.tap.name, self.mtu)
                if (packets := queue_length(self.tap.superframes, self._txqueuelen)) is not None:
                    link.set_queue_length(route, self.tap.name, packets)
                link.add_address(route, self.tap.name, interface)
                link.set_up(route, self.tap.name)
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """End the commands still running inside and remove device and namespace; a second call does nothing."""
        claim, self._claim = self._claim, None
        if claim is None:
            return
        if hasattr(self, "tap"):
            self.tap.close()
        self.inside.close()
        claim.close()

    @property
    def namespace(self) -> str:
        """The name of the namespace; in /run/netns unless the lab is rootless."""
        return self.inside.name

    @property
    def rootless(self) -> bool:
        """Whether the lab stands in a user namespace."""
        return self.inside.rootless

    @property
    def enter_hint(self) -> str:
        """What a person types before a command to run it inside."""
        return self.inside.enter_hint

    def run(self, argv: Command, **options: Any) -> "subprocess.CompletedProcess[Any]":
        """Run a command inside to its end, as subprocess.run."""
        return self.inside.run(argv, **options)

    def popen(self, argv: Command, **options: Any) -> "subprocess.Popen[Any]":
        """Start a command inside, as subprocess.Popen; `close` ends it if it still runs."""
        return self.inside.popen(argv, **options)

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _pair(kernel: str | Interface, stack: str | Address | None) -> tuple[Interface, Address]:
    interface = ipaddress.ip_interface(kernel)
    network = interface.network
    if stack is None:
        for number in itertools.islice(network.hosts(), 2):
            if number != interface.ip:
                return interface, ipaddress.ip_address(str(number))
        raise ValueError(f"network {network} has no second address: give a shorter prefix")
    address = ipaddress.ip_address(stack)
    if address.version != interface.version or address not in network:
        raise ValueError(f"stack address {address} is not in the kernel's network {network}")
    if address == interface.ip:
        raise ValueError(f"stack address {address} is the kernel's own: give another one of {network}")
    return interface, address
