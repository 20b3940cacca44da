"""Verdicts are kept and taken up again while they hold, and each area of the table has tests of its own."""

import dataclasses
from pathlib import Path

import pytest

from tests.faults.judge import REAL_TIME, SUITE, TEST, Verdict, read_areas
from tests.faults.planting import Fault, read_faults
from tests.faults.verdicts import Verdicts, digest_of

ROOT = Path(__file__).resolve().parents[2]
FAULT = Fault(3, "off by one", "edges", "edge.pyx", "    return a < b\n", "    return a < b + PLANTED\n")
SEEDS = 20_000


@pytest.fixture
def kept(tmp_path: Path) -> Verdicts:
    return Verdicts(tmp_path / "verdicts.jsonl")


def test_verdict_is_taken_up_again(kept: Verdicts) -> None:
    assert kept.read([FAULT], SEEDS) == {}
    kept.append(Verdict(FAULT, "liveness, seed 7", 8, 1.5))
    assert kept.read([FAULT, None], SEEDS) == {FAULT: Verdict(FAULT, "liveness, seed 7", 8, 1.5)}
    renamed = dataclasses.replace(FAULT, name="off by one again")
    assert list(kept.read([renamed], SEEDS)) == [renamed]


def test_verdict_of_a_fault_whose_lines_changed_is_not(kept: Verdicts) -> None:
    kept.append(Verdict(FAULT, "liveness, seed 7", 8, 1.5))
    assert kept.read([dataclasses.replace(FAULT, original="    return a <= b\n")], SEEDS) == {}


def test_nothing_found_counts_for_as_many_seeds_only(kept: Verdicts) -> None:
    kept.append(Verdict(FAULT, "", 500, 1.5))
    assert list(kept.read([FAULT], 500)) == [FAULT]
    assert kept.read([FAULT], SEEDS) == {}


def test_verdict_without_a_fault_holds_for_the_sources_as_they_were(tmp_path: Path) -> None:
    (tmp_path / "tcp").mkdir()
    source = tmp_path / "tcp" / "edge.pyx"
    source.write_text("cdef int edge = 1\n")
    before = digest_of(None, tmp_path)
    assert digest_of(None, tmp_path) == before
    source.write_text("cdef int edge = 2\n")
    assert digest_of(None, tmp_path) != before


def test_nothing_is_kept_without_a_file() -> None:
    kept = Verdicts(None)
    kept.append(Verdict(FAULT, "liveness, seed 7", 8, 1.5))
    assert kept.read([FAULT], SEEDS) == {}


def test_each_area_has_tests_that_judge_without_a_fault_too() -> None:
    areas = read_areas()
    assert set(areas) == {fault.area for fault in read_faults()}
    for name in {name for files in areas.values() for name in files}:
        assert (ROOT / name).exists(), name
        assert name.startswith(tuple(f"{folder}/" for folder in SUITE)) or name in SUITE, name
        assert name not in REAL_TIME, name


@pytest.mark.parametrize(
    "rest", [" PASSED [ 1%]", "   +++++++ Timeout +++++++", " ", "", " Fatal Python error: Aborted"]
)
def test_test_that_ran_last_is_recognized(rest: str) -> None:
    assert [name.strip() for name in TEST.findall(f"tests/a.py::test_b[c d]{rest}\n")] == ["tests/a.py::test_b[c d]"]
