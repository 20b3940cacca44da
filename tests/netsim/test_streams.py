"""Streams arrive whole over any link, from many seeds."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP

from tests.netsim.transfers import MILLISECOND, SECOND, Transfer

LINKS = {
    "clean": {"delay": 5 * MILLISECOND},
    "loss": {"delay": 5 * MILLISECOND, "loss": 50_000},
    "heavy loss": {"delay": 5 * MILLISECOND, "loss": 200_000},
    "reorder": {"delay": 5 * MILLISECOND, "reorder": 100_000, "reorder_by": 3 * MILLISECOND},
    "duplicate": {"delay": 5 * MILLISECOND, "duplicate": 200_000},
    "corrupt": {"delay": 5 * MILLISECOND, "corrupt": 50_000},
    "jitter": {"delay": 5 * MILLISECOND, "jitter": 4 * MILLISECOND},
    "rate": {"delay": 5 * MILLISECOND, "rate": 20_000_000, "queue": 30_000},
    "everything": {
        "delay": 5 * MILLISECOND, "jitter": MILLISECOND, "loss": 30_000, "duplicate": 30_000, "corrupt": 30_000,
        "reorder": 50_000, "rate": 50_000_000, "queue": 100_000,
    },
}  # fmt: skip
OFFLOADS = {"vnet_header": True, "offloads": True}
HOSTS = {
    "plain": {},
    "bare": {"timestamps": 0, "window_scaling": 0},
    "offloads": OFFLOADS,
    "jumbo": {"mtu": 9000},
    "tiny": {"mtu": 200, "receive_buffer": 3000},
    "packets": {"ethernet": False},
}


@pytest.mark.requirement("SND-6", "SND-10")
@pytest.mark.parametrize("kind", HOSTS)
@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_streams_both_ways_arrive_whole(link, kind, seed):
    size = 15_000 if kind == "tiny" else 60_000
    Transfer(seed, sizes=(size, size), link=LINKS[link], left=HOSTS[kind], right=HOSTS[kind]).run()


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(100, 250))
def test_streams_arrive_whole_from_many_seeds(seed):
    link = LINKS[list(LINKS)[seed % len(LINKS)]]
    kinds = list(HOSTS)[:4]
    left, right = HOSTS[kinds[seed // 9 % 4]], HOSTS[kinds[seed // 36 % 4]]
    if left.get("mtu") != right.get("mtu"):
        left = {**left, "mtu": 1500}
        right = {**right, "mtu": 1500}
    Transfer(seed, sizes=(seed * 977 % 50_000, seed * 1511 % 50_000), link=link, left=left, right=right).run()


@pytest.mark.requirement("SND-5")
@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("buffer", [1, 500, 1460, 4000])
def test_small_receive_buffers_and_losses_do_not_stall(seed, buffer):
    size = 200 if buffer == 1 else 12_000
    hosts = {"receive_buffer": buffer, "window_scaling": seed % 2}
    Transfer(seed, sizes=(size, size // 2), link=LINKS["heavy loss"], left=hosts, right=hosts).run()


@pytest.mark.requirement("SND-6")
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("timestamps", [0, 1])
def test_lost_acks_do_not_teach_a_time_out_of_minutes(seed, timestamps):
    # one byte at a time, so that each loss costs a time-out of about 200 ms; of virtual time
    host = {"send_buffer": 1, "timestamps": timestamps}
    link = {"delay": 20 * MILLISECOND, "loss": 150_000}
    transfer = Transfer(seed, sizes=(400, 0), link=link, left=host, right=host, sides={"write_size": 1})
    listener = transfer.connect()
    transfer.until_done(listener)
    assert transfer.pair.now < 1000 * SECOND
    transfer.check()


@pytest.mark.requirement("SND-2", "SND-4")
@pytest.mark.parametrize("size", [1, 2, 1448, 1449, 2896, 2897, 14_480, 14_481, 65_536, 100_000])
def test_no_size_waits_for_a_timer_on_a_clean_link(size):
    # neither Nagle against the delayed ACK nor silly-window avoidance costs more than one delayed ACK
    transfer = Transfer(7, sizes=(size, 0), link=LINKS["clean"]).run()
    for side in (transfer.client, transfer.server):
        counters = side.engine.counters()
        assert counters["RetransSegs"] == 0
        assert counters["TCPTimeouts"] == 0
        assert counters["TCPWinProbe"] == 0


def first_numbers(seed):
    """The initial sequence numbers of both sides of a connection that is made at time 0."""
    transfer = Transfer(seed, sizes=(0, 0))
    listener = transfer.connect()
    transfer.until_done(listener)
    return [side.endpoint.info()["iss"] for side in (transfer.client, transfer.server)]


@pytest.mark.requirement("SEG-2", "SND-1")
@pytest.mark.parametrize("link", ["clean", "everything", "duplicate"])
@pytest.mark.parametrize("kind", ["plain", "offloads", "bare"])
@pytest.mark.parametrize("side", [0, 1])
def test_streams_across_the_wrap_of_sequence_numbers_arrive_whole(side, kind, link):
    # the clock of initial sequence numbers is set so that the wrap comes after 30,000 bytes
    start = (2**32 - 30_000 - first_numbers(11)[side]) % 2**32 * 4000
    transfer = Transfer(11, link=LINKS[link], left=HOSTS[kind], right=HOSTS[kind], start=start)
    listener = transfer.connect()
    transfer.until_done(listener)
    info = (transfer.client, transfer.server)[side].endpoint.info()
    assert info["snd_nxt"] < 60_000 < 2**32 - 60_000 < info["iss"]
    transfer.check()


@pytest.mark.requirement("SND-10")
@pytest.mark.parametrize("seed", range(60))
def test_bytes_sent_before_close_all_arrive(seed):
    transfer = Transfer(seed, sizes=(0, 0), link=LINKS["everything" if seed % 2 else "heavy loss"])
    listener = transfer.connect()
    text = bytes(at * 13 & 0xFF for at in range(seed * 1777 % 90_000))
    while transfer.client.endpoint.info()["state"] != 4:
        assert transfer.pair.step()
    if text:
        assert transfer.client.endpoint.send(text) == len(text)
    transfer.client.endpoint.close()
    transfer.client.endpoint = None
    accepted = None
    received = bytearray()
    buffer = bytearray(5_000)
    while True:
        if accepted is None:
            accepted = listener.accept()
            accepted = None if isinstance(accepted, int) else accepted
        count = accepted.receive_into(buffer) if accepted else -1
        if count == 0:
            break
        if count > 0:
            received += buffer[:count]
            continue
        assert transfer.pair.step(), f"seed {seed}: nothing is scheduled"
        assert transfer.pair.now < 4000 * SECOND, f"seed {seed}: stalled"
    assert bytes(received) == text, f"seed {seed}"
    accepted.close()
    listener.close()
    transfer.pair.run_until(transfer.pair.now + 1000 * SECOND)
    for side in (transfer.client, transfer.server):
        usage = side.engine.usage()
        assert not {name: count for name, count in usage.items() if count and name != "neighbors"}, f"seed {seed}"


@pytest.mark.requirement("SND-5", "SND-10")
@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 1 << 30),
    sizes=st.tuples(st.integers(0, 30_000), st.integers(0, 30_000)),
    loss=st.integers(0, 150_000),
    duplicate=st.integers(0, 300_000),
    corrupt=st.integers(0, 100_000),
    reorder=st.integers(0, 300_000),
    delay=st.integers(0, 100 * MILLISECOND),
    rate=st.sampled_from([0, 1_000_000, 100_000_000]),
    queue=st.integers(1500, 60_000),
    mtu=st.sampled_from([100, 576, 1500, 9000]),
    receive_buffer=st.sampled_from([100, 2000, 65_535, 1 << 20]),
    write_size=st.integers(1, 40_000),
    read_size=st.integers(1, 40_000),
    offloads=st.booleans(),
)
def test_any_link_and_any_habits_deliver(seed, sizes, loss, duplicate, corrupt, reorder, delay, rate, queue, mtu,
                                         receive_buffer, write_size, read_size, offloads):  # fmt: skip
    if min(write_size, read_size) < 20 or receive_buffer == 100 or mtu == 100:
        sizes = (sizes[0] % 1500, sizes[1] % 1500)
    link = {"loss": loss, "duplicate": duplicate, "corrupt": corrupt, "reorder": reorder, "delay": delay, "rate": rate,
            "queue": queue}  # fmt: skip
    host = {"mtu": mtu, "receive_buffer": receive_buffer, "vnet_header": offloads, "offloads": offloads}
    # nothing protects an ARP reply: a bit wrong in it silences a host until the entry is old, which is not TCP's doing
    host["ethernet"] = not corrupt
    sides = {"write_size": write_size, "read_size": read_size}
    Transfer(seed, sizes=sizes, link=link, left=host, right=host, sides=sides).run()


@pytest.mark.requirement("SND-4")
def test_out_of_order_segments_of_one_drain_are_acknowledged_each():
    # What a host sends in one go arrives in one drain here. Ten segments without the first: nine duplicates, not fewer
    # and not one, or the sender would wait for its timer.
    for seed in range(400):
        transfer = Transfer(seed, sizes=(13_000, 0), link={"delay": MILLISECOND, "loss": 30_000},
                            left={"timestamps": 0}, right={"sack": 0}, record=True)  # fmt: skip
        transfer.run()
        recorded = transfer.pair.recorded()
        frames = [(time, side, IP(frame[14:])) for time, side, frame in recorded if frame[12:14] == b"\x08\x00"]
        texts = [(time, packet) for time, side, packet in frames if side == "right" and len(packet[TCP].payload) > 6]
        first = min(packet[TCP].seq for _, packet in texts)
        burst = [packet[TCP].seq for time, packet in texts if time == texts[0][0]]
        if len(burst) < 7 or first in burst:
            continue
        answers = [packet for time, side, packet in frames
                   if side == "left" and packet[TCP].ack == first and packet[TCP].flags == "A"]  # fmt: skip
        assert len(answers) == len(burst)
        assert transfer.client.engine.counters()["TCPFastRetrans"] == 1
        return
    raise AssertionError("no seed lost the first segment of a burst")


@pytest.mark.requirement("SND-4")
@pytest.mark.parametrize("kind", ["plain", "bare", "offloads"])
def test_one_ack_answers_all_that_one_drain_brought_in_order(kind):
    transfer = Transfer(1, sizes=(100_000, 0), link={"delay": 5 * MILLISECOND}, left=HOSTS[kind], right=HOSTS[kind],
                        record=True).run()  # fmt: skip
    acks = {}
    bursts = {}
    for time, side, frame in transfer.pair.recorded():
        packet = IP(frame[14:])
        if frame[12:14] != b"\x08\x00" or "S" in packet[TCP].flags:
            continue
        if side == "left" and packet[TCP].flags == "A":
            # a second one that says nothing new but a wider window is the reader's doing (SND-4)
            acks.setdefault(time, set()).add(packet[TCP].ack)
        elif side == "right" and len(packet[TCP].payload) > 6:
            bursts[time] = bursts.get(time, 0) + 1
    assert max(bursts.values()) >= (10 if kind != "offloads" else 1)
    for time in bursts:
        assert len(acks.get(time + 5 * MILLISECOND, ())) <= 1


@pytest.mark.requirement("SEG-14")
@pytest.mark.parametrize("kind", ["plain", "offloads"])
def test_corruption_is_seen_by_the_checksums_with_and_without_offloads(kind):
    transfer = Transfer(3, sizes=(200_000, 0), link={"delay": MILLISECOND, "corrupt": 100_000},
                        left=HOSTS[kind], right=HOSTS[kind]).run()  # fmt: skip
    corrupted = transfer.impairments[0].counters()["corrupted"]
    counters = transfer.server.engine.counters()
    # what no checksum covers is padding, and the address resolution's frames
    assert corrupted > 10
    assert corrupted - 3 <= counters["InCsumErrors"] + counters["InHdrErrors"] <= corrupted
