"""Signed connections on paths that are narrower than their ends: what ICMP tells them, and what they find out."""

from typing import Any

import pytest

from netcore.endpoint import OK, UNREACHABLE, Endpoint, status_name
from netcore.keyring import Keyring
from tests.tcp.icmp_errors import FRAGMENTATION_NEEDED, TIME_EXCEEDED, complain, narrow
from tests.tcp.icmp_errors import UNREACHABLE as UNREACHABLE_TYPE
from tests.tcp.paths import RTT, TEXT, Path, sizes
from tests.tcp.scripted_peer import MINUTE, OUR_PORT, PEER_ADDRESS, PEER_PORT, Host, packed, state_of
from tests.tcp.segments import wanted
from tests.tcp.signing import AoKey, SignedPeer

SECRET = b"of the path"
KEY = AoKey()
CODES = [2, 3, FRAGMENTATION_NEEDED]
TIMESTAMPS = 12
# what a signature takes from the text of each segment, with what aligns it
ROOMS = {"md5": 20, "ao": 16}

pytestmark = pytest.mark.requirement("TCPX-7")


def peer_of(host: Host, kind: str, *, believe_icmp: bool = True, **fields: Any) -> SignedPeer:
    """A peer whose key the host has; ICMP errors are believed unless said otherwise."""
    keyring = Keyring(host.engine)
    if kind == "md5":
        keyring.add_md5(PEER_ADDRESS, SECRET)
        return SignedPeer(host, secret=SECRET, **{"sack": True, "scale": 7, **fields})
    keyring.add_ao(PEER_ADDRESS, KEY.secret, send_id=KEY.receive_id, receive_id=KEY.send_id, believe_icmp=believe_icmp)
    return SignedPeer(host, key=KEY, **{"sack": True, "scale": 7, **fields})


def connected(peer: SignedPeer) -> Endpoint:
    """A connection whose handshake took a round trip."""
    listener = peer.host.listeners[0] if peer.host.listeners else peer.host.listen(peer.our_port)
    peer.send("S")
    peer.expect(wanted("SA"))
    peer.host.advance(RTT)
    peer.send("A")
    return peer.host.accept(listener)


# ---- RFC 5925 7.8


@pytest.mark.parametrize("code", CODES)
def test_icmp_error_leaves_a_connection_with_ao_alone(host: Host, code: int) -> None:
    peer = peer_of(host, "ao", believe_icmp=False)
    endpoint = connected(peer)
    endpoint.send(TEXT[:1000])
    peer.take()
    before = endpoint.info()
    complain(peer, UNREACHABLE_TYPE, code, seq=1, mtu=600)
    peer.expect_nothing()
    assert endpoint.info() == before
    assert host.counter("TCPAODroppedIcmps") == 1
    peer.send("A", ack=1001)
    endpoint.send(TEXT[:1400])
    assert sizes(peer.take()) == [1400], "the path's MTU was believed"


def test_icmp_error_about_a_record_in_time_wait_is_dropped_and_counted(host: Host) -> None:
    peer = peer_of(host, "ao", believe_icmp=False)
    endpoint = connected(peer)
    endpoint.shutdown_send()
    peer.expect(wanted("FA"))
    peer.send("FA", ack=2)
    peer.expect(wanted("A"))
    complain(peer, UNREACHABLE_TYPE, 3, seq=1)
    assert host.counter("TCPAODroppedIcmps") == 1
    host.expect_silence()


@pytest.mark.parametrize(("kind", "code"), [(UNREACHABLE_TYPE, 1), (TIME_EXCEEDED, 0)])
def test_icmp_error_of_another_kind_is_remembered_with_ao(host: Host, kind: int, code: int) -> None:
    peer = peer_of(host, "ao", believe_icmp=False)
    endpoint = connected(peer)
    endpoint.send(TEXT[:1000])
    peer.take()
    complain(peer, kind, code, seq=1)
    assert endpoint.info()["soft_error"] == kind * 256 + code
    assert host.counter("TCPAODroppedIcmps") == 0


def test_icmp_error_ends_a_connect_with_ao_that_asked_for_it(host: Host) -> None:
    """In SYN-SENT nothing is synchronized yet, and nobody but routers could tell."""
    peer = peer_of(host, "ao", believe_icmp=False)
    endpoint = host.engine.connect(OUR_PORT, (packed(peer.address), PEER_PORT), icmp_fails_connect=True)
    assert isinstance(endpoint, Endpoint), status_name(endpoint)
    host.endpoints.append(endpoint)
    peer.expect(wanted("S"))
    complain(peer, UNREACHABLE_TYPE, 3, seq=0)
    assert (endpoint.status, state_of(endpoint)) == (UNREACHABLE, "CLOSED")
    assert host.counter("TCPAODroppedIcmps") == 0


