"""Gives each live lab of the machine a number N of its own: namespace `wspstack-N`, network 10.77.N.0/24.

The claim is an abstract Unix socket, which the kernel hands to one process at a time and takes back when that process
ends; it works between users, needs no file and cannot go stale.
"""

import errno
import socket
from collections.abc import Callable
from ipaddress import IPv4Network
from typing import TypeVar

from pyroute2 import IPRoute

from tapdev import link
from tapdev.errors import NamespaceUnavailable

NAME_PREFIX = "wspstack-"
_NUMBERS = range(256)

Made = TypeVar("Made")


class Claim:
    """The number of a lab, taken from all others until `close`. Raises BlockingIOError if somebody has it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._socket.bind(f"\0{self.name}")
        except OSError as error:
            self._socket.close()
            if error.errno == errno.EADDRINUSE:
                raise BlockingIOError(f"lab number {number} is taken") from None
            raise

    @property
    def name(self) -> str:
        """The namespace name that goes with the number."""
        return f"{NAME_PREFIX}{self.number}"

    @property
    def network(self) -> IPv4Network:
        """The network that goes with the number."""
        return IPv4Network(f"10.77.{self.number}.0/24")

    def close(self) -> None:
        """Give the number back."""
        self._socket.close()


def claim_and_make(make: Callable[[Claim], Made]) -> tuple[Claim, Made]:
    """Claim the first free number whose network the machine does not use, and return it with what `make` makes of it.

    `make` raises FileExistsError when the name is taken after all; then the next number is tried.
    Raises NamespaceUnavailable when no number is left, and what `make` raises.
    """
    with IPRoute() as route:
        used = link.networks_in_use(route)
    for number in _NUMBERS:
        try:
            claim = Claim(number)
        except BlockingIOError:
            continue
        try:
            if not any(network.version == 4 and network.overlaps(claim.network) for network in used):
                return claim, make(claim)
        except FileExistsError:
            pass
        except BaseException:
            claim.close()
            raise
        claim.close()
    raise NamespaceUnavailable(
        f"all names {NAME_PREFIX}0 to {NAME_PREFIX}{_NUMBERS[-1]} or their networks 10.77.N.0/24 are taken:"
        " end a running lab or remove what is no longer needed ('ip netns list')"
    )
