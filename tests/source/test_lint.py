"""The linters find nothing. Their settings stand in pyproject.toml."""

import os
import subprocess
import sys
from pathlib import Path

from tests.source.sources import CORE, ROOT, files_of


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Runs a tool of this environment from the root; tools that start others find them in this environment too."""
    programs = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', '')}"}
    command = (str(programs / command[0]), *command[1:])
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_python_sources_pass_ruff() -> None:
    result = run("ruff", "check", "--output-format=concise", ".")
    assert result.returncode == 0, f"\n{result.stdout}{result.stderr}"


def test_cython_sources_pass_cython_lint() -> None:
    sources = [str(path.relative_to(ROOT)) for path in files_of(CORE, ".pyx", ".pxd")]
    result = run("cython-lint", *sources)
    assert result.returncode == 0, f"\n{result.stdout}{result.stderr}"


def test_unused_import_is_found_by_both(tmp_path: Path) -> None:
    settings = str(ROOT / "pyproject.toml")
    python, cython = tmp_path / "planted.py", tmp_path / "planted.pyx"
    python.write_text('"""Planted."""\n\nimport os\n')
    cython.write_text('"""Planted."""\nimport os\n')
    assert "F401" in run("ruff", "check", "--no-cache", "--config", settings, str(python)).stdout
    assert "'os' imported but unused" in run("cython-lint", str(cython)).stdout
