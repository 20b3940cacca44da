"""What can be wrong with a script or with what it finds; each points at a place and says what was expected."""

from pathlib import Path

from stack.packetdrill.script import Place


class ScriptProblem(Exception):
    """The end of a script that is not success. path and place say where; `str` is a message of one or more lines."""

    kind = "failed"

    def __init__(self, message: str, place: Place, path: Path = Path("script")) -> None:
        super().__init__(message)
        self.message = message
        self.place = place
        self.path = path

    def __str__(self) -> str:
        return f"{self.path}:{self.place}: {self.message}"


class SyntaxProblem(ScriptProblem):
    """The text is not of the language."""

    kind = "syntax error"


class Unsupported(ScriptProblem):
    """The script asks for something that this stack, or this interpreter, does not have."""

    kind = "not supported"


class ScriptFailure(ScriptProblem):
    """Something happened otherwise than the script says."""
