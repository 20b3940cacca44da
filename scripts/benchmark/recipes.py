"""Every end that a measure may name, and how it is started."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from scripts.benchmark.ends import End, Site, ceiling, ours, veth
from scripts.benchmark.proxies import pasta, slirp4netns

Recipe = Callable[[str, Site], AbstractContextManager[End]]

# Without offloads windows beyond the device's queue of 1,000 frames would lose some of them.
_PLAIN = ("--window", "1024", "--batch", "64", "--copy")

RECIPES: dict[str, Recipe] = {
    "veth": veth,
    "ceiling": lambda name, site: ceiling(name, site, "--offloads", "--copy"),
    "ceiling-plain": lambda name, site: ceiling(name, site, *_PLAIN),
    "wspstack": ours,
    "wspstack-plain": lambda name, site: ours(name, site, "--no-offloads"),
    "slirp4netns": slirp4netns,
    "pasta": pasta,
}
