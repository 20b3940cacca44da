"""Close with everything delivered: the most important row of all."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tcp.scripted_peer import MINUTE, SECOND, Host, Peer
from tests.tcp.segments import wanted

pytestmark = pytest.mark.requirement("SND-10")


def drain(peer, *, lose=()):
    """Reads as an honest peer until the FIN has come; the bytes. `lose`: numbers of segments that do not arrive."""
    seen = {}
    number = 0
    for _ in range(3000):
        found = peer.take()
        arrived = []
        for segment in found:
            number += 1
            if number not in lose:
                arrived.append(segment)
                for at, value in enumerate(segment.text):
                    seen[segment.seq - 1 + at] = value
        if any("R" in segment.flags for segment in found):
            pytest.fail("the connection was reset")
        # recompute what is contiguous, since take() believed that all arrived
        end = 0
        while end in seen:
            end += 1
        finished = any("F" in segment.flags and segment.seq - 1 + len(segment.text) == end for segment in arrived)
        peer.ack = 1 + end + finished
        if finished:
            peer.send("A")
            peer.take()
            return bytes(seen[at] for at in range(end))
        if arrived:
            peer.send("A")
        else:
            peer.host.advance(peer.host.until_deadline())
    raise AssertionError("no FIN came")


@pytest.mark.parametrize("size", [0, 1, 1459, 1460, 1461, 14600, 65535, 65536, 200_000])
@pytest.mark.parametrize("offloads", [False, True])
def test_everything_sent_before_close_arrives_before_the_fin(make_host, size, offloads):
    host = make_host(vnet_header=True, offloads=True) if offloads else make_host()
    peer = Peer(host)
    endpoint = peer.open_passively()
    text = bytes(at * 7 & 0xFF for at in range(size))
    if size:
        assert endpoint.send(text) == size
    endpoint.close()
    assert drain(peer) == text
    assert host.engine.usage()["orphans"] == 1
    peer.send("FA")
    peer.expect(wanted("A", seq=2 + size, ack=2))
    usage = host.engine.usage()
    assert (usage["orphans"], usage["connections"], usage["time_wait"], usage["chunks"]) == (0, 0, 1, 0)


@settings(max_examples=40, deadline=None)
@given(size=st.integers(0, 60_000), lose=st.sets(st.integers(1, 60), max_size=20))
def test_everything_arrives_whatever_single_segments_are_lost(size, lose):
    host = Host()
    peer = Peer(host)
    endpoint = peer.open_passively()
    text = bytes(at * 11 & 0xFF for at in range(size))
    if size:
        endpoint.send(text)
    endpoint.close()
    assert drain(peer, lose=lose) == text
    peer.send("FA")
    assert host.engine.usage()["time_wait"] == 1
    host.finish()


def test_fin_rides_on_the_last_text(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    peer.send("A", window=0)
    endpoint.send(b"bye")
    endpoint.close()
    peer.send("A", window=1000)
    found = peer.take()
    assert found[-1].flags == "FPA"
    assert b"".join(segment.text for segment in found) == b"bye"


@pytest.mark.parametrize(("room", "flags"), [(3, "PA"), (4, "FPA")])
def test_fin_does_not_go_beyond_the_window(host, room, flags):
    peer = Peer(host)
    endpoint = peer.open_passively()
    peer.send("A", window=0)
    endpoint.send(b"bye")
    endpoint.close()
    peer.send("A", window=room)
    peer.expect(wanted(flags, seq=1, text=b"bye"))


@pytest.mark.parametrize("room", [2, 3, 4])
def test_fin_needs_room_in_the_window(host, room):
    peer = Peer(host)
    endpoint = peer.open_passively()
    peer.send("A", window=0)
    endpoint.send(b"bye")
    endpoint.close()
    peer.send("A", window=room)
    text = b""
    for _ in range(20):
        found = peer.take()
        text += b"".join(segment.text for segment in found)
        if found and "F" in found[-1].flags:
            break
        peer.send("A", window=room) if found else host.advance(host.until_deadline())
    assert text == b"bye"
    assert peer.ack == 5


def test_close_with_unread_data_resets(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    peer.send("A", text=b"unread")
    peer.take()
    endpoint.close()
    assert [segment.flags for segment in peer.take()] == ["RA"]
    assert host.engine.usage()["connections"] == 0


def test_data_that_arrives_after_close_resets(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.close()
    peer.take()
    peer.send("A", text=b"late")
    assert [segment.flags for segment in peer.take()] == ["RA"]
    assert host.engine.usage()["connections"] == 0


def test_copy_of_data_that_was_read_before_the_close_does_not_reset(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    peer.send("A", text=b"request")
    endpoint.receive_into(bytearray(100))
    endpoint.send(b"response")
    endpoint.close()
    peer.take()
    # our ACK was lost, the request comes again
    peer.send("A", seq=1, ack=1, text=b"request")
    peer.expect(wanted("A", seq=10, ack=8))
    assert host.engine.usage()["orphans"] == 1


def test_orphan_in_fin_wait_2_ends_after_60_s_with_rst(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.close()
    peer.take()
    peer.send("A")
    host.advance(MINUTE - 1)
    assert host.engine.usage()["orphans"] == 1
    peer.expect_nothing()
    host.advance(1)
    assert host.engine.usage()["orphans"] == 0
    assert [segment.flags for segment in peer.take()] == ["RA"]


@pytest.mark.parametrize("window", [1, 1000, 0])
def test_window_updates_do_not_keep_an_orphan_in_fin_wait_2_alive(host, window):
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.close()
    peer.take()
    peer.send("A")
    host.advance(10 * SECOND)
    peer.send("A", window=window)
    host.advance(10 * SECOND)
    peer.send("A", window=window + 1)
    host.advance(40 * SECOND)
    assert host.engine.usage()["orphans"] == 0


def test_close_after_the_peer_closed_leaves_no_time_wait(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    peer.send("FA")
    endpoint.send(b"rest")
    endpoint.close()
    peer.take()
    assert peer.ack == 6
    peer.send("A")
    usage = host.engine.usage()
    assert (usage["connections"], usage["time_wait"], usage["orphans"]) == (0, 0, 0)


def test_handle_that_dies_unclosed_closes_in_order(host):
    peer = Peer(host)
    endpoint = peer.open_passively()
    endpoint.send(b"forgotten")
    host.endpoints.clear()
    del endpoint
    host.advance(1)
    found = peer.take()
    assert b"".join(segment.text for segment in found) == b"forgotten"
    assert "F" in found[-1].flags
