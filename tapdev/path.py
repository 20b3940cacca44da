"""Two namespaces, each with a TAP device whose far end is a descriptor here: the ends of a path a program makes."""

import contextlib
from ipaddress import IPv4Address, IPv4Interface
from types import TracebackType
from typing import Self

from tapdev import link
from tapdev.claim import claim_and_make
from tapdev.netns import Namespace
from tapdev.queue import queue_length
from tapdev.stale import clean
from tapdev.tap import Kind, Offload, Tap


class PathLab:
    """A left and a right namespace that reach each other as soon as somebody takes frames from `tap` to `tap`.

    Arguments: `mtu` in bytes of IP packet; `wanted`, the offloads to ask for; `kind`, `vnet`, `txqueuelen`, `rootless`
    and `device` as for Lab. While open: `left` and `right` (each a Namespace with `run` and `popen`), `left_tap` and
    `right_tap`, `left_address`, `right_address`, `prefix` (in bits), `rootless`.
    Raises TapUnavailable, NamespaceUnavailable and LinkError (all LabUnavailable).
    """

    left: Namespace
    right: Namespace
    left_tap: Tap
    right_tap: Tap
    left_address: IPv4Address
    right_address: IPv4Address
    prefix = 24

    def __init__(
        self,
        *,
        mtu: int = 1500,
        kind: Kind = "tap",
        vnet: bool = True,
        wanted: Offload = Offload.ALL,
        txqueuelen: int | None = None,
        rootless: bool | None = None,
        device: str | None = None,
    ) -> None:
        self.mtu = mtu
        self._kind: Kind = kind
        self._vnet = vnet
        self._wanted = wanted
        self._txqueuelen = txqueuelen
        self._rootless = rootless
        self._device = device
        self._open = contextlib.ExitStack()

    def open(self) -> Self:
        """Clean what dead labs left, then make both namespaces and their devices. Errors as for the class."""
        clean()
        with contextlib.ExitStack() as undo:
            claim, (self.left, self.right) = claim_and_make(
                lambda claim: Namespace.create_two(f"{claim.name}-left", f"{claim.name}-right", rootless=self._rootless)
            )
            undo.callback(claim.close)
            undo.enter_context(self.left)
            undo.enter_context(self.right)
            self.left_address, self.right_address = claim.network[1], claim.network[2]
            self.left_tap = undo.enter_context(self._attach(self.left, self.left_address))
            self.right_tap = undo.enter_context(self._attach(self.right, self.right_address))
            self._open = undo.pop_all()
        return self

    def _attach(self, namespace: Namespace, address: IPv4Address) -> Tap:
        tap = namespace.open_tap(
            f"{self._kind}0", kind=self._kind, vnet=self._vnet, wanted=self._wanted, device=self._device
        )
        try:
            with namespace.routes() as route:
                link.set_up(route, "lo")
                link.set_mtu(route, tap.name, self.mtu)
                if (packets := queue_length(tap.superframes, self._txqueuelen)) is not None:
                    link.set_queue_length(route, tap.name, packets)
                link.add_address(route, tap.name, IPv4Interface(f"{address}/{self.prefix}"))
                link.set_up(route, tap.name)
        except BaseException:
            tap.close()
            raise
        return tap

    @property
    def rootless(self) -> bool:
        """Whether the lab stands in a user namespace."""
        return self.left.rootless

    def close(self) -> None:
        """End the commands still running inside and remove devices and namespaces; a second call does nothing."""
        self._open.close()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
