"""What an impaired link does to frames: from a seed, in the proportions asked for, and only to whole wire frames."""

from itertools import pairwise

import pytest
from scapy.layers import inet
from scapy.layers.l2 import Ether

from netcore.endpoint import Endpoint
from netcore.engine import Engine
from netcore.impair import Impairment
from netcore.listener import Listener
from netcore.simulator import Pair
from netcore.wire import decode
from tests.link.wire import FIN, HOST, HOST_MAC, ICMP, IPV4, MILLISECOND, PEER, PEER_MAC, SECOND, dotted

LATENCY = 1000


class Line:
    """A host whose echo replies are the frames that go through an impairment, one at a time."""

    def __init__(self, *, ethernet: bool = True, **faults: int) -> None:
        self.left = Engine(address=dotted(HOST), prefix=24, mac=HOST_MAC, seed=bytes(16), ethernet=ethernet)
        self.right = Engine(address=dotted(PEER), prefix=24, mac=PEER_MAC, seed=bytes(16), ethernet=ethernet)
        self.link = Impairment(**{"seed": 1} | faults)
        self.ethernet = ethernet
        if ethernet:
            hello = decode.build_arp(1, PEER_MAC, PEER, bytes(6), HOST)
            self.left.frame_arrives(decode.build_ethernet(HOST_MAC, PEER_MAC, 0x806, hello), 0)
            self.left.frames_to_send()
        self.pair = Pair(self.left, self.right, forward=self.link)
        self.pair.record()

    def send(self, number: int, size: int = 4) -> None:
        """One frame with its number in it goes onto the link now."""
        message = decode.build_icmp(8, 0, number.to_bytes(4, "big"), bytes(size))
        packet = decode.build_ipv4(PEER, HOST, ICMP, message)
        frame = decode.build_ethernet(HOST_MAC, PEER_MAC, IPV4, packet) if self.ethernet else packet
        self.left.frame_arrives(frame, self.pair.now)

    def flow(self, count: int, interval: int = 10_000, size: int = 4) -> list[tuple[int, bytes]]:
        """Sends `count` frames, `interval` ns apart; gives arrival time and frame of each that came out."""
        for number in range(count):
            self.send(number, size)
            self.pair.run_until(self.pair.now + interval)
        self.pair.run_until(self.pair.now + 10 * SECOND)
        return [(time, frame) for time, end, frame in self.pair.recorded() if end == "right"]


def number_in(frame: bytes) -> int:
    """The number of an undamaged frame."""
    return int.from_bytes(frame[38:42], "big")


def numbers(arrivals: list[tuple[int, bytes]]) -> list[int]:
    return [number_in(frame) for _, frame in arrivals]


def test_perfect_link_changes_nothing() -> None:
    line = Line()
    assert numbers(line.flow(500)) == list(range(500))
    counters = line.link.counters()
    assert (counters["seen"], counters["passed"]) == (500, 500)
    assert not any(counters[name] for name in ("lost", "duplicated", "corrupted", "reordered", "overflowed"))


# 20,000 frames: the bounds are five standard deviations of the binomial


@pytest.mark.parametrize("parts", [1_000, 10_000, 200_000])
def test_loss_has_the_proportion_asked_for(parts: int) -> None:
    line = Line(loss=parts)
    count = 20_000
    arrived = len(line.flow(count))
    expected = count * parts / 1_000_000
    assert abs(count - arrived - expected) < 5 * expected**0.5 + 1
    assert line.link.counters()["lost"] == count - arrived


def test_duplication_has_the_proportion_asked_for_and_copies_follow_at_once() -> None:
    line = Line(duplicate=50_000)
    seen = numbers(line.flow(20_000))
    copies = [number for number, following in pairwise(seen) if number == following]
    assert abs(len(copies) - 1000) < 5 * 1000**0.5
    assert sorted(set(seen)) == list(range(20_000))
    assert len(seen) == 20_000 + len(copies) == 20_000 + line.link.counters()["duplicated"]


