"""The order of the layers: who may import whom.

The tables are the rule; the tests read the ``import`` and ``cimport`` lines of every source and hold it. A module that
stands in no table fails the test: give it its place.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.source.sources import ROOT, files_of, relative

# Packages: what each may import of the project. Anything outside the project is free.
PACKAGES: dict[str, set[str]] = {
    "netcore": {"netcore"},
    "tapdev": {"tapdev"},
    "stack": {"stack", "netcore", "tapdev"},
}

# Levels of the core from left to right. A module may use those of levels to its left; modules of one level do not use
# each other. A package stands for all its modules; where it has levels of its own they follow below.
CORE_LEVELS: list[str] = [
    "posix lanes",
    "wire",
    "storage",
    "crypto",
    "impairment",  # the structs of impair, which a host holds
    "paths",  # what is known of paths, which TCP asks
    "tcp",
    "services",  # programs inside the core
    "ip",
    "neighbors",
    "host",
    "icmp udp",
    "egress",
    "ingress",
    "impair",
    "landing receive_thread",
    "device relay",
    "drive",
    "leading",
    "buffers copying ending tuning",
    "endpoint",
    "listener service connections keyring",
    "handles",  # what a socket has in the core
    "selection transfer",
    "waiter",
    "engine",  # hands out endpoints and listeners, which need of it only the host it owns (drive.HostHandle)
    "loop",
    "violation bookkeeping",
    "application invariants sampling trace",
    "network",  # nodes and ways, and the loop of the simulator
    "liveness",
    "topology",  # the simulator: what it is made of
    "flows",
    "observed",
    "simulator",
]

INNER_LEVELS: dict[str, list[str]] = {
    "tcp": [
        "seqnum isn rtt tunables counters extras flight keys",
        "tcb codes",
        "accurate_ecn",
        "autotune delivery ecn signature",
        "options window half_open table reassembly scoreboard congestion pacing urgent fastopen statistics",
        "lifecycle rack undo path_mtu",
        "recovery cookies keepalive user_timeout reporting",
        "backlog",
        "acks acknowledging",
        "output timers calls info errors",
        "input",
    ],
}

# Packages whose modules may use each other in any order that makes no cycle: they have no levels of their own.
FREE_INSIDE = {"wire", "storage", "crypto", "ip", "tcp.congestion"}

CIMPORT_ONLY = re.compile(r"^\s*(?:from\s+(?P<source>[.\w]+)\s+c?import\s+(?P<names>.+)|c?import\s+(?P<modules>.+))$")


def logical_lines(text: str) -> Iterator[str]:
    """Yields the lines of a source with comments removed and bracketed continuations joined; skips docstrings."""
    text = re.sub(r'("""|\'\'\').*?\1', '""', text, flags=re.DOTALL)
    joined = ""
    for line in text.splitlines():
        joined += " " + line.split("#")[0].rstrip() if joined else line.split("#")[0].rstrip()
        if joined.endswith("\\"):
            joined = joined[:-1]
        elif joined.count("(") <= joined.count(")"):
            yield joined
            joined = ""


def imported(text: str, package: str) -> Iterator[str]:
    """Yields the dotted names that a source imports or cimports.

    Each name of ``from a.b import c`` gives ``a.b.c``: whoever asks knows whether c is a module.

    Args:
        text: the source.
        package: the dotted package that it is in, for relative imports.
    """
    for line in logical_lines(text):
        match = CIMPORT_ONLY.match(line)
        if not match:
            continue
        if match["modules"]:
            yield from (name.split()[0] for name in match["modules"].split(",") if name.strip())
            continue
        source = match["source"]
        dots = len(source) - len(source.lstrip("."))
        if dots:
            base = package.split(".")[: len(package.split(".")) - dots + 1]
            source = ".".join([*base, source.lstrip(".")]).rstrip(".")
        yield from (f"{source}.{name.split()[0]}" for name in match["names"].strip("() ").split(",") if name.strip())


