"""Version negotiation of WSPStartup (START-2, START-4)."""

from typing import NamedTuple, Self


class Version(NamedTuple):
    """A version of the interface."""

    major: int
    minor: int

    @classmethod
    def of_word(cls, word: int) -> Self:
        """Returns the version that a WORD holds: low byte major, high byte minor."""
        return cls(word & 0xFF, word >> 8 & 0xFF)

    @property
    def word(self) -> int:
        """The WORD that holds this version."""
        return self.major | self.minor << 8


def negotiate(requested: Version, lowest: Version, highest: Version) -> Version | None:
    """Returns the version to use of a provider that supports `lowest` to `highest`, None when it is not supported."""
    return None if requested < lowest else min(requested, highest)
