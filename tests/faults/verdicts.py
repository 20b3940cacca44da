"""The file of verdicts with which an interrupted judgement of the planted faults goes on: one JSON object a line."""

import hashlib
import json
from pathlib import Path

from tests.faults.judge import ROOT, Verdict
from tests.faults.planting import Fault

SOURCES = ROOT / "build" / "faults-source" / "netcore"


def digest_of(fault: Fault | None, sources: Path = SOURCES) -> str:
    """Returns what a verdict holds for: the lines of the fault, or all sources with their switches when there is none.

    Args:
        fault: None: no fault was planted.
        sources: the core with all faults, as scripts/build.py --faults writes it.
    """
    if fault is not None:
        return hashlib.sha256(f"{fault.file}\0{fault.original}\0{fault.planted}".encode()).hexdigest()
    files = sorted(path for path in sources.rglob("*") if path.suffix in (".pxd", ".pyx"))
    whole = hashlib.sha256()
    for path in files:
        whole.update(f"{path.relative_to(sources)}\0".encode() + path.read_bytes() + b"\0")
    return whole.hexdigest()


class Verdicts:
    """Verdicts in a file, or nowhere.

    A verdict is taken up again while the fault's lines stay as they were; that of the core without a fault while all of
    the core does. One that nothing was found by counts only for as many seeds.
    """

    def __init__(self, path: Path | None) -> None:
        """Args: path: the file, which need not exist yet; None: nothing is kept."""
        self.path = path

    def read(self, faults: list[Fault | None], seeds: int) -> dict[Fault | None, Verdict]:
        """Returns those of `faults` that still hold; `seeds`: how many are to be tried for each."""
        if self.path is None or not self.path.exists():
            return {}
        kept = {}
        wanted = {digest_of(fault): fault for fault in faults}
        for line in self.path.read_text().splitlines():
            entry = json.loads(line)
            if entry["digest"] in wanted and (entry["found"] or entry["seeds"] >= seeds):
                fault = wanted[entry["digest"]]
                kept[fault] = Verdict(fault, entry["found"], entry["seeds"], entry["seconds"])
        return kept

    def append(self, verdict: Verdict) -> None:
        """Writes one more."""
        if self.path is None:
            return
        entry = {
            "number": verdict.fault.number if verdict.fault is not None else 0,
            "found": verdict.found,
            "seeds": verdict.seeds,
            "seconds": round(verdict.seconds, 1),
            "digest": digest_of(verdict.fault),
        }
        with self.path.open("a") as file:
            file.write(json.dumps(entry) + "\n")
