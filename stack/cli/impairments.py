"""What `--loss`, `--delay` and their kin put on the link: one table, from which options, Impairments and texts come."""

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from netcore.impair import Impairment

BothWays = tuple[float, float]


@dataclass(frozen=True)
class Fault:
    """One fault: its name, as option and as argument of Impairment; unit on the command line and the core's per unit.

    most: the largest value. help: for the option. alone: False when it is nothing by itself, as the size of a queue.
    default: None where the core has one of its own.
    """

    name: str
    unit: str
    scale: float
    most: float
    help: str
    alone: bool = True

    @property
    def option(self) -> str:
        """As it is typed."""
        return f"--{self.name.replace('_', '-')}"


_PER_CENT = 10_000  # parts per million
_MILLI = 1_000_000  # ns

FAULTS = (
    Fault("loss", "%", _PER_CENT, 100, "Frames lost on the link, each way; A/B: one way and the other."),
    Fault("burst", "%", 0, 99, "Frames lost in bursts, besides (Gilbert-Elliott)."),
    Fault("burst_length", "frames", 0, 10_000, "Mean length of a burst (8).", alone=False),
    Fault("reorder", "%", _PER_CENT, 100, "Frames overtaken by others."),
    Fault("reorder_frames", "frames", 1, 10_000, "Held back until 1 to N others have passed.", alone=False),
    Fault("reorder_by", "ms", _MILLI, 60_000, "Held back so long, with the above at most (1).", alone=False),
    Fault("duplicate", "%", _PER_CENT, 100, "Frames that come twice."),
    Fault("corrupt", "%", _PER_CENT, 100, "Frames with a wrong bit."),
    Fault("truncate", "%", _PER_CENT, 100, "Frames that are cut short."),
    Fault("delay", "ms", _MILLI, 60_000, "Milliseconds each way."),
    Fault("jitter", "ms", _MILLI, 4000, "At most so many more, at random."),
    Fault("rate", "Mbit/s", 1_000_000, 1_000_000, "Mbit/s each way, link headers included."),
    Fault("queue", "KiB", 1024, 4_194_304, "That may wait for the rate before frames are dropped (1024).", alone=False),
    Fault("ecn_delay", "ms", _MILLI, 60_000, "A frame that waits longer for the rate is marked (ECN).", alone=False),
)

_SECOND = 1_000_000_000  # ns
_BURST_LENGTH = 8.0
_BLACKOUTS = 10_000  # as many as one that repeats is taken for


@dataclass(frozen=True)
class Blackout:
    """A time in which nothing gets onto the link: begin and length in seconds, period 0 for once."""

    begin: float
    length: float
    period: float = 0.0

    def times(self) -> list[tuple[int, int]]:
        """Begin and end in ns."""
        count = _BLACKOUTS if self.period else 1
        begins = (round((self.begin + number * self.period) * _SECOND) for number in range(count))
        return [(begin, begin + round(self.length * _SECOND)) for begin in begins]

    def __str__(self) -> str:
        every = f" every {self.period:g} s" if self.period else ""
        return f"blackout of {self.length:g} s after {self.begin:g} s{every}"


def blackout(text: str) -> Blackout:
    """Reads BEGIN+LENGTH or BEGIN+LENGTH/PERIOD, in seconds. Raises click.BadParameter."""
    begin, _, rest = text.partition("+")
    length, slash, period = rest.partition("/")
    try:
        chosen = Blackout(float(begin), float(length), float(period) if slash else 0.0)
    except ValueError:
        raise click.BadParameter(f"{text!r}: give seconds as BEGIN+LENGTH or BEGIN+LENGTH/PERIOD") from None
    if not (0 <= chosen.begin < 1e9 and 0 < chosen.length < 1e9 and 0 <= chosen.period < 1e9):
        raise click.BadParameter(f"{text!r}: not a time that will come")
    if slash and chosen.period <= chosen.length:
        raise click.BadParameter(f"{text!r}: the period must be longer than the blackout")
    return chosen


