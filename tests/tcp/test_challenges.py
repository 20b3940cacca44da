"""RST, SYN and ACK that an attacker might have sent (RFC 5961), and the limit of challenge ACKs."""

import pytest

from netcore import endpoint as core
from tests.tcp.scripted_peer import MILLISECOND, SECOND, Peer, state_of
from tests.tcp.segments import wanted

WINDOW = 4000


@pytest.fixture
def peer(make_host):
    return Peer(make_host(receive_buffer=WINDOW))


@pytest.mark.requirement("SEG-4")
def test_rst_at_rcv_nxt_ends_the_connection(peer):
    endpoint = peer.open_passively()
    peer.send("R")
    peer.expect_nothing()
    assert (state_of(endpoint), endpoint.status) == ("CLOSED", core.RESET)


@pytest.mark.requirement("SEG-4")
@pytest.mark.parametrize("seq", [2, 100, WINDOW])
def test_rst_elsewhere_in_the_window_is_challenged(peer, seq):
    endpoint = peer.open_passively()
    peer.send("R", seq=seq)
    peer.expect(wanted("A", seq=1, ack=1))
    assert state_of(endpoint) == "ESTABLISHED"
    assert peer.host.counter("TCPChallengeACK") == 1


@pytest.mark.requirement("SEG-4")
@pytest.mark.parametrize("seq", [0, -1, WINDOW + 1, WINDOW + 2, 1 << 30, 1 << 31])
def test_rst_outside_the_window_is_dropped(peer, seq):
    endpoint = peer.open_passively()
    peer.send("R", seq=seq)
    peer.expect_nothing()
    assert state_of(endpoint) == "ESTABLISHED"


@pytest.mark.requirement("SEG-4")
def test_honest_peer_answers_the_challenge_and_the_connection_ends(peer):
    endpoint = peer.open_passively()
    peer.send("R", seq=7)
    (challenge,) = peer.expect(wanted("A", seq=1, ack=1))
    peer.send("R", seq=challenge.ack)
    assert state_of(endpoint) == "CLOSED"


@pytest.mark.requirement("SEG-4")
@pytest.mark.parametrize("state", ["FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING", "LAST-ACK"])
def test_rst_rules_hold_in_closing_states(peer, state):
    endpoint = peer.open_passively()
    if state in ("CLOSE-WAIT", "LAST-ACK"):
        peer.send("FA")
    if state != "CLOSE-WAIT":
        endpoint.shutdown_send()
    if state == "CLOSING":
        peer.send("FA", ack=1)
    if state == "FIN-WAIT-2":
        peer.take()
        peer.send("A")
    assert state_of(endpoint) == state
    peer.take()
    peer.send("R", seq=peer.seq + 1)
    received = 1 if state.startswith("FIN-WAIT") else 2
    peer.expect(wanted("A", seq=1 if state == "CLOSE-WAIT" else 2, ack=received))
    peer.send("R", seq=peer.seq - 1)
    peer.expect_nothing()
    assert state_of(endpoint) == state
    peer.send("R")
    assert state_of(endpoint) == "CLOSED"


@pytest.mark.requirement("SEG-4")
def test_rst_at_rcv_nxt_in_syn_received_takes_the_connection_out_of_the_queue(peer):
    listener = peer.host.listen()
    peer.send("S")
    peer.take()
    peer.send("R", seq=2)
    peer.expect(wanted("A", seq=1, ack=1))
    assert listener.occupancy == 1
    peer.send("R")
    peer.expect_nothing()
    assert listener.occupancy == 0
    assert peer.host.engine.usage()["connections"] == 0


@pytest.mark.requirement("SEG-4")
@pytest.mark.parametrize(
    ("flags", "ack", "ends"), [("R", 0, False), ("RA", 0, False), ("RA", 2, False), ("RA", 1, True)]
)
def test_rst_in_syn_sent_counts_only_with_the_ack_of_our_syn(make_host, flags, ack, ends):
    host = make_host(syn_retries=0)
    peer = Peer(host)
    endpoint = host.connect(peer.our_port, peer.port)
    peer.take()
    peer.send(flags, ack=ack)
    peer.expect_nothing()
    assert (endpoint.status == core.REFUSED) == ends


