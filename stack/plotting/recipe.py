"""A simulated run in a line of text: `rate=10M delay=20ms loss=1% queue=60k algorithm=cubic bytes=2M seed=7`."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

MOST_FLOWS = 16


class RecipeError(ValueError):
    """A line that tells no run; the message says which word of it, and what would do."""


@dataclass
class Recipe:
    """Clients that send to one server through one link. Times in ns, sizes in bytes, rates in bits a second.

    both, forward, backward: arguments of `netcore.impair.Impairment`, for each way, from the clients to the server, and
    back. hosts: arguments of `netcore.engine.Engine` for all. client_habits, server_habits, send, reply: as for
    `netcore.simulator.Simulator.flow`. flows: how many clients; interval: between their starts.
    """

    seed: int = 1
    send: int = 1_000_000
    reply: int = 0
    flows: int = 1
    interval: int = 0
    both: dict[str, Any] = field(default_factory=dict)
    forward: dict[str, Any] = field(default_factory=dict)
    backward: dict[str, Any] = field(default_factory=dict)
    hosts: dict[str, Any] = field(default_factory=dict)
    client_habits: dict[str, Any] = field(default_factory=dict)
    server_habits: dict[str, Any] = field(default_factory=dict)


def read_recipe(text: str) -> Recipe:
    """Reads a line of NAME=VALUE, divided by blanks. Raises RecipeError."""
    from netcore.engine import tunable_names

    recipe = Recipe()
    tunables = tunable_names()
    for word in text.split():
        name, equals, value = word.partition("=")
        if not equals or not value:
            raise RecipeError(f"{word!r}: NAME=VALUE is needed, as delay=20ms")
        if name in LINK:
            _set_link(recipe, name, value, LINK[name])
        elif name in PLAIN:
            setattr(recipe, *PLAIN[name](value))
        elif name == "algorithm":
            recipe.hosts["congestion"] = _algorithm(value)
        elif name == "blackout":
            recipe.both["blackouts"] = [_span(word, value)]
        elif name in CLIENT_HABITS:
            recipe.client_habits[name] = CLIENT_HABITS[name](value)
        elif name in SERVER_HABITS:
            recipe.server_habits[name] = SERVER_HABITS[name](value)
        elif name in tunables:
            recipe.hosts[name] = _any_number(value)
        else:
            known = sorted({*LINK, *PLAIN, "algorithm", "blackout", *CLIENT_HABITS, *SERVER_HABITS})
            raise RecipeError(f"{word!r}: there is no {name!r}, but {', '.join(known)}, and every tunable of a host")
    if not 1 <= recipe.flows <= MOST_FLOWS:
        raise RecipeError(f"flows={recipe.flows}: 1 to {MOST_FLOWS} can be told apart")
    return recipe


def _set_link(recipe: Recipe, name: str, value: str, reader: Callable[[str], int]) -> None:
    there, slash, back = value.partition("/")
    if not slash:
        recipe.both[name] = reader(value)
    else:
        recipe.forward[name], recipe.backward[name] = reader(there), reader(back)


def _algorithm(name: str) -> str:
    from netcore.engine import congestion_names

    if name not in congestion_names():
        raise RecipeError(f"algorithm={name}: there are {', '.join(congestion_names())}")
    return name


def _span(word: str, value: str) -> tuple[int, int]:
    begin, _, end = value.partition("-")
    if not end or _time(end) <= _time(begin):
        raise RecipeError(f"{word!r}: a blackout is from one time to a later one, as blackout=2s-5s")
    return _time(begin), _time(end)


NUMBER = re.compile(r"(\d+(?:\.\d+)?)\s*([^\d\s.]*)")
PREFIXES = {
    "": 1,
    "k": 1000,
    "K": 1000,
    "M": 1_000_000,
    "G": 1_000_000_000,
    "Ki": 1 << 10,
    "Mi": 1 << 20,
    "Gi": 1 << 30,
}
TIMES = {"ns": 1, "us": 1000, "µs": 1000, "ms": 1_000_000, "s": 1_000_000_000}
PARTS = {"%": 10_000, "ppm": 1}


def _reader(units: dict[str, int], ending: str, example: str) -> Callable[[str], int]:
    def read(text: str) -> int:
        found = NUMBER.fullmatch(text)
        unit = found[2].removesuffix(ending) if found else ""
        if found is None or unit not in units:
            raise RecipeError(f"{text!r}: a number and its unit are needed, as {example}")
        return round(float(found[1]) * units[unit])

    return read


_time = _reader(TIMES, "", "20ms")
_rate = _reader(PREFIXES, "", "10M (bits a second)")
_size = _reader(PREFIXES, "B", "60k (bytes)")
_part = _reader(PARTS, "", "1% or 500ppm")
_count = _reader({"": 1}, "", "3")
_any_number = _reader({**PREFIXES, **TIMES}, "", "3, 64k or 200ms")

LINK: dict[str, Callable[[str], int]] = {
    "rate": _rate,
    "delay": _time,
    "jitter": _time,
    "queue": _size,
    "mtu": _size,
    "loss": _part,
    "burst_begin": _part,
    "burst_end": _part,
    "burst_loss": _part,
    "duplicate": _part,
    "corrupt": _part,
    "truncate": _part,
    "reorder": _part,
    "reorder_by": _time,
    "reorder_frames": _count,
    "ecn_bytes": _size,
    "ecn_delay": _time,
}
PLAIN: dict[str, Callable[[str], tuple[str, int]]] = {
    "seed": lambda text: ("seed", _count(text)),
    "bytes": lambda text: ("send", _size(text)),
    "reply": lambda text: ("reply", _size(text)),
    "flows": lambda text: ("flows", _count(text)),
    "every": lambda text: ("interval", _time(text)),
}
CLIENT_HABITS = {"write_size": _size, "burst": _size, "think": _time, "nodelay": _count}
SERVER_HABITS = {"stall_after": _size, "stall": _time, "read_size": _size, "read_pause": _time}
