"""Bursts, truncation, marks, MTU, outages, reordering counted in frames, and faults that change over time."""

from itertools import pairwise

import pytest
from scapy.layers.inet import IP

from netcore.impair import Impairment
from netcore.simulator import Simulator
from tests.link.test_impair import Line, numbers
from tests.link.wire import MILLISECOND, SECOND

COUNT = 20_000


def missing(seen: list[int], count: int) -> list[int]:
    """The numbers that did not arrive."""
    return sorted(set(range(count)) - set(seen))


# ---- losses in bursts


def test_bursts_of_losses_have_the_mean_length_asked_for() -> None:
    line = Line(burst_begin=10_000, burst_end=200_000)
    lost = missing(numbers(line.flow(COUNT)), COUNT)
    bursts = 1 + sum(after - before > 1 for before, after in pairwise(lost))
    counters = line.link.counters()
    assert counters["lost"] == counters["burst_lost"] == len(lost)
    # bursts of 5 frames, one after about 100: two states of a chain, so the bounds are generous
    assert 4 < len(lost) / bursts < 6
    assert 150 < bursts < 240


def test_losses_within_and_outside_of_bursts_are_counted_apart() -> None:
    line = Line(burst_begin=10_000, burst_end=100_000, burst_loss=500_000, loss=5_000)
    line.flow(COUNT)
    counters = line.link.counters()
    in_bursts = COUNT * 10_000 / 110_000
    assert abs(counters["burst_lost"] - in_bursts / 2) < in_bursts / 10
    assert 60 < counters["lost"] - counters["burst_lost"] < 130


# ---- damage


def test_truncation_cuts_behind_the_link_header() -> None:
    line = Line(truncate=200_000)
    frames = [frame for _, frame in line.flow(5_000)]
    whole = max(len(frame) for frame in frames)
    short = [len(frame) for frame in frames if len(frame) < whole]
    assert line.link.counters()["truncated"] == len(short)
    assert abs(len(short) - 1000) < 5 * 800**0.5
    assert min(short) == 14
    assert max(short) == whole - 1


def test_packet_beyond_the_mtu_is_dropped_and_counted() -> None:
    line = Line(mtu=600)
    assert len(line.flow(10, size=600 - 20 - 8)) == 10
    assert line.flow(10, size=600 - 20 - 8 + 1) == []
    assert line.link.counters()["oversized"] == 10


# ---- congestion marks


def marks_of(tos: int, **faults: int) -> tuple[list[int], int]:
    """The TOS of 20 packets of 500 bytes behind a slow transmitter, in their order, and how many it has marked."""
    sim = Simulator(seed=1)
    link = sim.link(sim.host(ethernet=False), sim.host(ethernet=False), rate=1_000_000, **faults)  # type: ignore[arg-type]
    sim.record()
    for number in range(20):
        link.inject(bytes(IP(src="10.0.0.1", dst="10.0.0.2", tos=tos, id=number) / bytes(480)))
    sim.run_until(SECOND)
    packets = [IP(frame.octets) for frame in sim.recorded() if frame.forward]
    for packet in packets:
        checksum = packet.chksum
        del packet.chksum
        assert IP(bytes(packet)).chksum == checksum
    assert [packet.id for packet in packets] == list(range(20))
    return [packet.tos for packet in packets], link.forward.counters()["marked"]


@pytest.mark.parametrize("threshold", [{"ecn_bytes": 5_000}, {"ecn_delay": 40 * MILLISECOND}])
@pytest.mark.parametrize("tos", [0xB9, 0xBA])
def test_long_queue_marks_packets_whose_sender_understands_it(tos: int, threshold: dict[str, int]) -> None:
    # 5,000 bytes take 40 ms: the packet that finds more than 10 before it is the twelfth
    assert marks_of(tos, **threshold) == ([tos] * 11 + [0xBB] * 9, 9)


@pytest.mark.parametrize(("tos", "marked"), [(0xB8, 0), (0xBB, 0)])
def test_long_queue_leaves_other_packets_alone(tos: int, marked: int) -> None:
    seen, counted = marks_of(tos, ecn_bytes=5_000)
    assert seen == [tos] * 20
    assert counted in (marked, 9)


def test_mark_leaves_a_wrong_header_checksum_wrong() -> None:
    sim = Simulator(seed=1)
    link = sim.link(sim.host(ethernet=False), sim.host(ethernet=False), rate=1_000_000, ecn_delay=1)
    sim.record()
    packet = bytes(IP(src="10.0.0.1", dst="10.0.0.2", tos=2, chksum=0x1234) / bytes(480))
    link.inject(packet)
    link.inject(packet)
    sim.run_until(SECOND)
    plain, marked = [IP(frame.octets) for frame in sim.recorded()]
    assert (plain.tos, marked.tos) == (2, 3)
    assert plain.chksum == 0x1234
    del marked.chksum
    assert IP(bytes(marked)).chksum != 0x1233


