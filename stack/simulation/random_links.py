"""Links of a random scenario: what each does to frames, how that changes over time, and what it is when healed."""

from dataclasses import dataclass
from typing import Any

from stack.simulation.dice import Dice
from stack.simulation.scenario import Settings

MICROSECOND = 1_000
MILLISECOND = 1_000_000
SECOND = 1_000_000_000
PER_CENT = 10_000

FAULTS = ("loss", "bursts", "duplicate", "corrupt", "truncate", "reorder", "mtu", "blackouts", "jitter", "route")


@dataclass(slots=True)
class Weather:
    """What all links of a scenario have in common.

    faults: those that happen here at all; a scenario with few shows what the others would hide.
    delay: ns of a long link. healed: time (ns) of the last change of any link. mtu: of the largest host.
    """

    faults: frozenset[str]
    delay: int
    healed: int
    mtu: int
    rates: bool


def random_weather(dice: Dice, *, mtu: int, ethernet: bool) -> Weather:
    """Draws the weather of a scenario whose largest host sends packets of `mtu` bytes."""
    calm = dice.chance(12)
    faults = frozenset(name for name in FAULTS if not calm and dice.chance(35))
    if ethernet:
        # nothing protects an ARP reply: a wrong bit in it silences a host until the entry is old, which is no fault
        # of TCP's and would only hide what is
        faults -= {"corrupt"}
    return Weather(
        faults=faults,
        delay=dice.scale(10 * MICROSECOND, 300 * MILLISECOND),
        healed=0 if calm else dice.scale(MILLISECOND, 60 * SECOND),
        mtu=mtu,
        rates=dice.chance(60),
    )


def random_link(dice: Dice, weather: Weather, *, access: bool) -> dict[str, Settings]:
    """Draws a link; `access`: it leads to one host of several. Returns arguments of Simulator.link but the ends."""
    delay = dice.scale(1 * MICROSECOND, weather.delay) if access else weather.delay
    both: Settings = {"delay": delay}
    if weather.rates and not (access and dice.chance(60)):
        both |= random_rate(dice, weather)
    if access and dice.chance(50):
        return {"both": both}
    if dice.chance(60):
        return {"both": both | random_faults(dice, weather, both)}
    # each direction for itself, or one of them only
    found: dict[str, Settings] = {"both": both, "forward": random_faults(dice, weather, both)}
    if dice.chance(60):
        found["backward"] = random_faults(dice, weather, both)
    return found


def random_rate(dice: Dice, weather: Weather) -> Settings:
    """Draws a rate, a queue of a few packets to a second's worth, and perhaps marks."""
    rate = dice.scale(100_000, 10_000_000_000)
    least = max(1500, 2 * (weather.mtu + 18))
    settings: Settings = {"rate": rate, "queue": dice.scale(least, max(2 * least, min(rate // 8, 4 << 20)))}
    if dice.chance(25):
        settings["ecn_bytes"] = dice.scale(1500, max(1501, settings["queue"]))
    return settings


def random_faults(dice: Dice, weather: Weather, usual: Settings) -> Settings:
    """Draws what a direction does until it is healed, in up to four spells, and what it does then.

    usual: its delay and rate, when it does what it should.
    """
    if weather.healed == 0:
        return {}
    delay = usual["delay"]
    settings = spell(dice, weather, delay)
    changes: list[tuple[int, Settings]] = []
    times = sorted(dice.between(1, weather.healed) for _ in range(dice.pick((0, 0, 1, 2, 3))))
    for time in times:
        changes.append(
            (time, _cleared(settings, changes, usual) | spell(dice, weather, delay) | way(dice, weather, usual))
        )
    healing = _cleared(settings, changes, usual)
    if dice.chance(30):
        # better, but never quite well
        healing |= {name: value // 20 for name, value in spell(dice, weather, delay).items() if name in LASTING}
    if healing:
        changes.append((weather.healed, healing))
    if changes:
        settings["changes"] = changes
    if "blackouts" in weather.faults and dice.chance(70):
        settings["blackouts"] = blackouts(dice, weather.healed)
    return settings


LASTING = {"loss", "duplicate", "corrupt", "truncate", "reorder"}
CLEAR: Settings = {
    "loss": 0, "burst_begin": 0, "duplicate": 0, "corrupt": 0, "truncate": 0, "reorder": 0, "mtu": 65535, "jitter": 0,
    # a burst that goes on takes nothing any more
    "burst_loss": 0,
}  # fmt: skip


def _cleared(settings: Settings, changes: list[tuple[int, Settings]], usual: Settings) -> Settings:
    """What sets back all that was set."""
    named = set(settings).union(*(change for _, change in changes))
    return {name: value for name, value in {**CLEAR, **usual}.items() if name in named}


def way(dice: Dice, weather: Weather, usual: Settings) -> Settings:
    """Draws another way than the usual: shorter or longer, of another rate."""
    found: Settings = {}
    if "route" in weather.faults:
        if dice.chance(60):
            found["delay"] = dice.scale(MICROSECOND, dice.pick((1, 3, 20)) * usual["delay"])
        if "rate" in usual and dice.chance(40):
            found["rate"] = dice.scale(max(50_000, usual["rate"] // 50), usual["rate"] * 20)
    return found


def spell(dice: Dice, weather: Weather, delay: int) -> dict[str, Any]:
    """Draws what happens for a while."""
    found: dict[str, Any] = {}
    faults = weather.faults
    if "loss" in faults and dice.chance(80):
        found["loss"] = dice.scale(1000, 30 * PER_CENT)
    if "bursts" in faults and dice.chance(80):
        found["burst_begin"] = dice.scale(1000, 5 * PER_CENT)
        found["burst_end"] = dice.scale(2 * PER_CENT, 100 * PER_CENT)
        found["burst_loss"] = dice.pick((1_000_000, 700_000, 300_000))
    if "duplicate" in faults and dice.chance(80):
        found["duplicate"] = dice.scale(1000, 50 * PER_CENT)
    if "corrupt" in faults and dice.chance(80):
        found["corrupt"] = dice.scale(1000, 20 * PER_CENT)
    if "truncate" in faults and dice.chance(80):
        found["truncate"] = dice.scale(1000, 10 * PER_CENT)
    if "reorder" in faults and dice.chance(80):
        found["reorder"] = dice.scale(1000, 50 * PER_CENT)
        found["reorder_by"] = dice.scale(MICROSECOND, max(MICROSECOND, 3 * delay))
        if dice.chance(50):
            found["reorder_frames"] = dice.scale(1, 16)
    if "mtu" in faults and dice.chance(30):
        found["mtu"] = dice.scale(68, max(69, weather.mtu))
    if "jitter" in faults and dice.chance(80):
        found["jitter"] = dice.scale(MICROSECOND, max(MICROSECOND, 3 * delay))
    return found


def blackouts(dice: Dice, healed: int) -> list[tuple[int, int]]:
    """Draws times at which nothing passes, the last over when the link is healed."""
    edges = sorted({dice.between(0, healed) for _ in range(2 * dice.pick((1, 1, 2, 3)))})
    return [(begin, end) for begin, end in zip(edges[::2], edges[1::2], strict=False) if begin < end]
