"""What one direction did, from crafted segments: kinds, ACKs, SACK blocks, flight, marks, exactly."""

import pytest

from stack.plotting.flow import SECOND, Kind, Mark
from stack.plotting.rates import goodput, sending_rate
from stack.plotting.sequence import UNKNOWN_EDGE
from stack.plotting.summary import delivered, mean_goodput, summary
from tests.plotting.crafted import MS, Talk

NEW, REORDERED, AGAIN, NEEDLESS, PROBE = Kind.NEW, Kind.REORDERED, Kind.RETRANSMISSION, Kind.NEEDLESS, Kind.PROBE


def opened(**more: int) -> Talk:
    talk = Talk(**more)
    talk.handshake()
    return talk


def kinds(talk: Talk, *, skip: int = 1) -> list[Kind]:
    """Kinds of the client's segments, without its SYN."""
    return [Kind(kind) for kind in talk.flow().sent.kind[skip:]]


def test_segment_sent_again_is_told_from_a_new_one() -> None:
    talk = opened()
    for time, seq in ((20, 1), (21, 1001), (22, 2001), (60, 1)):
        talk.data(time, seq)
    assert kinds(talk) == [NEW, NEW, NEW, AGAIN]


def test_segment_sent_again_after_its_ack_is_needless() -> None:
    talk = opened()
    talk.data(20, 1)
    talk.data(21, 1001)
    talk.ack(31, 1001)
    talk.data(50, 1)
    talk.data(51, 1001)
    assert kinds(talk) == [NEW, NEW, NEEDLESS, AGAIN]


def test_ack_of_the_same_moment_counts_only_if_it_came_before() -> None:
    talk = opened()
    talk.data(20, 1)
    talk.data(50, 1)
    talk.ack(50, 1001)
    assert kinds(talk) == [NEW, AGAIN]
    talk.data(50, 1)
    assert kinds(talk) == [NEW, AGAIN, NEEDLESS]


@pytest.mark.parametrize(
    ("stamps", "late", "expected"),
    [
        ((100, 101, 99), 500, REORDERED),
        ((100, 101, 102), 1, AGAIN),
        ((100, 101, 101), 1, REORDERED),
        ((100, 101, 101), 500, AGAIN),
        ((2**32 - 2, 2**32 - 1, 0), 1, AGAIN),
        ((2**32 - 2, 1, 2**32 - 1), 500, REORDERED),
        (None, 9, REORDERED),
        (None, 10, AGAIN),
    ],
)
def test_gap_is_filled_by_an_overtaken_segment_or_by_one_sent_again(
    stamps: tuple[int, int, int] | None, late: float, expected: Kind
) -> None:
    talk = opened()  # a handshake of 10 ms
    first, opener, filler = [(value, 0) for value in stamps] if stamps else (None, None, None)
    talk.data(20, 1, stamps=first)
    talk.data(21, 2001, stamps=opener)
    talk.data(21 + late, 1001, stamps=filler)
    assert kinds(talk) == [NEW, NEW, expected]


def test_gap_is_filled_once_and_piece_by_piece() -> None:
    talk = opened()
    talk.data(20, 1)
    talk.data(21, 4001)
    for time, seq, length in ((22, 2001, 1000), (23, 1001, 1000), (24, 3001, 1000), (24, 3001, 1000), (24, 1001, 3000)):
        talk.data(time, seq, length)
    assert kinds(talk) == [NEW, NEW, REORDERED, REORDERED, REORDERED, AGAIN, AGAIN]


def test_segment_that_repeats_and_goes_on_is_sent_again() -> None:
    talk = opened()
    talk.data(20, 1)
    talk.data(40, 1, 2000)
    talk.data(41, 2001)
    assert kinds(talk) == [NEW, AGAIN, NEW]


