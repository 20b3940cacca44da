"""The stubs beside the core's modules say what the built modules have."""

import re
import subprocess
import sys

import pytest

from tests.source.sources import CORE, ROOT, files_of
from tests.source.test_layers import module_of

PUBLIC = re.compile(r"^(?:(?:def|class|cdef class)\s+[^_\W]|cpdef\s)", re.MULTILINE)


def stubbed_modules() -> list[str]:
    """Returns the dotted names of the core's modules that have a stub."""
    return [module_of(path) for path in files_of(CORE, ".pyi")]


@pytest.mark.timeout(300)
def test_stubs_agree_with_the_built_modules() -> None:
    modules = stubbed_modules()
    command = [sys.executable, "-m", "mypy.stubtest", "--mypy-config-file", "pyproject.toml"]
    allowlist = "tests/source/stubtest_allowlist.txt"
    result = subprocess.run(
        [*command, "--concise", "--ignore-unused-allowlist", "--allowlist", allowlist, *modules],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, f"\n{result.stdout}{result.stderr}"


def test_module_with_a_python_face_has_a_stub() -> None:
    faced = {module_of(path) for path in files_of(CORE, ".pyx") if PUBLIC.search(path.read_text())}
    assert faced <= set(stubbed_modules()), f"no .pyi: {' '.join(sorted(faced - set(stubbed_modules())))}"


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("cdef class Engine:\n", True),
        ("def parse(frame):\n", True),
        ("cpdef enum State:\n", True),
        ("class Error(Exception):\n", True),
        ("cdef class _Held:\n", False),
        ("cdef int add(int a) noexcept nogil:\n    return a\n", False),
        ("cdef class _Held:\n    def __init__(self):\n        pass\n", False),
    ],
)
def test_python_face_is_told_from_c(text: str, public: bool) -> None:
    assert bool(PUBLIC.search(text)) == public
