"""Every end that a measure may name, and how it is started."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from scripts.benchmark.ends import End, Site, ceiling, ours, veth
from scripts.benchmark.proxies import pasta, slirp4netns

Recipe = Callable[[str, Site], AbstractContextManager[End]]

BUSY_POLL = "200"  # µs without a frame before it sleeps after all
SPUN = Path(__file__).parent / "spun.py"

# Without offloads windows beyond the device's queue of 1,000 frames would lose some of them.
_PLAIN = ("--window", "1024", "--batch", "64", "--copy")

RECIPES: dict[str, Recipe] = {
    "veth": veth,
    "ceiling": lambda name, site: ceiling(name, site, "--offloads", "--copy"),
    "ceiling-plain": lambda name, site: ceiling(name, site, *_PLAIN),
    "ceiling-busy": lambda name, site: ceiling(name, site, "--offloads", "--copy", "--spin"),
    "wspstack": ours,
    "wspstack-plain": lambda name, site: ours(name, site, "--no-offloads"),
    "wspstack-busy": lambda name, site: ours(name, site, "--busy-poll", BUSY_POLL),
    "wspstack-builtin": lambda name, site: ours(name, site, "--builtin"),
    "wspstack-spun": lambda name, site: ours(name, site, "--builtin", program=(str(SPUN),)),
    "slirp4netns": slirp4netns,
    "pasta": pasta,
}
