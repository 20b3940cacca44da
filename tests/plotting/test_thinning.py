"""What is left out of a curve or of bars is what nobody could see."""

import numpy as np

from stack.plotting.thinning import FEW, merged_bars, thinned

MANY = 50_000


def test_few_points_stay_as_they_are() -> None:
    time = np.arange(100)
    assert thinned(time, time, 10, 20, 5).tolist() == list(range(9, 22))
    assert thinned(time, time, 500, 600, 5).tolist() == [99]
    assert thinned(time[:0], time[:0], 0, 9, 5).tolist() == []


def test_of_many_points_each_column_keeps_first_last_lowest_and_highest() -> None:
    random = np.random.default_rng(1)
    time = np.sort(random.integers(0, 1_000_000, MANY))
    value = random.integers(0, 1000, MANY)
    index = thinned(time, value, 0, 1_000_000, 100)
    assert len(index) <= 4 * 101
    column, kept = time // 10_000, set(index.tolist())
    for number in range(100):
        points = np.flatnonzero(column == number)
        assert {int(points[0]), int(points[-1])} <= kept
        chosen = [int(value[point]) for point in points if int(point) in kept]
        assert (min(chosen), max(chosen)) == (value[points].min(), value[points].max())


def test_few_bars_stay_and_those_out_of_view_go() -> None:
    time = np.array([5, 10, 20, 25])
    kept, low, high = merged_bars(time, time * 10, time * 10 + 5, 10, 20, 100, 0)
    assert (kept.tolist(), low.tolist(), high.tolist()) == ([10, 20], [100, 200], [105, 205])


def test_many_bars_one_above_the_other_are_one_a_column() -> None:
    start = np.arange(MANY) * 10
    time, low, high = merged_bars(np.arange(MANY), start, start + 10, 0, MANY, 100, 0)
    assert len(time) == 100
    assert low.tolist() == list(range(0, MANY * 10, MANY // 10))
    assert (high[:-1] == low[1:]).all()


def test_gap_that_can_be_seen_stays() -> None:
    start = np.arange(MANY) * 10
    start[MANY // 2 :] += 1000
    time = np.zeros(MANY, dtype=np.int64)
    order = np.random.default_rng(1).permutation(MANY)
    for tolerance, bars in ((999, 2), (1000, 1)):
        _, low, high = merged_bars(time, start[order], start[order] + 10, 0, 1, 10, tolerance)
        assert len(low) == bars
        assert (low[0], high[-1]) == (0, MANY * 10 + 1000)
    assert MANY > FEW
