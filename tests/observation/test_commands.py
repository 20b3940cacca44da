"""`wspstack ss` and `wspstack stat`: text and JSON of a stack whose state is known, and what is refused."""

import json
import os
from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner, Result

from stack.cli.command import wspstack
from stack.cli.ss_words import info_words, rate, timer_words
from tests.observation.observed import HandStack, answering

Command = Callable[..., str]


def result_of(*arguments: str) -> Result:
    return CliRunner().invoke(wspstack, list(arguments), prog_name="wspstack")


def said(*arguments: str) -> str:
    """What a command that succeeds writes on stdout."""
    result = result_of(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*arguments: str) -> str:
    """The one line with which a command fails."""
    result = result_of(*arguments)
    assert result.exit_code != 0
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line


@pytest.fixture
def stack() -> Iterator[HandStack]:
    with answering() as (stack, _):
        yield stack


def columns(text: str) -> list[list[str]]:
    """The words of each line."""
    return [line.split() for line in text.splitlines()]


@pytest.mark.usefixtures("stack")
def test_ss_shows_connections_with_their_queues() -> None:
    heading, *rows = columns(said("ss"))
    assert heading == ["State", "Recv-Q", "Send-Q", "Local", "Address:Port", "Peer", "Address:Port"]
    assert rows == [
        ["ESTAB", "33", "3000", "10.0.0.1:80", "10.0.0.2:1000"],
        ["ESTAB", "33", "0", "10.0.0.1:80", "10.0.0.2:1001"],
        ["ESTAB", "0", "0", "10.0.0.1:81", "10.0.0.2:2"],
    ]


@pytest.mark.usefixtures("stack")
def test_ss_tlnp_shows_listeners_with_queue_backlog_and_process() -> None:
    _, *rows = columns(said("ss", "-tlnp"))
    assert [row[:5] for row in rows] == [
        ["LISTEN", "0", "16", "0.0.0.0:80", "0.0.0.0:*"],
        ["LISTEN", "1", "7", "0.0.0.0:81", "0.0.0.0:*"],
    ]
    assert all(row[5].endswith(f",pid={os.getpid()}))") for row in rows)


@pytest.mark.usefixtures("stack")
def test_ss_a_shows_half_open_and_time_wait_too() -> None:
    states = [row[0] for row in columns(said("ss", "-aH"))]
    assert sorted(states) == sorted(["LISTEN"] * 2 + ["ESTAB"] * 3 + ["SYN-RECV", "TIME-WAIT"])


@pytest.mark.usefixtures("stack")
def test_ss_io_adds_a_line_of_timer_and_tcp_info() -> None:
    heading, *lines = said("ss", "-io", "--dport", "1000").splitlines()
    row, detail = lines
    assert heading.startswith("State")
    assert row.startswith("ESTAB")
    words = detail.split()
    assert words[0].startswith("timer:(on,")
    for word in ("ts", "sack", "cubic", "wscale:7,9", "mss:1448", "cwnd:10", "unacked:2", "notsent:104"):
        assert word in words
    assert "bytes_received:33" in words


@pytest.mark.parametrize(
    ("arguments", "ports"),
    [
        (["--state", "time-wait"], ["1002"]),
        (["--state", "bucket"], ["1002", "1"]),
        (["--state", "ESTAB", "--sport", "81"], ["2"]),
        (["--dst", "10.0.0.2", "--dport", "1001"], ["1001"]),
        (["--src", "10.9.0.0/16"], []),
        (["--limit", "1"], ["any"]),
    ],
)
@pytest.mark.usefixtures("stack")
def test_ss_shows_what_a_filter_names(arguments: list[str], ports: list[str]) -> None:
    rows = columns(said("ss", "-H", *arguments))
    assert len(rows) == len(ports)
    assert "any" in ports or sorted(row[4].rpartition(":")[2] for row in rows) == sorted(ports)


@pytest.mark.usefixtures("stack")
def test_ss_says_that_there_is_more() -> None:
    assert "there are more than 1 connections" in result_of("ss", "--limit", "1").stderr


@pytest.mark.usefixtures("stack")
def test_ss_json_has_numbers_and_the_kernels_names() -> None:
    told = json.loads(said("ss", "-a", "--json"))
    assert len(told["listeners"]) == 2
    row = next(row for row in told["connections"] if row["remote_port"] == 1000)
    assert row["info"]["tcpi_notsent_bytes"] == 104
    assert row["state"] == "ESTABLISHED"


@pytest.mark.usefixtures("stack")
def test_stat_shows_what_is_not_zero_under_the_kernels_names() -> None:
    heading, *rows = columns(said("stat"))
    assert heading == ["Counter", "Value"]
    values = {name: int(value) for name, value in rows}
    assert values["TcpPassiveOpens"] == 3 + 1
    assert 0 not in values.values()
    assert "TcpRetransSegs" not in values


