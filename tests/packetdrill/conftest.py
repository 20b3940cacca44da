"""What the tests of the interpreter share: scripts given as text."""

from collections.abc import Callable
from pathlib import Path

import pytest

from stack.packetdrill.parsing import parse
from stack.packetdrill.pytest_plugin import ScriptItem
from stack.packetdrill.running import Result, run

Run = Callable[..., Result]

# Scripts of what the core does not do yet, in scripts/waiting; each fails until it does, and then must be moved.
WAITING = {
    "icmp-refuses-connect": "Winsock has no option by which a connect tells a refusal by ICMP from another error",
}


# What the scripts of the matrix show, by their state or else by their event.
REQUIREMENTS = {
    "closed": "SEG-9",
    "listen": "SEG-10",
    "time-wait": "SEG-11",
    "rst": "SEG-4",
    "syn": "SEG-5",
    "syn-ack": "SEG-5",
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Expects the scripts in WAITING to fail, and names what those of the matrix show."""
    for item in items:
        if not isinstance(item, ScriptItem):
            continue
        if item.name in WAITING:
            item.add_marker(pytest.mark.xfail(reason=WAITING[item.name], strict=True))
        if item.path.parents[1].name == "matrix":
            event = item.name.rpartition("-")[0]
            shown = REQUIREMENTS.get(item.path.parent.name) or REQUIREMENTS.get(event, "SEG-2")
            item.add_marker(pytest.mark.requirement("SEG-1", shown))


LISTENING = """\
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
"""
CONNECTED = (
    LISTENING
    + """\
+0 < S 0:0(0) win 32000 <mss 1000>
+0 > S. 0:0(0) ack 1 <mss 1460>
+0 < . 1:1(0) ack 1 win 32000
+0 accept(3, ..., ...) = 4
"""
)


@pytest.fixture
def play() -> Run:
    """Runs a script of lines after a beginning: `listening` or `connected`."""

    def play(lines: str, beginning: str = "", **overrides: str) -> Result:
        text = {"": "", "listening": LISTENING, "connected": CONNECTED}[beginning] + lines
        return run(parse(text, Path("test.pkt")), overrides)

    return play
