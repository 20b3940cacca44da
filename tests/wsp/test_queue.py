"""The listener's queue on the wire (wsp.md 2.4 to 2.6, LISTEN-72, 73): every frame, and that nothing else is sent."""

import pytest

from stack.driving import SECOND
from stack.wsp import constants as ws
from tests.wsp.clients import Client, CraftedClients
from tests.wsp.crafted import PEER
from tests.wsp.hosts import MILLISECOND


@pytest.fixture
def clients() -> CraftedClients:
    return CraftedClients()


def accepted_port(clients: CraftedClients, listener: int) -> int:
    return clients.host.peer(clients.host.accept(listener))[1]


def refused(clients: CraftedClients) -> Client:
    """A client whose SYN is answered with one RST,ACK at once, and with nothing more later."""
    client = clients.client()
    client.syn()
    clients.expect(client.refusal())
    return client


@pytest.mark.requirement("LISTEN-22", "LISTEN-1", "LISTEN-54")
def test_handshake_is_one_syn_ack_and_then_silence(clients: CraftedClients) -> None:
    listener = clients.host.listening(80)
    client = clients.client().connect()
    clients.silent_for(100 * SECOND)
    assert accepted_port(clients, listener) == client.port
    clients.silent_for(100 * SECOND)


@pytest.mark.requirement("LISTEN-1", "BIND-26")
def test_port_that_does_not_listen_refuses(clients: CraftedClients) -> None:
    clients.host.bound(80)
    refused(clients)


@pytest.mark.requirement("LISTEN-4", "LISTEN-24", "LISTEN-36", "LISTEN-48", "LISTEN-50", "LISTEN-51")
@pytest.mark.parametrize("backlog", [1, 2, 3, 5, 200])
def test_queue_holds_exactly_its_backlog_half_open_and_finished_together(clients: CraftedClients, backlog: int) -> None:
    clients.host.listening(80, backlog)
    for index in range(backlog):
        client = clients.client()
        if index % 2:
            client.half_open()
        else:
            client.connect()
    for _ in range(3):
        refused(clients)
    clients.silent_for(100 * MILLISECOND)


@pytest.mark.requirement("LISTEN-37", "LISTEN-32")
def test_backlog_of_zero_holds_one(clients: CraftedClients) -> None:
    clients.host.listening(80, 0)
    clients.client().connect()
    refused(clients)


@pytest.mark.requirement("LISTEN-39", "LISTEN-33", "LISTEN-31")
@pytest.mark.parametrize("ceiling", [5, 60, 100, 200])
def test_historical_ceilings_can_be_configured(ceiling: int) -> None:
    clients = CraftedClients(backlog_max=ceiling)
    clients.host.listening(80, ws.SOMAXCONN)
    for _ in range(ceiling):
        clients.client().connect()
    refused(clients)


@pytest.mark.requirement("LISTEN-35", "LISTEN-38", "LISTEN-5")
def test_hint_goes_beyond_what_somaxconn_gives(clients: CraftedClients) -> None:
    clients.host.listening(80, ws.SOMAXCONN)
    clients.host.listening(81, ws.SOMAXCONN_HINT(250))
    for _ in range(200):
        clients.client().connect()
    refused(clients)
    for _ in range(250):
        clients.client(to=81).connect()
    late = clients.client(to=81)
    late.syn()
    clients.expect(late.refusal())


@pytest.mark.requirement("LISTEN-49")
def test_repeated_syn_counts_once_and_is_answered_again(clients: CraftedClients) -> None:
    clients.host.listening(80, 2)
    client = clients.client().half_open()
    for _ in range(2):
        client.syn()
        clients.expect(client.syn_ack)
    clients.client().half_open()
    client.syn()
    clients.expect(client.syn_ack)  # admitted already: no RST although the queue is full now
    refused(clients)
    client.ack()
    clients.expect()


@pytest.mark.requirement("LISTEN-50")
@pytest.mark.parametrize("text", [b"", b"hello"])
def test_refusal_acknowledges_syn_and_text_and_leaves_no_state(clients: CraftedClients, text: bytes) -> None:
    clients.host.listening(80, 1)
    clients.client().connect()
    client = clients.client()
    client.syn(text)
    (time,) = clients.expect(client.refusal(1 + len(text)))
    assert time == clients.driver.now()
    clients.silent_for(100 * SECOND)
    assert clients.engine_connections() == 1
    client.syn(text)
    clients.expect(client.refusal(1 + len(text)))


