"""ARP: answering, learning, asking, and the packets that wait meanwhile (RFC 826, RFC 1122 2.3.2, RFC 5227)."""

import pytest

from netcore.endpoint import UNREACHABLE, Endpoint
from netcore.wire import decode
from tests.link.wire import (
    ALL,
    ARP,
    FAR,
    GATEWAY,
    HOST,
    HOST_MAC,
    MILLISECOND,
    MULTICAST_MAC,
    OTHER,
    OTHER_MAC,
    PEER,
    PEER_MAC,
    REPLY,
    REQUEST,
    SECOND,
    SYN,
    Wire,
    dotted,
)


def asked(wire: Wire) -> list[bytes]:
    """The addresses that the host has just asked for, by broadcast."""
    return [packet["target_address"] for to, packet in wire.take_arp() if packet["operation"] == REQUEST and to == ALL]


def destinations(wire: Wire) -> list[bytes]:
    """The link addresses that the host's frames go to."""
    return [frame[:6] for frame in wire.take()]


@pytest.mark.parametrize("to", [ALL, HOST_MAC])
def test_request_for_us_is_answered_to_its_sender(to: bytes) -> None:
    wire = Wire()
    wire.put_arp(REQUEST, PEER_MAC, PEER, HOST, to=to)
    [(destination, answer)] = wire.take_arp()
    assert destination == PEER_MAC
    assert answer["operation"] == REPLY
    assert (answer["target_mac"], answer["target_address"]) == (PEER_MAC, PEER)
    assert (wire.count("ArpInRequests"), wire.count("ArpOutReplies")) == (1, 1)


def test_request_for_somebody_else_is_not_answered() -> None:
    wire = Wire()
    wire.put_arp(REQUEST, PEER_MAC, PEER, OTHER, to=ALL)
    assert wire.take() == []
    assert wire.engine.usage()["neighbors"] == 0


def test_probe_for_our_address_is_answered_and_teaches_nothing() -> None:
    wire = Wire()
    wire.put_arp(REQUEST, PEER_MAC, bytes(4), HOST, to=ALL)
    [(destination, answer)] = wire.take_arp()
    assert (destination, answer["operation"]) == (PEER_MAC, REPLY)
    assert wire.engine.usage()["neighbors"] == 0


def test_request_for_us_teaches_its_sender() -> None:
    wire = Wire()
    wire.put_arp(REQUEST, PEER_MAC, PEER, HOST, to=ALL)
    wire.take()
    wire.ping()
    assert destinations(wire) == [PEER_MAC]
    assert wire.count("ArpOutRequests") == 0


def test_answer_that_was_not_asked_for_teaches_nothing() -> None:
    wire = Wire()
    wire.put_arp(REPLY, PEER_MAC, PEER, HOST)
    assert wire.engine.usage()["neighbors"] == 0
    wire.ping()
    assert asked(wire) == [PEER]


def test_known_sender_is_merged_whatever_it_asks_for() -> None:
    wire = Wire()
    wire.meet()
    wire.put_arp(REQUEST, OTHER_MAC, PEER, OTHER, to=ALL)
    wire.ping()
    assert destinations(wire) == [OTHER_MAC]


@pytest.mark.parametrize("mac", [bytes(6), ALL, MULTICAST_MAC, HOST_MAC], ids=["zero", "broadcast", "group", "ours"])
def test_link_address_that_no_neighbor_has_is_not_learnt(mac: bytes) -> None:
    wire = Wire()
    wire.meet()
    packet = decode.build_arp(REQUEST, mac, PEER, bytes(6), HOST)
    wire.put(decode.build_ethernet(ALL, OTHER_MAC, ARP, packet))
    assert wire.take() == []
    wire.ping()
    assert destinations(wire) == [PEER_MAC]


@pytest.mark.parametrize("sender", [FAR, HOST, bytes([10, 0, 0, 255]), bytes([127, 0, 0, 1]), bytes([224, 0, 0, 1])])
def test_sender_that_is_no_neighbor_is_not_learnt(sender: bytes) -> None:
    wire = Wire()
    wire.put_arp(REQUEST, PEER_MAC, sender, HOST)
    assert wire.engine.usage()["neighbors"] == 0


