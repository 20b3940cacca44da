"""Signed sockets: the keys of a stack, and the one that a socket asks its peer for (TCPX-7)."""

import pytest

from netcore.keyring import Keyring
from stack.wsp import constants as ws
from stack.wsp.errors import EntryFailure
from tests.wsp.hosts import LEFT, RIGHT, Caller, TwoHosts, two_hosts
from tests.wsp.test_live import PATIENCE, connection, in_thread, two_stacks

pytestmark = pytest.mark.requirement("TCPX-7")


@pytest.fixture
def hosts() -> TwoHosts:
    """Two hosts that share two keys, of identifiers 1 and 2."""
    hosts = two_hosts()
    for side, peer in ((hosts.left, RIGHT), (hosts.right, LEFT)):
        for number in (1, 2):
            Keyring(side.engine).add_ao(peer, b"secret" * number, send_id=number, receive_id=number)
    return hosts


def identifier(side: Caller, socket: int) -> int:
    """Of the key that the connection of a socket signs with."""
    endpoint = side.provider.socket(socket).endpoint
    assert endpoint is not None
    keys = Keyring(side.engine).in_use(endpoint)
    assert keys is not None
    return int(keys["current"]["send_id"])


def test_sockets_send_and_receive_signed(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    hosts.left.send(left, b"x" * 5000)
    assert len(hosts.right.receive_all(right, 5000)) == 5000
    assert hosts.left.engine.counters()["TCPAOGood"] > 0
    assert identifier(hosts.left, left) == identifier(hosts.right, right) == 1


def test_peer_signs_with_the_key_that_a_socket_asks_for(hosts: TwoHosts) -> None:
    left, right = hosts.connection()
    hosts.left.provider.request_key(left, 2)
    hosts.left.send(left, b"now")
    assert hosts.right.receive_all(right, 3) == b"now"
    assert (identifier(hosts.left, left), identifier(hosts.right, right)) == (1, 2)


def test_key_that_nobody_has_is_told(hosts: TwoHosts) -> None:
    left, _ = hosts.connection()
    with pytest.raises(ValueError, match="no key of receive_id 3"):
        hosts.left.provider.request_key(left, 3)


def test_socket_without_connection_is_told_as_entries_tell_it(hosts: TwoHosts) -> None:
    for socket, code in ((hosts.left.tcp(), ws.WSAENOTCONN), (12345, ws.WSAENOTSOCK)):
        with pytest.raises(EntryFailure) as failure:
            hosts.left.provider.request_key(socket, 1)
        assert failure.value.code == code


@pytest.mark.parametrize("algorithm", ["hmac-sha-1-96", "aes-128-cmac-96"])
def test_two_running_stacks_exchange_signed_streams_and_change_their_keys(algorithm: str) -> None:
    text = bytes(range(251)) * 4000
    with two_stacks() as (left, right):
        for side, peer in ((left, RIGHT), (right, LEFT)):
            for number in (1, 2):
                side.stack.keys.add_ao(peer, b"secret" * number, send_id=number, receive_id=number, algorithm=algorithm)
        client, server = connection(left, right)
        sending = [
            in_thread(lambda side=side, s=s: side.send(s, text)) for side, s in ((left, client), (right, server))
        ]
        receiving, received = in_thread(lambda: right.receive_all(server, len(text)))
        half = left.receive_all(client, len(text) // 2)
        left.stack.request_key(client, 2)
        assert half + left.receive_all(client, len(text) - len(half)) == text
        for thread in (receiving, *(thread for thread, _ in sending)):
            thread.join(PATIENCE)
        assert received == [text]
        assert right.send(server, b"!") == 1
        assert left.receive_all(client, 1) == b"!"
        assert identifier(right, server) == 2
        for side in (left, right):
            counters = side.stack.counters()
            assert counters["TCPAOGood"] > 100
            assert {name for name, count in counters.items() if name.startswith("TCPAO") and count} == {"TCPAOGood"}
