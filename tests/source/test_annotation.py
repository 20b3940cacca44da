"""Functions that run without the GIL touch no Python object: read from the C that Cython made of them.

Cython refuses most Python in such functions. What it lets through takes the GIL: raising, ``with gil``, the check after
a call of a function that may raise, and the report of an exception that a ``noexcept`` function cannot pass on. Each
leaves Python's names in the function's C, so their absence is the proof. A function of a ``.pxd`` is found in the C of
every module that uses it.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.source.sources import CORE, ROOT, files_of, relative

GENERATED = ROOT / "build" / "cython-plain"

# A definition in the generated C: the comment that quotes the source, then the function up to a brace in column 0.
DEFINITION = re.compile(
    r'^/\* "(?P<file>[^"]+)":(?P<line>\d+)\n(?: \*[^\n]*\n)*\*/\n+'
    r"(?P<head>(?:static|__PYX_EXTERN_C)[^;{]*?\b__pyx_f_\w+\([^;{]*\)) \{\n(?P<body>.*?)^\}$",
    re.MULTILINE | re.DOTALL,
)
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
PYTHON = re.compile(r"\b(?:_?Py[A-Z]?_?[A-Za-z_]\w*|__Pyx_\w+)\b")
ERROR = re.compile(r"__PYX_ERR\(\d+, (\d+),")

# C types and arithmetic that only carry such a name, and the reference counter's macros, empty in this build.
HARMLESS = re.compile(r"Py_ssize_t|Py_hash_t|__Pyx_memviewslice|__Pyx_(?:pow|div|mod)_\w+|__Pyx_RefNanny\w+")


def nogil_functions(text: str) -> dict[int, str]:
    """Returns the functions of a .pyx or .pxd file that are declared ``nogil``: line of the head -> its text."""
    found = {}
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if not re.match(r"\s*(?:cdef|cpdef)\s.*\(", line):
            continue
        head = ""
        for part in lines[number - 1 :]:
            head += part.split("#")[0].strip() + " "
            if head.count("(") <= head.count(")"):
                break
        if head.rstrip().endswith(":") and re.search(r"\)[^()]*\bnogil\b[^()]*:\s*$", head):
            found[number] = head.strip()
    return found


def python_in(body: str) -> str:
    """Says which of Python's names the C of a function has, and from which source lines errors may come; or nothing."""
    code = COMMENT.sub("", body)
    names = sorted({name for name in PYTHON.findall(code) if not HARMLESS.fullmatch(name)})
    lines = sorted({int(line) for line in ERROR.findall(code)})
    if not names:
        return ""
    return ", ".join(names) + (f" (raised in line {', '.join(map(str, lines))})" if lines else "")


def findings(generated: str, sources: dict[str, dict[int, str]]) -> Iterator[tuple[str, int, str]]:
    """Yields file, line and verdict (empty: clean) of each function without the GIL in a generated C file.

    Args:
        generated: the C.
        sources: what ``nogil_functions`` found, by the end of the file's name.
    """
    for match in DEFINITION.finditer(generated):
        name, line = match["file"], int(match["line"])
        heads = sources.get(name, {})
        # A decorated function is quoted from its decorator on.
        head = next((number for number in range(line, line + 4) if number in heads), None)
        if head is not None:
            yield name, head, python_in(match["body"])


def declared() -> dict[str, dict[int, str]]:
    """Returns the functions without the GIL of every source of the core, keyed as Cython's comments name the file."""
    return {
        path.relative_to(CORE.parent).as_posix(): nogil_functions(path.read_text())
        for path in files_of(CORE, ".pyx", ".pxd")
    }


def generated_from(path: Path) -> Path:
    """Returns the C file that the build made of a .pyx file."""
    return (GENERATED / relative(path)).with_suffix(".c")


@pytest.mark.parametrize("path", list(files_of(CORE, ".pyx")), ids=relative)
def test_function_without_the_gil_has_no_python_in_its_c(path: Path) -> None:
    generated = generated_from(path)
    assert generated.exists(), f"{relative(path)} is not built; run scripts/build.py"
    sources = declared()
    found = list(findings(generated.read_text(), sources))
    guilty = [f"{name}:{line}: {sources[name][line]}\n    {verdict}" for name, line, verdict in found if verdict]
    assert not guilty, "\n" + "\n".join(guilty)
    own = path.relative_to(CORE.parent).as_posix()
    seen = {line for name, line, _ in found if name == own}
    missed = sorted(sources[own].keys() - seen)
    assert not missed, f"not found in the C, so not checked: lines {missed} of {relative(path)}"


PLANTED = """\
# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
cdef int clean(int* x) noexcept nogil:
    return x[0] // 3
cdef int may_raise(int x) except -1 nogil:
    return x
cdef int swallows(int x) noexcept nogil:
    return may_raise(x)
cdef int raises(int x) except? -1 nogil:
    if x:
        raise ValueError("no")
    return 0
cdef int takes_gil(
    int x,
) noexcept nogil:
    with gil:
        print(x)
    return 0
cdef int divides(int x) noexcept nogil:
    with cython.cdivision(False):
        return 3 // x
cdef int holds_gil(int x) noexcept:
    return len(str(x))
def use(int x):
    return clean(&x) + swallows(x) + raises(x) + takes_gil(x) + divides(x) + holds_gil(x)
"""


def test_planted_python_is_found_and_clean_functions_are_not(tmp_path: Path) -> None:
    source = tmp_path / "planted.pyx"
    source.write_text(PLANTED.replace("cdef int clean", "cimport cython\ncdef int clean"))
    subprocess.run([sys.executable, "-m", "cython", str(source)], check=True, capture_output=True)
    sources = {"planted.pyx": nogil_functions(source.read_text())}
    verdicts = {
        sources["planted.pyx"][line].split("(")[0].split()[-1]: verdict
        for _, line, verdict in findings((tmp_path / "planted.c").read_text(), sources)
    }
    assert {name for name, verdict in verdicts.items() if verdict} == {"swallows", "raises", "takes_gil", "divides"}
    assert {name for name, verdict in verdicts.items() if not verdict} == {"clean", "may_raise"}
    assert "__Pyx_WriteUnraisable" in verdicts["swallows"]
    assert "raised in line" in verdicts["raises"]
