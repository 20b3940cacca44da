"""Rows of figures into medians, spreads, ratios within a round, and verdicts. Knows no machine."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scripts.benchmark.measures import Measure, Target

Row = Mapping[str, Any]  # round, measure, end, and figures by name

FIGURES = ("value", "p99", "cpu", "memory", "corrected")


def spread(values: Iterable[float]) -> dict[str, float]:
    """Returns median, least and most of at least one value."""
    ordered = sorted(values)
    return {"median": statistics.median(ordered), "least": ordered[0], "most": ordered[-1]}


def by_round(rows: Iterable[Row], measure: str, end: str, figure: str) -> dict[int, float]:
    """Returns a figure of one end in the rounds that have it."""
    return {
        row["round"]: row[figure]
        for row in rows
        if row["measure"] == measure and row["end"] == end and row.get(figure) is not None
    }


def ratios(rows: Sequence[Row], measure: str, target: Target) -> list[float]:
    """Returns what is judged: in each round that has both, the figure by the other end's; or the figure alone."""
    own = by_round(rows, measure, target.end, target.figure)
    if target.against is None:
        return list(own.values())
    other = by_round(rows, measure, target.against, target.of)
    return [figure / other[number] for number, figure in own.items() if other.get(number)]


@dataclass(frozen=True)
class Verdict:
    """A target of a measure with what was measured: the spread of `ratios`, None when nothing was."""

    measure: str
    target: Target
    measured: dict[str, float] | None

    @property
    def met(self) -> bool | None:
        """Whether the median reaches the target; None when nothing was measured."""
        if self.measured is None:
            return None
        median = self.measured["median"]
        return median >= self.target.bound if self.target.least else median <= self.target.bound

    @property
    def word(self) -> str:
        """`met`, `MISSED` or `not measured`."""
        return {True: "met", False: "MISSED", None: "not measured"}[self.met]


def judge(rows: Sequence[Row], measures: Mapping[str, Measure]) -> list[Verdict]:
    """Returns a verdict for each target of the measures, in their order."""
    found = []
    for name, measure in measures.items():
        for target in measure.targets:
            values = ratios(rows, name, target)
            found.append(Verdict(name, target, spread(values) if values else None))
    return found


def summarize(
    rows: Sequence[Row], measures: Mapping[str, Measure]
) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """Returns the spread of each figure by measure and end; ends without a figure are left out."""
    summary: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for name, measure in measures.items():
        ends = {}
        for end in measure.ends:
            values = {figure: by_round(rows, name, end, figure) for figure in FIGURES}
            spreads = {figure: spread(found.values()) for figure, found in values.items() if found}
            if spreads:
                ends[end] = spreads
        summary[name] = ends
    return summary
