"""Whole streams in both directions between a kernel client and the stack."""

import hashlib
import os
from collections.abc import Callable
from typing import Any

import pytest

from netcore.impair import Impairment
from stack.applications.stream import StreamSocket
from tests.live.content import blocks
from tests.live.host import LiveHost, live_host, serving, wait_until

pytestmark = pytest.mark.live

MEBI = 1 << 20
PORT = 4000

# Once round the sequence numbers; WSPSTACK_LIVE_BYTES makes it less where seconds count.
SIZE = int(os.environ.get("WSPSTACK_LIVE_BYTES", 4096 * MEBI))
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


def receive_stream(pause: Callable[[], object] | None = None, after: int = 0) -> Any:
    """Returns the program of a connection that receives to the end of the stream, and returns bytes and SHA-256.

    pause: called once, when `after` bytes have come, while nothing is received.
    """

    def serve(connection: StreamSocket) -> tuple[int, str]:
        digest, count, buffer = hashlib.sha256(), 0, bytearray(MEBI)
        view, paused = memoryview(buffer), pause is None
        while received := connection.receive_into(buffer):
            digest.update(view[:received])
            count += received
            if not paused and count >= after:
                paused = True
                pause()
        connection.finish()
        return count, digest.hexdigest()

    return serve


def download(host: LiveHost, seed: int, size: int, *options: object, **peer: Any) -> dict[str, Any]:
    """The kernel fetches a stream from us: every byte must arrive."""
    with serving(host, PORT, send_stream(seed, size)) as results:
        told = host.peer("download", PORT, *options, seconds=SECONDS, **peer)
    assert told.get("bytes") == size, told
    assert told["sha256"] == results.get()
    return told


def upload(host: LiveHost, seed: int, size: int, serve: Any = None) -> dict[str, Any]:
    """The kernel sends us a stream: every byte must arrive."""
    with serving(host, PORT, serve or receive_stream()) as results:
        told = host.peer("upload", PORT, seed, size, seconds=SECONDS)
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
    """1 % loss, 2 % reordering, 1 % duplication, 1 % corruption of single bits."""
    return Impairment(seed=seed, loss=10_000, reorder=20_000, duplicate=10_000, corrupt=10_000, mtu=mtu)


@pytest.mark.requirement("SEG-14", "SEG-15", "SND-6")
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


PROBES = 4  # of a zero window, at 0.2, 0.6, 1.4 and 3 seconds: the reader stops for seconds


def good_or_bad(bad: bool) -> dict[str, Impairment]:
    """The faults of the link for live_host."""
    return {"inbound": faulty(3, 1500), "outbound": faulty(4, 1500)} if bad else {}


@pytest.mark.requirement("SND-5")
@pytest.mark.parametrize("bad", [False, True], ids=["good link", "bad link"])
def test_a_reader_of_ours_that_stops_and_goes_on_gets_the_whole_stream(bad: bool) -> None:
    # whatever round trips a busy machine makes of it, the window must not grow to take all that is still to come
    with live_host(tunables={"receive_buffer_maximum": 4 * MEBI}, **good_or_bad(bad)) as host:
        probes = "TcpExtTCPWinProbe"

        def until_probed() -> None:
            wait_until(lambda: host.kernel_counters()[probes] >= PROBES, SECONDS, lambda: f"no {PROBES} {probes}")

        upload(host, 3, 16 * MEBI if bad else 64 * MEBI, receive_stream(until_probed, 4 * MEBI))
        host.settle()


@pytest.mark.requirement("SND-5")
@pytest.mark.parametrize("bad", [False, True], ids=["good link", "bad link"])
def test_a_reader_of_theirs_that_stops_and_goes_on_gets_the_whole_stream(bad: bool) -> None:
    with live_host(**good_or_bad(bad)) as host:

        def until_probed() -> None:
            wait_until(
                lambda: host.stack.counters()["TCPWinProbe"] >= PROBES, SECONDS, lambda: f"no {PROBES} TCPWinProbe"
            )

        # A small buffer on the bad link, because a kernel whose reader has stopped delays every acknowledgement, and
        # what loses most of its window to each loss takes long to fill a large one.
        options = ("--buffer", 256 << 10) if bad else ()
        size = 16 * MEBI if bad else 64 * MEBI
        download(host, 4, size, "--pause-after", 4 * MEBI, *options, while_paused=until_probed)
        host.settle()


@pytest.mark.parametrize("transfer", [download, upload])
def test_a_stream_over_a_device_without_offloads_arrives_whole(transfer: Any) -> None:
    with live_host(offloads=False) as host:
        told = transfer(host, 5, 32 * MEBI)
        host.settle()
        counters = host.stack.counters()
        resolution = counters["ArpOutRequests"] + counters["ArpOutReplies"]
        assert counters["FramesOut"] - resolution >= counters["OutSegs"], "a frame carried more than one segment"
        print(f"{transfer.__name__} without offloads: {figure(told)}")
