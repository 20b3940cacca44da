"""Fragments in and out (RFC 791 3.2, RFC 815, RFC 1858, RFC 3128, RFC 5722, RFC 6864, RFC 1122 3.3.2)."""

import itertools
import random

import pytest
from scapy.layers import inet

from netcore.wire import decode
from tests.link.wire import ACK, FAR, HOST, ICMP, PEER, SECOND, SYN, TCP, UDP, Wire, dotted

MORE = 0x2000
MOST = 65515  # octets of payload of the largest datagram


@pytest.fixture
def wire() -> Wire:
    """A host that knows PEER."""
    found = Wire(gateway=dotted(PEER))
    found.meet()
    return found


def fragment(
    body: bytes, start: int, end: int, *, more: bool | None = None, protocol: int = ICMP, source: bytes = PEER,
    identification: int = 1, tos: int = 0,
) -> bytes:  # fmt: skip
    """The fragment of a datagram's payload from `start` to `end`."""
    if more is None:
        more = end < len(body)
    packet = decode.build_ipv4(
        source, HOST, protocol, body[start:end], identification=identification, fragment=start // 8 | MORE * more
    )
    if tos:
        made = inet.IP(packet)
        made.tos, made.chksum = tos, None
        packet = bytes(made)
    return packet


def echo(size: int) -> bytes:
    return decode.build_icmp(8, 0, b"abcd", bytes(number * 31 % 256 for number in range(size)))


def cut(body: bytes, size: int, **fields: int) -> list[bytes]:
    """All fragments, each with `size` octets of the payload."""
    return [fragment(body, start, min(start + size, len(body)), **fields) for start in range(0, len(body), size)]  # type: ignore[arg-type]


def reassembled(packets: list["decode.Ipv4Fields"]) -> bytes:
    """The payload of one datagram that came in fragments, judged by the octets' places alone."""
    body = bytearray(MOST)
    seen: set[int] = set()
    end = 0
    for packet in packets:
        start = (packet["fragment"] & 0x1FFF) * 8
        assert not seen & set(range(start, start + len(packet["payload"])))
        seen |= set(range(start, start + len(packet["payload"])))
        body[start : start + len(packet["payload"])] = packet["payload"]
        if not packet["fragment"] & MORE:
            end = start + len(packet["payload"])
    assert seen == set(range(end))
    return bytes(body[:end])


def is_answered(wire: Wire, body: bytes) -> bool:
    """Whether the host has sent the reply to an echo request, octet for octet, and nothing else."""
    packets = wire.take_ipv4()
    if not packets:
        return False
    reply = reassembled(packets)
    assert decode.checksum(reply) == 0
    assert (reply[0], reply[4:]) == (0, body[4:])
    return True


# ---- in


@pytest.mark.parametrize("size", [8, 16, 24, 800, 1480])
def test_fragments_in_order_make_the_datagram(wire: Wire, size: int) -> None:
    body = echo(3000)
    for packet in cut(body, size):
        assert wire.take() == []
        wire.put_ipv4(packet)
    assert is_answered(wire, body)
    assert (wire.count("ReasmOKs"), wire.count("ReasmFails"), wire.count("InDelivers")) == (1, 0, 1)
    assert wire.engine.usage()["chunks"] == 0


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))), ids=str)
def test_fragments_in_any_order_make_the_datagram(wire: Wire, order: tuple[int, ...]) -> None:
    body = echo(3000)
    packets = cut(body, 800)
    for number in order:
        wire.put_ipv4(packets[number])
    assert is_answered(wire, body)


@pytest.mark.parametrize("payload", [1, 7, 8, 1472, 1473, 8192, 65507 - 8, 65507])
def test_echo_of_any_size_is_answered(wire: Wire, payload: int) -> None:
    body = echo(payload)
    for packet in cut(body, 1480):
        wire.put_ipv4(packet)
    assert is_answered(wire, body)


def test_segment_in_fragments_is_delivered(wire: Wire) -> None:
    listener = wire.engine.listen(None, 80, 5)
    wire.put_segment(80, SYN, seq=9)
    [answer] = wire.take_ipv4()
    sequence = int.from_bytes(answer["payload"][4:8], "big")
    text = bytes(number % 251 for number in range(40_000))
    segment = decode.build_tcp(999, 80, 10, sequence + 1, ACK, 65535, text, addresses=(PEER, HOST))
    for packet in cut(segment, 1480, protocol=TCP):
        wire.put_ipv4(packet)
    endpoint = listener.accept()  # type: ignore[union-attr]
    buffer = bytearray(50_000)
    assert endpoint.receive_into(buffer) == 40_000  # type: ignore[union-attr]
    assert buffer[:40_000] == text


