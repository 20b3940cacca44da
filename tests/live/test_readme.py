"""The README's samples, run as they stand there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

SAMPLE = re.compile(r"^    import ctypes\n(?:(?:    .*)?\n)+", re.MULTILINE)

SAID = {
    "hello": ["hello from user space"],
    "condition": ["server: 10061 (10061 is WSAECONNREFUSED)", "client: 111 (111 is ECONNREFUSED)"],
    "backlog": ["[0, 0, 111]", "-> SYN\n<- RST,ACK"],
}


def samples() -> list[str]:
    """The programs in the README, without their indentation."""
    text = (ROOT / "README.md").read_text()
    return [re.sub(r"^    ", "", found, flags=re.MULTILINE) for found in SAMPLE.findall(text)]


@pytest.mark.live
@pytest.mark.parametrize(("number", "said"), list(enumerate(SAID.values())), ids=list(SAID))
def test_sample_runs_as_written_and_shows_what_the_readme_says(number: int, said: list[str]) -> None:
    assert len(samples()) == len(SAID)
    result = subprocess.run(
        [sys.executable, "-c", samples()[number]], capture_output=True, text=True, timeout=60, cwd=ROOT
    )
    assert (result.returncode, result.stderr) == (0, "")
    for words in said:
        assert words in result.stdout
