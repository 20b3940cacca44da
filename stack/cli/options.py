"""Options that several commands share, and what they say once read."""

import functools
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from stack.cli import logs
from stack.cli.impairments import NO_FAULTS, LinkFaults, fault_options

DEFAULT_ADDRESS = ipaddress.IPv4Interface("10.77.0.2/24")

MTU_LIMIT = 65521  # of a TAP device: 65535 bytes less the Ethernet header


def host_interface(text: str) -> ipaddress.IPv4Interface:
    """Returns ADDR/PREFIX, the address of an IPv4 host with neighbours. Raises click.BadParameter."""
    address, slash, prefix = text.partition("/")
    if not slash or not prefix.isdecimal():
        raise click.BadParameter(f"{text!r}: an address with its prefix length is needed, as 10.77.0.2/24")
    try:
        interface = ipaddress.IPv4Interface(f"{address}/{prefix}")
    except ValueError as error:
        raise click.BadParameter(f"{text!r}: {error}") from error
    network = interface.network
    if network.prefixlen > 30 or interface.ip in (network.network_address, network.broadcast_address):
        raise click.BadParameter(f"{text!r}: not the address of a host with neighbours: take one inside {network}")
    if interface.is_multicast or interface.is_loopback or interface.is_unspecified or interface.is_reserved:
        raise click.BadParameter(f"{text!r}: not the address of a host on a link")
    return interface


def host_address(text: str) -> ipaddress.IPv4Address:
    """Returns an IPv4 address. Raises click.BadParameter."""
    try:
        return ipaddress.IPv4Address(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@dataclass(frozen=True)
class HostOptions:
    """Where the stack is to stand, and what is put on its link.

    tap: device in the current namespace; None: a namespace of its own. address: the stack's; None: the default of the
    place. gateway: None: the default of the place. mtu: bytes of IP packet. capture: pcapng file. offloads: whether
    superframes and partial checksums are used. busy_poll: microseconds.
    """

    tap: str | None = None
    address: ipaddress.IPv4Interface | None = None
    gateway: ipaddress.IPv4Address | None = None
    mtu: int = 1500
    offloads: bool = True
    faults: LinkFaults = NO_FAULTS
    capture: Path | None = None
    observed: bool = True
    control: Path | None = None
    busy_poll: int = 0


def _check(chosen: HostOptions) -> None:
    if chosen.tap is not None and not (0 < len(chosen.tap.encode()) <= 15 and "/" not in chosen.tap):
        raise click.BadParameter(f"{chosen.tap!r}: a device name has 1 to 15 octets and no slash", param_hint="'--tap'")
    if chosen.capture is not None and not chosen.capture.absolute().parent.is_dir():
        raise click.BadParameter(f"{chosen.capture}: there is no such folder", param_hint="'--capture'")
    if chosen.control is not None and not chosen.observed:
        raise click.UsageError("--control and --no-control exclude each other: leave one of them out")
    interface = chosen.address or DEFAULT_ADDRESS
    if chosen.gateway is not None and (chosen.address is not None or chosen.tap is not None):
        if chosen.gateway not in interface.network or chosen.gateway == interface.ip:
            raise click.BadParameter(
                f"{chosen.gateway} is no neighbour of {interface}: take another address of {interface.network}",
                param_hint="'--gateway'",
            )


_HOST_OPTIONS: list[Callable[[Any], Any]] = [
    click.option("--tap", metavar="NAME", help="Work in the current namespace on this TAP device (made if missing)."),
    click.option(
        "--address",
        type=host_interface,
        metavar="ADDR/PREFIX",
        help="The stack's address; 10.77.0.2/24, or another where that is taken.",
    ),
    click.option("--gateway", type=host_address, metavar="ADDR", help="Next hop of the stack's default route."),
    click.option("--mtu", type=click.IntRange(576, MTU_LIMIT), default=1500, show_default=True, help="Bytes a packet."),
    click.option(
        "--offloads/--no-offloads", default=True, help="Superframes and partial checksums on the device (default: on)."
    ),
    click.option(
        "--busy-poll",
        type=click.IntRange(0, 1_000_000),
        default=0,
        metavar="US",
        help="Look for frames so many microseconds before sleeping: quick answers for a processor (default: 0).",
    ),
    click.option(
        "--capture",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Write the stack's frames to a pcapng file (tshark, Wireshark).",
    ),
    click.option(
        "--control",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="PATH",
        help="The socket on which `wspstack ss` and `stat` ask (default: one of its own where they look).",
    ),
    click.option("--no-control", "unobserved", is_flag=True, help="No such socket."),
    click.option(
        "--log",
        "levels",
        type=logs.chosen_levels,
        metavar="SUBSYSTEM=LEVEL",
        help="Messages of a subsystem to stderr, as wsp=debug.",
    ),
]


def host_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the shared options to a command, which receives them as one HostOptions named `host`."""

    @functools.wraps(command)
    def gather(
        *,
        tap: str | None,
        address: ipaddress.IPv4Interface | None,
        gateway: ipaddress.IPv4Address | None,
        mtu: int,
        offloads: bool,
        busy_poll: int,
        capture: Path | None,
        control: Path | None,
        unobserved: bool,
        faults: LinkFaults,
        levels: dict[str, int] | None,
        **rest: Any,
    ) -> Any:
        host = HostOptions(tap, address, gateway, mtu, offloads, faults, capture, not unobserved, control, busy_poll)
        _check(host)
        logs.configure(levels)
        return command(host=host, **rest)

    decorated = fault_options(gather)
    for option in reversed(_HOST_OPTIONS):
        decorated = option(decorated)
    return decorated
