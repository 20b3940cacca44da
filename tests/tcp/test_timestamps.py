"""Window scaling, timestamps and PAWS (RFC 7323)."""

import pytest

from netcore import endpoint as core
from tests.tcp.scripted_peer import MILLISECOND, SECOND, Peer, read_all, state_of
from tests.tcp.segments import MODULUS, distance, wanted

pytestmark = pytest.mark.requirement("TCPX-1")

DAY = 86400 * SECOND


@pytest.fixture
def peer(host):
    return Peer(host, timestamps=True)


@pytest.mark.parametrize(("buffer", "shift"), [(65535, 0), (65536, 1), (131070, 1), (131071, 2), (2 << 20, 6),
                                               (1 << 29, 14), (0x3FFFFFFF, 14)])  # fmt: skip
def test_scale_offered_is_the_smallest_that_can_say_the_buffer(make_host, buffer, shift):
    host = make_host(receive_buffer=buffer)
    active = Peer(host)
    host.connect(active.our_port, active.port)
    (syn,) = active.expect(wanted("S", window=65535))
    assert syn.options["WScale"] == shift
    passive = Peer(host, port=2, our_port=81, scale=2)
    host.listen(81)
    passive.send("S")
    (answer,) = passive.expect(wanted("SA", window=65535))
    assert answer.options["WScale"] == shift


@pytest.mark.parametrize(("offered", "used"), [(0, 0), (1, 1), (7, 7), (14, 14), (15, 14), (255, 14)])
def test_scale_of_the_peer_applies_to_its_windows_up_to_14(host, offered, used):
    peer = Peer(host, scale=offered, window=1000)
    endpoint = peer.open_passively()
    assert endpoint.info()["snd_wnd"] == 1000 << used
    peer.send("A", window=3)
    assert endpoint.info()["snd_wnd"] == 3 << used


def test_window_of_a_syn_is_not_scaled(host):
    peer = Peer(host, scale=7, window=1000)
    endpoint = peer.open_actively()
    assert endpoint.info()["snd_wnd"] == 1000
    peer.send("A", window=1000)
    assert endpoint.info()["snd_wnd"] == 128000


def test_no_scaling_unless_both_offer_it(host):
    peer = Peer(host)
    endpoint = peer.open_actively()
    info = endpoint.info()
    assert (info["snd_wind_shift"], info["rcv_wind_shift"]) == (0, 0)
    peer.send("A", window=500)
    assert endpoint.info()["snd_wnd"] == 500
    # and our windows are meant as they stand
    peer.send("A", text=b"x")
    assert peer.take()[-1].window in (65534, 65535)


def test_scaling_and_timestamps_switched_off_are_neither_offered_nor_accepted(make_host):
    host = make_host(timestamps=0, window_scaling=0, sack=0)
    peer = Peer(host, scale=3, timestamps=True, window=10)
    host.listen()
    peer.send("S")
    (answer,) = peer.expect(wanted("SA"))
    assert set(answer.options) == {"MSS"}
    peer.timestamps = False
    peer.send("A")
    assert host.accept(host.listeners[0]).info()["snd_wnd"] == 10
    active = Peer(host, port=9, our_port=9)
    host.connect(9, 9)
    (syn,) = active.expect(wanted("S"))
    assert set(syn.options) == {"MSS"}


def test_window_is_announced_scaled(make_host):
    host = make_host(receive_buffer=1 << 20)
    peer = Peer(host, scale=0)
    endpoint = peer.open_passively()
    peer.send("A", text=b"x")
    assert endpoint.info()["rcv_wind_shift"] == 5
    (answer,) = peer.take()
    # the whole buffer but the byte, rounded to a unit of 32
    assert answer.window << 5 in ((1 << 20) - 32, 1 << 20)


def test_large_window_is_used(make_host):
    host = make_host(initial_window=200, vnet_header=True, offloads=True)
    peer = Peer(host, scale=7, window=2000)
    endpoint = peer.open_passively()
    endpoint.send(b"x" * 250_000)
    assert sum(len(segment.text) for segment in peer.take()) > 200_000


