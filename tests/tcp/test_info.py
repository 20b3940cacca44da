"""tcp_info: names as linux/tcp.h has them, values over a scripted peer; what a host holds, read in slices."""

import re
from pathlib import Path

import pytest

from netcore.connections import connection_counts, connection_slice, listener_rows
from netcore.engine import Engine, build_information
from tests.tcp.scripted_peer import MILLISECOND, OUR_ADDRESS, PEER_ADDRESS, SECOND, Peer, packed, read_all

HEADER = Path("/usr/include/linux/tcp.h")
MSS = 1460
TEXT = b"x" * (3 * MSS)
NEVER_SET = 0x7FFFFFFF

# only where they are asked for
COUNTED = {
    "tcpi_segs_in",
    "tcpi_segs_out",
    "tcpi_data_segs_in",
    "tcpi_data_segs_out",
    "tcpi_bytes_sent",
    "tcpi_bytes_retrans",
    "tcpi_delivered",
    "tcpi_delivery_rate",
    "tcpi_dsack_dups",
    "tcpi_reord_seen",
    "tcpi_rcv_ooopack",
    "tcpi_busy_time",
    "tcpi_rwnd_limited",
    "tcpi_sndbuf_limited",
    "tcpi_delivered_ce",
    "tcpi_total_rto",
    "tcpi_total_rto_recoveries",
    "tcpi_total_rto_time",
}
# younger than the header of Debian 12
YOUNGER = {"tcpi_rcv_wnd", "tcpi_total_rto", "tcpi_total_rto_recoveries", "tcpi_total_rto_time"}


@pytest.fixture
def host(make_host):
    return make_host(connection_statistics=1)


def test_names_are_those_of_the_kernels_structure(host):
    if not HEADER.exists():
        pytest.skip(f"{HEADER} is missing: it comes with the package linux-libc-dev")
    structure = HEADER.read_text().split("struct tcp_info {")[1].split("};")[0]
    known = set(re.findall(r"\btcpi_\w+", structure))
    endpoint = Peer(host).open_passively()
    ours = endpoint.tcp_info().keys()
    assert len(ours) > 40
    assert ours - known - YOUNGER == set()


def test_fresh_connection_tells_what_the_handshake_settled(host):
    peer = Peer(host, timestamps=True, sack=True, scale=7, window=1000)
    info = peer.open_passively().tcp_info()
    assert info["tcpi_state"] == 1
    assert info["tcpi_options"] == 1 | 2 | 4
    assert (info["tcpi_snd_wscale"], info["tcpi_rcv_wscale"]) == (7, 9)
    assert info["tcpi_snd_mss"] == info["tcpi_advmss"] == MSS - 12
    assert info["tcpi_pmtu"] == 1500
    assert info["tcpi_rcv_ssthresh"] == 1 << 18
    assert info["tcpi_snd_wnd"] == 1000 << 7
    assert info["tcpi_snd_cwnd"] == 10
    assert info["tcpi_snd_ssthresh"] == NEVER_SET
    # SYN and ACK in, of which the first made the connection; SYN,ACK out
    assert (info["tcpi_segs_in"], info["tcpi_segs_out"]) == (1, 1)
    for name in ("unacked", "sacked", "lost", "retrans", "total_retrans", "bytes_acked", "bytes_received"):
        assert info[f"tcpi_{name}"] == 0, name
    # no text went or came
    assert not {"tcpi_last_data_sent", "tcpi_last_data_recv"} & info.keys()


