"""Path MTU discovery: by ICMP (RFC 1191, RFC 5927) and without it, down and up again (RFC 4821)."""

from collections.abc import Callable
from typing import Any

import pytest

from netcore.endpoint import Endpoint
from tests.tcp.flights import LOSS, OPEN
from tests.tcp.icmp_errors import FRAGMENTATION_NEEDED, UNREACHABLE, complain, narrow, quotation
from tests.tcp.paths import RTT, TEXT, Path, sizes
from tests.tcp.scripted_peer import MINUTE, Host, Peer
from tests.tcp.segments import wanted

FULL = 1460
MakeHost = Callable[..., Host]

pytestmark = pytest.mark.requirement("TCPX-4")


def connected(host: Host, **arguments: Any) -> tuple[Peer, Endpoint]:
    """A connection to a peer that takes full segments and SACKs; its handshake took a round trip."""
    peer = Peer(host, **{"sack": True, "scale": 7, **arguments})
    listener = host.listeners[0] if host.listeners else host.listen(peer.our_port)
    peer.send("S")
    peer.expect(wanted("SA"))
    host.advance(RTT)
    peer.send("A")
    return peer, host.accept(listener)


def sent(peer: Peer) -> list[tuple[int, int]]:
    """Where the text of each segment begins, and its size."""
    return [(segment.seq, len(segment.text)) for segment in peer.take() if segment.text]


# ---- told by ICMP


def test_segment_too_large_for_the_path_goes_again_at_once_in_smaller_ones(host: Host) -> None:
    peer, endpoint = connected(host)
    endpoint.send(TEXT[: 3 * FULL])
    assert sent(peer) == [(1, FULL), (1461, FULL), (2921, FULL)]
    before = endpoint.info()
    narrow(peer, 1200, seq=1)
    again = peer.take()
    assert sizes(again) == [1160] * 3 + [900]
    assert b"".join(segment.text for segment in again) == TEXT[: 3 * FULL]
    info = endpoint.info()
    assert (info["eff_mss"], info["snd_mss"]) == (1160, FULL)
    # RFC 1191 6.5: it is no congestion
    assert (info["cwnd"], info["ssthresh"]) == (before["cwnd"], before["ssthresh"])
    peer.send("A", ack=3 * FULL + 1)
    assert endpoint.info()["phase"] == OPEN
    endpoint.send(TEXT[:4640])
    assert sizes(peer.take()) == [1160] * 4


def test_segments_of_a_connection_with_timestamps_fit_with_their_options(host: Host) -> None:
    peer, endpoint = connected(host, timestamps=True)
    endpoint.send(TEXT[:3000])
    peer.take()
    narrow(peer, 1200, seq=1)
    assert max(segment.packet.len for segment in peer.take()) == 1200


def test_each_router_on_the_way_may_narrow_it_further(host: Host) -> None:
    peer, endpoint = connected(host)
    endpoint.send(TEXT)
    path = Path(peer, 1400)
    path.round_trip()
    path.mtu = 1000
    path.carry(60_000)
    assert path.largest <= 1360
    assert endpoint.info()["eff_mss"] == 960
    assert host.counter("RetransSegs") < 60


@pytest.mark.parametrize("sack", [True, False], ids=["sack", "no sack"])
def test_text_arrives_over_a_narrow_path_octet_for_octet(host: Host, sack: bool) -> None:
    peer, endpoint = connected(host, sack=sack)
    endpoint.send(TEXT[:200_000])
    path = Path(peer, 1300)
    path.carry(200_000)
    assert path.largest == 1260
    assert host.counter("TCPTimeouts") == 0


def test_superframes_are_cut_into_segments_that_fit(make_host: MakeHost) -> None:
    host = make_host(vnet_header=True, offloads=True, maximum_superframe=20_000)
    peer, endpoint = connected(host)
    endpoint.send(TEXT[:10_000])
    [frame] = peer.take()
    assert frame.vnet is not None
    assert frame.vnet.gso_size == FULL
    # a router that got it in one piece says so too
    narrow(peer, 1200, seq=1, length=10_040)
    frames = peer.take()
    assert b"".join(frame.text for frame in frames) == TEXT[:10_000]
    for frame in frames:
        assert frame.vnet is not None
        assert len(frame.text) <= 1160 or frame.vnet.gso_size == 1160


