"""ICMP: echo, unreachables and their rate (RFC 792, RFC 1122 3.2.2, RFC 1812 4.3.2.8)."""

import itertools

import pytest
from scapy.layers import inet

from netcore.wire import decode
from tests.link.wire import FAR, HOST, ICMP, MILLISECOND, PEER, SECOND, TCP, UDP, Wire, dotted


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


@pytest.mark.requirement("LIM-2")
def test_large_echo_is_not_answered_when_memory_is_used_up() -> None:
    wire = Wire(memory_limit=0, mtu=9000)
    wire.meet()
    wire.ping(payload=bytes(5000))
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


@pytest.mark.parametrize("code", [1, 9, 255])
def test_echo_request_of_an_unknown_code_is_answered_with_code_0(wire: Wire, code: int) -> None:
    put(wire, decode.build_icmp(8, code, b"abcd", b"ping"))
    (answer,) = wire.take_ipv4()
    message = decode.parse_icmp(answer["payload"])
    assert message == {"kind": 0, "code": 0, "rest": b"abcd", "payload": b"ping"}


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
    wire = Wire(icmp_interval=10 * MILLISECOND, icmp_burst=3)
    wire.meet()
    sent = 0
    for _ in range(100):
        wire.put_ipv4(decode.build_ipv4(PEER, HOST, UDP, bytes(8)))
        sent += len(wire.take())
        wire.pass_time(MILLISECOND)
    assert sent == 3 + 9
    assert wire.count("IcmpOutRateLimited") == 88
    # nothing for a while, and the bucket is full again, but no fuller
    wire.pass_time(SECOND)
    for _ in range(10):
        wire.put_ipv4(decode.build_ipv4(PEER, HOST, UDP, bytes(8)))
    assert len(wire.take()) == 3


def test_one_source_does_not_use_up_what_others_are_told() -> None:
    wire = Wire(gateway=dotted(PEER))
    wire.meet()
    for _ in range(100):
        wire.put_ipv4(decode.build_ipv4(PEER, HOST, UDP, bytes(8)))
    assert len(wire.take()) == 6
    wire.put_ipv4(decode.build_ipv4(FAR, HOST, UDP, bytes(8)))
    assert len(wire.take()) == 1


def test_many_sources_together_keep_to_a_rate_that_cannot_be_counted() -> None:
    wire = Wire(gateway=dotted(PEER))
    wire.meet()
    counts = set()
    for burst in range(20):
        for number in range(200):
            wire.put_ipv4(decode.build_ipv4(bytes([192, 0, burst, number + 1]), HOST, UDP, bytes(8)))
        counts.add(len(wire.take()))
        wire.pass_time(SECOND)
    assert max(counts) <= 50
    assert min(counts) >= 50 // 3
    assert len(counts) > 1


@pytest.mark.parametrize("kind", [3, 4, 5, 11, 12])
def test_error_brings_no_error(wire: Wire, kind: int) -> None:
    header = inet.IP(src=dotted(PEER), dst=dotted(HOST), proto=ICMP, options=b"\x07\x01\0\0")
    wire.put_ipv4(bytes(header / bytes([kind]) / bytes(30)))
    assert wire.take() == []
    assert wire.count("InHdrErrors") == 1


def test_packet_that_may_be_cut_has_an_identification_of_its_own(wire: Wire) -> None:
    seen = set()
    for _ in range(200):
        wire.ping()
        [answer] = wire.take_ipv4()
        seen.add(answer["identification"])
    assert len(seen) == 200


def test_identifications_tell_nothing_of_what_others_get() -> None:
    def series(seed: bytes, others: int) -> list[int]:
        wire = Wire(seed=seed, gateway=dotted(PEER))
        wire.meet()
        found = []
        for _ in range(30):
            for _ in range(others):
                wire.ping(source=FAR)
            wire.take()
            wire.ping()
            found.append(wire.take_ipv4()[0]["identification"])
        return found

    def steps(found: list[int]) -> list[int]:
        return [(after - before) % 65536 for before, after in itertools.pairwise(found)]

    alone, beside = series(bytes(16), 0), series(bytes(16), 5)
    # as small steps with others as without: an idle host cannot be told from a busy one
    assert max(steps(alone) + steps(beside)) <= 8
    assert len(set(steps(alone))) > 3
    assert alone[0] != series(bytes(15) + b"x", 0)[0]


def test_flood_of_datagrams_does_not_hold_up_echo() -> None:
    wire = Wire()
    wire.meet()
    for _ in range(50):
        wire.put_ipv4(decode.build_ipv4(PEER, HOST, UDP, bytes(8)))
        wire.ping()
    kinds = [packet["payload"][0] for packet in wire.take_ipv4()]
    assert (kinds.count(0), kinds.count(3)) == (50, 6)


def test_bad_checksum_of_a_segment_brings_no_icmp(wire: Wire) -> None:
    wire.put_ipv4(decode.build_ipv4(PEER, HOST, TCP, bytes(20)))
    assert wire.take() == []
