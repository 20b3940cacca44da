"""Hostile inputs where a server inside the core stands at the first public port."""

import random
from dataclasses import replace

import pytest

from netcore.service import service_kinds
from tests.hostile import corpus, inputs
from tests.hostile.arena import Arena
from tests.hostile.inputs import Record, Settings
from tests.hostile.record_mutations import fresh

MIXED = 300  # inputs put together out of others


def mixed(source: random.Random, found: list[tuple[Settings, list[Record]]]) -> tuple[Settings, list[Record]]:
    """The records of two inputs, one behind or among the other's, and some that nobody has written."""
    settings, first = source.choice(found)
    _, second = source.choice(found)
    records = [*first, *second]
    for _ in range(source.choice((0, 1, 3, 6))):
        records.insert(source.randrange(len(records) + 1), *inputs.records(fresh(source)))
    if source.random() < 0.3:
        source.shuffle(records)
    return settings, records


@pytest.mark.requirement("LIM-4", "SEG-4")
@pytest.mark.parametrize("place", range(len(service_kinds())), ids=service_kinds())
def test_service_under_attack_hurts_nobody_and_leaves_nothing(place: int) -> None:
    source = random.Random(place)
    found = [(settings, list(records)) for settings, records in map(inputs.decode, corpus.stored().values())]
    accepted = failed = 0
    for settings, records in [*found, *(mixed(source, found) for _ in range(MIXED))]:
        arena = Arena(replace(settings, served=place + 1))
        arena.play(records)
        assert arena.program.service is not None
        counters = arena.program.service.counters()
        accepted += counters["accepted"]
        failed += counters["failed"]
        arena.finish()
    # an attack that reaches nothing would pass as well
    assert accepted > 100
    assert failed > 5
