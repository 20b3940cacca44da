"""Fast Open (TCPX-6, RFC 7413), the server: cookies, text with the SYN, and every way back to a plain handshake."""

from typing import Any

import pytest

from netcore import endpoint as core
from netcore.endpoint import Endpoint
from netcore.engine import Engine
from netcore.listener import Listener
from tests.tcp.fast_open import COOKIE, cookie_of, option
from tests.tcp.scripted_peer import (
    OUR_PORT,
    PEER_ADDRESS,
    PEER_PORT,
    SECOND,
    Host,
    Peer,
    packed,
    read_all,
    state_of,
)
from tests.tcp.segments import Segment, wanted
from tests.tcp.strangers import half_open

DAY = 86400 * SECOND
HOUR = 3600 * SECOND
OTHER_ADDRESS = "10.0.0.9"


def served(host: Host, backlog: int = 16) -> Listener:
    """A listener that takes text with the SYN."""
    listener = host.listen(backlog=backlog)
    listener.fast_open = True
    return listener


def syn(peer: Peer, cookie: bytes | None, text: bytes = b"", **fields: Any) -> Segment:
    """Sends a SYN; the answer."""
    options = [*peer.syn_options(), *([] if cookie is None else option(cookie))]
    peer.send("S", seq=0, text=text, options=options, **fields)
    (answer,) = peer.take()
    return answer


def cookie_for(host: Host, address: str = PEER_ADDRESS) -> bytes:
    """Asks for a cookie, on a connection that is reset then."""
    peer = Peer(host, port=1111, address=address)
    cookie = cookie_of(syn(peer, b""))
    assert cookie
    peer.send("R", seq=1)
    return cookie


@pytest.mark.requirement("TCPX-6")
@pytest.mark.parametrize("timestamps", [False, True])
def test_syn_that_asks_is_answered_with_a_cookie(host, timestamps):
    served(host)
    peer = Peer(host, timestamps=timestamps, sack=True, scale=7)
    answer = syn(peer, b"", b"too early")
    assert answer.flags == "SA"
    # the text is left to be sent again
    assert answer.ack == 1
    assert len(cookie_of(answer) or b"") == 8
    peer.send("A", seq=1, ack=1)
    assert state_of(host.accept(host.listeners[0])) == "ESTABLISHED"


@pytest.mark.requirement("TCPX-6")
def test_text_under_a_cookie_is_received_and_answered_before_the_handshake_is_done(host):
    listener = served(host)
    cookie = cookie_for(host)
    peer = Peer(host)
    answer = syn(peer, cookie, b"GET /")
    assert (answer.flags, answer.ack) == ("SA", 6)
    assert cookie_of(answer) is None
    endpoint = host.accept(listener)
    assert state_of(endpoint) == "SYN-RECEIVED"
    assert endpoint.readiness & core.CONNECTED
    assert read_all(endpoint) == b"GET /"
    assert endpoint.send(b"200 OK") == 6
    peer.ack = 1
    peer.expect(wanted("PA", seq=1, ack=6, text=b"200 OK"))
    peer.send("A", seq=6, ack=7)
    assert state_of(endpoint) == "ESTABLISHED"
    assert endpoint.info()["snd_una"] == endpoint.info()["snd_nxt"]
    endpoint.send(b"more")
    peer.expect(wanted("PA", seq=7, ack=6, text=b"more"))
    assert host.counter("TCPFastOpenPassive") == 1


@pytest.mark.requirement("TCPX-6")
def test_early_answer_that_is_lost_is_sent_again_after_the_handshake(host):
    listener = served(host)
    cookie = cookie_for(host)
    peer = Peer(host)
    syn(peer, cookie, b"ask")
    endpoint = host.accept(listener)
    endpoint.send(b"answer")
    peer.take()
    # the ACK of the SYN,ACK alone
    peer.send("A", seq=4, ack=1)
    assert state_of(endpoint) == "ESTABLISHED"
    assert not peer.take()
    host.advance(5 * SECOND)
    assert b"answer" in {segment.text for segment in peer.take()}
    peer.send("A", seq=4, ack=7)
    assert endpoint.info()["flight"] == 0


@pytest.mark.requirement("TCPX-6", "SND-7")
def test_syn_ack_of_an_early_connection_is_sent_again_and_given_up(host):
    listener = served(host)
    cookie = cookie_for(host)
    peer = Peer(host)
    syn(peer, cookie, b"ask")
    endpoint = host.accept(listener)
    endpoint.send(b"answer")
    peer.take()
    host.advance(200 * SECOND)
    found = peer.take()
    assert [segment.flags for segment in found] == ["SA"] * 5
    assert {segment.ack for segment in found} == {4}
    assert endpoint.status == core.TIMED_OUT


