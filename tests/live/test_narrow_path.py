"""The kernel's fragments and options, and a router of its that lets nothing large pass (TCPX-4)."""

import contextlib
import hashlib
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from stack.applications.stream import StreamSocket
from stack.assembly import Stack
from stack.config import StackConfig
from tapdev import Lab
from tests.live.host import SECONDS, LiveHost, live_host, serving

pytestmark = pytest.mark.live

PORT = 4010
FAR_NETWORK = "10.78.251"
NARROW = 1300
AMOUNT = 3_000_000

FETCH = """
import hashlib, socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=60) as connection:
    told, count = hashlib.sha256(), 0
    while octets := connection.recv(1 << 16):
        told.update(octets)
        count += len(octets)
print(count, told.hexdigest())
"""


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, timeout=SECONDS)


@contextlib.contextmanager
def routed_host(*, offloads: bool) -> Iterator[LiveHost]:
    """A host whose gateway is the kernel's end of the link."""
    with Lab(vnet=offloads) as lab:
        settings = StackConfig(
            address=str(lab.stack_address), prefix=lab.prefix, gateway=str(lab.kernel_address), offloads=offloads
        )
        with Stack(settings, tap=lab.tap) as stack:
            yield LiveHost(lab, stack)


@contextlib.contextmanager
def far_end(host: LiveHost, *, tells: bool) -> Iterator[str]:
    """A namespace behind the lab's, which routes, over a link of NARROW bytes; gives its name.

    tells: the router knows how narrow the link is; else only its far end does, which drops what is larger. Either way
    the far end announces full segments, as hosts do that know their own link alone.
    """
    near, far = host.lab.namespace, f"{host.lab.namespace}-far"
    ip("netns", "add", far)
    try:
        ip("-n", near, "link", "add", "narrow0", "type", "veth", "peer", "name", "narrow1", "netns", far)
        for name, device, address in ((near, "narrow0", "1"), (far, "narrow1", "2")):
            ip("-n", name, "address", "add", f"{FAR_NETWORK}.{address}/24", "dev", device)
        ip("-n", near, "link", "set", "narrow0", "mtu", str(NARROW if tells else 1500), "up")
        ip("-n", far, "link", "set", "narrow1", "mtu", str(1500 if tells else NARROW), "up")
        ip("-n", far, "route", "add", "default", "via", f"{FAR_NETWORK}.1", "advmss", "1460")
        assert host.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1").returncode == 0
        yield far
    finally:
        ip("netns", "delete", far)


@pytest.mark.requirement("TCPX-4")
@pytest.mark.parametrize(
    ("tells", "offloads"),
    # no black hole for superframes: a pair of veth hands over what is merged whatever its size
    [(True, True), (True, False), (False, False)],
    ids=["superframes, the router tells", "the router tells", "a black hole"],
)
def test_text_arrives_through_a_router_with_a_narrow_link(
    tells: bool, offloads: bool, programs: Callable[..., None]
) -> None:
    programs(ip="iproute2")
    octets = random.Random(6).randbytes(AMOUNT)

    def serve(connection: StreamSocket) -> None:
        connection.send(octets)
        connection.finish()

    with routed_host(offloads=offloads) as host, far_end(host, tells=tells) as far:
        with serving(host, PORT, serve):
            client = subprocess.run(
                ["ip", "netns", "exec", far, sys.executable, "-c", FETCH, host.address, str(PORT)],
                capture_output=True, text=True, timeout=SECONDS, check=True,
            )  # fmt: skip
        counters = host.stack.counters()
    assert client.stdout.split() == [str(AMOUNT), hashlib.sha256(octets).hexdigest()]
    assert (counters["IcmpInDestUnreachs"] > 0) == tells
    assert (counters["PathBlackHoles"] > 0) != tells


@pytest.mark.parametrize("size", [1473, 8000, 65507])
def test_ping_in_fragments_is_answered_in_fragments(size: int, programs: Callable[..., None]) -> None:
    programs(ping="iputils-ping")
    with live_host() as host:
        told = host.run("ping", "-n", "-c", "3", "-i", "0.05", "-s", str(size), host.address)
        assert " 3 received" in told.stdout, told.stdout
        counters = host.stack.counters()
        assert (counters["ReasmOKs"], counters["FragOKs"]) == (3, 3)
        host.settle()


def test_ping_records_its_route_and_times(programs: Callable[..., None]) -> None:
    programs(ping="iputils-ping")
    with live_host() as host:
        told = host.run("ping", "-n", "-c", "1", "-R", host.address)
        assert re.search(rf"RR:.*\s{re.escape(host.address)}\s", told.stdout, re.DOTALL), told.stdout
        told = host.run("ping", "-n", "-c", "1", "-T", "tsandaddr", host.address)
        assert "TS:" in told.stdout, told.stdout
        assert host.address in told.stdout.split("TS:")[1], told.stdout
