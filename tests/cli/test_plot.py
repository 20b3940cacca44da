"""`wspstack plot`: connections are listed and chosen, files are named, and what is wrong is said in one line."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap, wrpcapng

from stack.cli.command import wspstack

Plot = Callable[..., Result]


@pytest.fixture
def plot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plot:
    """Runs the command in a folder with two captures of the same three connections, and one of none."""
    monkeypatch.chdir(tmp_path)
    frames = []
    for number, size in enumerate((100, 300, 200), 1):
        for index, (client, flags, seq, ack, length) in enumerate(
            [
                (True, "S", 99, 0, 0),
                (False, "SA", 499, 100, 0),
                (True, "A", 100, 500, 10),
                (False, "A", 500, 110, size),
                (True, "A", 110, 500 + size, 0),
            ]
        ):
            ends = {"src": f"10.0.0.{number}", "dst": "10.0.0.9"} if client else {}
            ports = {"sport": 5000, "dport": 80} if client else {"sport": 80, "dport": 5000}
            layer = IP(**(ends or {"src": "10.0.0.9", "dst": f"10.0.0.{number}"}))
            segment = TCP(**ports, flags=flags, seq=seq, ack=ack, options=[("WScale", 2)] if "S" in flags else [])
            frame = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / layer / segment / bytes(length)
            frame.time = number + index / 100
            frames.append(frame)
    wrpcap("three.pcap", frames)
    wrpcapng("three.pcapng", frames)
    wrpcap("none.pcap", Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / bytes(60))
    (tmp_path / "nonsense").write_bytes(b"nonsense")
    runner = CliRunner()
    return lambda *arguments: runner.invoke(wspstack, ["plot", *arguments], prog_name="wspstack")


def pictures() -> set[str]:
    return {path.name for path in Path().iterdir() if path.suffix in {".png", ".svg", ".pdf"}}


@pytest.mark.parametrize("name", ["three.pcap", "three.pcapng"])
def test_list_has_every_connection(plot: Plot, name: str) -> None:
    result = plot(name, "--list")
    assert result.exit_code == 0, result.output
    rows = result.stdout.splitlines()[1:]
    assert [row.split()[:4] for row in rows] == [
        [str(number), f"10.0.0.{number}:5000", "→", "10.0.0.9:80"] for number in (1, 2, 3)
    ]
    assert rows[1].split()[4:] == ["1.000", "s", "0.040", "s", "10", "B", "300", "B"]
    assert pictures() == set()


def test_largest_connection_is_drawn_in_its_larger_direction(plot: Plot) -> None:
    result = plot("three.pcap")
    assert result.exit_code == 0, result.output
    assert "the largest of 3 connections, number 2" in result.stdout
    assert "three.png: 10.0.0.9:80 → 10.0.0.2:5000: 300 B" in result.stdout
    assert pictures() == {"three.png"}


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ("--all -o out.svg", {"out-1.svg", "out-2.svg", "out-3.svg"}),
        ("--connection 1 -n 3 -o out.pdf", {"out-1.pdf", "out-3.pdf"}),
        ("--end 10.0.0.3 --direction both", {"three.png", "three-backward.png"}),
        ("--end :80 --end 10.0.0.1:5000 -o one.png", {"one.png"}),
        (
            "--connection 1 --from 0.01 --to 0.03 --size 5x4 --dpi 50 --title Title --absolute --window 0.01",
            {"three.png"},
        ),
    ],
)
def test_connections_that_are_chosen_have_a_file_each(plot: Plot, arguments: str, names: set[str]) -> None:
    result = plot("three.pcap", *arguments.split())
    assert result.exit_code == 0, result.output
    assert pictures() == names


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ("missing.pcap", 2, "missing.pcap"),
        ("nonsense", 1, "6e 6f 6e 73"),
        ("none.pcap", 1, "no TCP segments among its 1 frames"),
        ("three.pcap --connection 4", 1, "no connection 4, but 1 to 3"),
        ("three.pcap --connection 0", 1, "no connection 0"),
        ("three.pcap --end 10.0.0.77", 1, "10.0.0.77"),
        ("three.pcap --end 10.0.0.1 --connection 2", 1, "no connection of these numbers has 10.0.0.1"),
        ("three.pcap --end nowhere", 2, "'nowhere'"),
        ("three.pcap --from 7", 1, "7 s"),
        ("three.pcap --size 12", 2, "'12'"),
        ("three.pcap --size 1x900", 2, "'1x900'"),
        ("three.pcap --size nanxnan", 2, "'nanxnan'"),
        ("three.pcap --output picture.gif", 2, ".svg"),
        ("three.pcap --output no/such/folder.png", 2, "no such folder"),
        ("three.pcap --direction up", 2, "up"),
        ("three.pcap --window 0", 2, "0"),
        ("three.pcap --window nan", 2, "'nan'"),
        ("three.pcap --from nan", 2, "'nan'"),
        ("three.pcap --to inf", 2, "'inf'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(plot: Plot, arguments: str, status: int, said: str) -> None:
    result = plot(*arguments.split())
    assert result.exit_code == status
    assert result.stderr.count("\n") == 1
    assert said in result.stderr
    assert pictures() == set()


def test_capture_that_breaks_off_is_drawn_and_the_end_is_said(plot: Plot) -> None:
    data = Path("three.pcap").read_bytes()
    Path("short.pcap").write_bytes(data[:-10])
    result = plot("short.pcap", "--list")
    assert result.exit_code == 0
    assert "ends in the middle of a record, after 14 frames" in result.stderr


def test_simulated_run_is_drawn_with_what_a_capture_does_not_show(plot: Plot) -> None:
    result = plot("--simulate", "rate=10M delay=10ms loss=1%/0% bytes=200k seed=2", "-o", "run.svg")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("run.svg: 10.0.0.1:10000 → 10.0.0.2:80: 200 kB in ")
    text = Path("run.svg").read_text()
    assert all(f">{word}<" in text for word in ("cwnd", "ssthresh", "srtt", "lost on the way"))


def test_simulated_flows_have_a_file_each_and_can_be_listed(plot: Plot) -> None:
    line = ["--simulate", "rate=10M delay=1ms bytes=20k flows=2"]
    assert len(plot(*line, "--list").stdout.splitlines()) == 3
    assert plot(*line).exit_code == 0
    assert pictures() == {"simulated-1.png", "simulated-2.png"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "one of CAPTURE, --simulate"),
        (["three.pcap", "--simulate", "rate=1M"], "one of CAPTURE, --simulate"),
        (["--simulate", "rate=fast"], "'fast'"),
        (["--simulate", "queue=99G"], "queue"),
        (["--simulate", "loss=100%"], "not even ARP"),
    ],
)
def test_line_that_gives_no_run_is_answered_in_one_line(plot: Plot, arguments: list[str], said: str) -> None:
    result = plot(*arguments)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert said in result.stderr


@pytest.mark.parametrize("missing", ["matplotlib", "numpy"])
def test_missing_library_is_named_with_the_line_that_brings_it(
    plot: Plot, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    result = plot("three.pcap")
    assert result.exit_code == 1
    assert "pip install 'wspstack[plot]'" in result.stderr
    assert result.stderr.count("\n") == 1


def test_scenario_is_run_and_drawn(plot: Plot) -> None:
    link = {"ends": ["one", "two"], "both": {"delay": 5_000_000}}
    scenario = {"seed": 1, "hosts": {"one": {}, "two": {}}, "links": [link]}
    flows = [{"client": "one", "server": "two", "send": 5000}]
    Path("run.json").write_text(json.dumps({**scenario, "flows": flows}))
    result = plot("--scenario", "run.json")
    assert result.exit_code == 0, result.output
    assert "run.png: 10.0.0.1:10000 → 10.0.0.2:80: 5 kB in " in result.stdout
    Path("wrong.json").write_text(json.dumps(scenario))
    result = plot("--scenario", "wrong.json")
    assert result.exit_code == 1
    assert result.stderr == "wspstack: wrong.json: flows: Field required\n"
