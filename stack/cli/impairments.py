"""What `--loss`, `--delay` and their kin put on the link: one table, from which options, Impairments and texts come."""

import functools
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
    Fault("reorder", "%", _PER_CENT, 100, "Frames overtaken by others."),
    Fault("reorder_by", "ms", _MILLI, 60_000, "How long those are held back (1).", alone=False),
    Fault("duplicate", "%", _PER_CENT, 100, "Frames that come twice."),
    Fault("corrupt", "%", _PER_CENT, 100, "Frames with a wrong bit."),
    Fault("delay", "ms", _MILLI, 60_000, "Milliseconds each way."),
    Fault("jitter", "ms", _MILLI, 4000, "At most so many more, at random."),
    Fault("rate", "Mbit/s", 1_000_000, 1_000_000, "Mbit/s each way, link headers included."),
    Fault("queue", "KiB", 1024, 4_194_304, "That may wait for the rate before frames are dropped (1024).", alone=False),
)


@dataclass(frozen=True)
class LinkFaults:
    """Faults of a link, in the units of the command line: for each fault that is named, one way and the other.

    seed: of the random choices; the two directions draw from streams of their own.
    """

    values: dict[str, BothWays] = field(default_factory=dict)
    seed: int = 1

    @property
    def any(self) -> bool:
        """Whether something happens to frames at all."""
        return any(any(self.values.get(fault.name, ())) for fault in FAULTS if fault.alone)

    def impairments(self, mtu: int) -> "tuple[Impairment, Impairment] | None":
        """Returns the core's impairments (inbound, outbound) for a link of `mtu` bytes; None when there are none.

        Raises click.BadParameter for what the core refuses.
        """
        if not self.any:
            return None
        return self._one(0, mtu), self._one(1, mtu)

    def _one(self, way: int, mtu: int) -> "Impairment":
        from netcore.impair import Impairment

        chosen: dict[str, Any] = {}
        for fault in FAULTS:
            if fault.name in self.values:
                chosen[fault.name] = round(self.values[fault.name][way] * fault.scale)
        try:
            return Impairment(seed=2 * self.seed + way, mtu=mtu, **chosen)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    def __str__(self) -> str:
        parts = []
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
    def gather(*, seed: int, **rest: Any) -> Any:
        values = {fault.name: rest.pop(fault.name) for fault in FAULTS}
        chosen = {name: value for name, value in values.items() if value is not None}
        return command(faults=LinkFaults(chosen, seed), **rest)

    gather = click.option(
        "--seed", type=click.IntRange(0, 2**62), default=1, show_default=True, help="Of the faults above."
    )(gather)
    for fault in reversed(FAULTS):
        metavar = {"%": "PERCENT", "Mbit/s": "MBIT"}.get(fault.unit, fault.unit.upper())
        gather = click.option(fault.option, type=_both_ways(fault.most), metavar=metavar, help=fault.help)(gather)
    return gather