@pytest.mark.parametrize("operation", [0, 3, 4, 8, 65535])
def test_operation_other_than_request_and_reply_is_ignored(operation: int) -> None:
    wire = Wire()
    wire.put_arp(operation, PEER_MAC, PEER, HOST)
    assert wire.take() == []
    assert wire.engine.usage()["neighbors"] == 0


@pytest.mark.parametrize(
    ("offset", "value"),
    [(0, b"\0\6"), (2, b"\x86\xdd"), (4, b"\7"), (5, b"\x10")],
    ids=["hardware", "protocol", "hardware length", "protocol length"],
)
def test_arp_of_another_kind_is_counted_bad(offset: int, value: bytes) -> None:
    wire = Wire()
    packet = bytearray(decode.build_arp(REQUEST, PEER_MAC, PEER, bytes(6), HOST))
    packet[offset : offset + len(value)] = value
    wire.put(decode.build_ethernet(HOST_MAC, PEER_MAC, ARP, packet))
    assert wire.take() == []
    assert wire.count("FramesBad") == 1


@pytest.mark.requirement("LIM-4")
@pytest.mark.parametrize("length", range(28))
def test_truncated_arp_is_counted_bad(length: int) -> None:
    wire = Wire()
    packet = decode.build_arp(REQUEST, PEER_MAC, PEER, bytes(6), HOST)[:length]
    wire.put(decode.build_ethernet(HOST_MAC, PEER_MAC, ARP, packet))
    assert wire.take() == []
    assert wire.count("FramesBad") == 1


def test_packet_waits_for_its_neighbor_and_leaves_with_the_answer() -> None:
    wire = Wire()
    wire.ping(payload=b"first")
    wire.ping(payload=b"second")
    assert asked(wire) == [PEER]
    wire.put_arp(REPLY, PEER_MAC, PEER, HOST)
    answers = [decode.parse_icmp(packet["payload"]) for packet in wire.take_ipv4()]
    assert [answer["payload"] for answer in answers if answer] == [b"first", b"second"]
    assert wire.engine.usage()["chunks"] == 0


def test_segment_waits_for_its_neighbor_whole() -> None:
    wire = Wire()
    endpoint = wire.engine.connect(1000, (PEER, 80))
    assert isinstance(endpoint, Endpoint)
    assert asked(wire) == [PEER]
    wire.put_arp(REPLY, PEER_MAC, PEER, HOST)
    [packet] = wire.take_ipv4()
    segment = decode.parse_tcp(packet["payload"])
    assert segment is not None
    assert segment["flags"] == SYN
    assert decode.transport_checksum(HOST, PEER, 6, packet["payload"]) == 0


def test_full_waiting_queue_drops_its_oldest() -> None:
    wire = Wire(neighbor_queue=3)
    for number in range(5):
        wire.ping(payload=bytes([number]))
    assert wire.count("NeighborQueueDrops") == 2
    wire.put_arp(REPLY, PEER_MAC, PEER, HOST)
    answers = [decode.parse_icmp(packet["payload"]) for packet in wire.take_ipv4()]
    assert [answer["payload"] for answer in answers if answer] == [b"\2", b"\3", b"\4"]


