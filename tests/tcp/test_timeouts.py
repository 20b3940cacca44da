"""The retransmission time-out (RFC 6298) and how often is tried before giving up."""

import pytest

from netcore import endpoint as core
from tests.tcp.scripted_peer import MILLISECOND, SECOND, Peer, state_of
from tests.tcp.segments import wanted

MSS = 1460


def established(host, *, round_trip=0, **fields):
    """A connection whose handshake took `round_trip` ns."""
    host.listen()
    peer = Peer(host, **fields)
    peer.send("S")
    peer.take()
    host.advance(round_trip)
    peer.tsval += round_trip // MILLISECOND
    peer.send("A")
    return peer, host.accept(host.listeners[0])


def wait(peer):
    """Lets the next time-out come; how long it took."""
    duration = peer.host.until_deadline()
    peer.host.advance(duration)
    return duration


@pytest.mark.requirement("SND-6")
def test_first_time_out_without_a_measurement_is_1_s(host):
    peer = Peer(host)
    host.connect(peer.our_port, peer.port)
    peer.take()
    assert wait(peer) == SECOND
    peer.expect(wanted("S", seq=0))


@pytest.mark.requirement("SND-6")
@pytest.mark.parametrize("timestamps", [False, True])
@pytest.mark.parametrize("milliseconds", [1, 10, 50, 100, 300, 1500])
def test_first_measurement_sets_srtt_and_rttvar(make_host, timestamps, milliseconds):
    round_trip = milliseconds * MILLISECOND
    # the SYN,ACK must not be sent again meanwhile
    host = make_host(rto_initial=3 * SECOND)
    _, endpoint = established(host, round_trip=round_trip, timestamps=timestamps)
    info = endpoint.info()
    assert info["srtt"] == round_trip
    assert info["rttvar"] == round_trip // 2
    assert info["rto"] == max(200 * MILLISECOND, 3 * round_trip)


@pytest.mark.requirement("SND-6")
def test_later_measurements_are_smoothed(host):
    peer, endpoint = established(host, round_trip=100 * MILLISECOND)
    srtt, rttvar = 100 * MILLISECOND, 50 * MILLISECOND
    for round_trip in (60, 190, 100, 100, 20):
        endpoint.send(b"x")
        peer.take()
        host.advance(round_trip * MILLISECOND)
        peer.send("A")
        rttvar += (abs(srtt - round_trip * MILLISECOND) - rttvar) // 4
        srtt += (round_trip * MILLISECOND - srtt) // 8
        info = endpoint.info()
        assert abs(info["srtt"] - srtt) < 100
        assert abs(info["rttvar"] - rttvar) < 100
        assert abs(info["rto"] - max(srtt + 4 * rttvar, 200 * MILLISECOND)) < 500


@pytest.mark.requirement("SND-6")
def test_with_timestamps_samples_of_one_window_weigh_together_as_one(host):
    # RFC 7323 appendix G: gains are divided by ceiling(FlightSize / (2 * SMSS))
    peer, endpoint = established(host, round_trip=100 * MILLISECOND, timestamps=True)
    eff_mss = endpoint.info()["eff_mss"]
    endpoint.send(b"x" * (8 * eff_mss))
    assert len(peer.take()) == 8
    host.advance(180 * MILLISECOND)
    srtt, rttvar = 100_000_000, 50_000_000
    for taken, samples in ((2, 4), (4, 3), (6, 2), (8, 1)):
        peer.send("A", ack=1 + taken * eff_mss)
        rttvar += (abs(srtt - 180_000_000) - rttvar) // (4 * samples)
        srtt += (180_000_000 - srtt) // (8 * samples)
        info = endpoint.info()
        assert abs(info["srtt"] - srtt) < 100, taken
        assert abs(info["rttvar"] - rttvar) < 100, taken


