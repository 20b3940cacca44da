"""Streams between us and the kernel over a link that does everything at once; the command scripts/interop.py."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.interop import SPURIOUS_CEILING, Cell, verdicts
from tapdev.tap import device_path
from tests.interop.links import LINKS, MBIT, MILLISECOND, PER_CENT, Link, near
from tests.interop.transfers import OUR_NAMES, Laboratory, Result, TransferFailed, kernel_algorithms, our_algorithms

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
SECONDS = 100

BAD = Link(
    "a little of everything",
    near(
        50 * MBIT,
        4 * MILLISECOND,
        loss=PER_CENT // 2,
        duplicate=PER_CENT,
        corrupt=PER_CENT // 2,
        reorder=2 * PER_CENT,
        reorder_frames=3,
    ),
    bytes=1_500_001,
    seconds=20.0,
)


@pytest.fixture(scope="module")
def laboratory() -> Iterator[Laboratory]:
    """Two namespaces; needs a TAP device and root."""
    if not os.access(device_path(), os.R_OK | os.W_OK):
        pytest.skip(f"{device_path()} is missing or forbidden to user {os.geteuid()}")
    if os.geteuid() != 0:
        pytest.skip(f"needs root, this is user {os.geteuid()}")
    with Laboratory() as made:
        yield made


def require(way: str, algorithm: str) -> None:
    """Skips what kernel or core does not have."""
    if way != "uk" and algorithm not in kernel_algorithms():
        pytest.skip(f"the kernel has no {algorithm}")
    if way == "uk" and OUR_NAMES[algorithm] not in our_algorithms():
        pytest.skip(f"our core has no {OUR_NAMES[algorithm]}")


@pytest.mark.parametrize("way", ["ku", "uk"])
@pytest.mark.parametrize("algorithm", OUR_NAMES)
def test_stream_over_a_bad_link_arrives_whole(laboratory: Laboratory, way: str, algorithm: str) -> None:
    require(way, algorithm)
    result = laboratory.transfer(way, algorithm, BAD, seed=3)
    assert result.bytes == BAD.bytes
    assert result.dropped
    # what was lost was data, but for the ends of the connection and copies of frames that came twice
    assert result.retransmitted > result.dropped // 2


@pytest.mark.requirement("REC-8")
@pytest.mark.parametrize("algorithm", OUR_NAMES)
def test_reordering_makes_us_send_hardly_anything_twice(laboratory: Laboratory, algorithm: str) -> None:
    # a queue for all that is under way, so that nothing is lost
    roomy = replace(LINKS["reorder"], faults={**LINKS["reorder"].faults, "queue": 32 << 20}, seconds=0.7)
    result = laboratory.transfer("uk", algorithm, roomy)
    assert result.dropped == 0
    assert result.spurious_share < SPURIOUS_CEILING


@pytest.mark.requirement("REC-8")
@pytest.mark.campaign
@pytest.mark.timeout(600)
@pytest.mark.parametrize("algorithm", OUR_NAMES)
def test_goodput_with_losses_is_near_the_kernels(
    laboratory: Laboratory, algorithm: str, request: pytest.FixtureRequest
) -> None:
    if "campaign" not in request.config.getoption("-m"):
        pytest.skip("minutes of streams, run by -m campaign: scripts/interop.py --only loss-1 --rounds 5")
    require("kk", algorithm)
    cells = [Cell("loss-1", algorithm, way) for way in ("kk", "uk")]
    for seed in range(1, 6):
        for each in cells:
            each.results.append(laboratory.transfer(each.way, algorithm, LINKS["loss-1"], seed))
    ((text, met),) = verdicts(cells)
    assert met, text


def test_stream_from_kernel_to_kernel_stops_when_its_time_is_up(laboratory: Laboratory) -> None:
    result = laboratory.transfer("kk", "cubic", replace(LINKS["rate-10"], seconds=0.3))
    assert 0 < result.bytes < LINKS["rate-10"].bytes


def test_stream_over_a_link_that_passes_nothing_is_a_failure(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(laboratory, "patience", 1.0)
    dead = Link("nothing passes", {"loss": 100 * PER_CENT})
    with pytest.raises(TransferFailed, match="the kernel's end: send: timed out"):
        laboratory.transfer("kk", "cubic", dead)


def cell(link: str, algorithm: str, way: str, *results: Result) -> Cell:
    return Cell(link, algorithm, way, list(results))


def result(goodput: float = 1.0, retransmitted: int = 0, dropped: int = 0) -> Result:
    """A stream of 1000 segments."""
    return Result(1_448_000, 2.0, goodput, retransmitted, dropped, 0.0)


def test_spurious_retransmissions_are_those_beyond_what_was_lost() -> None:
    assert result(retransmitted=30, dropped=10).spurious == 20
    assert result(retransmitted=30, dropped=10).spurious_share == 0.02
    assert result(retransmitted=3, dropped=10).spurious == 0


@pytest.mark.parametrize(
    ("cells", "met"),
    [
        ([("loss-1", "uk", result(0.91)), ("loss-1", "kk", result(1.0))], [True]),
        ([("loss-1", "uk", result(0.89)), ("loss-1", "kk", result(1.0))], [False]),
        ([("reorder", "uk", result(retransmitted=9))], [True]),
        ([("reorder", "uk", result(retransmitted=10))], [False]),
        ([("loss-5", "uk", result(0.1)), ("loss-5", "kk", result(1.0)), ("loss-1", "uk", result(0.1))], []),
    ],
)
def test_verdicts_compare_our_senders_with_the_kernels_and_with_the_ceiling(
    cells: list[tuple[str, str, Result]], met: list[bool]
) -> None:
    assert [each for _, each in verdicts([cell(link, "cubic", way, one) for link, way, one in cells])] == met


def test_script_prints_a_table_and_writes_every_figure(laboratory: Laboratory, tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    options = ["--only", "rate-100", "--algorithm", "reno", "--seconds", "0.2", "--rounds", "2", "--json", str(file)]
    command = [sys.executable, str(ROOT / "scripts" / "interop.py"), *options]
    told = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    assert (told.returncode, told.stderr) == (0, "")
    assert "rate-100" in told.stdout
    assert "6 streams" in told.stdout
    cells = json.loads(file.read_text())["cells"]
    assert [(each["way"], len(each["results"])) for each in cells] == [("kk", 2), ("ku", 2), ("uk", 2)]
