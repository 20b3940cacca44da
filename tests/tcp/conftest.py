"""Fixtures of the tests of TCP on one link: every host is checked for leftovers when its test ends."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.extension import load
from tests.tcp.scripted_peer import Host


@pytest.fixture
def make_host(request: pytest.FixtureRequest) -> Iterator[Callable[..., Host]]:
    """Makes hosts; afterwards nothing may be left of them and no illegal transition may have been tried.

    A module's `HOSTS` are arguments of all its hosts, where a test gives no others.
    """
    hosts: list[Host] = []
    usual: dict[str, object] = getattr(request.module, "HOSTS", {})

    def make(**arguments: object) -> Host:
        hosts.append(Host(**{**usual, **arguments}))  # type: ignore[arg-type]
        return hosts[-1]

    yield make
    for host in hosts:
        host.finish()


@pytest.fixture
def host(make_host: Callable[..., Host]) -> Host:
    """A host with default tunables but for the module's `HOSTS`, MTU 1500, bare IP packets."""
    return make_host()


@pytest.fixture(scope="session")
def congestion(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """Congestion control alone (controller.pyx)."""
    return load(Path(__file__).with_name("controller.pyx"), tmp_path_factory.mktemp("controller"))
