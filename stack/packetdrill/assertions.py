"""Blocks of Python in a script: run in one namespace, with the connection's tcp_info as variables."""

import traceback
from typing import Any, Final

from stack.packetdrill.script import Code
from stack.packetdrill.tcp_info import CONSTANTS
from stack.packetdrill.values import Unknown

_OF_KERNELS: Final = ("tcpi_", "TCPI_", "SK_MEMINFO_", "bbr_", "dctcp_", "tcpv_")  # what code gets from a kernel


class AssertionDiffers(Exception):
    """A block of code raised; the message says in which line of it and what."""


class Assertions:
    """The namespace that the blocks of a script share."""

    def __init__(self) -> None:
        self._names: dict[str, Any] = dict(CONSTANTS)

    def run(self, code: Code, information: dict[str, int]) -> None:
        """Runs a block. Raises AssertionDiffers; Unknown for a field that the core does not give."""
        for name in [name for name in self._names if name.startswith("tcpi_")]:
            del self._names[name]
        self._names.update(information)
        text = _dedented(code.text)
        try:
            exec(compile(text, "block", "exec"), self._names)
        except NameError as error:
            if error.name and error.name.startswith(_OF_KERNELS):
                have = ", ".join(sorted(information)) or "none, for there is no connection"
                raise Unknown(f"{error.name} is not known here; there are: {have}") from None
            raise AssertionDiffers(_explained(error, text, information)) from None
        except (Exception, SystemExit) as error:
            raise AssertionDiffers(_explained(error, text, information)) from None


def _dedented(text: str) -> str:
    """The block without the indentation that its first line of statements has."""
    lines = text.expandtabs().strip("\n").splitlines()
    if lines and lines[0].strip():
        lines[0] = lines[0].strip()
    else:
        lines = lines[1:]
    rest = [line for line in lines[1:] if line.strip()]
    first = len(lines[0]) - len(lines[0].lstrip()) if lines else 0
    indentation = min((len(line) - len(line.lstrip()) for line in rest), default=0)
    if lines and first == 0 and not lines[0].rstrip().endswith(":"):
        return "\n".join([lines[0].strip(), *(line[indentation:] for line in lines[1:])])
    return "\n".join(line[first:] for line in lines)


def _explained(error: BaseException, text: str, information: dict[str, int]) -> str:
    lines = text.splitlines()
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "block"]
    number = frames[-1].lineno if frames else getattr(error, "lineno", None)
    line = lines[number - 1].strip() if number and number <= len(lines) else text.strip()
    reason = f"{type(error).__name__}{': ' if str(error) else ''}{error}"
    used = {name: value for name, value in information.items() if name in line}
    values = "".join(f"\n    {name} = {value}" for name, value in used.items())
    return f"{reason}\n    {line}{values}"
