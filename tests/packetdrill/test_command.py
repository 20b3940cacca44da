"""`wspstack packetdrill`, and pytest's collection of `.pkt` files."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from stack.cli.command import wspstack
from tests.packetdrill.conftest import CONNECTED

GOOD = CONNECTED
BAD = CONNECTED + "+0 > . 1:1(0) ack 1\n"
ABSENT = CONNECTED + "+0 psp_rx_assoc(4, [7]) = 0\n"
BROKEN = "0 < S\n"

ROOT = Path(__file__).parents[2]


def invoke(folder: Path, scripts: list[str], *options: str) -> Result:
    """Runs the command on scripts written to files."""
    paths = []
    for number, text in enumerate(scripts):
        paths.append(folder / f"{number}.pkt")
        paths[-1].write_text(text)
    return CliRunner().invoke(wspstack, ["packetdrill", *options, *map(str, paths)], prog_name="wspstack")


@pytest.mark.parametrize(
    ("scripts", "status"),
    [([GOOD], 0), ([BAD], 1), ([BROKEN], 1), ([ABSENT], 3), ([GOOD, ABSENT, BAD], 1), ([GOOD, ABSENT], 3)],
)
def test_exit_status_says_what_came_of_the_scripts(tmp_path: Path, scripts: list[str], status: int) -> None:
    assert invoke(tmp_path, scripts).exit_code == status


def test_failure_is_printed_with_file_line_and_column(tmp_path: Path) -> None:
    output = invoke(tmp_path, [GOOD, BAD]).output
    assert "0.pkt: passed, 0.000000 s of virtual time" in output
    assert "1.pkt:8:1: no packet was seen" in output
    assert output.splitlines()[-1] == "1 passed, 1 failed"


def test_quiet_says_nothing_of_what_passed(tmp_path: Path) -> None:
    assert invoke(tmp_path, [GOOD], "--quiet").output == ""


def test_verbose_says_each_call_and_packet(tmp_path: Path) -> None:
    lines = invoke(tmp_path, [GOOD], "--verbose").output.splitlines()
    assert "0.000000 < S 0:0(0) win 32000 <mss 1000>" in lines
    assert any(line.startswith("0.000000 > ") and "8080 > 42000 S. 0:0(0) ack 1 win 65535" in line for line in lines)
    assert "0.000000 accept(3, ..., ...) = 4" in lines


def test_folder_stands_for_the_scripts_below_it(tmp_path: Path) -> None:
    below = tmp_path / "scripts" / "deeper"
    below.mkdir(parents=True)
    (below / "b.pkt").write_text(GOOD)
    (tmp_path / "scripts" / "a.pkt").write_text(BAD)
    (tmp_path / "scripts" / "notes.txt").write_text("none")
    arguments = ["packetdrill", str(tmp_path / "scripts")]
    result = CliRunner().invoke(wspstack, arguments, prog_name="wspstack")
    assert result.exit_code == 1
    assert result.output.splitlines()[-1] == "1 passed, 1 failed"
    empty = CliRunner().invoke(wspstack, ["packetdrill", str(tmp_path / "scripts" / "deeper" / "..") + "/none"])
    assert "No such file" in empty.output


def test_folder_without_scripts_is_told(tmp_path: Path) -> None:
    result = CliRunner().invoke(wspstack, ["packetdrill", str(tmp_path)], prog_name="wspstack")
    assert result.exit_code == 2
    assert "hold no script" in result.output


def test_outcomes_are_written_as_json(tmp_path: Path) -> None:
    result = invoke(tmp_path, [GOOD, BAD, ABSENT, BROKEN], "--json")
    assert result.exit_code == 1
    outcomes = json.loads(result.output)
    assert [each["verdict"] for each in outcomes] == ["passed", "failed", "not supported", "failed"]
    assert [each["line"] for each in outcomes] == [None, 8, 8, 1]
    assert outcomes[3]["column"] == 5
    assert "the script ends too early" in outcomes[3]["message"]


def test_several_at_a_time_give_the_same_outcomes(tmp_path: Path) -> None:
    scripts = [GOOD, BAD, ABSENT, GOOD, BROKEN]
    one = invoke(tmp_path, scripts, "--json")
    assert invoke(tmp_path, scripts, "--json", "--jobs", "2").output == one.output


def test_unknown_short_option_is_told(tmp_path: Path) -> None:
    result = invoke(tmp_path, [GOOD], "-x")
    assert result.exit_code == 2
    assert "no such option: -x" in result.output


def test_check_reads_and_runs_nothing(tmp_path: Path) -> None:
    assert invoke(tmp_path, [BAD], "--check").exit_code == 0
    assert invoke(tmp_path, [BROKEN], "--check").exit_code == 1


def test_option_of_the_command_goes_before_the_scripts_own(tmp_path: Path) -> None:
    late = "--tolerance_usecs=1\n" + CONNECTED + "+0 write(4, ..., 10) = 10\n+.01 > P. 1:11(10) ack 1\n"
    assert invoke(tmp_path, [late]).exit_code == 1
    assert invoke(tmp_path, [late], "--option", "tolerance_usecs=10000").exit_code == 0
    assert invoke(tmp_path, [late], "--tolerance_usecs=10000").exit_code == 0


def test_option_that_is_not_of_the_language_is_told(tmp_path: Path) -> None:
    result = invoke(tmp_path, [GOOD], "--frobs=1")
    assert result.exit_code == 3
    assert "--frobs is no option of the language" in result.output


def test_defined_name_stands_for_its_value(tmp_path: Path) -> None:
    script = CONNECTED + "+0 write(4, ..., LENGTH) = 10\n+0 < . 1:1(0) ack 1 win 9000 <FO COOKIE,nop,nop>\n"
    assert invoke(tmp_path, [script], "-D", "LENGTH=10", "-D", "COOKIE=0123456789abcdef").exit_code == 0
    refused = invoke(tmp_path, [script], "-D", "LENGTH=10").output
    assert "FO COOKIE: an even number of hexadecimal digits is needed" in refused


def test_file_of_commands_beside_the_script_is_read(tmp_path: Path) -> None:
    (tmp_path / "defaults.sh").write_text(
        "#!/bin/sh\nsysctl -q \\\n net.ipv4.tcp_sack=0 \\\n net.ipv4.tcp_frobs=1\ntouch ran\n"
    )
    syn = "0 < S 0:0(0) win 9000 <mss 1000,sackOK,nop,nop>\n+0 > S. 0:0(0) ack 1 <mss 1460>\n"
    listening = "\n".join(CONNECTED.splitlines()[:3])
    result = invoke(tmp_path, [f"`./defaults.sh`\n{listening}\n+{syn}"])
    assert result.exit_code == 0
    assert "1 of its settings have no counterpart" in result.output
    assert not (tmp_path / "ran").exists()


def test_no_file_is_told(tmp_path: Path) -> None:
    assert invoke(tmp_path, [], "--quiet").exit_code == 2


def test_missing_file_is_told_in_one_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(wspstack, ["packetdrill", str(tmp_path / "none.pkt")], prog_name="wspstack")
    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    assert "No such file" in result.output


def test_pytest_collects_scripts_as_tests(tmp_path: Path) -> None:
    for name, text in (("good", GOOD), ("bad", BAD), ("absent", ABSENT)):
        (tmp_path / f"{name}.pkt").write_text(text)
    command = [sys.executable, "-m", "pytest", "-rA", "-p", "stack.packetdrill.pytest_plugin", "-p", "no:cacheprovider"]
    late = "+0 write(4, ..., 10) = 10\n+.01 > P. 1:11(10) ack 1\n"
    (tmp_path / "late.pkt").write_text(CONNECTED + late)
    (tmp_path / "pytest.ini").write_text("[pytest]\npacketdrill_options =\n  verbose\n  tolerance_usecs=10000\n")
    options = ["--rootdir", str(tmp_path), str(tmp_path)]
    result = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "1 failed, 2 passed, 1 skipped" in result.stdout
    assert "bad.pkt:8:1: no packet was seen" in result.stdout
    assert "psp_rx_assoc() is not supported" in result.stdout
