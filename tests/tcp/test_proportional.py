"""How much goes while losing: proportional rate reduction (RFC 9937), against its own arithmetic."""

import random

import pytest

from tests.tcp.flights import MSS, OPEN, RECOVERY, RTT, acknowledge, running, sent

pytestmark = pytest.mark.requirement("REC-3")

FLIGHT = 20
HOSTS = {"congestion": "newreno", "initial_window": FLIGHT}


def report(peer, arrived):
    """The ACK of a peer that has these segments: all before the first that is missing, and runs beyond it."""
    first = next(number for number in range(10_000) if number not in arrived)
    runs = []
    for number in sorted(each for each in arrived if each > first):
        if runs and runs[-1][1] == number:
            runs[-1] = (runs[-1][0], number + 1)
        else:
            runs.append((number, number + 1))
    acknowledge(peer, first, *runs[-4:])
    return first


def losing(host, lost, more=200):
    """Twenty segments out, the first `lost` of them are lost, and three arrive one by one, which shows it.

    What has arrived, and what was sent when the third had.
    """
    peer, endpoint = running(host, FLIGHT, more)
    host.advance(RTT)
    arrived = set()
    found = []
    for number in range(lost, lost + 3):
        arrived.add(number)
        report(peer, arrived)
        found += sent(peer)
    return peer, endpoint, arrived, found


def arrive(peer, arrived, numbers):
    """These arrive as well, one by one; what each ACK lets out."""
    counts = []
    for number in numbers:
        arrived.add(number)
        report(peer, arrived)
        counts.append(sent(peer))
    return counts


def test_first_retransmission_goes_at_once(host):
    # the arithmetic alone would send nothing: one segment delivered, half of one to send (6)
    _, endpoint, _, found = losing(host, 1, more=0)
    assert found == [0]
    assert endpoint.info()["phase"] == RECOVERY
    assert endpoint.info()["ssthresh"] == FLIGHT * MSS // 2


def test_half_as_much_goes_as_arrives(host):
    # newreno halves: every second ACK lets one segment out, evenly over the round trip
    peer, _, arrived, _ = losing(host, 1)
    counts = [len(each) for each in arrive(peer, arrived, range(4, FLIGHT))]
    assert max(counts) == 1
    assert all(1 <= sum(counts[at : at + 3]) <= 2 for at in range(2, len(counts) - 3))


def test_cubic_sends_seven_tenths(make_host):
    peer, endpoint, arrived, _ = losing(make_host(congestion="cubic"), 1)
    info = endpoint.info()
    assert 13 * MSS <= info["ssthresh"] <= 15 * MSS
    counts = [len(each) for each in arrive(peer, arrived, range(4, FLIGHT))]
    assert max(counts) == 1
    assert abs(sum(counts) - len(counts) * info["ssthresh"] / (FLIGHT * MSS)) <= 2


def test_flight_and_window_end_at_the_threshold(host):
    peer, endpoint, arrived, found = losing(host, 1)
    new = [number for each in arrive(peer, arrived, range(4, FLIGHT)) for number in each]
    host.advance(RTT)
    # what went meanwhile, the retransmission first
    arrive(peer, arrived, found + new)
    info = endpoint.info()
    assert info["phase"] == OPEN
    assert info["cwnd"] <= info["ssthresh"] + MSS
    assert info["ssthresh"] == FLIGHT * MSS // 2
    assert abs(info["in_flight"] - info["ssthresh"]) <= 2 * MSS


def test_recovery_ends_without_a_burst(host):
    peer, endpoint, arrived, _ = losing(host, 1)
    arrive(peer, arrived, range(4, FLIGHT))
    before = endpoint.info()["in_flight"]
    host.advance(RTT)
    (found,) = arrive(peer, arrived, [0])
    assert endpoint.info()["cwnd"] == endpoint.info()["ssthresh"]
    # the one that left the network, and what rounding had held back
    assert len(found) <= 3
    assert endpoint.info()["in_flight"] <= before + 2 * MSS