def test_neighbor_that_does_not_answer_is_asked_again_and_given_up() -> None:
    wire = Wire(neighbor_tries=3, neighbor_retry=SECOND)
    wire.ping()
    times = []
    for _ in range(100):
        times += [wire.now // SECOND] * len(asked(wire))
        wire.pass_time(100 * MILLISECOND)
    assert times == [1, 2, 3]
    assert wire.count("NeighborFailures") == 1
    usage = wire.engine.usage()
    assert (usage["neighbors"], usage["chunks"]) == (0, 0)
    assert wire.engine.next_deadline() is None


def test_old_neighbor_is_asked_directly_then_by_broadcast_and_used_meanwhile() -> None:
    wire = Wire(neighbor_lifetime=10 * SECOND, neighbor_retry=SECOND, neighbor_tries=3)
    wire.meet()
    wire.pass_time(11 * SECOND)
    wire.ping()
    frames = wire.take()
    assert [frame[:6] for frame in frames] == [PEER_MAC, PEER_MAC]
    kinds = [int.from_bytes(frame[12:14], "big") for frame in frames]
    assert sorted(kinds) == [0x800, 0x806]
    wire.pass_time(SECOND)
    assert asked(wire) == [PEER]
    wire.ping()
    assert destinations(wire) == [PEER_MAC]
    wire.put_arp(REPLY, OTHER_MAC, PEER, HOST)
    wire.pass_time(5 * SECOND)
    wire.ping()
    assert destinations(wire) == [OTHER_MAC]


def test_old_neighbor_that_is_gone_is_forgotten() -> None:
    wire = Wire(neighbor_lifetime=10 * SECOND, neighbor_retry=SECOND, neighbor_tries=3)
    wire.meet()
    wire.pass_time(11 * SECOND)
    wire.ping()
    wire.pass_time(5 * SECOND)
    assert wire.engine.usage()["neighbors"] == 0
    assert wire.count("NeighborFailures") == 1
    wire.take()
    wire.ping()
    # though it was the last that was used
    assert asked(wire) == [PEER]


def test_any_word_of_a_neighbor_that_is_asked_for_counts_as_its_answer() -> None:
    wire = Wire()
    wire.ping()
    wire.take()
    wire.put_arp(REQUEST, PEER_MAC, PEER, OTHER, to=ALL)
    assert destinations(wire) == [PEER_MAC]


@pytest.mark.requirement("LIM-4")
def test_number_of_neighbors_is_bounded_and_the_longest_unconfirmed_goes() -> None:
    wire = Wire(neighbor_limit=8)
    wire.meet()
    for number in range(20, 60):
        wire.put_arp(REQUEST, OTHER_MAC, bytes([10, 0, 0, number]), HOST)
        wire.put_arp(REQUEST, PEER_MAC, PEER, HOST)
        assert wire.engine.usage()["neighbors"] <= 8
    wire.take()
    wire.ping()
    assert destinations(wire) == [PEER_MAC]
    wire.ping(source=bytes([10, 0, 0, 20]))
    assert asked(wire) == [bytes([10, 0, 0, 20])]


@pytest.mark.requirement("LIM-2")
def test_waiting_packets_keep_to_the_memory_limit() -> None:
    wire = Wire(memory_limit=20_000, neighbor_queue=256)
    for number in range(2, 100):
        for _ in range(4):
            wire.ping(source=bytes([10, 0, 0, number]), payload=bytes(1000))
        wire.take()
        assert wire.engine.usage()["chunks"] < 30_000
    assert wire.count("NeighborQueueDrops") > 300
    wire.pass_time(60 * SECOND)
    wire.take()
    assert wire.engine.usage()["chunks"] == 0


# ---- routes


def test_destination_off_the_link_leaves_by_the_gateway() -> None:
    wire = Wire(gateway=dotted(GATEWAY))
    wire.ping(source=FAR)
    assert asked(wire) == [GATEWAY]
    wire.put_arp(REPLY, OTHER_MAC, GATEWAY, HOST)
    [frame] = wire.take()
    assert frame[:6] == OTHER_MAC
    assert frame[30:34] == FAR


def test_destination_off_the_link_without_gateway_is_unreachable() -> None:
    wire = Wire()
    assert wire.engine.connect(1000, (FAR, 80)) == UNREACHABLE
    assert wire.engine.source_address(FAR) is None
    wire.ping(source=FAR)
    assert wire.take() == []
    assert wire.count("OutNoRoutes") == 1
    assert wire.engine.usage()["chunks"] == 0


def test_prefix_decides_what_is_on_the_link() -> None:
    wire = Wire(prefix=30, gateway="10.0.0.2")
    wire.ping(source=bytes([10, 0, 0, 7]))
    assert asked(wire) == [bytes([10, 0, 0, 2])]