@pytest.mark.requirement("LISTEN-52", "LISTEN-53")
def test_half_open_connection_that_is_reset_frees_its_slot_without_a_trace(clients: CraftedClients) -> None:
    host = clients.host
    listener = host.nonblocking(host.listening(80, 1))
    client = clients.client().half_open()
    refused(clients)
    client.reset()
    clients.expect()
    assert host.select(read=[listener])[0] == []
    assert host.accept_code(listener) == ws.WSAEWOULDBLOCK
    assert clients.engine_connections() == 0
    clients.client().connect()


@pytest.mark.requirement("LISTEN-52")
def test_half_open_connection_that_times_out_frees_its_slot(clients: CraftedClients) -> None:
    host = clients.host
    listener = host.nonblocking(host.listening(80, 1))
    client = clients.client().half_open()
    clients.driver.run(300 * SECOND)
    repeats = clients.take()
    assert {frame for _, frame in repeats} == {client.syn_ack()}
    assert [time // SECOND for time, _ in repeats] == [1, 3, 7, 15, 31]
    assert host.select(read=[listener])[0] == []
    clients.client().connect()


@pytest.mark.requirement("LISTEN-52")
def test_accept_frees_a_slot(clients: CraftedClients) -> None:
    listener = clients.host.listening(80, 1)
    for _ in range(3):
        client = clients.client().connect()
        refused(clients)
        assert accepted_port(clients, listener) == client.port
    clients.expect()


@pytest.mark.requirement("LISTEN-52", "LISTEN-48", "ACPT-7", "ACPT-8")
def test_reset_connection_keeps_its_slot_until_it_is_reported(clients: CraftedClients) -> None:
    host = clients.host
    listener = host.nonblocking(host.listening(80, 1))
    client = clients.client().connect()
    client.reset()
    clients.expect()
    refused(clients)
    assert host.select(read=[listener])[0] == [listener]
    assert host.accept_code(listener) == ws.WSAECONNRESET
    assert host.select(read=[listener])[0] == []
    assert host.accept_code(listener) == ws.WSAEWOULDBLOCK
    clients.client().connect()


@pytest.mark.requirement("LISTEN-54")
def test_order_of_accept_is_that_of_the_last_acks(clients: CraftedClients) -> None:
    listener = clients.host.listening(80)
    line = [clients.client().half_open() for _ in range(4)]
    for index in (2, 0, 3, 1):
        line[index].ack()
    assert [accepted_port(clients, listener) for _ in line] == [line[index].port for index in (2, 0, 3, 1)]


@pytest.mark.requirement("LISTEN-55")
def test_peer_that_closed_while_queued_is_acknowledged_and_readable_after_accept(clients: CraftedClients) -> None:
    host = clients.host
    listener = host.listening(80, 1)
    client = clients.client().connect()
    client.data(b"bye")
    client.fin()
    clients.driver.run(SECOND)
    assert clients.take()[-1][1] == client.acknowledgement()
    refused(clients)
    s = host.accept(listener)
    assert (host.receive(s), host.receive(s)) == (b"bye", b"")
    clients.silent_for(SECOND)


@pytest.mark.requirement("LISTEN-56", "LISTEN-29", "LISTEN-62")
def test_larger_backlog_keeps_all_and_admits_more_at_once(clients: CraftedClients) -> None:
    host = clients.host
    listener = host.listening(80, 2)
    line = [clients.client().connect(), clients.client().half_open()]
    refused(clients)
    host.ok("WSPListen", listener, 4)  # the page of `listen` says that this changes nothing; it does
    clients.expect()
    line += [clients.client().connect(), clients.client().connect()]
    refused(clients)
    line[1].ack()
    clients.expect()
    assert [accepted_port(clients, listener) for _ in line] == [line[index].port for index in (0, 2, 3, 1)]


@pytest.mark.requirement("LISTEN-57", "LISTEN-58", "LISTEN-59", "LISTEN-30", "LISTEN-62")
def test_smaller_backlog_takes_victims_in_the_specified_order(clients: CraftedClients) -> None:
    host = clients.host
    listener = host.listening(80, 6)
    kinds = "fhfhff"  # finished and half-open, oldest SYN first
    line = [clients.client().half_open() if kind == "h" else clients.client().connect() for kind in kinds]
    order = [3, 1, 5, 4, 2]  # half-open ones, youngest SYN first, then finished ones, youngest first
    for left, victim in zip(reversed(range(1, 6)), order, strict=True):
        host.ok("WSPListen", listener, left)
        (time,) = clients.expect(line[victim].reset_of_connection())
        assert time == clients.driver.now()
        refused(clients)
    clients.silent_for(100 * SECOND)
    assert accepted_port(clients, listener) == line[0].port
    assert host.accept_code(host.nonblocking(listener)) == ws.WSAEWOULDBLOCK


@pytest.mark.requirement("LISTEN-58")
def test_finished_victims_are_the_youngest_by_their_last_ack(clients: CraftedClients) -> None:
    listener = clients.host.listening(80, 3)
    line = [clients.client().half_open() for _ in range(3)]
    for index in (2, 0, 1):
        line[index].ack()
    clients.host.ok("WSPListen", listener, 1)
    clients.expect(line[0].reset_of_connection(), line[1].reset_of_connection())
    assert accepted_port(clients, listener) == line[2].port


@pytest.mark.requirement("LISTEN-59")
def test_victim_that_its_peer_has_reset_gets_no_reset(clients: CraftedClients) -> None:
    host = clients.host
    listener = host.listening(80, 3)
    line = [clients.client().connect() for _ in range(3)]
    line[2].reset()
    host.ok("WSPListen", listener, 1)
    clients.expect(line[1].reset_of_connection())
    assert accepted_port(clients, listener) == line[0].port


@pytest.mark.requirement("LISTEN-59", "LISTEN-55")
def test_victim_whose_text_is_unread_gets_one_reset(clients: CraftedClients) -> None:
    host = clients.host
    listener = host.listening(80, 2)
    line = [clients.client().connect() for _ in range(2)]
    line[1].data(b"unread")
    clients.driver.run(SECOND)
    clients.expect(line[1].acknowledgement())
    host.ok("WSPListen", listener, 1)
    clients.expect(line[1].reset_of_connection())


@pytest.mark.requirement("LISTEN-60")
def test_backlog_at_or_above_the_occupancy_drops_nothing_and_governs_later(clients: CraftedClients) -> None:
    host = clients.host
    listener = host.listening(80, 5)
    line = [clients.client().connect(), clients.client().half_open()]
    host.ok("WSPListen", listener, 3)
    host.ok("WSPListen", listener, 2)
    clients.expect()
    refused(clients)
    line[1].ack()
    assert [accepted_port(clients, listener) for _ in line] == [client.port for client in line]


@pytest.mark.requirement("LISTEN-61", "LISTEN-72", "ACPT-25")
def test_repeated_listen_keeps_pause_and_deferral(clients: CraftedClients) -> None:
    host = clients.host
    listener = host.listening(80, 5)
    clients.client().connect()
    assert host.accept_code(listener, lambda *_: ws.CF_DEFER) == ws.WSATRY_AGAIN
    host.set(listener, ws.SO_PAUSE_ACCEPT, 1)
    host.ok("WSPListen", listener, 7)
    assert host.get(listener, ws.SO_PAUSE_ACCEPT) == 1
    assert host.select(read=[listener])[0] == []
    refused(clients)


@pytest.mark.requirement("LISTEN-44", "LISTEN-79")
def test_listen_that_fails_changes_neither_queue_nor_backlog(clients: CraftedClients) -> None:
    host = clients.host
    listener = host.listening(80, 2)
    line = [clients.client().connect() for _ in range(2)]

    def condition(*_: object) -> int:
        assert host.code("WSPListen", listener, 1) == ws.WSAEINPROGRESS
        return ws.CF_DEFER

    assert host.accept_code(listener, condition) == ws.WSATRY_AGAIN
    clients.expect()
    refused(clients)
    assert [accepted_port(clients, listener) for _ in line] == [client.port for client in line]


@pytest.mark.requirement("LISTEN-25", "LISTEN-26", "LISTEN-27", "LISTEN-63", "LISTEN-64", "LISTEN-65", "LISTEN-66")
def test_queue_outlives_a_lack_of_descriptors() -> None:
    clients = CraftedClients(max_descriptors=3)
    host = clients.host
    listener = host.listening(80, 9)
    spare = [host.tcp(), host.tcp()]
    host.ok("WSPListen", listener, 4)
    line = [clients.client().connect() for _ in range(4)]
    refused(clients)
    assert host.accept_code(listener) == ws.WSAEMFILE
    clients.silent_for(10 * SECOND)
    for s in spare:
        host.close(s)
    assert [accepted_port(clients, listener) for _ in spare] == [client.port for client in line[:2]]
    assert host.accept_code(listener) == ws.WSAEMFILE
    line += [clients.client().connect() for _ in spare]
    refused(clients)
    clients.silent_for(10 * SECOND)
    host.provider.descriptors.capacity = 10
    assert [accepted_port(clients, listener) for _ in range(4)] == [client.port for client in line[2:]]


@pytest.mark.requirement("LISTEN-64", "ACPT-5", "ACPT-7")
def test_reset_head_waits_for_a_descriptor_too() -> None:
    clients = CraftedClients(max_descriptors=1)
    host = clients.host
    listener = host.listening(80)
    clients.client().connect().reset()
    assert host.accept_code(listener) == ws.WSAEMFILE
    host.provider.descriptors.capacity = 2
    assert host.accept_code(listener) == ws.WSAECONNRESET


@pytest.mark.requirement("ACPT-5", "ACPT-2")
def test_empty_queue_without_descriptors_waits_and_then_reports() -> None:
    clients = CraftedClients(max_descriptors=1)
    listener = clients.host.listening(80)
    clients.driver.after(SECOND, lambda: clients.client().connect())
    assert clients.host.accept_code(listener) == ws.WSAEMFILE
    assert clients.driver.now() == SECOND


@pytest.mark.requirement("LISTEN-72", "OPT-31")
def test_paused_listener_refuses_every_syn_and_keeps_its_queue(clients: CraftedClients) -> None:
    host = clients.host
    listener = host.listening(80, 5)
    assert host.get(listener, ws.SO_PAUSE_ACCEPT) == 0
    line = [clients.client().connect(), clients.client().half_open()]
    host.set(listener, ws.SO_PAUSE_ACCEPT, 1)
    clients.expect()
    refused(clients)
    line[1].ack()  # admitted before: it is not a SYN
    clients.expect()
    assert [accepted_port(clients, listener) for _ in line] == [client.port for client in line]
    refused(clients)
    host.set(listener, ws.SO_PAUSE_ACCEPT, 0)
    clients.client().connect()


@pytest.mark.requirement("LISTEN-72", "OPT-31")
def test_pause_set_before_listening_holds_from_the_first_syn(clients: CraftedClients) -> None:
    host = clients.host
    s = host.bound(80, "0.0.0.0", ws.SO_PAUSE_ACCEPT)
    host.ok("WSPListen", s, 5)
    refused(clients)
    assert host.set_code(host.udp(), ws.SO_PAUSE_ACCEPT, 1) == ws.WSAENOPROTOOPT


@pytest.mark.requirement("LISTEN-73")
def test_closed_listener_resets_all_it_held_and_refuses_from_then_on(clients: CraftedClients) -> None:
    host = clients.host
    listener = host.listening(80, 5)
    line = [clients.client().connect(), clients.client().half_open(), clients.client().connect()]
    gone = clients.client().connect()
    gone.reset()
    taken = host.accept(listener)
    host.close(listener)
    clients.expect(*(client.reset_of_connection() for client in line[1:]))
    refused(clients)
    line[0].data(b"still here")
    clients.expect(line[0].acknowledgement())
    assert host.receive(taken) == b"still here"


@pytest.mark.requirement("ACPT-19", "ACPT-1", "ACPT-10")
def test_accept_sends_nothing_and_knows_the_address_the_syn_went_to(clients: CraftedClients) -> None:
    host = clients.host
    listener = host.listening(80)
    client = clients.client().connect()
    s = host.accept(listener)
    clients.silent_for(10 * SECOND)
    assert host.local(s) == ("10.0.0.1", 80)
    assert host.peer(s) == (PEER, client.port)
    assert host.get(listener, ws.SO_ACCEPTCONN) == 1


@pytest.mark.requirement("LISTEN-51", "LIM-2")
def test_memory_limit_refuses_what_the_backlog_would_admit() -> None:
    clients = CraftedClients(memory_limit=1 << 20)
    host = clients.host
    listener = host.listening(80, 5)
    client, other = clients.client().connect(), clients.client().connect()
    s = host.nonblocking(host.accept(listener))
    host.set(s, ws.SO_SNDBUF, 1 << 21)
    size = 1 << 19
    while size:
        if host.send_code(s, bytes(size)) != 0:
            size //= 2
    clients.take()
    for _ in range(10):
        other.data(bytes(1400))
    clients.take()
    refused(clients)
    client.reset()
    clients.client().connect()
