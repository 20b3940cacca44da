"""The core computes with integers only, so that one seed is one run on any machine (LIM-5)."""

import ctypes.util
import io
import shutil
import subprocess
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

CORE = Path(__file__).resolve().parents[2] / "cython" / "netcore"
FORBIDDEN = {"float", "double", "complex"}
DIVISIONS = {"/", "/="}


def is_inexact(token: tokenize.TokenInfo) -> bool:
    """Whether a token is no matter of integers: a type, a number, a division, a name of libm's header."""
    if token.type == tokenize.NAME:
        return token.string in FORBIDDEN or (token.string == "math" and "import" in token.line)
    if token.type == tokenize.NUMBER:
        return not is_integer(token.string)
    return token.type == tokenize.OP and token.string in DIVISIONS


def inexact(source: str) -> Iterator[str]:
    """Yields the lines of Cython source with such tokens; comments and strings have none."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if is_inexact(token):
            yield f"{token.start[0]}: {token.line.strip()}"


def is_integer(number: str) -> bool:
    """Whether the text of a number is one of a whole number; 0xFEULL is."""
    digits = number.lower()
    return digits.startswith(("0x", "0b", "0o")) or digits.rstrip("ul").replace("_", "").isdigit()


def sources() -> list[Path]:
    """All Cython files of the core."""
    return sorted(path for path in CORE.rglob("*") if path.suffix in (".pyx", ".pxd"))


@pytest.mark.requirement("LIM-5")
@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(CORE).as_posix())
def test_source_of_the_core_has_nothing_but_integers(path: Path) -> None:
    assert list(inexact(path.read_text())) == []


@pytest.mark.parametrize(
    "line",
    ["cdef double rate = 0", "x = 1.5", "x = 1e9", "x = a / b", "x /= 2", "from libc.math cimport sqrt", "float(x)"],
)
def test_what_is_no_integer_is_noticed(line: str) -> None:
    assert list(inexact(f'"""A / b, 1.5, double."""\n{line}  # 0.5 of it\n')) != []


def test_integers_pass() -> None:
    source = "cdef uint64_t x = 0x9E3779B97F4A7C15ULL // 1_000_000_000\nx //= 3  # a / b\nx = <int64_t> -1LL\n"
    assert list(inexact(source)) == []


@pytest.mark.requirement("LIM-5")
def test_modules_of_the_core_take_nothing_from_the_mathematical_library() -> None:
    library = ctypes.util.find_library("m")
    if library is None:
        pytest.skip("no mathematical library to compare with was found")
    if shutil.which("readelf") is None:
        pytest.skip("the program readelf is missing: it comes with the package binutils")
    modules = sorted(CORE.rglob("*.so"))
    assert len(modules) >= 20
    for module in modules:
        found = subprocess.run(["readelf", "-d", str(module)], capture_output=True, text=True, check=True).stdout
        assert "NEEDED" in found
        assert f"[{library}]" not in found, module.name