def test_timestamps_are_on_every_segment_once_both_sent_them(peer):
    endpoint = peer.open_passively()
    endpoint.send(b"x")
    endpoint.shutdown_send()
    for segment in peer.take():
        assert segment.options["Timestamp"][1] == peer.tsval


def test_no_timestamps_when_the_peer_sent_none(host):
    peer = Peer(host)
    endpoint = peer.open_actively()
    endpoint.send(b"x")
    assert "Timestamp" not in peer.take()[-1].options


def test_clock_of_timestamps_ticks_once_a_millisecond(peer):
    endpoint = peer.open_passively()
    endpoint.nodelay = True
    values = []
    for _ in range(3):
        endpoint.send(b"x")
        values.append(peer.take()[-1].options["Timestamp"][0])
        peer.host.advance(7 * MILLISECOND)
    assert [distance(later, values[0]) for later in values] == [0, 7, 14]


def test_offset_is_one_for_each_pair_of_addresses(make_host):
    def first_value(seed=b"s" * 16, **fields):
        host = make_host(seed=seed)
        host.listen()
        peer = Peer(host, timestamps=True, **fields)
        peer.send("S")
        return peer.take()[-1].options["Timestamp"][0]

    assert first_value() == first_value(port=9) == first_value(iss=7)
    assert len({first_value(), first_value(address="10.0.0.3"), first_value(seed=b"t" * 16)}) == 3


def test_rst_carries_no_timestamps_and_needs_none(peer):
    endpoint = peer.open_passively()
    peer.send("R", options=[])
    assert state_of(endpoint) == "CLOSED"


@pytest.mark.parametrize("flags", ["A", "PA", "FA", "FPA"])
def test_segment_without_timestamps_on_a_connection_with_them_is_dropped(peer, flags):
    endpoint = peer.open_passively()
    peer.send(flags, text=b"naked", options=[])
    peer.expect_nothing()
    assert endpoint.readable_bytes == 0
    assert state_of(endpoint) == "ESTABLISHED"
    assert peer.host.counter("TCPTSMissing") == 1


