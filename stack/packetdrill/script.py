"""A script as a list of events; every part prints as the language writes it, so that it can be read again."""

import enum
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from stack.packetdrill.expressions import Expression
from stack.packetdrill.packets import Packet

SECOND: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Line and column of the script, both from 1."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.line}:{self.column}"


class Base(enum.Enum):
    """What a time counts from."""

    START = ""
    PREVIOUS = "+"


def seconds(nanoseconds: int) -> str:
    """Returns a time as decimal seconds, with six digits or as many as it takes."""
    whole, rest = divmod(abs(nanoseconds), SECOND)
    digits = f"{rest:09d}"
    return f"{'-' if nanoseconds < 0 else ''}{whole}.{digits[:6]}{digits[6:].rstrip('0')}"


@dataclass(frozen=True, slots=True)
class When:
    """The time of an event, ns: `first`, or anywhere from `first` to `last`. first None: any time (`*`)."""

    base: Base
    first: int | None
    last: int | None = None

    def __str__(self) -> str:
        if self.first is None:
            return "*"
        text = self.base.value + seconds(self.first)
        return text if self.last is None else f"{text}~{self.base.value}{seconds(self.last)}"


@dataclass(frozen=True, slots=True)
class End:
    """When a call that blocks returns, ns."""

    base: Base
    time: int

    def __str__(self) -> str:
        return f"...{self.base.value}{seconds(self.time)}"


@dataclass(frozen=True, slots=True)
class Call:
    """A system call. end None: it returns at once. result Elided: not looked at. note: what stands in parentheses."""

    name: str
    arguments: tuple[Expression, ...]
    result: Expression
    error: str | None = None
    note: str | None = None
    end: End | None = None

    def __str__(self) -> str:
        parts = [f"{self.name}({', '.join(map(str, self.arguments))})", "=", str(self.result)]
        parts += [] if self.error is None else [self.error]
        parts += [] if self.note is None else [f"({self.note})"]
        return " ".join(parts)


@dataclass(frozen=True, slots=True)
class Shell:
    """Commands between backquotes."""

    text: str

    def __str__(self) -> str:
        return f"`{self.text}`"


@dataclass(frozen=True, slots=True)
class Code:
    """Statements of Python between `%{` and `}%`."""

    text: str

    def __str__(self) -> str:
        return f"%{{{self.text}}}%"


Action = Packet | Call | Shell | Code


@dataclass(frozen=True, slots=True)
class Event:
    """One event. when None: commands without a time."""

    when: When | None
    action: Action
    place: Place = field(compare=False, default=Place(1, 1))

    def __str__(self) -> str:
        if self.when is None:
            return str(self.action)
        end = str(self.action.end or "") if isinstance(self.action, Call) else ""
        return f"{self.when}{end} {self.action}"


@dataclass(frozen=True, slots=True)
class ScriptOption:
    """`--name=value`; value None: the name alone."""

    name: str
    value: str | None
    place: Place = field(compare=False, default=Place(1, 1))

    def __str__(self) -> str:
        return f"--{self.name}" + ("" if self.value is None else f"={self.value}")


@dataclass(frozen=True, slots=True)
class Script:
    """A whole script. source: its text, for messages."""

    options: tuple[ScriptOption, ...]
    events: tuple[Event, ...]
    path: Path = field(compare=False, default=Path("script"))
    source: str = field(compare=False, default="")

    def __str__(self) -> str:
        return "\n".join([*map(str, self.options), *map(str, self.events), ""])
