"""What our ACKs report of text that came twice (RFC 2883)."""

import pytest

from tests.tcp.receiving import SIZE, at, deliver, drain, report, span, text_of
from tests.tcp.scripted_peer import Peer
from tests.tcp.segments import VnetHeader, wanted

pytestmark = pytest.mark.requirement("REC-1")


@pytest.fixture
def peer(host):
    peer = Peer(host, sack=True)
    peer.open_passively()
    return peer


@pytest.mark.requirement("SEG-3", "SEG-7")
def test_old_segment_is_reported_alone(peer):
    # RFC 2883 4.1.1: its ACK was lost
    deliver(peer, 0)
    deliver(peer, 1)
    peer.take()
    assert report(peer, 0) == (at(2), [span(0, 1)])
    assert peer.host.counter("TCPDSACKOldSent") == 1


def test_old_segment_is_reported_before_what_is_held(peer):
    # RFC 2883 4.1.2
    deliver(peer, 0)
    peer.take()
    assert report(peer, 2) == (at(1), [span(2, 3)])
    assert report(peer, 3) == (at(1), [span(2, 4)])
    assert report(peer, 0) == (at(1), [span(0, 1), span(2, 4)])
    assert report(peer, 5) == (at(1), [span(5, 6), span(2, 4)])


def test_duplicate_above_a_hole_is_reported_before_the_block_that_holds_it(peer):
    # RFC 2883 4.1.3
    deliver(peer, 0)
    deliver(peer, 2)
    deliver(peer, 3)
    peer.take()
    assert report(peer, 2) == (at(1), [span(2, 3), span(2, 4)])
    assert peer.host.counter("TCPDSACKOfoSent") == 1
    assert report(peer, 4) == (at(1), [span(2, 5)])


def test_duplicate_of_an_older_block_brings_that_block_to_the_second_place(peer):
    for number in (2, 4, 6, 8):
        deliver(peer, number)
    peer.take()
    assert report(peer, 4)[1] == [span(4, 5), span(4, 5), span(8, 9), span(6, 7)]


@pytest.mark.requirement("SEG-7")
def test_partly_old_segment_reports_its_old_part(peer):
    # RFC 2883 4.2.1
    deliver(peer, 0, 2)
    peer.take()
    assert report(peer, 1, 3) == (at(4), [span(1, 2)])


def test_segment_that_starts_a_hole_earlier_and_overlaps_reports_the_overlap(peer):
    # RFC 2883 4.2.2
    deliver(peer, 3, 2)
    peer.take()
    assert report(peer, 2, 2) == (1, [span(3, 4), span(2, 5)])


def test_segment_in_order_that_overlaps_what_is_held_reports_the_overlap(peer):
    # the bytes above the hole came twice, though the ACK has passed them since
    deliver(peer, 1)
    peer.take()
    assert report(peer, 0, 3) == (at(3), [span(1, 2)])


def test_two_separate_duplicates_in_one_segment_report_the_first(peer):
    # RFC 2883 4.2.3
    deliver(peer, 2)
    deliver(peer, 4)
    peer.take()
    number, blocks = report(peer, 1, 5)
    assert number == 1
    assert blocks[0] == span(2, 3)
    assert blocks[1] == span(1, 6)


def test_duplicate_is_reported_once(peer):
    deliver(peer, 0)
    peer.take()
    assert report(peer, 0)[1] == [span(0, 1)]
    assert report(peer, 2)[1] == [span(2, 3)]
    assert report(peer, 1) == (at(3), [])


def test_duplicate_that_comes_again_is_reported_again(peer):
    deliver(peer, 0)
    peer.take()
    for _ in range(3):
        assert report(peer, 0)[1] == [span(0, 1)]


def test_duplicates_next_to_each_other_in_one_drain_are_one_report(peer):
    for number in range(4):
        deliver(peer, number)
    peer.take()
    (answer,) = drain(peer, [1, 2, 3])
    assert (answer.ack, answer.blocks) == (at(4), (span(1, 4),))


def test_each_of_several_duplicates_in_one_drain_is_reported(peer):
    # RFC 2883 4: each duplicate has its report; an ACK has place for one
    for number in range(6):
        deliver(peer, number)
    peer.take()
    answers = drain(peer, [0, 2, 4])
    assert [answer.blocks[0] for answer in answers] == [span(0, 1), span(2, 3), span(4, 5)]


@pytest.mark.requirement("TCPX-1")
def test_duplicate_takes_one_of_the_three_places_beside_timestamps(host):
    peer = Peer(host, sack=True, timestamps=True)
    peer.open_passively()
    deliver(peer, 0)
    for number in (2, 4, 6):
        deliver(peer, number)
    peer.take()
    assert report(peer, 0)[1] == [span(0, 1), span(6, 7), span(4, 5)]
    assert report(peer, 8)[1] == [span(8, 9), span(6, 7), span(4, 5)]


def test_duplicate_waits_for_a_segment_with_room(host):
    peer = Peer(host, sack=True, scale=4)
    endpoint = peer.open_passively()
    deliver(peer, 0)
    endpoint.send(b"x" * 14600)
    peer.take()
    endpoint.send(b"x" * 5840)
    frames = [bytes(peer.segment("A", at(0), text=text_of(0))), bytes(peer.segment("A", at(1), 2921))]
    host.engine.frames_arrive(frames, host.now)
    answers = peer.take()
    assert any(answer.text for answer in answers)
    assert [answer.blocks for answer in answers if answer.blocks] == [(span(0, 1),)]


def test_duplicate_superframe_is_one_report(make_host):
    host = make_host(vnet_header=True)
    peer = Peer(host, sack=True)
    peer.open_passively()
    vnet = VnetHeader(flags=1, gso_type=1, hdr_len=40, gso_size=SIZE, csum_start=20, csum_offset=16)
    for _ in range(2):
        peer.send("A", seq=at(0), text=text_of(0, 8), vnet=vnet)
    answers = peer.take()
    assert [answer.blocks for answer in answers] == [(), (span(0, 8),)]


@pytest.mark.parametrize("kind", ["keepalive", "fin", "empty"])
def test_what_holds_no_old_text_is_no_duplicate(peer, kind):
    deliver(peer, 0)
    peer.take()
    if kind == "keepalive":
        peer.send("A", seq=at(1) - 1)
    elif kind == "fin":
        peer.send("FA", seq=at(1))
        peer.take()
        peer.send("FA", seq=at(1))
    else:
        peer.send("A", seq=at(0))
    assert all(not answer.blocks for answer in peer.take())


def test_text_refused_by_a_closed_window_is_no_duplicate(make_host):
    host = make_host(receive_buffer=4 * SIZE)
    peer = Peer(host, sack=True, mss=SIZE)
    peer.open_passively()
    deliver(peer, 0, 4)
    peer.take()
    peer.send("A", seq=at(4), text=b"p")
    peer.expect(wanted("A", ack=at(4), blocks=()))
