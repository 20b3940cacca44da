"""Congestion control by name: of a stack, of a socket, of what a listener accepts (REC-5)."""

import pytest

from stack.wsp import constants as ws
from stack.wsp.errors import EntryFailure
from tests.wsp.hosts import RIGHT, Caller, TwoHosts, two_hosts

pytestmark = pytest.mark.requirement("REC-5")


@pytest.fixture
def hosts() -> TwoHosts:
    return two_hosts()


def algorithm(side: Caller, socket: int) -> str:
    """What the connection of a socket uses."""
    endpoint = side.provider.socket(socket).endpoint
    assert endpoint is not None
    return str(endpoint.congestion)


def test_connection_uses_the_default(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    assert algorithm(hosts.left, left) == algorithm(hosts.right, right) == "cubic"


def test_choice_on_a_connection_holds_for_it_alone(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    hosts.left.provider.use_congestion(left, "bbr")
    assert algorithm(hosts.left, left) == "bbr"
    assert algorithm(hosts.right, right) == "cubic"


def test_choice_before_connecting_and_on_a_listener_is_kept(hosts: TwoHosts) -> None:
    listener = hosts.right.listening(80)
    hosts.right.provider.use_congestion(listener, "newreno")
    left = hosts.left.tcp()
    hosts.left.provider.use_congestion(left, "bbr")
    assert hosts.left.connect_code(left, 80, RIGHT) == 0
    right = hosts.right.accept(listener)
    assert (algorithm(hosts.left, left), algorithm(hosts.right, right)) == ("bbr", "newreno")
    hosts.left.send(left, b"x" * 1000)
    assert len(hosts.right.receive_all(right, 1000)) == 1000


def test_unknown_name_is_told_with_those_there_are(hosts: TwoHosts) -> None:
    left = hosts.left.tcp()
    with pytest.raises(ValueError, match=r"'vegas'; there are cubic, newreno, bbr"):
        hosts.left.provider.use_congestion(left, "vegas")


def test_no_socket_is_told_as_entries_tell_it(hosts: TwoHosts) -> None:
    with pytest.raises(EntryFailure) as failure:
        hosts.left.provider.use_congestion(12345, "bbr")
    assert failure.value.code == ws.WSAENOTSOCK


def test_datagram_socket_has_none(hosts: TwoHosts) -> None:
    with pytest.raises(EntryFailure) as failure:
        hosts.left.provider.use_congestion(hosts.left.udp(), "bbr")
    assert failure.value.code == ws.WSAEOPNOTSUPP
