"""The eleven states and every transition of RFC 9293 figure 5."""

import pytest

from netcore.engine import state_name, transitions
from tests.tcp.scripted_peer import MINUTE, SECOND, Peer, state_of
from tests.tcp.segments import wanted

pytestmark = pytest.mark.requirement("SEG-1")


def test_names_of_states_are_those_of_the_rfc():
    names = [state_name(number) for number in range(11)]
    assert names == [
        "CLOSED", "LISTEN", "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT",
        "CLOSING", "LAST-ACK", "TIME-WAIT",
    ]  # fmt: skip


def test_table_of_transitions_holds_figure_5_and_ends():
    figure = {
        ("CLOSED", "LISTEN"), ("CLOSED", "SYN-SENT"), ("LISTEN", "SYN-RECEIVED"), ("LISTEN", "SYN-SENT"),
        ("LISTEN", "CLOSED"), ("SYN-SENT", "SYN-RECEIVED"), ("SYN-SENT", "ESTABLISHED"), ("SYN-SENT", "CLOSED"),
        ("SYN-RECEIVED", "ESTABLISHED"), ("SYN-RECEIVED", "FIN-WAIT-1"), ("ESTABLISHED", "FIN-WAIT-1"),
        ("ESTABLISHED", "CLOSE-WAIT"), ("FIN-WAIT-1", "FIN-WAIT-2"), ("FIN-WAIT-1", "CLOSING"),
        ("FIN-WAIT-1", "TIME-WAIT"), ("FIN-WAIT-2", "TIME-WAIT"), ("CLOSE-WAIT", "LAST-ACK"),
        ("CLOSING", "TIME-WAIT"), ("LAST-ACK", "CLOSED"), ("TIME-WAIT", "CLOSED"),
    }  # fmt: skip
    table = set(transitions())
    assert figure <= table
    extra = {(before, after) for before, after in table - figure if after != "CLOSED"}
    assert extra <= {("CLOSED", "SYN-RECEIVED")}


def test_active_open_goes_through_syn_sent(host):
    peer = Peer(host)
    endpoint = host.connect(5000, peer.port)
    peer.our_port = 5000
    assert state_of(endpoint) == "SYN-SENT"
    peer.expect(wanted("S", seq=0))
    peer.send("SA")
    peer.expect(wanted("A", seq=1, ack=1))
    assert state_of(endpoint) == "ESTABLISHED"


def test_passive_open_goes_through_syn_received(host):
    peer = Peer(host)
    listener = host.listen()
    peer.send("S")
    peer.expect(wanted("SA", seq=0, ack=1))
    assert (host.engine.usage()["half_open"], listener.occupancy, listener.finished) == (1, 1, 0)
    peer.send("A")
    peer.expect_nothing()
    assert (host.engine.usage()["half_open"], listener.occupancy, listener.finished) == (0, 1, 1)
    assert state_of(host.accept(listener)) == "ESTABLISHED"


def test_simultaneous_open_with_syn_ack_establishes(host):
    peer = Peer(host)
    endpoint = host.connect(peer.our_port, peer.port)
    peer.expect(wanted("S", seq=0))
    peer.send("S")
    assert state_of(endpoint) == "SYN-RECEIVED"
    peer.expect(wanted("SA", seq=0, ack=1))
    peer.send("SA", seq=0)
    assert state_of(endpoint) == "ESTABLISHED"
    endpoint.send(b"data")
    assert b"".join(segment.text for segment in peer.take()) == b"data"
    peer.send("A", text=b"back")
    assert endpoint.readable_bytes == 4


def test_simultaneous_open_with_bare_ack_establishes(host):
    peer = Peer(host)
    endpoint = host.connect(peer.our_port, peer.port)
    peer.expect(wanted("S", seq=0))
    peer.send("S")
    peer.expect(wanted("SA", seq=0, ack=1))
    peer.send("A")
    peer.expect_nothing()
    assert state_of(endpoint) == "ESTABLISHED"


def test_simultaneous_open_with_scaling_keeps_the_windows_right(host):
    peer = Peer(host, scale=3, window=1000)
    endpoint = host.connect(peer.our_port, peer.port)
    peer.expect(wanted("S", seq=0))
    peer.send("S")
    peer.expect(wanted("SA", seq=0, ack=1))
    peer.send("SA", seq=0)
    # the window of a SYN is not scaled
    assert endpoint.info()["snd_wnd"] == 1000
    peer.send("A")
    assert endpoint.info()["snd_wnd"] == 8000


@pytest.mark.requirement("SND-3")
def test_syn_ack_that_comes_again_behind_an_ack_leaves_the_right_edge_where_it_is(host):
    peer = Peer(host, scale=3)
    host.connect(peer.our_port, peer.port)
    peer.take()
    peer.send("S")
    (first,) = peer.expect(wanted("SA", seq=0, ack=1))
    # what lies beyond the window is answered, and that answer has a window that is scaled
    peer.send("A", seq=1 << 30, text=b"x")
    (answer,) = peer.expect(wanted("A", seq=1, ack=1))
    edge = answer.window << first.options["WScale"]
    assert edge > 100_000
    peer.send("S", seq=0)
    peer.expect(wanted("SA", seq=0, ack=1))
    peer.send("A", seq=edge, text=b"x")
    assert host.counter("TCPOFOQueue") == 1


