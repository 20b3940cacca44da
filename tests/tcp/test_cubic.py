"""CUBIC (RFC 9438) against its formulas in floating point, which the core itself has none of."""

import random

import pytest

MSS = 1000
MILLISECOND = 1_000_000
SECOND = 1_000_000_000
C, BETA = 0.4, 0.7
ALPHA = 3 * (1 - BETA) / (1 + BETA)


class Model:
    """RFC 9438 4.2 to 4.5 in segments and seconds, from the start of congestion avoidance."""

    def __init__(self, cwnd, w_max, cwnd_prior):
        self.cwnd = self.w_est = cwnd
        self.w_max = max(w_max, cwnd)
        self.k = (max(w_max - cwnd, 0) / C) ** (1 / 3)
        self.cwnd_prior = cwnd_prior

    def curve(self, time):
        return C * (time - self.k) ** 3 + self.w_max

    def ack(self, time, rtt):
        self.w_est += (ALPHA if self.w_est < self.cwnd_prior else 1) / self.cwnd
        if self.curve(time) < self.w_est:
            self.cwnd = max(self.cwnd, self.w_est)
        else:
            target = min(max(self.curve(time + rtt), self.cwnd), 1.5 * self.cwnd)
            self.cwnd += (target - self.cwnd) / self.cwnd


def after_loss(congestion, segments, *, w_max=None, **arguments):
    """A connection that has just recovered from a loss at a window of `segments`; w_max: what it had known before."""
    one = congestion.Controller("cubic", mss=MSS, **arguments)
    one.ssthresh = one.cwnd
    if w_max is not None:
        one.cwnd = one.flight = w_max * MSS
        one.loss()
    one.cwnd = one.flight = segments * MSS
    one.loss()
    one.cwnd = one.flight = one.ssthresh
    one.recovered()
    return one


def round_trip(one, rtt):
    """A window of segments is acknowledged, one ACK each, over one round trip."""
    count = one.cwnd // MSS
    begun = one.now
    for number in range(count):
        one.now = begun + rtt * (number + 1) // count
        yield number
        one.ack(MSS, rtt=rtt, round_start=number == 0)
        one.flight = one.cwnd


def run(one, rtt, rounds):
    for _ in range(rounds):
        for _ in round_trip(one, rtt):
            pass


@pytest.mark.requirement("LIM-5", "REC-5")
def test_cube_root_is_exact(congestion):
    source = random.Random(1)
    values = [0, 1, 7, 8, 2**64 - 1, 2**63, *(number**3 - 1 for number in range(1, 2**21, 9973))]
    for value in values + [source.getrandbits(source.randint(1, 64)) for _ in range(5000)]:
        root = congestion.root(value)
        assert root**3 <= value < (root + 1) ** 3


@pytest.mark.requirement("LIM-5", "REC-5")
def test_curve_in_integers_is_that_of_the_rfc(congestion):
    source = random.Random(2)
    for _ in range(5000):
        mss = source.choice((64, 536, 1460, 9000, 65535))
        w_max = source.randrange(1, 2**30)
        window = source.randrange(1, w_max + 1)
        k = congestion.inflection(w_max, window, mss)
        assert abs(k - ((w_max - window) / (C * mss)) ** (1 / 3) * 1000) <= 1
        time = source.randrange(3 * k + 1000)
        assert abs(congestion.curve(time, k, w_max, mss) - (C * mss * ((time - k) / 1000) ** 3 + w_max)) <= 1


def test_curve_far_outside_does_not_overflow(congestion):
    for time in (2**40, 2**62, -(2**62)):
        window = congestion.curve(time, 0, 2**30, 65535)
        assert window > 2**30 if time > 0 else window < 0


@pytest.mark.requirement("REC-5")
@pytest.mark.parametrize(
    ("segments", "rtt", "rounds"), [(100, 100, 120), (1000, 100, 150), (40, 20, 500), (300, 5, 900)]
)
def test_window_follows_the_curve_of_the_rfc(congestion, segments, rtt, rounds):
    """The concave part, the plateau and the convex part; in the last two cases the Reno-friendly region too."""
    one = after_loss(congestion, segments, srtt=rtt * MILLISECOND)
    model = None
    epoch = 0
    for _ in range(rounds):
        for _ in round_trip(one, rtt * MILLISECOND):
            if model is None:
                model = Model(one.cwnd / MSS, segments, segments)
                epoch = one.now
            model.ack((one.now - epoch) / SECOND, rtt / 1000)
        assert model is not None
        assert abs(one.cwnd / MSS - model.cwnd) <= 0.01 * model.cwnd
    assert one.cwnd > segments * MSS


@pytest.mark.requirement("REC-5")
def test_loss_leaves_seven_tenths(congestion):
    one = congestion.Controller("cubic", mss=MSS)
    one.cwnd = one.flight = 100 * MSS
    one.loss()
    assert one.ssthresh == 70 * MSS


@pytest.mark.requirement("REC-5")
def test_ssthresh_is_at_least_two_segments(congestion):
    one = congestion.Controller("cubic", mss=MSS)
    one.cwnd = one.flight = 2 * MSS
    for react in (one.loss, one.ecn, one.timeout):
        react()
        assert one.ssthresh == 2 * MSS


@pytest.mark.requirement("REC-5")
def test_loss_of_a_window_that_was_not_filled_counts_what_was_in_flight(congestion):
    one = congestion.Controller("cubic", mss=MSS)
    one.cwnd, one.flight, one.cwnd_limited = 100 * MSS, 50 * MSS, False
    one.loss()
    assert one.ssthresh == 35 * MSS