@pytest.mark.requirement("SND-6")
@pytest.mark.parametrize("flight", [2, 3, 4])
def test_number_of_samples_is_rounded_up_from_the_flight(host, flight):
    peer, endpoint = established(host, round_trip=100 * MILLISECOND, timestamps=True)
    eff_mss = endpoint.info()["eff_mss"]
    endpoint.send(b"x" * (flight * eff_mss))
    peer.take()
    host.advance(180 * MILLISECOND)
    peer.send("A")
    samples = -(-flight // 2)
    assert abs(endpoint.info()["srtt"] - (100_000_000 + 80_000_000 // (8 * samples))) < 100


@pytest.mark.requirement("SND-6")
def test_retransmitted_segment_is_no_sample_without_timestamps(host):
    peer, endpoint = established(host, round_trip=100 * MILLISECOND)
    before = endpoint.info()["srtt"]
    endpoint.send(b"x")
    peer.take()
    wait(peer)
    peer.take()
    host.advance(5 * MILLISECOND)
    peer.send("A")
    # Karn: which of the two was acknowledged cannot be known
    assert endpoint.info()["srtt"] == before


@pytest.mark.requirement("SND-6")
def test_backed_off_time_out_stays_until_a_segment_sent_once_is_measured(host):
    peer, endpoint = established(host, round_trip=100 * MILLISECOND)
    endpoint.nodelay = True
    rto = endpoint.info()["rto"]
    endpoint.send(b"x")
    peer.take()
    assert wait(peer) == rto
    assert wait(peer) == 2 * rto
    peer.take()
    peer.send("A")
    endpoint.send(b"y")
    peer.take()
    # RFC 6298 section 5 with Karn: the next one begins at the plain RTO or the backed-off one, never below
    assert host.until_deadline() in (rto, 4 * rto)
    host.advance(100 * MILLISECOND)
    peer.send("A")
    endpoint.send(b"z")
    peer.take()
    assert host.until_deadline() == endpoint.info()["rto"] < 2 * rto


@pytest.mark.requirement("SND-6")
def test_retransmitted_segment_is_a_sample_with_timestamps(host):
    peer, endpoint = established(host, round_trip=100 * MILLISECOND, timestamps=True)
    endpoint.send(b"x")
    peer.take()
    wait(peer)
    peer.take()
    host.advance(100 * MILLISECOND)
    # the echo tells that the second copy was the one
    peer.send("A")
    assert endpoint.info()["srtt"] == 100 * MILLISECOND
    assert endpoint.info()["backoff"] == 0


@pytest.mark.requirement("SND-6")
def test_time_out_after_a_lost_ack_is_no_round_trip(host):
    # The peer answers the second copy with the timestamp of the first (RFC 7323 5.3 R3). Taken for a sample, each lost
    # ACK would double the time-out, and a link of 100 ms would end at 60 s.
    peer, endpoint = established(host, round_trip=100 * MILLISECOND, timestamps=True)
    endpoint.nodelay = True
    rto = endpoint.info()["rto"]
    for _ in range(5):
        endpoint.send(b"x")
        peer.take()
        first_copy = peer.tsecr
        wait(peer)
        peer.take()
        peer.tsecr = first_copy
        host.advance(100 * MILLISECOND)
        peer.send("A")
        assert endpoint.info()["srtt"] == 100 * MILLISECOND
        # Karn: backed off until a copy of its own is measured
        endpoint.send(b"y")
        peer.take()
        assert host.until_deadline() == 2 * rto
        host.advance(100 * MILLISECOND)
        peer.send("A")
        assert endpoint.info()["backoff"] == 0
        assert endpoint.info()["rto"] <= rto
        rto = endpoint.info()["rto"]


@pytest.mark.requirement("SND-6")
def test_round_trip_of_the_first_segment_sent_again_counts_while_more_is_sent_again(host):
    peer, endpoint = established(host, round_trip=100 * MILLISECOND, timestamps=True)
    eff_mss = endpoint.info()["eff_mss"]
    endpoint.send(b"x" * (6 * eff_mss))
    peer.take()
    wait(peer)
    peer.take()
    assert endpoint.info()["backoff"] == 1
    for number in range(1, 4):
        echo = peer.tsecr
        host.advance(100 * MILLISECOND)
        peer.tsecr = echo
        peer.send("A", ack=1 + number * eff_mss)
        assert endpoint.info()["srtt"] == 100 * MILLISECOND
        assert endpoint.info()["backoff"] == 0
        peer.take()


@pytest.mark.requirement("SND-6")
@pytest.mark.parametrize("timestamps", [False, True])
def test_time_out_doubles_to_60_s_and_restarts_there(make_host, timestamps):
    peer, endpoint = established(make_host(), timestamps=timestamps)
    rto = endpoint.info()["rto"]
    endpoint.send(b"x" * 10)
    peer.take()
    expected = rto
    for _ in range(14):
        assert wait(peer) == min(expected, 60 * SECOND)
        peer.expect(wanted("PA", seq=1, length=10))
        expected *= 2


@pytest.mark.requirement("SND-6")
def test_time_out_is_never_below_200_ms(host):
    peer, endpoint = established(host, round_trip=MILLISECOND)
    endpoint.send(b"x")
    peer.take()
    host.advance(200 * MILLISECOND - 1)
    peer.expect_nothing()
    host.advance(1)
    peer.expect(wanted("PA", seq=1, text=b"x"))


@pytest.mark.requirement("SND-6")
def test_time_out_is_never_above_60_s(make_host):
    host = make_host(rto_initial=60 * SECOND)
    peer, endpoint = established(host, round_trip=50 * SECOND)
    assert endpoint.info()["rto"] == 60 * SECOND
    endpoint.send(b"x")
    peer.take()
    assert wait(peer) == 60 * SECOND
    peer.take()
    assert wait(peer) == 60 * SECOND


@pytest.mark.requirement("SND-6")
def test_timer_restarts_on_each_new_ack_and_stops_with_the_last(host):
    peer, endpoint = established(host, round_trip=100 * MILLISECOND)
    endpoint.send(b"x" * (3 * MSS))
    peer.take()
    host.advance(250 * MILLISECOND)
    peer.send("A", ack=1 + MSS)
    assert host.until_deadline() == endpoint.info()["rto"]
    host.advance(250 * MILLISECOND)
    peer.expect_nothing()
    # an ACK that says nothing new does not restart it
    left = host.until_deadline()
    peer.send("A", ack=1 + MSS)
    assert host.until_deadline() == left
    peer.send("A", ack=1 + 3 * MSS)
    assert host.engine.next_deadline() is None


@pytest.mark.requirement("SND-6")
def test_lost_syn_makes_the_first_time_out_of_the_data_3_s(host):
    # RFC 6298 5.7, when nothing could be measured
    peer = Peer(host)
    endpoint = host.connect(peer.our_port, peer.port)
    peer.take()
    wait(peer)
    peer.take()
    peer.send("SA")
    peer.take()
    assert endpoint.info()["rto"] == 3 * SECOND
    endpoint.send(b"x")
    peer.take()
    assert wait(peer) == 3 * SECOND


@pytest.mark.requirement("SND-6")
def test_echo_of_nothing_we_sent_is_no_sample(host):
    peer, endpoint = established(host, round_trip=100 * MILLISECOND, timestamps=True)
    before = endpoint.info()["srtt"]
    endpoint.send(b"x")
    peer.take()
    peer.tsecr = (peer.tsecr + (1 << 31)) % (1 << 32)
    peer.send("A")
    assert endpoint.info()["srtt"] == before


@pytest.mark.requirement("SND-7")
def test_data_is_sent_again_15_times_and_then_given_up(host):
    peer, endpoint = established(host)
    endpoint.send(b"x")
    peer.take()
    copies = 0
    while endpoint.status == core.OK:
        wait(peer)
        copies += len(peer.take())
        assert copies < 50
    assert (copies, endpoint.status, state_of(endpoint)) == (15, core.TIMED_OUT, "CLOSED")
    assert host.counter("TCPAbortOnTimeout") == 1
    assert endpoint.send(b"y") == core.TIMED_OUT
    assert endpoint.receive_into(bytearray(1)) == core.TIMED_OUT


@pytest.mark.requirement("SND-7")
def test_every_new_ack_begins_the_count_anew(host):
    peer, endpoint = established(host)
    endpoint.send(b"x" * 40)
    peer.take()
    for taken in range(1, 6):
        for _ in range(15):
            wait(peer)
            assert peer.take()
        peer.send("A", ack=1 + taken)
        peer.take()
    assert endpoint.status == core.OK


@pytest.mark.requirement("SND-7")
@pytest.mark.parametrize("closer", ["close", "shutdown"])
def test_lost_fin_is_sent_again_15_times_and_then_given_up(host, closer):
    peer, endpoint = established(host)
    endpoint.close() if closer == "close" else endpoint.shutdown_send()
    peer.expect(wanted("FA", seq=1))
    for _ in range(15):
        wait(peer)
        peer.expect(wanted("FA", seq=1))
    wait(peer)
    peer.take()
    assert host.engine.usage()["orphans"] == 0
    assert host.engine.usage()["time_wait"] == 0
    if closer == "shutdown":
        assert endpoint.status == core.TIMED_OUT


@pytest.mark.requirement("SND-7")
def test_syn_ack_is_sent_again_5_times_and_then_given_up(host):
    listener = host.listen()
    peer = Peer(host)
    peer.send("S")
    peer.expect(wanted("SA", seq=0, ack=1))
    for expected in (1, 2, 4, 8, 16):
        assert wait(peer) == expected * SECOND
        peer.expect(wanted("SA", seq=0, ack=1))
    assert wait(peer) == 32 * SECOND
    peer.expect_nothing()
    assert (listener.occupancy, host.engine.usage()["connections"]) == (0, 0)


@pytest.mark.requirement("SND-7")
@pytest.mark.parametrize("retries", [0, 1, 4])
def test_syn_is_sent_again_as_often_as_asked_and_then_given_up(make_host, retries):
    host = make_host(syn_retries=retries)
    peer = Peer(host)
    endpoint = host.connect(peer.our_port, peer.port)
    peer.expect(wanted("S", seq=0))
    for number in range(retries):
        assert wait(peer) == SECOND << number
        peer.expect(wanted("S", seq=0))
    wait(peer)
    peer.expect_nothing()
    assert endpoint.status == core.TIMED_OUT


@pytest.mark.requirement("SND-7")
def test_late_syn_ack_after_giving_up_gets_rst(make_host):
    host = make_host(syn_retries=0)
    peer = Peer(host)
    host.connect(peer.our_port, peer.port)
    peer.take()
    wait(peer)
    peer.send("SA")
    peer.expect(wanted("R", seq=1))


@pytest.mark.parametrize(
    ("name", "value", "least", "most"),
    [
        ("rto_initial", 0, 1_000_000, 1 << 62),
        ("syn_rto", 999_999, 1_000_000, 1 << 62),
        # it would make all probes at once, and give up
        ("persist_maximum", 0, 1_000_000, 1 << 62),
        # the count of retries goes no further: nothing would ever be given up
        ("data_retries", 256, 0, 255),
        ("synack_retries", 256, 0, 255),
    ],
)
def test_time_or_count_that_would_make_no_sense_is_refused(make_host, name, value, least, most):
    with pytest.raises(ValueError, match=f"^{name} is {value}, but must be between {least} and {most}$"):
        make_host(**{name: value})