def test_segment_with_unasked_timestamps_is_taken(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    peer.send("A", text=b"x", options=[("NOP", None), ("NOP", None), ("Timestamp", (9, 9))])
    assert endpoint.readable_bytes == 1


def test_old_timestamp_is_not_acceptable(peer):
    endpoint = peer.open_passively()
    peer.tsval -= 1
    peer.send("A", text=b"ghost")
    # with data: answered at once
    peer.expect(wanted("A", seq=1, ack=1))
    assert endpoint.readable_bytes == 0
    assert peer.host.counter("PAWSEstab") == 1


def test_old_timestamp_does_not_keep_an_rst_out(peer):
    endpoint = peer.open_passively()
    peer.send("R", options=[("NOP", None), ("NOP", None), ("Timestamp", (1, 1))])
    assert state_of(endpoint) == "CLOSED"


@pytest.mark.parametrize(
    ("step", "taken"), [(0, True), (1, True), ((1 << 31) - 1, True), (1 << 31, False), (-1, False)]
)
def test_timestamps_compare_round_the_circle(host, step, taken):
    peer = Peer(host, timestamps=True, tsval=0xFFFFFFF0)
    endpoint = peer.open_passively()
    peer.tsval = (peer.tsval + step) % MODULUS
    peer.send("A", text=b"x")
    assert endpoint.readable_bytes == (1 if taken else 0)


@pytest.mark.parametrize(("days", "taken"), [(23, False), (25, True)])
def test_timestamp_remembered_for_more_than_24_days_says_nothing(peer, days, taken):
    endpoint = peer.open_passively()
    peer.host.advance(days * DAY)
    peer.tsval -= 5
    peer.send("A", text=b"x")
    assert endpoint.readable_bytes == (1 if taken else 0)


def test_timestamp_that_comes_after_24_days_takes_the_place_of_the_old_one(peer):
    # RFC 7323 5.5: the peer's clock of milliseconds has gone more than half round
    peer.open_passively()
    peer.host.advance(26 * DAY)
    peer.tsval = (peer.tsval + 26 * DAY // MILLISECOND) % MODULUS
    peer.send("A", text=b"x")
    (ack,) = peer.take()
    assert ack.options["Timestamp"][1] == peer.tsval
    peer.tsval -= 1
    peer.send("A", text=b"ghost")
    assert peer.host.counter("PAWSEstab") == 1


def test_echo_is_that_of_the_segment_the_last_ack_covers(make_host):
    # RFC 7323 4.3, the delayed ACK: the earlier of two segments is echoed
    peer = Peer(make_host(quick_acks=0), timestamps=True)
    peer.open_passively()
    peer.tsval = 6000
    peer.send("A", text=b"x" * 1448)
    peer.tsval = 6001
    peer.send("A", text=b"x" * 1448)
    (answer,) = peer.expect(wanted("A", ack=1 + 2 * 1448))
    assert answer.options["Timestamp"][1] == 6000


def test_echo_is_not_taken_from_a_segment_beyond_a_hole(peer):
    peer.open_passively()
    peer.tsval = 6000
    peer.send("A", text=b"x")
    peer.take()
    peer.tsval = 7000
    peer.send("A", seq=10, text=b"y")
    (answer,) = peer.expect(wanted("A", ack=2))
    assert answer.options["Timestamp"][1] == 6000
    # the segment that fills the hole is the one to echo
    peer.tsval = 8000
    peer.send("A", seq=2, text=b"z" * 8)
    (answer,) = peer.expect(wanted("A", ack=11))
    assert answer.options["Timestamp"][1] == 8000


def test_unacceptable_segment_does_not_change_the_echo(peer):
    peer.open_passively()
    peer.tsval = 9000
    peer.send("A", seq=1 << 30, text=b"x")
    (answer,) = peer.take()
    assert answer.options["Timestamp"][1] == 5000


def test_duplicate_in_order_segment_may_refresh_the_echo(peer):
    peer.open_passively()
    peer.tsval = 6000
    peer.send("A", text=b"abc")
    assert peer.take()[-1].options["Timestamp"][1] == 6000
    # out of order by its left edge, but acceptable, since it brings something new
    peer.tsval = 6500
    peer.send("A", seq=1, text=b"abcdef")
    assert peer.take()[-1].options["Timestamp"][1] == 6500


def test_timestamps_survive_their_wrap(make_host):
    host = make_host(quick_acks=255)
    peer = Peer(host, timestamps=True, tsval=0xFFFFFFFE)
    endpoint = peer.open_passively()
    for _ in range(6):
        peer.tsval = (peer.tsval + 1) % MODULUS
        peer.send("A", text=b"x")
    assert len(read_all(endpoint)) == 6


def test_own_clock_survives_its_wrap(make_host):
    # whatever the offset, 50 days are a full circle
    host = make_host()
    peer = Peer(host, timestamps=True)
    endpoint = peer.open_passively()
    for _ in range(52):
        host.advance(DAY)
        peer.tsval = (peer.tsval + 86_400_000) % MODULUS
        endpoint.send(b"x")
        assert [len(segment.text) for segment in peer.take()] == [1]
        host.advance(50 * MILLISECOND)
        peer.send("A")
    assert endpoint.buffered_bytes == 0
    assert endpoint.info()["rto"] < SECOND
    assert endpoint.status == core.OK


def test_reset_carries_the_time_and_echoes_the_peers(host, peer):
    """RFC 7323 3.2: the option should be on a RST as well."""
    endpoint = peer.open_passively()
    endpoint.send(b"x")
    first, _ = peer.take()[-1].options["Timestamp"]
    peer.send("A", ack=2)
    host.advance(2 * SECOND)
    endpoint.abort()
    (reset,) = peer.expect(wanted("RA"))
    value, echo = reset.options["Timestamp"]
    assert (value - first) % MODULUS == 2000
    assert echo == peer.tsval


def test_reset_of_a_connection_without_timestamps_carries_none(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.abort()
    (reset,) = peer.expect(wanted("RA"))
    assert "Timestamp" not in reset.options