def test_sum_of_a_segment_in_fragments_is_checked_whatever_the_device_says() -> None:
    wire = Wire(vnet_header=True)
    wire.meet()
    segment = bytearray(decode.build_tcp(999, 80, 3, 4, SYN, 5, bytes(100), addresses=(PEER, HOST)))
    segment[-1] ^= 1
    for packet in cut(bytes(segment), 48, protocol=TCP):
        frame = decode.build_ethernet(bytes.fromhex("020000000001"), bytes.fromhex("020000000002"), 0x800, packet)
        wire.put(frame, decode.build_vnet(flags=2))
    assert (wire.count("ReasmOKs"), wire.count("InCsumErrors")) == (1, 1)


def test_datagrams_are_told_apart_by_all_that_names_them(wire: Wire) -> None:
    body = echo(1000)
    half = 504
    wire.put_ipv4(fragment(body, 0, half))
    for other in (
        fragment(body, half, len(body), identification=2),
        fragment(body, half, len(body), source=FAR),
        fragment(body, half, len(body), protocol=UDP),
    ):
        wire.put_ipv4(other)
    assert wire.take() == []
    assert wire.engine.usage()["reassembling"] == 4
    wire.put_ipv4(fragment(body, half, len(body)))
    assert is_answered(wire, body)


def test_fragment_that_the_network_doubled_is_passed_over(wire: Wire) -> None:
    body = echo(3000)
    for packet in cut(body, 800):
        wire.put_ipv4(packet)
        if packet != cut(body, 800)[-1]:
            wire.put_ipv4(packet)
    assert is_answered(wire, body)


OVERLAPS = {
    "the same place, other octets": (0, 800, 1),
    "one unit of the fragment before": (792, 1608, 0),
    "one unit of the fragment behind": (1600, 2408, 0),
    "within another": (80, 160, 1),
    "around another": (0, 1600, 0),
    "more than there is, the same octets": (400, 1200, 0),
}


@pytest.mark.requirement("LIM-4")
@pytest.mark.parametrize(("start", "end", "change"), OVERLAPS.values(), ids=OVERLAPS)
def test_overlap_discards_the_datagram_and_all_that_comes_of_it(wire: Wire, start: int, end: int, change: int) -> None:
    body = echo(3000)
    first, second, third, fourth = cut(body, 800)
    altered = bytes(octet ^ change for octet in body)
    wire.put_ipv4(first)
    wire.put_ipv4(third)
    wire.put_ipv4(fragment(altered, start, end, more=True))
    for packet in (first, second, third, fourth):
        wire.put_ipv4(packet)
    assert wire.take() == []
    assert wire.count("ReasmOKs") == 0
    assert wire.count("ReasmFails") == 1
    # what is remembered of it is forgotten in time, without a word: it was no sender of good will
    wire.pass_time(31 * SECOND)
    assert wire.take() == []
    assert wire.engine.usage()["reassembling"] == 0
    assert wire.engine.usage()["chunks"] == 0


ENDS = {
    "a second end before the first": [(800, 1600, False), (2400, 3008, False)],
    "a second end behind the first": [(2400, 3008, False), (3200, 3208, False)],
    "more behind the end": [(800, 1600, False), (1600, 2400, True)],
    "an end before what has come": [(1600, 2400, True), (800, 1200, False)],
}


@pytest.mark.requirement("LIM-4")
@pytest.mark.parametrize("pieces", ENDS.values(), ids=ENDS)
def test_datagram_with_two_ends_is_discarded(wire: Wire, pieces: list[tuple[int, int, bool]]) -> None:
    body = echo(4000)
    for start, end, more in pieces:
        wire.put_ipv4(fragment(body, start, end, more=more))
    for packet in cut(body[:3008], 800):
        wire.put_ipv4(packet)
    assert (wire.count("ReasmOKs"), wire.count("ReasmFails")) == (0, 1)


UNSOUND = {
    "no octets": decode.build_ipv4(PEER, HOST, ICMP, b"", identification=1, fragment=MORE),
    "an end of no octets": decode.build_ipv4(PEER, HOST, ICMP, b"", identification=1, fragment=10),
    "a part of a unit, and more behind it": fragment(bytes(100), 0, 12),
    "beyond the largest datagram": decode.build_ipv4(PEER, HOST, ICMP, bytes(100), identification=1, fragment=8185),
    "the last place of all": decode.build_ipv4(PEER, HOST, ICMP, bytes(8), identification=1, fragment=0x1FFF),
    "a TCP header in two": fragment(bytes(100), 0, 16, protocol=TCP),
    "a TCP header's flags": fragment(bytes(100), 8, 100, protocol=TCP),
}


