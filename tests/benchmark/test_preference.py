"""The scheduler's preference for a measurement is taken for its block and given back."""

from pathlib import Path

from scripts.benchmark.preference import preferred


def test_process_in_a_group_is_preferred_for_the_block(tmp_path: Path) -> None:
    group = tmp_path / "autogroup"
    group.write_text("/autogroup-5 nice 3\n")
    with preferred(group):
        assert group.read_text() == "-20"
    assert group.read_text() == "3"


def test_process_in_no_group_stays_as_it_is(tmp_path: Path) -> None:
    group = tmp_path / "autogroup"
    group.write_text("")
    with preferred(group):
        assert group.read_text() == ""
    assert group.read_text() == ""


def test_kernel_without_groups_changes_nothing(tmp_path: Path) -> None:
    group = tmp_path / "autogroup"
    with preferred(group):
        assert not group.exists()
    assert not group.exists()
