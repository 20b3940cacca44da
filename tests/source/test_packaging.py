"""The distributions: an sdist has the sources, a wheel made from it installs into an empty environment and imports."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.source.sources import CORE, ROOT, files_of

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(900)]


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Runs a command and returns what it printed; a failure shows all of it.

    The environment is this one's with other values, without the folders in which this interpreter looks for modules.
    """
    environment = {**os.environ, **environment}
    environment.pop("PYTHONPATH", None)
    result = subprocess.run(list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, f"{' '.join(map(str, command))}\n{result.stdout[-4000:]}\n{result.stderr[-4000:]}"
    return result.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns an sdist made of the tree as it is."""
    folder = tmp_path_factory.mktemp("sdist")
    code = f"import setuptools.build_meta as b; print(b.build_sdist({str(folder)!r}))"
    name = run(sys.executable, "-c", code, cwd=ROOT).splitlines()[-1]
    return folder / name


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a wheel made of the sdist alone, by a compiler in a hurry: nothing of it is run for its speed."""
    folder = tmp_path_factory.mktemp("wheel")
    compiler = folder / "compiler"
    compiler.write_text(f'#!/bin/sh\nexec {os.environ.get("CC") or "cc"} "$@" -O0\n')
    compiler.chmod(0o755)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    run(*command, "-w", folder, sdist, cwd=folder, CC=str(compiler))
    return next(folder.glob("wspstack-*.whl"))


def test_sdist_has_every_source_of_the_core_and_no_generated_c(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {path.relative_to(ROOT).as_posix() for path in files_of(CORE, ".pyx", ".pxd", ".pyi", ".py")}
    assert wanted <= names, f"missing: {sorted(wanted - names)}"
    assert {"LICENSE", "setup.py", "pyproject.toml"} <= names
    assert not [name for name in names if name.endswith((".c", ".so"))]


def test_wheel_has_modules_stubs_and_headers(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {path.relative_to(CORE.parent).with_suffix("").as_posix() for path in files_of(CORE, ".pyx")}
    built = {name.partition(".")[0] for name in names if name.endswith(".so")}
    assert built == modules
    wanted = {path.relative_to(CORE.parent).as_posix() for path in files_of(CORE, ".pxd", ".pyi")}
    assert wanted <= names, f"missing: {sorted(wanted - names)}"
    assert {f"{package}/py.typed" for package in ("stack", "tapdev", "netcore")} <= names
    assert "stack/packetdrill/grammar.lark" in names


def test_wheel_in_an_empty_environment_imports_from_another_folder(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    run(sys.executable, "-m", "venv", environment, cwd=tmp_path)
    python = environment / "bin" / "python"
    run(python, "-m", "pip", "--disable-pip-version-check", "install", "-q", wheel, cwd=tmp_path)
    modules = ", ".join(
        sorted(
            path.relative_to(CORE.parent).with_suffix("").as_posix().replace("/", ".")
            for path in files_of(CORE, ".pyx")
        )
    )
    code = f"import stack, tapdev, netcore{', ' + modules if modules else ''}; print(netcore.__file__)"
    assert str(environment) in run(python, "-c", code, cwd=tmp_path)
    assert "wspstack" in run(environment / "bin" / "wspstack", "--version", cwd=tmp_path)
