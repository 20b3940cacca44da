"""Random choices that are the same on every machine: integers from a seed, without floating-point functions."""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

Choice = TypeVar("Choice")


class Dice:
    """A stream of random choices from `seed`; `purpose` gives the streams of one seed different numbers."""

    def __init__(self, seed: int, purpose: str = "") -> None:
        # random() is the only method whose numbers Python promises to keep
        self._random = Random(f"{seed} {purpose}").random

    def chance(self, per_cent: int) -> bool:
        """Returns True in `per_cent` of a hundred cases."""
        return self._random() * 100 < per_cent

    def between(self, least: int, most: int) -> int:
        """Returns a whole number from `least` to `most`, all equally likely."""
        return least + int(self._random() * (most - least + 1))

    def scale(self, least: int, most: int) -> int:
        """Returns a whole number from `least` (at least 1) to `most`, all magnitudes equally likely."""
        low, high = least.bit_length(), most.bit_length()
        bits = self.between(low, high)
        return self.between(max(least, 1 << (bits - 1)), min(most, (1 << bits) - 1))

    def pick(self, choices: Sequence[Choice]) -> Choice:
        """Returns one of `choices`, all equally likely."""
        return choices[int(self._random() * len(choices))]
