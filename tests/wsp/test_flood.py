"""A listener under a SYN flood (wsp.md 2.8), on frames under virtual time."""

import pytest

from stack.driving import SECOND
from stack.wsp import constants as ws
from tests.wsp.clients import Client, CraftedClients, Frame
from tests.wsp.crafted import PEER
from tests.wsp.hosts import MILLISECOND

BACKLOG = 4


def under_attack(backlog: int = BACKLOG, **fields: object) -> tuple[CraftedClients, int, list[Client]]:
    """A listener whose queue is full of old half-open connections; its repeated SYN,ACKs are taken away."""
    clients = CraftedClients(**fields)
    listener = clients.host.listening(80, backlog)
    spoofed = [clients.client().half_open() for _ in range(backlog)]
    clients.driver.run(1001 * MILLISECOND)
    clients.take()
    return clients, listener, spoofed


def counter(clients: CraftedClients, name: str) -> int:
    return clients.driver.engine.counters()[name]


@pytest.mark.requirement("LISTEN-74")
def test_full_queue_of_young_half_open_connections_is_no_attack() -> None:
    clients = CraftedClients()
    clients.host.listening(80, BACKLOG)
    for _ in range(BACKLOG):
        clients.client().half_open()
    clients.driver.run(999 * MILLISECOND)
    clients.expect()
    client = clients.client()
    client.syn()
    clients.expect(client.refusal())
    assert counter(clients, "SynFloodsBegun") == 0


@pytest.mark.requirement("LISTEN-74")
@pytest.mark.parametrize(("finished", "attack"), [(1, True), (2, True), (3, False), (4, False)])
def test_half_of_a_full_queue_has_to_be_old_and_half_open(finished: int, attack: bool) -> None:
    clients = CraftedClients()
    clients.host.listening(80, BACKLOG)
    for index in range(BACKLOG):
        client = clients.client()
        if index < finished:
            client.connect()
        else:
            client.half_open()
    clients.driver.run(1001 * MILLISECOND)
    clients.take()
    client = clients.client()
    client.syn()
    if attack:
        clients.expect(client.syn_ack)
    else:
        clients.expect(client.refusal())
    assert counter(clients, "SynFloodsBegun") == attack


@pytest.mark.requirement("LISTEN-74")
def test_old_half_open_connections_with_a_free_slot_are_no_attack() -> None:
    clients = CraftedClients()
    clients.host.listening(80, BACKLOG)
    for _ in range(BACKLOG - 1):
        clients.client().half_open()
    clients.driver.run(1001 * MILLISECOND)
    clients.take()
    before = clients.engine_connections()
    clients.client().half_open()
    assert clients.engine_connections() == before + 1  # an ordinary half-open connection, no cookie
    assert counter(clients, "SyncookiesSent") == 0


@pytest.mark.requirement("LISTEN-75", "LISTEN-78")
def test_cookie_leaves_no_state_and_is_sent_once() -> None:
    clients, _, _ = under_attack()
    before = clients.driver.engine.usage()
    line = [clients.client() for _ in range(50)]
    for client in line:
        client.syn()
    clients.expect(*(client.syn_ack for client in line))
    assert clients.driver.engine.usage() == before
    assert counter(clients, "SyncookiesSent") == 50


@pytest.mark.requirement("LISTEN-75")
def test_cookies_are_sent_while_there_is_room_too() -> None:
    clients, _, spoofed = under_attack()
    client = clients.client()
    client.syn()
    clients.expect(client.syn_ack)
    for each in spoofed:
        each.reset()
    before = clients.engine_connections()
    another = clients.client()
    another.syn()
    clients.expect(another.syn_ack)
    assert clients.engine_connections() == before


@pytest.mark.requirement("LISTEN-76", "LISTEN-75", "LISTEN-78")
def test_valid_cookie_makes_a_connection_and_drops_the_old_without_a_reset() -> None:
    clients, listener, _ = under_attack()
    host = clients.host
    line = []
    for _ in range(BACKLOG):
        client = clients.client()
        client.syn()
        clients.expect(client.syn_ack)
        client.ack()
        clients.expect()
        line.append(client)
    assert [host.peer(host.accept(listener)) for _ in line] == [(PEER, client.port) for client in line]
    assert counter(clients, "SyncookiesRecv") == BACKLOG
    assert clients.engine_connections() == BACKLOG


@pytest.mark.requirement("LISTEN-76")
def test_connection_of_a_cookie_transfers() -> None:
    clients, listener, _ = under_attack()
    host = clients.host
    client = clients.client()
    client.syn()
    clients.expect(client.syn_ack)
    client.data(b"with the last segment of the handshake")
    s = host.accept(listener)
    assert host.receive(s) == b"with the last segment of the handshake"
    clients.take()
    host.send(s, b"back")
    ((_, frame),) = clients.take()
    assert frame == Frame(client.port, "PA", client.at(1), client.next, 4)


