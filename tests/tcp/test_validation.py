"""Congestion window validation (RFC 7661) and ABE (RFC 8511) as newreno and cubic use them."""

import pytest

MSS = 1000
MILLISECOND = 1_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
RTT = 100 * MILLISECOND
# what a loss leaves, per cent
PARTS = {"newreno": 50, "cubic": 70}


@pytest.fixture(params=PARTS)
def one(request, congestion):
    """A connection in congestion avoidance with a window of 100 segments that it has filled."""
    made = congestion.Controller(request.param, mss=MSS, srtt=RTT)
    made.cwnd = made.ssthresh = 100 * MSS
    made.cwnd_limited = False
    rounds(made, 5, 100 * MSS)
    return made


def rounds(one, count, size):
    """Round trips with `size` bytes delivered in each."""
    for _ in range(count):
        one.now += RTT
        one.flight = size
        one.ack(size, rtt=RTT, round_start=True)


def part(one, segments):
    """What a loss leaves of so many segments in use."""
    return segments * MSS * PARTS[one.name] // 100


@pytest.mark.requirement("REC-5")
def test_window_that_is_not_filled_is_kept_and_does_not_grow(one):
    rounds(one, 50, 5 * MSS)
    assert one.cwnd == 100 * MSS


@pytest.mark.requirement("REC-5")
def test_loss_in_the_validated_phase_counts_the_flight(one):
    # half of the window is enough: 5 round trips within the sampling period had more
    rounds(one, 3, 60 * MSS)
    one.flight = 60 * MSS
    one.loss()
    assert one.ssthresh == part(one, 60)


@pytest.mark.requirement("REC-5")
@pytest.mark.parametrize(("of_late", "flight", "used"), [(30, 10, 30), (10, 30, 30), (40, 40, 40)])
def test_loss_in_the_non_validated_phase_counts_what_was_used(one, of_late, flight, used):
    """4.4.1: the larger of pipeACK and the flight; after that what was lost is paid for."""
    rounds(one, 50, of_late * MSS)
    one.flight = flight * MSS
    one.loss()
    assert one.ssthresh == part(one, used)
    one.phase = 2
    one.cwnd = one.ssthresh
    for _ in range(3):
        one.ack(MSS, lost=MSS)
    one.phase = 0
    one.recovered()
    assert one.cwnd == one.ssthresh == part(one, used - 3)


@pytest.mark.requirement("REC-5")
def test_losses_of_a_validated_window_are_paid_for_by_the_reduction_alone(one):
    one.flight = 100 * MSS
    one.loss()
    one.phase = 2
    one.cwnd = one.ssthresh
    one.ack(MSS, lost=20 * MSS)
    one.phase = 0
    one.recovered()
    assert one.cwnd == one.ssthresh == part(one, 100)


@pytest.mark.requirement("REC-5")
def test_window_is_at_least_two_segments_after_losses(one):
    rounds(one, 50, 3 * MSS)
    one.flight = 3 * MSS
    one.loss()
    one.phase = 2
    one.ack(MSS, lost=3 * MSS)
    one.phase = 0
    one.recovered()
    assert one.ssthresh == 2 * MSS


@pytest.mark.requirement("REC-5")
def test_pipe_ack_is_undefined_after_recovery(one):
    """4.2: standard rules until a round trip has been measured again, however little went before the loss."""
    rounds(one, 50, 5 * MSS)
    one.flight = 5 * MSS
    one.loss()
    one.recovered()
    one.cwnd = one.ssthresh = 100 * MSS
    one.flight = 40 * MSS
    one.loss()
    assert one.ssthresh == part(one, 40)
    one.phase = 2
    one.ack(MSS, lost=10 * MSS)
    one.phase = 0
    one.recovered()
    assert one.ssthresh == part(one, 40)


