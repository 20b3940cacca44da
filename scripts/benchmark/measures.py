"""What scripts/bench.py measures, between which ends, and what our end has to reach."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Placement = Literal["free", "together", "apart", "steady"]

OURS = "wspstack"
CLIENT = "{client}"  # in the arguments of a program: where the compiled client is
BULK_ENDS = ("veth", "ceiling", OURS)
OTHERS = ("slirp4netns", "pasta")  # programs that are shown beside; a run does not fail for them
EVERY_END = (*BULK_ENDS, *OTHERS)


@dataclass(frozen=True)
class Target:
    """What a figure of an end of ours has to reach.

    figure: its name. bound: `least`: at least, else at most so many times the figure `of` of the end `against` in the
    same round; where `against` is None, `bound` is the figure's own limit.
    """

    figure: str
    least: bool
    bound: float
    against: str | None = None
    of: str = "value"
    end: str = OURS

    @property
    def words(self) -> str:
        """The target as people write it: `≥ 0.8 × ceiling`."""
        sign = "≥" if self.least else "≤"
        if self.against is None:
            return f"{sign} {self.bound:,g}"
        of = self.against if self.against != self.end else NAMES[self.of]
        return f"{sign} {self.bound:g} × {of}"


NAMES = {"value": "median", "p99": "p99", "cpu": "processor time", "corrected": "rate less the thread's share"}


def at_least(bound: float, against: str | None = None, figure: str = "value", end: str = OURS) -> Target:
    """The value or another figure, at least."""
    return Target(figure, True, bound, against, "value" if figure == "corrected" else figure, end)


def at_most(bound: float, against: str | None = None, figure: str = "value", end: str = OURS) -> Target:
    """The value or another figure, at most."""
    return Target(figure, False, bound, against, figure, end)


@dataclass(frozen=True)
class Measure:
    """One thing that is measured.

    unit: of the value; cpu_unit: of the end point's processor time, with the number of seconds in it. ends: names of
    recipes.RECIPES. action: of the client; None: `program`, a script with its arguments, runs by itself without ends,
    and `value` finds the value in what it tells. connections: of the client. placement: both ends on one processor, on
    two, or where the scheduler puts them; steady: on two where there are two. asked: only when named. digits: of the
    value after the point.
    """

    meaning: str
    unit: str
    ends: tuple[str, ...]
    action: str | None
    targets: tuple[Target, ...] = ()
    connections: int = 1
    placement: Placement = "free"
    program: tuple[str, ...] = ()
    value: Callable[[Mapping[str, Any]], float] | None = None
    asked: bool = False
    digits: int = 1

    @property
    def needs_lab(self) -> bool:
        """Whether it needs namespaces, a TAP device and the C programs."""
        return self.action is not None or CLIENT in self.program

    @property
    def cpu_unit(self) -> str:
        """What the processor time of the end point is told for."""
        return "s/GB" if self.action in ("up", "down") else "µs each"


def _bulk(meaning: str, action: str, ends: tuple[str, ...], targets: tuple[Target, ...]) -> Measure:
    return Measure(meaning, "Gbit/s", ends, action, targets)


def _streams(meaning: str, action: str, ends: tuple[str, ...], targets: tuple[Target, ...], count: int = 1) -> Measure:
    return Measure(meaning, "Gbit/s", ends, action, targets, count, placement="steady")


def _echo(meaning: str, ends: tuple[str, ...], targets: tuple[Target, ...], placement: Placement) -> Measure:
    return Measure(meaning, "µs", ends, "echo", targets, placement=placement)


_PLAIN_ENDS = ("ceiling-plain", "wspstack-plain")
_SPARE = at_most(1.5, "ceiling", "cpu")

MEASURES = {
    "up": _streams("upload, one stream", "up", EVERY_END, (at_least(1.2, "veth"), at_least(0.8, "ceiling"), _SPARE)),
    "down": _streams(
        "download, one stream", "down", EVERY_END, (at_least(1.0, "veth"), at_least(0.8, "ceiling"), _SPARE)
    ),
    "up8": _streams("upload, 8 streams", "up", BULK_ENDS, (at_least(0.9, "ceiling"),), 8),
    "down8": _streams("download, 8 streams", "down", BULK_ENDS, (at_least(0.9, "ceiling"),), 8),
    "up-plain": _bulk(
        "upload, TAP without offloads", "up", _PLAIN_ENDS, (at_least(0.9, "ceiling-plain", end="wspstack-plain"),)
    ),
    "down-plain": _bulk(
        "download, TAP without offloads", "down", _PLAIN_ENDS, (at_least(0.9, "ceiling-plain", end="wspstack-plain"),)
    ),
    "echo": _echo(
        "1 byte there and back, both ends on one processor",
        EVERY_END,
        (at_most(2.0, "ceiling"), Target("p99", False, 3.0, OURS, "value")),
        "together",
    ),
    "echo-across": _echo(
        "the same, each end on a processor of its own", BULK_ENDS, (at_most(1.2, "ceiling"),), "apart"
    ),
    "echo-across-busy": _echo(
        "the same, our end polls in place of sleeping",
        ("ceiling-busy", "wspstack-busy"),
        (at_most(1.5, "ceiling-busy", end="wspstack-busy"),),
        "apart",
    ),
    "connect": Measure(
        "connect, 1 byte there and back, reset, 16 at a time; server in Python",
        "per s",
        EVERY_END,
        "connect",
        (at_least(1.0, "veth"),),
        16,
        digits=0,
    ),
    "connect-builtin": Measure(
        "the same, server in the core",
        "per s",
        ("ceiling", "wspstack-builtin"),
        "connect",
        (at_least(0.9, "ceiling", end="wspstack-builtin"),),
        16,
        digits=0,
    ),
    "bulk-builtin": _bulk(
        "upload to the server in the core, without and with a Python thread that spins",
        "up",
        ("wspstack-builtin", "wspstack-spun"),
        (at_least(1.0, "wspstack-builtin", "corrected", "wspstack-spun"),),
    ),
    "calls": Measure(
        "WSPSend or WSPRecv of 1 byte, the slower, no device",
        "ns",
        (OURS,),
        None,
        (at_most(1000),),
        program=("call_cost.py", "--json"),
        value=lambda told: max(told["send"], told["receive"]),
        digits=0,
    ),
}
MEASURES |= {
    "simulator": Measure(
        "segments in the simulator, one transfer",
        "million/s",
        (OURS,),
        None,
        (at_least(1.0),),
        program=("simulation_speed.py", "--case", "bulk", "--json", "--megabytes", "100"),
        value=lambda told: told["bulk"]["segments"] * 1e-6,
        digits=2,
    ),
    "idle": Measure(
        "core's memory of an idle connection, 100,000 of the kernel's",
        "bytes",
        (OURS,),
        None,
        (at_most(1024),),
        program=("benchmark/idle.py", "kernel", "100000", CLIENT),
        value=lambda told: told["core_bytes"],
        asked=True,
        digits=0,
    ),
    "idle-simulated": Measure(
        "the same, 1,000,000 in the simulator",
        "bytes",
        (OURS,),
        None,
        (at_most(1024),),
        program=("benchmark/idle.py", "simulated", "1000000"),
        value=lambda told: told["core_bytes"],
        asked=True,
        digits=0,
    ),
}
DEFAULT = tuple(name for name, measure in MEASURES.items() if not measure.asked)
