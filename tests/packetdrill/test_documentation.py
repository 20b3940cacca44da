"""The samples of docs/packetdrill.md: the script runs, and its failure looks as the page shows it."""

import re
from pathlib import Path

import pytest

from stack.packetdrill.commands import BSD_SYSCTLS, SYSCTLS
from stack.packetdrill.failures import ScriptFailure
from stack.packetdrill.parsing import parse
from stack.packetdrill.running import run
from stack.packetdrill.tcp_info import tcp_info

PAGE = (Path(__file__).parents[2] / "docs" / "packetdrill.md").read_text()
SCRIPT, MESSAGE = re.findall(r"^```\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)[:2]


def test_sample_runs() -> None:
    run(parse(SCRIPT))


def test_failure_looks_as_the_page_shows_it() -> None:
    wrong = SCRIPT.replace("> P. 1:1001(1000)", "> P. 1:901(900)")
    with pytest.raises(ScriptFailure) as caught:
        run(parse(wrong, Path("handshake.pkt")))
    assert str(caught.value) == MESSAGE.rstrip()


def test_page_names_every_setting_and_every_call() -> None:
    from stack.packetdrill import calls

    missing = [name for name in (*SYSCTLS, *BSD_SYSCTLS, *calls.NAMES) if name not in PAGE]
    assert not missing


def test_page_names_every_variable() -> None:
    import inspect

    names = re.findall(r'"(tcpi_\w+)"', inspect.getsource(tcp_info))
    missing = [name for name in names if name not in PAGE]
    assert not missing
