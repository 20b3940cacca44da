"""SO_SNDBUF and SO_RCVBUF: the stack's own buffers grow until a program sets them on the socket or its listener."""

import pytest

from stack.wsp import constants as ws
from tests.wsp.hosts import MILLISECOND, RIGHT, TwoHosts, two_hosts

pytestmark = pytest.mark.requirement("TCPX-2")

DEFAULT = 65536  # what the options report (wsp.md 0.1)
SIZE = 4_000_000


@pytest.fixture
def far() -> TwoHosts:
    """Two hosts 20 ms apart."""
    return two_hosts(latency=20 * MILLISECOND)


def carry(hosts: TwoHosts, left: int, right: int) -> None:
    """Sends a few round trips' worth and reads it."""
    for _ in range(SIZE // 100_000):
        hosts.left.send(left, bytes(100_000))
        assert len(hosts.right.receive_all(right, 100_000)) == 100_000
        hosts.left.nonblocking(left)
        while hosts.left.send_code(left, bytes(50_000)) == 0:
            pass
        hosts.left.nonblocking(left, False)
        hosts.run(40 * MILLISECOND)
        hosts.right.nonblocking(right)
        while hosts.right.receive_code(right, 1 << 20) == 0:
            pass
        hosts.right.nonblocking(right, False)


def buffers(hosts: TwoHosts, left: int, right: int) -> tuple[int, int]:
    """What the sender buffers and what the receiver announces at most."""
    sender, receiver = hosts.left.provider.socket(left).endpoint, hosts.right.provider.socket(right).endpoint
    assert sender is not None
    assert receiver is not None
    return sender.send_buffer, receiver.receive_buffer


def test_buffers_grow_while_the_options_report_the_default(far: TwoHosts) -> None:
    left, right = far.connection()
    before = buffers(far, left, right)
    carry(far, left, right)
    assert all(after > first for first, after in zip(before, buffers(far, left, right), strict=True))
    assert far.left.get(left, ws.SO_SNDBUF) == far.right.get(right, ws.SO_RCVBUF) == DEFAULT


@pytest.mark.requirement("OPT-21", "OPT-22")
def test_options_set_on_a_connection_switch_growth_off(far: TwoHosts) -> None:
    left, right = far.connection()
    far.left.set(left, ws.SO_SNDBUF, 300_000)
    far.right.set(right, ws.SO_RCVBUF, 200_000)
    carry(far, left, right)
    assert buffers(far, left, right) == (300_000, 200_000)


@pytest.mark.requirement("OPT-21")
def test_each_direction_is_switched_off_alone(far: TwoHosts) -> None:
    left, right = far.connection()
    far.left.set(left, ws.SO_RCVBUF, 200_000)
    far.right.set(right, ws.SO_SNDBUF, 200_000)
    before = buffers(far, left, right)
    carry(far, left, right)
    assert all(after > first for first, after in zip(before, buffers(far, left, right), strict=True))


@pytest.mark.requirement("OPT-21")
def test_option_set_before_connecting_switches_growth_off(far: TwoHosts) -> None:
    listener = far.right.listening(80)
    left = far.left.tcp()
    far.left.set(left, ws.SO_SNDBUF, 300_000)
    assert far.left.connect_code(left, 80, RIGHT) == 0
    right = far.right.accept(listener)
    before = buffers(far, left, right)
    carry(far, left, right)
    assert buffers(far, left, right)[0] == before[0] == 300_000


@pytest.mark.requirement("ACPT-16", "OPT-22")
def test_option_set_on_the_listener_switches_growth_off(far: TwoHosts) -> None:
    listener = far.right.listening(80)
    far.right.set(listener, ws.SO_RCVBUF, 200_000)
    left = far.left.connected(80, RIGHT)
    right = far.right.accept(listener)
    carry(far, left, right)
    assert buffers(far, left, right)[1] == 200_000
