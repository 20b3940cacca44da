"""The commands on a TAP device, with real clients."""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from stack.observation.places import DIRECTORY_VARIABLE
from tapdev import Namespace
from tests.cli.commands import COMMAND, ROOT, SECONDS, require_device, running, wspstack

pytestmark = pytest.mark.live

SIZE = 3_000_001


@pytest.fixture(autouse=True)
def _device() -> None:
    require_device()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "file.bin").write_bytes(random.Random(1).randbytes(SIZE))
    return tmp_path


def programs(*names: str) -> None:
    """Skips the test where a program is missing."""
    for name in names:
        if shutil.which(name) is None:
            pytest.skip(f"{name} is missing")


def sum_of(octets: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(octets).hexdigest()


def fetch(inside: Sequence[str], url: str, *options: str) -> bytes:
    """Fetches with curl."""
    command = [*inside, "curl", "-sS", "--fail", "--noproxy", "*", *options, url]
    result = subprocess.run(command, capture_output=True, timeout=SECONDS)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_gives_the_file_and_ends_on_a_signal_with_status_zero(folder: Path, number: int) -> None:
    programs("curl")
    with running("serve", str(folder)) as command:
        url = command.line("serving").split()[-1]
        assert sum_of(fetch(command.inside(), f"{url}file.bin")) == sum_of((folder / "file.bin").read_bytes())
        status, errors = command.end(number)
    assert (status, errors) == (0, "")


def test_run_once_proves_itself_and_ends(folder: Path) -> None:
    programs("curl")
    result = wspstack("run", "--once", "--dir", str(folder))
    assert (result.returncode, result.stderr) == (0, "")
    assert sum_of((folder / "file.bin").read_bytes())[:16] in result.stdout
    assert "matches" in result.stdout


def test_run_once_on_a_bad_link_proves_itself(folder: Path) -> None:
    programs("curl")
    faults = ["--loss", "1", "--reorder", "2", "--duplicate", "1", "--corrupt", "0.5", "--seed", "7"]
    result = wspstack("run", "--once", "--dir", str(folder), *faults)
    assert result.returncode == 0, result.stderr
    assert "matches" in result.stdout


def test_run_in_an_empty_directory_proves_its_listing(tmp_path: Path) -> None:
    programs("curl")
    result = wspstack("run", "--once", "--dir", str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert "matches" in result.stdout


def test_run_command_has_stdout_for_itself(folder: Path) -> None:
    programs("curl")
    address = "10.78.3.2"
    options = ["--dir", str(folder), "--address", f"{address}/24", "--port", "8080"]
    result = wspstack("run", *options, "--", "curl", "-sS", f"http://{address}:8080/file.bin", text=False)
    assert (result.returncode, result.stderr) == (0, b"")
    assert sum_of(result.stdout) == sum_of((folder / "file.bin").read_bytes())


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (["true"], 0),
        (["false"], 1),
        (["sh", "-c", "exit 77"], 77),
        (["sh", "-c", "kill -TERM $$"], 128 + signal.SIGTERM),
        (["no-such-program-anywhere"], 127),
        (["/etc/hostname"], 126),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_run_command_hands_back_its_exit_status(folder: Path, command: list[str], status: int) -> None:
    result = wspstack("run", "--dir", str(folder), "--", *command)
    assert result.returncode == status, result.stderr
    assert result.stdout == ""


def test_run_command_finds_address_and_url_in_its_environment(folder: Path) -> None:
    programs("curl")
    script = 'echo $WSPSTACK_ADDRESS; curl -sS --fail -o /dev/null -w "%{size_download}" ${WSPSTACK_URL}file.bin'
    result = wspstack("run", "--dir", str(folder), "--port", "8080", "--", "sh", "-c", script)
    address, size = result.stdout.split()
    assert (result.returncode, int(size)) == (0, SIZE)
    assert address.startswith("10.77.")


def test_run_command_gets_our_stdin(folder: Path) -> None:
    result = wspstack("run", "--dir", str(folder), "--", "cat", input="said\n")
    assert (result.returncode, result.stdout) == (0, "said\n")


def test_run_command_gets_signals_sent_to_us(folder: Path) -> None:
    script = "trap 'echo term; exit 9' TERM; echo started; while :; do sleep 0.05; done"
    process = subprocess.Popen(
        [*COMMAND, "run", "--dir", str(folder), "--", "sh", "-c", script], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=SECONDS)
    assert (rest, process.returncode) == ("term\n", 9)


def test_run_leaves_no_namespace_behind(folder: Path) -> None:
    before = namespaces()
    assert wspstack("run", "--dir", str(folder), "--", "true").returncode == 0
    assert namespaces() <= before


def namespaces() -> set[str]:
    """The names in /run/netns."""
    try:
        return set(os.listdir("/run/netns"))
    except FileNotFoundError:
        return set()


def test_clean_removes_what_a_killed_run_left_and_nothing_of_a_living_one(folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("named namespaces need root")
    with running("serve", str(folder)) as living, running("serve", str(folder)) as killed:
        name = killed.inside()[-1]
        killed.process.kill()
        killed.process.wait(SECONDS)
        wspstack("clean")
        assert name not in namespaces()
        assert living.inside()[-1] in namespaces()
        assert "nothing to remove" in wspstack("clean").stdout
        living.end(signal.SIGTERM)


def test_two_at_once_stand_at_different_addresses_and_both_answer(folder: Path) -> None:
    programs("curl")
    with running("serve", str(folder)) as one, running("serve", str(folder)) as other:
        urls = [each.line("serving").split()[-1] for each in (one, other)]
        assert urls[0] != urls[1]
        for each, url in zip((one, other), urls, strict=True):
            assert len(fetch(each.inside(), f"{url}file.bin")) == SIZE
        assert [each.end(signal.SIGTERM)[0] for each in (one, other)] == [0, 0]


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    """A namespace that somebody else made."""
    if os.geteuid() != 0:
        pytest.skip("a namespace with a name needs root")
    with Namespace.create(f"test-cli-{os.getpid()}") as made:
        yield made


CLIENT = """
import hashlib, socket, sys
address, port, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
s = socket.create_connection((address, port), 30)
if port == 9:
    s.sendall(bytes(size)); s.shutdown(socket.SHUT_WR); print(len(s.recv(1)))
elif port == 7:
    import random, threading
    data = random.Random(1).randbytes(size)
    threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR))).start()
    got = bytearray()
    while piece := s.recv(1 << 16): got += piece
    print(got == data)
else:
    got = bytearray()
    while len(got) < size: got += s.recv(1 << 16)
    s.close(); print(bytes(got[:73]).decode())
"""


@pytest.mark.parametrize("options", [[], ["--builtin"]])
def test_services_in_the_current_namespace_answer_once_the_caller_sets_the_link(
    namespace: Namespace, options: list[str]
) -> None:
    prefix = namespace.enter_hint.split()
    with running("services", *options, "--tap", "tap0", "--address", "10.77.0.2/24", prefix=prefix) as command:
        for line in ("addr add 10.77.0.1/24 dev tap0", "link set tap0 up"):
            subprocess.run([*prefix, "ip", *line.split()], check=True)

        def ask(port: int, size: int) -> str:
            client = [*prefix, sys.executable, "-c", CLIENT, "10.77.0.2", str(port), str(size)]
            return subprocess.run(client, capture_output=True, text=True, timeout=SECONDS).stdout.strip()

        assert ask(7, 2_000_000) == "True"
        assert ask(9, 5_000_000) == "0"
        assert ask(19, 5_000_000).startswith("!\"#$%&'()*+,-./0123456789")
        assert command.end(signal.SIGTERM) == (0, "")


@pytest.mark.parametrize("options", [[], ["--builtin"]])
def test_device_that_goes_away_ends_the_command_with_one_line(namespace: Namespace, options: list[str]) -> None:
    prefix = namespace.enter_hint.split()
    with running("services", *options, "--tap", "tap0", prefix=prefix) as command:
        subprocess.run([*prefix, "ip", "link", "del", "tap0"], check=True)
        _, errors = command.process.communicate(timeout=SECONDS)
    assert command.process.returncode == 1
    assert errors.count("\n") == 1
    assert "tap0 is gone" in errors


def test_device_in_use_is_one_line(namespace: Namespace) -> None:
    prefix = namespace.enter_hint.split()
    with running("services", "--tap", "tap0", prefix=prefix):
        result = wspstack("services", "--tap", "tap0", prefix=prefix)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "tap0" in result.stderr


def test_capture_is_read_by_tshark_without_complaint(folder: Path) -> None:
    programs("curl", "tshark")
    path = folder / "out.pcapng"
    with running("serve", str(folder), "--capture", str(path)) as command:
        url = command.line("serving").split()[-1]
        fetch(command.inside(), f"{url}file.bin")
        status, errors = command.end(signal.SIGTERM)
    assert status == 0
    assert "captured" in errors
    fields = ["-Y", "http.response or http.request", "-T", "fields", "-e", "ip.src"]
    result = subprocess.run(["tshark", "-r", str(path), *fields], capture_output=True, text=True, timeout=SECONDS)
    assert result.returncode == 0, result.stderr
    client, server = sorted(set(result.stdout.split()))
    assert url == f"http://{server}/"
    assert client.endswith(".1")
    complaints = ["-Y", "_ws.malformed or tcp.analysis.lost_segment or tcp.analysis.retransmission"]
    result = subprocess.run(["tshark", "-r", str(path), *complaints], capture_output=True, text=True, timeout=SECONDS)
    assert result.stdout == ""


def test_capture_that_cannot_be_written_is_one_line(folder: Path) -> None:
    result = wspstack("serve", str(folder), "--capture", "/proc/out.pcapng")
    assert result.returncode in (1, 2)
    assert result.stderr.count("\n") == 1
    assert "/proc/out.pcapng" in result.stderr


def test_log_of_one_subsystem_goes_to_stderr(folder: Path) -> None:
    result = wspstack("run", "--dir", str(folder), "--log", "stack=info", "--", "true")
    assert result.returncode == 0
    assert "wspstack.stack INFO" in result.stderr
    assert "wspstack.wsp" not in result.stderr


def test_running_stack_can_be_asked_until_it_ends(folder: Path, tmp_path: Path) -> None:
    told = {**os.environ, DIRECTORY_VARIABLE: str(tmp_path / "control")}
    with running("serve", str(folder), env=told) as command:
        listeners = wspstack("ss", "-tlnp", env=told)
        assert (listeners.returncode, listeners.stderr) == (0, "")
        assert "0.0.0.0:80" in listeners.stdout
        assert f"pid={command.process.pid}" in listeners.stdout
        assert "WspstackFramesIn" in wspstack("stat", "--all", env=told).stdout
        assert command.end(signal.SIGTERM) == (0, "")
    assert list((tmp_path / "control").iterdir()) == []
    assert "no stack of yours runs" in wspstack("ss", env=told).stderr


def test_killed_stack_is_none_that_runs(folder: Path, tmp_path: Path) -> None:
    told = {**os.environ, DIRECTORY_VARIABLE: str(tmp_path / "control")}
    with running("serve", str(folder), env=told) as command:
        command.end(signal.SIGKILL)
    wspstack("clean")
    assert len(list((tmp_path / "control").iterdir())) == 1
    assert "no stack of yours runs" in wspstack("stat", env=told).stderr
    assert list((tmp_path / "control").iterdir()) == []


def test_stack_that_is_not_to_be_asked_makes_no_socket(folder: Path, tmp_path: Path) -> None:
    told = {**os.environ, DIRECTORY_VARIABLE: str(tmp_path / "control")}
    with running("serve", str(folder), "--no-control", env=told) as command:
        assert not (tmp_path / "control").exists()
        assert command.end(signal.SIGTERM) == (0, "")


def test_place_where_no_socket_can_be_is_said_and_the_stack_runs(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "control").write_text("")
    told = {**os.environ, DIRECTORY_VARIABLE: str(tmp_path / "control")}
    with running("serve", str(folder), env=told) as command:
        status, errors = command.end(signal.SIGTERM)
    assert status == 0
    assert "`wspstack ss` and `stat` do not see this stack" in errors
    result = wspstack("serve", str(folder), "--control", str(tmp_path / "missing" / "socket"))
    assert result.returncode == 1
    assert result.stderr.startswith("wspstack: --control: no control socket at")
    assert result.stderr.count("\n") == 1
