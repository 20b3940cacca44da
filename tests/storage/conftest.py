"""Builds the Python face of the memory shapes, once a run and with the sanitizers that the core was built with."""

import importlib.util
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import pytest

from netcore.engine import build_information

ROOT = Path(__file__).resolve().parents[2]


def build(folder: Path) -> Path:
    """Translates and compiles shapes.pyx; the module's path."""
    source = folder / "shapes.c"
    module = folder / f"shapes{sysconfig.get_config_var('EXT_SUFFIX')}"
    directives = ["-X", "language_level=3", "-X", "boundscheck=False", "-X", "wraparound=False", "-X", "cdivision=True"]
    translate = ["-m", "cython", "-I", str(ROOT / "cython"), *directives, "-o", str(source)]
    flags = ["-O1", "-fPIC", "-shared", "-fwrapv", "-fno-strict-aliasing", f"-I{sysconfig.get_paths()['include']}"]
    if build_information()["address_sanitizer"]:
        flags += ["-fsanitize=address,undefined", "-fno-omit-frame-pointer"]
    elif build_information()["race_detector"]:
        flags += ["-fsanitize=thread"]
    commands = (
        [sys.executable, *translate, str(Path(__file__).with_name("shapes.pyx"))],
        ["cc", *flags, str(source), "-o", str(module)],
    )
    for command in commands:
        result = subprocess.run(command, capture_output=True, text=True, env=clean_environment())
        assert result.returncode == 0, result.stdout + result.stderr
    return module


def clean_environment() -> dict[str, str]:
    """The environment without what makes every program a sanitized one."""
    return {name: value for name, value in os.environ.items() if name not in ("LD_PRELOAD", "PYTHONPATH")}


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The module."""
    path = build(tmp_path_factory.mktemp("shapes"))
    spec = importlib.util.spec_from_file_location("shapes", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