@pytest.mark.requirement("LISTEN-76")
def test_valid_cookie_beyond_the_backlog_is_reset() -> None:
    clients, listener, _ = under_attack()
    line = [clients.client() for _ in range(BACKLOG + 1)]
    for client in line:
        client.syn()
    clients.expect(*(client.syn_ack for client in line))
    for client in line:
        client.ack()
    late = line[-1]
    clients.expect(Frame(late.port, "R", late.at(1), 0))
    assert len([clients.host.accept(listener) for _ in range(BACKLOG)]) == BACKLOG


@pytest.mark.requirement("LISTEN-75", "LISTEN-78")
@pytest.mark.parametrize("wrong", [1, 1 << 24, 1 << 30])
def test_forged_cookie_is_reset_and_counted(wrong: int) -> None:
    clients, listener, _ = under_attack()
    client = clients.client()
    client.syn()
    clients.expect(client.syn_ack)
    client.ack(1 + wrong)
    clients.expect(Frame(client.port, "R", client.at(1 + wrong), 0))
    assert clients.host.select(read=[listener])[0] == []
    assert counter(clients, "SyncookiesFailed") == 1


@pytest.mark.requirement("LISTEN-75")
def test_cookie_is_worth_nothing_to_another_port() -> None:
    clients, _, _ = under_attack()
    client, other = clients.client(), clients.client()
    client.syn()
    clients.expect(client.syn_ack)
    other.iss, other.theirs, other.sent = client.iss, client.theirs, 1
    other.ack()
    clients.expect(Frame(other.port, "R", other.at(1), 0))


@pytest.mark.requirement("LISTEN-74")
def test_mode_ends_when_cookies_are_answered_again() -> None:
    clients, listener, spoofed = under_attack()
    host = clients.host
    for _ in range(20):  # unanswered ones: the attack goes on
        client = clients.client()
        client.syn()
        clients.expect(client.syn_ack)
    for each in spoofed:
        each.reset()
    clients.driver.run(4 * SECOND)
    before = clients.engine_connections()
    client = clients.client()
    client.syn()
    clients.expect(client.syn_ack)
    assert clients.engine_connections() == before
    clients.driver.run(7 * SECOND)  # from here on only this last cookie and the next are counted
    clients.client().half_open()
    assert clients.engine_connections() == before + 1
    assert counter(clients, "SynFloodsEnded") == 1
    assert host.select(read=[listener])[0] == []


@pytest.mark.requirement("LISTEN-74", "LISTEN-78")
def test_times_of_the_mode_are_tunable() -> None:
    clients = CraftedClients(syn_flood_age_ms=100, syn_flood_calm_ms=200)
    clients.host.listening(80, BACKLOG)
    spoofed = [clients.client().half_open() for _ in range(BACKLOG)]
    clients.driver.run(101 * MILLISECOND)
    first = clients.client()
    first.syn()
    clients.expect(first.syn_ack)
    for each in spoofed:
        each.reset()
    clients.driver.run(300 * MILLISECOND)
    clients.client().half_open()
    assert (counter(clients, "SynFloodsBegun"), counter(clients, "SynFloodsEnded")) == (1, 1)


@pytest.mark.requirement("LISTEN-78", "LISTEN-50")
def test_without_protection_the_excess_is_refused_as_ever() -> None:
    clients, _, _ = under_attack(syn_protection=False)
    for _ in range(10):
        client = clients.client()
        client.syn()
        clients.expect(client.refusal())
    assert counter(clients, "SyncookiesSent") == 0


@pytest.mark.requirement("LISTEN-77")
def test_every_real_client_gets_in_while_spoofed_syns_pour_in() -> None:
    clients, listener, _ = under_attack(128)
    host = clients.host
    chunks = clients.driver.engine.usage()["chunks"]
    for index in range(200):
        for _ in range(10):
            clients.client().syn()
        clients.take()
        real = clients.client()
        real.syn()
        clients.expect(real.syn_ack)
        real.ack()
        clients.expect()
        s = host.accept(listener)
        assert host.peer(s) == (PEER, real.port)
        host.set_linger(s, 1, 0)
        host.close(s)
        clients.take()
        if index % 20 == 0:
            assert clients.engine_connections() <= 128
            assert clients.driver.engine.usage()["chunks"] == chunks
    assert counter(clients, "SyncookiesFailed") == 0


@pytest.mark.requirement("LISTEN-75", "LISTEN-72")
def test_paused_listener_refuses_under_attack_too() -> None:
    clients, listener, _ = under_attack()
    clients.host.set(listener, ws.SO_PAUSE_ACCEPT, 1)
    client = clients.client()
    client.syn()
    clients.expect(client.refusal())