@pytest.mark.requirement("REC-5")
def test_window_is_halved_every_five_minutes_that_it_is_not_filled(one):
    """4.4.3: ssthresh remembers three quarters, cwnd is halved, down to the initial window."""
    for window, remembered in ((100, 100), (50, 100), (25, 100), (12.5, 100), (10, 100), (10, 100)):
        assert one.cwnd == window * MSS
        assert one.ssthresh == remembered * MSS
        rounds(one, 5 * 60 * 10 + 40, 2 * MSS)


@pytest.mark.requirement("REC-5")
def test_end_of_the_period_raises_a_lower_threshold(one):
    one.ssthresh = 20 * MSS
    rounds(one, 5 * 60 * 10 + 40, 2 * MSS)
    assert (one.cwnd, one.ssthresh) == (50 * MSS, 75 * MSS)


@pytest.mark.requirement("REC-5")
def test_window_that_is_filled_again_stays(one):
    for _ in range(4):
        rounds(one, 4 * 60 * 10, 2 * MSS)
        rounds(one, 2, 80 * MSS)
    assert one.cwnd == 100 * MSS


@pytest.mark.requirement("REC-5")
@pytest.mark.parametrize(
    ("idle", "window"),
    [(SECOND, 100), (4 * MINUTE, 100), (6 * MINUTE, 50), (11 * MINUTE, 25), (60 * MINUTE, 10), (10**6 * MINUTE, 10)],
)
def test_idle_connection_keeps_its_window_for_five_minutes(one, idle, window):
    one.now += idle
    one.idle()
    assert one.cwnd == window * MSS


@pytest.mark.requirement("REC-5")
def test_window_kept_over_an_idle_time_is_paced(one):
    """4.4.2: the window over a round trip, unless it is one that may go at once."""
    one.now += 2 * SECOND
    one.idle()
    assert one.pacing_rate == pytest.approx(100 * MSS * 10, abs=1)
    one.pacing_rate = 0
    one.now += 60 * MINUTE
    one.idle()
    assert one.cwnd == 10 * MSS
    assert one.pacing_rate == 0


@pytest.mark.requirement("REC-5")
def test_window_of_slow_start_counts_as_validated(congestion):
    """The window doubles while a round trip is measured: pipeACK is compared with what it was at its start."""
    one = congestion.Controller("newreno", mss=MSS, srtt=RTT)
    for _ in range(6):
        size = one.cwnd
        for number in range(size // MSS):
            one.ack(MSS, rtt=RTT, round_start=number == 0)
        one.now += RTT
    one.flight = one.cwnd
    window = one.cwnd
    one.loss()
    one.phase = 2
    one.cwnd = one.ssthresh
    one.ack(MSS, lost=window // 3)
    one.phase = 0
    one.recovered()
    assert one.ssthresh == window // 2


@pytest.mark.requirement("REC-7")
def test_newreno_gives_back_a_fifth_at_an_ecn_echo(congestion):
    # RFC 8511 3.1; slow start may be far beyond what the path carries, so there it counts as a loss
    one = congestion.Controller("newreno", mss=MSS)
    one.cwnd = one.flight = 100 * MSS
    one.ecn()
    assert one.ssthresh == 50 * MSS
    one.cwnd = one.flight = 100 * MSS
    one.ecn()
    assert one.ssthresh == 80 * MSS


@pytest.mark.requirement("REC-5")
@pytest.mark.parametrize(("limited", "flight", "used"), [(True, 60, 100), (False, 60, 60), (False, 120, 100)])
def test_loss_counts_all_of_a_window_that_was_the_limit(congestion, limited, flight, used):
    """What waits to be worth a superframe, or for the rest of a batch of ACKs, had room; what is beyond cwnd not."""
    for name in PARTS:
        one = congestion.Controller(name, mss=MSS)
        one.cwnd, one.flight, one.cwnd_limited = 100 * MSS, flight * MSS, limited
        one.loss()
        assert one.ssthresh == part(one, used)