def test_syn_and_fin_sent_again_are_found() -> None:
    talk = Talk()
    talk.data(0, 0, 0, 0, "S")
    talk.data(1000, 0, 0, 0, "S")
    talk.ack(1010, 1, 0, "SA")
    talk.data(1010, 1, 0)
    talk.data(1020, 1, 0, flags="FA")
    talk.data(1300, 1, 0, flags="FA")
    assert kinds(talk, skip=0) == [NEW, AGAIN, NEW, AGAIN]
    assert talk.flow().marks == (
        Mark(0, 1, "SYN"),
        Mark(1000 * MS, 1, "SYN"),
        Mark(1020 * MS, 2, "FIN"),
        Mark(1300 * MS, 2, "FIN"),
    )


@pytest.mark.parametrize("length", [0, 1])
def test_keep_alive_is_a_probe(length: int) -> None:
    talk = opened()
    talk.data(20, 1)
    talk.ack(30, 1001)
    talk.data(7000, 1000, length)
    talk.ack(7010, 1001)
    assert kinds(talk) == [NEW, PROBE]


def test_byte_beyond_a_closed_window_is_a_probe() -> None:
    talk = opened()
    talk.data(20, 1)
    talk.ack(30, 1001, window=0)
    talk.data(230, 1001, 1)
    talk.ack(240, 1001, window=0)
    talk.data(700, 1001, 1)
    talk.ack(710, 1001, window=0)
    flow = talk.flow()
    assert kinds(talk) == [NEW, PROBE, PROBE]
    assert flow.acknowledgements.closed.tolist() == [False, True, True, True]


def test_duplicate_acks_are_counted_as_rfc_5681_says() -> None:
    talk = opened()
    for index in range(6):
        talk.data(20 + index, 1 + 1000 * index)
    talk.ack(30, 1001)
    talk.ack(31, 1001)  # the same again
    talk.ack(32, 1001, window=900)  # a window update
    talk.ack(33, 1001, length=10, window=900)  # with data
    talk.ack(34, 1001, seq=11, window=901, sack=[(2001, 3001)])  # another window, but it tells of a segment
    talk.ack(35, 6001, seq=11, window=901)
    talk.ack(36, 6001, seq=11, window=901)  # nothing is outstanding
    expected = [False, False, True, False, False, True, False, False]
    assert talk.flow().acknowledgements.duplicate.tolist() == expected