def test_lost_syn_ack_of_simultaneous_open_is_sent_again(host):
    peer = Peer(host)
    host.connect(peer.our_port, peer.port)
    peer.take()
    peer.send("S")
    peer.expect(wanted("SA", seq=0, ack=1))
    host.advance(2 * SECOND)
    peer.expect(wanted("SA", seq=0, ack=1))


def test_close_in_syn_received_of_simultaneous_open_waits_for_established(host):
    peer = Peer(host)
    endpoint = host.connect(peer.our_port, peer.port)
    peer.take()
    peer.send("S")
    peer.expect(wanted("SA", seq=0, ack=1))
    endpoint.close()
    peer.expect_nothing()
    peer.send("A")
    peer.expect(wanted("FA", seq=1, ack=1))
    peer.send("A")
    peer.send("FA")
    peer.expect(wanted("A", seq=2, ack=2))
    assert host.engine.usage()["time_wait"] == 1


def test_close_in_syn_sent_ends_without_a_word(host):
    peer = Peer(host)
    endpoint = host.connect(peer.our_port, peer.port)
    peer.expect(wanted("S", seq=0))
    endpoint.close()
    peer.expect_nothing()
    assert host.engine.usage()["connections"] == 0


def test_shutdown_first_goes_through_fin_wait_1_and_2_to_time_wait(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.shutdown_send()
    assert state_of(endpoint) == "FIN-WAIT-1"
    peer.expect(wanted("FA", seq=1, ack=1))
    peer.send("A")
    assert state_of(endpoint) == "FIN-WAIT-2"
    peer.expect_nothing()
    peer.send("FA")
    peer.expect(wanted("A", seq=2, ack=2))
    assert state_of(endpoint) == "TIME-WAIT"
    host.advance(MINUTE)
    assert host.engine.usage()["time_wait"] == 0


def test_fin_with_ack_of_ours_goes_straight_to_time_wait(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.shutdown_send()
    peer.expect(wanted("FA", seq=1, ack=1))
    peer.send("FA")
    peer.expect(wanted("A", seq=2, ack=2))
    assert state_of(endpoint) == "TIME-WAIT"


def test_simultaneous_close_goes_through_closing(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.shutdown_send()
    peer.expect(wanted("FA", seq=1, ack=1))
    peer.send("FA", ack=1)
    assert state_of(endpoint) == "CLOSING"
    peer.expect(wanted("A", seq=2, ack=2))
    peer.send("A", ack=2)
    peer.expect_nothing()
    assert state_of(endpoint) == "TIME-WAIT"


def test_peer_closes_first_goes_through_close_wait_and_last_ack(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    peer.send("FA")
    assert state_of(endpoint) == "CLOSE-WAIT"
    peer.expect(wanted("A", seq=1, ack=2))
    endpoint.shutdown_send()
    assert state_of(endpoint) == "LAST-ACK"
    peer.expect(wanted("FA", seq=1, ack=2))
    peer.send("A")
    peer.expect_nothing()
    assert state_of(endpoint) == "CLOSED"
    assert host.engine.usage()["time_wait"] == 0


def test_half_closed_connection_still_receives_in_fin_wait_1_and_2(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.shutdown_send()
    peer.expect(wanted("FA", seq=1, ack=1))
    peer.send("A", ack=1, text=b"one")
    peer.expect(wanted("A", seq=2, ack=4))
    peer.send("A", ack=2, text=b"two")
    peer.expect(wanted("A", seq=2, ack=7))
    assert state_of(endpoint) == "FIN-WAIT-2"
    assert endpoint.readable_bytes == 6


def test_half_closed_connection_still_sends_in_close_wait(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    peer.send("FA")
    peer.expect(wanted("A", seq=1, ack=2))
    assert endpoint.send(b"more") == 4
    peer.expect(wanted("PA", seq=1, ack=2, text=b"more"))


@pytest.mark.parametrize("closer", ["ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING", "LAST-ACK"])
def test_abort_in_a_synchronized_state_sends_rst(host, closer):
    peer = Peer(host)
    endpoint = peer.open_passively()
    drive_to(closer, peer, endpoint)
    peer.take()
    sent = endpoint.info()["snd_nxt"] - endpoint.info()["iss"]
    endpoint.abort()
    found = peer.take()
    assert [segment.flags for segment in found] == ["RA"]
    assert found[0].seq == sent % (1 << 32)
    assert host.engine.usage()["connections"] == 0


def test_abort_of_half_open_connection_sends_rst(host):
    peer = Peer(host)
    listener = host.listen()
    peer.send("S")
    peer.expect(wanted("SA", seq=0, ack=1))
    listener.close()
    peer.expect(wanted("RA", seq=1, ack=1))


def drive_to(state, peer, endpoint):
    """Brings an established connection into another synchronized state."""
    if state in ("CLOSE-WAIT", "LAST-ACK"):
        peer.send("FA")
    if state in ("FIN-WAIT-1", "FIN-WAIT-2", "CLOSING", "LAST-ACK"):
        endpoint.shutdown_send()
    if state == "CLOSING":
        peer.send("FA", ack=1)
    if state == "FIN-WAIT-2":
        peer.take()
        peer.send("A")
    assert state_of(endpoint) == state