@pytest.mark.requirement("SEG-5")
@pytest.mark.parametrize("seq", [0, 1, 2, WINDOW, WINDOW + 1, -70000, 1 << 31])
@pytest.mark.parametrize("flags", ["S", "SA"])
def test_syn_on_a_synchronized_connection_is_challenged_whatever_its_number(peer, seq, flags):
    endpoint = peer.open_passively()
    peer.send(flags, seq=seq)
    peer.expect(wanted("A", seq=1, ack=1))
    assert state_of(endpoint) == "ESTABLISHED"


@pytest.mark.requirement("SEG-5", "SEG-12")
def test_syn_without_timestamps_on_a_connection_with_them_is_challenged(make_host):
    peer = Peer(make_host(), timestamps=True)
    endpoint = peer.open_passively()
    # the peer has started anew, with timestamps switched off
    peer.send("S", seq=5000, options=[("MSS", 1460)])
    peer.expect(wanted("A", seq=1, ack=1))
    peer.send("R")
    assert state_of(endpoint) == "CLOSED"


@pytest.mark.requirement("SEG-5")
def test_duplicate_syn_in_syn_received_gets_the_syn_ack_again(peer):
    peer.host.listen()
    peer.send("S")
    (first,) = peer.expect(wanted("SA", seq=0, ack=1))
    peer.send("S", seq=0)
    (again,) = peer.expect(wanted("SA", seq=0, ack=1))
    assert again.options == first.options
    peer.send("A")
    assert peer.host.listeners[0].finished == 1


