"""TCP_FAIL_CONNECT_ON_ICMP_ERROR: whether an ICMP error ends a connect (wsp.md OPT-49)."""

import pytest
from scapy.layers.inet import ICMP, IP

from stack.wsp import constants as ws
from tests.wsp.crafted import HOST, PEER, CraftedPeer

OPTION = ws.TCP_FAIL_CONNECT_ON_ICMP_ERROR


def connecting(peer: CraftedPeer, *, fails: bool | None) -> int:
    """A non-blocking socket whose SYN an ICMP error has answered: the host is unreachable."""
    s = peer.host.nonblocking(peer.host.tcp())
    if fails is not None:
        peer.host.set(s, OPTION, int(fails), ws.IPPROTO_TCP)
    assert peer.host.connect_code(s, 80, PEER) == ws.WSAEWOULDBLOCK
    [(_, frame)] = peer.driver.take_sent()
    error = IP(src="192.0.2.1", dst=HOST) / ICMP(type=3, code=1) / bytes(frame)[:28]
    peer.driver.engine.frame_arrives(bytes(error), peer.driver.now())
    return s


@pytest.mark.requirement("OPT-49")
def test_option_is_off_until_it_is_set() -> None:
    host = CraftedPeer().host
    s = host.tcp()
    assert host.get(s, OPTION, ws.IPPROTO_TCP) == 0
    host.set(s, OPTION, 1, ws.IPPROTO_TCP)
    assert host.get(s, OPTION, ws.IPPROTO_TCP) == 1


@pytest.mark.requirement("OPT-49", "TCPX-5")
def test_icmp_error_ends_a_connect_that_asked_for_it() -> None:
    peer = CraftedPeer()
    s = connecting(peer, fails=True)
    assert peer.host.get(s, ws.SO_ERROR) == ws.WSAEHOSTUNREACH


@pytest.mark.requirement("OPT-49", "TCPX-5")
@pytest.mark.parametrize("fails", [False, None])
def test_connect_goes_on_over_an_icmp_error(fails: bool | None) -> None:
    peer = CraftedPeer()
    s = connecting(peer, fails=fails)
    assert peer.host.get(s, ws.SO_ERROR) == 0
    assert peer.host.connect_code(s, 80, PEER) == ws.WSAEALREADY