FALSE_CLAIMS: dict[str, dict[str, Any]] = {
    "sequence number before what is in flight": {"seq": 0},
    "sequence number behind what is in flight": {"seq": 1 + 2 * FULL},
    "sequence number far away": {"seq": 1 << 30},
    "another port": {"seq": 1, "sport": 81},
    "another peer's port": {"seq": 1, "dport": 9},
    "another peer": {"seq": 1, "ip": {"dst": "10.0.0.9"}},
    "another source": {"seq": 1, "ip": {"src": "10.0.0.9"}},
    "another protocol": {"seq": 1, "ip": {"proto": 17}},
    "a fragment that is not the first": {"seq": 1, "ip": {"frag": 5}},
    "another version": {"seq": 1, "ip": {"version": 6}},
    "a packet that would have passed": {"seq": 1, "length": 1200},
    "a packet smaller than that": {"seq": 1, "length": 600},
}


@pytest.mark.parametrize("claim", FALSE_CLAIMS.values(), ids=FALSE_CLAIMS)
def test_claim_that_quotes_nothing_in_flight_is_not_believed(host: Host, claim: dict[str, Any]) -> None:
    peer, endpoint = connected(host)
    endpoint.send(TEXT[: 2 * FULL])
    peer.take()
    narrow(peer, 1200, **claim)
    peer.expect_nothing()
    assert endpoint.info()["eff_mss"] == FULL
    _, fresh = connected(host, port=40001)
    assert fresh.info()["eff_mss"] == FULL, "the path's MTU was learnt from it"


@pytest.mark.requirement("LIM-4")
@pytest.mark.parametrize("length", range(28))
def test_quotation_that_is_cut_short_is_not_read(host: Host, length: int) -> None:
    peer, endpoint = connected(host)
    endpoint.send(TEXT[:FULL])
    peer.take()
    complain(peer, UNREACHABLE, FRAGMENTATION_NEEDED, 1, mtu=1200, quoted=quotation(peer, 1)[:length])
    peer.expect_nothing()
    assert endpoint.info()["eff_mss"] == FULL


@pytest.mark.requirement("LIM-4")
def test_quoted_header_longer_than_the_quotation_is_not_read(host: Host) -> None:
    peer, endpoint = connected(host)
    endpoint.send(TEXT[:FULL])
    peer.take()
    complain(peer, UNREACHABLE, FRAGMENTATION_NEEDED, 1, mtu=1200, quoted=b"\x4f" + quotation(peer, 1)[1:])
    assert endpoint.info()["eff_mss"] == FULL


def test_larger_mtu_than_the_one_known_is_not_believed(host: Host) -> None:
    peer, endpoint = connected(host)
    endpoint.send(TEXT[:FULL])
    peer.take()
    narrow(peer, 1000, seq=1)
    peer.take()
    narrow(peer, 1400, seq=1)
    peer.expect_nothing()
    assert endpoint.info()["eff_mss"] == 960


@pytest.mark.parametrize(
    ("length", "plateau"), [(1500, 1492), (1492, 1006), (1006, 508), (60_000, 32_000), (2002, 1492)]
)
def test_router_that_names_no_mtu_means_the_next_lower_plateau(make_host: MakeHost, length: int, plateau: int) -> None:
    host = make_host(mtu=65_535)
    peer, endpoint = connected(host, mss=65_000)
    endpoint.send(TEXT[:65_000])
    peer.take()
    narrow(peer, 0, seq=1, length=length)
    assert endpoint.info()["eff_mss"] == plateau - 40


@pytest.mark.parametrize("mtu", [0x01FB, 296, 68, 40, 1])
def test_tiny_mtu_makes_segments_of_the_least_size_that_routers_may_cut(host: Host, mtu: int) -> None:
    peer, endpoint = connected(host)
    endpoint.send(TEXT[:FULL])
    peer.take()
    narrow(peer, mtu, seq=1)
    assert endpoint.info()["eff_mss"] == 508 - 40
    again = peer.take()
    assert sizes(again) == [468, 468, 468, 56]
    assert not any(segment.packet.flags.DF for segment in again)
    assert len({segment.packet.id for segment in again}) == 4


def test_segments_that_may_not_be_cut_say_so_and_have_no_identification(host: Host) -> None:
    peer, endpoint = connected(host)
    endpoint.send(TEXT[: 3 * FULL])
    assert {(str(segment.packet.flags), segment.packet.id) for segment in peer.take()} == {("DF", 0)}


