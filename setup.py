"""Makes every ``.pyx`` file under cython/netcore an extension module.

All that can be declared stands in pyproject.toml. This file exists because ``ext-modules`` there takes neither a file
pattern nor Cython's directives. Switches come from the environment; ``scripts/build.py --help`` explains them.
"""

import os
from pathlib import Path
from typing import Any

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent

DIRECTIVES: dict[str, Any] = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
    "embedsignature": True,
}

# -fwrapv: sequence numbers and clocks wrap, and signed wrap must mean what it looks like.
COMPILE_ARGUMENTS = [
    "-O2",
    "-fwrapv",
    "-fno-strict-aliasing",
    "-Wall",
    "-Wno-unused-function",
    "-Wno-maybe-uninitialized",
]

# fuzzer-no-link: clang's edge counters and comparisons, which libFuzzer reads.
SANITIZERS = {"address": "address,undefined", "fuzzer": "address,undefined,fuzzer-no-link", "thread": "thread"}


def switch(name: str) -> str:
    """Returns the value of an environment switch; unset, empty and ``0`` are the empty string."""
    value = os.environ.get(name, "")
    return "" if value == "0" else value


SOURCE = Path(switch("WSPSTACK_SOURCE") or "cython")


def module_name(path: Path) -> str:
    """Returns the import name of a ``.pyx`` file, given relative to the repository."""
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts)


def extension(path: Path) -> Extension:
    """Returns the extension module of one ``.pyx`` file with the flags that the switches ask for.

    Raises:
        SystemExit: WSPSTACK_SANITIZE names no known sanitizer.
    """
    compile_arguments = list(COMPILE_ARGUMENTS)
    link_arguments = []
    macros: list[tuple[str, str | None]] = []
    sanitizer = switch("WSPSTACK_SANITIZE")
    if sanitizer:
        if sanitizer not in SANITIZERS:
            raise SystemExit(f"WSPSTACK_SANITIZE={sanitizer}: choose one of {', '.join(SANITIZERS)}")
        flag = f"-fsanitize={SANITIZERS[sanitizer]}"
        compile_arguments += [flag, "-g", "-O1", "-fno-omit-frame-pointer"]
        link_arguments += [flag]
    if sanitizer == "fuzzer":
        # clang warns of what only gcc knows, and does not say by gcc's macro that AddressSanitizer is on
        compile_arguments += ["-Wno-unknown-warning-option", "-fno-sanitize-recover=undefined"]
        macros += [("__SANITIZE_ADDRESS__", "1")]
    if switch("WSPSTACK_COVERAGE"):
        macros += [("CYTHON_TRACE", "1"), ("CYTHON_TRACE_NOGIL", "1")]
    return Extension(
        module_name(path),
        [path.as_posix()],
        extra_compile_args=compile_arguments,
        extra_link_args=link_arguments,
        define_macros=macros,
    )


class Translation(Extension):
    """An extension that can be kept in a set, as Cython does with those that it could not translate."""

    __hash__ = object.__hash__


class BuildCore(build_ext):
    """Translates the .pyx files when extensions are built, not when setup.py is read.

    So the sources that setuptools knows (and puts into the sdist) are the .pyx files and not the generated C.
    """

    extensions: list[Extension]
    parallel: int | None

    def run(self) -> None:
        """Builds what can be built, then fails if anything could not be translated."""
        self.failed: list[Extension] = []
        super().run()
        if self.failed:
            raise SystemExit(f"not translated: {' '.join(each.name for each in self.failed)}")

    def build_extensions(self) -> None:
        """Translates what changed, its cimported .pxd files included, and compiles it."""
        from Cython.Build import cythonize

        directives = dict(DIRECTIVES)
        variant = "cython-plain"
        if switch("WSPSTACK_ANNOTATE"):
            variant = "annotate"
        elif switch("WSPSTACK_COVERAGE"):
            variant = "cython-coverage"
            directives["linetrace"] = True
        folder = Path(switch("WSPSTACK_BUILD_DIR") or f"build/{variant}")
        jobs = int(switch("WSPSTACK_JOBS") or os.cpu_count() or 1)
        translated = cythonize(
            [Translation(each.name, list(each.sources)) for each in self.extensions],
            build_dir=str(folder),
            include_path=[SOURCE.as_posix()],
            compiler_directives=directives,
            annotate=bool(switch("WSPSTACK_ANNOTATE")),
            force=bool(self.force),
            nthreads=jobs,
            quiet=not self.verbose,
            exclude_failures=True,
        )
        sources = {each.name: each.sources for each in translated}
        self.failed = [each for each in self.extensions if each.name not in sources]
        for each in self.failed:
            # What is left of a failed translation would pass for an up-to-date one.
            (folder / each.sources[0]).with_suffix(".c").unlink(missing_ok=True)
        # The others are built all the same, so that one broken module does not hold up work on the rest.
        self.extensions = [each for each in self.extensions if each.name in sources]
        for each in self.extensions:
            each.sources = sources[each.name]
        if not switch("WSPSTACK_ANNOTATE"):
            self.parallel = self.parallel or jobs
            super().build_extensions()

    def copy_file(self, infile: str, outfile: str, *arguments: Any, **keywords: Any) -> Any:
        """Copies beside the target and renames, so that a program that starts meanwhile finds a whole module."""
        partial = f"{outfile}.partial"
        _, copied = super().copy_file(infile, partial, *arguments, **keywords)
        if copied:
            os.replace(partial, outfile)
        return outfile, copied


if __name__ == "__main__":
    os.chdir(ROOT)
    sources = [] if switch("WSPSTACK_WITHOUT_CORE") else sorted(SOURCE.glob("netcore/**/*.pyx"))
    setup(ext_modules=[extension(path) for path in sources], cmdclass={"build_ext": BuildCore})