def test_sack_blocks_are_placed_and_dsack_is_told() -> None:
    talk = opened()
    for index in range(6):
        talk.data(20 + index, 1 + 1000 * index)
    talk.ack(30, 1001)
    talk.ack(31, 1001, sack=[(2001, 3001)])
    talk.ack(32, 1001, sack=[(4001, 5001), (2001, 3001)])
    talk.ack(33, 5001, sack=[(2001, 3001)])  # below the ACK
    talk.ack(34, 5001, sack=[(5501, 5601), (5301, 6001)])  # within the second
    sacks = talk.flow().sacks
    assert list(zip((sacks.time // MS).tolist(), sacks.left.tolist(), sacks.right.tolist(), strict=True)) == [
        (31, 2001, 3001),
        (32, 4001, 5001),
        (32, 2001, 3001),
        (33, 2001, 3001),
        (34, 5501, 5601),
        (34, 5301, 6001),
    ]
    assert sacks.duplicate.tolist() == [False, False, False, True, True, False]


@pytest.mark.parametrize("isn", [2**32 - 1, 2**32 - 1501, 2**31 - 700])
def test_numbers_that_wrap_are_on_one_line(isn: int) -> None:
    talk = opened(client_isn=isn)
    for index in range(4):
        talk.data(20 + index, 1 + 1000 * index)
    talk.ack(32, 3001, sack=[(3501, 4001)])
    talk.data(40, 2001)
    flow = talk.flow()
    assert flow.base == isn
    assert flow.sent.start.tolist() == [0, 1, 1001, 2001, 3001, 2001]
    assert flow.acknowledgements.ack.tolist() == [1, 3001]
    assert flow.acknowledgements.edge.tolist() == [1001, 3001 + (1000 << 7)]
    assert (flow.sacks.left.tolist(), flow.sacks.right.tolist()) == ([3501], [4001])


def test_more_than_four_gibibytes_are_on_one_line() -> None:
    talk = opened()
    step = 1 << 30
    for index in range(10):
        talk.data(20 + 2 * index, 1 + step * index, 10)
        talk.ack(21 + 2 * index, 11 + step * index)
    flow = talk.flow()
    assert flow.sent.start[1:].tolist() == [1 + step * index for index in range(10)]
    assert flow.acknowledgements.ack[1:].tolist() == [11 + step * index for index in range(10)]


@pytest.mark.parametrize("scale", [None, 0, 3, 14])
def test_window_is_scaled_as_the_handshake_said(scale: int | None) -> None:
    talk = Talk(scale=scale)
    talk.handshake()
    talk.ack(30, 1, window=500)
    assert talk.flow().acknowledgements.edge.tolist() == [1001, 1 + (500 << (scale or 0))]


def test_window_without_the_handshake_is_unknown_and_said() -> None:
    talk = Talk()
    talk.data(20, 1)
    talk.ack(30, 1001)
    flow = talk.flow()
    assert flow.acknowledgements.edge.tolist() == [UNKNOWN_EDGE]
    assert "scale of the window" in flow.notes[0]
    assert flow.sent.start.tolist() == [1]


def test_one_side_alone_is_analysed_and_said() -> None:
    talk = Talk()
    talk.data(20, 1)
    talk.data(21, 1001)
    flow = talk.flow()
    assert "no ACKs" in flow.notes[0]
    assert (len(flow.flight), len(flow.round_trips.best()), delivered(flow)) == (0, 0, 2000)
    other = talk.flow(forward=False)
    assert "ACKs alone" in other.notes[-1]
    assert summary(other)


def test_flight_is_what_is_sent_and_not_acknowledged() -> None:
    talk = opened()
    talk.data(20, 1)
    talk.data(21, 1001)
    talk.ack(30, 1001)
    talk.data(40, 1001)
    talk.ack(50, 2001)
    flight = talk.flow().flight
    assert list(zip((flight.time // MS).tolist(), flight.value.tolist(), strict=True)) == [
        (0, 1),
        (10, 0),
        (20, 1000),
        (21, 2000),
        (30, 1000),
        (40, 1000),
        (50, 0),
    ]


def test_reset_is_marked_and_its_number_moves_nothing() -> None:
    talk = opened()
    talk.data(20, 1)
    talk.data(30, 900_000_000, 0, flags="R")
    talk.ack(40, 123_456_789, flags="RA")
    flow = talk.flow()
    assert [(mark.time // MS, mark.name) for mark in flow.marks] == [(0, "SYN"), (30, "RST"), (40, "RST")]
    assert flow.sent.end.max() == 1001
    assert flow.acknowledgements.ack.tolist() == [1]
    assert flow.marks[-1].sequence == 1


def test_backward_direction_has_the_servers_data() -> None:
    talk = opened()
    talk.ack(20, 1, length=300)
    talk.data(30, 1, 0, ack=301)
    flow = talk.flow(forward=False)
    assert (str(flow.sender), delivered(flow)) == ("10.0.0.2:80", 300)
    assert flow.sent.length.tolist() == [0, 300]


def test_summary_has_bytes_time_and_what_was_sent_again() -> None:
    talk = opened()
    talk.data(20, 1)
    talk.data(30, 1)
    talk.ack(40, 1001)
    talk.data(45, 1001, 0, flags="FA")
    talk.ack(50, 1002)
    flow = talk.flow()
    assert delivered(flow) == 1000
    assert mean_goodput(flow) == pytest.approx(1000 * 8 / 0.05)
    text = "1 kB in 50 ms · goodput 160 kbit/s · 1 of 2 segments sent again · RTT least 5 ms, median 7.5 ms"
    assert summary(flow) == text


def test_rates_are_bytes_over_the_window() -> None:
    talk = opened()
    for index in range(100):
        talk.data(20 + 10 * index, 1 + 1000 * index)
        talk.ack(25 + 10 * index, 1001 + 1000 * index)
    flow = talk.flow()
    window = 100 * MS
    for rate in (sending_rate, goodput):
        time, value = rate(flow, 0, 1010 * MS, window)
        steady = value[(time > 200 * MS) & (time < 1000 * MS)]
        assert steady.min() == steady.max() == 10 * 1000 * SECOND / window
