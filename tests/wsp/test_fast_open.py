"""TCP_FASTOPEN (OPT-46): the option on both sides; text with the SYN comes with connect-with-data (ConnectEx)."""

from typing import Any

import pytest

from netcore.endpoint import Endpoint
from stack.wsp import constants as ws
from tests.wsp.crafted import PEER, CraftedPeer
from tests.wsp.hosts import RIGHT, TwoHosts

TCP = ws.IPPROTO_TCP
FAST_OPEN = 34


def asks_for_a_cookie(segment: Any) -> bool:
    """Whether a SYN carries the empty option."""
    return any(kind in (FAST_OPEN, "TFO") for kind, _ in segment.options)


@pytest.mark.requirement("OPT-46")
def test_option_is_off_and_reads_back(hosts: TwoHosts) -> None:
    s = hosts.left.tcp()
    assert hosts.left.get(s, ws.TCP_FASTOPEN, TCP) == 0
    for value, read in ((1, 1), (0, 0), (7, 1)):
        hosts.left.set(s, ws.TCP_FASTOPEN, value, TCP)
        assert hosts.left.get(s, ws.TCP_FASTOPEN, TCP) == read
    assert hosts.left.set_code(hosts.left.udp(), ws.TCP_FASTOPEN, 1, TCP) == ws.WSAENOPROTOOPT


@pytest.mark.requirement("OPT-46", "TCPX-6")
@pytest.mark.parametrize("on", [False, True])
def test_connect_asks_for_a_cookie_where_the_option_is_on(on: bool) -> None:
    peer = CraftedPeer()
    s = peer.host.nonblocking(peer.host.tcp())
    peer.host.set(s, ws.TCP_FASTOPEN, on, TCP)
    peer.host.connect_code(s, 80, PEER)
    ((_, syn),) = peer.sent()
    assert asks_for_a_cookie(syn) == on


@pytest.mark.requirement("OPT-46", "TCPX-6")
@pytest.mark.parametrize("while_listening", [False, True])
def test_listener_takes_text_with_the_syn_where_the_option_is_on(hosts: TwoHosts, while_listening: bool) -> None:
    listener = hosts.right.bound(80)
    if not while_listening:
        hosts.right.set(listener, ws.TCP_FASTOPEN, 1, TCP)
    hosts.right.ok("WSPListen", listener, 5)
    if while_listening:
        hosts.right.set(listener, ws.TCP_FASTOPEN, 1, TCP)
    client = hosts.left.tcp()
    hosts.left.set(client, ws.TCP_FASTOPEN, 1, TCP)
    assert hosts.left.connect_code(client, 80, RIGHT) == 0
    hosts.right.accept(listener)
    # the cookie is known now
    address = bytes(int(part) for part in RIGHT.split("."))
    endpoint = hosts.left.engine.connect(50_000, (address, 80), fast_open=True, data=b"ask")
    assert isinstance(endpoint, Endpoint)
    right = hosts.right.accept(listener)
    assert hosts.right.receive(right) == b"ask"
    hosts.right.send(right, b"answer")
    hosts.run()
    assert endpoint.readable_bytes == 6
    assert hosts.right.engine.counters()["TCPFastOpenPassive"] == 1
    endpoint.abort()
    hosts.right.set(listener, ws.TCP_FASTOPEN, 0, TCP)
    endpoint = hosts.left.engine.connect(50_001, (address, 80), fast_open=True, data=b"ask")
    right = hosts.right.accept(listener)
    assert hosts.right.receive(right) == b"ask"
    assert hosts.right.engine.counters()["TCPFastOpenPassive"] == 1
