"""Keepalive, urgent bytes and Fast Open between the stack and the kernel, each of them both ways."""

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netcore import endpoint as core
from netcore.endpoint import SEND_URGENT, Endpoint
from netcore.listener import Listener
from tests.live.host import SECONDS, LiveHost, live_host, wait_until

pytestmark = pytest.mark.live

PROGRAM = Path(__file__).with_name("kernel_options.py")
PORT = 4002
LOCAL_PORT = 50_001
MILLISECOND = 1_000_000


class Told:
    """What the kernel's end printed at its end."""

    def __init__(self) -> None:
        self.value: dict[str, Any] = {}


@contextlib.contextmanager
def kernel_end(host: LiveHost, action: str, first_line: str = "") -> "Iterator[Told]":
    """Runs the other end meanwhile; `first_line` is waited for."""
    told = Told()
    command = [sys.executable, str(PROGRAM), action, host.address, str(PORT)]
    with host.lab.popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            if first_line:
                assert process.stdout is not None
                assert process.stdout.readline().strip() == first_line
            yield told
            output, _ = process.communicate("\n", timeout=SECONDS)
        finally:
            process.kill()
    assert process.returncode == 0
    told.value = json.loads(output)


@contextlib.contextmanager
def listening(host: LiveHost, *, fast_open: bool = False) -> Iterator[Listener]:
    """A listener of the stack."""
    listener = host.stack.engine.listen(None, PORT, 5, fast_open=fast_open)
    assert isinstance(listener, Listener)
    try:
        yield listener
    finally:
        listener.close()


def accepted(listener: Listener) -> Endpoint:
    """The next connection."""
    wait_until(lambda: listener.readiness & core.ACCEPTABLE, SECONDS, lambda: "nobody has connected")
    endpoint = listener.accept()
    assert isinstance(endpoint, Endpoint)
    return endpoint


def received(endpoint: Endpoint) -> bytes:
    """What the next receive brings."""
    wait_until(lambda: endpoint.readiness & (core.READABLE | core.FAILED), SECONDS, lambda: "nothing has come")
    buffer = bytearray(4096)
    count = endpoint.receive_into(buffer)
    assert count >= 0, core.status_name(count)
    return bytes(buffer[:count])


def urgent(endpoint: Endpoint) -> bytes:
    """The next urgent byte."""
    wait_until(lambda: endpoint.readiness & (core.URGENT | core.FAILED), SECONDS, lambda: "no urgent byte has come")
    buffer = bytearray(1)
    assert endpoint.receive_urgent(buffer) == 1
    return bytes(buffer)


@pytest.mark.requirement("SEG-16", "RECV-24", "RECV-28")
def test_urgent_bytes_of_the_kernel_are_taken_out_of_the_stream() -> None:
    with live_host() as host, listening(host) as listener:
        with kernel_end(host, "urgent-out"):
            endpoint = accepted(listener)
            assert (urgent(endpoint), received(endpoint)) == (b"X", b"ab")
            endpoint.send(b"+")
            assert (urgent(endpoint), received(endpoint)) == (b"Y", b"cde")
            endpoint.send(b"+")
            text = b""
            while piece := received(endpoint):
                text += piece
            assert text == b"plain"
            endpoint.close()
        host.settle(listeners=1)


@pytest.mark.requirement("SEG-16", "SEND-9", "RECV-28")
def test_kernel_finds_our_urgent_bytes_at_their_marks() -> None:
    with live_host() as host, listening(host) as listener:
        with kernel_end(host, "urgent-in") as told:
            endpoint = accepted(listener)
            for text in (b"abX", b"cdeY"):
                endpoint.send(text, SEND_URGENT)
                assert received(endpoint) == b"+"
            endpoint.send(b"plain")
            endpoint.close()
        assert told.value["urgent"] == ["X", "Y"]
        assert "".join(told.value["pieces"]) == "abcdeplain"
        host.settle(listeners=1)


@pytest.mark.requirement("SND-8")
def test_kernel_answers_our_probes_until_it_is_cut_off() -> None:
    with live_host() as host, listening(host) as listener:
        with kernel_end(host, "hold", "holding"):
            endpoint = accepted(listener)
            endpoint.set_keepalive(True, 20 * MILLISECOND, 200 * MILLISECOND, 3)
            wait_until(lambda: host.stack.counters()["TCPKeepAlive"] >= 10, SECONDS, lambda: "no ten probes")
            assert endpoint.status == core.OK
            cut = host.run("ip", "route", "add", "blackhole", f"{host.address}/32")
            assert cut.returncode == 0, cut.stderr
            wait_until(lambda: endpoint.readiness & core.FAILED, SECONDS, lambda: "the connection lives on")
            assert endpoint.status == core.NET_RESET
            endpoint.close()


@pytest.mark.requirement("SND-8")
def test_probes_of_the_kernel_find_us_alive() -> None:
    with live_host() as host, listening(host) as listener:
        with kernel_end(host, "hold", "holding") as told:
            endpoint = accepted(listener)
            # an idle second before each: two in vain would end it
            wait_until(
                lambda: host.kernel_counters().get("TcpExtTCPKeepAlive", 0) >= 4, SECONDS, lambda: "no probes came"
            )
            assert endpoint.status == core.OK
        assert told.value["error"] == 0
        endpoint.close()
        host.settle(listeners=1)


def allow_fast_open(host: LiveHost) -> None:
    """Lets the kernel do it, both sides; skips where it cannot."""
    told = host.run("sysctl", "-w", "net.ipv4.tcp_fastopen=3")
    if told.returncode != 0:
        pytest.skip(f"this kernel has no net.ipv4.tcp_fastopen: {told.stderr.strip()}")


@pytest.mark.requirement("TCPX-6")
def test_kernel_opens_fast_with_our_cookie() -> None:
    with live_host() as host, listening(host, fast_open=True) as listener:
        allow_fast_open(host)
        with kernel_end(host, "fast-open") as told:
            for _ in range(2):
                endpoint = accepted(listener)
                assert received(endpoint) == b"ask"
                endpoint.send(b"answer")
                endpoint.close()
        assert told.value["answers"] == ["answer", "answer"]
        counters = host.stack.counters()
        assert (counters["TCPFastOpenCookieReqd"], counters["TCPFastOpenPassive"]) == (1, 1)
        assert host.kernel_counters()["TcpExtTCPFastOpenActive"] == 1
        host.settle(listeners=1)


@pytest.mark.requirement("TCPX-6")
def test_we_open_fast_with_the_kernels_cookie() -> None:
    with live_host() as host:
        allow_fast_open(host)
        with kernel_end(host, "fast-listen", "listening") as told:
            remote = socket.inet_aton(str(host.lab.kernel_address)), PORT
            for number in range(2):
                endpoint = host.stack.engine.connect(LOCAL_PORT + number, remote, fast_open=True, data=b"ask")
                assert isinstance(endpoint, Endpoint)
                assert received(endpoint) == b"answer"
                endpoint.close()
        assert told.value["asked"] == ["ask", "ask"]
        assert host.stack.counters()["TCPFastOpenActive"] == 1
        assert host.kernel_counters()["TcpExtTCPFastOpenPassive"] == 1
        host.settle()
