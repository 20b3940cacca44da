"""ICMP errors about connections: what ends one, what is only remembered (RFC 1122 4.2.3.9, RFC 5461, RFC 5927)."""

from collections.abc import Callable
from typing import Any

import pytest

from netcore.endpoint import OK, TIMED_OUT, UNREACHABLE, Endpoint, status_name
from tests.tcp.icmp_errors import PARAMETER_PROBLEM, TIME_EXCEEDED, complain
from tests.tcp.icmp_errors import UNREACHABLE as UNREACHABLE_TYPE
from tests.tcp.scripted_peer import OUR_PORT, PEER_PORT, SECOND, Host, Peer, packed, state_of
from tests.tcp.segments import wanted

MakeHost = Callable[..., Host]
ERRORS = [(UNREACHABLE_TYPE, code) for code in (0, 1, 2, 3, 5, 9, 10, 13)] + [
    (TIME_EXCEEDED, 0),
    (TIME_EXCEEDED, 1),
    (PARAMETER_PROBLEM, 0),
]
HARD = [(UNREACHABLE_TYPE, 2), (UNREACHABLE_TYPE, 3)]

pytestmark = pytest.mark.requirement("TCPX-5")


def connecting(host: Host, fails: bool) -> tuple[Peer, Endpoint]:
    """An active open whose SYN has gone."""
    peer = Peer(host)
    endpoint = host.engine.connect(OUR_PORT, (packed(peer.address), PEER_PORT), icmp_fails_connect=fails)
    assert isinstance(endpoint, Endpoint), status_name(endpoint)
    host.endpoints.append(endpoint)
    peer.expect(wanted("S"))
    return peer, endpoint


def until_the_end(host: Host, endpoint: Endpoint) -> None:
    """Lets time pass until the connection has failed."""
    for _ in range(40):
        if endpoint.status != OK:
            return
        host.advance(host.until_deadline())
        host.take_packets()
    raise AssertionError("it goes on")


@pytest.mark.requirement("OPT-49")
@pytest.mark.parametrize(("kind", "code"), ERRORS)
def test_error_ends_a_connect_that_asked_for_it(host: Host, kind: int, code: int) -> None:
    peer, endpoint = connecting(host, fails=True)
    complain(peer, kind, code, seq=0)
    assert (endpoint.status, state_of(endpoint)) == (UNREACHABLE, "CLOSED")
    host.advance(10 * SECOND)
    host.expect_silence()


@pytest.mark.requirement("OPT-49")
@pytest.mark.parametrize(("kind", "code"), ERRORS)
def test_connect_goes_on_over_an_error_and_fails_with_it_in_the_end(host: Host, kind: int, code: int) -> None:
    peer, endpoint = connecting(host, fails=False)
    complain(peer, kind, code, seq=0)
    assert (endpoint.status, state_of(endpoint)) == (OK, "SYN-SENT")
    assert endpoint.info()["soft_error"] == kind * 256 + code
    host.advance(SECOND)
    peer.expect(wanted("S"))
    until_the_end(host, endpoint)
    assert endpoint.status == UNREACHABLE


def test_connect_that_succeeds_after_an_error_forgets_it(host: Host) -> None:
    peer, endpoint = connecting(host, fails=False)
    complain(peer, UNREACHABLE_TYPE, 1, seq=0)
    peer.send("SA")
    peer.expect(wanted("A", seq=1, ack=1))
    assert endpoint.info()["soft_error"] == 0


@pytest.mark.parametrize("fields", [{"seq": 1}, {"seq": -1}, {"seq": 0, "sport": 81}, {"seq": 0, "dport": 9}])
def test_error_that_quotes_another_segment_does_not_end_a_connect(host: Host, fields: dict[str, Any]) -> None:
    peer, endpoint = connecting(host, fails=True)
    complain(peer, UNREACHABLE_TYPE, 3, **fields)
    assert (endpoint.status, endpoint.info()["soft_error"]) == (OK, 0)


@pytest.mark.parametrize(("kind", "code"), ERRORS)
def test_only_hard_errors_end_a_half_open_connection(host: Host, kind: int, code: int) -> None:
    listener = host.listen()
    peer = Peer(host)
    peer.send("S")
    peer.expect(wanted("SA"))
    complain(peer, kind, code, seq=0)
    assert host.engine.usage()["half_open"] == ((kind, code) not in HARD)
    if (kind, code) in HARD:
        # it leaves no trace: the next SYN is as the first was
        again = Peer(host, iss=77)
        again.send("S")
        again.expect(wanted("SA"))
        again.send("A")
    else:
        peer.send("A")
    assert state_of(host.accept(listener)) == "ESTABLISHED"


@pytest.mark.parametrize(("kind", "code"), HARD)
def test_hard_error_ends_a_simultaneous_open(host: Host, kind: int, code: int) -> None:
    peer, endpoint = connecting(host, fails=False)
    peer.send("S")
    peer.take()
    assert state_of(endpoint) == "SYN-RECEIVED"
    complain(peer, kind, code, seq=0)
    assert endpoint.status == UNREACHABLE


@pytest.mark.parametrize(("kind", "code"), ERRORS)
def test_established_connection_outlives_every_error(host: Host, kind: int, code: int) -> None:
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.send(b"text")
    peer.take()
    complain(peer, kind, code, seq=1)
    peer.expect_nothing()
    assert endpoint.info()["soft_error"] == kind * 256 + code
    peer.send("A", ack=5)
    # the path is well again
    assert (endpoint.status, endpoint.info()["soft_error"]) == (OK, 0)


@pytest.mark.parametrize(("kind", "code"), ERRORS)
def test_error_is_shown_with_the_final_failure(make_host: MakeHost, kind: int, code: int) -> None:
    host = make_host(data_retries=2)
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.send(b"text")
    peer.take()
    complain(peer, kind, code, seq=1)
    until_the_end(host, endpoint)
    assert endpoint.status == UNREACHABLE


@pytest.mark.parametrize("seq", [0, 5, 6, 1 << 31])
def test_error_about_what_is_not_in_flight_is_counted_and_not_recorded(make_host: MakeHost, seq: int) -> None:
    host = make_host(data_retries=2)
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.send(b"text")
    peer.take()
    complain(peer, UNREACHABLE_TYPE, 3, seq=seq)
    assert (endpoint.info()["soft_error"], host.counter("OutOfWindowIcmps")) == (0, 1)
    until_the_end(host, endpoint)
    assert endpoint.status == TIMED_OUT


@pytest.mark.parametrize("kind", [4, 5], ids=["source quench", "redirect"])
def test_source_quench_and_redirect_change_nothing(host: Host, kind: int) -> None:
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.send(bytes(20_000))
    peer.take()
    before = endpoint.info()
    complain(peer, kind, 0, seq=1)
    peer.expect_nothing()
    assert endpoint.info() == before


def test_error_for_a_connection_in_time_wait_is_ignored(host: Host) -> None:
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.close()
    peer.take()
    peer.send("FA", ack=2)
    peer.take()
    assert host.engine.usage()["time_wait"] == 1
    complain(peer, UNREACHABLE_TYPE, 3, seq=1)
    assert host.engine.usage()["time_wait"] == 1
    host.expect_silence()
