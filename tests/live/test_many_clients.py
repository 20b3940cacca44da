"""Many clients at once, and what is left when they have gone."""

import contextlib
import gc
import hashlib
import os
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stack.applications.file_server import FileServer
from stack.applications.server import Server
from tests.live.host import LiveHost, live_host

pytestmark = pytest.mark.live

CLIENTS = 200
REQUESTS = int(os.environ.get("WSPSTACK_LIVE_REQUESTS", 50_000))
PORT = 80

ZERO_COUNTERS = ("IllegalTransitions", "ListenOverflows", "InCsumErrors")


def descriptors() -> set[str]:
    """What the open descriptors of this process are, but for the one that lists them."""
    gc.collect()  # what earlier tests left to it
    folder = Path("/proc/self/fd")
    found = set()
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            found.add(f"{name} {os.readlink(folder / name)}")
    return found


@contextlib.contextmanager
def nothing_left(host: LiveHost) -> Iterator[None]:
    """AssertionError when the block leaves a connection other than a TIME-WAIT record, a buffer or a descriptor."""
    before = descriptors()
    yield
    host.settle()
    assert len(descriptors()) == len(before), descriptors() ^ before
    assert not host.stack.service_provider.descriptors.live
    counters = host.stack.counters()
    assert {name: counters[name] for name in ZERO_COUNTERS} == dict.fromkeys(ZERO_COUNTERS, 0)


@contextlib.contextmanager
def file_server(host: LiveHost, root: Path) -> Iterator[None]:
    """Serves `root` over HTTP."""
    with Server(host.stack.provider, PORT, FileServer(root).serve, name="file"):
        yield


def test_parallel_fetches_of_different_files_get_each_its_own(tmp_path: Path, programs: Callable[..., None]) -> None:
    programs(curl="curl")
    served, fetched = tmp_path / "served", tmp_path / "fetched"
    served.mkdir()
    fetched.mkdir()
    source = random.Random(1)
    for number in range(CLIENTS):
        (served / f"{number}").write_bytes(source.randbytes(int(2 ** source.uniform(8, 20))))
    with live_host() as host, nothing_left(host), file_server(host, served):
        urls = (f'url = "http://{host.address}/{each}"\noutput = "{fetched}/{each}"\n' for each in range(CLIENTS))
        (tmp_path / "list").write_text("".join(urls))
        parallel = ["--parallel", "--parallel-immediate", "--parallel-max", str(CLIENTS), "--noproxy", "*"]
        result = host.run("curl", "--fail", "-sS", *parallel, "--config", str(tmp_path / "list"))
        assert result.returncode == 0, result.stderr
    for number in range(CLIENTS):
        sums = [hashlib.sha256((folder / f"{number}").read_bytes()).hexdigest() for folder in (served, fetched)]
        assert sums[0] == sums[1], f"file {number}"


@pytest.mark.timeout(90 + REQUESTS / 250)
def test_thousands_of_requests_from_many_clients_never_fail(tmp_path: Path, programs: Callable[..., None]) -> None:
    programs(ab="apache2-utils")
    (tmp_path / "page").write_bytes(random.Random(2).randbytes(2000))
    with live_host() as host, nothing_left(host), file_server(host, tmp_path):
        command = ["ab", "-q", "-r", "-n", str(REQUESTS), "-c", str(CLIENTS), f"http://{host.address}/page"]
        result = host.run(*command, seconds=60 + REQUESTS / 250)
        told = dict(re.findall(r"^([A-Z][^:]*):\s+(\d+)", result.stdout, re.MULTILINE))
        assert result.returncode == 0, result.stderr
        assert (told["Complete requests"], told["Failed requests"]) == (str(REQUESTS), "0"), result.stdout
        assert told["HTML transferred"] == str(2000 * REQUESTS), result.stdout
        assert "Non-2xx responses" not in told, result.stdout
        print(f"ab -n {REQUESTS} -c {CLIENTS}: {told['Requests per second']} requests a second")