@dataclass(frozen=True)
class LinkFaults:
    """Faults of a link, in the units of the command line: for each fault that is named, one way and the other.

    seed: of the random choices; the two directions draw from streams of their own. blackouts: of both ways, from the
    moment on that the impairments are made.
    """

    values: dict[str, BothWays] = field(default_factory=dict)
    seed: int = 1
    blackouts: tuple[Blackout, ...] = ()

    @property
    def any(self) -> bool:
        """Whether something happens to frames at all."""
        return bool(self.blackouts) or any(any(self.values.get(fault.name, ())) for fault in FAULTS if fault.alone)

    def impairments(self, mtu: int) -> "tuple[Impairment, Impairment] | None":
        """Returns the core's impairments (inbound, outbound) for a link of `mtu` bytes; None when there are none.

        Raises click.BadParameter for what the core refuses.
        """
        if not self.any:
            return None
        return self._one(0, mtu), self._one(1, mtu)

    def _one(self, way: int, mtu: int) -> "Impairment":
        from netcore.impair import Impairment

        chosen: dict[str, Any] = {
            fault.name: round(self.values[fault.name][way] * fault.scale)
            for fault in FAULTS
            if fault.name in self.values and fault.scale
        }
        chosen |= self._burst(way)
        dark = sorted(times for each in self.blackouts for times in each.times())
        try:
            return Impairment(seed=2 * self.seed + way, mtu=mtu, blackouts=dark, origin=time.monotonic_ns(), **chosen)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    def _burst(self, way: int) -> dict[str, int]:
        """The Gilbert-Elliott model that loses the wished share in bursts of the wished mean length."""
        share = self.values.get("burst", (0.0, 0.0))[way]
        length = max(1.0, self.values.get("burst_length", (_BURST_LENGTH, _BURST_LENGTH))[way])
        if not share:
            return {}
        end = 100 * _PER_CENT / length
        return {"burst_begin": min(100 * _PER_CENT, round(end * share / (100 - share))), "burst_end": round(end)}

    def __str__(self) -> str:
        parts = [str(each) for each in self.blackouts]
        for fault in FAULTS:
            there, back = self.values.get(fault.name, (0.0, 0.0))
            if there or back:
                value = f"{there:g}" if there == back else f"{there:g}/{back:g}"
                parts.append(f"{fault.name.replace('_', ' ')} {value} {fault.unit}")
        return ", ".join([*parts, f"seed {self.seed}"])


NO_FAULTS = LinkFaults()


def _both_ways(most: float) -> Callable[[str], BothWays]:
    """Returns what reads a number for both ways, or two with a slash between them, of 0 to `most`."""

    def number(text: str) -> BothWays:
        there, slash, back = text.partition("/")
        values = []
        for part in (there, back if slash else there):
            try:
                value = float(part)
            except ValueError:
                raise click.BadParameter(f"{text!r}: give a number, or one for each way as 1/0.5") from None
            if not 0 <= value <= most:
                raise click.BadParameter(f"{text!r}: {part} is not between 0 and {most:g}")
            values.append(value)
        return values[0], values[1]

    return number


def fault_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options of all faults to a command, which receives them as one LinkFaults named `faults`."""

    @functools.wraps(command)
    def gather(*, seed: int, blackouts: tuple[Blackout, ...], **rest: Any) -> Any:
        values = {fault.name: rest.pop(fault.name) for fault in FAULTS}
        chosen = {name: value for name, value in values.items() if value is not None}
        return command(faults=LinkFaults(chosen, seed, blackouts), **rest)

    gather = click.option(
        "--seed", type=click.IntRange(0, 2**62), default=1, show_default=True, help="Of the faults above."
    )(gather)
    gather = click.option(
        "--blackout",
        "blackouts",
        type=blackout,
        multiple=True,
        metavar="BEGIN+LENGTH[/PERIOD]",
        help="Nothing gets through, in seconds from the start; may be repeated.",
    )(gather)
    for fault in reversed(FAULTS):
        metavar = {"%": "PERCENT", "Mbit/s": "MBIT", "frames": "N"}.get(fault.unit, fault.unit.upper())
        gather = click.option(fault.option, type=_both_ways(fault.most), metavar=metavar, help=fault.help)(gather)
    return gather
