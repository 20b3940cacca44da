"""`wspstack simulate`: scenarios are drawn, run, recorded and replayed; what is wrong is said in one line."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from stack.cli.command import wspstack

Invoke = Callable[..., Result]


@pytest.fixture
def invoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    return lambda *arguments, **options: runner.invoke(
        wspstack, ["simulate", *arguments], prog_name="wspstack", **options
    )


def test_drawn_scenario_runs_from_a_file_and_from_standard_input(invoke: Invoke) -> None:
    drawn = invoke("draw", "5")
    Path("scenario.json").write_text(drawn.output)
    one, two = invoke("run", "scenario.json"), invoke("run", "-", input=drawn.output)
    assert one.exit_code == 0
    assert one.output == two.output
    assert "no violation" in one.output


def test_run_that_was_recorded_replays(invoke: Invoke) -> None:
    Path("scenario.json").write_text(invoke("draw", "5").output)
    first = invoke("run", "scenario.json", "--pcap", "out.pcapng")
    again = invoke("replay", "out.pcapng", "--json", "again.json")
    assert again.exit_code == 0
    assert again.output.startswith(first.output)
    assert "at the same times" in again.output
    assert Path("again.json").read_text() == Path("scenario.json").read_text()


def test_violation_is_told_and_ends_with_status_1(invoke: Invoke) -> None:
    scenario = json.loads(invoke("draw", "5").output)
    scenario["events"] = 10
    Path("scenario.json").write_text(json.dumps(scenario))
    result = invoke("run", "scenario.json", "--pcap", "out.pcapng")
    assert result.exit_code == 1
    assert "endless violated" in result.output
    assert invoke("replay", "out.pcapng").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("run",), 2, "SCENARIO"),
        (("run", "missing.json"), 2, "missing.json"),
        (("run", "wrong.json"), 1, "wrong.json: seed"),
        (("run", "wrong.json", "--link", "0"), 2, "--pcap"),
        (("run", "right.json", "--pcap", "no/where"), 1, "no/where"),
        (("run", "right.json", "--pcap", "out.pcapng", "--link", "99"), 1, "no link 99"),
        (("replay", "wrong.json"), 1, "wrong.json"),
        (("draw", "-1"), 2, "-1"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(invoke: Invoke, arguments: tuple[str, ...], status: int, said: str) -> None:
    Path("wrong.json").write_text('{"seed": "x"}')
    Path("right.json").write_text(invoke("draw", "5").output)
    result = invoke(*arguments)
    assert result.exit_code == status
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
