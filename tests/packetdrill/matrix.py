"""The matrix of states, events and positions that the scripts below scripts/matrix cover, one a cell.

`python -m tests.packetdrill.matrix` prints it. The position is that of the segment's first number (of a segment wholly
before the window, its last): left of RCV.NXT, at it, further inside the window, and at the first number beyond. In
SYN-SENT, where there is no receive window yet, it is that of the acknowledgement; CLOSED and LISTEN have neither, and
their answers are the same everywhere.
"""

from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).with_name("scripts") / "matrix"

STATES = (
    *("closed", "listen", "syn-sent", "syn-received", "established", "fin-wait-1"),
    *("fin-wait-2", "close-wait", "closing", "last-ack", "time-wait"),
)
EVENTS = ("syn", "syn-ack", "ack", "data", "fin", "rst")
POSITIONS = ("left", "edge", "inside", "beyond")

EMPTY = "EMPTY"


def script_of(state: str, event: str, position: str) -> Path:
    """The script of a cell, whether or not it is there."""
    return FOLDER / state / f"{event}-{position}.pkt"


def empty_cells() -> list[str]:
    """The cells without a script."""
    paths = (script_of(*cell) for cell in cells())
    return [str(path.relative_to(FOLDER)) for path in paths if not path.exists()]


def cells() -> Iterator[tuple[str, str, str]]:
    """Yields state, event and position of every cell."""
    for state in STATES:
        for event in EVENTS:
            for position in POSITIONS:
                yield state, event, position


def table() -> Iterator[str]:
    """Yields the lines of the matrix."""
    yield f"{'state':14}{'event':9}" + "".join(f"{position:22}" for position in POSITIONS).rstrip()
    for state in STATES:
        for event in EVENTS:
            paths = [script_of(state, event, position) for position in POSITIONS]
            names = [path.name if path.exists() else EMPTY for path in paths]
            yield f"{state:14}{event:9}" + "".join(f"{name:22}" for name in names).rstrip()
    total = len(STATES) * len(EVENTS) * len(POSITIONS)
    yield f"{total - len(empty_cells())} of {total} cells have a script, in {FOLDER.name}/STATE/"


if __name__ == "__main__":
    print("\n".join(table()))
