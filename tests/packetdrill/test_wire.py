"""Packets between the script's words and bytes, held against scapy and against themselves."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP, ICMPerror, IPerror, TCPerror

from stack.packetdrill import packets
from stack.packetdrill.comparing import Rules, compare, differ
from stack.packetdrill.flows import Flow
from stack.packetdrill.options_wire import build_options, read_options
from stack.packetdrill.packets import Flags, IcmpPacket, Sequence, TcpPacket, UdpPacket
from stack.packetdrill.parsing import parse
from stack.packetdrill.wire import build_icmp, build_tcp, build_udp, read
from tests.packetdrill.strategies import tcp_options, tcp_packets

LOCAL, REMOTE = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
FLOW = Flow((LOCAL, 8080, REMOTE, 4000))


def tcp(text: str) -> TcpPacket:
    action = parse(f"0 {text}").events[0].action
    assert isinstance(action, TcpPacket)
    return action


def sound(packet: IP, layer: type) -> bool:
    """Whether both checksums are what scapy makes them."""
    again = packet.copy()
    del again.chksum
    del again[layer].chksum
    return bytes(again) == bytes(packet)


def can_be_written(options: list[packets.Option]) -> bool:
    """Whether none is of multipath TCP, and each ECN option has its counters in an order that can be written."""
    orders = ("e0b", "ceb", "e1b"), ("e1b", "ceb", "e0b")
    for option in options:
        if isinstance(option, packets.Multipath):
            return False
        if isinstance(option, packets.Counters):
            names = tuple(name for name, _ in option.counters)
            if not any(order[: len(names)] == names for order in orders):
                return False
    return True


def same_when_read(option: packets.Option) -> packets.Option:
    """What an option reads as: a digest or a timestamp that is left out is written as zeros."""
    if isinstance(option, packets.Timestamps):
        return packets.Timestamps(option.value or 0, option.echo or 0)
    if isinstance(option, packets.Octets) and option.name == "md5":
        return replace(option, octets=option.octets.ljust(16, b"\0"))
    return option


@given(st.lists(tcp_options.filter(lambda option: option != packets.Plain("eol")), max_size=2).filter(can_be_written))
def test_options_read_as_they_were_written(options: list[packets.Option]) -> None:
    octets = b""
    try:
        octets = build_options(options)
    except ValueError:
        assert sum(len(build_options([option])) for option in options) > 36
        return
    assert len(octets) % 4 == 0
    found = [option for option in read_options(octets) if option != packets.Plain("eol")]
    assert found == [same_when_read(option) for option in options]


@given(st.binary(max_size=40))
def test_any_bytes_read_as_options(octets: bytes) -> None:
    assert all(map(str, read_options(octets)))


def test_segment_is_what_scapy_reads() -> None:
    packet = tcp("< [ect0, ttl 9] SP. 5:15(10) ack 7 win 99 <mss 1460,nop,wscale 7,sackOK,TS val 1 ecr 2,eol>")
    found = IP(build_tcp(packet, Flow(FLOW.ends)))
    assert (found.src, found.dst, found.tos, found.ttl) == ("10.0.0.2", "10.0.0.1", 2, 9)
    assert (found.sport, found.dport, found.seq, found.ack, found.window) == (4000, 8080, 5, 7, 99)
    assert found[TCP].flags == "SPA"
    named = dict(found[TCP].options)
    assert (named["MSS"], named["WScale"], named["SAckOK"], named["Timestamp"]) == (1460, 7, b"", (1, 2))
    assert len(found[TCP].payload) == 10
    assert sound(found, TCP)


def test_fast_open_and_signature_are_what_scapy_reads() -> None:
    found = IP(build_tcp(tcp("< S 0:0(0) win 9 <FO 0123456789abcdef,md5>"), Flow(FLOW.ends)))
    options = dict(found[TCP].options)
    assert options["TFO"] == (0x01234567, 0x89ABCDEF)
    assert any(value == bytes(16) for value in options.values())


def test_numbers_of_ours_are_moved_and_those_of_the_peer_are_not() -> None:
    flow = Flow(FLOW.ends, offset=1000, timestamp_offset=50)
    found = IP(build_tcp(tcp("< . 5:5(0) ack 7 win 1 <nop,nop,sack 3:4,nop,nop,TS val 1 ecr 2>"), flow))
    assert (found.seq, found.ack) == (5, 1007)
    assert dict(found[TCP].options)["SAck"] == (1003, 1004)
    assert dict(found[TCP].options)["Timestamp"] == (1, 52)


@given(tcp_packets)
def test_segment_reads_as_it_was_written(packet: TcpPacket) -> None:
    plain = replace(packet, outbound=False, options=(), ports=None)
    length = min(plain.sequence.length, 1000)
    plain = replace(plain, sequence=Sequence(plain.sequence.first, (plain.sequence.first + length) % (1 << 32), length))
    seen, ends = read(build_tcp(plain, Flow(FLOW.ends)))
    assert ends == (REMOTE, 4000, LOCAL, 8080)
    assert isinstance(seen, TcpPacket)
    wanted = replace(plain, outbound=True, ip=packets.IpFields())
    if not plain.flags & Flags.ACK:
        wanted = replace(wanted, ack=None)
    elif plain.ack is None:
        wanted = replace(wanted, ack=0)
    wanted = replace(wanted, urgent=(plain.urgent or 0) if plain.flags & Flags.URG else None)
    assert differ(compare(replace(wanted, window=plain.window or 0), seen, Rules())) == []


def test_datagram_is_what_scapy_reads() -> None:
    found = IP(build_udp(UdpPacket(False, 100), FLOW))
    assert (found[UDP].sport, found[UDP].dport, len(found[UDP].payload)) == (4000, 8080, 100)
    assert sound(found, UDP)


def test_error_quotes_the_segment_that_it_names() -> None:
    flow = Flow(FLOW.ends, offset=1000)
    message = IcmpPacket(False, "unreachable", "frag_needed", 1200, Sequence(1, 101, 100))
    found = IP(build_icmp(message, flow))
    assert (found[ICMP].type, found[ICMP].code, found[ICMP].nexthopmtu) == (3, 4, 1200)
    assert (found[IPerror].src, found[IPerror].dst, found[IPerror].len) == ("10.0.0.1", "10.0.0.2", 140)
    assert (found[TCPerror].sport, found[TCPerror].dport, found[TCPerror].seq) == (8080, 4000, 1001)
    assert sound(found, ICMP)
    assert found.haslayer(ICMPerror) == 0


@pytest.mark.parametrize(
    ("expected", "seen", "rules", "differs"),
    [
        (
            "> . 1:1(0) ack 1 <nop,nop,TS val 10 ecr 5>",
            "> . 1:1(0) ack 1 <nop,nop,TS val 13 ecr 5>",
            Rules(ticks=4),
            [],
        ),
        (
            "> . 1:1(0) ack 1 <nop,nop,TS val 10 ecr 5>",
            "> . 1:1(0) ack 1 <nop,nop,TS val 15 ecr 5>",
            Rules(ticks=4),
            ["options"],
        ),
        (
            "> . 1:1(0) ack 1 <nop,nop,TS val 10 ecr 5>",
            "> . 1:1(0) ack 1 <nop,nop,TS val 10 ecr 6>",
            Rules(),
            ["options"],
        ),
        (
            "> . 1:1(0) ack 1 <nop,nop,TS val 10 ecr 5>",
            "> . 1:1(0) ack 1 <nop,nop,TS val 99 ecr 5>",
            Rules(ticks=None),
            [],
        ),
        (
            "> . 1:1(0) ack 1 <nop,nop,TS val ... ecr ...>",
            "> . 1:1(0) ack 1 <nop,nop,TS val 99 ecr 9>",
            Rules(ticks=0),
            [],
        ),
        ("> . 1:1(0) ack 1", "> P. 1:1(0) ack 1", Rules(), ["flags"]),
        ("> . 1:1(0) ack 1", "> P. 1:1(0) ack 1", Rules(any_push=True), []),
        ("> . 1:1(0) ack 1", "> FP. 1:1(0) ack 1", Rules(any_push=True), ["flags"]),
        ("> S 0:0(0) <mss 5,sackOK>", "> S 0:0(0) <sackOK,nop,mss 5>", Rules(any_order=True), []),
        ("> S 0:0(0) <mss 5,sackOK>", "> S 0:0(0) <sackOK,nop,mss 6>", Rules(any_order=True), ["options"]),
        ("> S 0:0(0) <mss 5,sackOK>", "> S 0:0(0) <mss 5>", Rules(any_order=True), ["options"]),
        ("> S 0:0(0) <...>", "> S 0:0(0) <mss 5>", Rules(), []),
        ("> S 0:0(0)", "> S 0:0(0) <mss 5>", Rules(), ["options"]),
        ("> . 1:1(0) ack 1 <md5>", "> . 1:1(0) ack 1 <md5 00112233445566778899aabbccddeeff>", Rules(), []),
        ("> [ect01] . 1:1(0) ack 1", "> [ect1] . 1:1(0) ack 1", Rules(), []),
        ("> [ect0] . 1:1(0) ack 1", "> [ce] . 1:1(0) ack 1", Rules(), ["ecn"]),
        ("> . 1:1(0) ack 1", "> U. 1:1(0) ack 1 urg 7", Rules(), ["flags", "urg"]),
    ],
)
def test_packets_are_compared_as_the_page_says(expected: str, seen: str, rules: Rules, differs: list[str]) -> None:
    assert differ(compare(tcp(expected), tcp(seen), rules)) == differs
