"""Programs that carry a namespace's connections to sockets of the host, as containers without root use them.

Each stands between the client's namespace, where it makes a TAP device, and a namespace that plays the host, where the
kernel's server listens; what is told of its processor time and memory is the proxy's own.
"""

import contextlib
import shutil
import time
from collections.abc import Iterator
from ipaddress import IPv4Interface

from scripts.benchmark.ends import PATIENCE, End, EndFailed, LeftOut, Site, running, wait_for_line
from tapdev import Namespace, clean, link
from tapdev.claim import claim_and_make
from tapdev.netns import NAMES

MTU = 65520  # bytes; the default of both, or what they advise
SLIRP_HOST = "10.0.2.2"  # where slirp4netns shows the host


@contextlib.contextmanager
def behind(name: str, site: Site, program: str, package: str) -> Iterator[tuple[Namespace, Namespace, End]]:
    """Gives the client's and the host's namespace, the kernel's server in the latter, and an End."""
    if shutil.which(program) is None:
        raise LeftOut(f"{program} is not installed (package {package})")
    clean()
    claim, (client, host) = claim_and_make(
        lambda claim: Namespace.create_two(f"{claim.name}-client", f"{claim.name}-server")
    )
    with contextlib.closing(claim), client, host:
        for namespace in (client, host):
            with namespace.routes() as route:
                link.set_up(route, "lo")
        with running(host, [str(site.programs.server), "--congestion", site.congestion]) as server:
            wait_for_line(server, "ready")
            end = End(name, client, str(claim.network[1]), [server])
            with host.routes() as route:
                # What an ordinary host has and pasta shows on the other side: an interface with a default route.
                link.add_veth(route, "uplink", "downlink", host.fileno())
                link.add_address(route, "uplink", IPv4Interface(f"{claim.network[2]}/{claim.network.prefixlen}"))
                link.set_up(route, "uplink")
                link.set_up(route, "downlink")
                link.add_route(route, None, gateway=claim.network[1])
            yield client, host, end


def wait_for_device(end: End) -> None:
    """Waits until the client has a device that is configured. Raises EndFailed."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        end.check()
        with end.client.routes() as route:
            if any(network.prefixlen < 32 and not network.is_loopback for network in link.networks_in_use(route)):
                return
        time.sleep(0.02)
    raise EndFailed(f"{end.name} made no device in {PATIENCE:g} seconds")


@contextlib.contextmanager
def proxied(end: End, host: Namespace, command: list[str]) -> Iterator[End]:
    """Starts a proxy and gives the End with it. Raises EndFailed."""
    with running(host, command) as proxy:
        end.processes.insert(0, proxy)
        wait_for_device(end)
        yield end


@contextlib.contextmanager
def slirp4netns(name: str, site: Site) -> Iterator[End]:
    """The program slirp4netns, which shows the host's loopback at an address of its own."""
    with behind(name, site, "slirp4netns", "slirp4netns") as (client, host, end):
        command = ["slirp4netns", "--configure", f"--mtu={MTU}", str(client.pid), "tap0"]
        end.address = SLIRP_HOST
        with proxied(end, host, command):
            yield end


@contextlib.contextmanager
def pasta(name: str, site: Site) -> Iterator[End]:
    """The program pasta of passt, which shows the host's loopback at the address of its gateway."""
    with behind(name, site, "pasta", "passt") as (client, host, end):
        place = f"/proc/{client.pid}/ns/net" if client.rootless else str(NAMES / client.name)
        command = ["pasta", "--foreground", "--quiet", "--config-net", "--ipv4-only", "--ns-ifname", "tap0"]
        command += ["--mtu", str(MTU), "--runas", "0", "--netns-only", "--netns", place]
        for protocols in ("--tcp-ports", "--udp-ports", "--tcp-ns", "--udp-ns"):
            command += [protocols, "none"]
        with proxied(end, host, command):
            yield end
