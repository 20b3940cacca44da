"""The shape of the tree: what stands where, how long files are, what they must not say."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.source.sources import CORE, ROOT, relative, source_files

LONGEST = 500

# Files that may be longer, and why.
LONG_FILES: dict[str, str] = {
    "LICENSE": "the licence's own text",
    "cython/netcore/endpoint.pyx": "one class: the calls of a connection",
    "cython/netcore/impair.pyx": "every fault of a link in the one order in which fate is drawn, and its Python face",
    "cython/netcore/tcp/input.pyx": "the steps of RFC 9293 3.10.7 in their order, every one in sight of the next",
    "cython/netcore/tcp/tcb.pxd": "the structs of a connection, its listener and its host refer to one another",
}

TOP_LEVEL = {
    "cython",
    "tapdev",
    "stack",
    "tests",
    "scripts",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "docs",
    "setup.py",
}
VAGUE = {"utils", "util", "common", "helpers", "helper", "manager", "misc"}

# Paths that exist on one machine only, written so that this file does not find itself.
MACHINE = re.compile(r"/[w]ork/|/[r]oot/|/[h]ome/\w|[p]yenv|/[o]pt/")

TEXTS = [path for path in source_files() if path.suffix not in {".pcapng", ".pcap", ".png", ".bin", ".zip"}]


def test_file_is_short_or_says_why() -> None:
    long = {relative(path): lines for path in TEXTS if (lines := len(path.read_text().splitlines())) > LONGEST}
    unexplained = {name: lines for name, lines in long.items() if name not in LONG_FILES}
    assert not unexplained, f"over {LONGEST} lines; cut them, or say why in LONG_FILES: {unexplained}"


def test_explanation_of_a_long_file_is_still_needed() -> None:
    names = {relative(path) for path in TEXTS if len(path.read_text().splitlines()) > LONGEST}
    needless = (set(LONG_FILES) & {relative(path) for path in TEXTS}) - names - {"LICENSE"}
    assert not needless, f"no longer over {LONGEST} lines: {sorted(needless)}"


@pytest.mark.parametrize("path", TEXTS, ids=relative)
def test_file_names_no_path_of_one_machine(path: Path) -> None:
    found = [
        f"line {number}: {line.strip()}"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if MACHINE.search(line)
    ]
    assert not found, "\n".join(found)


def test_top_level_holds_only_what_belongs_there() -> None:
    names = {path.relative_to(ROOT).parts[0] for path in source_files()}
    assert {name for name in names if not name.startswith(".")} <= TOP_LEVEL


def test_file_names_are_not_vague() -> None:
    vague = [relative(path) for path in TEXTS if VAGUE & set(re.split(r"[_.\-/]", relative(path)))]
    assert not vague


def test_cython_folder_is_no_package_and_its_folders_are() -> None:
    assert not (ROOT / "cython" / "__init__.py").exists(), "it would hide Cython's own module of that name"
    folders = {path.parent for path in source_files() if path.is_relative_to(CORE)}
    missing = [relative(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()]
    assert not missing, f"no __init__.py, so setuptools leaves them out: {missing}"


def test_import_cython_from_the_root_finds_cythons_own_module() -> None:
    code = "import cython, Cython; print(cython.__file__); assert cython.declare"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert not Path(result.stdout.strip()).is_relative_to(ROOT / "cython")
