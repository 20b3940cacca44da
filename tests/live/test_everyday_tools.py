"""Everyday tools find a host that behaves as hosts do."""

import contextlib
import hashlib
import random
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stack.applications.file_server import FileServer
from stack.applications.server import Server
from stack.applications.stream import StreamSocket
from tests.live.host import SECONDS, LiveHost, live_host, serving, wait_until

pytestmark = pytest.mark.live

PORT, CLOSED_PORT = 4002, 4003
FLOOD = 10_000


def ping(host: LiveHost, *options: str) -> int:
    """Returns how many answers came; AssertionError for one that is late, double or damaged."""
    result = host.run("ping", "-n", "-q", *options, host.address)
    sent, received = map(int, re.search(r"(\d+) packets transmitted, (\d+) received", result.stdout).groups())
    assert received == sent, result.stdout
    for word in ("duplicates", "errors", "corrupted"):
        assert word not in result.stdout, result.stdout
    return received


@pytest.mark.parametrize("mtu", [1500, 9000])
def test_ping_of_every_size_that_fits_is_answered(mtu: int, programs: Callable[..., None]) -> None:
    programs(ping="iputils-ping")
    with live_host(mtu=mtu) as host:
        for size in (0, 1, 56, 57, mtu - 29, mtu - 28):  # IPv4 and ICMP headers take 28 bytes
            assert ping(host, "-c", "3", "-i", "0.01", "-M", "do", "-s", str(size)) == 3
        host.settle()


def test_ping_flood_loses_nothing(programs: Callable[..., None]) -> None:
    programs(ping="iputils-ping")
    with live_host() as host:
        assert ping(host, "-f", "-c", str(FLOOD)) == FLOOD
        host.settle()
        assert host.stack.counters()["IcmpOutEchoReps"] >= FLOOD


def test_arping_finds_one_host_at_the_address(programs: Callable[..., None]) -> None:
    programs(arping="arping")
    with live_host() as host:
        mac = host.stack.engine.mac.hex(":")
        command = ["arping", "-c", "3", "-i" if is_habets_arping() else "-I", host.lab.tap.name, host.address]
        result = host.run(*command)
        assert result.returncode == 0, result.stdout + result.stderr
        assert len(re.findall(mac, result.stdout, re.IGNORECASE)) == 3, result.stdout


def is_habets_arping() -> bool:
    """There are two programs of this name, with different options."""
    told = subprocess.run(["arping", "--help"], capture_output=True, text=True, check=False)
    return "Habets" in told.stdout + told.stderr


