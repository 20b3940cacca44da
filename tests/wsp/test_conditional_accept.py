"""SO_CONDITIONAL_ACCEPT (wsp.md section 4.3): a SYN waits for the decision of an accept."""

import ctypes
import threading
from collections.abc import Callable
from typing import Any

import pytest

from stack.driving import SECOND, NothingScheduled
from stack.wsp import constants as ws
from stack.wsp.structures import sockaddr_in
from tests.wsp.clients import Client, CraftedClients
from tests.wsp.crafted import PEER
from tests.wsp.hosts import MILLISECOND


@pytest.fixture
def clients() -> CraftedClients:
    return CraftedClients()


def conditional(clients: CraftedClients, backlog: int = 5) -> int:
    """A conditional listener at port 80."""
    listener = clients.host.bound(80, "0.0.0.0", ws.SO_CONDITIONAL_ACCEPT)
    clients.host.ok("WSPListen", listener, backlog)
    return listener


def requesting(clients: CraftedClients) -> Client:
    """A client whose SYN has arrived and was not answered."""
    client = clients.client()
    client.syn()
    clients.expect()
    return client


def returning(decision: int) -> Callable[..., int]:
    return lambda *_: decision


def answers(clients: CraftedClients, client: Client, then: Callable[[], None]) -> None:
    """Lets the client react to the host's first frame, which has to be its SYN,ACK, after a millisecond."""

    def react(frame: bytes) -> None:
        clients.driver.respond(None)
        clients.driver.after(MILLISECOND, go_on)

    def go_on() -> None:
        clients.expect(client.syn_ack)
        then()

    clients.driver.respond(react)


@pytest.mark.requirement("ACPT-30", "OPT-30")
def test_option_is_off_wants_four_bytes_and_is_closed_while_listening(clients: CraftedClients) -> None:
    host = clients.host
    s = host.bound(80)
    assert host.get(s, ws.SO_CONDITIONAL_ACCEPT) == 0
    assert host.set_code(s, ws.SO_CONDITIONAL_ACCEPT, 1, length=3) == ws.WSAEFAULT
    host.set(s, ws.SO_CONDITIONAL_ACCEPT, 0x100)
    assert host.get(s, ws.SO_CONDITIONAL_ACCEPT) == 1
    host.ok("WSPListen", s, 5)
    for value in (0, 1):
        assert host.set_code(s, ws.SO_CONDITIONAL_ACCEPT, value) == ws.WSAEINVAL
    assert host.get(s, ws.SO_CONDITIONAL_ACCEPT) == 1
    short = ctypes.c_int(3)
    assert host.code("WSPGetSockOpt", s, ws.SOL_SOCKET, ws.SO_CONDITIONAL_ACCEPT, bytearray(4), short) == ws.WSAEFAULT
    assert host.set_code(host.udp(), ws.SO_CONDITIONAL_ACCEPT, 1) == ws.WSAENOPROTOOPT


@pytest.mark.requirement("ACPT-30")
def test_listener_without_the_option_answers_at_once(clients: CraftedClients) -> None:
    clients.host.listening(80)
    clients.client().half_open()


@pytest.mark.requirement("ACPT-31")
def test_request_makes_the_listener_readable_and_is_not_answered(clients: CraftedClients) -> None:
    listener = conditional(clients)
    assert clients.host.select(read=[listener])[0] == []
    client = requesting(clients)
    assert clients.host.select(read=[listener])[0] == [listener]
    clients.driver.run(SECOND)
    client.syn()
    clients.silent_for(10 * SECOND)
    assert clients.engine_connections() == 1


@pytest.mark.requirement("ACPT-32", "ACPT-20")
def test_accepted_request_is_answered_and_the_accept_waits_for_the_handshake(clients: CraftedClients) -> None:
    host = clients.host
    listener = conditional(clients)
    client = requesting(clients)
    callers = []

    def condition(caller: Any, *_: Any) -> int:
        callers.append(sockaddr_in.from_buffer_copy(caller.octets).port)
        clients.expect()
        return ws.CF_ACCEPT

    answers(clients, client, client.ack)
    name, length = sockaddr_in(), ctypes.c_int(16)
    s = host.ok("WSPAccept", listener, name, length, condition, 0)
    assert callers == [client.port]
    assert clients.driver.now() == MILLISECOND
    assert (name.address, name.port) == host.peer(s) == (PEER, client.port)
    client.data(b"hello")
    assert host.receive(s) == b"hello"


@pytest.mark.requirement("ACPT-32")
def test_accept_without_condition_function_accepts_a_request(clients: CraftedClients) -> None:
    listener = conditional(clients)
    client = requesting(clients)
    answers(clients, client, client.ack)
    assert clients.host.peer(clients.host.accept(listener)) == (PEER, client.port)


