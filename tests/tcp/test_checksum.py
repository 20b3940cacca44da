"""Checksums: checked unless the device header says that it is not our business."""

import pytest
from scapy.layers.inet import IP, TCP

from tests.tcp.scripted_peer import OUR_ADDRESS, PEER_ADDRESS, Peer, read_all
from tests.tcp.segments import VnetHeader, wanted

pytestmark = pytest.mark.requirement("SEG-14")

NEEDS_CSUM = 1
DATA_VALID = 2


def test_bad_checksum_drops_and_counts(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    packet = bytearray(bytes(peer.segment("A", text=b"good text")))
    packet[-1] ^= 1
    host.inject(bytes(packet))
    peer.expect_nothing()
    assert endpoint.readable_bytes == 0
    assert (host.counter("InCsumErrors"), host.counter("InErrs")) == (1, 1)


@pytest.mark.parametrize("bit", range(0, 20 * 8, 7))
def test_any_bit_wrong_in_the_tcp_header_is_found(host, bit):
    peer = Peer(host)
    peer.open_passively()
    before = host.counter("InCsumErrors") + host.counter("InErrs")
    packet = bytearray(bytes(peer.segment("A", text=b"odd")))
    packet[20 + bit // 8] ^= 1 << bit % 8
    host.inject(bytes(packet))
    peer.expect_nothing()
    assert host.counter("InCsumErrors") + host.counter("InErrs") > before


@pytest.mark.parametrize("at", [12, 15])
def test_pseudo_header_is_part_of_the_sum(host, at):
    packet = bytearray(bytes(IP(src=PEER_ADDRESS, dst=OUR_ADDRESS) / TCP(sport=1, dport=80, flags="A")))
    other = IP(bytes(packet))
    # another source with a right IP header and the TCP sum of the first
    other.src = "10.0.0.7"
    del other.chksum
    octets = bytearray(bytes(IP(src="10.0.0.7", dst=OUR_ADDRESS, proto=6) / bytes(packet[20:])))
    assert octets[at] == bytes(other)[at]
    host.inject(bytes(octets))
    host.expect_silence()
    assert host.counter("InCsumErrors") == 1


@pytest.mark.parametrize("size", [0, 1, 2, 3, 1459, 1460])
def test_right_checksum_of_any_length_passes(host, size):
    peer = Peer(host)
    endpoint = peer.open_passively()
    peer.send("A", text=bytes(range(256)) * 5 + b"\xff" * 180 if size == 1460 else b"\xfe" * size)
    assert endpoint.readable_bytes == size
    assert host.counter("InCsumErrors") == 0


@pytest.mark.parametrize("flags", [NEEDS_CSUM, DATA_VALID, NEEDS_CSUM | DATA_VALID])
def test_sum_that_the_device_answers_for_is_not_checked(make_host, flags):
    host = make_host(vnet_header=True)
    peer = Peer(host)
    endpoint = peer.open_passively()
    peer.send("A", text=b"partial", chksum=0x1234, vnet=VnetHeader(flags=flags, csum_start=20, csum_offset=16))
    assert read_all(endpoint) == b"partial"
    assert host.counter("InCsumErrors") == 0


def test_device_header_without_flags_leaves_the_check_to_us(make_host):
    host = make_host(vnet_header=True)
    peer = Peer(host)
    endpoint = peer.open_passively()
    peer.send("A", text=b"wrong", chksum=0x1234)
    assert endpoint.readable_bytes == 0
    assert host.counter("InCsumErrors") == 1


@pytest.mark.parametrize("chksum", [0, 0xFFFF])
def test_ip_header_with_a_wrong_sum_is_dropped(host, chksum):
    peer = Peer(host)
    packet = peer.segment("S")
    packet.chksum = chksum
    host.inject(packet)
    host.expect_silence()
    assert host.counter("InHdrErrors") == 1


@pytest.mark.parametrize("offloads", [False, True])
def test_segments_sent_have_a_sum_or_leave_a_right_partial_one(make_host, offloads):
    host = make_host(vnet_header=True, offloads=offloads)
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.send(b"some text")
    (segment,) = peer.expect(wanted("PA", seq=1, ack=1, text=b"some text"))
    packet = bytes(segment.packet)
    if not offloads:
        assert segment.vnet.flags == 0
        return
    assert (segment.vnet.flags, segment.vnet.csum_start, segment.vnet.csum_offset) == (NEEDS_CSUM, 20, 16)
    # completing it as a device does gives the right one: the field holds the sum of the pseudo header
    completed = IP(packet)
    del completed[TCP].chksum
    right = IP(bytes(completed))[TCP].chksum
    total = sum(int.from_bytes((packet[20:] + b"\0")[at : at + 2], "big") for at in range(0, len(packet) - 20, 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    assert ~total & 0xFFFF == right