@pytest.mark.requirement("REC-5")
@pytest.mark.parametrize(("before", "plateau"), [(800, 1000), (2000, 850)])
def test_window_that_did_not_reach_the_last_one_makes_room(congestion, before, plateau):
    """4.7: the plateau is at the window of the loss, or at 0.85 of it when that was lower than the time before."""
    one = after_loss(congestion, 1000, w_max=before, srtt=100 * MILLISECOND)
    k = ((plateau - 700) / C) ** (1 / 3)
    run(one, 100 * MILLISECOND, round(k * 10))
    assert abs(one.cwnd - plateau * MSS) <= MSS


@pytest.mark.requirement("REC-5")
def test_small_window_grows_as_reno_would(congestion):
    """4.3: 9/17 of a segment each round trip up to the window before the loss, one segment beyond."""
    rtt = 10 * MILLISECOND
    one = after_loss(congestion, 20, srtt=rtt)
    assert one.cwnd == 14 * MSS
    run(one, rtt, 11)
    assert 19 * MSS <= one.cwnd <= 20 * MSS
    while one.cwnd < 20 * MSS:
        run(one, rtt, 1)
    reached = one.cwnd
    run(one, rtt, 10)
    assert reached + 9 * MSS <= one.cwnd <= reached + 11 * MSS


@pytest.mark.requirement("REC-7")
def test_ecn_echo_leaves_85_per_cent(congestion):
    # RFC 8511
    one = congestion.Controller("cubic", mss=MSS)
    one.cwnd = one.flight = 100 * MSS
    one.ssthresh = 50 * MSS
    one.ecn()
    assert one.ssthresh == 85 * MSS


@pytest.mark.requirement("REC-7")
def test_ecn_echo_in_slow_start_counts_as_a_loss(congestion):
    one = congestion.Controller("cubic", mss=MSS)
    one.cwnd = one.flight = 100 * MSS
    one.ecn()
    assert one.ssthresh == 70 * MSS


@pytest.mark.requirement("REC-5")
def test_time_out_starts_again_and_the_curve_has_no_memory(congestion):
    """4.8: one segment, ssthresh by beta; then from ssthresh the convex part at once (K = 0)."""
    rtt = 100 * MILLISECOND
    one = after_loss(congestion, 1000, srtt=rtt)
    one.flight = one.cwnd = 100 * MSS
    one.timeout()
    assert (one.cwnd, one.ssthresh) == (MSS, 70 * MSS)
    one.cwnd = one.ssthresh
    model = None
    epoch = 0
    for _ in range(60):
        for _ in round_trip(one, rtt):
            if model is None:
                model = Model(one.cwnd / MSS, 0, 100)
                epoch = one.now
            model.ack((one.now - epoch) / SECOND, 0.1)
        assert model is not None
        assert abs(one.cwnd / MSS - model.cwnd) <= 1


@pytest.mark.requirement("REC-5")
def test_repeated_time_out_leaves_ssthresh_alone(congestion):
    one = congestion.Controller("cubic", mss=MSS)
    one.cwnd = one.flight = 100 * MSS
    one.timeout()
    one.retries = 1
    one.timeout()
    assert (one.cwnd, one.ssthresh) == (MSS, 70 * MSS)


@pytest.mark.requirement("REC-4")
@pytest.mark.parametrize("event", ["loss", "timeout"])
def test_loss_that_was_none_goes_on_along_the_curve(congestion, event):
    """4.9: with everything put back the window is where it would have been."""
    rtt = 100 * MILLISECOND
    one = after_loss(congestion, 200, srtt=rtt)
    twin = after_loss(congestion, 200, srtt=rtt)
    for each in (one, twin):
        run(each, rtt, 20)
    cwnd, ssthresh = one.cwnd, one.ssthresh
    getattr(one, event)()
    one.cwnd, one.ssthresh = cwnd, ssthresh
    one.undo()
    for each in (one, twin):
        run(each, rtt, 20)
    assert one.cwnd == twin.cwnd > 150 * MSS


@pytest.mark.requirement("REC-5")
def test_time_without_data_to_send_is_none_of_the_curve(congestion):
    """5.8: a minute of an application that does not fill the window, then of silence; the window goes on as if not."""
    rtt = 100 * MILLISECOND
    one = after_loss(congestion, 200, srtt=rtt)
    twin = after_loss(congestion, 200, srtt=rtt)
    for each in (one, twin):
        run(each, rtt, 20)
    held = one.cwnd
    one.cwnd_limited = False
    for _ in range(600):
        one.now += rtt
        one.ack(MSS, rtt=rtt, round_start=True)
    assert one.cwnd == held
    one.now += 60 * SECOND
    one.restart()
    one.cwnd_limited = True
    for each in (one, twin):
        run(each, rtt, 30)
    assert abs(one.cwnd - twin.cwnd) <= MSS


@pytest.mark.requirement("REC-5")
def test_window_grows_by_at_most_half_in_a_round_trip(congestion):
    """4.2: the target is bounded, however far ahead the curve is."""
    rtt = 1 * SECOND
    one = after_loss(congestion, 10, srtt=rtt)
    run(one, rtt, 10)
    for _ in range(10):
        before = one.cwnd
        run(one, rtt, 1)
        # each ACK of the round trip aims at one and a half of what cwnd is by then: e**0.5
        assert one.cwnd <= before * 1.66 + MSS