@pytest.mark.requirement("ACPT-32", "ACPT-31", "ACPT-22")
@pytest.mark.parametrize("text", [b"", b"early"])
def test_rejected_request_is_refused_and_never_connected(clients: CraftedClients, text: bytes) -> None:
    host = clients.host
    listener = conditional(clients)
    client = clients.client()
    client.syn(text)
    assert host.accept_code(listener, returning(ws.CF_REJECT)) == ws.WSAECONNREFUSED
    clients.expect(client.refusal(1 + len(text)))
    clients.silent_for(60 * SECOND)
    assert clients.engine_connections() == 0


@pytest.mark.requirement("ACPT-32", "ACPT-23", "ACPT-24", "ACPT-25")
def test_deferred_request_waits_on_without_an_answer(clients: CraftedClients) -> None:
    host = clients.host
    listener = conditional(clients)
    client = requesting(clients)
    assert host.accept_code(listener, returning(ws.CF_DEFER)) == ws.WSATRY_AGAIN
    clients.silent_for(SECOND)
    assert host.select(read=[listener])[0] == []
    answers(clients, client, client.ack)
    assert host.peer(host.accept(listener, returning(ws.CF_ACCEPT))) == (PEER, client.port)


@pytest.mark.requirement("ACPT-27")
def test_request_stays_after_an_answer_that_means_nothing(clients: CraftedClients) -> None:
    host = clients.host
    listener = conditional(clients)
    requesting(clients)
    assert host.accept_code(listener, returning(9)) == ws.WSAEINVAL
    clients.silent_for(SECOND)
    assert host.select(read=[listener])[0] == [listener]


@pytest.mark.requirement("ACPT-32")
def test_nonblocking_accept_sends_the_answer_and_the_next_one_returns_it_unasked(clients: CraftedClients) -> None:
    host = clients.host
    listener = host.nonblocking(conditional(clients))
    client = requesting(clients)
    asked = []

    def condition(*_: Any) -> int:
        asked.append(1)
        return ws.CF_ACCEPT

    assert host.accept_code(listener, condition) == ws.WSAEWOULDBLOCK
    clients.expect(client.syn_ack)
    assert host.select(read=[listener])[0] == []
    assert host.accept_code(listener, condition) == ws.WSAEWOULDBLOCK
    client.ack()
    clients.expect()
    assert host.select(read=[listener])[0] == [listener]
    assert host.peer(host.accept(listener, condition)) == (PEER, client.port)
    assert asked == [1]


@pytest.mark.requirement("ACPT-32", "ACPT-15")
def test_peer_that_vanishes_after_the_acceptance_is_wsaeacces_for_a_blocking_accept(clients: CraftedClients) -> None:
    host = clients.host
    listener = conditional(clients)
    client = requesting(clients)
    answers(clients, client, client.reset)
    assert host.accept_code(listener, returning(ws.CF_ACCEPT)) == ws.WSAEACCES
    clients.silent_for(60 * SECOND)
    assert clients.engine_connections() == 0


@pytest.mark.requirement("ACPT-32")
def test_peer_that_falls_silent_after_the_acceptance_is_wsaeacces_in_the_end(clients: CraftedClients) -> None:
    listener = conditional(clients)
    client = requesting(clients)
    assert clients.host.accept_code(listener, returning(ws.CF_ACCEPT)) == ws.WSAEACCES
    sent = clients.take()
    assert {frame.flags for _, frame in sent} == {"SA"}
    assert {frame.port for _, frame in sent} == {client.port}
    assert clients.engine_connections() == 0


@pytest.mark.requirement("ACPT-32")
def test_peer_that_vanishes_after_a_nonblocking_acceptance_makes_nothing_ready(clients: CraftedClients) -> None:
    host = clients.host
    listener = host.nonblocking(conditional(clients))
    client = requesting(clients)
    assert host.accept_code(listener) == ws.WSAEWOULDBLOCK
    clients.expect(client.syn_ack)
    client.reset()
    assert host.select(read=[listener], milliseconds=100)[0] == []
    assert host.accept_code(listener) == ws.WSAEWOULDBLOCK
    clients.expect()


@pytest.mark.requirement("ACPT-32")
@pytest.mark.parametrize("decision", [ws.CF_ACCEPT, ws.CF_REJECT, ws.CF_DEFER])
def test_request_reset_while_its_condition_runs_is_wsaeconnreset(clients: CraftedClients, decision: int) -> None:
    host = clients.host
    listener = host.nonblocking(conditional(clients))
    client = requesting(clients)

    def condition(*_: Any) -> int:
        client.reset()
        return decision

    assert host.accept_code(listener, condition) == ws.WSAECONNRESET
    clients.silent_for(SECOND)
    assert host.accept_code(listener) == ws.WSAEWOULDBLOCK


@pytest.mark.requirement("ACPT-34")
def test_request_is_withdrawn_by_a_reset(clients: CraftedClients) -> None:
    host = clients.host
    listener = host.nonblocking(conditional(clients))
    client = requesting(clients)
    client.reset()
    clients.expect()
    assert host.select(read=[listener])[0] == []
    assert host.accept_code(listener) == ws.WSAEWOULDBLOCK


