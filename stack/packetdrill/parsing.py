"""Text -> Script. A text that is not of the language raises SyntaxProblem with its place and what could stand there."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import lark
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedToken, VisitError

from stack.packetdrill.failures import SyntaxProblem
from stack.packetdrill.reading_tree import TreeReader
from stack.packetdrill.script import Place, Script

_READABLE: Final = {
    "OPTION": "an option (--name=value)",
    "SHELL": "commands in backquotes",
    "CODE": "%{ code }%",
    "DIRECTION": "'<' or '>'",
    "PORTS": "ports (80 > 8080)",
    "FLAGS": "TCP flags (of S F R P U . E W A, or -)",
    "ICMP": "'icmp'",
    "FOREIGN": "a header of another protocol (ipv4, ipv6, gre, mpls, sctp)",
    "CHANGES": "changes of the packet in braces",
    "STACK": "a header in braces",
    "MULTIPATH": "an option of multipath TCP",
    "ELISION": "'...'",
    "ECN_MARK": "noecn, ect0, ect1, ect01 or ce",
    "ECN_COUNTER": "e0b, ceb or e1b",
    "COOKIE": "hexadecimal digits, or a name that is defined",
    "HEXADECIMAL": "0x...",
    "FLOAT": "a number",
    "INTEGER": "a number",
    "NAME": "a name",
    "STRING": "a string",
    "NOTE": "a note in parentheses",
    "$END": "the end of the script",
}


@cache
def _parser() -> lark.Lark:
    grammar = Path(__file__).with_name("grammar.lark").read_text()
    return lark.Lark(grammar, parser="lalr", propagate_positions=True, maybe_placeholders=True)


def parse(text: str, path: Path = Path("script"), symbols: Mapping[str, str] | None = None) -> Script:
    """Reads a script. Raises SyntaxProblem; path is for its message.

    symbols: what stands for names in the script, as text; it counts more than the script's own --define.
    """
    try:
        tree = _parser().parse(text + "\n")
    except UnexpectedCharacters as error:
        line = text.splitlines()[error.line - 1] if error.line <= len(text.splitlines()) else ""
        found = line[error.column - 1 :].split()
        raise _problem(found[0] if found else "the end of the line", error, error.allowed, path, text) from None
    except UnexpectedToken as error:
        found_token = "the end of the script" if error.token.type == "$END" else str(error.token)
        raise _problem(found_token, error, error.accepts or error.expected, path, text) from None
    except UnexpectedEOF as error:
        raise _problem("the end of the script", error, set(error.expected), path, text) from None
    try:
        options, events = TreeReader({**_defined(tree), **(symbols or {})}).transform(tree)
    except VisitError as error:
        if isinstance(error.orig_exc, SyntaxProblem):
            error.orig_exc.path = path
            raise error.orig_exc from None
        raise
    return Script(tuple(options), tuple(events), path, text)


def _defined(tree: lark.Tree[lark.Token]) -> dict[str, str]:
    """What the script's own options --define=NAME=VALUE say that names stand for."""
    pairs = [token[2:].partition("=") for token in tree.children if isinstance(token, lark.Token)]
    meanings = [value.strip().partition("=") for name, _, value in pairs if name.strip() == "define"]
    return {name: value for name, _, value in meanings}


def load(path: Path, symbols: Mapping[str, str] | None = None) -> Script:
    """Reads the script of a file, with `symbols` as for `parse`. Raises SyntaxProblem; OSError."""
    try:
        text = path.read_text()
    except UnicodeDecodeError as error:
        raise SyntaxProblem(f"byte {error.start} is no UTF-8: is this a script?", Place(1, 1), path) from None
    return parse(text, path, symbols)


def _problem(found: str, error: Any, expected: Any, path: Path, text: str) -> SyntaxProblem:
    lines = text.splitlines() or [""]
    place = Place(error.line, error.column)
    if not 1 <= error.line <= len(lines):
        place = Place(len(lines), len(lines[-1]) + 1)
    wanted = sorted({_readable(name) for name in expected or ()})
    message = f"{found!r} cannot stand here" if found != "the end of the script" else "the script ends too early"
    if wanted:
        message += f"; expected: {', '.join(wanted)}"
    source = lines[place.line - 1].replace("\t", " ")
    return SyntaxProblem(f"{message}\n  {source}\n  {' ' * (place.column - 1)}^", place, path)


def _readable(terminal: str) -> str:
    if terminal in _READABLE:
        return _READABLE[terminal]
    definition = next((each for each in _parser().terminals if each.name == terminal), None)
    return repr(definition.pattern.value) if definition is not None else terminal
