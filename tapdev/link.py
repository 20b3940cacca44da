"""Interfaces, addresses and routes on the kernel's side, through pyroute2.

Every function takes an IPRoute, which decides the network namespace: `Namespace.routes()` inside one, `IPRoute()` in
the caller's. All raise LinkError, a line that says what the kernel refused, with the values.
"""

import contextlib
import os
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network, ip_network

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from tapdev.errors import LinkError

Address = IPv4Address | IPv6Address
Interface = IPv4Interface | IPv6Interface
Network = IPv4Network | IPv6Network

_FAMILY = {4: 2, 6: 10}  # AF_INET, AF_INET6
_MAIN_TABLE = 254
_NUD_PERMANENT = 0x80  # linux/neighbour.h


@contextlib.contextmanager
def _refusals_of(action: str) -> Iterator[None]:
    try:
        yield
    except NetlinkError as error:
        raise LinkError(f"{action} failed: {os.strerror(error.code)}") from None


def index_of(route: IPRoute, name: str) -> int:
    """Return the index of interface `name`."""
    found = list(route.link_lookup(ifname=name))
    if not found:
        raise LinkError(f"there is no interface {name!r}")
    return int(found[0])


def set_up(route: IPRoute, name: str) -> None:
    """Bring interface `name` up."""
    with _refusals_of(f"bringing {name!r} up"):
        route.link("set", index=index_of(route, name), state="up")


def set_down(route: IPRoute, name: str) -> None:
    """Bring interface `name` down."""
    with _refusals_of(f"bringing {name!r} down"):
        route.link("set", index=index_of(route, name), state="down")


def set_mtu(route: IPRoute, name: str, mtu: int) -> None:
    """Set the MTU of interface `name`, in bytes of IP packet."""
    with _refusals_of(f"setting MTU {mtu} on {name!r}"):
        route.link("set", index=index_of(route, name), mtu=mtu)


def set_queue_length(route: IPRoute, name: str, packets: int) -> None:
    """Set how many packets the kernel queues towards interface `name` (txqueuelen)."""
    with _refusals_of(f"setting txqueuelen {packets} on {name!r}"):
        route.link("set", index=index_of(route, name), txqlen=packets)


def set_alias(route: IPRoute, name: str, alias: str) -> None:
    """Give interface `name` a free text, seen in `ip link`."""
    with _refusals_of(f"setting alias {alias!r} on {name!r}"):
        route.link("set", index=index_of(route, name), ifalias=alias)


def alias_of(route: IPRoute, name: str) -> str:
    """Return the free text of interface `name`, empty if it has none."""
    with _refusals_of(f"reading interface {name!r}"):
        for message in route.get_links(index_of(route, name)):
            return message.get("ifalias") or ""
    return ""


def mtu_of(route: IPRoute, name: str) -> int:
    """Return the MTU of interface `name`, in bytes."""
    with _refusals_of(f"reading interface {name!r}"):
        for message in route.get_links(index_of(route, name)):
            return int(message.get("mtu"))
    raise LinkError(f"there is no interface {name!r}")


def mac_of(route: IPRoute, name: str) -> str:
    """Return the Ethernet address of interface `name`, in hexadecimal with colons."""
    with _refusals_of(f"reading interface {name!r}"):
        for message in route.get_links(index_of(route, name)):
            return str(message.get("address"))
    raise LinkError(f"there is no interface {name!r}")


def add_neighbor(route: IPRoute, name: str, address: Address, mac: str) -> None:
    """Say for good which Ethernet address a neighbour at interface `name` has."""
    with _refusals_of(f"adding neighbour {address} to {name!r}"):
        route.neigh("replace", ifindex=index_of(route, name), dst=str(address), lladdr=mac, state=_NUD_PERMANENT)


def add_address(route: IPRoute, name: str, address: Interface) -> None:
    """Give interface `name` an address with its prefix length."""
    with _refusals_of(f"adding address {address} to {name!r}"):
        route.addr(
            "add",
            index=index_of(route, name),
            family=_FAMILY[address.version],
            address=str(address.ip),
            prefixlen=address.network.prefixlen,
        )


def add_route(
    route: IPRoute, destination: Network | None, *, gateway: Address | None = None, name: str | None = None
) -> None:
    """Add a route to `destination` (None: the default route) through a gateway, an interface, or both."""
    via = f" via {gateway}" if gateway is not None else ""
    action = f"adding a route to {destination or 'default'}{via}"
    where: dict[str, object] = {"dst": str(destination) if destination is not None else "default"}
    version = destination.version if destination is not None else gateway.version if gateway is not None else 4
    where["family"] = _FAMILY[version]
    if gateway is not None:
        where["gateway"] = str(gateway)
    if name is not None:
        where["oif"] = index_of(route, name)
    with _refusals_of(action):
        route.route("add", **where)


def add_veth(route: IPRoute, name: str, peer: str, namespace: int) -> None:
    """Make a pair of joined interfaces: `name` here, `peer` in the namespace behind descriptor `namespace`."""
    with _refusals_of(f"making veth pair {name!r} and {peer!r}"):
        route.link("add", ifname=name, kind="veth", peer={"ifname": peer, "net_ns_fd": namespace})


def networks_in_use(route: IPRoute) -> list[Network]:
    """Return the networks that interfaces and the main routing table use, the default routes left out."""
    found: list[Network] = []
    with _refusals_of("reading addresses and routes"):
        for message in route.get_addr():
            address = message.get("local") or message.get("address")
            if address:
                found.append(ip_network(f"{address}/{message['prefixlen']}", strict=False))
        for message in route.get_routes(table=_MAIN_TABLE):
            destination = message.get("dst")
            if destination and message["dst_len"]:
                found.append(ip_network(f"{destination}/{message['dst_len']}", strict=False))
    return found
