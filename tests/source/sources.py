"""Which files are the project's own, for the checks of this folder."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "cython" / "netcore"


def source_files() -> list[Path]:
    """Returns every file that git tracks or would add, sorted; what .gitignore names is not among them."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return sorted(path for name in listed.split("\0") if name and (path := ROOT / name).is_file())


def files_of(folder: Path, *suffixes: str) -> Iterator[Path]:
    """Yields the project's files below a folder whose name ends so, ``.pyx`` for example."""
    for path in source_files():
        if path.is_relative_to(folder) and path.suffix in suffixes:
            yield path


def relative(path: Path) -> str:
    """Returns a path as it reads from the root of the repository."""
    return path.relative_to(ROOT).as_posix()
