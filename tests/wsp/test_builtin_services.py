"""Servers inside the core beside sockets: their ports are one set, and they converse."""

import random
from collections.abc import Callable

import pytest

from stack.assembly import Stack
from stack.serving import BuiltinService
from stack.wsp import constants as ws
from stack.wsp.errors import EntryFailure
from tests.wsp.hosts import LEFT, RIGHT, WILDCARD, Caller, TwoHosts, make_config, two_hosts

TAKEN = (ws.WSAEADDRINUSE, ws.WSAEACCES)
PORT = 7


def code_of(make: Callable[[], object]) -> int:
    """The code that it fails with."""
    with pytest.raises(EntryFailure) as failed:
        make()
    return failed.value.code


def serving(caller: Caller, kind: str = "echo", **arguments: object) -> BuiltinService:
    """A service of the caller's host."""
    return BuiltinService(caller.provider, kind, PORT, **arguments)  # type: ignore[arg-type]


@pytest.mark.requirement("BIND-19")
@pytest.mark.parametrize("option", [None, ws.SO_REUSEADDR, ws.SO_EXCLUSIVEADDRUSE])
@pytest.mark.parametrize("address", [WILDCARD, LEFT])
def test_port_of_a_service_cannot_be_bound_until_it_is_closed(
    hosts: TwoHosts, option: int | None, address: str
) -> None:
    left = hosts.left
    service = serving(left)
    s = left.tcp()
    if option is not None:
        left.set(s, option, 1)
    assert left.bind_code(s, PORT, address) in TAKEN
    service.close()
    assert left.bind_code(s, PORT, address) == 0


@pytest.mark.parametrize("kind", ["echo", "source"])
def test_port_of_a_socket_cannot_be_served_until_it_is_closed(hosts: TwoHosts, kind: str) -> None:
    left = hosts.left
    s = left.bound(PORT)
    assert code_of(lambda: serving(left, kind)) == ws.WSAEADDRINUSE
    left.close(s)
    serving(left, kind).close()


def test_port_of_a_service_cannot_be_served_twice(hosts: TwoHosts) -> None:
    with serving(hosts.left, "echo"):
        assert code_of(lambda: serving(hosts.left, "discard")) == ws.WSAEADDRINUSE
    serving(hosts.left, "discard").close()


def test_service_at_an_address_that_is_not_ours_is_refused(hosts: TwoHosts) -> None:
    assert code_of(lambda: serving(hosts.left, address=bytes([10, 0, 0, 99]))) == ws.WSAEADDRNOTAVAIL


@pytest.mark.requirement("LISTEN-45")
def test_services_count_among_the_listeners() -> None:
    hosts = two_hosts(left={"max_listeners": 1})
    service = serving(hosts.left)
    s = hosts.left.bound(80)
    assert hosts.left.code("WSPListen", s, 5) == ws.WSAEMFILE
    service.close()
    service.close()
    assert hosts.left.code("WSPListen", s, 5) == 0
    assert code_of(lambda: serving(hosts.left)) == ws.WSAEMFILE


def test_kind_that_there_is_not_leaves_the_port_free(hosts: TwoHosts) -> None:
    with pytest.raises(ValueError, match="kind is 'time'"):
        serving(hosts.left, "time")
    hosts.left.bound(PORT)


def test_socket_converses_with_a_service(hosts: TwoHosts) -> None:
    service = serving(hosts.right, "echo", address=bytes([10, 0, 0, 2]))
    s = hosts.left.connected(PORT, RIGHT)
    said = random.Random(1).randbytes(100_000)
    hosts.left.send(s, said)
    assert hosts.left.receive_all(s, len(said)) == said
    hosts.left.ok("WSPShutdown", s, ws.SD_SEND)
    assert hosts.left.receive(s) == b""
    counters = service.counters()
    assert (counters["open"], counters["accepted"], counters["sent"]) == (0, 1, len(said))


def test_stack_that_stops_closes_its_services() -> None:
    with Stack(make_config(LEFT)) as stack:
        service = stack.serve("source", PORT)
        other = stack.serve("echo", 8, address=LEFT)
        other.close()
        assert stack.engine.usage()["listeners"] == 1
    assert stack.engine.usage()["listeners"] == 0
    assert set(service.counters().values()) == {0}


def test_loss_of_the_device_is_told_to_whom_it_concerns() -> None:
    told: list[Exception] = []
    with Stack(make_config(LEFT)) as stack:
        stack.serve("echo", PORT, on_failure=told.append)
        stack.serve("discard", 9)
        stack._device_failed(OSError("gone"))
    assert [str(failure) for failure in told] == ["gone"]


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_port_that_cannot_be_is_refused(port: int) -> None:
    with Stack(make_config(LEFT)) as stack, pytest.raises(ValueError, match=f"port is {port}"):
        stack.serve("echo", port)
