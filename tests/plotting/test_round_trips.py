"""Round trips: which ACK gives a sample and which must not."""

from stack.plotting.flow import Series
from stack.plotting.round_trips import handshake
from tests.plotting.crafted import MS, Talk


def pairs(series: Series) -> list[tuple[float, float]]:
    """(time of the ACK, sample) in ms."""
    return [(time / MS, value / MS) for time, value in zip(series.time.tolist(), series.value.tolist(), strict=True)]


def opened() -> Talk:
    talk = Talk()
    talk.handshake()
    return talk


def test_handshake_gives_the_first_sample_and_the_full_round_trip() -> None:
    talk = opened()
    assert pairs(talk.flow().round_trips.by_sequence) == [(10, 10)]
    connection = talk.connection()
    assert handshake(connection.forward, connection.backward) == 10 * MS


def test_handshake_with_a_syn_sent_again_gives_no_round_trip() -> None:
    talk = Talk()
    talk.data(0, 0, 0, 0, "S")
    talk.data(1000, 0, 0, 0, "S")
    talk.ack(1010, 1, 0, "SA")
    talk.data(1011, 1, 0)
    connection = talk.connection()
    assert handshake(connection.forward, connection.backward) is None
    assert pairs(talk.flow().round_trips.by_sequence) == []


def test_ack_of_several_segments_measures_the_last() -> None:
    talk = opened()
    talk.data(20, 1)
    talk.data(23, 1001)
    talk.ack(31, 2001)
    talk.data(40, 2001)
    talk.data(41, 3001)
    talk.ack(52, 3501)  # in the middle of a segment: the one before it
    assert pairs(talk.flow().round_trips.by_sequence)[1:] == [(31, 8), (52, 12)]


def test_ack_over_bytes_sent_twice_gives_no_sample() -> None:
    talk = opened()
    talk.data(20, 1)
    talk.data(21, 1001)
    talk.data(220, 1)
    talk.ack(230, 1001)
    talk.ack(231, 2001)
    assert pairs(talk.flow().round_trips.by_sequence)[1:] == [(231, 210)]


def test_ack_held_up_by_a_gap_gives_no_sample() -> None:
    talk = opened()
    for index in range(4):
        talk.data(20 + index, 1 + 1000 * index)
    talk.ack(30, 1001)
    talk.ack(32, 1001, sack=[(2001, 3001)])
    talk.ack(33, 1001, sack=[(2001, 4001)])
    talk.data(34, 1001)
    talk.ack(44, 4001)
    trips = talk.flow().round_trips
    assert pairs(trips.by_sequence)[1:] == [(30, 10)]
    assert pairs(trips.by_sack) == [(32, 10), (33, 10)]
    assert pairs(trips.best())[1:] == [(30, 10), (32, 10), (33, 10)]


def test_sack_of_a_segment_sent_twice_or_reported_again_gives_no_sample() -> None:
    talk = opened()
    for index in range(4):
        talk.data(20 + index, 1 + 1000 * index)
    talk.data(25, 2001)
    talk.ack(32, 1, sack=[(2001, 3001)])
    talk.ack(33, 1, sack=[(3001, 4001)])
    talk.ack(34, 1, sack=[(1001, 2001), (3001, 4001)])
    talk.ack(35, 1, sack=[(3001, 4001)])
    assert pairs(talk.flow().round_trips.by_sack) == [(33, 10)]


def test_ack_of_nothing_new_gives_no_sample() -> None:
    talk = opened()
    talk.data(20, 1)
    talk.ack(30, 1001)
    talk.ack(45, 1001)
    assert pairs(talk.flow().round_trips.by_sequence)[1:] == [(30, 10)]


def test_echo_measures_the_segment_that_moved_the_edge() -> None:
    talk = opened()
    talk.data(20, 1, stamps=(100, 7))
    talk.data(21, 1001, stamps=(100, 7))  # the clock of the stamps is coarse
    talk.ack(35, 2001, stamps=(7, 100))  # a delayed ACK echoes the first
    assert pairs(talk.flow().round_trips.by_timestamps) == [(35, 15)]


def test_echo_tells_which_transmission_was_acknowledged() -> None:
    talk = opened()
    talk.data(20, 1, stamps=(100, 7))
    talk.data(220, 1, stamps=(300, 7))
    talk.ack(231, 1001, stamps=(8, 300))
    talk.data(240, 1001, stamps=(320, 8))
    talk.data(440, 1001, stamps=(520, 8))
    talk.ack(441, 2001, stamps=(9, 320))  # of the first, and late
    trips = talk.flow().round_trips
    assert pairs(trips.by_timestamps) == [(231, 11), (441, 201)]
    assert pairs(trips.by_sequence)[1:] == []
