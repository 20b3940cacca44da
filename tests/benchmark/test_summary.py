"""What scripts/bench.py makes of its figures."""

import math

import pytest

from scripts.benchmark.measures import DEFAULT, MEASURES, OURS, Measure, Target, at_least, at_most
from scripts.benchmark.recipes import RECIPES
from scripts.benchmark.running import figures
from scripts.benchmark.summary import Row, judge, ratios, spread, summarize


def rows(end: str, *values: float, figure: str = "value", measure: str = "up") -> list[Row]:
    """A row a round."""
    return [{"round": number, "measure": measure, "end": end, figure: value} for number, value in enumerate(values)]


def measure(*targets: Target) -> dict[str, Measure]:
    """One measure between veth and us."""
    return {"up": Measure("", "Gbit/s", ("veth", OURS), "up", targets)}


def test_spread_of_an_even_count_has_the_mean_of_the_middle() -> None:
    assert spread([4, 1, 3, 2]) == {"median": 2.5, "least": 1, "most": 4}


def test_ratios_are_taken_within_a_round() -> None:
    told = rows(OURS, 10, 40, 20) + rows("veth", 10, 20, 40)
    assert ratios(told, "up", at_least(1, "veth")) == [1, 2, 0.5]


def test_round_without_the_other_end_is_left_out() -> None:
    told = rows(OURS, 10, 40, 20) + rows("veth", 10, 20)
    assert ratios(told, "up", at_least(1, "veth")) == [1, 2]


def test_ratio_to_another_figure_of_the_same_end() -> None:
    told = [{**row, "p99": 30.0} for row in rows(OURS, 10, 20)]
    assert ratios(told, "up", Target("p99", False, 3, OURS, "value")) == [3, 1.5]


@pytest.mark.parametrize(
    ("target", "ours", "word"),
    [
        (at_least(0.5, "veth"), (5, 5, 1), "met"),
        (at_least(0.5, "veth"), (4.9, 4.9, 100), "MISSED"),
        (at_most(0.5, "veth"), (5, 5, 100), "met"),
        (at_most(0.5, "veth"), (5.1, 5.1, 1), "MISSED"),
        (at_most(5), (5, 4, 6), "met"),
        (at_least(5), (4, 4, 9), "MISSED"),
        (at_least(0.5, "ceiling"), (5, 5, 5), "not measured"),
    ],
)
def test_verdict_is_that_of_the_median(target: Target, ours: tuple[float, ...], word: str) -> None:
    (verdict,) = judge(rows(OURS, *ours) + rows("veth", 10, 10, 10), measure(target))
    assert verdict.word == word


def test_summary_leaves_out_ends_without_figures() -> None:
    told = summarize(rows(OURS, 1, 3), measure())
    assert told == {"up": {OURS: {"value": {"median": 2, "least": 1, "most": 3}}}}


def test_figures_of_a_stream_are_rate_and_processor_time_of_a_gigabyte() -> None:
    found = figures(MEASURES["up"], {"bytes": 5 * 10**9, "seconds": 2.0, "watched_cpu": [1.0]})
    assert found == {"value": 20, "cpu": pytest.approx(0.2)}


def test_figures_of_an_echo_are_its_percentiles_and_processor_time_of_an_exchange() -> None:
    told = {"median": 20.0, "p99": 50.0, "exchanges": 1000, "seconds": 1.0, "watched_cpu": [0.01]}
    assert figures(MEASURES["echo"], told) == {"value": 20, "p99": 50, "cpu": pytest.approx(10)}


def test_rate_beside_a_spinning_thread_is_told_less_what_the_thread_may_take() -> None:
    told = {"bytes": 10**9, "seconds": 1.0, "watched_cpu": [1.0], "spinner_share": 0.5}
    assert math.isclose(figures(MEASURES["up"], told)["corrected"], 16)


@pytest.mark.parametrize("name", MEASURES)
def test_measure_is_complete(name: str) -> None:
    measure = MEASURES[name]
    if measure.action is not None:
        assert set(measure.ends) <= set(RECIPES)
    else:
        assert measure.program
        assert measure.value is not None
    for target in measure.targets:
        assert target.end in measure.ends
        assert target.against is None or target.against in measure.ends


def test_default_leaves_out_what_has_to_be_named() -> None:
    assert set(DEFAULT) == {name for name, measure in MEASURES.items() if not measure.asked}


def test_words_of_a_target() -> None:
    assert at_least(0.8, "ceiling").words == "≥ 0.8 × ceiling"
    assert Target("p99", False, 3, OURS, "value").words == "≤ 3 × median"
    assert at_most(1000).words == "≤ 1,000"