def module_of(path: Path) -> str:
    """Returns the dotted name of a module's file; a package's ``__init__`` is the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    if parts[0] == "cython":
        parts = parts[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def level_in(levels: list[str], name: str) -> int:
    """Returns the place of a name in a list of levels.

    Raises:
        LookupError: the name stands in none of them.
    """
    for place, names in enumerate(levels):
        if name in names.split():
            return place
    raise LookupError(name)


def breaks_order(user: list[str], used: list[str]) -> str:
    """Says what is wrong with one core module using another, or nothing.

    Args:
        user: the dotted name below netcore of the module that imports, split: ``["tcp", "input"]``.
        used: the same of the module that it imports.
    """
    levels, shared = CORE_LEVELS, ""
    while user and used:
        try:
            mine, theirs = level_in(levels, user[0]), level_in(levels, used[0])
        except LookupError as error:
            return f"{shared}{error} has no place in tests/source/test_layers.py"
        if user[0] != used[0]:
            if theirs < mine:
                return ""
            return f"{shared}{used[0]} is not to the left of {shared}{user[0]}"
        shared += f"{user[0]}."
        if shared[:-1] in FREE_INSIDE:
            return ""
        if shared[:-1] not in INNER_LEVELS:
            return ""
        levels = INNER_LEVELS[shared[:-1]]
        user, used = user[1:], used[1:]
    return ""


def known_module(name: str, modules: set[str]) -> str | None:
    """Returns the longest prefix of a dotted name that is a module of the project."""
    parts = name.split(".")
    while parts:
        if ".".join(parts) in modules:
            return ".".join(parts)
        parts.pop()
    return None


def violations(module: str, text: str, modules: set[str], is_package: bool = False) -> Iterator[str]:
    """Yields what a source imports against the rule, one sentence each."""
    package = module if is_package else module.rpartition(".")[0]
    for name in imported(text, package):
        used = known_module(name, modules)
        if used is None or used == module:
            continue
        if used.split(".")[0] not in PACKAGES[module.split(".")[0]]:
            yield f"{module} imports {used}: {module.split('.')[0]} knows nothing of {used.split('.')[0]}"
        elif module.startswith("netcore.") and used.startswith("netcore."):
            reason = breaks_order(module.split(".")[1:], used.split(".")[1:])
            if reason:
                yield f"{module} imports {used}: {reason}"


SOURCES = [
    path
    for package in ("cython/netcore", "stack", "tapdev")
    for path in files_of(ROOT / package, ".py", ".pyx", ".pxd")
]
MODULES = {module_of(path) for path in SOURCES}


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_source_imports_only_what_stands_to_its_left(path: Path) -> None:
    found = list(dict.fromkeys(violations(module_of(path), path.read_text(), MODULES, path.stem == "__init__")))
    assert not found, "\n".join(found)


@pytest.mark.parametrize("package", sorted(FREE_INSIDE))
def test_package_without_levels_has_no_import_cycle(package: str) -> None:
    prefix = f"netcore.{package}."
    uses: dict[str, set[str]] = {}
    for path in SOURCES:
        module = module_of(path)
        if module.startswith(prefix) and path.stem != "__init__":
            found = {known_module(name, MODULES) for name in imported(path.read_text(), module.rpartition(".")[0])}
            uses.setdefault(module, set()).update(name for name in found if name and name.startswith(prefix))
    while True:
        leaves = {module for module, used in uses.items() if not (used & uses.keys()) - {module}}
        if not leaves:
            break
        uses = {module: used for module, used in uses.items() if module not in leaves}
    assert not uses, f"these import each other: {' '.join(sorted(uses))}"


@pytest.mark.parametrize(
    ("module", "text", "reason"),
    [
        ("netcore.wire.tcp", "from netcore.tcp.tcb cimport tcb_t", "tcp is not to the left of wire"),
        (
            "netcore.tcp.tcb",
            "from netcore.tcp.input cimport segment_arrives",
            "tcp.input is not to the left of tcp.tcb",
        ),
        ("netcore.tcp.output", "from .timers cimport (\n    arm,\n)", "tcp.timers is not to the left of tcp.output"),
        ("netcore.tcp.output", "from . cimport input", "tcp.input is not to the left of tcp.output"),
        ("netcore.udp", "cimport netcore.icmp", "icmp is not to the left of udp"),
        ("netcore.engine", "from netcore.loop import Loop", "loop is not to the left of engine"),
        ("netcore.surprise", "from netcore.posix cimport free", "surprise has no place"),
        ("netcore.engine", "    from stack import config", "netcore knows nothing of stack"),
        ("tapdev.lab", "import netcore.engine as engine", "tapdev knows nothing of netcore"),
    ],
)
def test_import_against_the_order_is_found(module: str, text: str, reason: str) -> None:
    modules = {"netcore", "stack", "stack.config", "netcore.engine", "netcore.loop", "netcore.icmp", "netcore.posix"}
    modules |= {f"netcore.tcp.{name}" for name in ("tcb", "input", "output", "timers")} | {module}
    assert any(reason in found for found in violations(module, text, modules))


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("netcore.tcp.input", "from netcore.tcp.acks cimport process_ack"),
        ("netcore.tcp.input", "from netcore.wire.tcp cimport segment_t  # a header"),
        ("netcore.egress", '"""Not an import:\nfrom netcore.loop import Loop\n"""'),
        ("stack.assembly", "from netcore.engine import Engine"),
        ("netcore.loop", "from libc.stdint cimport uint64_t"),
    ],
)
def test_import_along_the_order_is_accepted(module: str, text: str) -> None:
    modules = {"netcore.tcp.acks", "netcore.wire.tcp", "netcore.loop", "netcore.engine", module}
    assert list(violations(module, text, modules)) == []
