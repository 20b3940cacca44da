"""The table of planted faults fits the sources, and the tests and the campaign find what it plants."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.planting import OutdatedFaultError, plant, plant_sources, read_faults

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "cython" / "netcore"
FAULTS = read_faults()
ENTRY = """
[[fault]]
number = 3
name = "off by one"
area = "edges"
file = "edge.pyx"
original = '''
    return left < right
'''
planted = '''
    return left < right + PLANTED
'''
"""
SOURCE = '''"""An edge."""

from libc.stdint cimport uint32_t


cdef bint is_before(uint32_t left, uint32_t right):
    return left < right
'''


def is_campaign(request: pytest.FixtureRequest) -> bool:
    return "campaign" in request.config.getoption("-m")


def core_of(tmp_path: Path, source: str = SOURCE) -> Path:
    """A core of one file."""
    package = tmp_path / "netcore"
    package.mkdir()
    (package / "edge.pyx").write_text(source)
    return package


def table_of(tmp_path: Path, text: str) -> Path:
    table = tmp_path / "table"
    table.mkdir()
    (table / "edges.toml").write_text(text)
    return table


def test_table_has_enough_faults_in_enough_places():
    assert len(FAULTS) >= 48
    assert len({fault.area for fault in FAULTS}) >= 15
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


@pytest.mark.parametrize("file", sorted({fault.file for fault in FAULTS}))
def test_lines_of_every_fault_stand_in_the_core_once(file):
    text = plant((CORE / file).read_text(), [fault for fault in FAULTS if fault.file == file])
    assert "from netcore.faults cimport planted\n" in text
    assert all(f"planted({fault.number})" in text for fault in FAULTS if fault.file == file)


def test_core_itself_knows_nothing_of_faults():
    sources = [path for path in CORE.rglob("*") if path.suffix in (".pyx", ".pxd")]
    assert sources
    assert not [path for path in sources if "planted(" in path.read_text()]


def test_planted_source_differs_by_the_switch_alone(tmp_path):
    faults = read_faults(table_of(tmp_path, ENTRY))
    assert plant(SOURCE, []) == SOURCE
    expected = SOURCE.replace("from libc", "from netcore.faults cimport planted\nfrom libc")
    assert plant(SOURCE, faults) == expected.replace("< right\n", "< right + planted(3)\n")


def test_what_the_source_no_longer_has_goes_from_the_copy_and_the_rest_keeps_its_date(tmp_path):
    package, copy = core_of(tmp_path), tmp_path / "copy"
    table = read_faults(table_of(tmp_path, ENTRY))
    (package / "gone.pyx").write_text("cdef int gone\n")
    plant_sources(package, copy, table)
    before = (copy / "edge.pyx").stat().st_mtime_ns
    (package / "gone.pyx").unlink()
    plant_sources(package, copy, table)
    assert {path.name for path in copy.iterdir()} == {"edge.pyx", "faults.pxd"}
    assert (copy / "edge.pyx").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("source", "table", "reason"),
    [
        (SOURCE.replace("<", "<="), ENTRY, r"fault 3 \(off by one\): its lines occur 0 times in cython/netcore/edge"),
        (SOURCE + SOURCE, ENTRY, "occur 2 times"),
        (SOURCE, ENTRY + ENTRY.replace("number = 3", "number = 4"), "stands on lines of another fault"),
        (SOURCE, ENTRY + ENTRY, "fault 3 stands twice"),
        (SOURCE, ENTRY.replace("PLANTED", "1"), "has no PLANTED"),
        (SOURCE, ENTRY.replace("edge.pyx", "hedge.pyx"), "there is no cython/netcore/hedge.pyx"),
        (SOURCE, ENTRY.replace("    return left < right\n", "return left < right\n"), "not whole ones"),
    ],
)
def test_fault_that_does_not_fit_the_source_is_named(tmp_path, source, table, reason):
    with pytest.raises(OutdatedFaultError, match=reason):
        plant_sources(core_of(tmp_path, source), tmp_path / "copy", read_faults(table_of(tmp_path, table)))


def digest_of(path: Path) -> str:
    """What tests.faults.digest prints with the netcore of a folder."""
    environment = {**os.environ, "PYTHONPATH": f"{path}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-P", "-m", "tests.faults.digest"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout


@pytest.mark.campaign
@pytest.mark.timeout(1800)
def test_build_with_no_fault_planted_behaves_as_the_ordinary_one(request):
    if not is_campaign(request):
        pytest.skip("builds the core a second time, run by -m campaign")
    subprocess.run([sys.executable, "scripts/build.py", "--faults"], cwd=ROOT, check=True, capture_output=True)
    assert digest_of(ROOT / "build" / "faults") == digest_of(ROOT / "cython")


@pytest.mark.campaign
@pytest.mark.timeout(0)
def test_planted_faults_are_found(request):
    if not is_campaign(request):
        pytest.skip("a campaign of some minutes, run by -m campaign: scripts/faults.py")
    result = subprocess.run([sys.executable, "scripts/faults.py"], cwd=ROOT, capture_output=True, text=True)
    print(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr
