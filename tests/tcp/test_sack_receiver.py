"""What our ACKs report of text beyond a hole (RFC 2018)."""

import random

import pytest

from tests.tcp.receiving import SIZE, at, deliver, drain, report, span, text_of
from tests.tcp.scripted_peer import SECOND, Host, Peer, read_all
from tests.tcp.segments import wanted
from tests.tcp.strangers import cookie_for, listener_under_attack

pytestmark = pytest.mark.requirement("REC-1")


@pytest.fixture
def peer(host):
    peer = Peer(host, sack=True)
    peer.open_passively()
    return peer


# ---- whether SACK is used at all


def test_offer_of_the_peer_is_answered(host):
    peer = Peer(host, sack=True)
    listener = host.listen()
    peer.send("S")
    (answer,) = peer.expect(wanted("SA"))
    assert "SAckOK" in answer.options
    peer.send("A")
    assert host.accept(listener).info()["sack"]
    deliver(peer, 1)
    (answer,) = peer.expect(wanted("A", ack=1))
    assert answer.blocks == (span(1, 2),)
    assert "SAckOK" not in answer.options  # RFC 2018 2: in a SYN alone


def test_silence_of_the_peer_is_not_taken_for_an_offer(host):
    peer = Peer(host)
    listener = host.listen()
    peer.send("S")
    (answer,) = peer.expect(wanted("SA"))
    assert "SAckOK" not in answer.options
    peer.send("A")
    assert not host.accept(listener).info()["sack"]
    deliver(peer, 1)
    peer.expect(wanted("A", ack=1, blocks=()))
    deliver(peer, 1)  # nor what came twice
    peer.expect(wanted("A", ack=1, blocks=()))


def test_offer_is_declined_where_sack_is_switched_off(make_host):
    host = make_host(sack=0)
    peer = Peer(host, sack=True)
    endpoint = peer.open_passively()
    assert not endpoint.info()["sack"]
    deliver(peer, 1)
    peer.expect(wanted("A", ack=1, blocks=()))


@pytest.mark.parametrize("accepted", [True, False])
def test_our_offer_counts_when_the_peer_takes_it(host, accepted):
    peer = Peer(host, sack=accepted)
    endpoint = host.connect(peer.our_port, peer.port)
    (syn,) = peer.expect(wanted("S"))
    assert "SAckOK" in syn.options
    peer.send("SA")
    peer.expect(wanted("A", ack=1))
    assert endpoint.info()["sack"] == accepted
    deliver(peer, 1)
    peer.expect(wanted("A", ack=1, blocks=(span(1, 2),) if accepted else ()))


def test_no_offer_where_sack_is_switched_off(make_host):
    host = make_host(sack=0)
    peer = Peer(host, sack=True)
    host.connect(peer.our_port, peer.port)
    (syn,) = peer.expect(wanted("S"))
    assert "SAckOK" not in syn.options


def test_simultaneous_open_agrees_on_sack(host):
    peer = Peer(host, sack=True)
    endpoint = host.connect(peer.our_port, peer.port)
    peer.expect(wanted("S"))
    peer.send("S")
    (answer,) = peer.expect(wanted("SA"))
    assert "SAckOK" in answer.options
    peer.send("SA", seq=0, ack=1)
    peer.take()
    assert endpoint.info()["sack"]


@pytest.mark.requirement("TCPX-3")
@pytest.mark.parametrize("sack", [True, False])
@pytest.mark.parametrize("scale", [None, 7])
def test_sack_permitted_comes_back_in_the_timestamp_of_a_cookie(host, sack, scale):
    listener, _ = listener_under_attack(host)
    peer = Peer(host, timestamps=True, scale=scale, sack=sack)
    answer = cookie_for(peer)
    assert ("SAckOK" in answer.options) == sack
    host.advance(SECOND)
    host.take_packets()
    peer.send("A")
    endpoint = host.accept(listener)
    assert endpoint.info()["sack"] == sack
    deliver(peer, 1)
    peer.expect(wanted("A", ack=1, blocks=(span(1, 2),) if sack else ()))


@pytest.mark.requirement("TCPX-3")
@pytest.mark.parametrize("without", ["timestamps", "sack"])
def test_cookie_that_cannot_remember_sack_does_not_agree_on_it(make_host, without):
    host = make_host(**{without: 0})
    listener, _ = listener_under_attack(host)
    peer = Peer(host, timestamps=True, sack=True)
    answer = cookie_for(peer)
    assert "SAckOK" not in answer.options
    peer.timestamps = without != "timestamps"
    peer.send("A")
    assert not host.accept(listener).info()["sack"]


# ---- what is reported (RFC 2018 4 and its examples of section 7)


def test_text_in_order_brings_no_blocks(peer):
    assert report(peer, 0) == (at(1), [])
    assert report(peer, 1) == (at(2), [])


def test_first_segment_lost_lets_one_block_grow(peer):
    # RFC 2018 7 case 2
    for number in range(1, 8):
        assert report(peer, number) == (1, [span(1, number + 1)])
    assert report(peer, 0) == (at(8), [])


def test_every_second_segment_lost_gives_the_newest_block_first(peer):
    # RFC 2018 7 case 3
    assert report(peer, 0) == (at(1), [])
    assert report(peer, 2) == (at(1), [span(2, 3)])
    assert report(peer, 4) == (at(1), [span(4, 5), span(2, 3)])
    assert report(peer, 6) == (at(1), [span(6, 7), span(4, 5), span(2, 3)])
    # segment 3 joins two blocks, which are the newest then
    assert report(peer, 3) == (at(1), [span(2, 5), span(6, 7)])
    # and segment 1 takes that one away
    assert report(peer, 1) == (at(5), [span(6, 7)])
    assert report(peer, 5) == (at(7), [])


@pytest.mark.requirement("TCPX-1")
@pytest.mark.parametrize(("timestamps", "most"), [(False, 4), (True, 3)])
def test_as_many_blocks_as_the_options_hold(host, timestamps, most):
    peer = Peer(host, sack=True, timestamps=timestamps)
    peer.open_passively()
    for count in range(1, 7):
        _, blocks = report(peer, 2 * count)
        recent = [span(2 * number, 2 * number + 1) for number in range(count, 0, -1)]
        assert blocks == recent[:most]


@pytest.mark.requirement("TCPX-1")
@pytest.mark.parametrize("timestamps", [False, True])
def test_each_block_is_repeated_in_the_next_acks(host, timestamps):
    # RFC 2018 4: a block should be in at least three successive ACKs
    peer = Peer(host, sack=True, timestamps=timestamps)
    peer.open_passively()
    seen = [report(peer, 2 * count)[1] for count in range(1, 10)]
    for count in range(1, 8):
        assert sum(span(2 * count, 2 * count + 1) in blocks for blocks in seen) >= 3


def test_old_block_that_grows_is_the_newest(peer):
    for number in (2, 4, 6, 8, 10):
        report(peer, number)
    assert report(peer, 3)[1] == [span(2, 5), span(10, 11), span(8, 9), span(6, 7)]
    assert report(peer, 7)[1] == [span(6, 9), span(2, 5), span(10, 11)]


def test_segment_that_joins_all_blocks_leaves_one(peer):
    for number in (1, 3, 5):
        report(peer, number)
    # over what is held already: the duplicate within it comes first (RFC 2883)
    deliver(peer, 2, 3)
    (answer,) = peer.expect(wanted("A", ack=1))
    assert answer.blocks[-1] == span(1, 6)
    assert report(peer, 0) == (at(6), [])


def test_acks_of_the_peers_acks_repeat_the_blocks(peer):
    # RFC 2018 4: in all ACKs that do not acknowledge the highest number held
    deliver(peer, 2)
    peer.take()
    peer.host.endpoints[0].send(b"short")
    peer.expect(wanted("PA", ack=1, text=b"short", blocks=(span(2, 3),)))


def test_hole_filled_partly_keeps_the_block(peer):
    deliver(peer, 0)
    deliver(peer, 3, 2)
    peer.take()
    assert report(peer, 1) == (at(2), [span(3, 5)])


def test_blocks_survive_the_wrap_of_sequence_numbers(host):
    peer = Peer(host, sack=True, iss=0xFFFFFFFF - 3 * SIZE)
    peer.open_passively()
    for number in (1, 3, 5):
        report(peer, number)
    assert report(peer, 7)[1] == [span(7, 8), span(5, 6), span(3, 4), span(1, 2)]
    assert report(peer, 2)[1] == [span(1, 4), span(7, 8), span(5, 6)]


def test_fin_beyond_a_hole_is_no_text_of_a_block(peer):
    peer.send("FA", seq=at(1), text=text_of(1))
    peer.expect(wanted("A", ack=1, blocks=(span(1, 2),)))


def test_text_beyond_the_last_permitted_hole_is_not_reported(make_host):
    # what is reported is kept: the peer drops its copy when the rest is acknowledged
    host = make_host(maximum_holes=3)
    peer = Peer(host, sack=True)
    endpoint = peer.open_passively()
    for number in (2, 4, 6):
        report(peer, number)
    assert span(8, 9) not in report(peer, 8)[1]
    for number in (1, 3, 5):
        deliver(peer, number)
    peer.take()
    assert report(peer, 0) == (at(7), [])
    assert read_all(endpoint) == b"".join(text_of(number) for number in range(7))


@pytest.mark.requirement("LIM-2")
def test_reported_text_is_not_given_up_when_memory_is_short(make_host):
    host = make_host(memory_limit=30_000)
    peer = Peer(host, sack=True)
    endpoint = peer.open_passively()
    reported = set()
    for number in range(1, 120, 2):
        deliver(peer, number)
        for answer in peer.take():
            reported.update(start for start, _ in answer.blocks)
    assert at(1) in reported
    assert len(reported) < 60
    for number in range(0, 120, 2):
        deliver(peer, number)
        if at(number + 1) not in reported:
            deliver(peer, number + 1)
        assert read_all(endpoint) == text_of(number) + text_of(number + 1)


# ---- several changes before an ACK can leave


@pytest.mark.requirement("SND-4")
@pytest.mark.parametrize("count", [1, 3, 4, 5, 9, 16, 17, 32])
@pytest.mark.parametrize("timestamps", [False, True])
def test_all_that_one_drain_brings_is_reported(host, timestamps, count):
    peer = Peer(host, sack=True, timestamps=timestamps)
    peer.open_passively()
    numbers = [2 * number for number in range(1, count + 1)]
    random.Random(count).shuffle(numbers)
    answers = drain(peer, numbers)
    assert {block for answer in answers for block in answer.blocks} == {span(each, each + 1) for each in numbers}
    # the newest is in front of the last, which the peer may take to describe the moment
    assert answers[-1].blocks[0] == span(numbers[-1], numbers[-1] + 1)
    most = 3 if timestamps else 4
    assert len(answers) == (count + most - 1) // most


def test_drain_that_touches_few_blocks_needs_one_ack(peer):
    (answer,) = drain(peer, [2, 4, 3, 5, 6, 9, 8])
    assert answer.blocks == (span(8, 10), span(2, 7))


def test_hole_that_opens_and_closes_within_a_drain_is_not_reported(peer):
    (answer,) = drain(peer, [1, 3, 2, 0])
    assert (answer.ack, answer.blocks) == (at(4), ())


def test_drain_that_reports_much_still_fills_its_hole(peer):
    answers = drain(peer, [1, 3, 5, 7, 9, 11, 0])
    assert {answer.ack for answer in answers} == {at(2)}
    blocks = {block for answer in answers for block in answer.blocks}
    assert blocks == {span(each, each + 1) for each in (3, 5, 7, 9, 11)}


# ---- beside our own text


@pytest.mark.parametrize("timestamps", [False, True])
def test_blocks_never_make_a_segment_longer_than_the_link(host, timestamps):
    peer = Peer(host, sack=True, timestamps=timestamps, scale=4)
    endpoint = peer.open_passively()
    for number in (2, 4, 6, 8):
        deliver(peer, number)
    peer.take()
    endpoint.nodelay = True
    full = endpoint.info()["eff_mss"]
    for less in range(48):
        endpoint.send(b"y" * (full - less))
        (segment,) = peer.take()
        assert len(segment.text) == full - less
        assert len(segment.packet) <= 1500
        assert segment.ack == 1
        peer.send("A")
        peer.take()
    # as many blocks as the room beside the text took
    assert len(segment.blocks) == (3 if timestamps else 4)


def test_news_that_do_not_fit_beside_full_segments_go_in_an_ack_of_their_own(host):
    peer = Peer(host, sack=True, scale=4)
    endpoint = peer.open_passively()
    frames = [bytes(peer.segment("A", at(2), text=text_of(2)))]
    endpoint.send(b"x" * 14600)
    peer.take()
    # the same drain brings text beyond a hole and an ACK that lets a full segment out
    endpoint.send(b"x" * 5840)
    frames.append(bytes(peer.segment("A", peer.seq, 2921)))
    host.engine.frames_arrive(frames, host.now)
    answers = peer.take()
    assert any(len(answer.text) == 1460 and not answer.blocks for answer in answers)
    assert [answer.blocks for answer in answers if answer.blocks] == [(span(2, 3),)]


# ---- random arrivals


@pytest.mark.requirement("SEG-7", "SEG-15")
@pytest.mark.parametrize("seed", range(12))
def test_reports_agree_with_what_arrived(make_host, seed):
    """Whatever comes, in drains of any length: blocks say the truth, and all of it in time."""
    source = random.Random(seed)
    host: Host = make_host()
    peer = Peer(host, sack=True, timestamps=seed % 2 == 1, iss=source.choice([7, 0xFFFFFF00, 0x7FFFFF00]))
    peer.open_passively()
    held: set[int] = set()
    reported: set[int] = set()
    for _ in range(60):
        arriving = []
        for _ in range(source.choice([1, 1, 1, 2, 5, 12])):
            first = source.randrange(60)
            arriving.append((first, min(60 - first, source.choice([1, 1, 2, 3]))))
        frames = []
        twice = False
        for first, count in arriving:
            text = b"".join(text_of(number) for number in range(first, first + count))
            frames.append(bytes(peer.segment("A", at(first), text=text)))
            twice |= any(number in held for number in range(first, first + count))
            held.update(range(first, first + count))
        host.engine.frames_arrive(frames, host.now)
        answers = peer.take()
        assert answers
        ack = next((number for number in range(60) if number not in held), 60)
        for answer in answers:
            assert answer.ack == at(ack)
            blocks = list(answer.blocks)
            assert len(blocks) <= (3 if peer.timestamps else 4)
            for start, end in blocks:
                assert start < end
                assert all(number in held for number in range((start - 1) // SIZE, (end - 1) // SIZE))
            duplicate = blocks and (
                blocks[0][1] <= answer.ack
                or any(start <= blocks[0][0] and blocks[0][1] <= end for start, end in blocks[1:])
            )
            assert twice or not duplicate
            for start, end in blocks[1:] if duplicate else blocks:
                # a whole block, not a part of one
                assert start > answer.ack
                assert (start - 1) // SIZE - 1 not in held
                assert (end - 1) // SIZE not in held
                reported.update(range((start - 1) // SIZE, (end - 1) // SIZE))
        assert {number for number in held if number >= ack} <= reported
