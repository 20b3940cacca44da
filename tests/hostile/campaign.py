"""A fuzz run: the frames of one seed spread over all settings in portions, and what came of each."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from tests.hostile.world import SETTINGS, Setting, World

# frames of one run at most: a few dozen seconds under sanitizers
PORTION = 250_000


@dataclass(frozen=True)
class Portion:
    """A part of a campaign that can be repeated by itself."""

    setting: str
    seed: int
    frames: int


@dataclass(frozen=True)
class Result:
    """What a run of one setting came to."""

    setting: str
    frames: int
    seconds: float
    virtual_seconds: int
    live_bytes: int
    peak_chunks: int
    peak_connections: int
    states: int
    counters: dict[str, int]
    kinds: dict[str, list[int]]
    digest: str

    def line(self) -> str:
        """One line for people."""
        return (
            f"{self.setting:9} {self.frames:8} frames {self.seconds:7.1f} s {self.frames / self.seconds:8.0f}/s"
            f"  live bytes {self.live_bytes}  buffers at most {self.peak_chunks}"
            f"  connections at most {self.peak_connections}  answered RST {self.counters['OutRsts']}"
            f"  challenges {self.counters['TCPChallengeACK']}  digest {self.digest}"
        )


def run_setting(setting: Setting, seed: int, frames: int) -> Result:
    """Attacks one victim with `frames` frames, lets peace come and takes everything apart.

    Raises:
        AssertionError: a live connection was disturbed, a bound passed, an illegal transition made, something left.
    """
    started = time.monotonic()
    world = World(setting, seed)
    world.attack(frames)
    world.finish()
    return Result(
        setting=setting.name,
        frames=frames,
        seconds=time.monotonic() - started,
        virtual_seconds=world.now // 10**9,
        live_bytes=sum(flow.received for connection in world.live for flow in connection.flows),
        peak_chunks=world.peak_chunks,
        peak_connections=world.peak_connections,
        states=len(world.states),
        counters=world.victim.counters(),
        kinds=world.tally.kinds,
        digest=world.digest.hexdigest()[:16],
    )


def portions(seed: int, frames: int, settings: Iterable[Setting]) -> list[Portion]:
    """Spreads `frames` over the settings, in portions that are runs of their own, with seeds from `seed` on."""
    chosen = list(settings)
    found: list[Portion] = []
    for place, setting in enumerate(chosen):
        share = frames // len(chosen) + (place < frames % len(chosen))
        rounds = max(1, -(-share // PORTION))
        sizes = [share // rounds + (number < share % rounds) for number in range(rounds)]
        found += [Portion(setting.name, seed + number, size) for number, size in enumerate(sizes) if size]
    # all settings early on
    return sorted(found, key=lambda portion: portion.seed)


def named(names: Iterable[str]) -> list[Setting]:
    """The settings of these names; all when there are none.

    Raises:
        ValueError: a name is none of them.
    """
    known = {setting.name: setting for setting in SETTINGS}
    for name in (chosen := list(names)):
        if name not in known:
            raise ValueError(f"{name} is no setting; choose from: {' '.join(known)}")
    return [known[name] for name in chosen] or list(SETTINGS)
