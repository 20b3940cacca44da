"""What IPv4 packets are taken, and what frames (RFC 791, RFC 894, RFC 1122 3.2.1 and 3.3.6)."""

import pytest
from scapy.layers import inet
from scapy.layers.l2 import Ether

from netcore.wire import decode
from tests.link.wire import (
    ALL,
    FAR,
    FIN,
    HOST,
    HOST_MAC,
    ICMP,
    IPV4,
    MULTICAST_MAC,
    OTHER,
    OTHER_MAC,
    PEER,
    PEER_MAC,
    RST,
    SYN,
    TCP,
    UDP,
    Wire,
    dotted,
)

ECHO = decode.build_icmp(8, 0, b"abcd", b"payload")


@pytest.fixture
def wire() -> Wire:
    """A host that knows PEER and OTHER."""
    found = Wire(gateway="10.0.0.2")
    found.meet()
    found.meet(OTHER, OTHER_MAC)
    return found


def reheaded(packet: bytes, offset: int, value: bytes) -> bytes:
    """The packet with octets of its header changed and its checksum right again."""
    changed = bytearray(packet)
    changed[offset : offset + len(value)] = value
    changed[10:12] = bytes(2)
    changed[10:12] = decode.checksum(changed[: max(20, (changed[0] & 15) * 4)]).to_bytes(2, "big")
    return bytes(changed)


PACKET = decode.build_ipv4(PEER, HOST, ICMP, ECHO)

BAD_HEADERS = {
    "version 6": reheaded(PACKET, 0, b"\x65"),
    "version 0": reheaded(PACKET, 0, b"\x05"),
    "header of 16 bytes": reheaded(PACKET, 0, b"\x44"),
    "header of 0 bytes": reheaded(PACKET, 0, b"\x40"),
    "header past the packet": reheaded(PACKET, 0, b"\x4f"),
    "total length under the header's": reheaded(PACKET, 2, b"\0\x13"),
    "total length past the frame": reheaded(PACKET, 2, (len(PACKET) + 1).to_bytes(2, "big")),
    "wrong checksum": PACKET[:10] + b"\0\0" + PACKET[12:],
    "nothing": b"",
    "one octet": b"\x45",
    "header without its last octet": PACKET[:19],
}


@pytest.mark.requirement("LIM-4")
@pytest.mark.parametrize("packet", BAD_HEADERS.values(), ids=BAD_HEADERS)
def test_packet_with_a_bad_header_is_counted_and_dropped(wire: Wire, packet: bytes) -> None:
    wire.put_ipv4(packet)
    assert wire.take() == []
    assert wire.count("InHdrErrors") == 1
    assert wire.count("IcmpInMsgs") == 0


def test_padding_behind_the_packet_is_ignored(wire: Wire) -> None:
    wire.put_ipv4(PACKET + bytes(18))
    [answer] = wire.take_ipv4()
    assert answer["total_length"] == len(PACKET)


@pytest.mark.parametrize(
    "destination",
    [OTHER, FAR, bytes([10, 0, 0, 255]), bytes([255] * 4), bytes([224, 0, 0, 1]), bytes(4), bytes([127, 0, 0, 1])],
    ids=dotted,
)
def test_packet_for_another_address_is_counted_and_dropped(wire: Wire, destination: bytes) -> None:
    wire.put_ipv4(decode.build_ipv4(PEER, destination, ICMP, ECHO))
    assert wire.take() == []
    assert wire.count("InAddrErrors") == 1


BAD_SOURCES = [
    HOST,
    bytes(4),
    bytes([0, 1, 2, 3]),
    bytes([127, 0, 0, 1]),
    bytes([10, 0, 0, 255]),
    bytes([10, 0, 0, 0]),
    bytes([224, 0, 0, 1]),
    bytes([240, 0, 0, 1]),
    bytes([255] * 4),
]


@pytest.mark.requirement("SEG-9")
@pytest.mark.parametrize("source", BAD_SOURCES, ids=dotted)
@pytest.mark.parametrize("protocol", [ICMP, TCP, UDP, 99], ids=["icmp", "tcp", "udp", "unknown"])
def test_packet_from_no_host_gets_no_answer(wire: Wire, source: bytes, protocol: int) -> None:
    body = ECHO if protocol == ICMP else decode.build_tcp(1, 2, 3, 4, SYN, 5, addresses=(source, HOST))
    wire.put_ipv4(decode.build_ipv4(source, HOST, protocol, body))
    assert wire.take() == []
    assert wire.count("InAddrErrors") == 1


@pytest.mark.requirement("SEG-9")
@pytest.mark.parametrize("mac", [ALL, MULTICAST_MAC, OTHER_MAC], ids=["broadcast", "multicast", "another host's"])
def test_unicast_packet_in_a_frame_for_others_gets_no_answer(wire: Wire, mac: bytes) -> None:
    wire.ping(destination=mac)
    segment = decode.build_tcp(1, 2, 3, 4, SYN, 5, addresses=(PEER, HOST))
    wire.put_ipv4(decode.build_ipv4(PEER, HOST, TCP, segment), destination=mac)
    assert wire.take() == []


