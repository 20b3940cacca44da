"""The wire formats against scapy as an independent judge, and against whatever bytes come."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.l2 import ARP, Ether
from scapy.utils import checksum as judge_checksum

from netcore.wire import decode

ADDRESS = st.binary(min_size=4, max_size=4)
MAC = st.binary(min_size=6, max_size=6)
SHORT = st.integers(0, 0xFFFF)
WORD = st.integers(0, 0xFFFFFFFF)
OCTET = st.integers(0, 0xFF)
TEXT = st.binary(max_size=300)

ALICE, BOB = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])


def dotted(address: bytes) -> str:
    return ".".join(map(str, address))


def colons(mac: bytes) -> str:
    return mac.hex(":")


# ---- the checksum


@given(TEXT)
def test_checksum_agrees_with_scapy(octets: bytes) -> None:
    assert decode.checksum(octets) == judge_checksum(octets)


@given(st.lists(TEXT, max_size=8))
def test_checksum_of_pieces_is_that_of_the_whole(pieces: list[bytes]) -> None:
    assert decode.checksum(b"", *pieces) == decode.checksum(b"".join(pieces))


@pytest.mark.parametrize("length", [1, 31, 32, 33, 63, 64, 65, 1460, 65535])
@pytest.mark.parametrize("octet", [0x00, 0xFF])
def test_checksum_of_one_repeated_octet_agrees_with_scapy(length: int, octet: int) -> None:
    octets = bytes([octet]) * length
    assert decode.checksum(octets) == judge_checksum(octets)


@given(TEXT, st.integers(0, 7))
def test_checksum_at_any_alignment_is_the_same(octets: bytes, shift: int) -> None:
    assert decode.checksum(memoryview(bytes(shift) + octets)[shift:]) == decode.checksum(octets)


@pytest.mark.requirement("SEG-14")
@given(TEXT)
def test_partial_checksum_completed_over_the_packet_is_the_checksum(text: bytes) -> None:
    bare = decode.build_tcp(1, 2, 3, 4, 16, 5, text)
    partial = decode.partial_checksum(ALICE, BOB, 6, len(bare))
    completed = decode.checksum(bare[:16] + partial.to_bytes(2, "big") + bare[18:])
    whole = decode.build_tcp(1, 2, 3, 4, 16, 5, text, addresses=(ALICE, BOB))
    assert completed.to_bytes(2, "big") == whole[16:18]


# ---- what is built, scapy reads


@given(MAC, MAC, SHORT, TEXT)
def test_ethernet_frame_reads_as_it_was_built(destination: bytes, source: bytes, kind: int, payload: bytes) -> None:
    frame = decode.build_ethernet(destination, source, kind, payload)
    judged = Ether(frame)
    assert (judged.dst, judged.src) == (colons(destination), colons(source))
    assert decode.parse_ethernet(frame) == {
        "destination": destination,
        "source": source,
        "ethertype": kind,
        "group": bool(destination[0] & 1),
        "payload": payload,
    }


@given(SHORT, st.tuples(MAC, ADDRESS, MAC, ADDRESS))
def test_arp_packet_reads_as_it_was_built(operation: int, fields: tuple[bytes, bytes, bytes, bytes]) -> None:
    packet = decode.build_arp(operation, *fields)
    judged = ARP(packet)
    assert (judged.op, judged.hwsrc, judged.psrc) == (operation, colons(fields[0]), dotted(fields[1]))
    assert (judged.hwdst, judged.pdst) == (colons(fields[2]), dotted(fields[3]))
    parsed = decode.parse_arp(packet)
    assert parsed is not None
    assert tuple(parsed.values()) == (operation, *fields)


@given(ADDRESS, ADDRESS, OCTET, TEXT, OCTET, OCTET, SHORT, SHORT)
def test_ipv4_packet_reads_as_it_was_built(
    source: bytes, destination: bytes, protocol: int, payload: bytes, tos: int, ttl: int, name: int, fragment: int
) -> None:
    packet = decode.build_ipv4(
        source, destination, protocol, payload, tos=tos, ttl=ttl, identification=name, fragment=fragment
    )
    judged = IP(packet)
    assert (judged.src, judged.dst, judged.proto) == (dotted(source), dotted(destination), protocol)
    assert (judged.tos, judged.ttl, judged.id, judged.len) == (tos, ttl, name, len(packet))
    assert (int(judged.flags) << 13 | judged.frag) == fragment
    assert judge_checksum(packet[:20]) == 0
    parsed = decode.parse_ipv4(packet)
    assert parsed is not None
    assert parsed["payload"] == payload
    assert parsed["is_fragment"] == bool(judged.frag or judged.flags.MF)


@given(OCTET, OCTET, st.binary(min_size=4, max_size=4), TEXT)
def test_icmp_message_reads_as_it_was_built(kind: int, code: int, rest: bytes, payload: bytes) -> None:
    message = decode.build_icmp(kind, code, rest, payload)
    assert judge_checksum(message) == 0
    if kind in (0, 8):
        # the other kinds have a form of their own, which random bytes have not
        judged = ICMP(message)
        assert (judged.type, judged.code) == (kind, code)
        assert (judged.id.to_bytes(2, "big") + judged.seq.to_bytes(2, "big"), bytes(judged.payload)) == (rest, payload)
    assert decode.parse_icmp(message) == {"kind": kind, "code": code, "rest": rest, "payload": payload}


@given(
    SHORT, SHORT, WORD, WORD, OCTET, SHORT, TEXT, SHORT, st.none() | SHORT, st.none() | OCTET,
    st.none() | st.tuples(WORD, WORD),
)  # fmt: skip
def test_tcp_segment_reads_as_it_was_built(
    source_port: int, destination_port: int, seq: int, ack: int, flags: int, window: int, text: bytes, urgent: int,
    mss: int | None, scale: int | None, timestamps: tuple[int, int] | None,
) -> None:  # fmt: skip
    options = decode.build_options(mss=mss, window_scale=scale, timestamps=timestamps)
    segment = decode.build_tcp(
        source_port, destination_port, seq, ack, flags, window, text, options=options, urgent=urgent,
        addresses=(ALICE, BOB),
    )  # fmt: skip
    judged = TCP(segment)
    assert (judged.sport, judged.dport, judged.seq, judged.ack) == (source_port, destination_port, seq, ack)
    assert (int(judged.flags) & 0xFF, judged.window, judged.urgptr) == (flags, window, urgent)
    assert judged.dataofs * 4 == 20 + len(options)
    told = dict(option for option in judged.options if option[0] != "NOP")
    assert told.get("MSS") == mss
    assert told.get("WScale") == scale
    assert told.get("Timestamp") == timestamps
    assert IP(bytes(IP(src=dotted(ALICE), dst=dotted(BOB)) / TCP(segment)))[TCP].chksum == judged.chksum
    assert decode.transport_checksum(ALICE, BOB, 6, segment) == 0
    parsed = decode.parse_tcp(segment)
    assert parsed is not None
    assert (parsed["seq"], parsed["ack"], parsed["flags"], parsed["window"]) == (seq, ack, flags, window)
    assert (parsed["mss"], parsed["timestamps"], parsed["payload"]) == (mss, timestamps, text)
    assert parsed["window_scale"] == (None if scale is None else min(scale, 14))
    assert parsed["seg_len"] == len(text) + bool(flags & 2) + bool(flags & 1)


VNET_FIELDS = {
    "flags": OCTET,
    "gso_type": OCTET,
    "hdr_len": SHORT,
    "gso_size": SHORT,
    "csum_start": SHORT,
    "csum_offset": SHORT,
}


@given(st.fixed_dictionaries(VNET_FIELDS))
def test_virtio_header_reads_as_it_was_built(fields: dict[str, int]) -> None:
    header = decode.build_vnet(**fields)
    assert len(header) == 10
    assert decode.parse_vnet(header) == fields


def test_value_that_does_not_fit_is_named() -> None:
    with pytest.raises(ValueError, match="seq is 4294967296, but must fit 32 bits"):
        decode.build_tcp(1, 2, 1 << 32, 0, 0, 0)
    with pytest.raises(ValueError, match="options have 3 octets"):
        decode.build_tcp(1, 2, 3, 4, 0, 0, options=b"\1\1\1")
    with pytest.raises(ValueError, match="source is b'abc', but must be 4 octets"):
        decode.build_ipv4(b"abc", BOB, 6)


# ---- what scapy builds, we read


OPTIONS = [
    [],
    [("MSS", 1460)],
    [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (7, 9)), ("NOP", None), ("WScale", 7)],
    [("NOP", None), ("NOP", None), ("Timestamp", (0xFFFFFFFF, 0))],
    [("NOP", None), ("NOP", None), ("SAck", (1, 2, 3, 4))],
    [("WScale", 255), ("NOP", None), ("EOL", None)],
]


@pytest.mark.requirement("SEG-13")
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_options_that_scapy_wrote_are_read(options: list[tuple[str, object]]) -> None:
    segment = bytes(TCP(sport=5, dport=6, options=options) / b"text")
    parsed = decode.parse_tcp(segment)
    assert parsed is not None
    told = dict(options)
    assert parsed["mss"] == told.get("MSS")
    assert parsed["timestamps"] == told.get("Timestamp")
    assert parsed["sack_permitted"] == ("SAckOK" in told)
    scale = told.get("WScale")
    assert parsed["window_scale"] == (min(scale, 14) if isinstance(scale, int) else None)
    assert parsed["payload"] == b"text"


BAD_OPTIONS = {
    "length 0": bytes([2, 0, 5, 180]),
    "length 1": bytes([8, 1, 0, 0]),
    "one octet past the header": bytes([1, 1, 2, 3])[:3] + bytes([3]),
    "runs past the header": bytes([2, 4, 5, 180, 8, 10, 0, 0]),
    "unknown kind with length 1": bytes([253, 1, 1, 1]),
    "unknown kind past the header": bytes([253, 5, 1, 1]),
    "kind without a length": bytes([1, 1, 1, 2]),
    "length 255": bytes([254, 255, 0, 0]),
}


@pytest.mark.requirement("SEG-13")
@pytest.mark.parametrize("options", BAD_OPTIONS.values(), ids=BAD_OPTIONS)
def test_bad_option_length_makes_the_segment_bad(options: bytes) -> None:
    assert decode.parse_tcp(decode.build_tcp(1, 2, 3, 4, 16, 5, b"x" * 40, options=options)) is None


@pytest.mark.requirement("SEG-13")
@pytest.mark.parametrize(
    ("options", "mss"),
    [
        (bytes([253, 4, 9, 9, 2, 4, 5, 180]), 1460),  # unknown kind skipped
        (bytes([0, 2, 0, 9]), None),  # nothing behind the end is looked at
        (bytes([2, 3, 5, 1]), None),  # a known kind of a length that is not its own is skipped
        (bytes([3, 4, 9, 1, 2, 4, 5, 180]), 1460),
    ],
)
def test_option_that_says_nothing_is_skipped(options: bytes, mss: int | None) -> None:
    parsed = decode.parse_tcp(decode.build_tcp(1, 2, 3, 4, 16, 5, options=options))
    assert parsed is not None
    assert parsed["mss"] == mss
    assert parsed["window_scale"] is None


@pytest.mark.requirement("SEG-13")
@given(st.binary(max_size=40).filter(lambda options: len(options) % 4 == 0), TEXT)
def test_options_of_random_bytes_never_touch_the_text(options: bytes, text: bytes) -> None:
    parsed = decode.parse_tcp(decode.build_tcp(1, 2, 3, 4, 16, 5, text, options=options))
    assert parsed is None or parsed["payload"] == text


# ---- whatever bytes come: no read outside (the sanitized build sees one), no result from half a header

ARP_PACKET = decode.build_arp(1, bytes(6), ALICE, bytes(6), BOB)
SEGMENT = decode.build_tcp(
    1, 2, 3, 4, 16, 5, b"text", options=decode.build_options(mss=1460, window_scale=7, timestamps=(1, 2)),
    addresses=(ALICE, BOB),
)  # fmt: skip
ICMP_MESSAGE = decode.build_icmp(8, 0, b"abcd", b"payload")
PACKET = decode.build_ipv4(ALICE, BOB, 6, SEGMENT)

Parser = Callable[[bytes], object]
CASES: list[tuple[Parser, bytes, int]] = [
    (decode.parse_ethernet, decode.build_ethernet(bytes(6), bytes(6), 0x800, PACKET), 14),
    (decode.parse_arp, ARP_PACKET, 28),
    (decode.parse_ipv4, PACKET, len(PACKET)),
    (decode.parse_icmp, ICMP_MESSAGE, len(ICMP_MESSAGE)),
    (decode.parse_tcp, SEGMENT, len(SEGMENT) - 4),
    (decode.parse_vnet, decode.build_vnet(gso_size=1448), 10),
]


@pytest.mark.requirement("LIM-4", "SEG-13")
@pytest.mark.parametrize(("parse", "packet", "needed"), CASES, ids=lambda value: getattr(value, "__name__", ""))
def test_every_truncation_of_a_packet_is_told_from_a_whole_one(parse: Parser, packet: bytes, needed: int) -> None:
    for length in range(len(packet) + 1):
        assert (parse(packet[:length]) is not None) == (length >= needed), length


@pytest.mark.requirement("LIM-4")
@pytest.mark.parametrize("parse", [case[0] for case in CASES], ids=lambda parse: parse.__name__)
@given(octets=st.binary(max_size=100))
def test_random_bytes_are_parsed_or_refused(parse: Parser, octets: bytes) -> None:
    parse(octets)


@pytest.mark.requirement("LIM-4")
@given(st.sampled_from(CASES), st.data())
def test_packet_with_flipped_bits_is_parsed_or_refused(case: tuple[Parser, bytes, int], data: st.DataObject) -> None:
    parse, packet, _ = case
    mutated = bytearray(packet)
    for _ in range(data.draw(st.integers(1, 4))):
        bit = data.draw(st.integers(0, len(packet) * 8 - 1))
        mutated[bit >> 3] ^= 1 << (bit & 7)
    parse(bytes(mutated[: data.draw(st.integers(0, len(packet)))]))


@pytest.mark.parametrize("bit", range(160))
def test_ipv4_header_with_one_flipped_bit_is_refused(bit: int) -> None:
    mutated = bytearray(PACKET)
    mutated[bit >> 3] ^= 1 << (bit & 7)
    assert decode.parse_ipv4(mutated) is None


def test_ipv4_options_are_tolerated_and_padding_is_cut() -> None:
    packet = bytes(IP(src="10.0.0.1", dst="10.0.0.2", proto=6, options=b"\x07\x07\x04" + bytes(5)) / b"text")
    parsed = decode.parse_ipv4(packet + b"padding")
    assert parsed is not None
    assert (parsed["header_length"], parsed["payload"]) == (28, b"text")


@pytest.mark.parametrize(
    ("offset", "value"),
    [(0, 0x65), (0, 0x44), (0, 0x40), (0, 0x4F)],
    ids=["version 6", "IHL 4", "IHL 0", "IHL past the packet"],
)
def test_ipv4_header_that_lies_about_itself_is_refused(offset: int, value: int) -> None:
    packet = bytearray(decode.build_ipv4(ALICE, BOB, 6, b"0123456789"))
    packet[offset] = value
    packet[10:12] = bytes(2)
    packet[10:12] = decode.checksum(packet[: max(20, (value & 15) * 4)]).to_bytes(2, "big")
    assert decode.parse_ipv4(packet) is None


@pytest.mark.parametrize("total", [0, 19, 31, 65535])
def test_ipv4_total_length_that_does_not_fit_is_refused(total: int) -> None:
    packet = bytearray(decode.build_ipv4(ALICE, BOB, 6, b"0123456789"))
    packet[2:4] = total.to_bytes(2, "big")
    packet[10:12] = bytes(2)
    packet[10:12] = decode.checksum(packet[:20]).to_bytes(2, "big")
    assert decode.parse_ipv4(packet) is None
