"""Fast Open (TCPX-6, RFC 7413), the client: cookies learnt, used and forgotten, and text that goes with the SYN."""

from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP

from netcore.endpoint import Endpoint
from tests.tcp.fast_open import COOKIE, cookie_of, option
from tests.tcp.scripted_peer import (
    MILLISECOND,
    OUR_ADDRESS,
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
from tests.tcp.segments import wanted

DAY = 86400 * SECOND
HOUR = 3600 * SECOND
OTHER_ADDRESS = "10.0.0.9"


def opened(host: Host, data: bytes = b"", port: int = OUR_PORT) -> Endpoint:
    """An active open with Fast Open on."""
    endpoint = host.engine.connect(port, (packed(PEER_ADDRESS), PEER_PORT), fast_open=True, data=data)
    assert isinstance(endpoint, Endpoint)
    host.endpoints.append(endpoint)
    return endpoint


def taught(host: Host, cookie: bytes = COOKIE, **fields: Any) -> None:
    """The host learns the peer's cookie."""
    endpoint = opened(host, port=1000)
    peer = Peer(host, our_port=1000, **fields)
    (asking,) = peer.take()
    assert cookie_of(asking) == b""
    peer.send("SA", options=[*peer.syn_options(), *option(cookie)])
    peer.take()
    endpoint.abort()
    host.take_packets()


@pytest.mark.requirement("TCPX-6")
def test_first_syn_asks_for_a_cookie_and_keeps_the_text_back(host):
    endpoint = opened(host, b"ask")
    peer = Peer(host)
    (first,) = peer.expect(wanted("S", seq=0))
    assert cookie_of(first) == b""
    peer.send("SA", options=[*peer.syn_options(), *option(COOKIE)])
    peer.expect(wanted("PA", seq=1, ack=1, text=b"ask"))
    assert state_of(endpoint) == "ESTABLISHED"


@pytest.mark.requirement("TCPX-6")
def test_text_goes_with_the_syn_under_a_cookie(host):
    taught(host)
    endpoint = opened(host, b"ask")
    peer = Peer(host)
    (first,) = peer.expect(wanted("S", seq=0, text=b"ask"))
    assert cookie_of(first) == COOKIE
    # the answer comes before the ACK
    peer.ack = 4
    peer.send("SA")
    peer.send("PA", text=b"answer")
    assert read_all(endpoint) == b"answer"
    assert [segment.text for segment in peer.take()] == [b"", b""]
    assert endpoint.buffered_bytes == 0
    assert host.counter("TCPFastOpenActive") == 1
    endpoint.send(b"more")
    peer.expect(wanted("PA", seq=4, text=b"more"))


@pytest.mark.requirement("TCPX-6")
@pytest.mark.parametrize("taken", [0, 1, 2])
def test_text_that_the_server_did_not_take_goes_again_at_once(host, taken):
    taught(host)
    endpoint = opened(host, b"ask")
    peer = Peer(host)
    peer.take()
    peer.send("SA", ack=1 + taken)
    peer.expect(wanted("PA", seq=1 + taken, text=b"ask"[taken:]))
    peer.send("A", ack=4)
    assert endpoint.buffered_bytes == 0


@pytest.mark.requirement("TCPX-6")
def test_syn_that_is_sent_again_goes_without_option_and_text(host):
    # RFC 7413 4.1.3.1
    taught(host)
    endpoint = opened(host, b"ask")
    peer = Peer(host)
    peer.take()
    host.advance(SECOND)
    (again,) = peer.expect(wanted("S", seq=0))
    assert cookie_of(again) is None
    peer.send("SA", ack=1)
    peer.expect(wanted("PA", seq=1, text=b"ask"))
    assert state_of(endpoint) == "ESTABLISHED"
    assert host.counter("TCPFastOpenActiveFail") == 1
    # and the server is left alone for a while
    opened(host, b"ask", 2000)
    (plain,) = Peer(host, our_port=2000).take()
    assert (cookie_of(plain), plain.text) == (None, b"")
    host.advance(HOUR)
    host.take_packets()
    opened(host, b"ask", 3000)
    assert cookie_of(Peer(host, our_port=3000).take()[0]) == COOKIE


@pytest.mark.requirement("TCPX-6")
def test_service_that_does_not_answer_a_syn_with_text_is_left_alone_from_then_on(host):
    # RFC 7413 4.1.3.1: a firewall that blocks the connection from that SYN on lets no later one through
    taught(host)
    opened(host, b"ask")
    host.advance(SECOND)
    assert host.counter("TCPFastOpenActiveFail") == 1
    host.take_packets()
    opened(host, b"ask", 2000)
    assert cookie_of(Peer(host, our_port=2000).take()[0]) is None
    # another of its ports is another service
    elsewhere = host.engine.connect(3000, (packed(PEER_ADDRESS), PEER_PORT + 1), fast_open=True, data=b"ask")
    host.endpoints.append(elsewhere)
    assert cookie_of(Peer(host, our_port=3000, port=PEER_PORT + 1).take()[0]) == COOKIE


@pytest.mark.requirement("TCPX-6")
@pytest.mark.parametrize("code", [1, 3, 13])
def test_icmp_error_about_a_syn_with_text_leaves_the_service_alone(host, code):
    # RFC 7413 4.1.3.1
    taught(host)
    opened(host, b"ask")
    (syn,) = Peer(host).take()
    host.inject(IP(src=PEER_ADDRESS, dst=OUR_ADDRESS) / ICMP(type=3, code=code) / bytes(syn.packet)[:28])
    opened(host, b"ask", 2000)
    assert cookie_of(Peer(host, our_port=2000).take()[0]) is None


@pytest.mark.requirement("TCPX-6")
@pytest.mark.parametrize("fresh", [False, True])
def test_text_that_is_not_acknowledged_leaves_the_service_alone_unless_a_new_cookie_comes(host, fresh):
    # RFC 7413 4.1.3.1
    taught(host)
    opened(host, b"ask")
    peer = Peer(host)
    peer.take()
    peer.send("SA", ack=1, options=[*peer.syn_options(), *(option(bytes(8)) if fresh else [])])
    host.take_packets()
    opened(host, b"ask", 2000)
    assert cookie_of(Peer(host, our_port=2000).take()[0]) == (bytes(8) if fresh else None)


@pytest.mark.requirement("TCPX-6")
def test_server_without_cookies_is_left_alone_for_a_while(host):
    opened(host)
    peer = Peer(host)
    peer.take()
    peer.send("SA")
    host.take_packets()
    opened(host, b"ask", 2000)
    assert cookie_of(Peer(host, our_port=2000).take()[0]) is None


@pytest.mark.requirement("TCPX-6")
def test_answer_to_the_first_syn_after_the_second_went_is_taken(host):
    taught(host)
    endpoint = opened(host, b"ask")
    peer = Peer(host)
    peer.take()
    host.advance(SECOND)
    peer.take()
    peer.send("SA", ack=4)
    peer.expect(wanted("A", seq=4, ack=1))
    assert endpoint.buffered_bytes == 0


@pytest.mark.requirement("TCPX-6")
@pytest.mark.parametrize("mss", [None, 100, 536, 1000, 1460, 9000])
def test_text_with_the_syn_fits_the_mss_that_the_server_told(host, mss):
    taught(host, mss=mss)
    opened(host, b"x" * 5000)
    peer = Peer(host)
    (first,) = peer.take()
    options = (first.packet["TCP"].dataofs - 5) * 4
    assert len(first.text) == min(mss or 536, 1460) - options
    peer.ack = 1 + len(first.text)
    peer.send("SA")
    assert peer.take()[0].seq == 1 + len(first.text)


@pytest.mark.requirement("TCPX-6", "TCPX-4")
@pytest.mark.parametrize("mtu", [576, 1000, 1499])
def test_text_with_the_syn_fits_the_path_that_others_have_found(host, mtu):
    peer = Peer(host, our_port=7)
    endpoint = peer.open_actively()
    endpoint.send(b"x" * 1460)
    (full,) = peer.take()
    host.inject(IP(src=PEER_ADDRESS, dst=OUR_ADDRESS) / ICMP(type=3, code=4, nexthopmtu=mtu) / bytes(full.packet)[:28])
    host.take_packets()
    taught(host)
    opened(host, b"x" * 5000)
    (first,) = Peer(host).take()
    assert first.packet.len == mtu


@pytest.mark.requirement("TCPX-6")
def test_syn_with_text_is_no_superframe(make_host):
    host = make_host(vnet_header=True, offloads=True)
    taught(host)
    opened(host, b"x" * 5000)
    (first,) = Peer(host).take()
    assert first.vnet is not None
    assert first.vnet.gso_type == 0


@pytest.mark.requirement("TCPX-6")
@pytest.mark.parametrize("length", [4, 6, 8, 10, 12])
def test_cookie_of_any_length_that_fits_is_given_back(host, length):
    cookie = bytes(range(length))
    taught(host, cookie)
    opened(host, b"ask")
    (first,) = Peer(host).take()
    # with MSS, SACK, window scale and timestamps there is room for ten octets
    assert cookie_of(first) == (cookie if length <= 14 else None)


@pytest.mark.requirement("TCPX-6")
def test_cookie_that_does_not_fit_is_not_used(host):
    taught(host, bytes(16))
    endpoint = opened(host, b"ask")
    peer = Peer(host)
    (first,) = peer.take()
    assert (cookie_of(first), first.text) == (None, b"")
    peer.send("SA")
    peer.expect(wanted("PA", seq=1, text=b"ask"))
    assert state_of(endpoint) == "ESTABLISHED"


@pytest.mark.requirement("TCPX-6")
def test_information_tells_how_the_opening_went(host):
    endpoint = opened(host)
    Peer(host).take()
    assert endpoint.tcp_info()["tcpi_fastopen_client_fail"] == 1  # no cookie was known
    endpoint.abort()
    host.take_packets()
    taught(host)
    for taken, fail in ((3, 0), (0, 2)):
        port = 2000 + taken
        endpoint = opened(host, b"ask", port)
        peer = Peer(host, our_port=port)
        peer.take()
        peer.send("SA", ack=1 + taken)
        info = endpoint.tcp_info()
        assert (info["tcpi_options"] & 32 != 0, info["tcpi_fastopen_client_fail"]) == (taken > 0, fail)
        assert info["tcpi_bytes_acked"] == taken
        host.take_packets()
    host.advance(HOUR)
    host.take_packets()
    endpoint = opened(host, b"ask", 3000)
    host.take_packets()
    host.advance(SECOND)
    assert endpoint.tcp_info()["tcpi_fastopen_client_fail"] == 3
    host.take_packets()


@pytest.mark.requirement("TCPX-6")
@pytest.mark.parametrize("acknowledged", [1, 4])
def test_simultaneous_open_with_text_loses_none_of_it(host, acknowledged):
    taught(host)
    endpoint = opened(host, b"ask")
    peer = Peer(host)
    peer.take()
    peer.send("S")
    peer.take()
    peer.send("SA", seq=0, ack=acknowledged)
    texts = b"".join(segment.text for segment in peer.take())
    assert texts == b"ask"[acknowledged - 1 :]
    assert state_of(endpoint) == "ESTABLISHED"


@pytest.mark.requirement("TCPX-6")
def test_acknowledgement_beyond_the_text_of_the_syn_is_answered_with_a_reset(host):
    taught(host)
    endpoint = opened(host, b"ask")
    peer = Peer(host)
    peer.take()
    peer.send("SA", ack=5)
    peer.expect(wanted("R", seq=5))
    assert state_of(endpoint) == "SYN-SENT"


@pytest.mark.requirement("TCPX-6", "LIM-4")
def test_servers_remembered_are_bounded(make_host):
    host = make_host(fast_open_servers=8)
    for number in range(3, 200):
        address = f"10.0.0.{number}"
        endpoint = host.engine.connect(1000 + number, (packed(address), PEER_PORT), fast_open=True)
        peer = Peer(host, our_port=1000 + number, address=address)
        peer.take()
        peer.send("SA", options=[*peer.syn_options(), *option(COOKIE)])
        peer.take()
        endpoint.abort()
        host.take_packets()
        host.advance(MILLISECOND)
    known = 0
    for number in range(3, 200):
        address = f"10.0.0.{number}"
        endpoint = host.engine.connect(2000 + number, (packed(address), PEER_PORT), fast_open=True)
        known += cookie_of(Peer(host, our_port=2000 + number, address=address).take()[0]) != b""
        endpoint.abort()
    assert 0 < known <= 8


def test_more_data_than_a_send_buffer_takes_is_refused(host):
    with pytest.raises(ValueError, match="a send buffer takes"):
        opened(host, b"x" * (1 << 20))