# ---- reordering counted in frames


@pytest.mark.parametrize("most", [1, 4])
def test_held_frames_are_overtaken_by_at_most_so_many(most: int) -> None:
    line = Line(reorder=50_000, reorder_frames=most, reorder_by=SECOND)
    seen = numbers(line.flow(COUNT))
    assert sorted(seen) == list(range(COUNT))
    late = [place - number for place, number in enumerate(seen) if place > number]
    assert max(late) == most
    assert min(late) == 1
    reordered = line.link.counters()["reordered"]
    assert abs(reordered - 1000) < 5 * 1000**0.5
    # where two neighbors are held back neither need come late
    assert 0.85 * reordered < len(late) <= reordered


def test_frame_that_nobody_overtakes_comes_when_its_time_is_over() -> None:
    line = Line(reorder=1_000_000, reorder_frames=3, reorder_by=5 * MILLISECOND, delay=MILLISECOND)
    [(time, _)] = line.flow(1)
    assert time == 6 * MILLISECOND
    assert line.link.waiting == 0


# ---- over time


def test_blackout_drops_what_enters_and_lets_arrive_what_is_under_way() -> None:
    line = Line(delay=MILLISECOND, blackouts=[(10 * MILLISECOND, 20 * MILLISECOND), (SECOND, 2 * SECOND)])
    seen = numbers(line.flow(300, interval=100_000))
    assert missing(seen, 300) == list(range(100, 200))
    assert line.link.counters()["blacked_out"] == 100
    assert line.link.last_change == 2 * SECOND


def test_faults_change_at_their_times() -> None:
    changes = [(5 * MILLISECOND, {"loss": 1_000_000}), (10 * MILLISECOND, {"loss": 0, "duplicate": 1_000_000})]
    line = Line(changes=changes)
    seen = numbers(line.flow(150, interval=100_000))
    assert missing(seen, 150) == list(range(50, 100))
    assert seen.count(49) == 1
    assert all(seen.count(number) == 2 for number in range(100, 150))


def test_origin_moves_all_changes() -> None:
    line = Line(changes=[(0, {"loss": 1_000_000})], blackouts=[(1, 2)], origin=5 * MILLISECOND)
    assert missing(numbers(line.flow(100, interval=100_000)), 100) == list(range(50, 100))
    assert line.link.last_change == 5 * MILLISECOND + 2


@pytest.mark.parametrize(("after", "per_frame"), [(5_000_000, 2), (20_000_000, 0.5), (0, 0)])
def test_frames_that_wait_leave_at_the_new_rate(after: int, per_frame: float) -> None:
    # 25 frames of 1250 bytes take 1 ms each; when ten have left the rate changes
    line = Line(rate=10_000_000, changes=[(10 * MILLISECOND, {"rate": after})])
    for number in range(25):
        line.send(number, size=1250 - 14 - 20 - 8)
    line.pair.run_until(SECOND)
    times = [time for time, end, _ in line.pair.recorded() if end == "right"]
    expected = [(number + 1) * MILLISECOND for number in range(10)]
    expected += [10 * MILLISECOND + round((number + 1) * per_frame * MILLISECOND) for number in range(15)]
    assert times == expected


def test_frames_that_were_overtaken_leave_at_the_new_rate_too() -> None:
    line = Line(rate=10_000_000, reorder=500_000, reorder_by=MILLISECOND, changes=[(5 * MILLISECOND, {"rate": 0})])
    for number in range(25):
        line.send(number, size=1250 - 14 - 20 - 8)
    line.pair.run_until(SECOND)
    arrivals = [time for time, end, _ in line.pair.recorded() if end == "right"]
    assert len(arrivals) == 25
    assert arrivals == sorted(arrivals)
    assert max(arrivals) == 6 * MILLISECOND


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"changes": [(2, {"loss": 1}), (1, {"loss": 2})]}, "changes go back in time from 2 to 1 ns"),
        ({"changes": [(2, {"seed": 1})]}, "seed is nothing that may change; known are loss, burst_begin"),
        ({"changes": [(2, {"loss": -1})]}, r"loss \(parts per million\) is -1"),
        ({"blackouts": [(2, 2)]}, "a blackout from 2 to 2 ns"),
        ({"blackouts": [(2, 9), (8, 10)]}, "a blackout from 8 to 10 ns"),
        ({"burst_end": 0}, r"burst_end \(parts per million\) is 0, but must be between 1 and 1000000"),
    ],
)
def test_schedule_that_makes_no_sense_is_named(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Impairment(seed=0, **arguments)  # type: ignore[arg-type]
