"""The stored corpus: fuzz inputs that between them reach everything that was ever reached, and what that was."""

import hashlib
import json
import zipfile
from collections.abc import Iterable
from pathlib import Path

from netcore.engine import state_name
from tests.hostile.arena import Arena, play
from tests.hostile.scenes import scenes

STORED = Path(__file__).with_name("corpus.zip")
REACHED = Path(__file__).with_name("reached.json")
# zip files carry dates; with this one the same inputs are the same file
DATE = (1980, 1, 1, 0, 0, 0)


def stored() -> dict[str, bytes]:
    """The inputs by their names, those written by hand among them."""
    found = dict(scenes())
    if STORED.exists():
        with zipfile.ZipFile(STORED) as archive:
            found |= {name: archive.read(name) for name in archive.namelist()}
    return found


def unpack(folder: Path) -> None:
    """Writes every input to a file of its own."""
    for name, octets in stored().items():
        (folder / name).write_bytes(octets)


def store(chosen: Iterable[bytes], others: Iterable[bytes]) -> int:
    """Replaces the stored corpus by the chosen inputs; returns how many there are.

    Of the others those come along without which a state or a counter would be missed. Those written by hand need no
    storing.
    """
    by_hand = set(scenes().values())
    kept = sorted(set(chosen) - by_hand)
    now = reached(map(play, [*by_hand, *kept]))
    for octets in sorted(set(others) - by_hand, key=lambda octets: (len(octets), octets)):
        more = reached([play(octets)])
        if any(set(more[what]) - set(now[what]) for what in now):
            kept.append(octets)
            now = union(now, more)
    with zipfile.ZipFile(STORED, "w") as archive:
        for octets in kept:
            name = hashlib.sha256(octets).hexdigest()[:12]
            archive.writestr(zipfile.ZipInfo(name, DATE), octets, zipfile.ZIP_DEFLATED)
    before = expected() if REACHED.exists() else {}
    REACHED.write_text(json.dumps(union(now, before), indent=1) + "\n")
    return len(kept)


def reached(arenas: Iterable[Arena]) -> dict[str, list[str]]:
    """What inputs have reached between them: states of the victim's connections, counters that are not zero."""
    states: set[str] = set()
    counters: set[str] = set()
    for arena in arenas:
        states |= {state_name(state) for state in arena.states}
        counters |= {name for name, count in arena.victim.counters().items() if count}
    return {"states": sorted(states), "counters": sorted(counters)}


def union(first: dict[str, list[str]], second: dict[str, list[str]]) -> dict[str, list[str]]:
    """What either has."""
    return {what: sorted({*first.get(what, []), *second.get(what, [])}) for what in first}


def expected() -> dict[str, list[str]]:
    """What the stored corpora reached when they were stored."""
    found: dict[str, list[str]] = json.loads(REACHED.read_text())
    return found
