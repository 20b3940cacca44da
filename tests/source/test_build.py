"""scripts/build.py on a core of two modules and one header, in a tree of its own."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.source.sources import ROOT

pytestmark = pytest.mark.timeout(300)

HEADER = "ctypedef struct pair_t:\n    int first\n    int second\n"
STORE = "from netcore.wire.pair cimport pair_t\ncdef int total(pair_t* pair) noexcept nogil:\n    return pair.second\n"
STORE_PAGE = "from netcore.wire.pair cimport pair_t\ncdef int total(pair_t* pair) noexcept nogil\n"
FACE = """\
from netcore.storage.store cimport total
from netcore.wire.pair cimport pair_t
def second(int value):
    cdef pair_t pair
    pair.second = value
    return total(&pair), sizeof(pair_t)
"""


class Tree:
    """A project of the same shape with next to nothing in its core."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.core = root / "cython" / "netcore"

    def make(self) -> None:
        """Writes the sources."""
        for package in ("", "wire", "storage", "tcp"):
            (self.core / package).mkdir(parents=True)
            (self.core / package / "__init__.py").write_text('"""A package."""\n')
        for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, self.root / name)
        (self.root / "scripts").mkdir()
        shutil.copy(ROOT / "scripts" / "build.py", self.root / "scripts")
        (self.core / "wire" / "pair.pxd").write_text(HEADER)
        (self.core / "storage" / "store.pxd").write_text(STORE_PAGE)
        (self.core / "storage" / "store.pyx").write_text(STORE)
        (self.core / "tcp" / "face.pyx").write_text(FACE)

    def build(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs scripts/build.py."""
        command = [sys.executable, "scripts/build.py", "--jobs", "2", *arguments]
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True)

    def evaluate(self, expression: str, path: str = "cython") -> str:
        """Returns what an expression over the built modules prints in a new interpreter."""
        code = f"from netcore.tcp import face; print({expression})"
        # -P and PYTHONPATH: this tree's netcore, not the one that is installed.
        command = [sys.executable, "-P", "-c", code]
        environment = {**os.environ, "PYTHONPATH": str(self.root / path)}
        result = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()

    def modules(self) -> dict[str, int]:
        """Returns when each extension module was written (ns since the epoch), by its name without suffix."""
        return {path.name.partition(".")[0]: path.stat().st_mtime_ns for path in self.core.rglob("*.so")}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the folder of a tree that is built, to be copied."""
    made = Tree(tmp_path_factory.mktemp("built") / "project")
    made.make()
    result = made.build()
    assert result.returncode == 0, result.stderr
    return made.root


@pytest.fixture
def tree(built: Path, tmp_path: Path) -> Tree:
    """Returns a tree that is built, files and times, for one test."""
    return Tree(shutil.copytree(built, tmp_path / "project", symlinks=True))


def test_nothing_changed_builds_nothing_and_says_nothing(tree: Tree) -> None:
    before = tree.modules()
    result = tree.build("--announce")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert tree.modules() == before


def test_header_changed_rebuilds_who_uses_it_through_another_header(tree: Tree) -> None:
    assert tree.evaluate("face.second(7)") == "(7, 8)"
    (tree.core / "wire" / "pair.pxd").write_text(HEADER.replace("    int second", "    int between\n    int second"))
    assert tree.build().returncode == 0
    assert tree.evaluate("face.second(7)") == "(7, 12)"


def test_module_changed_rebuilds_that_module_only(tree: Tree) -> None:
    before = tree.modules()
    (tree.core / "storage" / "store.pyx").write_text(STORE.replace("pair.second", "pair.second + 1"))
    assert tree.build().returncode == 0
    after = tree.modules()
    assert after["face"] == before["face"]
    assert after["store"] > before["store"]
    assert tree.evaluate("face.second(7)") == "(8, 8)"


def test_module_that_fails_is_named_each_time_and_the_others_are_built(tree: Tree) -> None:
    before = tree.modules()
    (tree.core / "tcp" / "face.pyx").write_text(FACE + "cdef int broken(\n")
    (tree.core / "storage" / "store.pyx").write_text(STORE.replace("pair.second", "pair.second + 1"))
    for _ in range(2):
        result = tree.build()
        assert result.returncode == 1
        assert "face.pyx" in result.stderr
    assert tree.modules()["store"] > before["store"]
    (tree.core / "tcp" / "face.pyx").write_text(FACE)
    assert tree.build().returncode == 0


def test_source_removed_removes_its_module(tree: Tree) -> None:
    (tree.core / "tcp" / "face.pyx").unlink()
    assert tree.build().returncode == 0
    assert set(tree.modules()) == {"store"}


def test_rules_changed_rebuild_everything(tree: Tree) -> None:
    before = tree.modules()
    rules = tree.root / "setup.py"
    rules.write_text(rules.read_text() + "# changed\n")
    assert tree.build().returncode == 0
    assert all(tree.modules()[name] > before[name] for name in before)


def load_build() -> ModuleType:
    """Returns scripts/build.py as a module."""
    specification = importlib.util.spec_from_file_location("build", ROOT / "scripts" / "build.py")
    assert specification is not None
    assert specification.loader is not None
    build = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(build)
    return build


def test_generated_c_is_never_newer_than_an_edit_made_while_it_was_translated(tmp_path: Path) -> None:
    build = load_build()
    old, new = tmp_path / "old.c", tmp_path / "new.c"
    for path, time in ((old, 100.0), (new, 300.0)):
        path.write_text("")
        os.utime(path, (time, time))
    build.backdate_generated(tmp_path, started=200.0)
    assert (old.stat().st_mtime, new.stat().st_mtime) == (100.0, 200.0)


def test_sanitized_build_is_a_whole_package_of_its_own(tree: Tree) -> None:
    before = tree.modules()
    result = tree.build("--sanitize", "address")
    assert result.returncode == 0, result.stderr
    assert "LD_PRELOAD=" in result.stdout
    assert f"PYTHONPATH={tree.root}/build/address" in result.stdout
    assert tree.modules() == before
    names = {path.relative_to(tree.root / "build/address/netcore") for path in (tree.root / "build/address").rglob("*")}
    assert {Path("__init__.py"), Path("wire/pair.pxd")} <= names
    module = next((tree.root / "build/address/netcore/tcp").glob("face.*.so"))
    assert b"__asan_" in module.read_bytes()


def test_compiler_of_the_fuzzer_is_the_newest_clang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CC", "gcc")
    build = load_build()
    with pytest.raises(SystemExit, match="needs clang"):
        build.clang()
    for name in ("clang-9", "clang-14", "clang-format-15"):
        (tmp_path / name).touch(mode=0o755)
    assert build.clang() == "clang-14"
    monkeypatch.setenv("CC", "ccache gcc")
    assert build.clang() == "ccache clang-14"


def test_unknown_sanitizer_is_refused_in_one_line(tree: Tree) -> None:
    environment = {**os.environ, "WSPSTACK_SANITIZE": "everything"}
    command = [sys.executable, "setup.py", "--quiet", "build_ext"]
    result = subprocess.run(command, cwd=tree.root, env=environment, capture_output=True, text=True)
    assert result.stderr.strip() == "WSPSTACK_SANITIZE=everything: choose one of address, fuzzer, thread"
