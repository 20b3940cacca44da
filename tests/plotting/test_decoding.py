"""Headers of every kind of link and of both families give the columns that scapy says they hold."""

from typing import Any

import numpy as np
import pytest
from scapy.layers.dot11 import Dot11, RadioTap
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop
from scapy.layers.l2 import LLC, SNAP, CookedLinux, CookedLinuxV2, Dot1AD, Dot1Q, Loopback
from scapy.layers.ppp import HDLC, PPP, PPPoE

from stack.plotting.decoding import Segments, decode
from stack.plotting.links import LinkUnknown
from stack.plotting.options import MISSING
from stack.plotting.records import records_of
from tests.plotting.crafted import ETHER

SEGMENT = TCP(sport=4000, dport=80, seq=0xFFFFFFF0, ack=7, flags="PA", window=999)
IPV4 = IP(src="10.1.2.3", dst="192.168.1.255") / SEGMENT / b"hello"
IPV6 = IPv6(src="2001:db8::1", dst="fe80::ffff:2") / SEGMENT / b"hello"


def decoded(packet: Any, link: int = 1, cut: int | None = None) -> Segments:
    return decode(records_of([(5, bytes(packet)[:cut])], link))


def check(segments: Segments, version: int = 4) -> None:
    assert len(segments) == 1
    row = {name: int(getattr(segments, name)[0]) for name in ("source_port", "destination_port", "seq", "ack", "flags")}
    assert row == {"source_port": 4000, "destination_port": 80, "seq": 0xFFFFFFF0, "ack": 7, "flags": 0x18}
    assert segments.window[0] == 999
    assert segments.length[0] == 5
    assert segments.version[0] == version


