"""BBR version 1 (draft-cardwell-iccrg-bbr-congestion-control-00): its model and its states, ACK by ACK."""

import pytest

MSS = 1000
MILLISECOND = 1_000_000
SECOND = 1_000_000_000
RTT = 40 * MILLISECOND
RATE = 10_000_000
# bandwidth-delay product, bytes
PRODUCT = 400_000
HIGH_GAIN = 739 / 256
# what the pace leaves to the queue, and what is under way besides: three bursts of 1 ms
MARGIN = 0.99


def round_trip(one, rate=RATE, rtt=RTT, acks=10, in_flight=None, **arguments):
    """A round trip in which `acks` ACKs tell of a delivery rate; paces seen after each."""
    paces = []
    for number in range(acks):
        one.now += rtt // acks
        one.flight = PRODUCT if in_flight is None else in_flight
        one.ack(
            rate * rtt // SECOND // acks,
            rate=rate,
            rtt=rtt,
            round_start=number == 0,
            interval=rtt,
            prior_in_flight=one.flight,
            **arguments,
        )
        paces.append(one.pacing_rate)
    return paces


def in_cruise(congestion, **arguments):
    """A connection whose pipe is full and whose queue is drained: PROBE_BW."""
    one = congestion.Controller("bbr", mss=MSS, srtt=RTT, **arguments)
    for _ in range(6):
        round_trip(one, in_flight=2 * PRODUCT)
    round_trip(one, in_flight=PRODUCT // 2)
    assert one.pacing_rate >= 0.75 * RATE * MARGIN - 1
    return one


def gain(one):
    """The pace as a multiple of the path's rate."""
    return round(one.pacing_rate / (RATE * MARGIN), 2)


@pytest.mark.requirement("REC-6")
def test_first_pace_is_the_initial_window_in_a_round_trip_times_the_gain(congestion):
    one = congestion.Controller("bbr", mss=MSS, srtt=RTT)
    assert one.pacing_rate == pytest.approx(10 * MSS / 0.04 * HIGH_GAIN, rel=1e-3)
    # 1 ms while no round trip is known, and the one that is measured then
    one = congestion.Controller("bbr", mss=MSS, srtt=0)
    assert one.pacing_rate == pytest.approx(10 * MSS / 0.001 * HIGH_GAIN, rel=1e-3)
    one.srtt = RTT
    one.ack(0, delivered=1)
    assert one.pacing_rate == pytest.approx(10 * MSS / 0.04 * HIGH_GAIN, rel=1e-3)


@pytest.mark.requirement("REC-5")
def test_startup_goes_on_while_the_rate_grows_by_a_quarter(congestion):
    one = congestion.Controller("bbr", mss=MSS, srtt=RTT)
    rate = RATE // 10
    for _ in range(20):
        round_trip(one, rate)
        assert one.pacing_rate == pytest.approx(rate * HIGH_GAIN * MARGIN, rel=1e-3)
        rate += rate // 4 + 1


@pytest.mark.requirement("REC-5")
def test_full_pipe_ends_startup_after_three_round_trips_and_is_drained(congestion):
    one = congestion.Controller("bbr", mss=MSS, srtt=RTT)
    for _ in range(3):
        round_trip(one, in_flight=2 * PRODUCT)
        assert gain(one) == pytest.approx(HIGH_GAIN, abs=0.01)
    round_trip(one, in_flight=2 * PRODUCT)
    assert gain(one) == 0.34
    # as long as more is in flight than the path holds
    round_trip(one, in_flight=2 * PRODUCT)
    assert gain(one) == 0.34
    one.now += RTT // 10
    one.flight = PRODUCT
    one.ack(MSS, rate=RATE, rtt=RTT, interval=RTT)
    assert gain(one) in (1, 1.25)


@pytest.mark.requirement("REC-5")
def test_application_that_limits_the_rate_does_not_end_startup(congestion):
    one = congestion.Controller("bbr", mss=MSS, srtt=RTT)
    for _ in range(20):
        round_trip(one, app_limited=True)
    assert gain(one) == pytest.approx(HIGH_GAIN, abs=0.01)


@pytest.mark.requirement("REC-5")
def test_window_in_cruise_is_twice_the_product(congestion):
    one = in_cruise(congestion)
    for _ in range(10):
        round_trip(one)
    # on top what one ACK covers, three bursts of two segments, and two segments more while it probes
    assert 2 * PRODUCT <= one.cwnd <= 2 * PRODUCT + PRODUCT // 10 + 8 * MSS


@pytest.mark.requirement("REC-5")
def test_cycle_probes_gives_way_and_cruises_for_six(congestion):
    one = in_cruise(congestion)
    seen = []
    for _ in range(24):
        # one more than the least round trip ends a phase; 5/4 of the product is in flight when it probes
        seen += [gain(one)] if not seen or gain(one) != seen[-1] or gain(one) == 1 else []
        round_trip(one, rtt=RTT + MILLISECOND, in_flight=PRODUCT * 3 // 2)
    at = seen.index(1.25)
    assert seen[at : at + 9] == [1.25, 0.75, 1, 1, 1, 1, 1, 1, 1.25]


@pytest.mark.requirement("REC-5")
def test_probe_lasts_until_the_flight_is_larger_or_something_is_lost(congestion):
    one = in_cruise(congestion)
    while gain(one) != 1.25:
        round_trip(one, rtt=RTT + MILLISECOND)
    for _ in range(5):
        round_trip(one, rtt=RTT + MILLISECOND, in_flight=PRODUCT)
        assert gain(one) == 1.25
    round_trip(one, rtt=RTT + MILLISECOND, in_flight=PRODUCT, lost=MSS, acks=1)
    assert gain(one) == 0.75
    # the queue is gone when no more than the product is in flight
    one.now += MILLISECOND
    one.flight = PRODUCT
    one.ack(MSS, rate=RATE, rtt=RTT, interval=RTT)
    assert gain(one) == 1


@pytest.mark.requirement("LIM-5", "REC-5")
def test_first_phase_of_the_cycle_is_random_and_never_the_one_that_gives_way(congestion):
    firsts = {}
    for seed in range(60):
        for _ in range(2):
            one = in_cruise(congestion, seed=seed)
            first = gain(one)
            waited = 0
            while gain(one) != 0.75:
                round_trip(one, rtt=RTT + MILLISECOND, in_flight=PRODUCT * 3 // 2)
                waited += 1
            assert first in (1, 1.25)
            # the same seed, the same phase
            assert firsts.setdefault(seed, waited) == waited
    assert len(set(firsts.values())) == 7


@pytest.mark.requirement("REC-5")
def test_bandwidth_is_the_largest_of_ten_round_trips(congestion):
    one = in_cruise(congestion)
    for number in range(11):
        round_trip(one, RATE // 2)
        if number < 9:
            assert gain(one) >= 0.75
    round_trip(one, RATE // 2)
    assert gain(one) <= 1.25 / 2 + 0.01
    round_trip(one, RATE)
    assert gain(one) >= 0.75


@pytest.mark.requirement("REC-5")
def test_sample_that_the_application_limited_counts_only_if_it_is_larger(congestion):
    one = in_cruise(congestion)
    for _ in range(30):
        round_trip(one, RATE // 10, app_limited=True)
    assert gain(one) >= 0.75
    round_trip(one, 2 * RATE, app_limited=True)
    assert gain(one) >= 1.5


@pytest.mark.requirement("REC-5")
def test_old_round_trip_is_measured_anew_with_an_empty_pipe(congestion):
    """4.3.5: ten seconds without a new least one; then four segments for 200 ms and a round trip."""
    one = in_cruise(congestion)
    began = one.now
    while one.cwnd > 4 * MSS:
        round_trip(one, rtt=RTT + 5 * MILLISECOND)
        assert one.now - began < 11 * SECOND
    assert one.now - began > 9 * SECOND
    # the flight comes down, and only then the time runs
    round_trip(one, in_flight=20 * MSS)
    small = one.now
    while one.cwnd == 4 * MSS:
        round_trip(one, RATE // 100, rtt=RTT, in_flight=4 * MSS, acks=4)
        assert one.app_limited
        assert one.now - small < SECOND
    assert one.now - small >= 200 * MILLISECOND
    assert one.cwnd >= 2 * PRODUCT
    # and not again
    until = one.now + 8 * SECOND
    while one.now < until:
        round_trip(one)
        assert one.cwnd > PRODUCT


@pytest.mark.requirement("REC-5")
def test_round_trip_as_short_as_ever_puts_off_the_empty_pipe_and_a_shorter_one_counts_at_once(congestion):
    one = in_cruise(congestion)
    for _ in range(600):
        round_trip(one)
        assert one.cwnd > PRODUCT
    for _ in range(20):
        round_trip(one, rtt=RTT // 2)
    assert one.cwnd < 1.2 * PRODUCT


@pytest.mark.requirement("REC-5")
@pytest.mark.parametrize("event", ["loss", "ecn"])
def test_recovery_goes_by_packet_conservation_for_a_round_trip(congestion, event):
    """4.2.3.4; RFC 3168 wants of ECN what a loss gets."""
    one = in_cruise(congestion)
    for _ in range(10):
        round_trip(one)
    before = one.cwnd
    getattr(one, event)()
    one.phase = congestion.RECOVERY if event == "loss" else congestion.REDUCING
    one.flight = 300 * MSS
    one.ack(0, delivered=2 * MSS, lost=3 * MSS, rate=RATE, interval=RTT)
    assert one.cwnd == 302 * MSS
    one.in_flight = 310 * MSS
    one.ack(0, delivered=5 * MSS, rate=RATE, interval=RTT)
    assert one.cwnd == 315 * MSS
    # after a round trip it grows as ever, up to what the model says
    one.ack(0, delivered=5 * MSS, rate=RATE, interval=RTT, round_start=True)
    assert one.cwnd == 320 * MSS
    one.phase = congestion.OPEN
    one.ack(MSS, rate=RATE, interval=RTT)
    assert one.cwnd >= before - 4 * MSS
    assert one.ssthresh > 0


@pytest.mark.requirement("REC-5")
def test_time_out_sends_one_segment_and_the_window_is_there_again_afterwards(congestion):
    one = in_cruise(congestion)
    for _ in range(10):
        round_trip(one)
    before = one.cwnd
    one.timeout()
    assert one.cwnd == MSS
    one.phase = congestion.LOSS
    one.flight = 0
    one.ack(MSS, rate=RATE, interval=RTT)
    assert one.cwnd == 4 * MSS
    one.phase = congestion.OPEN
    one.ack(MSS, rate=RATE, interval=RTT)
    assert one.cwnd >= before - 4 * MSS


@pytest.mark.requirement("REC-4")
def test_loss_that_was_none_gives_the_window_back(congestion):
    one = in_cruise(congestion)
    for _ in range(10):
        round_trip(one)
    before = one.cwnd
    one.loss()
    one.phase = congestion.RECOVERY
    one.flight = 100 * MSS
    one.ack(0, delivered=MSS, lost=MSS, rate=RATE, interval=RTT)
    assert one.cwnd == 101 * MSS
    one.phase = congestion.OPEN
    one.undo()
    assert one.cwnd == before


@pytest.mark.requirement("REC-5", "REC-6")
def test_restart_after_idle_goes_at_the_rate_of_the_path(congestion):
    """4.3.4.4: not at 5/4 into whatever queue there is now, and without emptying a pipe that was empty."""
    one = in_cruise(congestion)
    while gain(one) != 1.25:
        round_trip(one, rtt=RTT + MILLISECOND)
    window = one.cwnd
    one.flight = 0
    one.app_limited = one.delivered
    one.now += 60 * SECOND
    one.idle()
    one.restart()
    assert gain(one) == 1
    assert one.cwnd == window
    one.flight = 20 * MSS
    one.ack(MSS, rate=RATE // 10, rtt=RTT, interval=RTT, app_limited=True)
    assert one.cwnd > PRODUCT


@pytest.mark.requirement("REC-5")
def test_window_is_never_below_four_segments_but_in_recovery(congestion):
    one = congestion.Controller("bbr", mss=MSS, srtt=MILLISECOND)
    for _ in range(20):
        round_trip(one, rate=100_000, rtt=MILLISECOND, in_flight=MSS, acks=1)
    assert one.cwnd >= 4 * MSS
    one.loss()
    one.phase = congestion.RECOVERY
    one.flight = 0
    one.ack(0, delivered=0, lost=MSS)
    assert one.cwnd == MSS


@pytest.mark.requirement("REC-5")
def test_acks_in_lumps_get_a_larger_window(congestion):
    """100 ms of silence and then all at once: without an allowance twice the product would not bridge it."""
    one = in_cruise(congestion)
    for _ in range(20):
        one.now += 100 * MILLISECOND
        one.flight = 2 * PRODUCT
        one.ack(RATE // 10, rate=RATE, rtt=RTT, round_start=True, interval=RTT, prior_in_flight=one.flight)
    assert one.cwnd > 2.5 * PRODUCT