@pytest.mark.requirement("LIM-4")
@pytest.mark.parametrize("packet", UNSOUND.values(), ids=UNSOUND)
def test_fragment_that_no_host_sends_is_dropped(wire: Wire, packet: bytes) -> None:
    wire.put_ipv4(packet)
    assert (wire.count("ReasmReqds"), wire.count("ReasmFails")) == (1, 1)
    assert wire.engine.usage()["reassembling"] == 0


def test_datagram_that_is_too_long_with_its_header_is_discarded(wire: Wire) -> None:
    body = bytes(MOST)
    first = inet.IP(fragment(body, 0, 1480))
    first.options, first.ihl, first.len, first.chksum = [inet.IPOption_NOP()] * 4, None, None, None
    wire.put_ipv4(bytes(first))
    for packet in cut(body, 1480)[1:]:
        wire.put_ipv4(packet)
    assert (wire.count("ReasmOKs"), wire.count("ReasmFails")) == (0, 1)


@pytest.mark.parametrize("fragment_flags", [0x4000, 0])
def test_packet_that_is_whole_is_no_fragment_whatever_its_identification(wire: Wire, fragment_flags: int) -> None:
    body = echo(8)
    for _ in range(2):
        wire.put_ipv4(decode.build_ipv4(PEER, HOST, ICMP, body, identification=7, fragment=fragment_flags))
    assert len(wire.take()) == 2
    assert wire.count("ReasmReqds") == 0


@pytest.mark.parametrize(
    ("codepoints", "is_whole"),
    [((0, 0), True), ((2, 2), True), ((2, 3), True), ((3, 2), True), ((0, 3), False), ((3, 0), False), ((0, 2), False)],
)
def test_congestion_mark_of_a_fragment_is_one_of_the_datagram(
    wire: Wire, codepoints: tuple[int, int], is_whole: bool
) -> None:
    body = echo(1000)
    for (start, end), codepoint in zip(((0, 504), (504, len(body))), codepoints, strict=True):
        wire.put_ipv4(fragment(body, start, end, tos=codepoint))
    assert is_answered(wire, body) == is_whole


# ---- time and memory


def test_time_exceeded_tells_of_a_datagram_whose_first_fragment_came(wire: Wire) -> None:
    body = echo(3000)
    first = fragment(body, 0, 800)
    wire.put_ipv4(first)
    wire.pass_time(10 * SECOND)
    wire.put_ipv4(fragment(body, 1600, 2400))  # does not prolong it
    wire.pass_time(20 * SECOND - 1)
    assert wire.take() == []
    wire.pass_time(1)
    [answer] = wire.take_ipv4()
    message = inet.ICMP(answer["payload"])
    assert (message.type, message.code) == (11, 1)
    assert answer["payload"][8:] == first[:28]
    assert (wire.count("ReasmTimeout"), wire.count("IcmpOutTimeExcds")) == (1, 1)
    usage = wire.engine.usage()
    assert (usage["reassembling"], usage["chunks"]) == (0, 0)
    assert wire.engine.next_deadline() is None


def test_nothing_tells_of_a_datagram_whose_first_fragment_is_missing(wire: Wire) -> None:
    wire.put_ipv4(fragment(echo(3000), 800, 1600))
    wire.pass_time(31 * SECOND)
    assert wire.take() == []
    assert wire.count("ReasmTimeout") == 1


def test_time_exceeded_keeps_to_the_rate_of_errors(wire: Wire) -> None:
    for number in range(16):
        wire.put_ipv4(fragment(echo(3000), 0, 800, identification=number))
    wire.pass_time(31 * SECOND)
    assert len(wire.take()) == 6


def test_source_has_no_more_than_its_share(wire: Wire) -> None:
    body = echo(1000)
    wire.put_ipv4(fragment(body, 0, 504, source=FAR))
    for number in range(1000):
        wire.put_ipv4(fragment(body, 0, 504, identification=number))
    assert wire.engine.usage()["reassembling"] == 17
    wire.put_ipv4(fragment(body, 504, len(body), source=FAR))
    assert wire.count("ReasmOKs") == 1
    # the latest of the source are kept, the oldest went
    wire.take()
    wire.put_ipv4(fragment(body, 504, len(body), identification=999))
    assert is_answered(wire, body)


