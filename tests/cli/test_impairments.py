"""What the options of a link's faults come to in the core."""

from typing import Any

import pytest

from stack.cli.impairments import Blackout, LinkFaults, blackout


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The arguments of every Impairment that is made."""
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr("netcore.impair.Impairment", lambda **arguments: calls.append(arguments))
    return calls


def test_link_without_faults_has_no_impairments() -> None:
    assert LinkFaults({"loss": (0.0, 0.0), "queue": (10.0, 10.0)}).impairments(1500) is None


def test_both_ways_have_their_own_values_in_the_units_of_the_core(made: list[dict[str, Any]]) -> None:
    LinkFaults({"loss": (1.5, 0.0), "delay": (2.0, 3.0), "rate": (0.5, 10.0), "queue": (2.0, 64.0)}).impairments(1400)
    wanted = {"loss": 15_000, "delay": 2_000_000, "rate": 500_000, "queue": 2048, "mtu": 1400}
    assert {name: made[0][name] for name in wanted} == wanted
    assert [one["loss"] for one in made] == [15_000, 0]
    assert [one["rate"] for one in made] == [500_000, 10_000_000]
    assert made[0]["seed"] != made[1]["seed"]


@pytest.mark.parametrize(("share", "length"), [(1.0, 8.0), (5.0, 2.0), (20.0, 100.0)])
def test_bursts_lose_the_share_that_was_asked_for_in_bursts_of_that_length(
    made: list[dict[str, Any]], share: float, length: float
) -> None:
    LinkFaults({"burst": (share, 0.0), "burst_length": (length, length)}).impairments(1500)
    begin, end = made[0]["burst_begin"], made[0]["burst_end"]
    # the share of the time that a chain of two states spends in one of them
    assert begin / (begin + end) == pytest.approx(share / 100, rel=0.01)
    assert 1_000_000 / end == pytest.approx(length, rel=0.01)
    assert "burst_begin" not in made[1]


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("5+3", [(5_000_000_000, 8_000_000_000)]),
        ("0+0.5", [(0, 500_000_000)]),
        ("1+2/10", [(1_000_000_000, 3_000_000_000), (11_000_000_000, 13_000_000_000)]),
    ],
)
def test_blackouts_are_times_from_the_start(text: str, times: list[tuple[int, int]]) -> None:
    assert blackout(text).times()[:2] == times


def test_blackouts_of_both_ways_come_in_their_order(made: list[dict[str, Any]]) -> None:
    LinkFaults(blackouts=(Blackout(5, 1), Blackout(1, 1))).impairments(1500)
    assert [begin for begin, _ in made[0]["blackouts"]] == [1_000_000_000, 5_000_000_000]
    assert made[0]["origin"] > 0


def test_faults_are_told_in_the_units_of_the_command_line() -> None:
    faults = LinkFaults({"loss": (1.0, 0.0), "rate": (100.0, 100.0)}, 7, (Blackout(5, 3, 10),))
    assert str(faults) == "blackout of 3 s after 5 s every 10 s, loss 1/0 %, rate 100 Mbit/s, seed 7"
