"""Two namespaces joined by a veth pair: kernel talks to kernel, the reference a benchmark compares with."""

import contextlib
from ipaddress import IPv4Address, IPv4Interface
from types import TracebackType
from typing import Self

from tapdev import link
from tapdev.claim import claim_and_make
from tapdev.netns import Namespace
from tapdev.stale import clean


class VethLab:
    """A client and a server namespace with a veth pair between them, in one context manager.

    Arguments: `mtu` in bytes of IP packet; `txqueuelen` in packets, None for the kernel's own; `rootless` as for Lab.
    While open: `client` and `server` (each a Namespace with `run` and `popen`), `client_address`, `server_address`,
    `prefix` (in bits), `rootless`. Raises NamespaceUnavailable and LinkError (both LabUnavailable).
    """

    client: Namespace
    server: Namespace
    client_address: IPv4Address
    server_address: IPv4Address
    prefix = 24
    client_interface = "veth0"
    server_interface = "veth1"

    def __init__(self, *, mtu: int = 1500, txqueuelen: int | None = None, rootless: bool | None = None) -> None:
        self.mtu = mtu
        self._txqueuelen = txqueuelen
        self._rootless = rootless
        self._open = contextlib.ExitStack()

    def open(self) -> Self:
        """Clean what dead labs left, then make both namespaces and what joins them. Errors as for the class."""
        clean()
        with contextlib.ExitStack() as stack:
            claim, (self.client, self.server) = claim_and_make(
                lambda claim: Namespace.create_two(
                    f"{claim.name}-client", f"{claim.name}-server", rootless=self._rootless
                )
            )
            stack.callback(claim.close)
            stack.enter_context(self.client)
            stack.enter_context(self.server)
            self.client_address, self.server_address = claim.network[1], claim.network[2]
            with self.client.routes() as near, self.server.routes() as far:
                link.add_veth(near, self.client_interface, self.server_interface, self.server.fileno())
                for route, name, address in (
                    (near, self.client_interface, self.client_address),
                    (far, self.server_interface, self.server_address),
                ):
                    link.set_up(route, "lo")
                    link.set_mtu(route, name, self.mtu)
                    if self._txqueuelen is not None:
                        link.set_queue_length(route, name, self._txqueuelen)
                    link.add_address(route, name, IPv4Interface(f"{address}/{self.prefix}"))
                    link.set_up(route, name)
            self._open = stack.pop_all()
        return self

    @property
    def rootless(self) -> bool:
        """Whether the lab stands in a user namespace."""
        return self.client.rootless

    def close(self) -> None:
        """End the commands still running inside and remove both namespaces; a second call does nothing."""
        self._open.close()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
