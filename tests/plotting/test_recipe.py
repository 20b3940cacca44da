"""Lines that tell a run: units, both ways, and what is said of a wrong word."""

import pytest

from stack.plotting.recipe import Recipe, RecipeError, read_recipe

MS = 1_000_000


def test_line_of_the_documentation_is_read() -> None:
    line = "rate=10M delay=20ms loss=1% queue=60k algorithm=cubic bytes=2M seed=7"
    assert read_recipe(line) == Recipe(
        seed=7,
        send=2_000_000,
        both={"rate": 10_000_000, "delay": 20 * MS, "loss": 10_000, "queue": 60_000},
        hosts={"congestion": "cubic"},
    )


def test_empty_line_is_a_run_without_faults() -> None:
    assert read_recipe("") == Recipe()


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("rate=2.5G", 2_500_000_000),
        ("queue=64KiB", 65_536),
        ("delay=500us", 500_000),
        ("delay=0.5µs", 500),
        ("delay=2s", 2_000 * MS),
        ("loss=250ppm", 250),
        ("loss=0.5%", 5000),
        ("reorder_frames=4", 4),
    ],
)
def test_units_are_converted(word: str, value: int) -> None:
    assert list(read_recipe(word).both.values()) == [value]


def test_ways_and_habits_and_tunables_have_their_places() -> None:
    recipe = read_recipe(
        "loss=1%/0% blackout=2s-5s stall_after=50k stall=2s write_size=1k sack=0 rto_minimum=1s flows=3"
    )
    assert (recipe.forward, recipe.backward) == ({"loss": 10_000}, {"loss": 0})
    assert recipe.both == {"blackouts": [(2000 * MS, 5000 * MS)]}
    assert (recipe.server_habits, recipe.client_habits) == (
        {"stall_after": 50_000, "stall": 2000 * MS},
        {"write_size": 1000},
    )
    assert recipe.hosts == {"sack": 0, "rto_minimum": 1000 * MS}
    assert recipe.flows == 3


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("delay", "delay=20ms"),
        ("delay=", "delay=20ms"),
        ("delay=20", "'20'"),
        ("delay=twenty", "'twenty'"),
        ("loss=1", "1% or 500ppm"),
        ("loss=-1%", "'-1%'"),
        ("rate=10Q", "'10Q'"),
        ("speed=10M", "there is no 'speed', but algorithm, blackout, burst"),
        ("algorithm=vegas", "newreno"),
        ("blackout=2s", "blackout=2s-5s"),
        ("blackout=5s-2s", "blackout=2s-5s"),
        ("flows=0", "1 to 16"),
        ("flows=99", "1 to 16"),
        ("seed=x", "'x'"),
    ],
)
def test_wrong_word_is_said_with_what_would_do(line: str, said: str) -> None:
    with pytest.raises(RecipeError) as caught:
        read_recipe(line)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
