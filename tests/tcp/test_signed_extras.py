"""What signatures (TCPX-7) leave of the room for Fast Open, the user timeout option and the urgent pointer."""

import pytest
from scapy.layers.inet import TCP

from netcore.endpoint import SEND_URGENT, URGENT
from netcore.keyring import Keyring
from tests.tcp.fast_open import COOKIE, cookie_of, option
from tests.tcp.scripted_peer import MINUTE, OUR_PORT, PEER_ADDRESS, PEER_PORT, SECOND, Host, packed, read_all
from tests.tcp.segments import Segment
from tests.tcp.signing import AoKey, SignedPeer, options_of, tcp_of

SECRET = b"a secret of two routers"
KEY = AoKey()
USER_TIMEOUT = 28


def signed(host: Host, how: str, **fields: object) -> SignedPeer:
    """A peer that shares a key with the host."""
    keyring = Keyring(host.engine)
    if not keyring.list():
        if how == "md5":
            keyring.add_md5(PEER_ADDRESS, SECRET)
        else:
            KEY.give_to(keyring)
    return SignedPeer(host, **{"secret": SECRET} if how == "md5" else {"key": KEY}, **fields)


def kinds(segment: Segment) -> set[int]:
    """The options of a segment, of 40 octets at most."""
    octets = tcp_of(bytes(segment.packet))
    assert (octets[12] >> 4) * 4 <= 60
    return {kind for kind, _, _ in options_of(octets)}


@pytest.mark.requirement("TCPX-6", "TCPX-7")
@pytest.mark.parametrize("how", ["md5", "ao"])
def test_signed_syn_has_no_room_for_a_cookie_beside_timestamps(host, how):
    peer = signed(host, how)
    endpoint = host.engine.connect(OUR_PORT, (packed(PEER_ADDRESS), PEER_PORT), fast_open=True, data=b"ask")
    host.endpoints.append(endpoint)
    (syn,) = peer.take()
    assert cookie_of(syn) is None
    peer.send("SA")
    texts = [segment.text for segment in peer.take()]
    assert b"".join(texts) == b"ask"


@pytest.mark.requirement("TCPX-6", "TCPX-7")
@pytest.mark.parametrize("size", [3, 5000])
def test_text_goes_with_a_signed_syn_where_cookie_and_text_have_room(make_host, size):
    host = make_host(timestamps=0)
    text = bytes(number % 251 for number in range(size))
    peer = signed(host, "ao", our_port=1000)
    asking = host.engine.connect(1000, (packed(PEER_ADDRESS), PEER_PORT), fast_open=True)
    assert cookie_of(peer.take()[0]) == b""
    peer.send("SA", options=[*peer.syn_options(), *option(COOKIE)])
    peer.take()
    asking.abort()
    host.take_packets()
    peer = signed(host, "ao")
    endpoint = host.engine.connect(OUR_PORT, (packed(PEER_ADDRESS), PEER_PORT), fast_open=True, data=text)
    host.endpoints.append(endpoint)
    (syn,) = peer.take()
    assert cookie_of(syn) == COOKIE
    header = syn.packet[TCP].dataofs * 4
    assert len(syn.text) == min(size, 1500 - 20 - header)
    peer.ack = 1 + len(syn.text)
    peer.send("SA")
    rest = b"".join(segment.text for segment in peer.take())
    while len(syn.text) + len(rest) < size:
        peer.send("A")
        rest += b"".join(segment.text for segment in peer.take())
    assert syn.text + rest == text


@pytest.mark.requirement("TCPX-6", "TCPX-7")
def test_signed_syn_with_a_right_cookie_brings_its_text(make_host):
    host = make_host(timestamps=0)
    listener = host.engine.listen(None, OUR_PORT, 16, fast_open=True)
    host.listeners.append(listener)
    peer = signed(host, "ao", port=PEER_PORT)
    peer.send("S", options=[*peer.syn_options(), *option(b"")])
    (answer,) = peer.take()
    cookie = cookie_of(answer)
    assert cookie
    peer = signed(host, "ao", port=PEER_PORT + 1)
    peer.send("S", options=[*peer.syn_options(), *option(cookie)], text=b"ask")
    assert read_all(host.accept(listener)) == b"ask"
    assert [segment.flags for segment in peer.take()] == ["SA"]


@pytest.mark.requirement("SND-7", "TCPX-7")
@pytest.mark.parametrize("how", ["md5", "ao"])
@pytest.mark.parametrize("timestamps", [False, True])
def test_user_timeout_option_goes_beside_a_signature_as_soon_as_there_is_room(host, how, timestamps):
    peer = signed(host, how, timestamps=timestamps, sack=True)
    endpoint = host.engine.connect(
        OUR_PORT, (packed(PEER_ADDRESS), PEER_PORT), user_timeout_option=5 * MINUTE, data=b"x" * 4000
    )
    host.endpoints.append(endpoint)
    assert USER_TIMEOUT not in kinds(peer.take()[0])
    peer.send("SA")
    seen = [USER_TIMEOUT in kinds(segment) for segment in peer.take()]
    for _ in range(5):
        # a hole to be told of takes the room
        peer.send("A", seq=peer.seq + 100, text=b"late")
        seen += [USER_TIMEOUT in kinds(segment) for segment in peer.take()]
    peer.send("A", text=b"x" * 100)
    host.advance(SECOND)
    seen += [USER_TIMEOUT in kinds(segment) for segment in peer.take()]
    assert sum(seen) == 1


@pytest.mark.requirement("SEG-16", "TCPX-7")
@pytest.mark.parametrize("how", ["md5", "ao"])
def test_urgent_pointer_is_signed_for(host, how):
    peer = signed(host, how)
    endpoint = peer.open_passively()
    endpoint.send(b"abc", SEND_URGENT)
    (segment,) = peer.take()
    assert (segment.packet[TCP].urgptr, segment.packet[TCP].flags.U) == (3, 1)
    peer.send("AU", text=b"xyz", ack=4, urgptr=3)
    assert endpoint.readiness & URGENT
    octet = bytearray(1)
    assert endpoint.receive_urgent(octet) == 1
    assert octet == b"z"
