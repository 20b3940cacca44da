#!/usr/bin/env python3
"""Draws the pictures of docs/pictures from simulated runs, and the page that shows them.

Examples:
  scripts/pictures.py                   all of them, again
  scripts/pictures.py slow-start cubic  two of them
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "pictures"

SIZE = (11.0, 8.5)
RESOLUTION = 80


@dataclass(frozen=True)
class Picture:
    """A picture: its file's name, its title, the line that `wspstack plot --simulate` takes, and what is to be seen.

    begin, end: seconds, None: all of the run.
    """

    name: str
    title: str
    line: str
    text: str
    begin: float | None = None
    end: float | None = None

    @property
    def command(self) -> str:
        """What draws it."""
        part = "".join(f" --{word} {time:g}" for word, time in (("from", self.begin), ("to", self.end)) if time)
        return f'wspstack plot --simulate "{self.line}"{part}'


PICTURES = (
    Picture(
        "slow-start",
        "Slow start, the loss that ends it, and recovery",
        "rate=10M delay=20ms queue=60k algorithm=newreno bytes=1200k seed=1",
        "The window doubles each round trip until the queue before the bottleneck is full: first the RTT rises, then "
        "segments are lost. SACK blocks tell which, and recovery sends them again while the window shrinks.",
    ),
    Picture(
        "lost-segment",
        "One lost segment, found by SACK and sent again",
        "rate=5M delay=20ms loss=1%/0% queue=100k bytes=400k seed=11",
        "At the scale of segments: a bar is a segment, a cross one that was lost on the way, and the purple bars "
        "above the ACK line are the SACK blocks that later segments caused.",
        begin=0.08,
        end=0.42,
    ),
    Picture(
        "cubic",
        "CUBIC at a bottleneck",
        "rate=20M delay=25ms queue=120k algorithm=cubic bytes=40M seed=1",
        "After each loss the window grows in the shape of a cubic: fast, flat near the place of the last loss, fast "
        "again. The RTT follows the queue.",
    ),
    Picture(
        "closed-window",
        "A receiver that does not read",
        "rate=10M delay=5ms bytes=300k stall_after=60k stall=3s receive_buffer=64k seed=1",
        "The right edge of the window stands still, then the window is closed, and the sender probes it at growing "
        "intervals until the receiver reads again.",
    ),
    Picture(
        "blackout",
        "A link that passes nothing for three seconds",
        "rate=10M delay=20ms queue=60k blackout=1s-4s bytes=3M seed=1",
        "Time-outs double their distance; the first segment that arrives after the blackout brings everything back.",
    ),
)


def draw_picture(picture: Picture) -> Path:
    """Draws one into its file and returns the path."""
    from stack.plotting.figure import Look, draw
    from stack.plotting.recipe import read_recipe
    from stack.plotting.simulated import run

    path = FOLDER / f"{picture.name}.png"
    look = Look(picture.begin, picture.end, SIZE, RESOLUTION, picture.title)
    draw(run(read_recipe(picture.line))[0].flow(True), path, look)
    return path


def page() -> str:
    """Returns the page that shows all of them."""
    parts = [
        "# Pictures",
        "Drawn by `wspstack plot` from runs of the simulator; `scripts/pictures.py` draws them again.",
    ]
    for picture in PICTURES:
        image = f"![{picture.title}](pictures/{picture.name}.png)"
        parts += [f"## {picture.title}", picture.text, f"    {picture.command}", image]
    return "\n\n".join(parts) + "\n"


def main(arguments: list[str]) -> int:
    """Reads the command line, draws, returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="scripts/pictures.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="a picture (default: all)")
    names = parser.parse_args(arguments).names
    missing = set(names) - {picture.name for picture in PICTURES}
    if missing:
        parser.error(f"no picture is called {min(missing)}: there are {' '.join(picture.name for picture in PICTURES)}")
    sys.path[:0] = [str(ROOT), str(ROOT / "cython")]
    FOLDER.mkdir(parents=True, exist_ok=True)
    for picture in PICTURES:
        if not names or picture.name in names:
            print(draw_picture(picture).relative_to(ROOT))
    (FOLDER.parent / "pictures.md").write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
