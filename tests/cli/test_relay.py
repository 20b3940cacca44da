"""`wspstack relay`: two namespaces, or two devices, and real programs over the link between them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tapdev import Namespace
from tests.cli.commands import SECONDS, require_device, running, wspstack

pytestmark = pytest.mark.live

SIZE = 3_000_000

# Reads a stream to its end and says how many bytes it had, on a connection of its own each time.
SINK = """
import socket
listener = socket.create_server(("", 5000))
while True:
    connection, _ = listener.accept()
    with connection:
        count = 0
        while data := connection.recv(1 << 20):
            count += len(data)
        connection.sendall(b"%d" % count)
"""
SOURCE = f"""
import os, socket, sys, time
with socket.create_connection((os.environ["WSPSTACK_RIGHT"], 5000), timeout={SECONDS}) as connection:
    begun = time.monotonic()
    connection.sendall(bytes({SIZE}))
    connection.shutdown(socket.SHUT_WR)
    print(connection.recv(100).decode(), time.monotonic() - begun)
"""


@pytest.fixture(autouse=True)
def _device() -> None:
    require_device()


def ping(address: str, *options: str) -> list[str]:
    """The command, skipped where it is missing."""
    if shutil.which("ping") is None:
        pytest.skip("ping is missing")
    return ["ping", "-q", "-i", "0.02", "-W", "2", *options, address]


def transfer(tmp_path: Path, *options: str) -> tuple[float, dict[str, dict[str, int]]]:
    """A stream from left to right, which must arrive; returns its seconds and the relay's counters."""
    file, sink = tmp_path / "counters.json", tmp_path / "sink.py"
    sink.write_text(SINK)
    server = f"exec {sys.executable} {sink}"
    told = wspstack("relay", *options, "--json", str(file), "--server", server, "--", sys.executable, "-c", SOURCE)
    assert told.returncode == 0, told.stderr
    count, seconds = told.stdout.split()
    assert int(count) == SIZE
    counters: dict[str, dict[str, int]] = json.loads(file.read_text())
    return float(seconds), counters


def names() -> set[str]:
    """The named network namespaces."""
    return set(os.listdir("/run/netns")) if os.path.isdir("/run/netns") else set()


def test_programs_in_both_namespaces_reach_each_other_until_a_signal() -> None:
    with running("relay", "--delay", "3") as command:
        left, right = (command.line(word).split("/")[0] for word in ("left", "right"))
        hints = [line.removeprefix("try").strip() for line in command.lines if " ping " in line]
        for hint, other in zip(hints, (right, left), strict=True):
            words = hint.split()
            assert words[words.index("ping") :] == ["ping", other]
            inside = words[: words.index("ping")]
            told = subprocess.run([*inside, *ping(other, "-c", "3")], capture_output=True, text=True, timeout=SECONDS)
            assert told.returncode == 0, told.stdout
            least = float(told.stdout.rpartition(" = ")[2].split("/")[0])
            assert least >= 6.0, "the delay was not kept"
        status, errors = command.end(signal.SIGINT)
    assert status == 0
    assert "frames delivered" in errors
    assert not {name for name in names() if name.endswith(("-left", "-right")) and left.split(".")[2] in name}


def test_stream_over_a_bad_link_arrives_and_the_counters_say_what_happened(tmp_path: Path) -> None:
    faults = ["--loss", "1/0", "--duplicate", "1", "--reorder", "1", "--reorder-frames", "3", "--corrupt", "0.5/0"]
    _, counters = transfer(tmp_path, *faults, "--burst", "0.5/0", "--burst-length", "3", "--delay", "1")
    forward, backward = counters["forward"], counters["backward"]
    assert all(forward[fate] for fate in ("lost", "burst_lost", "duplicated", "reordered", "corrupted"))
    assert backward["lost"] == backward["corrupted"] == 0
    assert forward["bytes"] > SIZE
    for way in (forward, backward):
        assert way["passed"] == way["seen"] - way["lost"] + way["duplicated"]
        assert way["refused"] == way["overflowed"] == 0


