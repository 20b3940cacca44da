"""TCP-MD5 between the kernel's TCP_MD5SIG and the stack, both ways (TCPX-7)."""

import contextlib
import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netcore.impair import Impairment
from stack.applications.stream import EntryFailed, StreamSocket
from tests.live.host import LiveHost, live_host, serving

pytestmark = [pytest.mark.live, pytest.mark.requirement("TCPX-7")]

PEER = Path(__file__).with_name("signed_peer.py")
PORT = 1179
SECRET = "two routers, one secret"
SIZE = 4 << 20
SECONDS = 60
TEXT = hashlib.sha256(bytes(range(256)) * (SIZE // 256)).hexdigest()


def exchange(connection: StreamSocket) -> str:
    """Sends and receives SIZE bytes at once, as signed_peer.py does; the SHA-256 of what came."""
    digest, buffer = hashlib.sha256(), bytearray(1 << 16)

    def send() -> None:
        connection.send(bytes(range(256)) * (SIZE // 256))
        connection.shutdown_send()

    thread = threading.Thread(target=send)
    thread.start()
    while count := connection.receive_into(buffer):
        digest.update(memoryview(buffer)[:count])
    thread.join()
    connection.close()
    return digest.hexdigest()


@contextlib.contextmanager
def kernel_end(host: LiveHost, action: str, secret: str) -> Iterator["subprocess.Popen[Any]"]:
    """The kernel's end of one exchange."""
    command = [sys.executable, str(PEER), action, host.address, str(PORT), secret, str(SIZE)]
    with host.lab.popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def told(process: "subprocess.Popen[Any]") -> dict[str, Any]:
    """The next line of a program; skips the test where the kernel has no TCP_MD5SIG."""
    assert process.stdout is not None
    line: dict[str, Any] = json.loads(process.stdout.readline())
    if "missing" in line:
        pytest.skip(f"this kernel has no TCP_MD5SIG ({line['missing']})")
    return line


def expect_no_failures(host: LiveHost) -> None:
    """Neither end has refused a segment for its signature."""
    counters = {name: count for name, count in host.stack.counters().items() if "MD5" in name and count}
    assert not counters
    kernel = {name: count for name, count in host.kernel_counters().items() if "MD5" in name and count}
    assert not kernel


LINKS = ["good link", "without offloads", "lossy link"]


def link_of(name: str) -> dict[str, Any]:
    """Arguments of live_host."""
    if name == "lossy link":
        return {"inbound": Impairment(seed=1, loss=20_000), "outbound": Impairment(seed=2, loss=20_000)}
    return {"offloads": name == "good link"}


@pytest.mark.parametrize("link", LINKS)
def test_kernel_connects_signed_and_both_streams_arrive_whole(link: str) -> None:
    with live_host(**link_of(link)) as host:
        host.stack.keys.add_md5(str(host.lab.kernel_address), SECRET.encode(), local_port=PORT)
        with serving(host, PORT, exchange) as results, kernel_end(host, "connect", SECRET) as process:
            assert told(process) == {"sha256": TEXT}
            assert results.get(timeout=SECONDS) == TEXT
        expect_no_failures(host)


@pytest.mark.parametrize("link", LINKS)
def test_stack_connects_signed_and_both_streams_arrive_whole(link: str) -> None:
    with live_host(**link_of(link)) as host:
        kernel = str(host.lab.kernel_address)
        host.stack.keys.add_md5(kernel, SECRET.encode(), remote_port=PORT)
        with kernel_end(host, "serve", SECRET) as process:
            assert told(process) == {"ready": True}
            assert exchange(StreamSocket.connected(host.stack.provider, kernel, PORT)) == TEXT
            assert told(process) == {"sha256": TEXT}
        expect_no_failures(host)


@pytest.mark.parametrize("secret", ["-", SECRET + "!"], ids=["unsigned", "wrong secret"])
def test_kernel_without_the_secret_gets_no_answer(secret: str) -> None:
    with live_host() as host:
        host.stack.keys.add_md5(str(host.lab.kernel_address), SECRET.encode())
        listener = StreamSocket.listening(host.stack.provider, PORT)
        with kernel_end(host, "connect", "-" if secret == "-" else secret) as process:
            if secret == "-":
                assert told(process) == {"error": "ETIMEDOUT"}
            counter = "TCPMD5NotFound" if secret == "-" else "TCPMD5Failure"
            while not host.stack.counters()[counter]:
                assert process.poll() is None
        assert host.usage()["connections"] == 0
        listener.close()


def test_kernel_that_wants_signatures_leaves_an_unsigned_connect_alone() -> None:
    with live_host(syn_retries=0) as host, kernel_end(host, "serve", SECRET) as process:
        assert told(process) == {"ready": True}
        with pytest.raises(EntryFailed, match="WSAETIMEDOUT"):
            StreamSocket.connected(host.stack.provider, str(host.lab.kernel_address), PORT)
        assert host.kernel_counters()["TcpExtTCPMD5NotFound"] >= 1