@pytest.mark.requirement("TCPX-6", "SEG-5")
def test_syn_that_comes_again_brings_its_text_once(host):
    listener = served(host)
    cookie = cookie_for(host)
    peer = Peer(host)
    syn(peer, cookie, b"ask")
    answer = syn(peer, cookie, b"ask")
    assert (answer.flags, answer.ack) == ("SA", 4)
    endpoint = host.accept(listener)
    peer.send("A", seq=4, ack=1)
    assert read_all(endpoint) == b"ask"
    assert isinstance(listener.accept(), int)


@pytest.mark.requirement("TCPX-6")
@pytest.mark.parametrize("place", range(8))
def test_cookie_with_one_wrong_bit_is_wrong(host, place):
    served(host)
    cookie = bytearray(cookie_for(host))
    cookie[place] ^= 1
    assert syn(Peer(host), bytes(cookie), b"ask").ack == 1


@pytest.mark.requirement("TCPX-6")
@pytest.mark.parametrize("cookie", [COOKIE, b"\0" * 4, b"\0" * 16, b"\0" * 8])
def test_wrong_cookie_gets_a_fresh_one_and_the_text_waits(host, cookie):
    served(host)
    peer = Peer(host)
    answer = syn(peer, cookie, b"ask")
    assert answer.ack == 1
    assert cookie_of(answer) == cookie_for(host)
    assert host.counter("TCPFastOpenPassiveFail") == 1


@pytest.mark.requirement("TCPX-6")
@pytest.mark.parametrize("cookie", [b"\1", b"\1\2\3", b"\1" * 5, b"\1" * 17])
def test_cookie_of_a_length_that_there_is_not_is_no_option(host, cookie):
    served(host)
    answer = syn(Peer(host, mss=None), cookie, b"ask")
    assert answer.ack == 1
    assert cookie_of(answer) is None


@pytest.mark.requirement("TCPX-6")
def test_cookie_of_another_address_is_wrong(host):
    served(host)
    stolen = cookie_for(host, OTHER_ADDRESS)
    assert syn(Peer(host), stolen, b"ask").ack == 1


@pytest.mark.requirement("TCPX-6")
def test_cookie_lasts_for_the_period_after_its_own(host):
    listener = served(host)
    cookie = cookie_for(host)
    host.advance(DAY)
    peer = Peer(host)
    answer = syn(peer, cookie, b"ask")
    assert answer.ack == 4
    fresh = cookie_of(answer)
    assert fresh
    assert fresh != cookie
    host.accept(listener).abort()
    host.advance(DAY)
    answer = syn(Peer(host, port=2222), cookie, b"ask")
    assert answer.ack == 1
    assert syn(Peer(host, port=3333), fresh, b"ask").ack == 4


@pytest.mark.requirement("TCPX-6", "SEG-10")
def test_listener_without_fast_open_knows_no_cookies(host):
    listener = served(host)
    cookie = cookie_for(host)
    listener.fast_open = False
    for given in (b"", cookie):
        answer = syn(Peer(host, port=PEER_PORT + len(given)), given, b"ask")
        assert answer.ack == 1
        assert cookie_of(answer) is None


@pytest.mark.requirement("TCPX-6", "LISTEN-74")
def test_listener_under_attack_takes_no_text_with_the_syn(host):
    listener = served(host, 4)
    cookie = cookie_for(host)
    half_open(host, 4)
    host.advance(2 * SECOND)
    host.take_packets()
    peer = Peer(host)
    answer = syn(peer, cookie, b"ask")
    assert listener.under_attack
    assert (answer.ack, cookie_of(answer)) == (1, None)
    peer.send("A", seq=1, text=b"ask")
    assert read_all(host.accept(listener)) == b"ask"
    peer.take()


@pytest.mark.requirement("TCPX-6", "SEG-16")
def test_urgent_pointer_of_a_syn_with_text_means_nothing(host):
    listener = served(host)
    cookie = cookie_for(host)
    peer = Peer(host)
    options = [*peer.syn_options(), *option(cookie)]
    peer.send("SU", text=b"ask", options=options, urgptr=3)
    assert peer.take()[0].ack == 4
    endpoint = host.accept(listener)
    assert read_all(endpoint) == b"ask"
    assert endpoint.tcp_info()["tcpi_options"] & 32


@pytest.mark.requirement("TCPX-6")
def test_cookie_without_text_opens_early_as_well(host):
    listener = served(host)
    peer = Peer(host)
    syn(peer, cookie_for(host))
    endpoint = host.accept(listener)
    endpoint.send(b"220 hello")
    assert peer.take()[-1].text == b"220 hello"


@pytest.mark.requirement("TCPX-6", "LIM-4")
def test_openings_pending_are_bounded(make_host):
    host = make_host(fast_open_pending=4)
    listener = served(host, 100)
    cookie = cookie_for(host)
    peers = [Peer(host, port=5000 + number) for number in range(8)]
    assert [syn(peer, cookie, b"ask").ack for peer in peers] == [4] * 4 + [1] * 4
    assert host.counter("TCPFastOpenListenOverflow") == 4
    # one handshake that is done makes room for one
    peers[0].send("A", seq=4, ack=1)
    assert [syn(Peer(host, port=port), cookie, b"ask").ack for port in (6001, 6002)] == [4, 1]
    assert isinstance(listener.accept(), Endpoint)


