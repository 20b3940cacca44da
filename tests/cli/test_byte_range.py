"""The Range field (RFC 9110 section 14.1.2)."""

import pytest

from stack.applications.byte_range import Unsatisfiable, requested_range


@pytest.mark.parametrize(
    ("field", "part"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=10-19", (10, 10)),
        ("bytes=90-", (90, 10)),
        ("bytes=90-1000", (90, 10)),
        ("bytes=-10", (90, 10)),
        ("bytes=-1000", (0, 100)),
        ("Bytes = 1 - 2", (1, 2)),
    ],
)
def test_one_range_gives_first_byte_and_count(field: str, part: tuple[int, int]) -> None:
    assert requested_range(field, 100) == part


@pytest.mark.parametrize("field", ["", "bytes=", "bytes=-", "bytes=a-b", "lines=0-1", "bytes=0-1,5-6", "bytes=5-4"])
def test_malformed_or_manifold_range_is_ignored(field: str) -> None:
    assert requested_range(field, 100) is None


@pytest.mark.parametrize("field", ["bytes={}-", "bytes=0-{}", "bytes=-{}"])
def test_number_of_thousands_of_digits_is_ignored(field: str) -> None:
    assert requested_range(field.format("9" * 5000), 100) is None


@pytest.mark.parametrize(
    ("field", "size"), [("bytes=100-", 100), ("bytes=100-200", 100), ("bytes=-0", 9), ("bytes=0-", 0)]
)
def test_range_outside_the_file_is_unsatisfiable(field: str, size: int) -> None:
    with pytest.raises(Unsatisfiable):
        requested_range(field, size)
