"""HyStart++ (RFC 9406), seen through cubic."""

import pytest

MSS = 1000
MILLISECOND = 1_000_000
UNKNOWN = 0x7FFFFFFF


def round_trip(one, rtt, acks=10):
    """A round trip of `acks` ACKs that measure `rtt` ms and cover the window; how many times cwnd grew by it."""
    before = one.cwnd
    covered = 0
    for number in range(acks):
        share = before * (number + 1) // acks - covered
        covered += share
        one.now += 1 * MILLISECOND
        one.ack(share, rtt=int(rtt * MILLISECOND), round_start=number == 0)
    return one.cwnd / before


@pytest.fixture
def one(congestion):
    """A new connection that is paced, so that no ACK counts for less than it covers."""
    made = congestion.Controller("cubic", mss=MSS)
    made.pacing_rate = 10**9
    return made


@pytest.mark.requirement("REC-5")
def test_steady_round_trips_double_the_window(one):
    for _ in range(8):
        assert round_trip(one, 50) == 2
    assert one.ssthresh == UNKNOWN


@pytest.mark.requirement("REC-5")
def test_longer_round_trips_end_slow_start_without_a_loss(one):
    round_trip(one, 80)
    round_trip(one, 80)
    # an eighth more; the eighth ACK shows it, the last two of ten open the window a quarter as fast
    assert round_trip(one, 90) == pytest.approx(1 + 7 / 10 + 3 / 40)
    for _ in range(4):
        assert round_trip(one, 90) == pytest.approx(1.25, abs=0.01)
        assert one.ssthresh == UNKNOWN
    window = one.cwnd
    round_trip(one, 90)
    assert one.ssthresh == window
    # congestion avoidance without a window to aim at: a segment or less
    assert one.cwnd - window <= MSS


@pytest.mark.requirement("REC-5")
@pytest.mark.parametrize(
    ("last", "now", "ends"),
    [(8, 11.9, False), (8, 12, True), (80, 89.9, False), (80, 90, True), (400, 415.9, False), (400, 416, True)],
)
def test_threshold_is_an_eighth_between_4_and_16_ms(one, last, now, ends):
    round_trip(one, last)
    grown = round_trip(one, now)
    assert (grown < 2) == ends


@pytest.mark.requirement("REC-5")
def test_fewer_than_eight_samples_in_a_round_decide_nothing(one):
    round_trip(one, 50)
    assert round_trip(one, 100, acks=7) == 2


@pytest.mark.requirement("REC-5")
def test_round_trips_that_shrink_again_resume_slow_start(one):
    round_trip(one, 50)
    assert round_trip(one, 60) < 2
    assert round_trip(one, 60) == pytest.approx(1.25, abs=0.01)
    assert round_trip(one, 55) == pytest.approx(1 + 7 / 40 + 3 / 10, abs=0.01)
    for _ in range(6):
        assert round_trip(one, 55) == pytest.approx(2, abs=0.01)
    assert one.ssthresh == UNKNOWN


@pytest.mark.requirement("REC-5")
def test_ack_of_many_segments_counts_as_eight_where_nothing_spreads_bursts(congestion):
    one = congestion.Controller("cubic", mss=MSS, initial_window=40)
    one.ack(20 * MSS, rtt=50 * MILLISECOND)
    assert one.cwnd == 48 * MSS
    one.pacing_rate = 1
    one.ack(20 * MSS, rtt=50 * MILLISECOND)
    assert one.cwnd == 68 * MSS


@pytest.mark.requirement("REC-5")
def test_ack_of_superframes_counts_in_full(congestion):
    one = congestion.Controller("cubic", mss=MSS, initial_window=40, superframe=65000)
    one.ack(40 * MSS, rtt=50 * MILLISECOND)
    assert one.cwnd == 80 * MSS


@pytest.mark.requirement("REC-5")
def test_later_slow_starts_go_to_ssthresh_whatever_the_round_trips(one):
    one.flight = one.cwnd = 400 * MSS
    one.timeout()
    one.phase = 0
    rtt = 50
    while one.cwnd < 200 * MSS:
        rtt += 20
        assert round_trip(one, rtt) == pytest.approx(2, abs=0.01)
