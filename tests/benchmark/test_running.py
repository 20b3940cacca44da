"""Where scripts/bench.py puts a client and the end it measures."""

import os
from typing import Any, cast

import pytest

from scripts.benchmark.ends import End, LeftOut
from scripts.benchmark.measures import Measure, Placement
from scripts.benchmark.running import placed


class FakeEnd:
    """Notes where it was put."""

    def __init__(self, processes: int) -> None:
        self.processes = [None] * processes
        self.processors: set[int] = set()

    def place(self, processors: set[int]) -> None:
        """As End.place."""
        self.processors = processors


def place(monkeypatch: pytest.MonkeyPatch, placement: Placement, processors: set[int], processes: int = 1) -> Any:
    """Returns where the end and the client are put, None where the scheduler chooses."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: processors)
    end = FakeEnd(processes)
    arguments = placed(cast(End, end), Measure("", "", ("veth",), "up", placement=placement))
    return end.processors, int(arguments[1]) if arguments else None


@pytest.mark.parametrize(
    ("placement", "end", "client"),
    [("free", {1, 2, 5}, None), ("together", {5}, 5), ("apart", {5}, 1), ("steady", {5}, 1)],
)
def test_end_is_on_the_last_processor_and_the_client_beside_it_or_on_the_first(
    monkeypatch: pytest.MonkeyPatch, placement: Placement, end: set[int], client: int | None
) -> None:
    assert place(monkeypatch, placement, {1, 2, 5}) == (end, client)


def test_streams_of_two_programs_and_of_one_processor_are_left_to_the_scheduler(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert place(monkeypatch, "steady", {0, 1}, processes=2) == ({0, 1}, None)
    assert place(monkeypatch, "steady", {0}) == ({0}, None)
    with pytest.raises(LeftOut, match="two processors"):
        place(monkeypatch, "apart", {0})
