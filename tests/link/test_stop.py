"""What the end of a stack does to connections, its own side and the peer's."""

import pytest

from netcore.endpoint import ABORTED, RESET, Endpoint
from netcore.engine import Engine
from netcore.listener import Listener
from netcore.simulator import Pair
from tests.link.wire import HOST, PEER, SECOND, dotted


def connected() -> tuple[Pair, Engine, Endpoint, Endpoint]:
    """Two hosts and both ends of a connection that the first has opened."""
    near, far = (Engine(address=dotted(address), prefix=24, seed=bytes(16)) for address in (HOST, PEER))
    pair = Pair(near, far)
    listener = far.listen(None, 80, 5)
    assert isinstance(listener, Listener)
    ours = near.connect(1000, (PEER, 80))
    assert isinstance(ours, Endpoint)
    pair.run_until(SECOND)
    theirs = listener.accept()
    assert isinstance(theirs, Endpoint)
    return pair, near, ours, theirs


@pytest.mark.requirement("CLEAN-3", "CLEAN-5", "SND-10")
def test_stack_that_ends_takes_nothing_from_a_peer_that_has_not_read_yet() -> None:
    pair, near, ours, theirs = connected()
    text = bytes(number % 251 for number in range(100_000))
    ours.send(text)
    ours.close()
    pair.run_until(2 * SECOND)
    assert near.usage()["undelivered"] == 0
    assert near.abort_all() == 1
    pair.run_until(3 * SECOND)
    buffer = bytearray(len(text))
    assert theirs.receive_into(buffer) == len(text)
    assert buffer == text
    assert theirs.receive_into(buffer) == 0
    assert near.usage()["connections"] == near.usage()["orphans"] == 0


@pytest.mark.requirement("CLEAN-5")
def test_stack_that_ends_resets_what_it_has_not_delivered() -> None:
    pair, near, ours, theirs = connected()
    theirs.receive_buffer = 0
    ours.send(bytes(3_000_000))
    ours.close()
    pair.run_until(2 * SECOND)
    assert near.usage()["undelivered"] == 1
    assert near.abort_all() == 1
    pair.run_until(3 * SECOND)
    assert theirs.status == RESET


@pytest.mark.requirement("CLEAN-2")
def test_stack_that_ends_resets_open_connections() -> None:
    pair, near, ours, theirs = connected()
    assert near.abort_all() == 1
    pair.run_until(2 * SECOND)
    assert (ours.status, theirs.status) == (ABORTED, RESET)