@pytest.mark.requirement("TCPX-6", "LIM-4")
def test_opening_that_is_reset_counts_for_a_minute(make_host):
    # RFC 7413 5.1: or SYNs and RSTs of one forged address would go round the bound
    host = make_host(fast_open_pending=4)
    served(host, 100)
    cookie = cookie_for(host)
    for port in range(5000, 5004):
        peer = Peer(host, port=port)
        syn(peer, cookie, b"ask")
        peer.send("R", seq=4)
    assert syn(Peer(host, port=6000), cookie, b"ask").ack == 1
    host.advance(61 * SECOND)
    assert syn(Peer(host, port=6001), cookie, b"ask").ack == 4


@pytest.mark.requirement("TCPX-6", "LISTEN-48")
def test_early_connections_count_in_the_backlog(host):
    served(host, 2)
    cookie = cookie_for(host)
    answers = [syn(Peer(host, port=5000 + number), cookie, b"ask").flags for number in range(3)]
    assert answers == ["SA", "SA", "RA"]


@pytest.mark.requirement("TCPX-6")
def test_program_that_closes_early_sends_its_fin_behind_the_handshake(host):
    listener = served(host)
    peer = Peer(host)
    syn(peer, cookie_for(host), b"ask")
    endpoint = host.accept(listener)
    assert read_all(endpoint) == b"ask"
    endpoint.send(b"bye")
    endpoint.close()
    peer.ack = 1
    peer.expect(wanted("PA", seq=1, text=b"bye"))
    peer.send("A", seq=4, ack=4)
    peer.expect(wanted("FA", seq=4, ack=4))
    peer.send("FA", seq=4, ack=5)
    peer.expect(wanted("A", seq=5, ack=5))


@pytest.mark.requirement("TCPX-6", "CLOSE-6")
def test_early_text_that_nobody_reads_resets_the_connection_at_its_close(host):
    listener = served(host)
    peer = Peer(host)
    syn(peer, cookie_for(host), b"ask")
    host.accept(listener).close()
    assert peer.take()[-1].flags == "RA"


@pytest.mark.requirement("TCPX-6")
@pytest.mark.parametrize("accepted", [False, True])
def test_reset_of_an_early_connection_is_reported(host, accepted):
    listener = served(host)
    peer = Peer(host)
    syn(peer, cookie_for(host), b"ask")
    if accepted:
        endpoint = host.accept(listener)
        peer.send("R", seq=4)
        assert endpoint.receive_into(bytearray(4)) == core.RESET
    else:
        peer.send("R", seq=4)
        assert listener.accept() == core.RESET


@pytest.mark.requirement("TCPX-6", "SND-5")
def test_closed_window_of_a_syn_is_obeyed(host):
    listener = served(host)
    peer = Peer(host)
    syn(peer, cookie_for(host), b"ask", window=0)
    endpoint = host.accept(listener)
    endpoint.send(b"answer")
    assert peer.take() == []
    peer.send("A", seq=4, ack=1, window=1000)
    assert peer.take()[-1].text == b"answer"


@pytest.mark.requirement("TCPX-6")
def test_off_by_default(host):
    host.connect(OUR_PORT, PEER_PORT)
    assert cookie_of(Peer(host).take()[0]) is None
    host.listen(81)
    answer = syn(Peer(host, our_port=81), b"", b"ask")
    assert (cookie_of(answer), answer.ack) == (None, 1)


@pytest.mark.requirement("TCPX-6")
def test_two_hosts_of_ours_open_fast(make_host):
    server = make_host()
    listener = served(server)
    client = Engine(address=PEER_ADDRESS, prefix=24, seed=b"another sixteen!", ethernet=False)
    client.advance(server.now)

    def carry() -> None:
        while frames := client.frames_to_send():
            for frame in frames:
                server.engine.frame_arrives(frame, server.now)
            for frame in server.engine.frames_to_send():
                client.frame_arrives(frame, server.now)

    for port, early in ((4001, 0), (4002, 1)):
        near = client.connect(port, (packed("10.0.0.1"), OUR_PORT), fast_open=True, data=b"ask")
        (frame,) = client.frames_to_send()
        server.engine.frame_arrives(frame, server.now)
        accepted = listener.accept()
        assert isinstance(accepted, Endpoint) == bool(early)
        if early:
            assert read_all(accepted) == b"ask"
            assert accepted.send(b"answer") == 6
        for frame in server.engine.frames_to_send():
            client.frame_arrives(frame, server.now)
        carry()
        if not early:
            accepted = server.accept(listener)
            assert read_all(accepted) == b"ask"
        else:
            assert read_all(near) == b"answer"
        assert state_of(accepted) == state_of(near) == "ESTABLISHED"
        accepted.abort()
        near.abort()
        carry()
        server.engine.frames_to_send()
