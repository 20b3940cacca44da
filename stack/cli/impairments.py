"""What `--loss`, `--delay` and their kin put on the link."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netcore.impair import Impairment

MILLION = 1_000_000
PER_CENT = 10_000  # parts per million


@dataclass(frozen=True)
class LinkFaults:
    """Faults of both directions of the link, in the units of the command line.

    loss, reorder, duplicate, corrupt: per cent of the frames. delay: milliseconds, each way. rate: Mbit/s, 0 is no
    limit. seed: of the random choices; the two directions draw from streams of their own.
    """

    loss: float = 0.0
    reorder: float = 0.0
    duplicate: float = 0.0
    corrupt: float = 0.0
    delay: float = 0.0
    rate: float = 0.0
    seed: int = 1

    @property
    def any(self) -> bool:
        """Whether something happens to frames at all."""
        return any((self.loss, self.reorder, self.duplicate, self.corrupt, self.delay, self.rate))

    def impairments(self, mtu: int) -> "tuple[Impairment, Impairment] | None":
        """Returns the core's impairments (inbound, outbound) for a link of `mtu` bytes; None when there are none."""
        if not self.any:
            return None
        from netcore.impair import Impairment

        def one(seed: int) -> Impairment:
            return Impairment(
                seed=seed,
                loss=round(self.loss * PER_CENT),
                reorder=round(self.reorder * PER_CENT),
                duplicate=round(self.duplicate * PER_CENT),
                corrupt=round(self.corrupt * PER_CENT),
                delay=round(self.delay * MILLION),
                rate=round(self.rate * MILLION),
                mtu=mtu,
            )

        return one(2 * self.seed), one(2 * self.seed + 1)

    def __str__(self) -> str:
        parts = [
            f"{name} {getattr(self, name):g} %"
            for name in ("loss", "reorder", "duplicate", "corrupt")
            if getattr(self, name)
        ]
        if self.delay:
            parts.append(f"delay {self.delay:g} ms")
        if self.rate:
            parts.append(f"rate {self.rate:g} Mbit/s")
        return ", ".join([*parts, f"seed {self.seed}"])


NO_FAULTS = LinkFaults()