@pytest.mark.parametrize("kind", ROOMS)
@pytest.mark.parametrize("code", [2, 3])
def test_hard_icmp_error_that_is_believed_ends_no_connection(host: Host, kind: str, code: int) -> None:
    peer = peer_of(host, kind)
    endpoint = connected(peer)
    endpoint.send(TEXT[:1000])
    peer.take()
    complain(peer, UNREACHABLE_TYPE, code, seq=1)
    assert (endpoint.status, state_of(endpoint)) == (OK, "ESTABLISHED")
    assert endpoint.info()["soft_error"] == UNREACHABLE_TYPE * 256 + code


def test_key_tells_whether_icmp_is_believed(host: Host) -> None:
    keyring = Keyring(host.engine)
    for number, believe in ((1, False), (2, True)):
        keyring.add_ao(PEER_ADDRESS, SECRET, send_id=number, receive_id=number, believe_icmp=believe)
    assert [key["believe_icmp"] for key in keyring.list()] == [False, True]


# ---- TCPX-4 beside a signature


@pytest.mark.requirement("TCPX-4")
@pytest.mark.parametrize("kind", ROOMS)
@pytest.mark.parametrize("timestamps", [False, True], ids=["bare", "timestamps"])
def test_what_was_too_large_goes_again_signed_in_segments_that_fit(host: Host, kind: str, timestamps: bool) -> None:
    peer = peer_of(host, kind, timestamps=timestamps)
    endpoint = connected(peer)
    options = ROOMS[kind] + TIMESTAMPS * timestamps
    text = TEXT[: 3 * (1460 - options)]
    endpoint.send(text)
    assert sizes(peer.take()) == [1460 - options] * 3
    before = endpoint.info()
    narrow(peer, 1000, seq=1)
    again = peer.take()
    assert {segment.packet.len for segment in again[:-1]} == {1000}
    assert b"".join(segment.text for segment in again) == text
    info = endpoint.info()
    assert info["eff_mss"] == 960 - options
    assert (info["cwnd"], info["ssthresh"]) == (before["cwnd"], before["ssthresh"])


@pytest.mark.requirement("TCPX-4")
@pytest.mark.parametrize("kind", ROOMS)
@pytest.mark.parametrize("timestamps", [False, True], ids=["bare", "timestamps"])
def test_signed_text_arrives_over_a_path_that_tells_its_mtu(host: Host, kind: str, timestamps: bool) -> None:
    peer = peer_of(host, kind, timestamps=timestamps)
    endpoint = connected(peer)
    endpoint.send(TEXT[:100_000])
    path = Path(peer, 1200)
    path.carry(100_000)
    assert path.largest == 1160 - ROOMS[kind] - TIMESTAMPS * timestamps
    assert host.counter("TCPTimeouts") == 0
    assert endpoint.status == OK


@pytest.mark.requirement("TCPX-4")
@pytest.mark.parametrize("kind", ROOMS)
def test_signed_text_arrives_over_a_path_that_swallows_what_is_too_large(host: Host, kind: str) -> None:
    """ICMP is not believed, or not sent: RFC 5925 7.8 leaves packetization layer discovery (RFC 4821)."""
    peer = peer_of(host, kind, believe_icmp=False, timestamps=True)
    endpoint = connected(peer)
    endpoint.send(TEXT[:200_000])
    path = Path(peer, 1300, tells=kind == "ao")
    path.carry(200_000, 600)
    assert host.counter("PathBlackHoles") == 1
    # found by probes, each a signed segment
    assert 1300 - 32 <= path.largest + 40 + ROOMS[kind] + TIMESTAMPS <= 1300
    assert endpoint.status == OK


@pytest.mark.requirement("TCPX-4")
@pytest.mark.parametrize("kind", ROOMS)
def test_signed_probe_finds_that_a_path_is_wide_again(host: Host, kind: str) -> None:
    peer = peer_of(host, kind)
    endpoint = connected(peer)
    endpoint.send(TEXT[:40_000])
    path = Path(peer, 1200)
    path.carry(40_000)
    path.mtu = 1500
    host.advance(10 * MINUTE)
    endpoint.send(TEXT[40_000:])
    path.carry(200_000)
    assert path.largest == 1460 - ROOMS[kind]
    assert endpoint.info()["eff_mss"] == 1460 - ROOMS[kind]


@pytest.mark.requirement("TCPX-4")
def test_next_signed_connection_begins_with_what_the_path_takes(host: Host) -> None:
    peer = peer_of(host, "md5", timestamps=True)
    endpoint = connected(peer)
    endpoint.send(TEXT[:1400])
    peer.take()
    narrow(peer, 1000, seq=1)
    peer.take()
    second = SignedPeer(host, secret=SECRET, port=40001, timestamps=True, sack=True)
    fresh = connected(second)
    fresh.send(TEXT[:5000])
    assert max(segment.packet.len for segment in second.take()) == 1000
    assert fresh.info()["eff_mss"] == 960 - ROOMS["md5"] - TIMESTAMPS
