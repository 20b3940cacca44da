"""What the command line says without a stack: help, version, wrong arguments."""

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from stack.cli.command import wspstack

Invoke = Callable[..., Result]

COMMANDS = ("run", "serve", "services", "ss", "stat", "relay", "simulate", "plot", "clean")


@pytest.fixture
def invoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    return lambda *arguments: runner.invoke(wspstack, arguments, prog_name="wspstack")


def test_version_is_printed_with_the_name(invoke: Invoke) -> None:
    result = invoke("--version")
    assert result.exit_code == 0
    assert result.output == f"wspstack {version('wspstack')}\n"


def test_no_argument_prints_the_help(invoke: Invoke) -> None:
    result = invoke()
    assert result.exit_code == 0
    assert "Commands:" in result.output


@pytest.mark.parametrize("command", [(), *[(name,) for name in COMMANDS]], ids=lambda words: " ".join(words) or "group")
def test_help_of_each_command_has_examples(invoke: Invoke, command: tuple[str, ...]) -> None:
    result = invoke(*command, "--help")
    assert result.exit_code == 0
    assert "Examples:" in result.stdout
    assert " ".join(("wspstack", *command)) in result.stdout.partition("Examples:")[2]
    assert result.stderr == ""


def test_group_help_names_every_command(invoke: Invoke) -> None:
    listed = invoke("--help").output.partition("Commands:")[2]
    assert [name for name in COMMANDS if f"  {name}" not in listed] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("nonsense", "nonsense"),
        ("--nonsense", "--nonsense"),
        ("serve", "DIR"),
        ("serve missing", "missing"),
        ("serve . extra", "extra"),
        ("serve . --port 0", "0"),
        ("serve . --port 65536", "65536"),
        ("serve . --port eighty", "eighty"),
        ("serve . --address 10.77.0.2", "10.77.0.2"),
        ("serve . --address 10.77.0.2/33", "10.77.0.2/33"),
        ("serve . --address 10.77.0.0/24", "10.77.0.0/24"),
        ("serve . --address 10.77.0.255/24", "10.77.0.255/24"),
        ("serve . --address 10.77.0.2/31", "10.77.0.2/31"),
        ("serve . --address 224.0.0.1/24", "224.0.0.1/24"),
        ("serve . --address 127.0.0.1/8", "127.0.0.1/8"),
        ("serve . --address fe80::1/64", "fe80::1/64"),
        ("serve . --gateway here", "here"),
        ("services --tap tap0 --gateway 192.0.2.1", "192.0.2.1"),
        ("services --tap tap0 --gateway 10.77.0.2", "10.77.0.2"),
        ("services --tap a-name-longer-than-15", "a-name-longer-than-15"),
        ("services --tap a/b", "a/b"),
        ("services --mtu 575", "575"),
        ("services --mtu 65536", "65536"),
        ("services --loss 101", "101"),
        ("services --delay -1", "-1"),
        ("services --loss 1/x", "1/x"),
        ("relay --left tap0", "--right"),
        ("relay --left tap0 --right /tap1", "/tap1"),
        ("relay --left tap0 --right a-name-longer-than-15", "a-name-longer-than-15"),
        ("relay --left tap0 --right tap1 -- true", "COMMAND"),
        ("relay --rate 1/2/3", "1/2/3"),
        ("relay --blackout 3", "BEGIN+LENGTH"),
        ("relay --blackout 1+5/4", "the period must be longer"),
        ("relay --blackout 1+-5", "not a time"),
        ("relay --json missing/file", "missing/file"),
        ("services --log nothing=debug", "nothing"),
        ("services --log wsp=loud", "loud"),
        ("services --capture .", "'.'"),
        ("run --once -- true", "--once"),
        ("run --tap tap0", "--tap"),
        ("run --dir missing", "missing"),
        ("clean everything", "everything"),
    ],
)
def test_wrong_argument_gives_one_line_and_status_two(invoke: Invoke, arguments: str, said: str) -> None:
    result = invoke(*arguments.split())
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("wspstack")
    assert result.stderr.count("\n") == 1
    assert said in result.stderr


def test_capture_into_a_missing_folder_is_refused_before_anything_starts(invoke: Invoke) -> None:
    result = invoke("serve", ".", "--capture", "no/such/folder.pcapng")
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "no/such" in result.stderr
