"""The links that transfers are compared on: each is what both its directions do to frames."""

from dataclasses import dataclass

from netcore.impair import Impairment

MBIT = 1_000_000
MILLISECOND = 1_000_000
SECOND = 1_000_000_000
PER_CENT = 10_000


@dataclass(frozen=True)
class Link:
    """What is done to a transfer, and how long it is.

    faults: arguments of Impairment, both ways. seconds, bytes: the sender stops after the first of the two.
    blackout: (begin, end) in ns after the connection is made.
    """

    meaning: str
    faults: dict[str, int]
    seconds: float = 4.0
    bytes: int = 36 << 20
    blackout: tuple[int, int] | None = None

    def impairments(self, seed: int, mtu: int, origin: int) -> tuple[Impairment, Impairment]:
        """Returns both directions, that of the data first; `origin` (monotonic, ns) is what a blackout counts from."""
        timing: dict[str, object] = {}
        if self.blackout is not None:
            timing = {"blackouts": [self.blackout], "origin": origin}
        one, other = (Impairment(seed=2 * seed + way, mtu=mtu, **self.faults, **timing) for way in (0, 1))  # type: ignore[arg-type]
        return one, other


def near(rate: int, round_trip: int, **faults: int) -> dict[str, int]:
    """A link of `rate` bits per second and `round_trip` ns, with a queue for what is under way on it."""
    return {
        "rate": rate,
        "delay": round_trip // 2,
        "queue": max(rate * round_trip // (8 * SECOND), 64 << 10),
        **faults,
    }


FAST = (100 * MBIT, 20 * MILLISECOND)
# Gilbert-Elliott: four frames in a row on average, of which three are lost; 1 % of all frames. What is sent again after
# a time-out meets the same burst, frame by frame, so longer ones hold up every sender for a minute.
BURST = {"burst_begin": 3378, "burst_end": 250_000, "burst_loss": 750_000}

LINKS = {
    "loss-1": Link("1 % of the frames lost", near(*FAST, loss=1 * PER_CENT), seconds=6.0),
    "loss-5": Link("5 % lost", near(*FAST, loss=5 * PER_CENT)),
    "burst": Link("1 % lost, 3 of 4 in a row", near(*FAST, **BURST)),
    "reorder": Link(
        "5 % overtaken by up to 4",
        near(*FAST, reorder=5 * PER_CENT, reorder_frames=4, reorder_by=10 * MILLISECOND),
    ),
    "duplicate": Link("2 % come twice", near(*FAST, duplicate=2 * PER_CENT)),
    "corrupt": Link("1 % with a wrong bit", near(*FAST, corrupt=1 * PER_CENT)),
    "delay-20": Link("20 ms round trip", near(100 * MBIT, 20 * MILLISECOND)),
    "delay-200": Link("200 ms round trip", near(100 * MBIT, 200 * MILLISECOND), seconds=6.0),
    "rate-10": Link("10 Mbit/s, 10 ms", near(10 * MBIT, 10 * MILLISECOND)),
    "rate-100": Link("100 Mbit/s, 2 ms", near(100 * MBIT, 2 * MILLISECOND)),
    "blackout": Link("nothing for 3 s", near(*FAST), seconds=8.0, bytes=50 << 20, blackout=(SECOND, 4 * SECOND)),
}
