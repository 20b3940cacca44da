"""What the wire looks like: an expert's eye on a capture of an ordinary run, and the counters of the other side."""

import contextlib
import random
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from netcore.impair import Impairment
from stack.applications.file_server import FileServer
from stack.applications.server import Server
from tests.live.host import SECONDS, LiveHost, live_host, wait_until
from tests.live.test_transfers import MEBI, download, upload

pytestmark = pytest.mark.live

HEADERS = 200  # bytes of each frame that are kept
BUFFER = "64"  # MiB for frames that have not been written yet
MARK = bytes.fromhex("5eedfeedc0ffee")  # a run ends with a ping that carries it

# A slow reader rightly causes these.
HARMLESS = ("TCP window specified by the receiver is now completely full", "TCP Zero Window segment")

PROBED_TWICE = "D-SACK Sequence"

WARNING = 0x600000  # severity in Wireshark's proto.h; an error is above it

# Of the kernel's counters those that say that a peer did something wrong.
FAULTS = (
    "TcpInErrs",
    "TcpInCsumErrors",
    "IpInHdrErrors",
    "IpExtInCsumErrors",
    "IcmpInErrors",
    "IcmpInCsumErrors",
    "TcpAttemptFails",
    "TcpEstabResets",
    "TcpOutRsts",
    "TcpExtPAWSActive",
    "TcpExtPAWSEstab",
    "TcpExtTSEcrRejected",
    "TcpExtTCPChallengeACK",
    "TcpExtTCPSYNChallenge",
    "TcpExtTCPAbortOnData",
    "TcpExtTCPAbortOnClose",
    "TcpExtTCPAbortOnMemory",
    "TcpExtTCPAbortOnTimeout",
    "TcpExtTCPAbortOnLinger",
    "TcpExtTCPAbortFailed",
    "TcpExtTCPACKSkippedSeq",
    "TcpExtTCPACKSkippedPAWS",
    "TcpExtTCPACKSkippedChallenge",
    "TcpExtTCPReqQFullDrop",
    "TcpExtTCPWqueueTooBig",
    "TcpExtTCPDSACKIgnoredDubious",
)

# And of ours.
OUR_FAULTS = (
    "InHdrErrors",
    "InAddrErrors",
    "OutDiscards",
    "InErrs",
    "InCsumErrors",
    "EstabResets",
    "AttemptFails",
    "OutRsts",
    "TCPChallengeACK",
    "PAWSEstab",
    "TCPTSMissing",
    "TCPAbortOnData",
    "TCPAbortOnClose",
    "TCPAbortOnTimeout",
    "TCPOFODrop",
    "ReplyDrops",
    "FramesBad",
    "NeighborFailures",
    "IllegalTransitions",
)


@contextlib.contextmanager
def capturing(host: LiveHost, file: Path) -> Iterator[None]:
    """Captures every frame of the device into `file`, on the kernel's side."""
    command = ["dumpcap", "-q", "-i", host.lab.tap.name, "-w", str(file), "-s", str(HEADERS), "-B", BUFFER]
    with host.lab.popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert any(line.startswith("File:") for line in iter(process.stderr.readline, "")), "no capture"
            yield
            # Frames reach the file late, and those that have not when the program ends are lost: a mark ends the run.
            # one that is answered: the link may lose some
            answered = ["ping", "-c", "1", "-W", "1", "-p", MARK.hex(), host.address]
            wait_until(lambda: host.run(*answered).returncode == 0, SECONDS, lambda: "no answer to a ping")
            wait_until(lambda: file.read_bytes().count(MARK) >= 2, SECONDS, lambda: "the last frame is not in the file")
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=SECONDS)[1]
            assert re.search(r"received/dropped on interface .*: \d+/0 ", said), said
        finally:
            process.kill()


def findings(file: Path) -> Counter[str]:
    """Returns what tshark finds of severity warning and above, and how often, but for what is harmless."""
    shown = ["-Y", f"_ws.expert.severity >= {WARNING}", "-T", "fields", "-E", "aggregator=|"]
    fields = ["-e", "_ws.expert.message", "-e", "_ws.expert.severity"]
    command = ["tshark", "-r", str(file), "-n", *shown, *fields]
    result = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True)
    found: Counter[str] = Counter()
    for line in result.stdout.splitlines():
        for message, severity in zip(*(field.split("|") for field in line.split("\t")), strict=True):
            if int(severity) >= WARNING and not message.startswith(HARMLESS):
                found[message] += 1
    return found


def frames(file: Path) -> int:
    """Returns how many TCP segments or superframes the capture holds."""
    command = ["tshark", "-r", str(file), "-n", "-Y", "tcp"]
    return len(subprocess.run(command, capture_output=True, timeout=SECONDS, check=True).stdout.splitlines())


def everyday_run(host: LiveHost, folder: Path) -> None:
    """Streams both ways, a reader that stops, files over connections that are kept and that are not."""
    (folder / "page").write_bytes(random.Random(8).randbytes(20_000))
    download(host, 6, 32 * MEBI)
    upload(host, 6, 32 * MEBI)

    def until_probed() -> None:
        wait_until(lambda: host.stack.counters()["TCPWinProbe"], SECONDS, lambda: "no TCPWinProbe")

    download(host, 7, 32 * MEBI, "--pause-after", MEBI, while_paused=until_probed)
    with Server(host.stack.provider, 80, FileServer(folder).serve, name="file"):
        url = f"http://{host.address}/page"
        curl = ["curl", "-sS", "--fail", "--noproxy", "*", "-o", "/dev/null", url, "-o", "/dev/null", url]
        for _ in range(5):
            assert host.run(*curl).returncode == 0
        parallel = ["--parallel", "--parallel-immediate", f"http://{host.address}/page?[1-20]", "-o", "/dev/null"]
        assert host.run("curl", "-sS", "--fail", "--noproxy", "*", *parallel).returncode == 0


def test_the_wire_of_an_everyday_run_is_clean(tmp_path: Path, programs: Callable[..., None]) -> None:
    programs(curl="curl", dumpcap="wireshark-common", tshark="tshark", ping="iputils-ping", nstat="iproute2")
    file = tmp_path / "run.pcapng"
    with live_host() as host:
        with capturing(host, file):
            everyday_run(host, tmp_path)
        host.settle()
        kernel, ours = host.kernel_counters(), host.stack.counters()
    # RFC 8985 7.4: on a busy machine an ACK may be late by more than a probe waits, which then comes twice
    probes = kernel["TcpExtTCPLossProbes"] + ours["TCPLossProbes"]
    assert {name: kernel[name] for name in FAULTS if kernel[name]} == {}
    assert {name: ours[name] for name in OUR_FAULTS if ours[name]} == {}
    assert frames(file) > 200
    found = findings(file)
    assert found.pop(PROBED_TWICE, 0) <= probes
    assert found == {}


@pytest.mark.requirement("SEG-14")
def test_an_expert_sees_a_link_that_loses_and_reorders(tmp_path: Path, programs: Callable[..., None]) -> None:
    programs(dumpcap="wireshark-common", tshark="tshark", ping="iputils-ping")
    file = tmp_path / "run.pcapng"
    with live_host(outbound=Impairment(seed=9, loss=20_000, reorder=20_000)) as host:
        with capturing(host, file):
            download(host, 8, 2 * MEBI)
    assert findings(file), "what finds nothing on a bad link proves nothing on a good one"
