"""Cython modules of the tests alone: translated, compiled and loaded in a run, with the core's own sanitizers."""

import importlib.util
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import netcore
from netcore.engine import build_information


def build(source: Path, folder: Path) -> Path:
    """Translates and compiles a .pyx file into a folder; the module's path."""
    translated = folder / f"{source.stem}.c"
    module = folder / f"{source.stem}{sysconfig.get_config_var('EXT_SUFFIX')}"
    directives = ["-X", "language_level=3", "-X", "boundscheck=False", "-X", "wraparound=False", "-X", "cdivision=True"]
    # each build of the core has its headers beside its modules
    headers = str(Path(netcore.__file__).resolve().parents[1])
    translate = ["-m", "cython", "-I", headers, *directives, "-o", str(translated)]
    flags = ["-O1", "-fPIC", "-shared", "-fwrapv", "-fno-strict-aliasing", f"-I{sysconfig.get_paths()['include']}"]
    if build_information()["address_sanitizer"]:
        flags += ["-fsanitize=address,undefined", "-fno-omit-frame-pointer"]
    elif build_information()["race_detector"]:
        flags += ["-fsanitize=thread"]
    commands = (
        [sys.executable, *translate, str(source)],
        ["cc", *flags, str(translated), "-o", str(module)],
    )
    for command in commands:
        result = subprocess.run(command, capture_output=True, text=True, env=clean_environment())
        assert result.returncode == 0, result.stdout + result.stderr
    return module


def clean_environment() -> dict[str, str]:
    """The environment without what makes every program a sanitized one."""
    return {name: value for name, value in os.environ.items() if name not in ("LD_PRELOAD", "PYTHONPATH")}


def load(source: Path, folder: Path) -> ModuleType:
    """Builds a .pyx file in a folder and imports it."""
    spec = importlib.util.spec_from_file_location(source.stem, build(source, folder))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