@pytest.mark.requirement("LIM-2")
def test_flood_from_everywhere_is_held_in_bounded_memory(wire: Wire) -> None:
    most = 0
    for number in range(5000):
        source = bytes([192, 0, number >> 8, number & 255])
        # an end far away: the most memory that a packet can ask for
        wire.put_ipv4(decode.build_ipv4(source, HOST, UDP, bytes(8), identification=1, fragment=8000))
        most = max(most, wire.engine.usage()["chunks"])
    assert most <= 4 << 20
    assert wire.engine.usage()["reassembling"] <= 256
    # whoever completes his datagram soon is served all the same
    body = echo(3000)
    for packet in cut(body, 800):
        wire.put_ipv4(packet)
    assert is_answered(wire, body)
    wire.pass_time(31 * SECOND)
    assert wire.engine.usage()["chunks"] == 0


@pytest.mark.requirement("LIM-2")
def test_fragments_stay_below_the_memory_limit() -> None:
    wire = Wire(memory_limit=100_000)
    wire.meet()
    for number in range(100):
        wire.put_ipv4(
            fragment(echo(20_000), 16_000, 16_800, identification=number, source=bytes([10, 0, 0, number + 4]))
        )
    assert wire.engine.usage()["chunks"] <= 100_000


@pytest.mark.requirement("LIM-4")
def test_hail_of_fragments_leaves_nothing_behind(wire: Wire) -> None:
    dice = random.Random(5)
    for _ in range(20_000):
        start = dice.choice((0, 8, 16, 1480, 8 * dice.randrange(8190)))
        wire.put_ipv4(
            decode.build_ipv4(
                bytes([10, 0, 0, dice.randrange(2, 12)]), HOST, dice.choice((ICMP, TCP, UDP)),
                bytes(dice.choice((0, 1, 7, 8, 16, 64, 1480))), identification=dice.randrange(4),
                fragment=start // 8 | MORE * dice.randrange(2),
            )
        )  # fmt: skip
    assert wire.engine.usage()["reassembling"] > 10
    wire.take()
    wire.pass_time(31 * SECOND)
    wire.take()
    usage = wire.engine.usage()
    assert (usage["reassembling"], usage["chunks"]) == (0, usage["frames"])


# ---- out


@pytest.mark.parametrize(("mtu", "size"), [(1500, 3000), (1500, 1473), (576, 4000), (68, 1000), (1499, 65507)])
def test_reply_too_large_for_the_link_leaves_in_fragments(mtu: int, size: int) -> None:
    wire = Wire(mtu=mtu)
    wire.meet()
    body = echo(size)
    for packet in cut(body, 1480):
        wire.put_ipv4(packet)
    packets = wire.take_ipv4()
    assert len({packet["identification"] for packet in packets}) == 1
    for piece in packets[:-1]:
        assert piece["fragment"] & MORE
        assert mtu - 8 < piece["total_length"] <= mtu
    assert reassembled(packets)[4:] == body[4:]
    assert (wire.count("FragOKs"), wire.count("FragCreates")) == (1, len(packets))
    assert wire.engine.usage()["chunks"] == 0


def test_packet_in_fragments_holds_up_nothing_and_is_not_mixed_up(wire: Wire) -> None:
    first, second = echo(5000), echo(4000)
    for packet in cut(first, 1480) + cut(second, 1480, identification=2):
        wire.put_ipv4(packet)
    packets = wire.take_ipv4()
    assert len({packet["identification"] for packet in packets}) == 2
    assert reassembled(packets[:4])[4:] == first[4:]
    assert reassembled(packets[4:])[4:] == second[4:]


def test_options_leave_with_the_first_fragment_alone(wire: Wire) -> None:
    body = echo(3000)
    packets = cut(body, 1400)
    first = inet.IP(packets[0])
    first.options, first.ihl, first.len, first.chksum = [inet.IPOption_RR(routers=["0.0.0.0"])], None, None, None
    wire.put_ipv4(bytes(first))
    for packet in packets[1:]:
        wire.put_ipv4(packet)
    answers = wire.take_ipv4()
    assert [answer["header_length"] for answer in answers] == [28, 20, 20]
    assert reassembled(answers)[4:] == body[4:]


def test_reply_in_fragments_waits_for_its_neighbor() -> None:
    wire = Wire()
    body = echo(3000)
    for packet in cut(body, 1480):
        wire.put_ipv4(packet)
    assert wire.take_ipv4() == []
    wire.put_arp(2, bytes.fromhex("020000000002"), PEER, HOST)
    assert reassembled(wire.take_ipv4())[4:] == body[4:]


def test_device_that_takes_bare_packets_takes_fragments() -> None:
    wire = Wire(ethernet=False, vnet_header=True, offloads=True)
    body = echo(3000)
    for packet in cut(body, 1480):
        wire.put_ipv4(packet)
    assert is_answered(wire, body)