@pytest.mark.usefixtures("stack")
def test_stat_all_shows_zeros_and_a_pattern_chooses() -> None:
    names = [name for name, _ in columns(said("stat", "-a", "Udp*", "TcpRetransSegs"))[1:]]
    assert names == ["TcpRetransSegs", "UdpNoPorts"]


@pytest.mark.usefixtures("stack")
def test_stat_json_is_grouped_by_table() -> None:
    told = json.loads(said("stat", "--json", "--all"))["counters"]
    assert {"Ip", "Icmp", "Tcp", "Udp", "TcpExt", "IpExt", "Wspstack"} == told.keys()
    assert told["Tcp"]["RetransSegs"] == 0


def test_stat_interval_shows_what_grew(stack: HandStack, monkeypatch: pytest.MonkeyPatch) -> None:
    ports = iter((3000, 3001))

    def act(self: object, seconds: float) -> bool:
        stack.connection(next(ports))
        return False

    monkeypatch.setattr("stack.cli.ending.Ending.wait_for", act)
    lines = said("stat", "--interval", "1", "--count", "2", "--json", "TcpPassiveOpens").splitlines()
    assert len(lines) == 2
    first, second = (json.loads(line) for line in lines)
    assert first["counters"]["Tcp"] == second["counters"]["Tcp"] == {"PassiveOpens": 1}
    assert second["seconds"] > 0


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ss", "--state", "nowhere"], "no state 'nowhere': there are all, connected"),
        (["ss", "--dst", "example.org"], "'example.org' is neither an address nor a network"),
        (["ss", "--sport", "70000"], "70000"),
        (["ss", "--stack", "10.1.1.1"], "no stack of yours runs at 10.1.1.1: there are 10.0.0.1 (process"),
        (["ss", "--stack", "1"], "process 1 runs no stack of yours"),
        (["ss", "--stack", "there"], "'there' names no stack"),
        (["stat", "--stack", "/missing.sock"], "no stack answers at /missing.sock"),
        (["stat", "TcpFrobs"], "no counter 'TcpFrobs': `wspstack stat --all` has them"),
        (["stat", "--count", "3"], "--count goes with --interval"),
        (["stat", "--interval", "0"], "0"),
    ],
)
def test_wrong_argument_is_refused_in_one_line(arguments: list[str], words: str) -> None:
    assert words in refused(*arguments)


@pytest.mark.parametrize("command", ["ss", "stat"])
def test_without_a_stack_it_says_so(command: str) -> None:
    assert "no stack of yours runs" in refused(command)


@pytest.mark.parametrize("command", ["ss", "stat"])
def test_of_several_stacks_one_is_to_be_named(command: str) -> None:
    with answering() as (_, one), answering():
        assert "2 stacks run: say which with --stack: 10.0.0.1 (process" in refused(command)
        assert said(command, "--stack", str(one.path))


@pytest.mark.parametrize(
    ("octets", "text"), [(0, "0bps"), (100, "800bps"), (1250, "10kbps"), (1.25e9, "10Gbps"), (5e12, "40000Gbps")]
)
def test_rate_is_bits_per_second(octets: float, text: str) -> None:
    assert rate(octets) == text


def test_words_are_those_of_ss() -> None:
    info = {
        "tcpi_options": 7,
        "tcpi_snd_wscale": 7,
        "tcpi_rcv_wscale": 9,
        "tcpi_rto": 204_000,
        "tcpi_rtt": 1500,
        "tcpi_rttvar": 750,
        "tcpi_snd_mss": 1448,
        "tcpi_snd_cwnd": 10,
        "tcpi_snd_ssthresh": 7,
        "tcpi_retrans": 1,
        "tcpi_total_retrans": 5,
        "tcpi_backoff": 2,
        "tcpi_min_rtt": 30,
        "tcpi_last_data_sent": 0,
    }
    words = info_words(info, "cubic")
    assert words.startswith("ts sack cubic wscale:7,9 rto:204 backoff:2 rtt:1.5/0.75 ")
    for word in ("ssthresh:7", "retrans:1/5", "minrtt:0.03", "lastsnd:0", "send 77.2Mbps"):
        assert word in words
    assert "ssthresh" not in info_words({**info, "tcpi_snd_ssthresh": 0x7FFFFFFF}, None)
    assert timer_words({"name": "on", "ms": 1200}, {"tcpi_retransmits": 3}) == "timer:(on,1.2sec,3)"
    assert timer_words(None, {}) == ""