def test_each_segment_in_flight_counts_however_short(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.nodelay = True
    for text in (b"a", b"bc", b"d" * 2000):
        endpoint.send(text)
    assert [len(segment.text) for segment in peer.take()] == [1, 2, MSS, 2000 - MSS]
    info = endpoint.tcp_info()
    assert info["tcpi_unacked"] == info["tcpi_data_segs_out"] == 4
    assert info["tcpi_bytes_sent"] == 2003
    assert info["tcpi_bytes_acked"] == info["tcpi_bytes_retrans"] == 0


def test_what_the_window_keeps_back_is_not_sent(host):
    peer = Peer(host, window=2 * MSS)
    endpoint = peer.open_passively()
    endpoint.send(TEXT)
    peer.take()
    info = endpoint.tcp_info()
    assert info["tcpi_notsent_bytes"] == MSS
    assert info["tcpi_unacked"] == 2


def test_acknowledged_bytes_count_text_and_neither_syn_nor_fin(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.send(TEXT)
    endpoint.shutdown_send()
    peer.take()
    host.advance(20 * MILLISECOND)
    peer.send("A")
    info = endpoint.tcp_info()
    assert info["tcpi_state"] == 5
    assert info["tcpi_bytes_acked"] == len(TEXT)
    # FIN came too late to go with the last of them
    assert info["tcpi_delivered"] == 4
    assert info["tcpi_last_data_sent"] == 20
    assert info["tcpi_last_ack_recv"] == 0
    assert info["tcpi_rtt"] > 0
    assert info["tcpi_min_rtt"] <= 20_000
    # all of it in 20 ms
    assert info["tcpi_delivery_rate"] == (len(TEXT) + 1) * 50


def test_received_bytes_count_text_and_neither_syn_nor_fin(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    peer.send("A", text=b"y" * 700)
    peer.send("FA", text=b"y" * 300)
    host.advance(1500 * MILLISECOND)
    info = endpoint.tcp_info()
    assert info["tcpi_state"] == 8
    assert info["tcpi_bytes_received"] == 1000
    assert info["tcpi_data_segs_in"] == 2
    assert info["tcpi_last_data_recv"] == 1500
    assert read_all(endpoint) == b"y" * 1000
    peer.take()


@pytest.mark.campaign
@pytest.mark.timeout(600)
def test_received_bytes_beyond_the_sequence_space_are_counted_on(request, make_host):
    if "campaign" not in request.config.getoption("-m"):
        pytest.skip("a campaign of minutes, run by -m campaign")
    host = make_host(vnet_header=True)
    peer = Peer(host)
    endpoint = peer.open_passively()
    text = b"z" * 60_000
    total = 0
    while total < (1 << 32) + 10 * len(text):
        peer.send("A", text=text)
        assert len(read_all(endpoint)) == len(text)
        total += len(text)
        peer.take()
    assert endpoint.tcp_info()["tcpi_bytes_received"] == total


def test_text_out_of_order_is_counted_and_not_received(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    peer.send("A", seq=101, text=b"b" * 100)
    info = endpoint.tcp_info()
    assert (info["tcpi_rcv_ooopack"], info["tcpi_bytes_received"]) == (1, 0)
    peer.send("A", seq=1, text=b"a" * 100)
    assert endpoint.tcp_info()["tcpi_bytes_received"] == 200
    peer.seq = 201
    peer.take()
    read_all(endpoint)


def test_time_out_shows_in_state_retransmissions_and_backoff(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.send(TEXT)
    peer.take()
    before = endpoint.tcp_info()
    host.advance(before["tcpi_rto"] * 1000)
    (again,) = peer.take()
    assert len(again.text) == MSS
    info = endpoint.tcp_info()
    assert (info["tcpi_ca_state"], info["tcpi_retransmits"], info["tcpi_backoff"]) == (4, 1, 1)
    assert info["tcpi_rto"] == 2 * before["tcpi_rto"]
    assert (info["tcpi_total_retrans"], info["tcpi_retrans"]) == (1, 1)
    assert info["tcpi_bytes_retrans"] == MSS
    assert info["tcpi_bytes_sent"] == len(TEXT) + MSS
    # the one that went again and two that wait for it
    assert (info["tcpi_unacked"], info["tcpi_lost"]) == (3, 3)
    assert info["tcpi_snd_ssthresh"] < NEVER_SET


def test_loss_by_sack_shows_as_recovery(host):
    peer = Peer(host, sack=True)
    endpoint = peer.open_passively()
    endpoint.send(b"x" * (6 * MSS))
    assert len(peer.take()) == 6
    host.advance(50 * MILLISECOND)
    peer.send("A", ack=1, blocks=[(1 + MSS, 1 + 6 * MSS)])
    info = endpoint.tcp_info()
    assert info["tcpi_ca_state"] == 3
    assert (info["tcpi_unacked"], info["tcpi_sacked"]) == (6, 5)
    assert (info["tcpi_lost"], info["tcpi_retrans"], info["tcpi_total_retrans"]) == (1, 1, 1)
    assert info["tcpi_delivered"] == 5


def test_duplicate_report_is_counted(host):
    peer = Peer(host, sack=True)
    endpoint = peer.open_passively()
    endpoint.send(TEXT)
    peer.take()
    peer.send("A", blocks=[(1, 1 + MSS)])
    assert endpoint.tcp_info()["tcpi_dsack_dups"] == 1


def test_probes_of_a_closed_window_are_no_retransmissions(host):
    peer = Peer(host, window=0)
    endpoint = peer.open_passively()
    endpoint.send(b"x" * 10)
    for _ in range(2):
        host.advance(host.until_deadline())
    info = endpoint.tcp_info()
    assert info["tcpi_probes"] == 2
    assert info["tcpi_retransmits"] == 0


def test_time_outs_in_a_row_are_one_episode_that_news_end(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    waited = 0
    for number in range(2):
        endpoint.send(b"x" * MSS)
        peer.take()
        rto = endpoint.tcp_info()["tcpi_rto"] * 1000
        host.advance(rto)
        host.advance(2 * rto)
        peer.take()
        host.advance(10 * MILLISECOND)
        waited += 2 * rto + 10 * MILLISECOND
        peer.send("A", ack=1 + (number + 1) * MSS)
        peer.take()
        host.advance(SECOND)
    info = endpoint.tcp_info()
    assert (info["tcpi_total_rto"], info["tcpi_total_rto_recoveries"]) == (4, 2)
    assert info["tcpi_total_rto_time"] == waited // MILLISECOND


def test_reduction_told_by_ecn_counts_what_that_ack_delivers(make_host):
    host = make_host(connection_statistics=1, ecn=1)
    peer = Peer(host)
    endpoint = open_with_ecn(peer)
    endpoint.send(TEXT)
    peer.take()
    peer.send("EA", ack=1 + 2 * MSS)
    assert endpoint.tcp_info()["tcpi_delivered_ce"] == 2


def open_with_ecn(peer):
    """The peer asks for ECN, the host agrees."""
    listener = peer.host.listen()
    peer.send("SEC")
    peer.take()
    peer.send("A")
    endpoint = listener.accept()
    assert endpoint.info()["ecn"]
    return endpoint


# ---- what keeps a connection from sending


def test_time_that_the_peers_window_takes_is_told_apart_from_the_paths(host):
    peer = Peer(host, window=2 * MSS)
    endpoint = peer.open_passively()
    host.advance(SECOND)
    endpoint.send(TEXT)
    peer.take()
    host.advance(50 * MILLISECOND)
    peer.send("A", ack=1 + 2 * MSS, window=10 * MSS)
    peer.take()
    host.advance(30 * MILLISECOND)
    peer.send("A", ack=1 + 3 * MSS)
    host.advance(SECOND)
    info = endpoint.tcp_info()
    assert (info["tcpi_busy_time"], info["tcpi_rwnd_limited"], info["tcpi_sndbuf_limited"]) == (80_000, 50_000, 0)
    limited = connection_counts(endpoint)["limited"]
    assert limited["window"] == {"time": 50 * MILLISECOND, "entries": 1, "bytes": 0}
    assert limited["path"] == {"time": 30 * MILLISECOND, "entries": 1, "bytes": MSS}
    assert limited["nothing"]["bytes"] == 2 * MSS


def test_time_that_goes_on_counts(host):
    peer = Peer(host, window=0)
    endpoint = peer.open_passively()
    endpoint.send(b"x")
    host.advance(70 * MILLISECOND)
    info = endpoint.tcp_info()
    assert info["tcpi_rwnd_limited"] == info["tcpi_busy_time"] == 70_000


def test_full_send_buffer_that_is_out_is_what_limits(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.send_buffer = 2 * MSS
    endpoint.send(TEXT)
    peer.take()
    host.advance(40 * MILLISECOND)
    info = endpoint.tcp_info()
    assert (info["tcpi_sndbuf_limited"], info["tcpi_rwnd_limited"]) == (40_000, 0)


def test_counts_that_no_field_has_a_name_for(host):
    peer = Peer(host, sack=True)
    endpoint = peer.open_passively()
    host.advance(SECOND)
    peer.send("A", seq=101, text=b"b" * 100)
    endpoint.send(b"x" * (6 * MSS))
    peer.take()
    host.advance(50 * MILLISECOND)
    peer.send("A", seq=1, ack=1, blocks=[(1 + MSS, 1 + 6 * MSS)])
    counts = connection_counts(endpoint)
    assert counts["age"] == SECOND + 50 * MILLISECOND
    assert (counts["bytes_reordered"], counts["fast_retrans"], counts["syn_retrans"]) == (100, 1, 0)
    assert counts["dup_acks"] == 1


def test_host_that_does_not_count_has_no_counts(make_host):
    assert connection_counts(Peer(make_host()).open_passively()) == {}


def test_current_connections_are_those_that_can_send(host):
    def current():
        return host.engine.counters()["CurrEstab"]

    peers = [Peer(host, port=1000 + number) for number in range(3)]
    listener = host.listen()
    first, second, third = (peer.open_passively(listener) for peer in peers)
    assert current() == 3
    peers[0].send("FA")
    assert current() == 3, "CLOSE-WAIT is one (RFC 4022)"
    first.close()
    assert current() == 2
    second.abort()
    third.shutdown_send()
    assert current() == 0


def test_syn_sent_again_counts(host):
    endpoint = host.connect(5000, 6000)
    host.advance(SECOND)
    info = endpoint.tcp_info()
    assert info["tcpi_state"] == 2
    assert (info["tcpi_total_retrans"], info["tcpi_unacked"]) == (1, 1)
    assert info["tcpi_segs_out"] == 2
    assert info["tcpi_bytes_received"] == 0
    assert connection_counts(endpoint)["syn_retrans"] == 1


def test_connection_that_is_gone_tells_nothing(host):
    endpoint = Peer(host).open_passively()
    endpoint.abort()
    assert endpoint.tcp_info() == {}


def test_host_that_does_not_count_leaves_out_what_it_does_not_know(make_host):
    peer = Peer(make_host())
    endpoint = peer.open_passively()
    endpoint.send(TEXT)
    peer.take()
    peer.send("A")
    info = endpoint.tcp_info()
    assert not COUNTED & info.keys()
    assert info["tcpi_bytes_acked"] == len(TEXT)


@pytest.mark.requirement("LIM-1")
def test_counting_costs_so_many_bytes_and_only_those_who_ask():
    information = build_information()
    assert 0 < information["statistics_bytes"] <= 320
    with pytest.raises(ValueError, match="connection_statistics is 2, but must be between 0 and 1"):
        Engine(address=OUR_ADDRESS, prefix=24, seed=bytes(16), connection_statistics=2)


# ---- slices


def sockets_of(engine):
    """Every row, slice by slice."""
    rows, place, slices = [], 0, 0
    while place >= 0:
        found, place = connection_slice(engine, place)
        rows += found
        slices += 1
    return rows, slices


def test_slices_bring_every_connection_once(host):
    listener = host.listen(backlog=400)
    for number in range(300):
        peer = Peer(host, port=1000 + number)
        peer.open_passively(listener)
    rows, slices = sockets_of(host.engine)
    assert sorted(row["remote_port"] for row in rows) == list(range(1000, 1300))
    assert slices > 4
    assert {row["state"] for row in rows} == {"ESTABLISHED"}
    assert {(row["local"], row["local_port"]) for row in rows} == {(packed(OUR_ADDRESS), 80)}
    assert {row["remote"] for row in rows} == {packed(PEER_ADDRESS)}
    assert all(row["info"]["tcpi_state"] == 1 for row in rows)


def test_row_tells_queues_timer_and_algorithm(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.send(TEXT)
    peer.take()
    peer.send("A", ack=1, text=b"y" * 33)
    (row,), place = connection_slice(host.engine, info=False)
    assert place == -1
    assert (row["recv_q"], row["send_q"], row["congestion"]) == (33, len(TEXT), "cubic")
    name, left = row["timer"]
    assert name == "on"
    assert 0 < left <= SECOND
    assert "info" not in row
    read_all(endpoint)


def test_time_wait_record_is_a_row_without_info(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.close()
    peer.take()
    peer.send("FA")
    peer.take()
    ((row,), _) = connection_slice(host.engine)
    assert row["state"] == "TIME-WAIT"
    assert row["timer"] == ("timewait", 60 * SECOND)
    assert "info" not in row


def test_listener_row_tells_its_queues(host):
    listener = host.listen(port=81, backlog=7)
    Peer(host, our_port=81, port=1).send("S")
    waiting = Peer(host, our_port=81, port=2)
    waiting.send("S")
    waiting.take()
    waiting.send("A")
    (row,) = listener_rows(host.engine)
    assert row == {
        "local": bytes(4),
        "local_port": 81,
        "backlog": 7,
        "half_open": 1,
        "finished": 1,
        "requests": 0,
        "conditional": False,
        "paused": False,
        "under_attack": False,
    }
    listener.close()


@pytest.mark.parametrize("place", [-1, -(1 << 40)])
def test_place_that_no_slice_gave_is_refused(host, place):
    with pytest.raises((ValueError, OverflowError)):
        connection_slice(host.engine, place)


def test_place_beyond_the_table_is_its_end(host):
    assert connection_slice(host.engine, 1 << 30) == ([], -1)