@pytest.mark.requirement("SEG-5", "SND-7")
def test_duplicate_syns_do_not_keep_a_half_open_connection_alive(make_host):
    peer = Peer(make_host())
    peer.host.listen()
    peer.send("S")
    for _ in range(400):
        peer.host.advance(SECOND // 2)
        peer.send("S", seq=0)
        if not peer.host.counter("AttemptFails"):
            continue
        break
    assert peer.host.counter("AttemptFails") == 1


@pytest.mark.requirement("SEG-5")
def test_other_syn_in_the_window_in_syn_received_is_challenged(peer):
    peer.host.listen()
    peer.send("S")
    peer.take()
    peer.send("S", seq=100)
    peer.expect(wanted("A", seq=1, ack=1))
    assert peer.host.listeners[0].occupancy == 1


@pytest.mark.requirement("SEG-5")
@pytest.mark.parametrize("ack", [0, 2, -1, 70000, 1 << 31])
def test_unacceptable_ack_in_syn_received_gets_rst(peer, ack):
    listener = peer.host.listen()
    peer.send("S")
    peer.take()
    peer.send("A", ack=ack)
    peer.expect(wanted("R", seq=(ack + (1 << 31)) % (1 << 32) - (1 << 31)))
    assert listener.finished == 0
    peer.send("A", ack=1)
    assert listener.finished == 1


@pytest.mark.requirement("SEG-5")
@pytest.mark.parametrize("ack", [0, 2, 70000])
def test_unacceptable_ack_in_syn_sent_gets_rst(host, ack):
    peer = Peer(host)
    endpoint = host.connect(peer.our_port, peer.port)
    peer.take()
    peer.send("SA", seq=0, ack=ack)
    peer.expect(wanted("R", seq=ack))
    assert state_of(endpoint) == "SYN-SENT"


@pytest.mark.requirement("SEG-6")
@pytest.mark.parametrize(
    ("ack", "acceptable"),
    [(1001, True), (1000, True), (501, True), (500, False), (1 - 70000, False), (1501, True), (1502, False)],
)
def test_ack_is_acceptable_from_una_less_the_largest_window_to_nxt(make_host, ack, acceptable):
    peer = Peer(make_host(), window=500)
    endpoint = peer.open_passively()
    endpoint.nodelay = True
    for _ in range(2):
        endpoint.send(b"x" * 500)
        peer.take()
        peer.send("A")
    endpoint.send(b"y" * 500)
    endpoint.send(b"z" * 500)
    peer.take()
    # SND.UNA is 1001 now, SND.NXT 1501: only 500 may be out, and that is the largest window so far
    peer.send("A", ack=ack, text=b"t")
    assert endpoint.readable_bytes == (1 if acceptable else 0)
    if not acceptable:
        peer.expect(wanted("A", seq=1501, ack=1))
    assert peer.host.counter("TCPChallengeACK") == (0 if acceptable else 1)


@pytest.mark.requirement("SEG-6")
def test_largest_window_ever_counts_for_old_acks(make_host):
    peer = Peer(make_host(), window=5000)
    endpoint = peer.open_passively()
    endpoint.send(b"x" * 1000)
    peer.take()
    peer.send("A", window=10)
    peer.send("A", ack=1, text=b"t", window=10)
    assert endpoint.readable_bytes == 1


@pytest.mark.requirement("SEG-6")
def test_old_ack_does_not_set_the_window(peer):
    endpoint = peer.open_passively()
    endpoint.send(b"x" * 100)
    peer.take()
    peer.send("A", window=3000)
    # RFC 9293 3.10.7.4: only an ACK from SND.UNA on may; this one is acceptable, but old
    peer.send("A", ack=50, window=1, text=b"t")
    assert endpoint.readable_bytes == 1
    assert endpoint.info()["snd_wnd"] == 3000


@pytest.mark.requirement("SEG-8")
@pytest.mark.parametrize("kind", ["syn", "rst", "ack", "dataless"])
def test_challenges_of_one_connection_are_limited_to_one_in_500_ms(peer, kind):
    peer.open_passively()

    def provoke():
        if kind == "syn":
            peer.send("S", seq=77)
        elif kind == "rst":
            peer.send("R", seq=77)
        elif kind == "ack":
            peer.send("A", ack=99999)
        else:
            peer.send("A", seq=-77)

    provoke()
    peer.expect(wanted("A", seq=1, ack=1))
    peer.host.advance(499 * MILLISECOND)
    for _ in range(20):
        provoke()
    peer.expect_nothing()
    assert peer.host.counter("TCPACKSkippedChallenge") == 20
    peer.host.advance(MILLISECOND)
    provoke()
    provoke()
    peer.expect(wanted("A", seq=1, ack=1))


@pytest.mark.requirement("SEG-8")
def test_limit_is_shared_by_the_kinds_of_one_connection(peer):
    peer.open_passively()
    peer.send("S", seq=77)
    peer.send("R", seq=77)
    peer.send("A", ack=99999)
    peer.send("A", seq=-77)
    peer.expect(wanted("A", seq=1, ack=1))


@pytest.mark.requirement("SEG-8")
def test_challenges_of_one_connection_do_not_use_up_anothers(host):
    # a global limit would let a third party find out whether a connection exists
    host.listen()
    peers = [Peer(host, port=port) for port in range(40000, 40020)]
    for peer in peers:
        peer.open_passively()
    for peer in peers:
        for _ in range(3):
            peer.send("R", seq=9)
        assert [segment.flags for segment in peer.take()] == ["A"]


@pytest.mark.requirement("SEG-12")
@pytest.mark.parametrize("timestamps", [False, True])
def test_peer_that_lost_its_state_and_sends_syn_ends_the_connection(make_host, timestamps):
    host = make_host()
    peer = Peer(host, timestamps=timestamps)
    endpoint = peer.open_passively()
    host.advance(SECOND)
    # new incarnation: a fresh number, and a clock that began again
    peer.tsval = 3
    peer.tsecr = 0
    peer.send("S", seq=123456)
    (challenge,) = peer.expect(wanted("A", seq=1, ack=1))
    peer.send("R", seq=challenge.ack)
    assert (state_of(endpoint), endpoint.status) == ("CLOSED", core.RESET)
    # and its next SYN is admitted
    fresh = Peer(host, timestamps=timestamps, iss=99)
    fresh.send("S")
    fresh.expect(wanted("SA", seq=0, ack=1))


@pytest.mark.requirement("SEG-12")
def test_peer_without_state_that_gets_our_data_resets(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.send(b"is anybody there")
    (sent,) = peer.expect(wanted("PA", seq=1, ack=1, text=b"is anybody there"))
    # what a host without the connection answers: RST numbered by our ACK
    peer.send("R", seq=sent.ack)
    assert endpoint.status == core.RESET