def test_corruption_flips_one_bit_behind_the_link_header() -> None:
    line = Line(corrupt=100_000)
    clean = Line()
    damaged = 0
    for (_, frame), (_, right) in zip(line.flow(5_000), clean.flow(5_000), strict=True):
        difference = int.from_bytes(frame, "big") ^ int.from_bytes(right, "big")
        damaged += difference != 0
        assert difference.bit_count() <= 1
        assert frame[:14] == right[:14]
    assert abs(damaged - 500) < 5 * 500**0.5
    assert line.link.counters()["corrupted"] == damaged


def test_corruption_reaches_every_octet_where_there_is_no_link_header() -> None:
    line, clean = Line(ethernet=False, corrupt=1_000_000), Line(ethernet=False)
    places = set()
    for (_, frame), (_, right) in zip(line.flow(3_000), clean.flow(3_000), strict=True):
        [place] = [at for at in range(len(right)) if frame[at] != right[at]]
        places.add(place)
    assert places == set(range(32))


@pytest.mark.requirement("SEG-14")
def test_corruption_is_seen_by_the_receiver() -> None:
    line = Line(corrupt=1_000_000)
    line.flow(2_000)
    counters = line.right.counters()
    found = counters["InHdrErrors"] + counters["IcmpInErrors"] + counters["InAddrErrors"]
    # a bit of the frame that no header and no checksum covers does not exist
    assert found == 2_000


def test_delay_holds_every_frame_back_alike() -> None:
    line = Line(delay=5 * MILLISECOND)
    assert [time - number_in(frame) * 10_000 for time, frame in line.flow(100)] == [5 * MILLISECOND] * 100


def test_jitter_spreads_but_does_not_overtake() -> None:
    line = Line(delay=MILLISECOND, jitter=500_000)
    arrivals = line.flow(2_000, interval=100_000)
    assert numbers(arrivals) == list(range(2_000))
    waits = [time - number_in(frame) * 100_000 for time, frame in arrivals]
    assert MILLISECOND <= min(waits) < MILLISECOND + 50_000
    assert max(waits) > MILLISECOND + 400_000


def test_reordering_holds_its_share_of_frames_back() -> None:
    line = Line(reorder=20_000, reorder_by=35_000, delay=LATENCY)
    arrivals = line.flow(20_000)
    late = [number_in(frame) for time, frame in arrivals if time > number_in(frame) * 10_000 + LATENCY]
    assert abs(len(late) - 400) < 5 * 400**0.5
    assert len(late) == line.link.counters()["reordered"]
    seen = numbers(arrivals)
    assert sorted(seen) == list(range(20_000))
    overtaken = sum(later < earlier for earlier, later in pairwise(seen))
    assert overtaken > 300


def test_rate_spaces_frames_by_their_time_on_the_wire() -> None:
    line = Line(rate=10_000_000, queue=1 << 20)
    arrivals = line.flow(100, interval=1_000, size=1000)
    length = len(arrivals[0][1])
    assert {after - before for (before, _), (after, _) in pairwise(arrivals)} == {length * 800}
    assert line.link.counters()["overflowed"] == 0


def test_queue_of_the_rate_limit_overflows() -> None:
    line = Line(rate=10_000_000, queue=10_000)
    seen = numbers(line.flow(100, interval=1_000, size=1000))
    assert 9 <= len(seen) <= 12
    assert seen == list(range(len(seen)))
    assert line.link.counters()["overflowed"] == 100 - len(seen)