def test_window_comes_up_to_the_threshold_when_recovery_ends_with_little_in_flight(host):
    # one ACK says that all has arrived; packet conservation had left the window low (6)
    peer, endpoint, _, found = losing(host, 14, more=0)
    assert found == [0]
    host.advance(RTT // 2)
    acknowledge(peer, FLIGHT)
    info = endpoint.info()
    assert (info["phase"], info["in_flight"]) == (OPEN, 0)
    assert info["cwnd"] == info["ssthresh"] == FLIGHT * MSS // 2


def test_no_more_than_arrives_goes_when_much_was_lost(host):
    # the flight is below the threshold at once: packet conservation as long as nothing is acknowledged
    peer, endpoint, arrived, found = losing(host, 14, more=0)
    assert endpoint.info()["in_flight"] < endpoint.info()["ssthresh"]
    assert found == [0]
    counts = [len(each) for each in arrive(peer, arrived, range(17, FLIGHT))]
    # the first has what arrived before to catch up with
    assert counts[0] <= 3
    assert counts[1:] == [1, 1]


def test_one_more_than_arrives_goes_when_acks_advance(host):
    peer, endpoint, arrived, found = losing(host, 14, more=0)
    out = found + [number for each in arrive(peer, arrived, range(17, FLIGHT)) for number in each]
    assert out == list(range(len(out)))
    # the retransmissions arrive in order and nothing more is lost: slow start, no further than the threshold
    host.advance(RTT)
    for number in out:
        room = endpoint.info()["ssthresh"] - endpoint.info()["in_flight"] + MSS
        (now,) = arrive(peer, arrived, [number])
        assert len(now) == min(2, room // MSS)
    assert endpoint.info()["in_flight"] <= endpoint.info()["ssthresh"]


def test_window_in_recovery_stays_at_or_below_the_threshold_once_there(host):
    peer, endpoint, arrived, found = losing(host, 14, more=50)
    way = found + [number for each in arrive(peer, arrived, range(17, FLIGHT)) for number in each]
    while endpoint.info()["phase"] == RECOVERY:
        host.advance(RTT // 10)
        way += arrive(peer, arrived, [way.pop(0)])[0]
        info = endpoint.info()
        assert info["in_flight"] <= info["ssthresh"]
    assert endpoint.info()["phase"] == OPEN


def test_sender_with_nothing_more_to_send_makes_no_burst_later(host):
    peer, endpoint, arrived, _ = losing(host, 1, more=0)
    assert arrive(peer, arrived, range(4, 16)) == [[]] * 12
    endpoint.send(bytes(100 * MSS))
    info = endpoint.info()
    assert info["in_flight"] <= max(info["ssthresh"], info["cwnd"])
    found = sent(peer) + [number for each in arrive(peer, arrived, range(16, FLIGHT)) for number in each]
    info = endpoint.info()
    assert info["in_flight"] <= info["ssthresh"]
    assert len(found) <= FLIGHT // 2


def test_loss_found_by_the_timer_begins_a_recovery_too(host):
    peer, endpoint = running(host, FLIGHT, 100)
    host.advance(RTT)
    arrived = {1, 2}
    report(peer, arrived)
    peer.take()
    host.advance(RTT // 4)
    assert sent(peer) == [0]
    assert endpoint.info()["phase"] == RECOVERY
    counts = [len(each) for each in arrive(peer, arrived, range(3, FLIGHT))]
    assert max(counts) == 1
    assert endpoint.info()["in_flight"] <= endpoint.info()["ssthresh"] + 2 * MSS


def test_ack_that_delivers_nothing_changes_nothing(host):
    peer, endpoint, arrived, _ = losing(host, 1)
    before = endpoint.info()
    for _ in range(5):
        report(peer, arrived)
    assert endpoint.info() == before
    peer.expect_nothing()


class Proportional:
    """RFC 9937 6, line by line, in bytes."""

    def __init__(self, recover_fs, ssthresh):
        self.recover_fs = recover_fs
        self.ssthresh = ssthresh
        self.prr_delivered = 0
        self.prr_out = 0

    def window(self, delivered, inflight, safe):
        """The window after an ACK. safe: SND.UNA advances and no further loss is indicated."""
        self.prr_delivered += delivered
        if inflight > self.ssthresh:
            count = -(-self.prr_delivered * self.ssthresh // self.recover_fs) - self.prr_out
        else:
            count = max(self.prr_delivered - self.prr_out, delivered)
            if safe:
                count += MSS
            count = min(self.ssthresh - inflight, count)
        if self.prr_out == 0 and count < MSS:
            # "force a fast retransmit": a whole segment, where bytes are counted
            count = MSS
        return inflight + max(count, 0)


@pytest.mark.parametrize("congestion", ["newreno", "cubic"])
@pytest.mark.parametrize("seed", range(15))
def test_window_is_that_of_the_arithmetic(make_host, seed, congestion):
    """Random losses, ACKs of one or several segments, retransmissions that are lost again."""
    source = random.Random(seed)
    host = make_host(initial_window=40, congestion=congestion)
    peer, endpoint = running(host, 40, 300)
    rate = source.choice([0.03, 0.1, 0.3, 0.6])
    together = source.choice([1, 2, 5])
    arrived = set()
    model = None
    compared = 0
    # what is on its way to the peer
    way = [(host.now + RTT, number) for number in range(40) if number and source.random() >= rate]
    while way and compared < 100 and not host.counter("TCPTimeouts"):
        due = max(way[min(together, len(way)) - 1][0], host.now)
        deadline = host.engine.next_deadline()
        if deadline is not None and deadline <= due:
            host.advance(deadline - host.now)
            found = sent(peer)
            if model is None and endpoint.info()["phase"] == RECOVERY:
                # begun without an ACK: RecoverFS is another
                break
            if model is not None:
                model.prr_out += len(found) * MSS
        else:
            host.advance(due - host.now)
            for _ in range(min(together, len(way))):
                arrived.add(way.pop(0)[1])
            before = endpoint.info()
            report(peer, arrived)
            after = endpoint.info()
            found = sent(peer)
            if after["phase"] != RECOVERY and model is not None:
                break
            if after["phase"] == RECOVERY:
                delivered = after["delivered"] - before["delivered"]
                if model is None or after["recover"] != before["recover"]:
                    flight = (after["recover"] - after["snd_una"]) % (1 << 32)
                    model = Proportional(flight - after["sacked"] + delivered, after["ssthresh"])
                advances = after["snd_una"] != before["snd_una"]
                further = after["lost"] != before["lost"]
                in_flight = after["in_flight"] - len(found) * MSS
                if delivered:
                    compared += 1
                    assert after["cwnd"] == model.window(delivered, in_flight, advances and not further), compared
                assert len(found) == 0 or after["in_flight"] <= max(after["cwnd"], in_flight + MSS)
                model.prr_out += len(found) * MSS
        way += [(host.now + RTT, number) for number in found if source.random() >= rate]
    assert compared or rate == 0.6 or not model
