"""What stands between the parentheses of a call: numbers, names, texts, arrays, structures. Each prints as it reads."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Elided:
    """`...`: the script leaves the value to us, or does not look at it."""

    def __str__(self) -> str:
        return "..."


@dataclass(frozen=True, slots=True)
class Number:
    """A number; hexadecimal: as the script writes it."""

    value: int
    hexadecimal: bool = False

    def __str__(self) -> str:
        return hex(self.value) if self.hexadecimal else str(self.value)


@dataclass(frozen=True, slots=True)
class Name:
    """A symbol such as SOCK_STREAM."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Text:
    """A string as it stands between its quotes, escapes included. begins: it is followed by `...`."""

    text: str
    begins: bool = False

    def __str__(self) -> str:
        return f'"{self.text}"' + ("..." if self.begins else "")

    @property
    def octets(self) -> bytes:
        """The bytes that the escapes of C stand for."""
        return self.text.encode().decode("unicode_escape").encode("latin-1", "replace")


@dataclass(frozen=True, slots=True)
class Alternatives:
    """Flags joined by `|`."""

    parts: "tuple[Expression, ...]"

    def __str__(self) -> str:
        return "|".join(map(str, self.parts))


@dataclass(frozen=True, slots=True)
class Invocation:
    """A function of values, as `htons(80)`."""

    name: str
    arguments: "tuple[Expression, ...]"

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.arguments))})"


@dataclass(frozen=True, slots=True)
class Array:
    """`[1, 2]`: also what a pointer points to."""

    items: "tuple[Expression, ...]"

    def __str__(self) -> str:
        return f"[{', '.join(map(str, self.items))}]"


@dataclass(frozen=True, slots=True)
class Assignment:
    """A named member of a structure."""

    target: "Expression"
    value: "Expression"

    def __str__(self) -> str:
        return f"{self.target} = {self.value}"


@dataclass(frozen=True, slots=True)
class Structure:
    """`{sa_family = AF_INET, ...}`; members without a name stand as they are."""

    members: "tuple[Expression | Assignment, ...]"

    def __str__(self) -> str:
        return "{" + ", ".join(map(str, self.members)) + "}"

    def member(self, *names: str) -> "Expression | None":
        """The value of the member with one of these names, None when there is none."""
        for member in self.members:
            if isinstance(member, Assignment):
                target = member.target
                name = target.name if isinstance(target, Name | Invocation) else ""
                if name in names:
                    return member.value
        return None


@dataclass(frozen=True, slots=True)
class HeaderStack:
    """MPLS labels or a GRE header as a value, kept as text: this stack has neither."""

    text: str

    def __str__(self) -> str:
        return self.text


Expression = HeaderStack | Elided | Number | Name | Text | Alternatives | Invocation | Array | Structure
