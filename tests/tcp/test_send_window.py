"""The peer's window: which segments set it (RFC 9293 3.10.7.4), and how much of it is used."""

import pytest

from tests.tcp.scripted_peer import Peer
from tests.tcp.segments import wanted

MSS = 1460


@pytest.fixture
def peer(host):
    return Peer(host)


def window_of(endpoint) -> int:
    """SND.WND."""
    return endpoint.info()["snd_wnd"]


@pytest.mark.requirement("SEG-2")
def test_segment_that_was_overtaken_does_not_set_the_window(peer):
    endpoint = peer.open_passively()
    peer.send("A", seq=101, text=b"y" * 100, window=5000)
    assert window_of(endpoint) == 5000
    peer.send("A", seq=1, text=b"x" * 100, window=9000)
    peer.take()
    # its text is taken, what it says of the window is outdated
    assert endpoint.info()["rcv_nxt"] == endpoint.info()["irs"] + 201
    assert window_of(endpoint) == 5000
    peer.send("A", seq=201, window=9000)
    assert window_of(endpoint) == 9000


@pytest.mark.requirement("SEG-2")
def test_ack_that_was_overtaken_does_not_set_the_window(peer):
    endpoint = peer.open_passively()
    endpoint.send(b"x" * 2 * MSS)
    peer.take()
    peer.send("A", ack=1 + 2 * MSS, window=3000)
    assert window_of(endpoint) == 3000
    peer.send("A", ack=1 + MSS, window=9000)
    assert window_of(endpoint) == 3000
    # of two with the same numbers the later arrival is the newer as far as one can tell
    peer.send("A", ack=1 + 2 * MSS, window=4000)
    assert window_of(endpoint) == 4000


@pytest.mark.requirement("SEG-2", "SND-5")
def test_window_that_an_overtaken_segment_opens_lets_nothing_go(peer):
    endpoint = peer.open_passively()
    peer.send("A", seq=101, text=b"y" * 100, window=0)
    endpoint.send(b"x" * 1000)
    peer.expect(wanted("A", ack=1, window=None))
    peer.send("A", seq=1, text=b"y" * 100, window=8000)
    peer.expect(wanted("A", seq=1, ack=201))
    peer.send("A", seq=201, window=8000)
    peer.expect(wanted("PA", seq=1, text=b"x" * 1000))


@pytest.mark.requirement("SND-9", "SND-3")
@pytest.mark.parametrize("window", [20_000, 3 * MSS + 1, 5 * MSS - 1])
def test_window_that_is_no_whole_number_of_segments_is_used_in_whole_ones(make_host, window):
    host = make_host(vnet_header=True, offloads=True, initial_window=100)
    peer = Peer(host, window=window)
    endpoint = peer.open_passively()
    endpoint.send(bytes(100_000))
    assert sum(len(segment.text) for segment in peer.take()) == window - window % MSS
