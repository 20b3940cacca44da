"""Segments to no connection (RFC 9293 3.10.7.1) and to a listener (3.10.7.2)."""

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from tests.tcp.scripted_peer import OUR_ADDRESS, PEER_ADDRESS, PEER_MAC, Peer, read_all
from tests.tcp.segments import wanted


@pytest.mark.requirement("SEG-9")
@pytest.mark.parametrize(
    ("flags", "text", "length"),
    [("S", b"", 1), ("F", b"", 1), ("", b"", 0), ("P", b"text", 4), ("SF", b"abc", 5), ("S", b"abc", 4)],
)
def test_segment_without_ack_to_nobody_gets_rst_that_acknowledges_it(host, flags, text, length):
    peer = Peer(host)
    peer.send(flags, seq=100, text=text)
    (reset,) = peer.expect(wanted("RA", ack=100 + length, window=0))
    assert reset.packet[TCP].seq == 0
    assert reset.options == {}


@pytest.mark.requirement("SEG-9")
@pytest.mark.parametrize(("flags", "text"), [("A", b""), ("SA", b""), ("FA", b""), ("PA", b"text"), ("FPUA", b"")])
def test_segment_with_ack_to_nobody_gets_rst_with_that_number(host, flags, text):
    peer = Peer(host)
    peer.send(flags, seq=100, ack=4242, text=text)
    (reset,) = peer.expect(wanted("R", seq=4242))
    assert reset.packet[TCP].ack == 0
    assert host.counter("OutRsts") == 1


@pytest.mark.requirement("SEG-9")
@pytest.mark.parametrize("flags", ["R", "RA", "RS", "RSA", "RF"])
def test_rst_to_nobody_is_not_answered(host, flags):
    Peer(host).send(flags, seq=100, ack=7)
    host.expect_silence()


@pytest.mark.requirement("SEG-9")
@pytest.mark.parametrize(
    "source",
    ["10.0.0.255", "255.255.255.255", "224.0.0.1", "239.1.2.3", "0.0.0.0", "10.0.0.0", "127.0.0.1", "240.0.0.1",
     OUR_ADDRESS],
)  # fmt: skip
def test_source_that_is_no_unicast_address_of_another_host_is_not_answered(host, source):
    host.inject(IP(src=source, dst=OUR_ADDRESS) / TCP(sport=1000, dport=80, flags="S"))
    host.inject(IP(src=source, dst=OUR_ADDRESS) / TCP(sport=1000, dport=80, flags="A"))
    host.expect_silence()
    host.listen()
    host.inject(IP(src=source, dst=OUR_ADDRESS) / TCP(sport=1000, dport=80, flags="S"))
    host.expect_silence()
    assert host.engine.usage()["connections"] == 0


@pytest.mark.requirement("SEG-9")
@pytest.mark.parametrize("destination", ["10.0.0.255", "255.255.255.255", "224.0.0.1", "10.0.0.3"])
def test_packet_to_another_address_is_not_answered(host, destination):
    host.inject(IP(src=PEER_ADDRESS, dst=destination) / TCP(sport=1000, dport=80, flags="S"))
    host.expect_silence()


@pytest.mark.requirement("SEG-9")
@pytest.mark.parametrize("mac", ["ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "33:33:00:00:00:01"])
@pytest.mark.parametrize("flags", ["S", "A", "FA"])
def test_broadcast_or_multicast_frame_is_not_answered(make_host, mac, flags):
    host = make_host(ethernet=True)
    host.listen()
    packet = IP(src=PEER_ADDRESS, dst=OUR_ADDRESS) / TCP(sport=1000, dport=80, flags=flags)
    host.inject(Ether(dst=mac, src=PEER_MAC, type=0x0800) / packet, link=False)
    host.inject(
        Ether(dst=mac, src=PEER_MAC, type=0x0800)
        / IP(src=PEER_ADDRESS, dst=OUR_ADDRESS)
        / TCP(sport=1000, dport=81, flags=flags),
        link=False,
    )
    host.expect_silence()
    # the same in a frame of our own is
    host.inject(packet)
    assert len(host.take_packets()) == 1


@pytest.mark.requirement("SEG-10")
@pytest.mark.parametrize("flags", ["R", "RA", "SR", "SRA", "FR"])
def test_rst_to_a_listener_is_ignored(host, flags):
    host.listen()
    Peer(host).send(flags, seq=5, ack=6)
    host.expect_silence()
    assert host.engine.usage()["connections"] == 0


@pytest.mark.requirement("SEG-10")
@pytest.mark.parametrize("flags", ["A", "SA", "FA", "PA", "SFA"])
def test_ack_to_a_listener_gets_rst(host, flags):
    host.listen()
    peer = Peer(host)
    peer.send(flags, seq=5, ack=6)
    peer.expect(wanted("R", seq=6))
    assert host.engine.usage()["connections"] == 0


@pytest.mark.requirement("SEG-10")
@pytest.mark.parametrize("flags", ["SF", "SFP", "SFU", "F", "P", "U", "", "FPU"])
def test_syn_with_fin_and_segments_without_syn_to_a_listener_are_dropped(host, flags):
    host.listen()
    Peer(host).send(flags, seq=5)
    host.expect_silence()
    assert host.engine.usage()["connections"] == 0


@pytest.mark.requirement("SEG-10")
def test_syn_to_a_listener_is_admitted_with_the_numbers_of_both(host):
    host.listen()
    peer = Peer(host)
    peer.send("S")
    (answer,) = peer.expect(wanted("SA", seq=0, ack=1))
    assert answer.options["MSS"] == 1460


@pytest.mark.requirement("SEG-10")
def test_syn_for_a_full_queue_gets_rst(host):
    host.listen(backlog=1)
    first = Peer(host, port=1)
    first.send("S")
    first.expect(wanted("SA"))
    second = Peer(host, port=2)
    second.send("S")
    second.expect(wanted("RA", ack=1))
    assert host.counter("ListenOverflows") == 1


@pytest.mark.requirement("SEG-10")
def test_text_on_a_syn_is_not_acknowledged_and_taken_when_it_comes_again(host):
    listener = host.listen()
    peer = Peer(host)
    peer.send("S", text=b"early")
    peer.expect(wanted("SA", seq=0, ack=1))
    peer.send("A", seq=1, ack=1)
    endpoint = host.accept(listener)
    assert endpoint.readable_bytes == 0
    peer.send("A", seq=1, ack=1, text=b"early")
    assert read_all(endpoint) == b"early"


@pytest.mark.requirement("SEG-10")
def test_text_with_the_last_ack_of_the_handshake_is_taken(host):
    listener = host.listen()
    peer = Peer(host)
    peer.send("S")
    peer.expect(wanted("SA", seq=0, ack=1))
    peer.send("PA", ack=1, text=b"hello")
    peer.expect(wanted("A", seq=1, ack=6))
    assert read_all(host.accept(listener)) == b"hello"


@pytest.mark.requirement("SEG-10")
def test_fin_with_the_last_ack_of_the_handshake_is_taken(host):
    listener = host.listen()
    peer = Peer(host)
    peer.send("S")
    peer.expect(wanted("SA", seq=0, ack=1))
    peer.send("FPA", ack=1, text=b"hello")
    peer.expect(wanted("A", seq=1, ack=7))
    endpoint = host.accept(listener)
    assert read_all(endpoint) == b"hello"
    assert endpoint.receive_into(bytearray(1)) == 0
