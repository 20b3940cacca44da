"""The stored table of throughput: a change in how recovery and congestion control behave is seen as a diff."""

import pytest

from tests.netsim import throughput

COMMAND = "python -m tests.netsim.throughput --write"


@pytest.mark.requirement("LIM-5", "REC-1", "REC-2", "REC-3", "REC-5")
def test_throughput_is_what_the_stored_table_says() -> None:
    changed = throughput.difference(throughput.STORED.read_text(), throughput.table())
    assert not changed, f"throughput has changed; if that is meant, store it: {COMMAND}\n{changed}"


def test_table_shows_a_change_as_a_line() -> None:
    stored = throughput.STORED.read_text()
    lines = throughput.difference(stored, stored.replace(" 0 %", " 1 %", 1)).splitlines()
    assert sum(line.startswith("-") for line in lines) == 2
    assert throughput.difference(stored, stored) == ""