@pytest.mark.requirement("LIM-5")
def test_same_seed_gives_the_same_fate() -> None:
    faults = {"loss": 50_000, "duplicate": 50_000, "corrupt": 50_000, "reorder": 50_000, "jitter": 100_000}
    first, again, other = (Line(seed=seed, **faults).flow(2_000) for seed in (3, 3, 4))
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"loss": -1}, r"loss \(parts per million\) is -1, but must be between 0 and 1000000"),
        ({"corrupt": 1_000_001}, r"corrupt \(parts per million\) is 1000001"),
        ({"rate": -5}, r"rate \(bits per second\) is -5"),
        ({"mtu": 67}, r"mtu \(bytes\) is 67"),
        ({"delay": 1 << 63}, r"delay \(ns\) is 9223372036854775808"),
    ],
)
def test_fault_out_of_range_is_named(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Impairment(seed=0, **arguments)


def test_pair_wants_an_impairment_for_each_direction() -> None:
    hosts = [Engine(address=address, prefix=24, seed=bytes(16)) for address in ("10.0.0.1", "10.0.0.2")]
    link = Impairment(seed=0)
    with pytest.raises(ValueError, match="each direction needs an Impairment of its own"):
        Pair(*hosts, forward=link, backward=link)


# ---- superframes


def stream_over_offloads(size: int, mtu: int, timestamps: int) -> tuple[bytes, list[bytes], int]:
    """Sends `size` bytes in superframes over a plain link and closes: the bytes, the wire's frames, IPs sent."""
    arguments = {"prefix": 24, "mtu": mtu, "vnet_header": True, "offloads": True, "timestamps": timestamps}
    left = Engine(address=dotted(HOST), seed=bytes(16), **arguments)
    right = Engine(address=dotted(PEER), seed=bytes(16), **arguments)
    pair = Pair(left, right, forward=Impairment(seed=1, delay=LATENCY, mtu=mtu))
    listener = right.listen(None, 80, 5)
    assert isinstance(listener, Listener)
    sender = left.connect(1000, (PEER, 80))
    assert isinstance(sender, Endpoint)
    pair.run_until(SECOND)
    receiver = listener.accept()
    assert isinstance(receiver, Endpoint)
    pair.record()
    text = bytes(number * 31 % 251 for number in range(size))
    assert sender.send(text) == size
    sender.shutdown_send()
    pair.run_until(2 * SECOND)
    received = bytearray(size + 1)
    assert receiver.receive_into(received) == size
    assert received[:size] == text
    frames = [frame for _, end, frame in pair.recorded() if end == "right"]
    return text, frames, left.counters()["OutRequests"]


@pytest.mark.requirement("SEG-14")
@pytest.mark.parametrize("timestamps", [0, 1])
@pytest.mark.parametrize("mtu", [576, 1500, 9000])
@pytest.mark.parametrize("size", [200_000, 65_537])
def test_superframe_is_cut_to_the_mtu_with_headers_that_scapy_finds_right(size: int, mtu: int, timestamps: int) -> None:
    text, frames, sent = stream_over_offloads(size, mtu, timestamps)
    found: dict[int, bytes] = {}
    first = None
    for frame in frames:
        judged = Ether(frame)
        packet = judged[inet.IP]
        assert len(bytes(packet)) <= mtu
        assert packet.len == len(frame) - 14
        checked = judged.copy()
        del checked[inet.IP].chksum, checked[inet.TCP].chksum
        assert bytes(checked) == frame, "a checksum is wrong"
        segment = packet[inet.TCP]
        first = segment.seq if first is None else first
        part = bytes(segment.payload)
        if part:
            found[(segment.seq - first) % (1 << 32)] = part
        last = (segment.seq - first) % (1 << 32) + len(part) == size
        assert bool(int(segment.flags) & FIN) == last
    assert b"".join(found[at] for at in sorted(found)) == text
    assert len(frames) > sent, "there was nothing to cut"


@pytest.mark.requirement("SEG-14")
def test_single_frame_has_its_partial_checksum_completed() -> None:
    text, frames, _ = stream_over_offloads(100, 1500, 1)
    [frame] = [frame for frame in frames if frame.endswith(text)]
    packet = decode.parse_ipv4(frame[14:])
    assert packet is not None
    assert decode.transport_checksum(HOST, PEER, 6, packet["payload"]) == 0