@pytest.mark.parametrize("inner", [IPV4, IPV6], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize(
    ("link", "outer"),
    [
        (1, ETHER),
        (1, ETHER / Dot1Q(vlan=5)),
        (1, ETHER / Dot1AD(vlan=5) / Dot1Q(vlan=6)),
        (1, ETHER / PPPoE(sessionid=1) / PPP()),
        (113, CookedLinux()),
        (276, CookedLinuxV2()),
        (0, Loopback()),
        (101, None),
        (12, None),
        (9, HDLC() / PPP()),
        (9, PPP()),
    ],
    ids=lambda value: (
        value
        if isinstance(value, int)
        else "/".join(layer.__name__ for layer in value.layers())
        if value is not None
        else ""
    ),
)
def test_segment_is_found_on_every_link(link: int, outer: Any, inner: Any) -> None:
    check(decoded(inner if outer is None else outer / inner, link), 4 if inner is IPV4 else 6)


def test_interface_is_told_by_the_cooked_header() -> None:
    assert decoded(CookedLinuxV2(ifindex=7) / IPV4, 276).interface.tolist() == [7]
    assert decoded(CookedLinux() / IPV4, 113).interface.tolist() == [0]


def test_link_that_scapy_knows_is_left_to_it() -> None:
    frame = RadioTap() / Dot11(type=2) / LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP() / IPV4
    check(decoded(frame, 127))


def test_link_that_nobody_knows_is_named() -> None:
    with pytest.raises(LinkUnknown, match="link type 9999"):
        decoded(IPV4, 9999)


def test_addresses_of_both_families_are_kept_apart() -> None:
    four, six = decoded(ETHER / IPV4), decoded(ETHER / IPV6)
    assert (int(four.source_low[0]), int(four.destination_low[0])) == (0x0A010203, 0xC0A801FF)
    assert (int(six.source_high[0]), int(six.source_low[0])) == (0x20010DB800000000, 1)
    assert (int(six.destination_high[0]), int(six.destination_low[0])) == (0xFE80000000000000, 0xFFFF0002)


@pytest.mark.parametrize(
    "extensions",
    [
        IPv6ExtHdrHopByHop(),
        IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt(),
        IPv6ExtHdrFragment(id=5, m=0, offset=0),
    ],
    ids=["hop by hop", "two", "whole fragment"],
)
def test_extension_headers_are_walked(extensions: Any) -> None:
    check(decoded(ETHER / IPv6() / extensions / SEGMENT / b"hello"), 6)


@pytest.mark.parametrize(
    "packet",
    [
        ETHER / IP() / UDP() / (b"x" * 40),
        ETHER / IP(frag=100) / (b"x" * 40),
        ETHER / IPv6() / IPv6ExtHdrFragment(offset=100) / SEGMENT,
        ETHER / IP(len=30) / SEGMENT,
        ETHER / IP() / TCP(dataofs=4),
        bytes(12) + b"\x08\x06" + bytes(60),
        ETHER,
    ],
    ids=["UDP", "later fragment", "later fragment of IPv6", "shorter than its header", "offset", "ARP", "nothing"],
)
def test_frame_without_a_tcp_header_is_left_out(packet: Any) -> None:
    assert len(decoded(packet)) == 0


def test_padding_is_no_payload() -> None:
    assert decoded(bytes(ETHER / IP() / SEGMENT) + bytes(6)).length.tolist() == [0]


def test_frame_cut_by_the_capture_keeps_its_length() -> None:
    options = [("NOP", None), ("NOP", None), ("Timestamp", (11, 22)), ("NOP", None), ("NOP", None), ("SAck", (1, 2))]
    packet = ETHER / IP() / TCP(options=options) / bytes(1000)
    whole = decoded(packet)
    assert (whole.length[0], whole.options.tsval[0], len(whole.options.block_left)) == (1000, 11, 1)
    for cut in range(54, 86):
        segments = decoded(packet, cut=cut)
        assert segments.length.tolist() == [1000]
        assert segments.options.tsval[0] == (11 if cut >= 66 else MISSING)
    assert len(decoded(packet, cut=53)) == 0


def test_superframe_has_its_length_from_the_frame_where_the_header_has_none() -> None:
    packet = ETHER / IP(len=0) / SEGMENT / bytes(100_000)
    assert decoded(packet).length.tolist() == [100_000]
    six = ETHER / IPv6(plen=0) / SEGMENT / bytes(100_000)
    assert decoded(six).length.tolist() == [100_000]


def test_options_are_read_wherever_they_stand() -> None:
    blocks = (10, 20, 30, 40, 50, 60)
    for options, expected in (
        ([("MSS", 1460), ("SAckOK", b""), ("Timestamp", (1, 2)), ("NOP", None), ("WScale", 9)], (1460, 9, 1, 2)),
        ([("WScale", 20)], (MISSING, 14, MISSING, MISSING)),
        ([(77, b"unknown"), ("Timestamp", (3, 4))], (MISSING, MISSING, 3, 4)),
        ([("EOL", None), ("MSS", 1460)], (MISSING, MISSING, MISSING, MISSING)),
        ([("SAck", blocks)], (MISSING, MISSING, MISSING, MISSING)),
    ):
        found = decoded(ETHER / IP() / TCP(options=options)).options
        assert (found.mss[0], found.scale[0], found.tsval[0], found.tsecr[0]) == expected, options
        if "SAck" in options[0]:
            assert found.block_place.tolist() == [0, 1, 2]
            assert np.stack((found.block_left, found.block_right), axis=1).ravel().tolist() == list(blocks)


def test_option_of_length_zero_ends_the_list() -> None:
    segment = bytearray(bytes(ETHER / IP() / TCP(options=[("MSS", 1460), ("WScale", 3)])))
    segment[14 + 20 + 20 + 1] = 0
    assert decoded(bytes(segment)).options.scale.tolist() == [MISSING]


def test_segments_are_sorted_by_time_and_numbered() -> None:
    frames = [(time, bytes(ETHER / IP() / TCP(seq=time))) for time in (30, 10, 20)]
    segments = decode(records_of(frames, 1))
    assert segments.seq.tolist() == [10, 20, 30]
    assert segments.rank.tolist() == [0, 1, 2]


def test_random_octets_never_break_the_reader() -> None:
    random = np.random.default_rng(1)
    good = bytes(ETHER / IPV6)
    frames = []
    for index in range(3000):
        frame = bytearray(good if index % 2 else bytes(ETHER / IPV4))
        for _ in range(4):
            frame[int(random.integers(12, len(frame)))] = int(random.integers(256))
        frames.append((index, bytes(frame[: int(random.integers(10, len(frame) + 1))])))
    for link in (0, 1, 9, 101, 113, 276):
        segments = decode(records_of(frames, link))
        assert (segments.length >= 0).all()
