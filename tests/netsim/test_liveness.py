"""The harness itself: a transfer that cannot go on fails, and so does one that delivers something else."""

import pytest

from netcore.impair import Impairment
from tests.netsim.transfers import MILLISECOND, SECOND, Transfer


def test_link_that_passes_nothing_fails():
    with pytest.raises(AssertionError, match=r"seed 1, .*(stalled|TIMED_OUT|nothing is scheduled)"):
        Transfer(1, link={"loss": 1_000_000}).run()


def test_link_that_dies_in_the_middle_fails():
    link = {"delay": MILLISECOND, "rate": 10_000_000, "queue": 1500, "loss": 700_000}
    transfer = Transfer(2, sizes=(300_000, 0), link=link)
    with pytest.raises(AssertionError, match="seed 2"):
        transfer.run()


def test_reader_that_never_reads_fails():
    transfer = Transfer(3, sizes=(300_000, 0), right={"receive_buffer": 20_000}, link={"delay": MILLISECOND})
    transfer.server.read_size = 0
    with pytest.raises(AssertionError, match="seed 3"):
        transfer.run()


def test_wrong_bytes_fail():
    transfer = Transfer(4, sizes=(1000, 0))
    transfer.client.text = b"x" * 1000
    transfer.server.received += b"y"
    with pytest.raises(AssertionError, match="seed 4"):
        transfer.run()


@pytest.mark.requirement("SND-5")
def test_reader_that_stops_for_minutes_and_goes_on_gets_everything():
    link = {"delay": MILLISECOND, "loss": 100_000}
    transfer = Transfer(5, sizes=(300_000, 0), right={"receive_buffer": 20_000}, link=link)
    listener = transfer.connect()
    while transfer.server.endpoint is None:
        assert transfer.pair.step()
        accepted = listener.accept()
        transfer.server.endpoint = None if isinstance(accepted, int) else accepted
    for _ in range(4):
        transfer.client.work()
        transfer.pair.run_until(transfer.pair.now + 100 * SECOND)
        transfer.client.work()
        transfer.server.work()
    transfer.until_done(listener)
    transfer.check()


def test_impairment_counts_what_it_does():
    transfer = Transfer(6, link={"loss": 100_000, "duplicate": 100_000, "corrupt": 50_000, "reorder": 100_000,
                                 "delay": MILLISECOND}).run()  # fmt: skip
    for impairment in transfer.impairments:
        assert isinstance(impairment, Impairment)
        counters = impairment.counters()
        for name in ("seen", "passed", "lost", "duplicated", "corrupted", "reordered"):
            assert counters[name] > 0, name