def test_rate_is_kept_by_the_bytes_that_pass(tmp_path: Path) -> None:
    seconds, counters = transfer(tmp_path, "--rate", "20/10", "--queue", "64")
    # What is delivered has been serialized; the handshake and the last frames are outside what the client timed.
    assert counters["forward"]["delivered_bytes"] * 8 <= 20e6 * seconds + 8 * 3 * 1514
    assert counters["forward"]["passed"] > SIZE // 1500


def test_nothing_gets_through_a_blackout(tmp_path: Path) -> None:
    file = tmp_path / "counters.json"
    options = ["--blackout", "0+1000", "--json", str(file)]
    told = wspstack("relay", *options, "--", "sh", "-c", " ".join([*ping("$WSPSTACK_RIGHT", "-c", "1")]))
    assert told.returncode == 1, told.stderr
    counters = json.loads(file.read_text())["forward"]
    assert counters["delivered"] == 0
    assert counters["blacked_out"] == counters["seen"] > 0


def test_stream_without_faults_passes_as_superframes(tmp_path: Path) -> None:
    _, counters = transfer(tmp_path)
    assert counters["forward"]["delivered"] == counters["forward"]["frames"]
    assert counters["forward"]["frames"] < SIZE / 1500 / 2, "the kernel handed over single packets"


def test_stream_without_offloads_is_single_packets_from_the_kernel(tmp_path: Path) -> None:
    _, counters = transfer(tmp_path, "--no-offloads", "--mtu", "1000")
    assert counters["forward"]["frames"] >= SIZE / 1000


@pytest.mark.parametrize(("command", "status"), [(["sh", "-c", "exit 77"], 77), (["no-such-program-anywhere"], 127)])
def test_command_hands_back_its_exit_status(command: list[str], status: int) -> None:
    assert wspstack("relay", "--", *command).returncode == status


def test_server_that_ends_before_it_listens_is_told_in_one_line() -> None:
    told = wspstack("relay", "--server", "exit 3", "--", "true")
    assert (told.returncode, told.stdout) == (125, "")
    assert told.stderr == "wspstack: --server: 'exit 3' ended with status 3\n"


def test_relay_that_is_killed_leaves_nothing() -> None:
    with running("relay") as command:
        places = [command.line(word).split()[-1] for word in ("left", "right")]
        if any("process" in place for place in places):
            pytest.skip("without privileges a namespace has no name that could be left")
        assert set(places) <= names()
        command.process.kill()
        command.process.wait(SECONDS)
        deadline = time.monotonic() + SECONDS
        while set(places) & names():
            assert time.monotonic() < deadline, "a namespace was left behind"
            time.sleep(0.01)


@pytest.mark.skipif(os.geteuid() != 0, reason="devices of named namespaces need root")
def test_given_devices_of_two_namespaces_are_joined() -> None:
    first, second = f"relay-test-{os.getpid()}-a", f"relay-test-{os.getpid()}-b"
    with Namespace.create(first, rootless=False) as left, Namespace.create(second, rootless=False) as right:
        with running("relay", "--left", f"{first}/tap0", "--right", f"{second}/tap7", "--loss", "0") as command:
            assert command.line("left") == "device tap0"
            for place, device, address in ((left, "tap0", "10.78.9.1"), (right, "tap7", "10.78.9.2")):
                place.run(["ip", "address", "add", f"{address}/24", "dev", device], check=True)
                place.run(["ip", "link", "set", device, "up"], check=True)
            told: Any = left.run(ping("10.78.9.2", "-c", "2"), capture_output=True, text=True, timeout=SECONDS)
            assert told.returncode == 0, told.stdout
            right.run(["ip", "link", "delete", "tap7"], check=True)
            assert command.process.wait(SECONDS) == 1
            assert command.process.stderr is not None
            errors = command.process.stderr.read()
    assert "wspstack: the right device is gone" in errors