@pytest.mark.parametrize("ethertype", [0, 46, 0x0805, 0x86DD, 0x8100, 0xFFFF])
def test_frame_of_another_type_is_ignored(wire: Wire, ethertype: int) -> None:
    wire.put(decode.build_ethernet(HOST_MAC, PEER_MAC, ethertype, PACKET))
    assert wire.take() == []
    assert wire.count("InReceives") == 0


@pytest.mark.requirement("LIM-4")
@pytest.mark.parametrize("length", range(14))
def test_frame_shorter_than_its_header_is_counted_bad(length: int) -> None:
    wire = Wire()
    wire.put(decode.build_ethernet(HOST_MAC, PEER_MAC, IPV4)[:length])
    assert wire.count("FramesBad") == 1


@pytest.mark.requirement("LIM-4")
@pytest.mark.parametrize("length", range(10))
def test_frame_shorter_than_its_virtio_header_is_counted_bad(length: int) -> None:
    wire = Wire(vnet_header=True)
    wire.engine.frame_arrives(bytes(length), wire.now)
    assert wire.count("FramesBad") == 1


def test_frame_larger_than_any_link_carries_is_refused() -> None:
    wire = Wire()
    with pytest.raises(ValueError, match="a frame of 70000 bytes is longer than any link carries"):
        wire.put(bytes(70000))


def test_tun_device_carries_bare_packets() -> None:
    wire = Wire(ethernet=False)
    wire.put(PACKET)
    [answer] = wire.take()
    judged = inet.IP(answer)
    assert (judged.src, judged.dst, judged.proto) == (dotted(HOST), dotted(PEER), 1)
    assert wire.count("ArpOutRequests") == 0


def test_tun_device_with_virtio_header_carries_both_ways() -> None:
    wire = Wire(ethernet=False, vnet_header=True, offloads=True)
    wire.put_segment(80, SYN)
    [frame] = wire.engine.frames_to_send()
    vnet = decode.parse_vnet(frame)
    assert vnet is not None
    # the partial checksum's place counts from the packet's beginning
    assert (vnet["flags"], vnet["csum_start"], vnet["csum_offset"]) == (1, 20, 16)
    assert inet.IP(frame[10:]).proto == 6


def test_answer_on_ethernet_is_one_that_scapy_reads(wire: Wire) -> None:
    wire.ping(payload=b"payload")
    [frame] = wire.take()
    judged = Ether(frame)
    assert (judged.dst, judged.src, judged[inet.IP].dst) == (PEER_MAC.hex(":"), HOST_MAC.hex(":"), dotted(PEER))
    assert (judged[inet.ICMP].type, bytes(judged[inet.ICMP].payload)) == (0, b"payload")
    rebuilt = judged.copy()
    del rebuilt[inet.IP].chksum, rebuilt[inet.ICMP].chksum
    assert bytes(rebuilt) == frame


# ---- checksums of TCP


def segment_packet(text: bytes = b"", wrong: int = 0) -> bytes:
    """A SYN in a packet whose TCP checksum is off by `wrong`."""
    segment = bytearray(decode.build_tcp(999, 80, 3, 4, SYN, 5, text, addresses=(PEER, HOST)))
    segment[16:18] = (int.from_bytes(segment[16:18], "big") ^ wrong).to_bytes(2, "big")
    return decode.build_ipv4(PEER, HOST, TCP, segment)


@pytest.mark.requirement("SEG-14")
def test_segment_with_a_bad_checksum_is_counted_and_dropped(wire: Wire) -> None:
    wire.put_ipv4(segment_packet(wrong=1))
    assert wire.take() == []
    assert (wire.count("InCsumErrors"), wire.count("InErrs"), wire.count("OutRsts")) == (1, 1, 0)
    wire.put_ipv4(segment_packet())
    assert wire.count("OutRsts") == 1


@pytest.mark.requirement("SEG-14")
@pytest.mark.parametrize(("flags", "is_checked"), [(0, True), (1, False), (2, False), (3, False), (4, True)])
def test_checksum_is_checked_unless_the_device_vouches_for_it(flags: int, is_checked: bool) -> None:
    wire = Wire(vnet_header=True)
    wire.meet()
    frame = decode.build_ethernet(HOST_MAC, PEER_MAC, IPV4, segment_packet(wrong=0x5555))
    wire.put(frame, decode.build_vnet(flags=flags))
    assert wire.count("InCsumErrors") == is_checked
    assert wire.count("OutRsts") == (not is_checked)


@pytest.mark.requirement("LIM-4")
@pytest.mark.parametrize("length", range(20))
def test_segment_shorter_than_its_header_is_an_error(wire: Wire, length: int) -> None:
    segment = decode.build_tcp(999, 80, 3, 4, SYN, 5)[:length]
    if length >= 18:
        segment = segment[:16] + bytes(2) + segment[18:]
        segment = segment[:16] + decode.transport_checksum(PEER, HOST, TCP, segment).to_bytes(2, "big") + segment[18:]
    wire.put_ipv4(decode.build_ipv4(PEER, HOST, TCP, segment))
    assert wire.take() == []
    assert wire.count("InErrs") == 1


@pytest.mark.requirement("SEG-9")
@pytest.mark.parametrize("flags", [RST, RST | SYN, RST | FIN])
def test_reset_to_no_connection_is_not_answered(wire: Wire, flags: int) -> None:
    wire.put_segment(80, flags)
    assert wire.take() == []