@pytest.mark.requirement("ACPT-34")
def test_request_ends_its_life_after_its_last_syn(clients: CraftedClients) -> None:
    host = clients.host
    listener = conditional(clients)
    client = requesting(clients)
    clients.driver.run(20 * SECOND)
    client.syn()
    clients.silent_for(29 * SECOND)
    assert host.select(read=[listener])[0] == [listener]
    clients.silent_for(1 * SECOND)
    assert host.select(read=[listener])[0] == []
    assert clients.engine_connections() == 0


@pytest.mark.requirement("ACPT-34", "ACPT-15")
@pytest.mark.parametrize("life", [30_000, 700])
def test_request_whose_life_ends_while_it_is_selected_is_wsaeacces(life: int) -> None:
    clients = CraftedClients(cond_request_life_ms=life)
    listener = conditional(clients)
    requesting(clients)

    def condition(*_: Any) -> int:
        clients.driver.run(life * MILLISECOND)
        return ws.CF_ACCEPT

    assert clients.host.accept_code(listener, condition) == ws.WSAEACCES
    clients.silent_for(SECOND)


@pytest.mark.requirement("ACPT-33", "LISTEN-48")
def test_backlog_does_not_bound_requests(clients: CraftedClients) -> None:
    host = clients.host
    listener = host.nonblocking(conditional(clients, backlog=1))
    line = [requesting(clients) for _ in range(20)]
    for _ in line:
        assert host.accept_code(listener) == ws.WSAEWOULDBLOCK
    clients.expect(*(client.syn_ack for client in line))
    for client in reversed(line):
        client.ack()
    clients.expect()
    accepted = [host.peer(host.accept(listener))[1] for _ in line]
    assert accepted == [client.port for client in reversed(line)]  # in the order of finished handshakes (LISTEN-54)


@pytest.mark.requirement("ACPT-33")
def test_requests_beyond_the_cap_are_refused() -> None:
    clients = CraftedClients(hint_min=4, hint_max=4)
    conditional(clients)
    for _ in range(4):
        requesting(clients)
    client = clients.client()
    client.syn()
    clients.expect(client.refusal())


@pytest.mark.requirement("ACPT-31", "LISTEN-73")
def test_closing_the_listener_refuses_what_waits_for_a_decision(clients: CraftedClients) -> None:
    listener = conditional(clients)
    line = [requesting(clients) for _ in range(3)]
    clients.host.close(listener)
    clients.expect(*(client.refusal() for client in line))
    clients.silent_for(60 * SECOND)


@pytest.mark.requirement("ACPT-14", "ACPT-32", "LISTEN-73")
def test_listener_closed_during_the_handshake_ends_the_accept_with_a_reset(clients: CraftedClients) -> None:
    host = clients.host
    listener = conditional(clients)
    client = requesting(clients)
    answers(clients, client, lambda: host.close(listener))
    assert host.accept_code(listener) == ws.WSAEINTR
    clients.expect(client.reset_of_connection())
    clients.silent_for(60 * SECOND)
    assert clients.engine_connections() == 0


@pytest.mark.requirement("LISTEN-57", "ACPT-32")
def test_shrink_during_the_handshake_resets_an_accepted_request(clients: CraftedClients) -> None:
    host = clients.host
    listener = conditional(clients)
    first, second = requesting(clients), requesting(clients)
    host.nonblocking(listener)
    assert host.accept_code(listener) == ws.WSAEWOULDBLOCK
    host.nonblocking(listener, False)
    clients.expect(first.syn_ack)
    answers(clients, second, lambda: host.ok("WSPListen", listener, 1))
    assert host.accept_code(listener) == ws.WSAEACCES
    clients.expect(second.reset_of_connection())
    first.ack()
    assert host.peer(host.accept(listener)) == (PEER, first.port)


@pytest.mark.requirement("ACPT-5", "ACPT-31")
def test_request_without_a_free_descriptor_stays_unanswered() -> None:
    clients = CraftedClients(max_descriptors=1)
    listener = conditional(clients)
    requesting(clients)
    assert clients.host.accept_code(listener, returning(ws.CF_ACCEPT)) == ws.WSAEMFILE
    clients.silent_for(SECOND)
    assert clients.host.select(read=[listener])[0] == [listener]


@pytest.mark.requirement("ACPT-32")
def test_two_threads_decide_on_two_requests(clients: CraftedClients) -> None:
    host = clients.host
    listener = host.nonblocking(conditional(clients))
    first, second = requesting(clients), requesting(clients)
    inner = []

    def condition(*_: Any) -> int:
        thread = threading.Thread(target=lambda: inner.append(host.accept_code(listener, returning(ws.CF_REJECT))))
        thread.start()
        thread.join()
        clients.expect(second.refusal())
        return ws.CF_ACCEPT

    assert host.accept_code(listener, condition) == ws.WSAEWOULDBLOCK
    assert inner == [ws.WSAECONNREFUSED]
    clients.expect(first.syn_ack)


def test_accept_that_nothing_will_end_is_reported(clients: CraftedClients) -> None:
    listener = conditional(clients)
    with pytest.raises(NothingScheduled):
        clients.host.accept_code(listener)
