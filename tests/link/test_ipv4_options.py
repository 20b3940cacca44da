"""Options of IPv4 headers on the way in, and in echo replies (RFC 791 3.1, RFC 1122 3.2.1.8, 3.2.2.6)."""

import pytest
from scapy.layers import inet

from netcore.wire import decode
from tests.link.wire import HOST, ICMP, PEER, SYN, TCP, UDP, Wire, dotted

RECORD_ROUTE, TIMESTAMP, LOOSE, STRICT = 7, 68, 131, 137


@pytest.fixture
def wire() -> Wire:
    """A host that knows PEER."""
    found = Wire()
    found.meet()
    return found


def optioned(options: bytes, protocol: int = ICMP, body: bytes | None = None) -> bytes:
    """A packet with these options, an echo request unless said otherwise."""
    body = decode.build_icmp(8, 0, b"abcd", b"text") if body is None else body
    padded = options + bytes(-len(options) % 4)
    return bytes(inet.IP(src=dotted(PEER), dst=dotted(HOST), proto=protocol, options=padded) / body)


def answer_to(wire: Wire, options: bytes) -> bytes:
    """The options of the answer to an echo request."""
    wire.put_ipv4(optioned(options))
    [frame] = wire.take()
    packet = frame[14:]
    assert decode.parse_icmp(packet[(packet[0] & 15) * 4 :]) == {
        "kind": 0, "code": 0, "rest": b"abcd", "payload": b"text",
    }  # fmt: skip
    assert decode.checksum(packet[: (packet[0] & 15) * 4]) == 0
    return packet[20 : (packet[0] & 15) * 4]


@pytest.mark.parametrize(
    "options",
    [b"", b"\x01" * 40, b"\x00" * 40, bytes([130, 11]) + bytes(9), bytes([148, 4, 0, 0]), bytes([25, 40]) + bytes(38)],
    ids=["none", "no operation", "end of list", "security", "router alert", "unknown"],
)
def test_option_of_no_concern_to_hosts_is_skipped(wire: Wire, options: bytes) -> None:
    assert answer_to(wire, options) == b""


def test_segment_with_options_before_it_is_taken(wire: Wire) -> None:
    segment = decode.build_tcp(999, 80, 3, 4, SYN, 5, addresses=(PEER, HOST))
    wire.put_ipv4(optioned(b"\x01" * 8, TCP, segment))
    assert wire.count("OutRsts") == 1


@pytest.mark.parametrize("kind", [LOOSE, STRICT])
@pytest.mark.parametrize("pointer", [4, 8], ids=["on its way", "at its end"])
def test_source_routed_packet_is_dropped(wire: Wire, kind: int, pointer: int) -> None:
    wire.put_ipv4(optioned(bytes([1, kind, 7, pointer]) + PEER))
    assert wire.take() == []
    assert (wire.count("InDiscards"), wire.count("IcmpInMsgs")) == (1, 0)


def test_route_is_recorded_in_the_reply(wire: Wire) -> None:
    assert answer_to(wire, bytes([1, RECORD_ROUTE, 11, 4]) + bytes(8)) == bytes([RECORD_ROUTE, 11, 8]) + HOST + bytes(5)
    assert answer_to(wire, bytes([RECORD_ROUTE, 7, 8]) + PEER + b"\0") == bytes([RECORD_ROUTE, 7, 8]) + PEER + b"\0"
    full = bytes([RECORD_ROUTE, 39, 36]) + PEER * 8 + bytes(4) + b"\0"
    assert answer_to(wire, full) == bytes([RECORD_ROUTE, 39, 40]) + PEER * 8 + HOST + b"\0"


def test_time_is_recorded_in_the_reply(wire: Wire) -> None:
    # ms that do not count from midnight UT, and say so
    time = (0x80000000 | wire.now // 1_000_000).to_bytes(4, "big")
    assert answer_to(wire, bytes([TIMESTAMP, 8, 5, 0x00]) + bytes(4)) == bytes([TIMESTAMP, 8, 9, 0]) + time
    assert answer_to(wire, bytes([TIMESTAMP, 12, 5, 0x01]) + bytes(8)) == bytes([TIMESTAMP, 12, 13, 1]) + HOST + time
    asked = bytes([TIMESTAMP, 12, 5, 0x03])
    assert answer_to(wire, asked + HOST + bytes(4)) == bytes([TIMESTAMP, 12, 13, 3]) + HOST + time
    assert answer_to(wire, asked + PEER + bytes(4)) == asked + PEER + bytes(4)
    # no room: it is counted who found none
    assert answer_to(wire, bytes([TIMESTAMP, 8, 9, 0x20]) + bytes(4)) == bytes([TIMESTAMP, 8, 9, 0x30]) + bytes(4)


PROBLEMS = {
    "length 0": (bytes([RECORD_ROUTE, 0, 4, 0]), 20),
    "length 1": (bytes([1, 1, 25, 1]), 22),
    "length past the header": (bytes([1, 25, 4, 0]), 21),
    "no length": (bytes([1, 1, 1, RECORD_ROUTE]), 23),
    "record route without a pointer": (bytes([RECORD_ROUTE, 2, 0, 0]), 21),
    "record route that points before its room": (bytes([RECORD_ROUTE, 7, 3]) + bytes(5), 22),
    "record route with room for half an address": (bytes([RECORD_ROUTE, 6, 4]) + bytes(5), 22),
    "timestamp without flags": (bytes([TIMESTAMP, 3, 5, 0]), 21),
    "timestamp that points before its room": (bytes([TIMESTAMP, 8, 4, 0]) + bytes(4), 22),
    "timestamp with room for an address alone": (bytes([TIMESTAMP, 8, 5, 1]) + bytes(4), 22),
    "timestamp that has overflown": (bytes([TIMESTAMP, 8, 9, 0xF0]) + bytes(4), 23),
}


@pytest.mark.requirement("LIM-4")
@pytest.mark.parametrize(("options", "pointer"), PROBLEMS.values(), ids=PROBLEMS)
def test_option_that_makes_no_sense_is_answered_by_where(wire: Wire, options: bytes, pointer: int) -> None:
    packet = optioned(options, UDP, bytes(20))
    wire.put_ipv4(packet)
    [answer] = wire.take_ipv4()
    message = inet.ICMP(answer["payload"])
    assert (message.type, message.code, message.ptr) == (12, 0, pointer)
    assert answer["payload"][8:] == packet[: 20 + len(options) + -len(options) % 4 + 8]
    assert (wire.count("InHdrErrors"), wire.count("IcmpOutParmProbs")) == (1, 1)


def test_fragment_but_the_first_brings_no_parameter_problem(wire: Wire) -> None:
    packet = inet.IP(bytes(optioned(bytes([25, 0, 0, 0]), UDP, bytes(20))))
    packet.frag = 4
    packet.chksum = None
    wire.put_ipv4(bytes(packet))
    assert wire.take() == []


@pytest.mark.requirement("LIM-4")
def test_every_option_of_every_length_and_pointer_is_survived(wire: Wire) -> None:
    for kind in (RECORD_ROUTE, TIMESTAMP, LOOSE, STRICT, 25):
        for length in (*range(13), 38, 39, 40, 41, 255):
            for pointer in (0, 1, 4, 5, 6, 9, 36, 37, 40, 255):
                for flags in (0, 1, 3, 0xF3):
                    wire.put_ipv4(optioned(bytes([kind, length, pointer, flags]) + bytes(36)))
        wire.take()
    wire.ping()
    assert len(wire.take_ipv4()) == 1