@contextlib.contextmanager
def talking(host: LiveHost, *command: str) -> "Iterator[subprocess.Popen[bytes]]":
    """Runs a program inside while the block talks to it over its standard streams; ends it with the block."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with host.lab.popen(list(command), **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def test_nc_that_closes_its_half_first_still_gets_the_answer(tmp_path: Path, programs: Callable[..., None]) -> None:
    programs(nc="netcat-openbsd")
    octets = random.Random(4).randbytes(3_000_000)
    (tmp_path / "input").write_bytes(octets)

    def answer_at_the_end(connection: StreamSocket) -> bytes:
        received, buffer = bytearray(), bytearray(1 << 20)
        while count := connection.receive_into(buffer):
            received += buffer[:count]
        connection.send(hashlib.sha256(received).digest() * 50_000)
        connection.finish()
        return bytes(received)

    with live_host() as host, (tmp_path / "input").open("rb") as stdin:
        with serving(host, PORT, answer_at_the_end) as results:
            result = host.run("nc", "-N", host.address, str(PORT), stdin=stdin, text=False)
        assert results.get() == octets
        assert result.stdout == hashlib.sha256(octets).digest() * 50_000
        host.settle()


@pytest.mark.requirement("SHUT-3")
def test_nc_goes_on_sending_after_we_have_closed_our_half(programs: Callable[..., None]) -> None:
    programs(nc="netcat-openbsd", ss="iproute2")
    octets = random.Random(5).randbytes(3_000_000)

    def greet_and_listen(connection: StreamSocket) -> bytes:
        connection.send(b"that is all\n")
        connection.shutdown_send()
        received, buffer = bytearray(), bytearray(1 << 20)
        while count := connection.receive_into(buffer):
            received += buffer[:count]
        connection.close()
        return bytes(received)

    command = ["nc", "-N", "-n"]
    with live_host() as host:
        with serving(host, PORT, greet_and_listen) as results, talking(host, *command, host.address, str(PORT)) as nc:
            assert nc.stdout.readline() == b"that is all\n"
            in_close_wait = ("ss", "--tcp", "--numeric", "--no-header", "state", "close-wait")
            wait_until(lambda: host.run(*in_close_wait).stdout, SECONDS, lambda: "our FIN has not come")
            nc.stdin.write(octets)
            nc.stdin.close()
            assert results.get(timeout=SECONDS) == octets
            assert nc.wait(SECONDS) == 0
        host.settle()


# What RFC 9293 3.10.7.1 and 3.10.7.2 make of each kind of probe, in nmap's words: a closed port resets whatever comes,
# a listening one answers a SYN, resets an ACK and drops what has neither.
SCANS = {
    "-sS": ("open", "closed"),
    "-sT": ("open", "closed"),
    "-sX": ("open|filtered", "closed"),
    "-sF": ("open|filtered", "closed"),
    "-sN": ("open|filtered", "closed"),
    "-sA": ("unfiltered", "unfiltered"),
}


@pytest.mark.requirement("SEG-9", "SEG-10")
@pytest.mark.parametrize("scan", SCANS)
def test_nmap_sees_open_and_closed_ports(scan: str, programs: Callable[..., None]) -> None:
    programs(nmap="nmap")
    with live_host() as host:
        listener = StreamSocket.listening(host.stack.provider, PORT)
        try:
            ports = f"{PORT},{CLOSED_PORT}"
            result = host.run("nmap", "-n", "-Pn", scan, "-p", ports, "-oG", "-", "--max-retries", "2", host.address)
            assert result.returncode == 0, result.stderr
            found = dict(re.findall(r"(\d+)/([^/]+)/tcp", result.stdout))
            assert (found[str(PORT)], found[str(CLOSED_PORT)]) == SCANS[scan], result.stdout
        finally:
            listener.close()
        host.settle()


@pytest.mark.parametrize("rootless", [False, True], ids=["root", "rootless"])
def test_a_client_whose_address_is_off_the_link_is_answered_through_the_gateway(
    tmp_path: Path, rootless: bool, programs: Callable[..., None]
) -> None:
    programs(curl="curl", ip="iproute2", ping="iputils-ping")
    octets = random.Random(6).randbytes(300_000)
    (tmp_path / "file").write_bytes(octets)
    elsewhere = "192.0.2.7"
    with live_host(rootless=rootless) as host:
        assert host.run("ip", "address", "add", f"{elsewhere}/32", "dev", "lo").returncode == 0
        with Server(host.stack.provider, 80, FileServer(tmp_path).serve, name="file"):
            url = f"http://{host.address}/file"
            result = host.run("curl", "-sS", "--noproxy", "*", "--interface", elsewhere, url, text=False)
        assert result.stdout == octets, result.stderr
        if not rootless:  # an ordinary user's ping may not choose its address
            assert ping(host, "-c", "2", "-i", "0.01", "-I", elsewhere) == 2
        host.settle()


def test_our_client_reaches_a_server_of_the_kernel(programs: Callable[..., None]) -> None:
    programs(nc="netcat-openbsd")
    octets = random.Random(7).randbytes(3_000_000)
    with live_host() as host:
        with talking(host, "nc", "-l", "-N", "-n", "-v", str(PORT)) as nc:
            assert b"Listening" in nc.stderr.readline()
            connection = StreamSocket.connected(host.stack.provider, str(host.lab.kernel_address), PORT)
            nc.stdin.write(b"from the kernel")
            nc.stdin.close()
            connection.send(octets)
            connection.shutdown_send()
            assert nc.stdout.read() == octets
            received, buffer = bytearray(), bytearray(100)
            while count := connection.receive_into(buffer):
                received += buffer[:count]
            connection.close()
            assert received == b"from the kernel"
        host.settle()
