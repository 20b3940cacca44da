"""TCP options as a hostile peer may send them, and the MSS."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP
from scapy.packet import Raw

from tests.tcp.scripted_peer import OUR_ADDRESS, PEER_ADDRESS, Host, Peer, read_all
from tests.tcp.segments import wanted


def syn_with(host, options, *, port=40000):
    """Injects a SYN whose option area is exactly these octets (padded to a multiple of 4); what came back."""
    octets = options + b"\0" * (-len(options) % 4)
    header = (
        IP(src=PEER_ADDRESS, dst=OUR_ADDRESS)
        / TCP(sport=port, dport=80, flags="S", seq=1, dataofs=5 + len(octets) // 4)
        / Raw(octets)
    )
    host.inject(header)
    return [IP(packet)[TCP] for packet, _ in host.take_packets()]


GOOD_MSS = b"\x02\x04\x05\xb4"
MD5, AO = 19, 29


@pytest.mark.requirement("SEG-13")
@pytest.mark.parametrize(
    "options",
    [
        b"\x01\x01\x01\x01" + GOOD_MSS,
        b"\xfe\x02" + GOOD_MSS,
        b"\xfe\x06abcd" + GOOD_MSS,
        b"\x05\x0aabcdefgh" + GOOD_MSS,
        b"\xff\x22" + b"x" * 32 + GOOD_MSS,
        GOOD_MSS + b"\x00\xff\xff\xff",
        GOOD_MSS + b"\x01\x01\x01\x00",
        b"",
    ],
)
def test_unknown_kinds_are_skipped(host, options):
    host.listen()
    (answer,) = syn_with(host, options)
    assert answer.flags == "SA"
    expected = 1460 if GOOD_MSS in options else 536
    endpoint = finish_handshake(host, answer)
    assert endpoint.info()["snd_mss"] == expected


def finish_handshake(host, answer, port=40000):
    """Acknowledges a SYN,ACK that was sent to number 1; the accepted connection."""
    host.inject(
        IP(src=PEER_ADDRESS, dst=OUR_ADDRESS)
        / TCP(sport=port, dport=80, flags="A", seq=2, ack=(answer.seq + 1) % (1 << 32))
    )
    return host.accept(host.listeners[0])


@pytest.mark.requirement("SEG-13")
@pytest.mark.parametrize(
    "options",
    [
        b"\x02\x00\x05\xb4",
        b"\x02\x01\x05\xb4",
        b"\xfe\x00\x00\x00",
        b"\xfe\x01\x00\x00",
        b"\x01\x01\x01\x02",
        b"\x01\x01\x02\x04",
        b"\x01\x02\x04\x05",
        b"\x08\x0a\x00\x00",
        b"\xfe\x05\x00\x00",
        b"\xfe\xff\x00\x00",
        b"\x01\x01\x01\xfe",
    ],
)
def test_length_of_0_or_1_or_past_the_header_drops_the_segment(host, options):
    host.listen()
    assert syn_with(host, options) == []
    assert host.counter("InErrs") == 1
    assert host.engine.usage()["connections"] == 0


@pytest.mark.requirement("SEG-13")
@pytest.mark.parametrize("options", [b"\x02\x03\x05\x01", b"\x02\x02\x01\x01", b"\x02\x06\x05\xb4\x05\xb4\x01\x01"])
def test_known_kind_of_the_wrong_length_is_skipped(host, options):
    host.listen()
    (answer,) = syn_with(host, options)
    assert finish_handshake(host, answer).info()["snd_mss"] == 536


@pytest.mark.requirement("SEG-13")
def test_malformed_options_on_an_established_connection_drop_the_segment(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    packet = peer.segment("A", dataofs=6, text=b"\xfe\x00\x00\x00text")
    host.inject(packet)
    peer.expect_nothing()
    assert endpoint.readable_bytes == 0
    peer.send("A", text=b"text")
    assert read_all(endpoint) == b"text"


@pytest.mark.requirement("SEG-13")
@pytest.mark.parametrize("dataofs", [0, 1, 4, 6, 15])
def test_header_length_below_20_or_past_the_segment_drops_it(host, dataofs):
    host.listen()
    host.inject(IP(src=PEER_ADDRESS, dst=OUR_ADDRESS) / TCP(sport=1, dport=80, flags="S", dataofs=dataofs))
    host.expect_silence()
    assert host.counter("InErrs") == 1


@pytest.mark.requirement("SEG-13")
@pytest.mark.parametrize("length", range(20))
def test_segment_shorter_than_a_header_is_dropped(host, length):
    octets = bytes(TCP(sport=1, dport=80, flags="S"))[:length]
    host.inject(IP(src=PEER_ADDRESS, dst=OUR_ADDRESS, proto=6) / Raw(octets))
    host.expect_silence()


@pytest.mark.requirement("SEG-13")
@settings(max_examples=300, deadline=None)
@given(octets=st.binary(max_size=40), text=st.binary(max_size=8))
@example(octets=bytes([MD5, 2]), text=b"")
@example(octets=bytes([MD5, 2, AO, 2]), text=b"")
def test_any_option_area_is_answered_or_dropped(octets, text):
    host = HOST
    options = octets + b"\0" * (-len(octets) % 4)
    host.inject(
        IP(src=PEER_ADDRESS, dst=OUR_ADDRESS)
        / TCP(sport=1, dport=81, flags="S", dataofs=5 + len(options) // 4)
        / Raw(options + text)
    )
    found = host.take_packets()
    assert len(found) == (1 if is_answered(options) else 0)


HOST = Host()


def is_answered(octets):
    """SEG-13 in as many words; and that a host without keys drops what its peer signs by RFC 2385, unlike TCP-AO."""
    at, signature = 0, None
    while at < len(octets) and octets[at] != 0:
        if octets[at] == 1:
            at += 1
            continue
        if at + 1 == len(octets) or octets[at + 1] < 2 or at + octets[at + 1] > len(octets):
            return False
        if octets[at] in (MD5, AO):
            signature = octets[at]
        at += octets[at + 1]
    return signature != MD5


@pytest.mark.requirement("SEG-13")
@pytest.mark.parametrize(
    ("announced", "used"),
    [(0, 64), (1, 64), (63, 64), (64, 64), (65, 65), (536, 536), (1460, 1460), (1461, 1460), (65535, 1460),
     (None, 536)],
)  # fmt: skip
def test_mss_of_the_peer_is_bounded_below_by_64_and_above_by_our_link(host, announced, used):
    peer = Peer(host, mss=announced)
    endpoint = peer.open_passively()
    endpoint.send(b"x" * 3000)
    assert {len(segment.text) for segment in peer.take()[:-1]} == {used}


@pytest.mark.requirement("SEG-13")
@pytest.mark.parametrize("mtu", [576, 1280, 1500, 9000, 65535])
def test_mss_sent_is_the_mtu_less_the_fixed_headers(make_host, mtu):
    host = make_host(mtu=mtu)
    peer = Peer(host)
    host.listen()
    peer.send("S")
    (answer,) = peer.expect(wanted("SA"))
    # RFC 9293 3.7.1: without the size of any option
    assert answer.options["MSS"] == mtu - 40
    active = Peer(host, port=2, our_port=5000)
    host.connect(5000, 2)
    (syn,) = active.expect(wanted("S"))
    assert syn.options["MSS"] == mtu - 40


@pytest.mark.requirement("SEG-13")
def test_options_of_every_segment_come_off_the_mss(host):
    peer = Peer(host, timestamps=True)
    endpoint = peer.open_passively()
    endpoint.send(b"x" * 3000)
    found = peer.take()
    assert [len(segment.text) for segment in found[:2]] == [1448, 1448]
    assert all(len(bytes(segment.packet)) <= 1500 for segment in found)


@pytest.mark.requirement("SEG-13")
def test_syn_ack_offers_only_what_the_syn_carried(host):
    host.listen()
    plain = Peer(host, port=1)
    plain.send("S")
    (answer,) = plain.expect(wanted("SA"))
    assert set(answer.options) == {"MSS"}
    rich = Peer(host, port=2, scale=7, timestamps=True)
    rich.send("S")
    (answer,) = rich.expect(wanted("SA"))
    assert {"MSS", "WScale", "Timestamp"} <= set(answer.options)
