"""ICMP: echo, unreachables and their rate (RFC 792, RFC 1122 3.2.2, RFC 1812 4.3.2.8)."""

import pytest
from scapy.layers import inet

from netcore.wire import decode
from tests.link.wire import FAR, HOST, ICMP, MILLISECOND, PEER, TCP, UDP, Wire, dotted


@pytest.fixture
def wire() -> Wire:
    """A host that knows PEER."""
    found = Wire(gateway=dotted(PEER))
    found.meet()
    return found


def put(wire: Wire, message: bytes, source: bytes = PEER) -> None:
    wire.put_ipv4(decode.build_ipv4(source, HOST, ICMP, message))


@pytest.mark.parametrize("size", [0, 1, 56, 1471, 1472])
def test_echo_up_to_the_mtu_is_answered_octet_for_octet(wire: Wire, size: int) -> None:
    payload = bytes(number * 7 % 256 for number in range(size))
    wire.ping(payload=payload)
    [answer] = wire.take_ipv4()
    message = decode.parse_icmp(answer["payload"])
    assert message == {"kind": 0, "code": 0, "rest": b"abcd", "payload": payload}
    assert (answer["source"], answer["destination"], answer["ttl"]) == (HOST, PEER, 128)
    assert (wire.count("IcmpInEchos"), wire.count("IcmpOutEchoReps")) == (1, 1)


def test_echo_on_a_larger_link_is_answered_up_to_its_mtu() -> None:
    wire = Wire(mtu=9000)
    wire.meet()
    wire.ping(payload=bytes(8972))
    [answer] = wire.take_ipv4()
    assert answer["total_length"] == 9000


def test_echo_larger_than_the_mtu_is_not_answered(wire: Wire) -> None:
    wire.ping(payload=bytes(1473))
    assert wire.take() == []


@pytest.mark.requirement("LIM-4")
@pytest.mark.parametrize("length", range(8))
def test_message_shorter_than_its_header_is_an_error(wire: Wire, length: int) -> None:
    put(wire, decode.build_icmp(8, 0)[:length])
    assert wire.take() == []
    assert (wire.count("IcmpInErrors"), wire.count("IcmpInCsumErrors")) == (1, 0)


def test_echo_with_a_bad_checksum_is_counted_and_dropped(wire: Wire) -> None:
    message = bytearray(decode.build_icmp(8, 0, b"abcd", b"payload"))
    message[-1] ^= 1
    put(wire, bytes(message))
    assert wire.take() == []
    assert (wire.count("IcmpInErrors"), wire.count("IcmpInCsumErrors")) == (1, 1)


@pytest.mark.parametrize("kind", [number for number in range(256) if number != 8])
def test_message_other_than_echo_request_is_not_answered(wire: Wire, kind: int) -> None:
    put(wire, decode.build_icmp(kind, 0, b"abcd", bytes(40)))
    assert wire.take() == []
    assert wire.count("IcmpInMsgs") == 1
    assert wire.count("IcmpInDestUnreachs") == (kind == 3)


def test_echo_request_of_an_unknown_code_is_not_answered(wire: Wire) -> None:
    put(wire, decode.build_icmp(8, 1))
    assert wire.take() == []


def test_datagram_is_answered_by_port_unreachable_that_quotes_it(wire: Wire) -> None:
    datagram = inet.IP(src=dotted(FAR), dst=dotted(HOST), proto=UDP) / b"\x30\x39\x00\x35\x00\x0c\x00\x00text"
    wire.put_ipv4(bytes(datagram))
    [answer] = wire.take_ipv4()
    judged = inet.ICMP(answer["payload"])
    assert (judged.type, judged.code) == (3, 3)
    quoted = judged[inet.UDPerror]
    assert (quoted.sport, quoted.dport) == (12345, 53)
    assert decode.checksum(answer["payload"]) == 0
    assert answer["payload"][8:] == bytes(datagram)[:28]
    assert (wire.count("UdpNoPorts"), wire.count("IcmpOutDestUnreachs")) == (1, 1)


def test_options_of_the_quoted_packet_are_quoted_too(wire: Wire) -> None:
    datagram = bytes(inet.IP(src=dotted(PEER), dst=dotted(HOST), proto=UDP, options=b"\1" * 8) / bytes(20))
    wire.put_ipv4(datagram)
    [answer] = wire.take_ipv4()
    assert answer["payload"][8:] == datagram[: 28 + 8]


@pytest.mark.requirement("LIM-4")
@pytest.mark.parametrize("size", range(9))
def test_quote_ends_with_the_packet(wire: Wire, size: int) -> None:
    packet = decode.build_ipv4(PEER, HOST, UDP, b"12345678"[:size])
    wire.put_ipv4(packet + b"padding, which is no part of it")
    [answer] = wire.take_ipv4()
    assert answer["payload"][8:] == packet


@pytest.mark.parametrize("protocol", [0, 2, 41, 47, 132, 255])
def test_unknown_protocol_is_answered_by_protocol_unreachable(wire: Wire, protocol: int) -> None:
    wire.put_ipv4(decode.build_ipv4(PEER, HOST, protocol, bytes(20)))
    [answer] = wire.take_ipv4()
    message = decode.parse_icmp(answer["payload"])
    assert message is not None
    assert (message["kind"], message["code"]) == (3, 2)
    assert wire.count("InUnknownProtos") == 1


def test_unreachables_keep_to_their_rate() -> None:
    wire = Wire(icmp_interval=10 * MILLISECOND)
    wire.meet()
    sent = 0
    for _ in range(100):
        wire.put_ipv4(decode.build_ipv4(PEER, HOST, UDP, bytes(8)))
        sent += len(wire.take())
        wire.pass_time(MILLISECOND)
    assert sent == 10
    assert wire.count("IcmpOutRateLimited") == 90


def test_flood_of_datagrams_does_not_hold_up_echo() -> None:
    wire = Wire()
    wire.meet()
    for _ in range(50):
        wire.put_ipv4(decode.build_ipv4(PEER, HOST, UDP, bytes(8)))
        wire.ping()
    kinds = [packet["payload"][0] for packet in wire.take_ipv4()]
    assert (kinds.count(0), kinds.count(3)) == (50, 1)


def test_bad_checksum_of_a_segment_brings_no_icmp(wire: Wire) -> None:
    wire.put_ipv4(decode.build_ipv4(PEER, HOST, TCP, bytes(20)))
    assert wire.take() == []