def test_flood_of_claims_changes_nothing_more(host: Host) -> None:
    peer, endpoint = connected(host)
    endpoint.send(TEXT[: 4 * FULL])
    peer.take()
    narrow(peer, 600, seq=1)
    count = len(peer.take())
    for mtu in range(600, 2000):
        narrow(peer, mtu, seq=1)
    peer.expect_nothing()
    assert (count, endpoint.info()["eff_mss"]) == (11, 560)


# ---- what is remembered


def test_next_connection_to_the_same_host_begins_with_what_passes(host: Host) -> None:
    peer, endpoint = connected(host)
    endpoint.send(TEXT[:FULL])
    peer.take()
    narrow(peer, 1200, seq=1)
    peer.take()
    same, second = connected(host, port=40001)
    _, third = connected(host, port=40001, address="10.0.0.3")
    assert (second.info()["eff_mss"], third.info()["eff_mss"]) == (1160, FULL)
    second.send(TEXT[:2000])
    assert sizes(same.take()) == [1160]


def test_what_is_remembered_of_a_path_ages(make_host: MakeHost) -> None:
    host = make_host(path_mtu_lifetime=5 * MINUTE)
    peer, endpoint = connected(host)
    endpoint.send(TEXT[:FULL])
    peer.take()
    narrow(peer, 1200, seq=1)
    peer.take()
    peer.send("A", ack=FULL + 1)
    host.advance(5 * MINUTE - 1 - 2 * RTT)
    _, before = connected(host, port=40001)
    host.advance(MINUTE)
    _, after = connected(host, port=40002)
    assert (before.info()["eff_mss"], after.info()["eff_mss"]) == (1160, FULL)


@pytest.mark.requirement("LIM-4")
def test_no_more_than_a_thousand_paths_are_remembered_the_latest_of_them(host: Host) -> None:
    for number in range(1030):
        address = f"10.0.{0}.{number % 250 + 3}" if number < 200 else f"10.0.0.{number % 200 + 3}"
        peer, endpoint = connected(host, port=20_000 + number, address=address)
        endpoint.send(TEXT[:FULL])
        peer.take()
        narrow(peer, 1500 - number % 700, seq=1)
        peer.take()
        endpoint.abort()
        peer.take()
    _, last = connected(host, port=30_000, address="10.0.0.3")
    assert last.info()["eff_mss"] < FULL


# ---- a path that swallows large packets and says nothing (RFC 4821)


def test_path_that_swallows_full_segments_is_found_out_and_searched(host: Host) -> None:
    peer, endpoint = connected(host)
    endpoint.send(TEXT)
    path = Path(peer, 1300, tells=False)
    path.carry(200_000, 600)
    assert host.counter("PathBlackHoles") == 1
    assert host.counter("TCPTimeouts") == 4
    assert 1260 - 32 <= endpoint.info()["eff_mss"] <= 1260
    # probes that were too large cost no window
    assert host.counter("TCPFastRetrans") == 0


def test_search_without_sack_finds_the_size_as_well(host: Host) -> None:
    peer, endpoint = connected(host, sack=False)
    endpoint.send(TEXT)
    Path(peer, 1300, tells=False).carry(200_000, 600)
    assert 1260 - 32 <= endpoint.info()["eff_mss"] <= 1260


def test_path_narrower_than_the_first_guess_is_found_out_in_two_steps(host: Host) -> None:
    peer, endpoint = connected(host)
    endpoint.send(TEXT)
    Path(peer, 600, tells=False).carry(160_000, 600)
    assert host.counter("PathBlackHoles") == 2
    assert 560 - 32 <= endpoint.info()["eff_mss"] <= 560


def test_path_that_was_only_down_has_full_segments_again_soon(host: Host) -> None:
    peer, endpoint = connected(host)
    endpoint.send(TEXT)
    path = Path(peer, 0, tells=False)
    for _ in range(6):
        path.round_trip()
        host.advance(host.until_deadline())
    while host.counter("TCPTimeouts") < 6:
        path.round_trip()
        host.advance(host.until_deadline())
    assert endpoint.info()["eff_mss"] < FULL
    path.mtu = 1500
    path.carry(100_000, 600)
    assert endpoint.info()["eff_mss"] == FULL
    assert (host.counter("TCPMTUPSuccess"), host.counter("TCPMTUPFail")) == (1, 0)


