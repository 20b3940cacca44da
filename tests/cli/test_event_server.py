"""The server of many connections in one thread."""

import random
import threading

import pytest

from stack.applications import event_server
from stack.applications.event_server import EventServer
from stack.applications.membership import Membership
from stack.applications.services import Discard, Echo, Source
from stack.applications.stream import EntryFailed, StreamSocket
from stack.wsp import constants
from tests.cli.conversation import SERVER
from tests.cli.served import SERVED, Served, two_stacks


def test_membership_keeps_the_others_when_one_goes() -> None:
    members, expected = Membership(), set()
    source = random.Random(5)
    for _ in range(2000):
        handle = source.randrange(4, 2000, 4)
        if source.random() < 0.6:
            members.add(handle)
            expected.add(handle)
        else:
            members.discard(handle)
            expected.discard(handle)
        assert len(members) == len(expected)
    assert set(members.asked().descriptors) == expected
    assert set(members.ready()) == expected


def test_membership_without_members_asks_about_nothing() -> None:
    members = Membership()
    assert members.asked() is None
    assert members.ready() == []
    members.add(4)
    assert members.asked().descriptors == members.ready() == [4]
    members.discard(4)
    assert members.asked() is None
    assert members.ready() == []


def test_many_connections_are_served_at_once_each_its_own() -> None:
    served = Served(Echo)
    said = [random.Random(number).randbytes(2000) for number in range(150)]
    readers = []
    for text in said:
        client = served.connect()
        client.send(text)
        client.shutdown_send()
        readers.append(served.reader(client))
    served.serve_until(lambda: all(reader.ended for reader in readers))
    assert [bytes(reader.received) for reader in readers] == said
    assert served.server.connections == 0


def test_connections_beyond_the_limit_wait_and_are_served_later() -> None:
    served = Served(Echo, connections=2)
    clients = [served.connect() for _ in range(5)]
    served.serve_for(20)
    assert served.server.connections == 2
    readers = []
    for number, client in enumerate(clients):
        client.send(bytes([number]))
        client.shutdown_send()
        readers.append(served.reader(client))
    served.serve_until(lambda: all(reader.ended for reader in readers))
    assert [bytes(reader.received) for reader in readers] == [bytes([number]) for number in range(5)]


def test_without_free_descriptors_the_rest_waits_and_is_served_later(monkeypatch: pytest.MonkeyPatch) -> None:
    served = Served(Echo)
    table = served.conversation.provider.descriptors
    clients = [served.connect() for _ in range(3)]
    monkeypatch.setattr(table, "capacity", len(table) + 1)
    served.serve_for(10)
    assert served.server.connections == 1
    for client in clients:
        client.shutdown_send()
    readers = [served.reader(client) for client in clients]
    served.serve_until(lambda: all(reader.ended for reader in readers))


def test_connection_reset_in_the_backlog_does_not_end_the_server() -> None:
    served = Served(Echo)
    client = served.connect()
    client.set_option(constants.SOL_SOCKET, constants.SO_LINGER, 1)  # on, 0 s
    client.close()
    served.serve_for(3)
    assert served.hold(b"still there") == b"still there"


class Faulty(Echo):
    """Fails on a connection that says `x`."""

    def readable(self, handle: int) -> int:
        wanted = super().readable(handle)
        if self._count.value and bytes(self._buffer[:1]) == b"x":
            raise RuntimeError("planted")
        return wanted

    def forget(self, handle: int) -> None:
        super().forget(handle)
        raise RuntimeError("planted too")


def test_fault_of_a_service_ends_that_connection_only(monkeypatch: pytest.MonkeyPatch) -> None:
    reports: list[str] = []
    monkeypatch.setattr(event_server.LOG, "exception", lambda text, *names: reports.append(text % names))
    served = Served(Faulty)
    good, bad = served.connect(), served.connect()
    served.serve_until(lambda: served.server.connections == 2)
    bad.send(b"x")
    served.serve_until(lambda: served.server.connections == 1)
    # once for what it did with the bytes, once for what it did at the end
    assert reports == ["Faulty: connection ended by a fault of the server"] * 2
    good.send(b"y")
    good.shutdown_send()
    reader = served.reader(good)
    served.serve_until(lambda: reader.ended)
    assert bytes(reader.received) == b"y"


def test_port_in_use_is_told_and_no_descriptor_is_left() -> None:
    served = Served(Discard)
    table = served.conversation.provider.descriptors
    before = len(table)
    other = EventServer(served.conversation.server, {81: served.service, SERVED: served.service})
    with pytest.raises(EntryFailed) as failed:
        other.listen()
    assert failed.value.code == constants.WSAEADDRINUSE
    assert len(table) == before


def test_stop_ends_a_server_that_waits_and_closes_its_connections() -> None:
    with two_stacks() as (serving, client):
        table = serving.service_provider.descriptors
        server = EventServer(serving.provider, {SERVED: Source(serving.provider), 9: Discard(serving.provider)})
        server.start()
        connection = StreamSocket.connected(client.provider, SERVER, SERVED)
        assert connection.receive_into(bytearray(100))
        server.stop()
        assert len(table) == 0
        assert server.connections == 0
        connection.close()


def test_stop_with_grace_lets_a_connection_end_by_itself() -> None:
    with two_stacks() as (serving, client):
        server = EventServer(serving.provider, {SERVED: Echo(serving.provider)}, connections=1)
        server.start()
        connection = StreamSocket.connected(client.provider, SERVER, SERVED)
        connection.send(b"a")
        buffer = bytearray(10)
        assert connection.receive_into(buffer) == 1
        stopping = threading.Thread(target=server.stop, args=(50.0,))
        stopping.start()
        pause = threading.Event()
        while serving.engine.usage()["listeners"]:
            pause.wait(0.001)
        connection.send(b"b")
        assert connection.receive_into(buffer) == 1
        connection.close()
        stopping.join()
        assert server.connections == 0


def test_loss_of_the_network_is_told_to_the_owner() -> None:
    told: list[EntryFailed] = []
    with two_stacks() as (serving, _):
        server = EventServer(serving.provider, {SERVED: Echo(serving.provider)}, on_failure=told.append)
        server.start()
        serving.service_provider.network_down()
        server._thread.join()
        assert [failure.code for failure in told] == [constants.WSAENETDOWN]
        server.stop()
