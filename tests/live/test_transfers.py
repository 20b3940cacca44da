"""Whole streams in both directions between a kernel client and the stack."""

import hashlib
import os
from typing import Any

import pytest

from netcore.impair import Impairment
from stack.applications.stream import StreamSocket
from tests.live.content import blocks
from tests.live.host import LiveHost, live_host, serving

pytestmark = pytest.mark.live

MEBI = 1 << 20
PORT = 4000

# WSPSTACK_LIVE_BYTES=4294967296 makes the plain transfers as long as a campaign wants them.
SIZE = int(os.environ.get("WSPSTACK_LIVE_BYTES", 256 * MEBI))
SECONDS = 60 + SIZE / (32 * MEBI)  # for one transfer


def send_stream(seed: int, size: int) -> Any:
    """Returns the program of a connection that sends a stream and ends."""

    def serve(connection: StreamSocket) -> str:
        digest = hashlib.sha256()
        for block in blocks(seed, size):
            connection.send(block)
            digest.update(block)
        connection.finish()
        return digest.hexdigest()

    return serve


def receive_stream(connection: StreamSocket) -> tuple[int, str]:
    """Receives to the end of the stream; returns bytes and SHA-256."""
    digest, count, buffer = hashlib.sha256(), 0, bytearray(MEBI)
    view = memoryview(buffer)
    while received := connection.receive_into(buffer):
        digest.update(view[:received])
        count += received
    connection.finish()
    return count, digest.hexdigest()


def download(host: LiveHost, seed: int, size: int, *options: object) -> dict[str, Any]:
    """The kernel fetches a stream from us: every byte must arrive."""
    with serving(host, PORT, send_stream(seed, size)) as results:
        told = host.peer("download", PORT, *options, seconds=SECONDS)
    assert told.get("bytes") == size, told
    assert told["sha256"] == results.get()
    return told


def upload(host: LiveHost, seed: int, size: int, *options: object) -> dict[str, Any]:
    """The kernel sends us a stream: every byte must arrive."""
    with serving(host, PORT, receive_stream) as results:
        told = host.peer("upload", PORT, seed, size, *options, seconds=SECONDS)
    assert told.get("answered") == 0, told
    assert results.get() == (size, told["sha256"])
    return told


def figure(told: dict[str, Any]) -> str:
    """Size, time and rate of a transfer, for a person."""
    size, seconds = told["bytes"], told["seconds"]
    return f"{size / MEBI:.0f} MiB in {seconds:.2f} s, {size * 8e-9 / seconds:.2f} Gbit/s"


@pytest.mark.timeout(2 * SECONDS)
@pytest.mark.requirement("SND-10")
@pytest.mark.parametrize("transfer", [download, upload])
@pytest.mark.parametrize("mtu", [1500, 9000])
def test_a_long_stream_arrives_whole(mtu: int, transfer: Any, record_property: Any) -> None:
    with live_host(mtu=mtu) as host:
        told = transfer(host, 1, SIZE)
        host.settle()
        record_property("figure", figure(told))
        print(f"MTU {mtu} {transfer.__name__}: {figure(told)}")


def faulty(seed: int, mtu: int) -> Impairment:
    """1 % loss, 2 % reordering, 1 % duplication, 1 % corruption of single bits, in parts per million."""
    return Impairment(seed=seed, loss=10_000, reorder=20_000, duplicate=10_000, corrupt=10_000, mtu=mtu)


@pytest.mark.requirement("SEG-14", "SEG-15", "SEG-7", "SND-6")
@pytest.mark.parametrize("transfer", [download, upload])
@pytest.mark.parametrize("mtu", [1500, 9000])
def test_a_stream_over_a_link_that_loses_reorders_doubles_and_corrupts_arrives_whole(mtu: int, transfer: Any) -> None:
    inbound, outbound = faulty(1, mtu), faulty(2, mtu)
    with live_host(mtu=mtu, inbound=inbound, outbound=outbound) as host:
        told = transfer(host, 2, 64 * MEBI)
        host.settle()
        print(f"MTU {mtu} {transfer.__name__} on a bad link: {figure(told)}")
        for link in (inbound, outbound):
            assert all(link.counters()[fate] for fate in ("lost", "reordered", "duplicated", "corrupted"))
        assert host.stack.counters()["InCsumErrors"], "no damage was seen: were checksums complete before the fault?"