def test_small_segments_that_are_lost_are_no_sign_of_a_narrow_path(host: Host) -> None:
    peer, endpoint = connected(host)
    endpoint.send(b"x" * 100)
    for _ in range(8):
        peer.take()
        host.advance(host.until_deadline())
    assert host.counter("TCPTimeouts") > 4
    assert (host.counter("PathBlackHoles"), endpoint.info()["eff_mss"]) == (0, FULL)


# ---- wider again


def test_path_that_has_become_wider_is_used_after_ten_minutes(host: Host) -> None:
    peer, endpoint = connected(host)
    path = Path(peer, 1200)
    endpoint.send(TEXT[:100_000])
    path.carry(50_000)
    path.mtu = 1500
    path.carry(100_000)
    assert endpoint.info()["eff_mss"] == 1160, "tried too early"
    host.advance(10 * MINUTE)
    endpoint.send(TEXT[100_000:])
    path.carry(200_000)
    assert endpoint.info()["eff_mss"] == FULL
    assert host.counter("TCPMTUPSuccess") == 1
    # and for others too
    peer.take()
    _, second = connected(host, port=40001)
    assert second.info()["eff_mss"] == FULL


def test_probe_of_a_path_that_is_still_narrow_costs_no_window(host: Host) -> None:
    peer, endpoint = connected(host)
    path = Path(peer, 1200)
    endpoint.send(TEXT[:50_000])
    path.carry(50_000)
    host.advance(10 * MINUTE)
    endpoint.send(TEXT[50_000:])
    window = endpoint.info()["cwnd"]
    path.tells = False
    path.carry(150_000)
    info = endpoint.info()
    assert info["eff_mss"] == 1160
    assert info["cwnd"] >= window
    assert host.counter("TCPMTUPFail") >= 1
    assert host.counter("TCPSackRecovery") == 0


def test_router_that_answers_a_probe_names_the_next(host: Host) -> None:
    peer, endpoint = connected(host)
    path = Path(peer, 1200)
    endpoint.send(TEXT[:50_000])
    path.carry(50_000)
    path.mtu = 1400
    host.advance(10 * MINUTE)
    endpoint.send(TEXT[50_000:])
    path.carry(200_000)
    assert endpoint.info()["eff_mss"] == 1360
    assert host.counter("TCPMTUPFail") == 1


def test_probe_goes_only_where_there_is_text_enough_behind_it(host: Host) -> None:
    peer, endpoint = connected(host)
    endpoint.send(TEXT[:FULL])
    peer.take()
    narrow(peer, 1200, seq=1)
    peer.take()
    peer.send("A", ack=FULL + 1)
    host.advance(11 * MINUTE)
    endpoint.send(TEXT[:3000])
    assert max(sizes(peer.take())) == 1160


def test_switch_turns_all_of_it_off(make_host: MakeHost) -> None:
    host = make_host(path_mtu_discovery=0)
    peer, endpoint = connected(host)
    endpoint.send(TEXT[:FULL])
    peer.take()
    narrow(peer, 1200, seq=1)
    peer.expect_nothing()
    for _ in range(8):
        host.advance(host.until_deadline())
        peer.take()
    assert endpoint.info()["eff_mss"] == FULL


@pytest.mark.requirement("LIM-1")
def test_search_is_given_back_when_full_segments_pass_again(host: Host) -> None:
    peer, endpoint = connected(host)
    path = Path(peer, 1200)
    endpoint.send(TEXT[:50_000])
    path.carry(50_000)
    assert host.engine.usage()["path_searches"] == 1
    path.mtu = 1500
    host.advance(10 * MINUTE)
    endpoint.send(TEXT[50_000:])
    path.carry(200_000)
    assert host.engine.usage()["path_searches"] == 0


@pytest.mark.parametrize("algorithm", ["cubic", "newreno", "bbr"])
def test_every_algorithm_goes_on_over_a_path_that_narrows(make_host: MakeHost, algorithm: str) -> None:
    host = make_host(congestion=algorithm)
    peer, endpoint = connected(host, timestamps=True)
    endpoint.send(TEXT)
    path = Path(peer, 1500)
    path.carry(50_000, 600)
    path.mtu = 900
    path.carry(150_000, 900)
    path.mtu = 600
    path.tells = False
    path.carry(200_000, 1200)
    assert endpoint.info()["phase"] in (OPEN, LOSS)
    assert host.counter("IllegalTransitions") == 0
